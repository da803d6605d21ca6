"""One network trained by a fixed recipe and scored once: nothing is chosen on the way, so nothing needs validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import blocks
from training.augmentation import Augmentation
from training.cpu import quicken
from training.datasets.dataset import Split
from training.optimizers import loss_and_metric
from training.pipeline import batches
from training.prepare import default_steps_per_execution
from training.schedules import learning_rate
from transfer.pretrained.catalog import TransferError

SCORING_BATCH = 500


@dataclass(frozen=True)
class Recipe:
    """How every network of a comparison is trained, whatever it starts from.

    Attributes:
        steps: Optimizer steps.
        batch_size: Examples per step; fewer where there are fewer.
        learning_rate: Of Adam at the start; it falls to 0 along half a cosine.
        augmentation: Random changes of the training images.
    """

    steps: int
    batch_size: int = 64
    learning_rate: float = 2e-3
    augmentation: Augmentation = Augmentation()


def fit(model: keras.Model, split: Split, recipe: Recipe, *, seed: int) -> None:
    """Trains; the order is a function of the seed.

    Args:
        model: Ends in `probabilities`; compiled here.
        split: Images or features.
        recipe: For how long, and how.
        seed: Of the order.
    """
    size = min(recipe.batch_size, len(split))
    classes = max(2, int(model.output_shape[-1]))
    loss, _ = loss_and_metric(classes)
    rate = learning_rate("cosine", recipe.learning_rate, total_steps=recipe.steps)
    per_call = min(default_steps_per_execution(size), recipe.steps)
    quicken(model)
    model.compile(keras.optimizers.Adam(rate), loss, steps_per_execution=per_call)
    augmentation = recipe.augmentation if recipe.augmentation.is_active else None
    epoch = batches(split, batch_size=size, shuffle_seed=seed, augmentation=augmentation)
    model.fit(epoch.repeat().take(recipe.steps), shuffle=False, verbose=0)


def accuracy(model: keras.Model, split: Split) -> float:
    """Share of the examples whose most probable class is theirs."""
    scores = np.asarray(outputs(model, split).x)
    found = scores.argmax(axis=1) if scores.shape[1] > 1 else scores[:, 0] > 0.5
    return float(np.mean(found == split.y))


def outputs(model: keras.Model, split: Split) -> Split:
    """The same examples with what a network makes of them, float32, in place of their pixels."""
    step = tf.function(lambda x: model(tf.cast(x, tf.float32), training=False), reduce_retracing=True)
    parts = [
        step(tf.constant(np.asarray(split.x[np.arange(start, min(start + SCORING_BATCH, len(split)))]))).numpy()
        for start in range(0, len(split), SCORING_BATCH)
    ]
    return Split(np.concatenate(parts), split.y, split.ids)


def rest_after(model: keras.Model, layer_name: str) -> keras.Model:
    """The layers after a cut as a model of their own, which shares them: it trains on the cut's stored outputs.

    Args:
        model: A chain of layers, such as `cifar_cnn_functional`.
        layer_name: The last layer that is left out.

    Raises:
        TransferError: There is no such layer, or the network is no chain.
    """
    layers = list(model.layers)
    names = [layer.name for layer in layers]
    if layer_name not in names:
        raise TransferError(f"{model.name} has no layer {layer_name!r} to cut at. It has: {', '.join(names)}.")
    chained = all(after.input is before.output for before, after in zip(layers, layers[1:], strict=False))
    if not chained:
        raise TransferError(f"{model.name} is no chain of layers: what comes after {layer_name} has several inputs.")
    inputs = keras.Input(model.get_layer(layer_name).output.shape[1:], name="cut")
    return blocks.functional(inputs, layers[names.index(layer_name) + 1 :], name=f"{model.name}_after_{layer_name}")


def take_over(model: keras.Model, weights: Sequence[np.ndarray], layer_name: str) -> None:
    """Gives a chain's layers up to a cut the weights of another network of the same kind.

    Args:
        model: Changed in place.
        weights: All weights of the other network, in the order of `get_weights`.
        layer_name: The last layer that takes them over.
    """
    remaining = iter(weights)
    for layer in model.layers:
        layer.set_weights([next(remaining) for _ in layer.weights])
        if layer.name == layer_name:
            return


def parameters(model: keras.Model) -> int:
    """Weights that training changes."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def select(split: Split, classes: Sequence[int], rows: np.ndarray | None = None) -> Split:
    """The examples of some classes, renumbered from 0 in that order.

    Args:
        split: All examples.
        classes: Class indices.
        rows: Positions to choose from; None: all.
    """
    order = {label: number for number, label in enumerate(classes)}
    rows = np.arange(len(split)) if rows is None else rows
    rows = np.sort(rows[np.isin(split.y[rows], list(classes))])
    labels = np.array([order[int(label)] for label in split.y[rows]], dtype=np.int64)
    return Split(np.asarray(split.x[rows]), labels, split.ids[rows])


def first_of_each(y: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Positions of `count` random examples of each class (all where there are fewer), sorted.

    A larger count under the same seed contains the smaller one.
    """
    order = np.random.default_rng(seed).permutation(len(y))
    chosen: list[Any] = [order[y[order] == label][:count] for label in np.unique(y)]
    return np.sort(np.concatenate(chosen))
