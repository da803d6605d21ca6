"""The arithmetic of convolutions on paper: output shapes, parameters and receptive fields, without Keras.

Reference:
    Dumoulin and Visin, 2016, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
    Araujo, Norris and Sim, 2019, "Computing receptive fields of convolutional neural networks", Distill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models import checks

Pair = int | tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A convolution or a pooling along one axis.

    Attributes:
        kernel_size: Length of the window, at least 1.
        strides: Steps of the input between two outputs, at least 1.
        dilation_rate: Steps of the input between two taps, at least 1.
        padding: Zeros before the input, at least 0; `same_padding` gives Keras' number.
    """

    kernel_size: int
    strides: int = 1
    dilation_rate: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        for name in ("kernel_size", "strides", "dilation_rate"):
            checks.check_size(name, getattr(self, name))
        if self.padding < 0:
            raise ValueError(f"padding must be at least 0. Received: padding={self.padding}.")


@dataclass(frozen=True)
class ReceptiveField:
    """What one unit sees along one axis of the input.

    Attributes:
        size: Pixels from the first to the last that can reach the unit.
        jump: Pixels between the fields of neighbouring units.
        start: Centre of the field of unit 0, in pixels; pixel 0 has its centre at 0.
    """

    size: int = 1
    jump: int = 1
    start: float = 0.0

    def pixels(self, unit: int) -> tuple[int, int]:
        """First and last pixel of that unit's field, both included; beyond the image they are padding."""
        first = self.start + unit * self.jump - (self.size - 1) / 2
        return int(first), int(first) + self.size - 1


def conv_output_shape(
    input_shape: Sequence[int],
    *,
    filters: int,
    kernel_size: Pair,
    strides: Pair = 1,
    padding: str = "valid",
    dilation_rate: Pair = 1,
) -> tuple[int, int, int]:
    """Shape after a 2D convolution.

    Args:
        input_shape: `(height, width, channels)`.
        filters: Number of feature maps.
        kernel_size: Size of the kernel, one number or (vertical, horizontal); so are the next but `padding`.
        strides: Steps between two outputs.
        padding: `"valid"`, none, or `"same"`, as much as gives ceil(size / stride).
        dilation_rate: Steps between two taps of the kernel.

    Returns:
        `(height, width, filters)`.

    Raises:
        ValueError: If an argument is out of its range or the kernel larger than the input.

    Example:
        >>> conv_output_shape((32, 32, 3), filters=16, kernel_size=2)
        (31, 31, 16)
    """
    checks.check_size("filters", filters)
    height, width = _output_size(input_shape, kernel_size, strides, padding, dilation_rate, "kernel_size")
    return height, width, filters


def pool_output_shape(
    input_shape: Sequence[int], *, pool_size: Pair, strides: Pair | None = None, padding: str = "valid"
) -> tuple[int, int, int]:
    """Shape after a 2D pooling.

    Args:
        input_shape: `(height, width, channels)`.
        pool_size: Size of the window, one number or (vertical, horizontal).
        strides: Steps between two outputs; None for `pool_size`.
        padding: `"valid"` or `"same"`.

    Returns:
        `(height, width, channels)`.

    Raises:
        ValueError: If an argument is out of its range or the window larger than the input.
    """
    strides = pool_size if strides is None else strides
    height, width = _output_size(input_shape, pool_size, strides, padding, 1, "pool_size")
    return height, width, input_shape[2]


def conv_params(filters: int, kernel_size: Pair, input_depth: int, use_bias: bool = True) -> int:
    """Parameters of a 2D convolution, K·F·F·D_in + K: K filters of F×F over D_in channels, a bias each.

    Raises:
        ValueError: If a number is not a positive integer.

    Example:
        >>> conv_params(16, 2, 3)
        208
    """
    checks.check_size("filters", filters)
    checks.check_size("input_depth", input_depth)
    height, width = _pair("kernel_size", kernel_size)
    return filters * height * width * input_depth + (filters if use_bias else 0)


def same_padding(size: int, kernel_size: int, strides: int = 1, dilation_rate: int = 1) -> tuple[int, int]:
    """Zeros before and after an axis of that size under Keras' `padding="same"`; an odd one goes after.

    Raises:
        ValueError: If a number is not a positive integer.
    """
    numbers = {"size": size, "kernel_size": kernel_size, "strides": strides, "dilation_rate": dilation_rate}
    for name, value in numbers.items():
        checks.check_size(name, value)
    outputs = -(-size // strides)
    total = max((outputs - 1) * strides + (kernel_size - 1) * dilation_rate + 1 - size, 0)
    return total // 2, total - total // 2


def receptive_field(layers: Iterable[Window]) -> ReceptiveField:
    """Receptive field of a unit after a sequence of windows, along one axis.

    With jump j, size r and start a before a layer, and its kernel k, stride s, dilation d and padding p after it:
    j' = j·s, r' = r + (k − 1)·d·j and a' = a + ((k − 1)·d / 2 − p)·j.

    Args:
        layers: Convolutions and poolings, first to last.

    Returns:
        Size, jump and start; of one pixel itself for no layers.

    Example:
        >>> receptive_field([Window(3), Window(2, strides=2), Window(3)])
        ReceptiveField(size=8, jump=2, start=3.5)
    """
    field = ReceptiveField()
    for layer in layers:
        reach = (layer.kernel_size - 1) * layer.dilation_rate
        field = ReceptiveField(
            size=field.size + reach * field.jump,
            jump=field.jump * layer.strides,
            start=field.start + (reach / 2 - layer.padding) * field.jump,
        )
    return field


def _output_size(
    input_shape: Sequence[int], window: Pair, strides: Pair, padding: str, dilation_rate: Pair, name: str
) -> tuple[int, int]:
    checks.check_image_shape(input_shape)
    if padding not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same'. Received: {padding=}.")
    windows, steps, dilations = _pair(name, window), _pair("strides", strides), _pair("dilation_rate", dilation_rate)
    if padding == "same":
        return -(-input_shape[0] // steps[0]), -(-input_shape[1] // steps[1])
    spans = [(windows[axis] - 1) * dilations[axis] + 1 for axis in (0, 1)]
    if spans[0] > input_shape[0] or spans[1] > input_shape[1]:
        raise ValueError(
            f"{name} must not reach beyond the input without padding: it spans {spans[0]}×{spans[1]}. "
            f"Received: input_shape={tuple(input_shape)}."
        )
    return (input_shape[0] - spans[0]) // steps[0] + 1, (input_shape[1] - spans[1]) // steps[1] + 1


def _pair(name: str, value: Pair) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(checks.is_positive_integer(number) for number in pair):
        raise ValueError(f"{name} must be a positive integer or a pair of them. Received: {name}={value!r}.")
    return pair[0], pair[1]
