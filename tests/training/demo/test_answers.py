"""What is said of one image."""

import base64
import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from models import build
from tests.training.demo.conftest import PICTURES, photo
from tests.training.predict.conftest import make_run
from training.checkpoint import save_model
from training.datasets.dataset import DataError
from training.demo.answers import Answers
from training.demo.page import render_page
from training.predict.command import PredictConfig, predict_files
from training.trained import OperatingPoint, open_trained


def pixels_of(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))))


def test_scores_and_classes_are_those_of_make_predict(two, answers, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, make in PICTURES.items():
        (folder / name).write_bytes(make())
    found = predict_files(PredictConfig(run=str(two.path), images=(folder,), runs_dir=str(tmp_path), show=0))
    with open(found.table, newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    for name in PICTURES:
        answer = answers.answer((folder / name).read_bytes())
        expected = [float(rows[name][f"p_{label}"]) for label in answers.trained.class_names]
        np.testing.assert_allclose(answer["scores"], expected, rtol=1e-5)
        assert answers.trained.class_names[answer["decided"]] == rows[name]["y_pred"]
    assert len(rows) == len(PICTURES)


def test_the_operating_point_decides_not_the_higher_score(answers, decoder):
    score = answers.answer(photo())["scores"][1]
    for threshold, decided in ((score, 1), (math.nextafter(score, 1), 0), (math.inf, 0)):
        trained = replace(answers.trained, point=OperatingPoint(threshold, "Why."))
        assert Answers(trained, decoder).answer(photo())["decided"] == decided
        page = render_page(trained, "", explains=True, top_k=5, max_bytes=1, max_pixels=1).html
        name = "&lt;b&gt;ill&lt;/b&gt;"
        always = f"Nothing is called {name}, whatever its score. Why."
        assert (always if math.isinf(threshold) else f"{name} from a score of {threshold:.4g} on. Why.") in page


def test_the_overlay_is_a_picture_for_the_class_that_was_asked_for(answers):
    one, other = answers.answer(photo(), 0), answers.answer(photo(), 1)
    assert (one["explained"], other["explained"]) == (0, 1) and one["scores"] == other["scores"]
    shown = [answer for answer in (one, other) if answer["overlay"]]
    assert shown and all(np.ptp(pixels_of(answer["overlay"])) > 20 for answer in shown)
    assert one["overlay"] != other["overlay"]
    assert all("Nothing in this image speaks for" in answer["heat"] for answer in (one, other) if not answer["overlay"])


def test_the_networks_input_sent_again_gives_the_same_answer(answers):
    first = answers.answer(photo(3))
    again = answers.answer(base64.b64decode(first["input"].split(",")[1]))
    assert pixels_of(first["input"]).shape == (12, 12, 3)
    assert {key: first[key] for key in ("scores", "input", "overlay")} == {
        key: again[key] for key in ("scores", "input", "overlay")
    }


def test_a_class_that_is_none_is_refused(answers):
    with pytest.raises(DataError, match="class_index must lie in 0…1. Received: 2."):
        answers.answer(photo(), 2)


def test_a_network_without_convolution_says_so_and_scores_all_the_same(decoder, tmp_path):
    run = make_run(tmp_path / "mlp", classes=("a", "b", "c"))
    metadata = {"class_names": ["a", "b", "c"], "kind": "image", "settings": {"resize": "crop"}}
    save_model(build("mlp_classifier", (12, 12, 3), 3), run.model, metadata)
    run.write_manifest()
    answer = Answers(open_trained(str(run.path)), decoder).answer(photo())
    assert answer["overlay"] is None and answer["heat"].startswith("This network has no convolution")
    assert sum(answer["scores"]) == pytest.approx(1)


def test_a_network_whose_weights_are_broken_is_said(decoder, tmp_path):
    run = make_run(tmp_path / "nan", classes=("a", "b", "c"))
    trained = open_trained(str(run.path))
    trained.model.get_layer("logits").bias.assign([math.nan, 0, 0])
    with pytest.raises(DataError, match="nan gives NaN or infinity for this image: its weights are broken"):
        Answers(trained, decoder).answer(photo())


def test_another_number_of_channels_is_noted(decoder, answers):
    grey = io.BytesIO()
    Image.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12)).save(grey, "PNG")
    assert answers.answer(grey.getvalue())["note"] == "Stored in grey, shown to it as RGB."
    assert answers.answer(photo())["note"] == ""
