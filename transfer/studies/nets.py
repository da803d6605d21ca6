"""The networks of all studies: from random weights, with first layers of another network, or a head on features.

A process trains many of them, one after another, and keeps nothing of those before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import models
from evaluation.files import sha256
from models import blocks
from training.datasets.dataset import Split
from training.files import write_atomic
from training.forget import passing_models
from transfer.studies.fitting import Recipe, accuracy, fit, outputs, parameters, rest_after, take_over
from transfer.studies.ledger import Row


@dataclass(frozen=True)
class Task:
    """Classes to learn, and how.

    Attributes:
        train: Training images or features, labels from 0.
        test: What is scored once, at the end.
        recipe: How long, and how.
        seed: Of the weights and the order.
        network: Factory of `models`.
        hyperparameters: Its keywords.
    """

    train: Split
    test: Split
    recipe: Recipe
    seed: int
    network: str = "cifar_cnn_functional"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


class Clock:
    """Wall-clock and processor seconds since it was made; other work on the machine disturbs the latter less."""

    def __init__(self) -> None:
        self.start, self.cpu_start = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Both clocks."""
        return {
            "seconds": round(time.perf_counter() - self.start, 2),
            "cpu_seconds": round(time.process_time() - self.cpu_start, 2),
        }


@passing_models()
def train_fresh(task: Task, path: Path | None = None) -> Row:
    """Trains a network from random weights, and keeps what it learned in an `.npz` file if there is a path."""
    clock = Clock()
    model = _network(task)
    fit(model, task.train, task.recipe, seed=task.seed)
    row = _row(accuracy(model, task.test), clock, parameters(model))
    if path is None:
        return row
    weights = {f"{index:03d}": array for index, array in enumerate(model.get_weights())}
    write_atomic(path, lambda temporary: np.savez(temporary, **weights))
    return row | {"sha256": sha256(path)}


@passing_models()
def train_from(task: Task, path: Path, *, layer_name: str, frozen: bool) -> Row:
    """Trains a network whose first layers come from another one, frozen or fine-tuned.

    Frozen layers give an image the same outputs in every epoch: these are computed once, and the rest trains on them.

    Args:
        task: Classes to learn; its seed is that of the new layers.
        path: What `train_fresh` kept of the other network.
        layer_name: The last layer that comes from it.
        frozen: Whether these layers stay as they are.
    """
    clock = Clock()
    model = _network(task)
    take_over(model, read_weights(path), layer_name)
    if not frozen:
        fit(model, task.train, task.recipe, seed=task.seed)
        return _row(accuracy(model, task.test), clock, parameters(model))
    rest, first = rest_after(model, layer_name), keras.Model(model.inputs[0], model.get_layer(layer_name).output)
    fit(rest, outputs(first, task.train), task.recipe, seed=task.seed)
    return _row(accuracy(model, task.test), clock, parameters(rest))


@passing_models()
def train_head(task: Task) -> Row:
    """Trains the notes' case 1 on stored features `(n, width)`: one linear layer with random weights."""
    clock = Clock()
    keras.utils.set_random_seed(task.seed)
    inputs = keras.Input(task.train.x.shape[1:], name="features")
    model = blocks.functional(inputs, blocks.head_layers(_classes(task)), name="head")
    fit(model, task.train, task.recipe, seed=task.seed)
    return _row(accuracy(model, task.test), clock, parameters(model))


def read_weights(path: Path) -> list[np.ndarray]:
    """What `train_fresh` kept, in the order of `get_weights`."""
    with np.load(path) as file:
        return [file[name] for name in sorted(file.files)]


def _network(task: Task) -> keras.Model:
    """The task's network with random weights."""
    keras.utils.set_random_seed(task.seed)
    return models.build(task.network, task.train.x.shape[1:], _classes(task), **task.hyperparameters)


def _classes(task: Task) -> int:
    return int(task.train.y.max()) + 1


def _row(score: float, clock: Clock, trainable: int) -> Row:
    return {"accuracy": score, **clock.read(), "trainable": trainable}
