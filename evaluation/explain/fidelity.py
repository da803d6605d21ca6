"""Is an explanation true? What the model answers when the pixels it calls important are taken away, or given alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from evaluation.explain.api import Model
from evaluation.explain.errors import ExplainError
from evaluation.explain.gradients import predict
from evaluation.explain.probability import scores
from evaluation.explain.request import Batch, make_request
from evaluation.explain.tapped import Tapped, tap
from evaluation.uncertainty.intervals import Estimate, IntervalSettings
from evaluation.uncertainty.means import mean_estimate

Kind = Literal["deletion", "insertion"]
Order = NDArray[np.int32]
BLUR = 8  # an image is blurred by this part of its longer side


@dataclass(frozen=True)
class CurveSettings:
    """How a deletion or insertion curve is drawn.

    Attributes:
        steps: Equal lots of pixels that change from one point of the curve to the next.
        baseline: What stands for a pixel that is taken away: `mean` (the image's mean colour), `blur` (the image
            blurred by an eighth of its size), a number, or an array that fits an image. A sharp border of a constant
            colour is itself something to see, and a blurred image still tells something. None: `mean` for deletion and
            `blur` for insertion, as Petsiuk does.
        score: `probability` of the class, or its `logit`.
        seed: Pixels with the same value in a map change in random order.
    """

    steps: int = 20
    baseline: Any = None
    score: Literal["probability", "logit"] = "probability"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses settings that draw nothing."""
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ExplainError(f"steps must be a whole number of at least 1. Received: steps={self.steps}.")
        if self.score not in ("probability", "logit"):
            raise ExplainError(f"score must be probability or logit. Received: score={self.score}.")


@dataclass(frozen=True)
class Curves:
    """A curve for each image.

    Attributes:
        kind: `deletion` or `insertion`.
        shares: `(s,)`: share of the pixels taken away, or put in, from 0 to 1.
        scores: `(n, s)`: probability or logit of the class; NaN for an image that holds NaN or infinity.
        class_index: `(n,)`: the class.
    """

    kind: str
    shares: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_index: NDArray[np.int32]

    @property
    def areas(self) -> NDArray[np.float64]:
        """`(n,)`: area under each curve: low is good for deletion, high for insertion."""
        return np.asarray(np.trapezoid(self.scores, self.shares, axis=1))

    @property
    def mean(self) -> NDArray[np.float64]:
        """`(s,)`: the mean curve of the images that have one."""
        usable = np.isfinite(self.scores).all(axis=1)
        return self.scores[usable].mean(axis=0) if usable.any() else np.full(len(self.shares), np.nan)

    @property
    def area(self) -> Estimate:
        """The mean area with its bootstrap interval over the images."""
        return mean_over_images(self.areas)


def deletion_curves(
    model: Model,
    images: Any,
    maps: Any,
    class_index: Any = None,
    *,
    settings: CurveSettings | None = None,
    batch_size: int = 32,
) -> Curves:
    """Takes pixels away in the order of a map, the most important first, and asks the model: it should fall early.

    Args:
        model: A classifier of images, or what `tap` made of it; not changed.
        images: `(n, height, width, channels)`, as the model takes them.
        maps: `(n, height, width)`: what a method made of them, evidence for the class positive.
        class_index: One class, one for each image, or None for the predicted one: that which was explained.
        settings: Steps, baseline and score.
        batch_size: Variants computed at once.

    Returns:
        A curve for each image, from the image as it is (share 0) to the baseline (share 1).

    Raises:
        ExplainError: If an argument does not fit.

    Reference:
        Petsiuk, Das and Saenko, 2018, "RISE", arXiv:1806.07421.
    """
    return _curves("deletion", (model, images, class_index, batch_size), maps, settings or CurveSettings())


def insertion_curves(
    model: Model,
    images: Any,
    maps: Any,
    class_index: Any = None,
    *,
    settings: CurveSettings | None = None,
    batch_size: int = 32,
) -> Curves:
    """Puts pixels into a baseline in the order of a map, the most important first: the score should rise early.

    Args, Raises and Reference are those of `deletion_curves`.

    Returns:
        A curve for each image, from the baseline (share 0) to the image as it is (share 1).
    """
    return _curves("insertion", (model, images, class_index, batch_size), maps, settings or CurveSettings())


def mean_over_images(values: NDArray[np.floating], settings: IntervalSettings | None = None) -> Estimate:
    """The mean over the images where a number is defined, with its bootstrap interval and their count."""
    defined = np.asarray(values, dtype=np.float64)
    defined = defined[np.isfinite(defined)]
    found = mean_estimate(defined, weights=None, groups=None, settings=settings or IntervalSettings())
    return replace(found, denominator=len(defined))


