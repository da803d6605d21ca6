"""Small transfer runs for tests: brightness classes, a network with random weights at its smallest size."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tests.training.commands import short_report
from training.run import Run
from transfer.backbones import build_backbone
from transfer.config import TransferConfig
from transfer.search.config import PretrainedSearchConfig


def blobs(folder: Path, count: int = 24) -> Path:
    """Grey images of 8×8 in three classes that brightness tells apart, in an .npz file."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), count)
    images = (random.integers(0, 60, (3 * count, 8, 8, 1)) + (labels * 80)[:, None, None, None]).astype(np.uint8)
    np.savez(folder / "blobs.npz", x_train=images, y_train=labels, class_names=["dark", "grey", "light"])
    return folder / "blobs.npz"


def lively_weights(folder: Path) -> Path:
    """The tiny network with kernels that keep the size of what they see (He et al. 2015): random ones of Keras fade."""
    keras.utils.set_random_seed(0)
    network, random = build_backbone("mobilenet_0.25_128", image_size=32, weights=None), np.random.default_rng(0)
    for layer in network.layers:
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization):
            (kernel,) = layer.get_weights()
            inputs = (
                kernel[..., 0].size if not isinstance(layer, keras.layers.DepthwiseConv2D) else kernel[..., 0, 0].size
            )
            layer.set_weights([random.normal(0, (2 / inputs) ** 0.5, kernel.shape)])
    network.save(folder / "lively.keras")
    return folder / "lively.keras"


def config_for(folder: Path, **changes: Any) -> TransferConfig:
    """Settings of a run that takes a moment; with the weights of `lively_weights` where the folder has them."""
    lively = folder / "lively.keras"
    settings: dict[str, Any] = {
        "backbone": "mobilenet_0.25_128",
        "weights": str(lively) if lively.is_file() else "none",
        "dataset": "npz",
        "data_dir": str(folder / "blobs.npz"),
        "image_size": 32,
        "case": "1",
        "batch_size": 16,
        "precision": "float32",
        "tsne": False,
        "runs_dir": str(folder / "runs"),
        "verbose": "silent",
    }
    return TransferConfig(**settings | changes)


def search_config(folder: Path, **changes: Any) -> PretrainedSearchConfig:
    """Settings of a search on `blobs` from `lively_weights`, compared and tested with one seed."""
    settings: dict[str, Any] = {
        "backbone": "mobilenet_0.25_128",
        "weights": str(folder / "lively.keras"),
        "dataset": "npz",
        "data_dir": str(folder / "blobs.npz"),
        "finalists": 1,
        "final_seeds": 1,
        "runs_dir": str(folder / "runs"),
        "verbose": "silent",
        "precision": "float32",
    }
    return PretrainedSearchConfig(**settings | changes)


def quick_search(patch: Any) -> None:
    """Replaces the report of a search's final run, and its page, by some that take no time."""
    patch.setattr("training.finish.report_run", short_report)
    patch.setattr("training.tuning.session.write_report", lambda run: run.report / "index.html")


def use_short_mobilenet(patch: Any) -> None:
    """Replaces MobileNet by a few layers, for what does not depend on which network is adapted."""
    patch.setattr(keras.applications, "MobileNet", _short_mobilenet)


def _short_mobilenet(input_tensor: Any, input_shape: Any, include_top: bool, weights: Any, alpha: float) -> keras.Model:
    """The layers at the catalogue's cuts alone: its graphs are soon traced."""
    assert not include_top and weights is None

    def follow(tensor: Any, layer: keras.Layer) -> Any:
        tensor = keras.layers.BatchNormalization(name=f"{layer.name}_bn")(layer(tensor))
        return keras.layers.ReLU(6.0, name=f"{layer.name}_relu")(tensor)

    options: dict[str, Any] = {"use_bias": False, "padding": "same"}
    features = follow(input_tensor, keras.layers.Conv2D(8, 3, strides=2, name="conv1", **options))
    for number, width in ((3, 16), (5, 16), (11, 32), (13, 256)):
        strides = 1 if number == 5 else 2
        features = follow(features, keras.layers.DepthwiseConv2D(3, strides, name=f"conv_dw_{number}", **options))
        features = follow(features, keras.layers.Conv2D(width, 1, name=f"conv_pw_{number}", **options))
    return keras.Model(keras.utils.get_source_inputs(input_tensor)[0], features)


def quick_report(patch: Any) -> None:
    """Replaces the report by one that takes no time."""
    patch.setattr("transfer.fitting.outcome.report_run", lambda run, *_, **__: short_report(run))
    patch.setattr("transfer.fitting.outcome.sections_of", lambda *_, **__: [])


def rows(run: Run) -> list[dict[str, str]]:
    """`history.csv` without what a clock decides."""
    with open(run.history, newline="") as file:
        return [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]
