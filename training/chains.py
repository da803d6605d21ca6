"""Which layers alone read what a convolution gives: where maps may be laid out in another way, or cut, unseen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras

from training.layers import innermost

ELEMENTWISE = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign"),
    *("sigmoid", "hard_sigmoid", "hard_silu", "tanh", "exponential"),
)
"""Activations of Keras that take each number by itself."""


@dataclass(frozen=True)
class Chain:
    """A convolution, layers that do not care how rows, columns and images are laid out, and another convolution.

    Attributes:
        start: The first convolution, whose result nothing else reads.
        between: What follows, each read by the next alone: normalisations over the last axis, elementwise activations,
            max poolings.
        end: The convolution that reads the last.
    """

    start: keras.layers.Conv2D
    between: tuple[keras.Layer, ...]
    end: keras.layers.Conv2D

    @property
    def poolings(self) -> list[keras.layers.MaxPooling2D]:
        """Those of `between` that must know which axes are rows and columns."""
        return [layer for layer in self.between if isinstance(layer, keras.layers.MaxPooling2D)]


def chains(model: keras.Model, convolutions: Sequence[keras.layers.Conv2D]) -> list[Chain]:
    """Every chain from one of the convolutions to the next, in the order of their starts.

    None is found in a `Sequential` that was built layer by layer: Keras then keeps a place in several graphs for each.

    Args:
        model: Nested models are followed; a chain does not leave the model it starts in.
        convolutions: Layers of the model, channels last.
    """
    seen, found = _seen(model), []
    for start in convolutions:
        between: list[keras.Layer] = []
        layer = _reader(start, seen) if _elementwise(start.activation) else None
        while layer is not None and _indifferent(layer):
            between.append(layer)
            layer = _reader(layer, seen)
        if layer in convolutions:
            found.append(Chain(start, tuple(between), layer))
    return found


def pooled(
    model: keras.Model, convolutions: Sequence[keras.layers.Conv2D]
) -> dict[keras.layers.Conv2D, keras.layers.MaxPooling2D]:
    """The max pooling that alone reads a convolution's result, of those for which there is one.

    Its windows stand side by side, so that a last row or column which does not fill a window is read by nothing.
    """
    seen = _seen(model)
    readers = {layer: _reader(layer, seen) for layer in convolutions if _elementwise(layer.activation)}
    return {layer: reader for layer, reader in readers.items() if tiling(reader)}


def covered(pooling: keras.layers.MaxPooling2D, size: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of a map that the windows of such a pooling cover."""
    height, width = (side // window * window for side, window in zip(size, pooling.pool_size, strict=True))
    return height, width


def tiling(layer: keras.Layer | None) -> bool:
    """Whether a layer takes the largest of windows that stand side by side, without padding."""
    if layer is None or type(layer) is not keras.layers.MaxPooling2D or layer.data_format != "channels_last":
        return False
    return layer.padding == "valid" and tuple(layer.pool_size) == tuple(layer.strides)


def _reader(layer: keras.Layer, seen: frozenset[int]) -> keras.Layer | None:
    """The one layer that reads a layer's result; None where several do, or none, a regulariser or the caller."""
    if not _once(layer, seen) or id(layer.output) in seen or len(layer._outbound_nodes) != 1:
        return None
    if layer.activity_regularizer is not None:
        return None
    reader = layer._outbound_nodes[0].operation
    alone = isinstance(reader, keras.Layer) and _once(reader, seen) and reader.input is layer.output
    return reader if alone else None


def _once(layer: keras.Layer, seen: frozenset[int]) -> bool:
    """Whether the layer stands in one place of one graph, and no wrapper calls it besides."""
    return len(layer._inbound_nodes) == 1 and id(layer) not in seen


def _seen(model: keras.Model) -> frozenset[int]:
    """Identities of what the model and those nested in it return, and of the layers in their wrappers."""
    outputs = (output for one in _models(model) for output in getattr(one, "outputs", ()))
    wrapped = (part for layer in innermost(model) for part in layer._flatten_layers(include_self=False))
    return frozenset(id(one) for one in (*outputs, *wrapped))


def _models(model: keras.Model) -> Iterator[keras.Model]:
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _models(layer)


def _indifferent(layer: keras.Layer) -> bool:
    """Whether a layer computes the same of maps whose images are inside, or can be made to."""
    if type(layer) is keras.layers.Activation:
        return _elementwise(layer.activation)
    if type(layer) is keras.layers.BatchNormalization:
        return len(layer.input.shape) == 4 and layer.axis in (-1, 3) and not (layer.synchronized or layer.renorm)
    return type(layer) is keras.layers.ReLU or (tiling(layer) and layer.compute_dtype == "float32")


def _elementwise(activation: object) -> bool:
    return any(activation is getattr(keras.activations, name, None) for name in ELEMENTWISE)
