"""How a classifier breaks: the smallest changes of the pixels that lower the true class (FGSM and PGD)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from evaluation.explain.api import Model
from evaluation.explain.errors import ExplainError
from evaluation.explain.gradients import predict
from evaluation.explain.probability import margins, probabilities
from evaluation.explain.request import Batch, Request, make_request
from evaluation.explain.tapped import Tapped, tap
from evaluation.explain.target import sign_of
from evaluation.uncertainty.intervals import Estimate, proportion

Pixels = NDArray[np.float32]
Bounds = tuple[float, float]
RAW_PIXELS: Bounds = (0.0, 255.0)
CLASSES = tf.TensorSpec((None,), tf.int32)


@dataclass(frozen=True)
class PgdSettings:
    """How projected gradient descent searches.

    Attributes:
        steps: Of each search.
        step_size: In the unit of the pixels; 2.5·ε/steps by default, with which a search can leave its start for any
            corner.
        restarts: Searches from random points, beside the one that starts at the image.
        seed: Of the random points.
    """

    steps: int = 20
    step_size: float | None = None
    restarts: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses settings that search nothing."""
        if self.steps < 1 or self.restarts < 0:
            raise ExplainError(
                f"steps must be at least 1 and restarts 0. Received: steps={self.steps}, restarts={self.restarts}."
            )
        if self.step_size is not None and not 0 < self.step_size < np.inf:
            raise ExplainError(f"step_size must be above 0. Received: step_size={self.step_size}.")


@dataclass(frozen=True)
class AttackedAccuracy:
    """How many images stay right under an attack.

    Attributes:
        attack: `fgsm` or `pgd`.
        epsilons: `(e,)`: largest change of a pixel, in its unit.
        right: `(e, n)`: whether an image is still classified rightly.
        accuracy: Its share at each ε with Wilson's interval.
    """

    attack: str
    epsilons: NDArray[np.float64]
    right: NDArray[np.bool_]
    accuracy: tuple[Estimate, ...]


@dataclass(frozen=True)
class AdversarialExamples:
    """Images before and after.

    Attributes:
        images: `(n, height, width, channels)` float32.
        changed: The same after the attack.
        labels: `(n, 2)`: the most probable class before and after.
        probabilities: `(n, 2)`: its probability.
    """

    images: Pixels
    changed: Pixels
    labels: NDArray[np.intp]
    probabilities: NDArray[np.float64]


def fgsm(
    model: Model, images: Any, y: Any, epsilon: float, *, bounds: Bounds = RAW_PIXELS, batch_size: int = 32
) -> Pixels:
    """Fast gradient sign method: every pixel takes one step of ε against the true class.

    The direction is that of the cross-entropy's gradient, computed from the log-odds, so that it does not vanish where
    the model is sure.

    Args:
        model: A classifier of images, or what `tap` made of it; not changed.
        images: `(n, height, width, channels)`, as the model takes them, all finite and within `bounds`.
        y: `(n,)` true classes, or one for all; None for the predicted ones.
        epsilon: Largest change of a pixel, in its unit: 8 of 255, say.
        bounds: Lowest and highest value of a pixel.
        batch_size: Images computed at once.

    Returns:
        Changed images, `(n, height, width, channels)` float32. They are no whole numbers unless image and ε are.

    Raises:
        ExplainError: If an argument does not fit.

    Reference:
        Goodfellow, Shlens and Szegedy, 2015, "Explaining and harnessing adversarial examples", arXiv:1412.6572.
    """
    tapped, request = _prepare(model, images, y, batch_size, (epsilon, bounds))
    parts = []
    for batch in request:
        classes, _ = predict(tapped, batch.images, batch.class_index)
        directions, _ = _ascend(tapped, batch.images, classes)
        parts.append(np.clip(batch.images + np.float32(epsilon) * directions, *_ball(batch.images, epsilon, bounds)))
    return np.concatenate(parts)


