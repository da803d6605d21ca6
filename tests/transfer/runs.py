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


def quick_report(patch: Any) -> None:
    """Replaces the report by one that takes no time."""
    patch.setattr("transfer.outcome.report_run", lambda run, *_, **__: short_report(run))
    patch.setattr("transfer.outcome.sections_of", lambda *_, **__: [])


def rows(run: Run) -> list[dict[str, str]]:
    """`history.csv` without what a clock decides."""
    with open(run.history, newline="") as file:
        return [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]
