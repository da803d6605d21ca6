"""Which places of its input each place of a layer's output is made from, along rows and along columns."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evaluation.explain.graph import Node

Places = NDArray[np.int64]
Steps = Callable[[int], Places]  # input places n to (output places, k) indices; outside 0…n-1 is padding

layers = keras.layers
_WINDOWS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.MaxPooling2D, layers.AveragePooling2D)
_GLOBAL = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.Flatten)
_MERGING = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
_POINTWISE = (
    *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU, layers.BatchNormalization),
    *(layers.Normalization, layers.Rescaling, layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise),
    *(layers.GaussianDropout, layers.AlphaDropout, layers.Identity, layers.ActivityRegularization, *_MERGING),
)
_POINTWISE_OPERATIONS = (
    *("Abs", "Add", "Cast", "Clip", "Divide", "Elu", "Exp", "Gelu", "HardSigmoid"),
    *("HardSilu", "HardSwish", "LeakyRelu", "Log", "Maximum", "Minimum", "Multiply", "Negative", "Power"),
    *(
        "Relu",
        "Relu6",
        "Selu",
        "Sigmoid",
        "Silu",
        "Softplus",
        "Sqrt",
        "Square",
        "Subtract",
        "Swish",
        "Tanh",
        "TrueDivide",
    ),
)


def steps_of(node: Node) -> tuple[Steps, Steps] | None:
    """How a layer's places follow from those of its inputs.

    Args:
        node: Of a flat graph.

    Returns:
        For rows and for columns; None for a layer that is not known.
    """
    operation = node.operation
    if isinstance(operation, layers.Conv2DTranspose):
        return None if operation.output_padding is not None else _both(operation, _transposed_window)
    if isinstance(operation, _WINDOWS):
        return _both(operation, _window)
    if isinstance(operation, _GLOBAL) or _has_no_places(node):
        return _everywhere, _everywhere
    if is_pointwise(operation):
        return _same, _same
    return _moving(operation)


def is_pointwise(operation: Any) -> bool:
    """Whether each place of an output depends on that place of the inputs alone, in inference."""
    if isinstance(operation, (layers.Softmax, layers.LayerNormalization, layers.Concatenate)):
        axis = operation.axis
        return tuple(axis if isinstance(axis, (list, tuple)) else [axis]) in ((-1,), (3,))
    if isinstance(operation, (layers.Dense, *_POINTWISE)):
        return True
    name = type(operation).__name__
    if isinstance(operation, keras.Layer):  # augmentation hands images on in inference, but for cropping
        return name.startswith("Random") and name != "RandomCrop" and type(operation).__module__.startswith("keras.")
    return name in _POINTWISE_OPERATIONS


def _has_no_places(node: Node) -> bool:
    """Whether neither inputs nor output, or only one of them, is a feature map of more than one place."""
    if len(node.shape) != 4:
        return True
    return all(len(source.shape) != 4 for source in node.inputs) and tuple(node.shape[1:3]) == (1, 1)


def _both(operation: Any, make: Callable[..., Places]) -> tuple[Steps, Steps]:
    """The steps of a layer with windows, along rows and columns."""
    sizes = getattr(operation, "kernel_size", None) or operation.pool_size
    dilation = getattr(operation, "dilation_rate", (1, 1))
    rows, columns = (
        partial(make, size=sizes[axis], stride=operation.strides[axis], dilation=dilation[axis], pad=operation.padding)
        for axis in (0, 1)
    )
    return rows, columns


def _moving(operation: Any) -> tuple[Steps, Steps] | None:
    """The steps of layers that pad, crop or enlarge."""
    first = getattr(operation, "data_format", "") == "channels_first"
    if isinstance(operation, layers.ZeroPadding2D) and not first:
        rows, columns = (partial(_shifted, before=-before, after=after) for before, after in operation.padding)
        return rows, columns
    if isinstance(operation, layers.Cropping2D):
        rows, columns = (partial(_shifted, before=before, after=-after) for before, after in operation.cropping)
        return (_same, rows) if first else (rows, columns)  # read as channels first, its axes are columns and channels
    if isinstance(operation, layers.UpSampling2D) and operation.interpolation in ("nearest", "bilinear") and not first:
        smooth = operation.interpolation == "bilinear"
        rows, columns = (partial(_enlarged, factor=factor, smooth=smooth) for factor in operation.size)
        return rows, columns
    return None


def _window(count: int, *, size: int, stride: int, dilation: int, pad: str) -> Places:
    """A convolution's or a pooling's window."""
    reach = (size - 1) * dilation + 1
    outputs = math.ceil(count / stride) if pad == "same" else (count - reach) // stride + 1
    padding = max((outputs - 1) * stride + reach - count, 0) // 2 if pad == "same" else 0
    return np.arange(outputs)[:, None] * stride - padding + np.arange(size) * dilation


def _transposed_window(count: int, *, size: int, stride: int, dilation: int, pad: str) -> Places:
    """A transposed convolution: the places whose window, going forwards, would hold the output's place."""
    reach = (size - 1) * dilation + 1
    outputs = count * stride if pad == "same" else count * stride + max(reach - stride, 0)
    padding = max((count - 1) * stride + reach - outputs, 0) // 2 if pad == "same" else 0
    starts = np.arange(outputs)[:, None] + padding - np.arange(size) * dilation
    return np.where(starts % stride == 0, starts // stride, -1)


def _everywhere(count: int) -> Places:
    return np.arange(count)[None, :]


def _same(count: int) -> Places:
    return np.arange(count)[:, None]


def _shifted(count: int, *, before: int, after: int) -> Places:
    return np.arange(before, count + after)[:, None]


def _enlarged(count: int, *, factor: int, smooth: bool) -> Places:
    """Repeated places, or those on both sides of each centre."""
    outputs = np.arange(count * factor)
    if not smooth:
        return outputs[:, None] // factor
    centres = (outputs + 0.5) / factor - 0.5
    return np.clip(np.stack([np.floor(centres), np.ceil(centres)], axis=1).astype(np.int64), 0, count - 1)
