"""GELU, max pooling and normalisation in fewer passes over memory than operation by operation; by TensorFlow.

For processors. Keras builds GELU and normalisation of elementwise operations, each of which reads and writes the whole
map. Only models in memory change: what is saved of them is Keras' own layers.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from training import cpu
from training.chains import tiling
from training.layers import innermost

ROOT_HALF, DENSITY_AT_0 = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


@tf.custom_gradient
def gelu(inputs: tf.Tensor):
    """x · Φ(x) with the normal distribution Φ, each way in one pass that XLA compiles.

    Args:
        inputs: Any shape, float32.

    Returns:
        The same shape; equal to `keras.activations.gelu` up to rounding.

    Reference:
        Hendrycks & Gimpel, 2016, "Gaussian error linear units", arXiv:1606.08415.
    """
    return _gelu(inputs), partial(_gelu_gradient, inputs)


@tf.function(jit_compile=True)
def _gelu(x: tf.Tensor) -> tf.Tensor:
    return 0.5 * x * (1.0 + tf.math.erf(x * ROOT_HALF))


@tf.function(jit_compile=True)
def _gelu_gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """Φ(x) + x · φ(x), times what comes from above."""
    return upstream * (0.5 * (1.0 + tf.math.erf(x * ROOT_HALF)) + x * DENSITY_AT_0 * tf.exp(-0.5 * x * x))


@tf.custom_gradient
def max_pool_2x2(inputs: tf.Tensor):
    """Largest value of each 2×2 window, each way in one pass that XLA compiles.

    Args:
        inputs: `(n, height, width, channels)`, float32, height and width known.

    Returns:
        `(n, height // 2, width // 2, channels)`, as `tf.nn.max_pool2d` returns it. The gradient goes to the first of a
        window's largest, row by row, as there (where it is finite).
    """
    outputs = _max_pool(inputs)
    return outputs, partial(_max_pool_gradient, inputs, outputs)


@tf.function(jit_compile=True)
def _max_pool(x: tf.Tensor) -> tf.Tensor:
    (first, second), (third, fourth) = _corners(x)
    return tf.maximum(tf.maximum(first, second), tf.maximum(third, fourth))


@tf.function(jit_compile=True)
def _max_pool_gradient(x: tf.Tensor, largest: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    (first, second), (third, _) = _corners(x)
    parts = []
    for corner in (first, second, third):
        parts.append(tf.where(corner == largest, upstream, 0.0))
        upstream = upstream - parts[-1]
    rows = [tf.stack(parts[:2], 3), tf.stack([parts[2], upstream], 3)]
    images, height, width, channels = tf.unstack(tf.shape(x))
    whole = tf.reshape(tf.stack(rows, 2), (images, height // 2 * 2, width // 2 * 2, channels))
    return tf.pad(whole, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])


def _corners(x: tf.Tensor) -> list[list[tf.Tensor]]:
    """Rows of values of the windows, as they stand in each: `(n, height // 2, width // 2, channels)` each."""
    height, width = (side // 2 * 2 for side in x.shape[1:3])
    return [[x[:, row:height:2, column:width:2] for column in (0, 1)] for row in (0, 1)]


def use_fused(model: keras.Model) -> list[str]:
    """Lets the model's GELU, 2×2 max pooling and batch normalisation layers compute in fewer passes.

    Those change that compute in float32: `Activation` layers with the exact GELU, `MaxPooling2D` of 2×2 windows side by
    side, and `BatchNormalization` over the last axis of maps, while it trains and is not frozen.

    Args:
        model: Nested models are followed.

    Returns:
        Names of the layers that were changed.
    """
    found = []
    for layer in innermost(model):
        if layer.compute_dtype != "float32" or vars(layer).get("call") not in (None, cpu.max_pool_2x2):
            continue  # another precision, or changed before
        if type(layer) is keras.layers.Activation and layer.activation is keras.activations.gelu:
            layer.call = gelu
            found.append(layer.name)
        elif tiling(layer) and tuple(layer.pool_size) == (2, 2):
            layer.call = partial(_pooled, layer.call)
            found.append(layer.name)
        elif _plain_normalization(layer):
            layer.call = partial(_normalized, layer, layer.call)
            found.append(layer.name)
    return found


def _pooled(own: Any, inputs: tf.Tensor) -> tf.Tensor:
    """The pooling; Keras' own of maps of unknown size."""
    return own(inputs) if None in tuple(inputs.shape[1:3]) else max_pool_2x2(inputs)


def _plain_normalization(layer: keras.Layer) -> bool:
    plain = type(layer) is keras.layers.BatchNormalization and not (layer.synchronized or layer.renorm)
    return plain and not isinstance(layer.input, list) and len(layer.input.shape) == 4 and layer.axis in (-1, 3)


def _normalized(
    layer: keras.layers.BatchNormalization, own: Any, inputs: tf.Tensor, training: Any = None, mask: Any = None
) -> tf.Tensor:
    """What Keras' layer returns, and keeps as running statistics, by TensorFlow's fused operation."""
    if training is not True or not layer.trainable or mask is not None:
        return own(inputs, training=training, mask=mask)
    channels = inputs.shape[-1]
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=tf.reshape(inputs, (-1, 1, 1, channels)),  # every place a map of its own: shared out evenly, twice as fast
        scale=tf.convert_to_tensor(layer.gamma) if layer.scale else tf.ones(channels),
        offset=tf.convert_to_tensor(layer.beta) if layer.center else tf.zeros(channels),
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=layer.epsilon,
        is_training=True,
    )
    count = tf.cast(tf.size(inputs) // channels, tf.float32)
    # the operation divides by n - 1, to estimate a population's variance; Keras keeps that of the batch
    variance *= (count - 1.0) / count
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        kept = tf.convert_to_tensor(average) * layer.momentum
        average.assign(kept + tf.stop_gradient(value) * (1.0 - layer.momentum))
    return tf.reshape(outputs, tf.shape(inputs))
