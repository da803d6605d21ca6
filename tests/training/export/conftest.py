"""A run made by hand: a network of 51 weights that tells three brightnesses apart, its data, its record, its report."""

import json

import keras
import numpy as np
import pytest

from training import datasets
from training.config import TrainConfig, to_yaml
from training.job import save_network
from training.run import Run
from training.train import data_facts

SIDE = 8
CLASSES = ("dark", "grey", "light")
LEVELS = {3: (30, 110, 190), 2: (60, 160)}


def brightness(folder, classes=CLASSES, *, validation=280):
    """An .npz file of images whose class is their brightness."""
    random = np.random.default_rng(5)
    arrays = {"class_names": list(classes)}
    for name, count in (("train", 120), ("validation", validation), ("test", 60)):
        y = np.arange(count) % len(classes)
        level = np.array(LEVELS[len(classes)])[y][:, None, None, None]
        arrays |= {
            f"x_{name}": (level + random.integers(0, 60, (count, SIDE, SIDE, 3))).astype(np.uint8),
            f"y_{name}": y,
        }
    np.savez(folder / "brightness.npz", **arrays)
    return folder / "brightness.npz"


def network(num_classes=3):
    """Tells the brightnesses apart without having been trained: the class is that of the nearest level."""
    inputs = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(inputs)
    x = keras.layers.Conv2D(1, 3, activation="relu", name="conv1")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    units = num_classes if num_classes > 2 else 1
    x = keras.layers.Dense(units, name="logits")(x)
    x = keras.layers.Activation("softmax" if units > 1 else "sigmoid", name="probabilities")(x)
    model = keras.Model(inputs, x, name="brightness")
    model.get_layer("conv1").set_weights([np.full((3, 3, 3, 1), 1 / 27), np.zeros(1)])
    level = (np.array(LEVELS[num_classes]) + 30) / 255
    weights, bias = 80 * level, -40 * level**2
    if units == 1:
        weights, bias = weights[1:] - weights[:1], bias[1:] - bias[:1]
    model.get_layer("logits").set_weights([weights[None], bias])
    return model


def make_run(folder, classes=CLASSES, *, final_fit=False, **settings):
    """A run directory; `settings` are those of the data."""
    run = Run(folder / "gap_cnn-npz-001")
    run.path.mkdir(parents=True)
    file = brightness(folder, classes, **settings)
    config = TrainConfig(model="gap_cnn", dataset="npz", data_dir=str(file), epochs=1, final_fit=final_fit)
    data = datasets.load(config, task="classification")
    save_network(network(len(classes)), run, data)
    run.config.write_text(to_yaml(config))
    run.update_record(**data_facts(data), started="2026-01-01T00:00:00+00:00")
    run.report.mkdir()
    share = {"estimate": 0.9, "low": 0.8, "high": 0.95, "numerator": 54, "denominator": 60}
    rows = [{"label": name, "sensitivity": share, "specificity": share} for name in classes]
    test = {"n": 60, "accuracy": share, "per_class": rows, "operating_point": None}
    if len(classes) == 2:
        test["operating_point"] = {"threshold": 0.25, "why": "Chosen on validation."}
    (run.report / "report.json").write_text(json.dumps({"splits": {"test": test}}))
    run.write_manifest()
    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="session")
def binary_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("export-two"), ("healthy", "ill"))