def pgd(
    model: Model,
    images: Any,
    y: Any,
    epsilon: float,
    *,
    settings: PgdSettings | None = None,
    bounds: Bounds = RAW_PIXELS,
    batch_size: int = 32,
) -> Pixels:
    """Projected gradient descent: many small steps against the true class, never further than ε from the image.

    Args:
        model: A classifier of images, or what `tap` made of it; not changed.
        images: `(n, height, width, channels)`, as the model takes them, all finite and within `bounds`.
        y: `(n,)` true classes, or one for all; None for the predicted ones.
        epsilon: Largest change of a pixel, in its unit.
        settings: Steps and restarts.
        bounds: Lowest and highest value of a pixel.
        batch_size: Images computed at once.

    Returns:
        Changed images: of all searches, and of the image as it is, the one with the lowest log-odds of the class.

    Raises:
        ExplainError: If an argument does not fit.

    Reference:
        Madry et al., 2018, "Towards deep learning models resistant to adversarial attacks", arXiv:1706.06083.
    """
    tapped, request = _prepare(model, images, y, batch_size, (epsilon, bounds))
    chosen = settings or PgdSettings()
    generator = np.random.default_rng(chosen.seed)
    return np.concatenate([_search(tapped, batch, epsilon, bounds, (chosen, generator)) for batch in request])


def accuracy_under_attack(
    model: Model,
    images: Any,
    y: Any,
    epsilons: Sequence[float],
    *,
    attack: Literal["fgsm", "pgd"] = "pgd",
    settings: PgdSettings | None = None,
    bounds: Bounds = RAW_PIXELS,
) -> AttackedAccuracy:
    """Accuracy against the size of the change. It bounds the true worst case from above: a better attack finds more.

    Nothing may be chosen by it on images that are then reported; choose on the validation split.

    Args:
        model: A classifier of images, or what `tap` made of it; not changed.
        images: `(n, height, width, channels)`, as the model takes them, all finite and within `bounds`.
        y: `(n,)` true classes.
        epsilons: Largest changes, in the unit of the pixels; 0 is the accuracy without an attack.
        attack: `fgsm` or `pgd`. What PGD breaks at a smaller ε counts as broken at larger ones, whose changes include
            it; FGSM's single step may well miss at a larger ε what it hit at a smaller one.
        settings: Of PGD.
        bounds: Lowest and highest value of a pixel.

    Returns:
        Accuracy at each ε, ascending.

    Raises:
        ExplainError: If an argument does not fit.
    """
    if attack not in ("fgsm", "pgd"):
        raise ExplainError(f"attack must be fgsm or pgd. Received: attack={attack}.")
    if y is None or not len(epsilons):
        raise ExplainError("accuracy needs the true classes and at least one epsilon. Received: none.")
    sizes = np.unique(np.asarray(epsilons, dtype=np.float64))
    tapped = tap(model)
    classes = _prepare(tapped, images, y, 32, (0.0, bounds))[1].class_index
    rows = []
    for epsilon in sizes:
        if attack == "fgsm":
            changed = fgsm(tapped, images, classes, float(epsilon), bounds=bounds)
        else:
            changed = pgd(tapped, images, classes, float(epsilon), settings=settings, bounds=bounds)
        rows.append(_answers(tapped, changed).argmax(axis=1) == classes)
    right = np.logical_and.accumulate(rows) if attack == "pgd" else np.array(rows)
    accuracy = tuple(proportion(int(row.sum()), len(row)) for row in right)
    return AttackedAccuracy(attack, sizes, right, accuracy)


def compare_examples(model: Model, images: Any, changed: Any) -> AdversarialExamples:
    """The model's answers to images before and after an attack, for `plot_adversarial`.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        changed: The same after an attack.

    Returns:
        Both with the most probable class of each and its probability.
    """
    tapped = tap(model)
    pair = [np.asarray(one, dtype=np.float32) for one in (images, changed)]
    if pair[0].shape != pair[1].shape:
        raise ExplainError(f"both must have one shape. Received: {pair[0].shape} and {pair[1].shape}.")
    answers = np.stack([_answers(tapped, one) for one in pair], axis=1)
    return AdversarialExamples(pair[0], pair[1], answers.argmax(axis=2), answers.max(axis=2))


