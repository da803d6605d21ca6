"""The section of a report that shows the map of features."""

import json
from dataclasses import replace

import numpy as np
from PIL import Image

from transfer.fitting.embedding import embed, embedding_section


def test_the_section_states_every_number_and_holds_the_figure(tmp_path):
    rng, y = np.random.default_rng(0), np.arange(45) % 3
    mapped = embed(6 * rng.normal(size=(3, 60))[y] + rng.normal(size=(45, 60)), y)
    pair = {"pre-trained": mapped, "fine-tuned": replace(mapped, trustworthiness=0.5)}
    section = embedding_section(pair, ["a", "b", "c"], tmp_path / "map.png", named="validation images")
    text = " ".join(section.paragraphs)
    assert "right class of 100.0% (92.1–100.0) in feature space and of 100.0% (92.1–100.0) in the map" in text
    assert "pre-trained: 45 validation images, 60 features" in text and "distances between clusters" in text
    assert [row[0] for row in section.table[1]] == ["pre-trained", "fine-tuned"]
    assert json.loads(json.dumps(section.numbers))["fine-tuned"]["trustworthiness"] == 0.5
    with Image.open(section.figures[0][0]) as picture:
        assert picture.width >= 1200
