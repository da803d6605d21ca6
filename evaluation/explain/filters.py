"""The filters of the first convolution, as the pixels see them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.graph import CONVOLUTIONS, Node, find_node
from evaluation.explain.receptive import receptive_fields
from evaluation.explain.tapped import Tapped, tap

Filters = NDArray[np.float32]


def first_filters(model: keras.Model | Tapped, layer: str | None = None) -> Filters:
    """The weights of the first convolution's filters, by pixel and colour.

    What a network does to the pixels before (rescaling, normalisation, another order of the colours) is worked into
    the weights, so that they can be shown as small pictures.

    Args:
        model: A model with a convolution, or what `tap` made of it.
        layer: Name of a convolution before which only colours are rescaled or mixed; the first by default.

    Returns:
        `(filters, height, width, channels)`: the change of the unit's answer, before its activation, by each pixel.

    Raises:
        ExplainError: If there is no convolution, or something else than colours is changed before it.
    """
    tapped = tap(model)
    node = _convolution(tapped, layer)
    kernel = np.asarray(keras.ops.convert_to_numpy(_kernel(node)), np.float32)
    mixing = _mixing(tapped, node.inputs[0])
    if isinstance(node.operation, keras.layers.DepthwiseConv2D):  # (h, w, c, m): each filter sees one channel
        spread = np.zeros((*kernel.shape, kernel.shape[2]), np.float32)
        for channel in range(kernel.shape[2]):
            spread[:, :, channel, :, channel] = kernel[:, :, channel]
        kernel = spread.reshape(*kernel.shape[:2], -1, kernel.shape[2]).transpose(0, 1, 3, 2)
    return np.einsum("hwcn,pc->nhwp", kernel, mixing).astype(np.float32)


def filter_changes(stages: list[Filters]) -> NDArray[np.float64]:
    """How near the filters of each saved epoch are to those of the last.

    Args:
        stages: The filters of each epoch, all of one shape.

    Returns:
        `(epochs, filters)`: the cosine of the angle between them, 1 for the last epoch; 0 where a filter is 0.
    """
    shapes = {stage.shape for stage in stages}
    if len(shapes) != 1:
        raise ExplainError(f"all epochs must have filters of one shape. Received: {sorted(shapes) or 'no epoch'}.")
    flat = np.stack([stage.reshape(len(stage), -1).astype(np.float64) for stage in stages])
    lengths = np.linalg.norm(flat, axis=2)
    products = (flat * flat[-1]).sum(axis=2)
    scale = lengths * lengths[-1]
    return np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)


def _convolution(tapped: Tapped, layer: str | None) -> Node:
    """The convolution whose filters are shown."""
    if layer is not None:
        node = find_node(tapped.model.name, tapped.nodes, layer)
        if not isinstance(node.operation, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            raise ExplainError(f"Layer {node.path!r} of {tapped.model.name} is no convolution, so it has no filters.")
        return node
    found = [node for node in tapped.nodes if isinstance(node.operation, CONVOLUTIONS)]
    if not found:
        raise ExplainError(f"{tapped.model.name} has no convolution, so no filters to show.")
    return found[0]


def _kernel(node: Node) -> Any:
    """`(height, width, channels, filters)`."""
    operation = node.operation
    if isinstance(operation, keras.layers.SeparableConv2D):
        return np.einsum(
            "hwcm,cmn->hwcn",
            operation.depthwise_kernel.numpy(),
            operation.pointwise_kernel.numpy().reshape(*operation.depthwise_kernel.shape[2:], -1),
        )
    if getattr(operation, "groups", 1) != 1 or isinstance(operation, keras.layers.Conv2DTranspose):
        raise ExplainError(f"Filters of layer {node.path!r} cannot be shown: its channels come in groups, or enlarge.")
    return operation.kernel


def _mixing(tapped: Tapped, source: Node) -> NDArray[np.float32]:
    """`(channels of a pixel, channels before the convolution)`: the change of the one by the other."""
    channels = tapped.input_shape[-1]
    if channels is None:
        raise ExplainError(f"{tapped.model.name} must take images of a fixed number of channels.")
    if not source.path:
        return np.eye(channels, dtype=np.float32)
    height, width = (size or 224 for size in tapped.input_shape[:2])
    field = receptive_fields(tapped.nodes, (height, width))[source]
    seen = [np.diff(span, axis=1).max() for span in (field.rows, field.columns)]
    if max(seen) != 1:
        raise ExplainError(
            f"a convolution that sees {seen[0]}×{seen[1]} pixels through {source.path!r} has no filters of pixels. "
            "Take the first convolution."
        )

    def step(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(tapped.read(images, source)[0][0], tf.float32)

    probes = np.concatenate([np.zeros((1, channels)), np.eye(channels)]).astype(np.float32)
    images = np.broadcast_to(probes[:, None, None], (channels + 1, height, width, channels))
    before = tapped.function(("mixing", source.path), step)(tf.constant(images)).numpy()
    centre = before[:, before.shape[1] // 2, before.shape[2] // 2]
    return centre[1:] - centre[0]
