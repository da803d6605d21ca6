"""Multilayer perceptrons: hidden Dense layers for classes or for a number, and the notes' two networks."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from models import blocks, checks


def mlp_classifier(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    units: Sequence[int] = (64, 32),
    activation: str = "relu",
    dropout_rate: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    kernel_initializer: str = "glorot_uniform",
    batch_normalization: bool = False,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
) -> keras.Model:
    """Builds hidden layers and a head for classes.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255, flattened, or `(features,)`.
        num_classes: At least 2.
        units: Width of each hidden layer, first to last.
        activation: Name of the hidden layers' activation.
        dropout_rate: Share of each hidden layer that is dropped in training, in [0, 1).
        l1: Weight of the penalty Σ|w| on every kernel, at least 0.
        l2: Weight of the penalty Σw² on every kernel, at least 0.
        kernel_initializer: Name of the initializer of every kernel.
        batch_normalization: Whether to normalise each hidden layer over the batch before its activation.
        mean: Mean of each feature, `(features,)`; tables only.
        variance: Variance of each feature, `(features,)`; tables only.

    Returns:
        A model with outputs `(batch, num_classes)` in [0, 1], or `(batch, 1)` for two classes. Layers of
        block i: `hidden<i>`, with normalisation `hidden<i>_normalization` and `hidden<i>_activation`, then
        `hidden<i>_dropout`.

    Raises:
        ValueError: If an argument is out of its range.
    """
    checks.check_num_classes(num_classes)
    dense = {"kernel_initializer": kernel_initializer, "kernel_regularizer": blocks.penalty(l1, l2)}
    inputs, layers = blocks.input_layers(input_shape, mean, variance)
    layers += blocks.flatten_layers(input_shape)
    layers += _hidden_layers(units, activation, dropout_rate, batch_normalization, dense)
    layers += blocks.head_layers(num_classes, **dense)
    return blocks.functional(inputs, layers, name="mlp_classifier")


def mlp_regressor(
    input_shape: Sequence[int],
    num_classes: int = 0,
    *,
    units: Sequence[int] = (64, 32),
    activation: str = "relu",
    dropout_rate: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    kernel_initializer: str = "glorot_uniform",
    batch_normalization: bool = False,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
    target_mean: float = 0.0,
    target_scale: float = 1.0,
) -> keras.Model:
    """Builds hidden layers and one linear output in the target's units.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255, flattened, or `(features,)`.
        num_classes: 0 or 1; there is one output.
        units: Width of each hidden layer, first to last.
        activation: Name of the hidden layers' activation.
        dropout_rate: Share of each hidden layer that is dropped in training, in [0, 1).
        l1: Weight of the penalty Σ|w| on every kernel, at least 0.
        l2: Weight of the penalty Σw² on every kernel, at least 0.
        kernel_initializer: Name of the initializer of every kernel.
        batch_normalization: Whether to normalise each hidden layer over the batch before its activation.
        mean: Mean of each feature, `(features,)`; tables only.
        variance: Variance of each feature, `(features,)`; tables only.
        target_mean: Mean of the target in the training split.
        target_scale: Standard deviation of the target there, above 0.

    Returns:
        A model with outputs `(batch, 1)`, unbounded, from the layer `output`.

    Raises:
        ValueError: If an argument is out of its range.
    """
    checks.check_one_output(num_classes)
    dense = {"kernel_initializer": kernel_initializer, "kernel_regularizer": blocks.penalty(l1, l2)}
    inputs, layers = blocks.input_layers(input_shape, mean, variance)
    layers += blocks.flatten_layers(input_shape)
    layers += _hidden_layers(units, activation, dropout_rate, batch_normalization, dense)
    layers += blocks.regression_layers(target_mean, target_scale, **dense)
    return blocks.functional(inputs, layers, name="mlp_regressor")


def mnist_mlp(
    input_shape: Sequence[int], num_classes: int, *, dropout_rate: float = 0.2, l1: float = 0.0, l2: float = 0.0
) -> keras.Model:
    """Builds the notes' network for digits: 512 and 512 units, 669,706 parameters at (28, 28, 1) and 10 classes.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255.
        num_classes: At least 2.
        dropout_rate: Share of each hidden layer that is dropped in training, in [0, 1).
        l1: Weight of the penalty Σ|w| on every kernel, at least 0.
        l2: Weight of the penalty Σw² on every kernel, at least 0.

    Returns:
        A model with outputs `(batch, num_classes)` in [0, 1], or `(batch, 1)` for two classes.

    Raises:
        ValueError: If the input is no image or another argument is out of its range.
    """
    return _image_mlp("mnist_mlp", (512, 512), input_shape, num_classes, dropout_rate, blocks.penalty(l1, l2))


def cifar_mlp(
    input_shape: Sequence[int], num_classes: int, *, dropout_rate: float = 0.2, l1: float = 0.0, l2: float = 0.0
) -> keras.Model:
    """Builds the notes' network for CIFAR-10: 1000 and 512 units, 3,590,642 parameters at (32, 32, 3) and 10 classes.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255.
        num_classes: At least 2.
        dropout_rate: Share of each hidden layer that is dropped in training, in [0, 1).
        l1: Weight of the penalty Σ|w| on every kernel, at least 0.
        l2: Weight of the penalty Σw² on every kernel, at least 0.

    Returns:
        A model with outputs `(batch, num_classes)` in [0, 1], or `(batch, 1)` for two classes.

    Raises:
        ValueError: If the input is no image or another argument is out of its range.
    """
    return _image_mlp("cifar_mlp", (1000, 512), input_shape, num_classes, dropout_rate, blocks.penalty(l1, l2))


def _image_mlp(
    name: str,
    units: Sequence[int],
    input_shape: Sequence[int],
    num_classes: int,
    dropout_rate: float,
    regularizer: keras.Regularizer | None,
) -> keras.Model:
    checks.check_num_classes(num_classes)
    checks.check_image_shape(input_shape)
    dense = {"kernel_regularizer": regularizer}
    inputs, layers = blocks.input_layers(input_shape)
    layers += blocks.flatten_layers(input_shape)
    layers += _hidden_layers(units, "relu", dropout_rate, False, dense)
    layers += blocks.head_layers(num_classes, **dense)
    return blocks.functional(inputs, layers, name=name)


def _hidden_layers(
    units: Sequence[int], activation: str, dropout_rate: float, batch_normalization: bool, dense: dict
) -> list[keras.Layer]:
    checks.check_sizes("units", units)
    checks.check_rate("dropout_rate", dropout_rate)
    layers: list[keras.Layer] = []
    for number, width in enumerate(units, start=1):
        name = f"hidden{number}"
        if batch_normalization:
            # The normalisation's own offset takes the place of the bias.
            layers.append(keras.layers.Dense(width, use_bias=False, name=name, **dense))
            layers.append(keras.layers.BatchNormalization(name=f"{name}_normalization"))
            layers.append(keras.layers.Activation(activation, name=f"{name}_activation"))
        else:
            layers.append(keras.layers.Dense(width, activation=activation, name=name, **dense))
        layers.append(keras.layers.Dropout(dropout_rate, name=f"{name}_dropout"))
    return layers
