"""One table that says of every method how true its maps are, beside chance and an edge detector."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.explain.api import Model
from evaluation.explain.baselines import BASELINES, check_method, maps_by
from evaluation.explain.fidelity import Curves, CurveSettings, deletion_curves, insertion_curves
from evaluation.explain.gradients import predict
from evaluation.explain.localisation import PointingGame, pointing_game
from evaluation.explain.request import make_request
from evaluation.explain.sanity import RandomisationCheck, RandomisationSettings, randomisation_check
from evaluation.explain.tapped import Tapped, tap
from evaluation.uncertainty.intervals import Estimate


@dataclass(frozen=True)
class TableSettings:
    """What the table measures.

    Attributes:
        steps: Points of the curves, less one.
        boxes: `(n, 4)`, or `(m, 4)` for each image, for the pointing game; None where there are none.
        seed: Of random orders, maps and weights.
        options: Options of a method by its name.
        batch_size: Images computed at once.
    """

    steps: int = 20
    boxes: Any = None
    seed: int = 0
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    batch_size: int = 32


@dataclass(frozen=True)
class FidelityRow:
    """What was measured of one method.

    Attributes:
        method: A method of `explain`, or `random` or `edges`.
        baseline: Whether it knows nothing of the model.
        deletion: Area under the deletion curve: low is good.
        insertion: Area under the insertion curve: high is good.
        randomisation: Rank correlation with the maps of the model whose weights are all drawn anew: near 0 is good.
        pointing: The pointing game; None without boxes.
        seconds: For the map of one image, the tracing of the graph left out.
        flagged: Images whose map says nothing.
        curves: The two curves, deletion first.
        maps: `(n, height, width)`.
    """

    method: str
    baseline: bool
    deletion: Estimate
    insertion: Estimate
    randomisation: Estimate
    pointing: PointingGame | None
    seconds: float
    flagged: int
    curves: tuple[Curves, Curves]
    maps: NDArray[np.float32]


def fidelity_table(
    model: Model,
    images: Any,
    methods: Sequence[str] = ("grad_cam", "saliency", "gradient_times_input", "guided_backpropagation"),
    class_index: Any = None,
    *,
    settings: TableSettings | None = None,
) -> tuple[FidelityRow, ...]:
    """Measures every method, then the baselines, on the same images and classes.

    Each number is a mean over the images with its bootstrap interval; its `denominator` is the number of images that
    define it. Methods are to be compared with the baselines in the same table only: areas depend on model and images.

    Args:
        model: A classifier of images, or what `tap` made of it; not changed.
        images: `(n, height, width, channels)`, as the model takes them.
        methods: Keys of `METHODS`; `random` and `edges` follow by themselves.
        class_index: One class, one for each image, or None for the predicted one.
        settings: Steps, boxes, seed and options.

    Returns:
        One row for each method and baseline.

    Raises:
        ExplainError: If an argument does not fit, or a method does not suit the model.
    """
    chosen = settings or TableSettings()
    names = [*(name for name in dict.fromkeys(methods) if name not in BASELINES), *BASELINES]
    for name in names:
        check_method(name)
    tapped = tap(model)
    request = make_request(images, class_index, tapped.input_shape, tapped.num_logits, chosen.batch_size)
    classes = np.concatenate([predict(tapped, batch.images, batch.class_index)[0] for batch in request])
    return tuple(_row(tapped, request.images, name, classes, chosen) for name in names)


def _row(
    tapped: Tapped, images: NDArray[Any], method: str, classes: NDArray[np.int32], settings: TableSettings
) -> FidelityRow:
    """Everything about one method."""
    options = settings.options.get(method, {})
    maps, flags, seconds = _timed_maps(tapped, images, method, classes, settings)
    curves = CurveSettings(settings.steps, seed=settings.seed)
    deletion, insertion = (
        draw(tapped, images, maps, classes, settings=curves, batch_size=settings.batch_size)
        for draw in (deletion_curves, insertion_curves)
    )
    check = _full_randomisation(tapped, images, method, classes, (settings, options))
    return FidelityRow(
        method=method,
        baseline=method in BASELINES,
        deletion=deletion.area,
        insertion=insertion.area,
        randomisation=check.estimates[-1],
        pointing=None if settings.boxes is None else pointing_game(maps, settings.boxes),
        seconds=seconds,
        flagged=sum(flag != "" for flag in flags),
        curves=(deletion, insertion),
        maps=maps,
    )


def _timed_maps(
    tapped: Tapped, images: NDArray[Any], method: str, classes: NDArray[np.int32], settings: TableSettings
) -> tuple[NDArray[np.float32], tuple[str, ...], float]:
    """Maps, flags and seconds an image."""
    how: dict[str, Any] = {"options": settings.options.get(method), "batch_size": settings.batch_size}
    maps_by(tapped, images[:1], method, classes[:1], **how)
    start = time.perf_counter()
    maps, flags = maps_by(tapped, images, method, classes, **how)
    return maps, flags, (time.perf_counter() - start) / len(images)


def _full_randomisation(
    tapped: Tapped,
    images: NDArray[Any],
    method: str,
    classes: NDArray[np.int32],
    how: tuple[TableSettings, Mapping[str, Any]],
) -> RandomisationCheck:
    """The check with all weights drawn anew at once."""
    settings, options = how
    single = RandomisationSettings("cascading", most_steps=1, seed=settings.seed, options=options)
    return randomisation_check(tapped, images, method, classes, settings=single, batch_size=settings.batch_size)
