"""Occlusion: what becomes of a class when a patch of the image is covered (Zeiler & Fergus 2014, figure 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.explanation import Explanation, clean
from evaluation.explain.gradients import predict, scores_of
from evaluation.explain.probability import probabilities
from evaluation.explain.request import Request
from evaluation.explain.tapped import Tapped

ROUNDING = 8 * np.finfo(np.float32).eps  # one image computes a little differently in batches of different sizes


@dataclass(frozen=True)
class OcclusionGrid:
    """The model's answers by position of the patch.

    Attributes:
        logit: `(n, rows, columns)`: the logit of the class explained.
        probability: `(n, rows, columns)`: its probability, by softmax (or sigmoid) of the logits.
        label: `(n, rows, columns)`: the most probable class.
        tops: `(rows,)`: first row of the image that the patch covers.
        lefts: `(columns,)`: first column that it covers.
        patch: Height and width of the patch, pixels.
        class_index: `(n,)`: the class explained.
        logits: `(n, K)`: of the images as they are.
        finite: `(n,)`: whether the image was finite; one that was not was taken as 0.
    """

    logit: NDArray[np.float32]
    probability: NDArray[np.float64]
    label: NDArray[np.int32]
    tops: NDArray[np.intp]
    lefts: NDArray[np.intp]
    patch: int
    class_index: NDArray[np.int32]
    logits: NDArray[np.float32]
    finite: NDArray[np.bool_]


def occlude(
    tapped: Tapped, request: Request, *, patch: int = 8, stride: int | None = None, fill: Any = 0.0
) -> OcclusionGrid:
    """Covers every position of every image with a patch and asks the model.

    Args:
        tapped: The model.
        request: Images and classes.
        patch: Height and width of the patch, pixels.
        stride: Step between positions, pixels; half a patch by default. The last position always reaches the border.
        fill: The patch's colour, in the unit of the pixels: a number or one for each channel.
    """
    tops = _positions(request.size[0], patch, stride)
    lefts = _positions(request.size[1], patch, stride)
    corners = [(top, left) for top in tops for left in lefts]
    colour = _colour(fill, request.images.shape[-1])
    chosen, plain, covered, finite = [], [], [], []
    for batch in request.singly():
        classes, logits = predict(tapped, batch.images, batch.class_index)
        chosen.append(classes)
        plain.append(logits)
        covered.append(_covered_logits(tapped, batch.images[0], corners, (patch, request.batch_size), colour))
        finite.append(batch.finite)
    classes, answers = np.concatenate(chosen), np.stack(covered)
    shape = (len(classes), len(tops), len(lefts))
    flat = answers.reshape(-1, answers.shape[-1])
    repeated = np.repeat(classes, len(corners))
    share = probabilities(flat)
    logit = scores_of(flat, repeated).reshape(shape)
    return OcclusionGrid(
        logit,
        share[np.arange(len(flat)), repeated].reshape(shape),
        share.argmax(axis=1).astype(np.int32).reshape(shape),
        tops,
        lefts,
        patch,
        classes,
        np.concatenate(plain),
        np.concatenate(finite),
    )


def explain_by_occlusion(
    tapped: Tapped, request: Request, *, patch: int = 8, stride: int | None = None, fill: Any = 0.0
) -> Explanation:
    """How much the logit falls when a pixel is covered: the mean over the patches that cover it.

    Args are those of `occlude`.
    """
    grid = occlude(tapped, request, patch=patch, stride=stride, fill=fill)
    falls = scores_of(grid.logits, grid.class_index)[:, None, None] - grid.logit
    rounding = ROUNDING * np.abs(grid.logits).max(axis=1)[:, None, None]
    falls[np.abs(falls) <= rounding] = 0
    rows = _coverage(grid.tops, patch, request.size[0])
    columns = _coverage(grid.lefts, patch, request.size[1])
    counts = rows.sum(axis=1)[:, None] * columns.sum(axis=1)
    maps, flags = clean(rows @ falls @ columns.T / counts, grid.finite, signed=True)
    return Explanation("occlusion", maps, flags, grid.class_index, grid.logits)


def _positions(size: int, patch: int, stride: int | None) -> NDArray[np.intp]:
    """First pixels of a patch along one axis, from border to border."""
    for name, value in (("patch", patch), ("stride", 1 if stride is None else stride)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ExplainError(f"{name} must be a whole number of pixels, at least 1. Received: {name}={value}.")
    step = max(1, patch // 2) if stride is None else stride
    if patch > size or step > patch:
        raise ExplainError(
            f"patch must be at most the image's {size} pixels, and stride at most patch, to cover every pixel. "
            f"Received: patch={patch}, stride={step}."
        )
    return np.unique([*range(0, size - patch + 1, step), size - patch])


def _colour(fill: Any, channels: int) -> NDArray[np.float32]:
    """The patch's colour, one number for each channel."""
    values = np.asarray(fill)
    if values.dtype.kind not in "uif" or values.shape not in ((), (channels,)) or not np.isfinite(values).all():
        raise ExplainError(f"fill must be a number, or one for each of {channels} channels. Received: fill={fill}.")
    return np.broadcast_to(values, (channels,)).astype(np.float32)


def _covered_logits(
    tapped: Tapped,
    image: NDArray[np.float32],
    corners: list[tuple[int, int]],
    sizes: tuple[int, int],
    colour: NDArray[np.float32],
) -> NDArray[np.float32]:
    """`(positions, K)`: the logits of one image with each position covered; `sizes` are those of patch and batch."""
    patch, batch_size = sizes
    answers = []
    for start in range(0, len(corners), batch_size):
        part = corners[start : start + batch_size]
        copies = np.repeat(image[np.newaxis], len(part), axis=0)
        for copy, (top, left) in zip(copies, part, strict=True):
            copy[top : top + patch, left : left + patch] = colour
        answers.append(predict(tapped, copies, np.zeros(len(part), np.int32))[1])
    return np.concatenate(answers)


def _coverage(starts: NDArray[np.intp], patch: int, size: int) -> NDArray[np.float64]:
    """`(pixels, positions)`: 1 where a patch covers a pixel."""
    distance = np.arange(size)[:, None] - starts
    return ((distance >= 0) & (distance < patch)).astype(np.float64)