def ranked(maps: NDArray[np.floating], seed: int = 0) -> Order:
    """The rank of every pixel, 0 for the most important one; equal ones are ranked at random.

    Args:
        maps: `(n, height, width)`; what is not finite comes last.
        seed: Of the random order.

    Returns:
        `(n, height, width)`: whole numbers, each once in a map.
    """
    flat = np.where(np.isfinite(maps), maps, -np.inf).reshape(len(maps), -1)
    chance = np.random.default_rng(seed).permutation(flat.shape[1])
    order = chance[np.argsort(-flat[:, chance], axis=1, kind="stable")]
    ranks = np.empty(flat.shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1], dtype=np.int32)[np.newaxis], axis=1)
    return ranks.reshape(maps.shape)


@dataclass(frozen=True)
class _Plan:
    """What is done with every batch of images."""

    kind: Kind
    baseline: Any
    batch_size: int
    settings: CurveSettings


def _curves(kind: Kind, call: tuple[Model, Any, Any, int], maps: Any, settings: CurveSettings) -> Curves:
    """Checks, ranks and asks, one batch of images after the other; `call` is model, images, classes and batch size."""
    model, images, class_index, batch_size = call
    tapped = tap(model)
    request = make_request(images, class_index, tapped.input_shape, tapped.num_logits, batch_size)
    values = np.asarray(maps)
    if values.shape != request.images.shape[:3] or values.dtype.kind not in "uif":
        raise ExplainError(
            f"maps must be numbers of shape {request.images.shape[:3]}, one map an image. Received: {values.dtype} of "
            f"shape {values.shape}."
        )
    ranks = ranked(values.astype(np.float64), settings.seed)
    baseline = ("mean" if kind == "deletion" else "blur") if settings.baseline is None else settings.baseline
    plan = _Plan(kind, baseline, batch_size, settings)
    starts = range(0, len(ranks), batch_size)
    found = [
        _answers(tapped, batch, ranks[start : start + batch_size], plan)
        for start, batch in zip(starts, request, strict=True)
    ]
    answers, chosen = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Curves(kind, np.linspace(0, 1, settings.steps + 1), answers, chosen)


def _answers(tapped: Tapped, batch: Batch, ranks: Order, plan: _Plan) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """The scores of all variants of a batch of images, `(b, s)`, and the classes, `(b,)`."""
    chosen, _ = predict(tapped, batch.images, batch.class_index)
    others = replacements(batch.images, plan.baseline)
    cuts = np.rint(np.linspace(0, ranks[0].size, plan.settings.steps + 1)).astype(np.int32)
    image, step = np.divmod(np.arange(len(chosen) * len(cuts)), len(cuts))
    values = []
    for start in range(0, len(image), plan.batch_size):
        rows, columns = image[start : start + plan.batch_size], step[start : start + plan.batch_size]
        first = (ranks[rows] < cuts[columns][:, None, None])[..., np.newaxis]
        away = first if plan.kind == "deletion" else ~first
        variants = np.where(away, others[rows], batch.images[rows])
        values.append(scores(predict(tapped, variants, chosen[rows])[1], chosen[rows], plan.settings.score))
    answers = np.concatenate(values).reshape(len(chosen), len(cuts))
    answers[~batch.finite] = np.nan
    return answers, chosen


def replacements(images: NDArray[np.float32], baseline: Any) -> NDArray[np.float32]:
    """What stands for the pixels that are taken away.

    Args:
        images: `(n, height, width, channels)` float32.
        baseline: `mean`, `blur`, a number, or an array that fits an image.

    Returns:
        `(n, height, width, channels)` float32.
    """
    if isinstance(baseline, str):
        if baseline == "mean":
            return np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
        if baseline == "blur":
            width = max(images.shape[1:3]) / BLUR
            return ndimage.gaussian_filter(images, (0, width, width, 0))
        raise ExplainError(f"baseline must be mean, blur, a number or an image. Received: baseline={baseline}.")
    values = np.asarray(baseline)
    try:
        found = np.broadcast_to(values.astype(np.float32), images.shape)
    except ValueError as error:
        raise ExplainError(
            f"baseline must be mean, blur, a number, or an array that fits an image {images.shape[1:]}. Received: "
            f"{values.dtype} of shape {values.shape}."
        ) from error
    if not np.isfinite(found).all():
        raise ExplainError("baseline must be finite. Received: NaN or infinity.")
    return found
