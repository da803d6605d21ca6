"""The one table of factories: what each builds at its published shape, and a small shape to run it at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

import models

STATISTICS = {"mean": [100.0, 0.0, -3.0, 5.0], "variance": [400.0, 1.0, 4.0, 0.0]}


@dataclass(frozen=True)
class Case:
    """A factory with its published shape, parameter count and output units, and a small shape for running."""

    name: str
    input_shape: tuple[int, ...]
    num_classes: int
    units: int
    parameters: int
    small_shape: tuple[int, ...]
    hyperparameters: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        kind = "image" if len(self.small_shape) == 3 else "table"
        options = "".join(f"-{key}" for key in self.hyperparameters)
        return f"{self.name}-{kind}-{self.num_classes}{options}"

    @property
    def entry(self) -> models.catalog.ModelEntry:
        return models.CATALOG[self.name]

    def build(self) -> keras.Model:
        """Builds the small model with repeatable weights."""
        keras.utils.set_random_seed(7)
        return models.build(self.name, self.small_shape, self.num_classes, **self.hyperparameters)

    def inputs(self, count: int = 8) -> np.ndarray:
        """Raw pixels in 0…255, or raw features of very different scales, as float32."""
        generator = np.random.default_rng(3)
        if len(self.small_shape) == 3:
            return generator.integers(0, 256, (count, *self.small_shape)).astype("float32")
        return generator.normal([100, 0, -3, 5], [20, 1, 2, 0], (count, 4)).astype("float32")


IMAGE = (16, 16, 3)
CASES = [
    Case("perceptron", (4,), 2, 1, 5, (4,), STATISTICS),
    Case("perceptron", (28, 28, 1), 2, 1, 785, IMAGE),
    Case("logistic_regression", (30,), 2, 1, 31, (4,), {"l1": 1e-4}),
    Case("logistic_regression", (28, 28, 1), 2, 1, 785, IMAGE),
    Case("softmax_regression", (30,), 2, 1, 31, (4,)),
    Case("softmax_regression", (28, 28, 1), 10, 10, 7_850, IMAGE),
    Case("linear_regression", (10,), 0, 1, 11, (4,), {"target_mean": 150.0, "target_scale": 77.0}),
    Case("mlp_classifier", (30,), 3, 3, 4_163, (4,)),
    Case("mlp_classifier", (30,), 3, 3, 4_451, (4,), {"batch_normalization": True, "dropout_rate": 0.1}),
    Case("mlp_regressor", (10,), 0, 1, 2_817, (4,), {"target_mean": 150.0, "target_scale": 77.0}),
    Case("mnist_mlp", (28, 28, 1), 10, 10, 669_706, IMAGE),
    Case("cifar_mlp", (32, 32, 3), 10, 10, 3_590_642, IMAGE),
    Case("cifar_cnn", (32, 32, 3), 10, 10, 528_054, IMAGE, {"l2": 1e-4}),
    Case("cifar_cnn_functional", (32, 32, 3), 10, 10, 528_054, IMAGE),
    Case("gap_cnn", (32, 32, 3), 10, 10, 24_234, IMAGE),
    Case("dog_cnn", (224, 224, 3), 133, 133, 19_189, IMAGE),
    Case("dog_cnn", (224, 224, 3), 2, 1, 10_609, IMAGE),
    Case("cifar_speed", (32, 32, 3), 10, 10, 1_973_944, (26, 25, 3)),
    Case("cifar_speed", (32, 32, 3), 2, 1, 5_824, (25, 25, 3), {"filters": (4, 8, 16)}),
]
