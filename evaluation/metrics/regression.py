"""Numbers of a regression: how far predictions lie from the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.uncertainty.intervals import Estimate, IntervalSettings, normal_interval
from evaluation.uncertainty.resampling import percentile_interval


@dataclass(frozen=True)
class RegressionScores:
    """Errors over n examples.

    Attributes:
        n: Number of examples.
        mae: Mean absolute error, in the target's unit.
        rmse: Root mean squared error, in the target's unit.
        r2: Coefficient of determination, at most 1; undefined where the target is constant.
    """

    n: int
    mae: Estimate
    rmse: Estimate
    r2: Estimate


def regression_scores(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    *,
    settings: IntervalSettings | None = None,
    groups: np.ndarray | None = None,
) -> RegressionScores:
    """Computes MAE = mean |e|, RMSE = √mean e² and R² = 1 − Σe² / Σ(y − ȳ)², with e = y_pred − y_true.

    Args:
        y_true: True values, shape (n,), finite.
        y_pred: Predicted values, shape (n,), finite.
        settings: How intervals are computed: by the bootstrap, above `most_resampled` examples by the delta method.
        groups: What belongs together, shape (n,); None for independent examples.

    Returns:
        The scores with intervals; None with a reason where one is undefined.

    Raises:
        ValueError: If the shapes differ.
    """
    y_true, y_pred = np.asarray(y_true, dtype=np.float64), np.asarray(y_pred, dtype=np.float64)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"y_true and y_pred must have one shape. Received: {y_true.shape} and {y_pred.shape}.")
    if y_true.size == 0:
        nothing = Estimate(None, reason="no examples")
        return RegressionScores(0, nothing, nothing, nothing)
    error = y_pred - y_true
    squares = float(np.sum(error**2))
    spread = float(np.sum((y_true - y_true.mean()) ** 2))
    constant = bool((y_true == y_true[0]).all()) or spread == 0
    ratio = np.inf if constant else squares / spread
    reason = "the target is constant" if constant else "the target is constant beside its errors"
    r2 = Estimate(float(1 - ratio)) if np.isfinite(ratio) else Estimate(None, reason=reason)
    mae, rmse = float(np.mean(np.abs(error))), float(np.sqrt(squares / y_true.size))
    points = (Estimate(mae), Estimate(rmse), r2)
    settings = settings or IntervalSettings()
    with_intervals = _linearised if y_true.size > settings.most_resampled else _resampled
    return RegressionScores(int(y_true.size), *with_intervals(points, y_true, error, groups, settings))


def _resampled(
    points: tuple[Estimate, Estimate, Estimate],
    y_true: np.ndarray,
    error: np.ndarray,
    groups: np.ndarray | None,
    settings: IntervalSettings,
) -> list[Estimate]:
    """Percentile intervals; the target is scaled first so that its squares neither overflow nor vanish."""
    from evaluation.uncertainty.means import resampler

    centred = y_true - y_true.mean()
    unit = float(np.abs(error).max()) or 1.0
    width = float(np.abs(centred).max()) or 1.0
    e, t = error / unit, centred / width
    drawn = resampler(len(e), groups, settings)
    sums = drawn.totals(np.column_stack([np.ones(len(e)), np.abs(e), e * e, t, t * t])).T
    n, absolute, squared, first, second = sums
    with np.errstate(all="ignore"):
        spread = second - first**2 / n
        ratio = np.where(spread > 1e-12 * second, squared / spread, np.nan) * (unit / width) ** 2
        replicates = (unit * absolute / n, unit * np.sqrt(squared / n), 1 - ratio)
    return [
        percentile_interval(point, drawn_values, confidence=settings.confidence, method=drawn.method)
        for point, drawn_values in zip(points, replicates, strict=True)
    ]


def _linearised(
    points: tuple[Estimate, Estimate, Estimate],
    y_true: np.ndarray,
    error: np.ndarray,
    groups: np.ndarray | None,
    settings: IntervalSettings,
) -> list[Estimate]:
    """Normal intervals from the influence of each example."""
    from evaluation.uncertainty.means import linearised_name, linearised_variance

    n = len(error)
    mae, rmse, r2 = (point.value for point in points)
    centred = y_true - y_true.mean()
    influences: list[np.ndarray | None] = [(np.abs(error) - (mae or 0.0)) / n, None, None]
    if rmse:
        influences[1] = (error / rmse * error - rmse) / (2 * n)
    if r2 is not None:
        spread = float(np.sum(centred**2))
        influences[2] = -(error**2 - (1 - r2) * centred**2) / spread
    bounds = ((0.0, np.inf), (0.0, np.inf), (-np.inf, 1.0))
    found = []
    for point, influence, ends in zip(points, influences, bounds, strict=True):
        deviation = 0.0 if influence is None else float(np.sqrt(linearised_variance(influence, groups)))
        found.append(
            normal_interval(
                point, deviation, confidence=settings.confidence, method=linearised_name(groups), bounds=ends
            )
        )
    return found
