"""DeepDream: a photograph in which a layer's answers are amplified, from coarse to fine."""

from __future__ import annotations

from contextlib import suppress
from inspect import signature
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.graph import Node, walk
from evaluation.explain.request import make_request
from evaluation.explain.tapped import Step, Tapped, tap

Pixels = NDArray[np.float32]
_SMALLEST = 16


def deep_dream(
    model: keras.Model | Tapped,
    image: Any,
    layer: str | None = None,
    *,
    steps: int = 10,
    octaves: int = 4,
    step_size: float = 0.01,
    seed: int = 0,
) -> Pixels:
    """Changes an image so that a layer answers more to it.

    The image is first changed small, then the change is enlarged and refined, 1.4 times as large at each octave. Layers
    up to the one named must be convolutional; the image may have any size.

    Args:
        model: A model with a convolution, or what `tap` made of it.
        image: `(height, width, channels)`, as the model takes them.
        layer: Name of a layer with a feature map; the last one by default.
        steps: Of gradient ascent in each octave; with 0 the image itself is returned.
        octaves: Sizes that are worked on; fewer where the smallest would have under 16 pixels, or is too small for the
            layer.
        step_size: Mean change of a pixel in one step, as a share of the image's range.
        seed: Of the shifts that keep the image's borders from showing.

    Returns:
        `(height, width, channels)` float32, within the range of the image's own values (0…255 if it lies in there).

    Raises:
        ExplainError: If there is no such layer, or an argument is out of its range.

    Reference:
        Mordvintsev et al., 2015, "Inceptionism: going deeper into neural networks".
    """
    tapped = tap(model)
    node = tapped.find(layer)
    start = _check(tapped, image, steps, octaves, step_size)
    low, high = _bounds(start)
    if steps == 0:
        return start
    ascend = _gradient(tapped, node)
    generator = np.random.default_rng(seed)
    detail = np.zeros_like(start)
    for size in _sizes(start.shape[:2], octaves):
        base = start if size == start.shape[:2] else _resized(start, size)
        dreamt = base + _resized(detail, size)
        for _ in range(steps):
            shift = generator.integers(0, size)
            gradient = np.roll(ascend(np.roll(dreamt, shift, axis=(0, 1))[None]).numpy()[0], -shift, axis=(0, 1))
            scale = np.abs(gradient).mean()
            if np.isfinite(scale) and scale > 0:
                dreamt = np.clip(dreamt + step_size * (high - low) / scale * gradient, low, high)
        detail = dreamt - base
    return dreamt.astype(np.float32)


class _Reached(Exception):
    """The layer was computed: what comes after it need not take images of this size."""


def _gradient(tapped: Tapped, node: Node) -> Step:
    """The gradient of a layer's mean squared answer, for images of any size."""

    def step(images: tf.Tensor) -> tf.Tensor:
        seen: list[tf.Tensor] = []

        def visit(path: str, operation: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
            if isinstance(operation, keras.Layer) and "training" in signature(operation.call).parameters:
                keywords = {**keywords, "training": False}
            outputs = operation(*arguments, **keywords)
            if path == node.path:
                seen.append(keras.tree.flatten(outputs)[0])
                raise _Reached
            return outputs

        with suppress(_Reached):
            walk(tapped.model, images, visit)
        (gradients,) = tf.gradients(tf.reduce_mean(tf.square(tf.cast(seen[0], tf.float32))), images)
        return gradients

    images = tf.TensorSpec((1, None, None, tapped.input_shape[-1]), tf.float32)
    return tf.function(step, input_signature=[images], autograph=False)


def _check(tapped: Tapped, image: Any, steps: int, octaves: int, step_size: float) -> Pixels:
    """The image as float32."""
    if steps < 0 or octaves < 1 or not 0 < step_size < np.inf:
        raise ExplainError(
            "steps must be at least 0, octaves at least 1, and step_size positive. Received: "
            f"steps={steps}, octaves={octaves}, step_size={step_size}."
        )
    array = np.asarray(image)
    if array.ndim != 3:
        raise ExplainError(f"image must have shape (height, width, channels). Received: {array.shape}.")
    request = make_request(array[None], None, (None, None, tapped.input_shape[-1]), tapped.num_logits, 1)
    batch = next(iter(request))
    if not batch.finite.all():
        raise ExplainError("image must be finite. Received: NaN or infinity.")
    return batch.images[0]


def _bounds(image: Pixels) -> tuple[float, float]:
    """The range that pixels keep to: 0…255 for pixels, else the image's own."""
    low, high = float(image.min()), float(image.max())
    return (0.0, 255.0) if low >= 0 and high <= 255 and (high > 1 or high == low) else (low, high)


def _sizes(size: tuple[int, ...], octaves: int) -> list[tuple[int, ...]]:
    """Heights and widths from the smallest to the image's own."""
    sizes = [tuple(round(side / 1.4**number) for side in size) for number in range(octaves)]
    return [one for one in reversed(sizes[1:]) if min(one) >= _SMALLEST] + [tuple(size)]


def _resized(image: Pixels, size: tuple[int, ...]) -> Pixels:
    """Another size, bilinear, without aliases where it gets smaller."""
    return tf.image.resize(image, size, antialias=True).numpy()
