"""The network of CIFAR-10 speed records: a frozen whitening convolution, three groups of convolutions, one Dense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from models import blocks, checks

PIXEL_SCALE, PIXEL_OFFSET = 1 / 64, -2.0  # pixels minus 128 over 64: about mean 0 and deviation 1 for photographs
WHITENING_SIZE = 2
LAST_POOL = 3


def cifar_speed(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    whitening: Any = None,
    whitening_bias: bool = True,
    filters: Sequence[int] = (64, 256, 256),
    activation: str = "gelu",
    normalization_momentum: float = 0.6,
    normalization_epsilon: float = 1e-5,
    identity_start: bool = True,
    logit_scale: float = 1 / 9,
) -> keras.Model:
    """Builds the network of the airbench speed records: 1,973,944 parameters at (32, 32, 3) and 10 classes.

    The kernel of the first convolution is frozen in the model that is returned, its bias (if any) is not. It is a plain
    `Conv2D`: a model that is loaded from a file has it trainable again.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255; the default takes at least 25×25.
        num_classes: At least 2.
        whitening: Kernel of the first convolution, `(size, size, channels, count)` as nested lists or an array,
            computed from the training split on `standardized` pixels (`training.whitening`). None takes 2×2 orthogonal
            filters and their negatives, which keep the variance of a patch but do not whiten it.
        whitening_bias: Whether the first convolution has a bias, which learns. Without, no gradient of what it sees is
            needed, which saves a twentieth of a step.
        filters: Feature maps of each group: convolution, halving, batch normalisation, activation, convolution, batch
            normalisation, activation. No convolution has a bias, no normalisation a scale.
        activation: Name of the activation.
        normalization_momentum: Share of the running statistics that a step keeps, in [0, 1).
        normalization_epsilon: Added to the variance, above 0. The record's 1e-12 guards nothing in float32 or bfloat16,
            where a channel that is constant in a batch would multiply its gradient by a million.
        identity_start: Whether the first filters of each convolution start by copying their input (one each).
        logit_scale: Number that the features are multiplied by before the last layer, above 0.

    Returns:
        A model with outputs `(batch, num_classes)` in [0, 1], or `(batch, 1)` for two classes. Layers: `rescaling`,
        `whitening`, `group<i>_conv<j>`, `group<i>_pool`, `group<i>_norm<j>`, `last_pool`, `flatten`, `scaling`, and
        the head, which has no bias.

    Raises:
        ValueError: If the image is too small for the groups or another argument is out of its range.

    Reference:
        Jordan, 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498.
    """
    checks.check_num_classes(num_classes)
    checks.check_sizes("filters", filters)
    checks.check_rate("normalization_momentum", normalization_momentum)
    checks.check_positive("normalization_epsilon", normalization_epsilon)
    checks.check_positive("logit_scale", logit_scale)
    checks.check_image_shape(input_shape, LAST_POOL * 2 ** len(filters) + WHITENING_SIZE - 1)
    kernel = _whitening_kernel(whitening, input_shape[2])
    normalization = {"momentum": normalization_momentum, "epsilon": normalization_epsilon, "scale": False}
    layers: list[keras.Layer] = [
        keras.layers.Rescaling(PIXEL_SCALE, PIXEL_OFFSET, dtype="float32", name="rescaling"),
        keras.layers.Conv2D(kernel.shape[-1], kernel.shape[0], use_bias=whitening_bias, name="whitening"),
        keras.layers.Activation(activation, name="whitening_activation"),
    ]
    for number, depth in enumerate(filters, start=1):
        layers += _group(f"group{number}", depth, activation, normalization)
    layers += [keras.layers.MaxPooling2D(LAST_POOL, name="last_pool"), keras.layers.Flatten(name="flatten")]
    layers.append(keras.layers.Rescaling(logit_scale, dtype="float32", name="scaling"))
    layers += blocks.head_layers(num_classes, use_bias=False, kernel_initializer=_uniform())
    model = blocks.functional(keras.Input(tuple(input_shape), name="pixels"), layers, name="cifar_speed")
    _freeze(model.get_layer("whitening"), kernel)
    if identity_start:
        for number in range(1, len(filters) + 1):
            for convolution in (1, 2):
                _start_as_identity(model.get_layer(f"group{number}_conv{convolution}"))
    return model


def standardized(pixels: Any) -> Any:
    """Pixels in 0…255 (an array of floats) as the first convolution sees them."""
    return pixels * PIXEL_SCALE + PIXEL_OFFSET


def _uniform() -> keras.Initializer:
    """Uniform between ±1/√fan-in, as the published network starts."""
    return keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")


def _group(name: str, depth: int, activation: str, normalization: dict[str, Any]) -> list[keras.Layer]:
    """Two convolutions; the map is halved behind the first."""
    conv = {"padding": "same", "use_bias": False}
    return [
        keras.layers.Conv2D(depth, 3, kernel_initializer=_uniform(), name=f"{name}_conv1", **conv),
        keras.layers.MaxPooling2D(2, name=f"{name}_pool"),
        keras.layers.BatchNormalization(name=f"{name}_norm1", **normalization),
        keras.layers.Activation(activation, name=f"{name}_activation1"),
        keras.layers.Conv2D(depth, 3, kernel_initializer=_uniform(), name=f"{name}_conv2", **conv),
        keras.layers.BatchNormalization(name=f"{name}_norm2", **normalization),
        keras.layers.Activation(activation, name=f"{name}_activation2"),
    ]


def _whitening_kernel(whitening: Any, channels: int) -> Any:
    """The kernel that is given, checked, or orthogonal filters and their negatives: `(size, size, channels, count)`."""
    if whitening is None:
        width = WHITENING_SIZE**2 * channels
        half = keras.initializers.Orthogonal()((width, width))
        half = keras.ops.reshape(half, (WHITENING_SIZE, WHITENING_SIZE, channels, width))
        return keras.ops.concatenate([half, -half], axis=-1)
    kernel = keras.ops.convert_to_tensor(whitening, dtype="float32")
    shape = tuple(kernel.shape)
    if len(shape) != 4 or shape[0] != shape[1] or shape[0] > WHITENING_SIZE or shape[2] != channels:
        raise ValueError(
            f"whitening must be a kernel (size, size, {channels}, count) with a size of 1 or {WHITENING_SIZE}. "
            f"Received: an array of shape {shape}."
        )
    return kernel


def _freeze(layer: keras.layers.Conv2D, kernel: Any) -> None:
    """Gives the layer its kernel, which no optimizer changes; its bias, if any, starts at 0 and is trained."""
    layer.kernel.assign(kernel)
    layer.kernel.trainable = False


def _start_as_identity(layer: keras.layers.Conv2D) -> None:
    """Lets the first filters copy one channel of the input each; the rest stay random."""
    depth = layer.kernel.shape[2]
    count = min(depth, layer.kernel.shape[3])
    centre = keras.ops.reshape(keras.ops.eye(depth), (1, 1, depth, depth))
    copies = keras.ops.pad(centre, [[1, 1], [1, 1], [0, 0], [0, 0]])
    layer.kernel.assign(keras.ops.concatenate([copies[..., :count], layer.kernel[..., count:]], axis=-1))
