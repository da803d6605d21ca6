"""Pieces that the factories share: inputs, blocks and heads as lists of named layers, and the penalty.

Preprocessing and heads compute in float32 under every precision policy: bfloat16 keeps 8 bits, too few for
raw features and for probabilities near 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from models import checks


def input_layers(
    input_shape: Sequence[int],
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
) -> tuple[keras.KerasTensor, list[keras.Layer]]:
    """Makes the input and the layers that standardise it.

    Args:
        input_shape: `(height, width, channels)`, raw pixels in 0…255, or `(features,)`, raw numbers.
        mean: Mean of each feature in the training split, `(features,)`; tables only.
        variance: Variance of each feature there, `(features,)`, each at least 0; 0 marks a constant feature,
            which becomes 0.

    Returns:
        The input tensor, named `pixels` or `features`, and a list of layers: `rescaling` (by 1/255) for an
        image, `normalization` for a table with statistics, none for a table without.

    Raises:
        ValueError: If the shape is neither, or the statistics do not fit it.
    """
    checks.check_input_shape(input_shape)
    checks.check_statistics(input_shape, mean, variance)
    if len(input_shape) == 3:
        rescaling = keras.layers.Rescaling(1 / 255, dtype="float32", name="rescaling")
        return keras.Input(tuple(input_shape), name="pixels"), [rescaling]
    inputs = keras.Input(tuple(input_shape), name="features")
    if mean is None or variance is None:
        return inputs, []
    statistics = {"mean": [float(value) for value in mean], "variance": [float(value) for value in variance]}
    return inputs, [keras.layers.Normalization(**statistics, dtype="float32", name="normalization")]


def flatten_layers(input_shape: Sequence[int]) -> list[keras.Layer]:
    """Makes `flatten`, image to vector, for an image; nothing for a table, which is a vector already."""
    return [keras.layers.Flatten(name="flatten")] if len(input_shape) == 3 else []


def conv_layers(name: str, filters: int, kernel_size: int, *, pool: bool = True, **conv: Any) -> list[keras.Layer]:
    """Makes a convolution named `name`, and, if `pool`, the halving maximum `<name>_pool` after it.

    Args:
        name: Name of the convolution, such as `conv2`.
        filters: Number of feature maps.
        kernel_size: Height and width of the kernel.
        pool: Whether a 2×2 maximum with stride 2 follows.
        **conv: Further keywords of `keras.layers.Conv2D`, such as `padding`.

    Returns:
        One layer or two.
    """
    layers: list[keras.Layer] = [keras.layers.Conv2D(filters, kernel_size, name=name, **conv)]
    return layers + [keras.layers.MaxPooling2D(2, name=f"{name}_pool")] if pool else layers


def head_layers(num_classes: int, **dense: Any) -> list[keras.Layer]:
    """Makes a classifier's last two layers, `logits` and `probabilities`, in float32.

    Args:
        num_classes: At least 2. Two classes share one unit and a sigmoid, which scores the positive class
            (class 1); K > 2 classes have K units and a softmax.
        **dense: Further keywords of the `keras.layers.Dense` of the logits.

    Returns:
        The two layers; output `(batch, 1)` or `(batch, num_classes)`, in [0, 1].

    Raises:
        ValueError: If there are fewer than two classes.
    """
    checks.check_num_classes(num_classes)
    units, activation = (1, "sigmoid") if num_classes == 2 else (num_classes, "softmax")
    return [
        keras.layers.Dense(units, dtype="float32", name="logits", **dense),
        keras.layers.Activation(activation, dtype="float32", name="probabilities"),
    ]


def regression_layers(target_mean: float, target_scale: float, **dense: Any) -> list[keras.Layer]:
    """Makes a regressor's last two layers, `standardized_output` and `output`, in float32.

    The weights learn a target of mean 0 and scale 1; `output` turns it back into the target's own units.

    Args:
        target_mean: Mean of the target in the training split.
        target_scale: Its standard deviation there, above 0.
        **dense: Further keywords of the `keras.layers.Dense`.

    Returns:
        The two layers; output `(batch, 1)`, unbounded.

    Raises:
        ValueError: If the mean is not finite or the scale not finite and above 0.
    """
    checks.check_target(target_mean, target_scale)
    return [
        keras.layers.Dense(1, dtype="float32", name="standardized_output", **dense),
        keras.layers.Rescaling(float(target_scale), float(target_mean), dtype="float32", name="output"),
    ]


def penalty(l1: float = 0.0, l2: float = 0.0) -> keras.Regularizer | None:
    """Makes the penalty l1·Σ|w| + l2·Σw² on a kernel, or None where both weights are 0.

    Raises:
        ValueError: If a weight is negative or not finite.
    """
    checks.check_penalty("l1", l1)
    checks.check_penalty("l2", l2)
    return keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None


def functional(inputs: keras.KerasTensor, layers: Sequence[keras.Layer], name: str) -> keras.Model:
    """Calls the layers one after the other on `inputs`, by the functional API, and returns the model."""
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name=name)
