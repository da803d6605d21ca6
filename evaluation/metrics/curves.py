"""ROC and precision–recall curves of a ranking, thinned to what a reader can see, and the ROC curve's band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.metrics.ranking import Ranking, rank
from evaluation.uncertainty.intervals import IntervalSettings
from evaluation.uncertainty.means import without_weightless
from evaluation.uncertainty.resampling import merged_units

GRID = np.linspace(0, 1, 101)
STEPS_LOOKED_AT = 4000
CELLS = 1000
MOST_UNITS = 1000


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points of a ROC curve, from (0, 0) to (1, 1).

    Attributes:
        false_positive_rate: 1 − specificity, ascending, shape (m,).
        true_positive_rate: Sensitivity, ascending, shape (m,).
        thresholds: A point calls positive what scores at least this, shape (m,), descending; infinity at (0, 0).
        tp: Positives that score at least the threshold, shape (m,); sums of weights where weighted.
        fp: Negatives that score at least the threshold, shape (m,), likewise.
        positives: All positives.
        negatives: All negatives.
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    thresholds: np.ndarray
    tp: np.ndarray
    fp: np.ndarray
    positives: float
    negatives: float


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Points of a precision–recall curve, from the highest threshold to the lowest.

    The point (0, 1), which scikit-learn adds, belongs to no threshold and is left out.

    Attributes:
        recall: Sensitivity, ascending, shape (m,).
        precision: Share of positives among what scores at least the threshold, shape (m,).
        thresholds: Descending, shape (m,).
    """

    recall: np.ndarray
    precision: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True, eq=False)
class RocBand:
    """Pointwise interval of the sensitivity at fixed specificities.

    Attributes:
        false_positive_rate: 0, 0.01, …, 1, shape (101,).
        low: Lower limit of the sensitivity there, shape (101,).
        high: Upper limit, shape (101,).
        method: "bootstrap" or "cluster-bootstrap".
    """

    false_positive_rate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    method: str


def roc_curve(ranking: Ranking, max_points: int = 1000) -> RocCurve | None:
    """The ROC curve, with the corners that a reader can see and at most `max_points` points.

    Args:
        ranking: Sorted scores.
        max_points: Largest number of points kept, at least 3. Where corners are dropped, none lies farther than about
            2/max_points from a kept point.

    Returns:
        The curve, or None where positives or negatives are missing. Points inside a straight run are left out.

    Raises:
        ValueError: If max_points is too small.
    """
    _check_points(max_points)
    if not ranking.positives or not ranking.negatives:
        return None
    rows = _looked_at(ranking, max_points)
    tp, fp = (np.append(0, counts[rows]) for counts in (ranking.tp, ranking.fp))
    thresholds = np.append(np.inf, ranking.thresholds[rows])
    keep = _corners(fp, tp)
    way = fp[keep] / ranking.negatives + tp[keep] / ranking.positives
    keep = keep[_evenly(way, max_points)]
    tp, fp = tp[keep], fp[keep]
    return RocCurve(
        fp / ranking.negatives, tp / ranking.positives, thresholds[keep], tp, fp, ranking.positives, ranking.negatives
    )


def precision_recall_curve(ranking: Ranking, max_points: int = 1000) -> PrecisionRecallCurve | None:
    """The precision–recall curve, with at most `max_points` points spread evenly along it.

    Args:
        ranking: Sorted scores.
        max_points: Largest number of points kept, at least 3.

    Returns:
        The curve, or None without positives.

    Raises:
        ValueError: If max_points is too small.
    """
    _check_points(max_points)
    if not ranking.positives:
        return None
    rows = _looked_at(ranking, max_points)
    tp, fp = ranking.tp[rows], ranking.fp[rows]
    recall, precision = tp / ranking.positives, tp / (tp + fp)
    way = np.append(0, np.cumsum(np.abs(np.diff(recall)) + np.abs(np.diff(precision))))
    keep = _evenly(way, max_points)
    return PrecisionRecallCurve(recall[keep], precision[keep], ranking.thresholds[rows[keep]])


def roc_band(
    y_true_binary: np.ndarray,
    y_score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
    ranking: Ranking | None = None,
) -> RocBand | None:
    """Pointwise confidence band of the ROC curve at fixed specificity, by the bootstrap.

    Examples are counted in at most 1,000 cells along the curve, and resamples drawn as counts of those cells, so that
    the time does not grow with n. Where groups or weights forbid that, the units drawn are groups or weighted
    examples, merged at random into at most 1,000 (of each class): sums of independent units are independent units.

    Args:
        y_true_binary: Whether each example is positive, shape (n,), bool or 0/1.
        y_score: Scores, shape (n,).
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, such as a patient's id, shape (n,); None for independent examples.
        settings: Confidence, resamples and seed.
        ranking: The ranking of these very examples, where it is there already.

    Returns:
        The band; None where positives or negatives are missing, or all resamples lack one of them or give one curve
        (perfect separation, a single group), which would pass for certainty.

    Reference:
        Macskassy, S., Provost, F., & Rosset, S. (2005). ROC confidence bands: an empirical evaluation. ICML.
    """
    settings = settings or IntervalSettings()
    ranking = rank(y_true_binary, y_score, weights=weights) if ranking is None else ranking
    curve = roc_curve(ranking, CELLS)
    if curve is None:
        return None
    rng = np.random.default_rng(settings.seed)
    positive = np.asarray(y_true_binary, dtype=bool)
    weights, groups, positive, y_score = without_weightless(weights, groups, positive, y_score)
    if weights is None and groups is None:
        tp, fp = (_multinomial(counts, settings.replicates, rng) for counts in (curve.tp, curve.fp))
    else:
        tp, fp = _resampled_units(curve, positive, y_score, weights, groups, settings)
    usable = (tp[:, -1] > 0) & (fp[:, -1] > 0)
    if not usable.any():
        return None
    sensitivity = _sensitivity_at_grid(tp[usable], fp[usable])
    tails = [(1 - settings.confidence) / 2, (1 + settings.confidence) / 2]
    low, high = np.quantile(sensitivity, tails, axis=0, method="inverted_cdf")
    if np.array_equal(low, high):
        return None
    return RocBand(GRID.copy(), low, high, "bootstrap" if groups is None else "cluster-bootstrap")


