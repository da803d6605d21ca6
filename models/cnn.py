"""Convolutional networks: the notes' CIFAR-10 CNN twice, one for class activation maps, the dog-breed CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from models import blocks, checks


def cifar_cnn(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    kernel_size: int = 2,
    dense_units: int = 500,
    dropout_rate: float = 0.3,
    head_dropout_rate: float = 0.4,
    activation: str = "relu",
    kernel_initializer: str = "glorot_uniform",
    l2: float = 0.0,
) -> keras.Model:
    """Builds the notes' CNN as `keras.Sequential`: 528,054 parameters at (32, 32, 3) and 10 classes.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255; each block halves height and width, so the
            default of three takes at least 8×8.
        num_classes: At least 2.
        filters: Feature maps of each block, a convolution (padding `same`) and a 2×2 maximum.
        kernel_size: Height and width of every kernel.
        dense_units: Width of the hidden layer after the blocks.
        dropout_rate: Share dropped in training after the blocks, in [0, 1).
        head_dropout_rate: Share dropped in training after the hidden layer, in [0, 1).
        activation: Name of the activation of convolutions and hidden layer.
        kernel_initializer: Name of the initializer of every kernel.
        l2: Weight of the penalty Σw² on every kernel, at least 0.

    Returns:
        A model with outputs `(batch, num_classes)` in [0, 1], or `(batch, 1)` for two classes. Layers:
        `conv<i>`, `conv<i>_pool`, `conv_dropout`, `flatten`, `hidden`, `hidden_dropout`, and the head.

    Raises:
        ValueError: If the image is too small for the blocks or another argument is out of its range.
    """
    common = _common(activation, kernel_initializer, l2)
    inputs, layers = _cifar_layers(
        input_shape, num_classes, filters, kernel_size, dense_units, (dropout_rate, head_dropout_rate), common
    )
    return keras.Sequential([inputs, *layers], name="cifar_cnn")


def cifar_cnn_functional(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    kernel_size: int = 2,
    dense_units: int = 500,
    dropout_rate: float = 0.3,
    head_dropout_rate: float = 0.4,
    activation: str = "relu",
    kernel_initializer: str = "glorot_uniform",
    l2: float = 0.0,
) -> keras.Model:
    """Builds the graph of `cifar_cnn` by the functional API: the same weights give the same outputs, bit for bit.

    Args, Returns and Raises are those of `cifar_cnn`.
    """
    common = _common(activation, kernel_initializer, l2)
    inputs, layers = _cifar_layers(
        input_shape, num_classes, filters, kernel_size, dense_units, (dropout_rate, head_dropout_rate), common
    )
    return blocks.functional(inputs, layers, name="cifar_cnn_functional")


def gap_cnn(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    kernel_size: int = 3,
    activation: str = "relu",
    kernel_initializer: str = "glorot_uniform",
    l2: float = 0.0,
) -> keras.Model:
    """Builds convolutions, their global average and one linear layer, so that class activation maps are exact.

    The average follows the last convolution directly. Hence a class's logit is its bias plus the mean over all
    positions of Σ_k w_k · map_k: the map that is averaged is the class activation map.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255; every convolution but the last is followed by
            a halving, so the default takes at least 4×4.
        num_classes: At least 2.
        filters: Feature maps of each convolution (padding `same`).
        kernel_size: Height and width of every kernel.
        activation: Name of the convolutions' activation.
        kernel_initializer: Name of the initializer of every kernel.
        l2: Weight of the penalty Σw² on every kernel, at least 0.

    Returns:
        A model with outputs `(batch, num_classes)` in [0, 1], or `(batch, 1)` for two classes. Layers:
        `conv<i>`, `conv<i>_pool`, `gap`, and the head.

    Raises:
        ValueError: If the image is too small for the halvings or another argument is out of its range.

    Reference:
        Zhou et al., 2016, "Learning deep features for discriminative localization", arXiv:1512.04150.
    """
    common = _common(activation, kernel_initializer, l2)
    return _gap_model("gap_cnn", input_shape, num_classes, filters, kernel_size, False, common | {"padding": "same"})


def dog_cnn(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    kernel_size: int = 2,
    activation: str = "relu",
    kernel_initializer: str = "glorot_uniform",
    l2: float = 0.0,
) -> keras.Model:
    """Builds the notes' dog-breed CNN: 19,189 parameters at 133 classes and 3 channels, at any image size.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255; the notes use (224, 224, 3), the default
            takes at least 15×15.
        num_classes: At least 2.
        filters: Feature maps of each block, a convolution (padding `valid`) and a 2×2 maximum.
        kernel_size: Height and width of every kernel.
        activation: Name of the convolutions' activation.
        kernel_initializer: Name of the initializer of every kernel.
        l2: Weight of the penalty Σw² on every kernel, at least 0.

    Returns:
        A model with outputs `(batch, num_classes)` in [0, 1], or `(batch, 1)` for two classes. Layers:
        `conv<i>`, `conv<i>_pool`, `gap`, and the head.

    Raises:
        ValueError: If the image is too small for the blocks or another argument is out of its range.
    """
    common = _common(activation, kernel_initializer, l2)
    return _gap_model("dog_cnn", input_shape, num_classes, filters, kernel_size, True, common | {"padding": "valid"})


def _common(activation: str, kernel_initializer: str, l2: float) -> dict[str, Any]:
    regularizer = blocks.penalty(l2=l2)
    return {"activation": activation, "kernel_initializer": kernel_initializer, "kernel_regularizer": regularizer}


def _without_activation(common: dict[str, Any]) -> dict[str, Any]:
    return {key: common[key] for key in ("kernel_initializer", "kernel_regularizer")}


def _min_size(halvings: int, shrink: int = 0) -> int:
    """Smallest side that leaves one pixel: each block takes `shrink` pixels and halves the rest."""
    size = 1
    for _ in range(halvings):
        size = 2 * size + shrink
    return size


def _cifar_layers(
    input_shape: Sequence[int],
    num_classes: int,
    filters: Sequence[int],
    kernel_size: int,
    dense_units: int,
    dropout_rates: tuple[float, float],
    common: dict[str, Any],
) -> tuple[keras.KerasTensor, list[keras.Layer]]:
    checks.check_num_classes(num_classes)
    checks.check_sizes("filters", filters)
    checks.check_size("kernel_size", kernel_size)
    checks.check_size("dense_units", dense_units)
    checks.check_rate("dropout_rate", dropout_rates[0])
    checks.check_rate("head_dropout_rate", dropout_rates[1])
    checks.check_image_shape(input_shape, _min_size(len(filters)))
    inputs, layers = blocks.input_layers(input_shape)
    for number, depth in enumerate(filters, start=1):
        layers += blocks.conv_layers(f"conv{number}", depth, kernel_size, padding="same", **common)
    layers += [keras.layers.Dropout(dropout_rates[0], name="conv_dropout"), *blocks.flatten_layers(input_shape)]
    layers.append(keras.layers.Dense(dense_units, name="hidden", **common))
    layers.append(keras.layers.Dropout(dropout_rates[1], name="hidden_dropout"))
    return inputs, layers + blocks.head_layers(num_classes, **_without_activation(common))


def _gap_model(
    name: str,
    input_shape: Sequence[int],
    num_classes: int,
    filters: Sequence[int],
    kernel_size: int,
    pool_last: bool,
    conv: dict[str, Any],
) -> keras.Model:
    checks.check_num_classes(num_classes)
    checks.check_sizes("filters", filters)
    checks.check_size("kernel_size", kernel_size)
    shrink = kernel_size - 1 if conv["padding"] == "valid" else 0
    halvings = len(filters) if pool_last else len(filters) - 1
    checks.check_image_shape(input_shape, _min_size(halvings, shrink))
    inputs, layers = blocks.input_layers(input_shape)
    for number, depth in enumerate(filters, start=1):
        pool = pool_last or number < len(filters)
        layers += blocks.conv_layers(f"conv{number}", depth, kernel_size, pool=pool, **conv)
    layers.append(keras.layers.GlobalAveragePooling2D(dtype="float32", name="gap"))
    layers += blocks.head_layers(num_classes, **_without_activation(conv))
    return blocks.functional(inputs, layers, name=name)
