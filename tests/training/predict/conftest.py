"""A run made by hand: an untrained network in a run directory, which is all that predicting needs."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from models import build
from training.checkpoint import save_model
from training.run import Run


def make_run(path, *, classes=("ants", "bees", "wasps"), positive=None, threshold=None, channels=3):
    """A run whose network was not trained; with a threshold, its report chose that."""
    run = Run(path)
    path.mkdir(parents=True)
    keras.utils.set_random_seed(3)
    model = build("gap_cnn", (12, 12, channels), len(classes))
    settings = {"image_size": [12, 12], "resize": "crop"}
    metadata = {"class_names": list(classes), "positive": positive, "kind": "image", "settings": settings}
    save_model(model, run.model, metadata)
    run.config.write_text("model: gap_cnn\n")
    if threshold is not None:
        run.report.mkdir()
        point = {"threshold": threshold, "why": "Chosen on validation."}
        (run.report / "report.json").write_text(json.dumps({"splits": {"test": {"operating_point": point}}}))
    run.write_manifest()
    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "three")


def write_images(folder, count, *, seed=0, mode="RGB", size=(20, 16)):
    """Random PNG files 00.png, 01.png, …"""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
        Image.fromarray(random.integers(0, 256, shape).astype(np.uint8)).save(folder / f"{index:02}.png")
    return folder
