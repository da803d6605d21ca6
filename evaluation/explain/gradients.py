"""Explanations by pixel: gradients of a class's logit, plain, guided, smoothed, and integrated from a baseline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.explanation import INCOMPLETE, NOT_FINITE, Explanation, clean
from evaluation.explain.request import PREDICTED, Batch, Request
from evaluation.explain.rules import Rule, relu_rule
from evaluation.explain.tapped import Tapped
from evaluation.explain.target import choose

CLASSES = tf.TensorSpec((None,), tf.int32)
COMPLETE = 0.05  # share of the logit's change that the sum of integrated gradients may miss
Pixels = NDArray[np.float32]
Gradients = tuple[Pixels, NDArray[np.int32], Pixels]
Scale = Callable[[Pixels, Pixels], Pixels]


def input_gradients(tapped: Tapped, batch: Batch, rule: Rule = "plain") -> Gradients:
    """The gradient of each image's logit with respect to its pixels.

    Args:
        tapped: The model.
        batch: Images and classes.
        rule: What passes a ReLU.

    Returns:
        Gradients, `(b, height, width, channels)`; the classes explained, `(b,)`; the logits, `(b, K)`.
    """

    def step(images: tf.Tensor, wanted: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with relu_rule(rule):
            _, logits = tapped.read(images)
        chosen, score = choose(logits, wanted)
        (gradients,) = tf.gradients(score, images)
        if gradients is None:
            raise ExplainError(f"The logits of {tapped.model.name} have no gradient by the pixels of its input.")
        return gradients, chosen, logits

    function = tapped.function(("gradients", rule), step, CLASSES)
    gradients, chosen, logits = (output.numpy() for output in function(batch.images, batch.class_index))
    return gradients, chosen, logits


def explain_by_gradients(tapped: Tapped, request: Request, method: str, rule: Rule = "plain") -> Explanation:
    """Saliency, guided backpropagation, or gradient times input: one gradient an image.

    Args:
        tapped: The model.
        request: Images and classes.
        method: `gradient_times_input` sums gradient × pixel over the channels; every other method takes the largest
            absolute gradient of the channels.
        rule: What passes a ReLU.
    """
    signed = method == "gradient_times_input"

    def attribute(batch: Batch) -> Gradients:
        gradients, chosen, logits = input_gradients(tapped, batch, rule)
        return (_times(gradients, batch.images) if signed else _largest(gradients)), chosen, logits

    return _explanation(method, request, attribute, signed=signed)


def explain_by_smoothing(
    tapped: Tapped, request: Request, *, samples: int = 32, noise: float = 0.15, seed: int = 0
) -> Explanation:
    """SmoothGrad: the mean gradient of noisy copies, then the largest absolute value of the channels.

    Args:
        tapped: The model.
        request: Images and classes.
        samples: Noisy copies of each image, at least 1.
        noise: Standard deviation of the noise as a share of the image's range (largest - smallest value), at least 0.
        seed: Of the noise.
    """
    _check_count("samples", samples)
    if not 0 <= noise < np.inf:
        raise ExplainError(f"noise must be a share of at least 0. Received: noise={noise}.")
    generator = np.random.default_rng(seed)

    def noisy(image: Pixels, count: int) -> Pixels:
        deviation = noise * (image.max() - image.min())
        return image + deviation * generator.standard_normal((count, *image.shape), dtype=np.float32)

    def attribute(batch: Batch) -> Gradients:
        chosen, logits = predict(tapped, batch.images, batch.class_index)
        copies = _chunks(samples, request.batch_size)
        total = sum(_sum_gradients(tapped, noisy(batch.images[0], count), chosen) for count in copies)
        return _largest(total[np.newaxis] / samples), chosen, logits

    return _explanation("smooth_grad", request, attribute, signed=False, singly=True)


def explain_by_integration(tapped: Tapped, request: Request, *, steps: int = 64, baseline: Any = 0.0) -> Explanation:
    """Integrated gradients: the mean gradient on the straight way from a baseline, times the way; summed over channels.

    Args:
        tapped: The model.
        request: Images and classes.
        steps: Points on the way, at the middle of equal parts; at least 1.
        baseline: Where the way begins: a number, or an array that fits an image, in the unit of the pixels.
    """
    _check_count("steps", steps)
    start = _check_baseline(baseline, request.images.shape[1:])
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)[:, None, None, None]

    def attribute(batch: Batch) -> Gradients:
        chosen, logits = predict(tapped, batch.images, batch.class_index)
        way = batch.images[0] - start
        parts = np.split(shares, np.cumsum(_chunks(steps, request.batch_size))[:-1])
        total = sum(_sum_gradients(tapped, start + part * way, chosen) for part in parts)
        return _times(total[np.newaxis] / steps, way), chosen, logits

    found = _explanation("integrated_gradients", request, attribute, signed=True, singly=True)
    return _flag_incomplete(tapped, found, start)


def predict(tapped: Tapped, images: Pixels, class_index: NDArray[np.int32]) -> tuple[NDArray[np.int32], Pixels]:
    """The classes to explain, `(b,)`, and the logits, `(b, K)`.

    Args:
        tapped: The model.
        images: `(b, height, width, channels)` float32.
        class_index: `(b,)`; -1 for the predicted class.
    """

    def step(pixels: tf.Tensor, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        _, logits = tapped.read(pixels)
        return choose(logits, wanted)[0], logits

    chosen, logits = tapped.function("predict", step, CLASSES)(images, class_index)
    return chosen.numpy(), logits.numpy()


def scores_of(logits: Pixels, class_index: NDArray[np.int32]) -> Pixels:
    """The logit of a class in each row: `(n,)` from `(n, K)`; with K = 1 that of class 0 is the negative one."""
    if logits.shape[1] == 1:
        return np.where(class_index == 1, logits[:, 0], -logits[:, 0])
    return logits[np.arange(len(logits)), class_index]


def _sum_gradients(tapped: Tapped, images: Pixels, chosen: NDArray[np.int32]) -> Any:
    """The sum of the gradients of variants of one image."""
    classes = np.repeat(chosen, len(images))
    return input_gradients(tapped, Batch(images, classes, np.ones(len(images), bool)))[0].sum(axis=0, dtype=np.float64)


def _explanation(
    method: str, request: Request, attribute: Callable[[Batch], Gradients], *, signed: bool, singly: bool = False
) -> Explanation:
    """Collects the maps of all batches, or of one image after another."""
    batches = request.singly() if singly else iter(request)
    found = [(*attribute(batch), batch.finite) for batch in batches]
    maps, chosen, logits, finite = (np.concatenate(parts) for parts in zip(*found, strict=True))
    cleaned, flags = clean(maps, finite, signed=signed)
    return Explanation(method, cleaned, flags, chosen, logits)


def _flag_incomplete(tapped: Tapped, found: Explanation, start: Pixels) -> Explanation:
    """Flags maps whose sum is not the logit's change from the baseline to the image."""
    classes = np.full(1, PREDICTED, np.int32)
    at_start = predict(tapped, start[np.newaxis], classes)[1]
    before = scores_of(np.repeat(at_start, len(found.maps), axis=0), found.class_index)
    change = scores_of(found.logits, found.class_index) - before
    missed = np.abs(found.maps.sum(axis=(1, 2), dtype=np.float64) - change)
    allowed = COMPLETE * np.maximum(np.abs(change), 1e-3)
    flags = tuple(
        INCOMPLETE if over and flag != NOT_FINITE else flag
        for flag, over in zip(found.flags, missed > allowed, strict=True)
    )
    return Explanation(found.method, found.maps, flags, found.class_index, found.logits)


def _times(gradients: NDArray[np.floating], pixels: Pixels) -> Pixels:
    """Gradient × pixels, summed over the channels."""
    return (gradients * pixels).sum(axis=-1).astype(np.float32)


def _largest(gradients: NDArray[np.floating]) -> Pixels:
    """The largest absolute value of the channels."""
    return np.abs(gradients).max(axis=-1).astype(np.float32)


def _chunks(total: int, size: int) -> list[int]:
    """A number in parts of at most `size`."""
    return [min(size, total - start) for start in range(0, total, size)]


def _check_count(name: str, value: Any) -> None:
    """Refuses what is no whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ExplainError(f"{name} must be a whole number of at least 1. Received: {name}={value}.")


def _check_baseline(baseline: Any, shape: tuple[int, ...]) -> Pixels:
    """A baseline as an image."""
    values = np.asarray(baseline)
    try:
        image = np.array(np.broadcast_to(values, shape), dtype=np.float32)
    except ValueError as error:
        raise ExplainError(
            f"baseline must be a number, or an array that fits an image {shape}. Received: {values.dtype} of shape "
            f"{values.shape}."
        ) from error
    if not np.isfinite(image).all():
        raise ExplainError("baseline must be finite. Received: NaN or infinity.")
    return image
