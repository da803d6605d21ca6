"""Optimizers of Keras walking on a surface, outside any network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Loss = Callable[[Any], Any]


def descend(loss: Loss, start: np.ndarray, optimizer: keras.optimizers.Optimizer, *, steps: int) -> np.ndarray:
    """The paths of an optimizer from several points at once, in double precision.

    Args:
        loss: From points `(points, dimensions)`, a tensor, to the loss of each `(points,)`, by `keras.ops`.
        start: The first points, `(points, dimensions)`. An optimizer treats each coordinate by itself, so that the
            points do not notice each other.
        optimizer: A fresh one of `keras.optimizers`.
        steps: How many.

    Returns:
        `(steps + 1, points, dimensions)`.
    """
    weights = keras.Variable(start, dtype="float64")
    optimizer.build([weights])

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(loss(weights.value))
        optimizer.apply([tape.gradient(total, weights.value)])
        return tf.identity(weights.value)

    return np.stack([np.array(start, dtype=float), *(step().numpy() for _ in range(steps))])