def _prepare(
    model: Model, images: Any, y: Any, batch_size: int, change: tuple[float, Bounds]
) -> tuple[Tapped, Request]:
    """Model and images, checked; `change` is ε with the bounds of a pixel."""
    epsilon, (lowest, highest) = change
    if not 0 <= epsilon < np.inf:
        raise ExplainError(f"epsilon must be at least 0, in the unit of the pixels. Received: epsilon={epsilon}.")
    if not lowest < highest:
        raise ExplainError(f"bounds must be the lowest and the highest value. Received: {(lowest, highest)}.")
    tapped = tap(model)
    request = make_request(images, y, tapped.input_shape, tapped.num_logits, batch_size)
    for batch in request:
        if not batch.finite.all():
            raise ExplainError("images to attack must be finite. Received: NaN or infinity.")
        if batch.images.min() < lowest or batch.images.max() > highest:
            raise ExplainError(
                f"images must lie within {lowest:g}…{highest:g}. Received: {batch.images.min():g}…"
                f"{batch.images.max():g}. Pass bounds=(lowest, highest)."
            )
    return tapped, request


def _ascend(tapped: Tapped, images: Pixels, classes: NDArray[np.int32]) -> tuple[Pixels, NDArray[np.float64]]:
    """The sign of the cross-entropy's gradient by each pixel, and the log-odds of the class, `(b,)`."""

    def step(pixels: tf.Tensor, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        _, logits = tapped.read(pixels)
        (gradients,) = tf.gradients(_odds_against(logits, wanted), pixels)
        if gradients is None:
            raise ExplainError(f"The logits of {tapped.model.name} have no gradient by the pixels of its input.")
        return tf.sign(gradients), logits

    directions, logits = tapped.function("adversarial", step, CLASSES)(images, classes)
    return directions.numpy(), margins(logits.numpy(), classes)


def _odds_against(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Log-odds against a class: cross-entropy is log(1 + its exponential), so the gradients point the same way.

    The cross-entropy's own gradient, p - y, rounds to a wrong direction and then to 0 where the model is sure.
    """
    if logits.shape[-1] == 1:
        return -logits[:, 0] * sign_of(classes)
    own = tf.one_hot(classes, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    others = tf.where(own, tf.constant(-np.inf, logits.dtype), logits)
    return tf.reduce_logsumexp(others, axis=1) - tf.gather(logits, classes, batch_dims=1)


def _ball(images: Pixels, epsilon: float, bounds: Bounds) -> tuple[Pixels, Pixels]:
    """Lowest and highest value of each pixel within ε of the image."""
    size = np.float32(epsilon)
    return np.maximum(images - size, np.float32(bounds[0])), np.minimum(images + size, np.float32(bounds[1]))


def _search(
    tapped: Tapped, batch: Batch, epsilon: float, bounds: Bounds, how: tuple[PgdSettings, np.random.Generator]
) -> Pixels:
    """The worst of all searches for each image of a batch."""
    settings, generator = how
    low, high = _ball(batch.images, epsilon, bounds)
    size = np.float32(2.5 * epsilon / settings.steps if settings.step_size is None else settings.step_size)
    classes, logits = predict(tapped, batch.images, batch.class_index)
    worst, least = batch.images, margins(logits, classes)
    for search in range(settings.restarts + 1):
        changed = batch.images
        if search:
            changed = (low + generator.random(low.shape, dtype=np.float32) * (high - low)).astype(np.float32)
        for _ in range(settings.steps):
            directions, _ = _ascend(tapped, changed, classes)
            changed = np.clip(changed + size * directions, low, high)
        found = margins(predict(tapped, changed, classes)[1], classes)
        worst = np.where((found < least)[:, None, None, None], changed, worst)
        least = np.minimum(found, least)
    return worst


def _answers(tapped: Tapped, images: Any) -> NDArray[np.float64]:
    """`(n, K)`: the probabilities."""
    request = make_request(images, None, tapped.input_shape, tapped.num_logits, 32)
    return np.concatenate([probabilities(predict(tapped, batch.images, batch.class_index)[1]) for batch in request])
