"""Weighted means and sums by cell over many examples, with the intervals that every mean of a report shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evaluation.uncertainty.intervals import Estimate, IntervalSettings, normal_interval
from evaluation.uncertainty.resampling import Resampler, group_codes, percentile_interval

EXAMPLES_PER_CHUNK = 1 << 16


def cell_sums(codes: np.ndarray, values: np.ndarray | None, num_cells: int) -> np.ndarray:
    """Sums of values, or numbers of examples, by cell; in chunks that fit the cache.

    Args:
        codes: Cell of every example, shape (n,), any integer type.
        values: What each adds, shape (n,); None: one.
        num_cells: Number of cells m.

    Returns:
        Shape (m,), float64.
    """
    sums = np.zeros(num_cells)
    for start in range(0, len(codes), EXAMPLES_PER_CHUNK):
        rows = slice(start, start + EXAMPLES_PER_CHUNK)
        sums += np.bincount(codes[rows], None if values is None else values[rows], num_cells)
    return sums


def linearised_variance(influence: np.ndarray, groups: np.ndarray | None) -> float:
    """Variance of a number from the influence of each example on it.

    Args:
        influence: What the number changes by each example, shape (n,); sums to about 0.
        groups: Independent units, shape (n,); None: examples are.

    Returns:
        The variance, at least 0.
    """
    if groups is not None:
        codes, number = group_codes(groups)
        sums = cell_sums(codes, influence, number)
        return float(np.sum((sums - sums.mean()) ** 2)) * number / (number - 1) if number > 1 else 0.0
    n = len(influence)
    return max(0.0, float(influence @ influence) - float(influence.sum()) ** 2 / max(1, n))


def linearised_name(groups: np.ndarray | None) -> str:
    """What reports call the delta method's interval."""
    return "linearised" if groups is None else "cluster-linearised"


def resampler(n: int, groups: np.ndarray | None, settings: IntervalSettings) -> Resampler:
    """Resamples of all examples alike, whatever their class: means and calibration vary with the classes' shares."""
    return Resampler(np.zeros(n, dtype=np.int64), groups, replicates=settings.replicates, seed=settings.seed)


def mean_estimate(
    values: np.ndarray,
    *,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
    settings: IntervalSettings,
) -> Estimate:
    """The mean of a loss with its interval.

    Args:
        values: Loss of each example, shape (n,), at least 0.
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: How intervals are computed.
    """
    total = float(len(values)) if weights is None else float(np.sum(weights))
    if len(values) == 0 or total == 0:
        return Estimate(None, reason="no examples")
    mean = float(values.mean()) if weights is None else float(values @ weights) / total
    estimate = Estimate(mean)
    if len(values) > settings.most_resampled:
        influence = (values - mean) / total
        if weights is not None:
            influence *= weights
        error = float(np.sqrt(linearised_variance(influence, groups)))
        return normal_interval(
            estimate, error, confidence=settings.confidence, method=linearised_name(groups), bounds=(0.0, np.inf)
        )
    drawn = resampler(len(values), groups, settings)
    ones = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    totals = drawn.totals(np.column_stack([values * ones, ones]))
    with np.errstate(invalid="ignore"):
        replicates = totals[:, 0] / totals[:, 1]
    return percentile_interval(estimate, replicates, confidence=settings.confidence, method=drawn.method)


def basic_interval(estimate: Estimate, replicates: np.ndarray, *, confidence: float, method: str) -> Estimate:
    """The percentile interval reflected in the estimate, at least 0: it takes off a bias that resampling repeats.

    The estimate stays inside, for an interval beside its own estimate reads as a mistake.

    Reference:
        Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application, section 5.2. Cambridge.
    """
    drawn = percentile_interval(estimate, replicates, confidence=confidence, method=method)
    if drawn.value is None or drawn.low is None or drawn.high is None:
        return drawn
    low, high = max(0.0, 2 * drawn.value - drawn.high), max(0.0, 2 * drawn.value - drawn.low)
    return replace(drawn, low=min(low, drawn.value), high=max(high, drawn.value), method=f"basic-{method}")