def _check_points(max_points: int) -> None:
    """Refuses a curve without room for its ends."""
    if max_points < 3:
        raise ValueError(f"max_points must be at least 3. Received: max_points={max_points}.")


def _looked_at(ranking: Ranking, max_points: int) -> np.ndarray:
    """Rows of a long ranking that may become points: those around even steps of either rate and of log(tp + fp).

    Every other row lies between two of these that no drawing tells apart; looking at them all would take longer than
    sorting them.
    """
    if len(ranking.tp) <= max(4 * STEPS_LOOKED_AT, max_points):
        return np.arange(len(ranking.tp))
    found = [np.array([0, len(ranking.tp) - 1])]
    for counts in (ranking.tp, ranking.fp):
        values = np.linspace(0, counts[-1], STEPS_LOOKED_AT).astype(counts.dtype)
        found += [np.searchsorted(counts, values, "left"), np.searchsorted(counts, values, "right") - 1]
    first, total = ranking.tp[0] + ranking.fp[0], ranking.positives + ranking.negatives
    found.append(_first_calling(ranking, np.geomspace(first, total, STEPS_LOOKED_AT)))
    return np.unique(np.clip(np.concatenate(found), 0, len(ranking.tp) - 1))


def _first_calling(ranking: Ranking, values: np.ndarray) -> np.ndarray:
    """First row whose tp + fp reaches each value, by bisection, for the sum of long arrays would cost their memory."""
    low, high = np.zeros(len(values), dtype=np.int64), np.full(len(values), len(ranking.tp) - 1)
    while (low < high).any():
        middle = (low + high) // 2
        short = ranking.tp[middle] + ranking.fp[middle] < values
        low, high = np.where(short, middle + 1, low), np.where(short, high, middle)
    return low


def _corners(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Indices of the points that do not lie inside a straight run."""
    corner = np.ones(len(x), dtype=bool)
    dx, dy = np.diff(x), np.diff(y)
    corner[1:-1] = dx[:-1] * dy[1:] != dy[:-1] * dx[1:]
    return np.flatnonzero(corner)


def _evenly(way: np.ndarray, max_points: int) -> np.ndarray:
    """Indices of at most max_points points: the first of every even step of the way along a curve, and the last."""
    if len(way) <= max_points:
        return np.arange(len(way))
    cell = np.minimum((way / way[-1] * (max_points - 2)).astype(np.int64), max_points - 3)
    first = np.append(True, np.diff(cell) > 0)
    first[-1] = True
    return np.flatnonzero(first)


def _multinomial(cumulative: np.ndarray, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Cumulative counts of resamples of one class, shape (B, m)."""
    counts = np.diff(cumulative, prepend=0)
    return np.cumsum(rng.multinomial(cumulative[-1], counts / cumulative[-1], size=replicates), axis=1)


def _resampled_units(
    curve: RocCurve,
    positive: np.ndarray,
    y_score: np.ndarray,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
    settings: IntervalSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative weights of positives and negatives in resamples of groups or weighted examples, shapes (B, m)."""
    rng, m = np.random.default_rng(settings.seed), len(curve.tp)
    cell = np.minimum(np.searchsorted(-curve.thresholds, -np.asarray(y_score, dtype=np.float64)), m - 1)
    weight = np.ones(len(cell)) if weights is None else np.asarray(weights, dtype=np.float64)
    everything = np.ones(len(cell), dtype=bool)
    totals = np.zeros((settings.replicates, 2 * m))
    for stratum in (positive, ~positive) if groups is None else (everything,):
        unit = merged_units(None if groups is None else groups[stratum], int(stratum.sum()), MOST_UNITS, rng)
        size = int(unit.max()) + 1
        column = cell[stratum] + m * ~positive[stratum]
        table = np.bincount(unit * 2 * m + column, weight[stratum], size * 2 * m).reshape(size, 2 * m)
        totals += rng.multinomial(size, np.full(size, 1 / size), size=settings.replicates) @ table
    return np.cumsum(totals[:, :m], axis=1), np.cumsum(totals[:, m:], axis=1)


def _sensitivity_at_grid(tp: np.ndarray, fp: np.ndarray) -> np.ndarray:
    """Sensitivity of each curve at the grid of false positive rates, shape (B, 101): the top of a vertical step."""
    sensitivity, rate = tp / tp[:, -1:], fp / fp[:, -1:]
    return np.stack([np.interp(GRID, x, y) for x, y in zip(rate, sensitivity, strict=True)])
