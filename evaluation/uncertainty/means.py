"""Weighted means and sums by cell over many examples, with the intervals that every mean of a report shares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from evaluation.uncertainty.intervals import Estimate, IntervalSettings, normal_interval
from evaluation.uncertainty.resampling import ROUNDING, Resampler, group_codes, percentile_interval

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


def linearised_variance(influence: np.ndarray, groups: np.ndarray | None, strata: np.ndarray | None = None) -> float:
    """Variance of a number from the influence of each example on it.

    Args:
        influence: First-order change of the number by each example, shape (n,); sums to about 0 in every stratum.
        groups: Independent units, shape (n,); None: examples are.
        strata: Class of each example, shape (n,), where the number of examples of each class is given; or None.

    Returns:
        The sum of squares about the mean, each stratum with its n/(n − 1); at least 0. With groups the influence is
        summed by group first, and the strata of one group covary.

    Reference:
        Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics, 53.
    """
    if groups is not None:
        return _clustered_variance(influence, groups, strata)
    if strata is None:
        n = len(influence)
        spread = float(influence @ influence) - float(influence.sum()) ** 2 / max(1, n)
        return max(0.0, spread) * n / max(1, n - 1)
    strata = np.unique(strata, return_inverse=True)[1]
    sizes, squares = np.bincount(strata), np.bincount(strata, influence**2)
    return float((squares * sizes / np.maximum(sizes - 1, 1)).sum())


def _clustered_variance(influence: np.ndarray, groups: np.ndarray, strata: np.ndarray | None) -> float:
    """Variance from sums by group; each stratum has the G/(G − 1) of the groups that hold it."""
    codes, number = group_codes(groups)
    if number < 2:
        return 0.0
    sums = cell_sums(codes, influence, number)
    correction = number / (number - 1)
    variance = float(np.sum((sums - sums.mean()) ** 2)) * correction
    for stratum in [] if strata is None else np.unique(strata):
        mine = strata == stratum
        held = np.unique(codes[mine], return_inverse=True)[1]
        own = np.bincount(held, influence[mine])
        variance += float(own @ own) * (len(own) / max(len(own) - 1, 1) - correction)
    return variance


def without_weightless(weights: np.ndarray | None, groups: np.ndarray | None, *columns: np.ndarray) -> tuple[Any, ...]:
    """Leaves out examples of weight 0, which are no examples: neither intervals nor numbers of groups may count them.

    Args:
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,), or None.
        columns: Arrays with a row for each example.

    Returns:
        Weights, groups and columns, the very same arrays where no weight is 0.
    """
    if weights is None or np.all(weights):
        return weights, groups, *columns
    kept = np.asarray(weights) != 0
    left = None if groups is None else np.asarray(groups)[kept]
    return np.asarray(weights)[kept], left, *(np.asarray(column)[kept] for column in columns)


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
    weights, groups, values = without_weightless(weights, groups, values)
    total = float(len(values)) if weights is None else float(np.sum(weights))
    if len(values) == 0:
        return Estimate(None, reason="no examples")
    mean = float(values.mean()) if weights is None else float(values @ weights) / total
    estimate = Estimate(mean)
    if len(values) > settings.most_resampled:
        influence = (values - mean) / total
        if weights is not None:
            influence *= weights
        error = float(np.sqrt(linearised_variance(influence, groups)))
        error = error if error > ROUNDING * abs(mean) else 0.0
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
