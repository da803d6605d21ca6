"""Two raters of the same examples: McNemar's test, Newcombe's interval, paired DeLong, Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metrics.ranking import placements
from evaluation.uncertainty.intervals import (
    Estimate,
    IntervalSettings,
    normal_interval,
    proportion,
    undefined,
)
from evaluation.uncertainty.resampling import Resampler, group_codes, percentile_interval

FEWEST_FOR_CHI_SQUARE = 25
# Variances below are rounding alone: components, shares of examples, are exact to about 1e-16.
NEGLIGIBLE = 1e-30


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two paired proportions, in its exact and its χ² form.

    Attributes:
        discordant: (b, c): examples that only the first, and only the second, called so.
        test: "McNemar exact" below 25 discordant examples, else "McNemar χ²"; `p` and `statistic` are of that form.
        p: Two-sided.
        statistic: χ² with continuity correction; None for the exact test.
        exact_p: Two-sided, of the binomial test of b out of b + c at ½; 1 where nothing is discordant.
        corrected: (χ², p) with continuity correction (|b − c| − 1)²/(b + c), or None where nothing is discordant.
        uncorrected: (χ², p) without it, or None.
    """

    discordant: tuple[int, int]
    test: str
    p: float
    statistic: float | None
    exact_p: float
    corrected: tuple[float, float] | None
    uncorrected: tuple[float, float] | None


@dataclass(frozen=True)
class PairedDeLong:
    """Difference of two areas under ROC curves on the same examples.

    Attributes:
        first, second: The areas; None where undefined.
        difference: First − second, with its interval.
        z: Difference over its standard error, or None.
        p: Two-sided, or None.
        reason: Why there is no test, or None.
    """

    first: float | None
    second: float | None
    difference: Estimate
    z: float | None = None
    p: float | None = None
    reason: str | None = None


def mcnemar(b: int, c: int) -> McNemar:
    """McNemar's test from the discordant examples.

    Args:
        b: Examples that only the first called so, at least 0.
        c: Examples that only the second called so, at least 0.

    Returns:
        The exact test below 25 discordant examples, else χ² with continuity correction; both stated.

    Raises:
        ValueError: If a count is negative.

    Reference:
        McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions.
        Psychometrika, 12.
    """
    if b < 0 or c < 0:
        raise ValueError(f"b and c must be counts of at least 0. Received: b={b}, c={c}.")
    from scipy.special import bdtr, chdtrc

    total = b + c
    exact_p = min(1.0, 2 * float(bdtr(min(b, c), total, 0.5)))
    if total == 0:
        return McNemar((b, c), "McNemar exact", exact_p, None, exact_p, None, None)
    # With b = c the correction would leave 1/(b + c), evidence of a difference where there is none.
    statistics = (max(abs(b - c) - 1, 0) ** 2 / total, (b - c) ** 2 / total)
    corrected, uncorrected = ((value, float(chdtrc(1, value))) for value in statistics)
    if total < FEWEST_FOR_CHI_SQUARE:
        return McNemar((b, c), "McNemar exact", exact_p, None, exact_p, corrected, uncorrected)
    return McNemar((b, c), "McNemar χ²", corrected[1], corrected[0], exact_p, corrected, uncorrected)


def paired_difference(
    both: int, first_only: int, second_only: int, neither: int, *, confidence: float = 0.95
) -> Estimate:
    """Difference of two proportions on the same examples, first − second, with Newcombe's interval.

    The score intervals of both proportions are combined under their correlation φ, whose numerator is corrected for
    continuity (the paper's method 10).

    Args:
        both: Examples that both called so.
        first_only: Examples that only the first called so.
        second_only: Examples that only the second called so.
        neither: Examples that neither called so.
        confidence: Coverage.

    Returns:
        The difference, −1 … 1; undefined without examples.

    Reference:
        Newcombe, R. G. (1998). Improved confidence intervals for the difference between binomial proportions based
        on paired data. Statistics in Medicine, 17, 2635–2650.
    """
    n = both + first_only + second_only + neither
    if n == 0:
        return undefined("no examples")
    phi = _correlation(both, first_only, second_only, neither)
    first = proportion(both + first_only, n, confidence=confidence)
    second = proportion(both + second_only, n, confidence=confidence)
    first_below, first_above = _arms(first)
    second_below, second_above = _arms(second)
    value = (first_only - second_only) / n
    low = value - _joined(first_below, second_above, phi)
    high = value + _joined(first_above, second_below, phi)
    return Estimate(value, max(-1.0, low), min(1.0, high), method="newcombe")


def rate_difference(first: np.ndarray, second: np.ndarray, groups: np.ndarray, settings: IntervalSettings) -> Estimate:
    """Difference of two rates on the same grouped examples, first − second, by the cluster bootstrap.

    Args:
        first: What the first called so, shape (n,), bool.
        second: What the second called so, shape (n,), bool.
        groups: What belongs together, shape (n,).
        settings: How intervals are computed.

    Returns:
        The difference, −1 … 1; undefined without examples.
    """
    if len(first) == 0:
        return undefined("no examples")
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return _clustered(Estimate(float(difference.mean())), difference, groups, settings, (-1.0, 1.0))


def paired_delong(
    y_true_binary: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    settings: IntervalSettings,
) -> PairedDeLong:
    """Compares the areas of two scores of the same examples.

    With groups the structural components are summed within each group, which makes test and interval valid for
    dependent examples (Obuchowski 1997).

    Args:
        y_true_binary: Whether each example is positive, shape (n,), bool or 0/1.
        first: Scores, shape (n,); higher means more positive.
        second: Scores, shape (n,).
        groups: What belongs together, shape (n,), or None.
        settings: How intervals are computed.

    Returns:
        First − second with its interval, z and p; without test and interval, and with the reason, where the variance
        is zero or unknown.

    Reference:
        DeLong, E. R., DeLong, D. M., & Clarke-Pearson, D. L. (1988). Comparing the areas under two or more correlated
        receiver operating characteristic curves. Biometrics, 44.
        Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics, 53.
    """
    from scipy.special import erfc

    positive = np.asarray(y_true_binary, dtype=bool)
    if not positive.any() or positive.all():
        lacking = "no positive examples" if not positive.any() else "no negative examples"
        return PairedDeLong(None, None, undefined(lacking), reason=lacking)
    components = np.stack([placements(positive, score) for score in (first, second)])
    areas = components[:, positive].mean(axis=1)
    # Of the components' difference, for a difference of covariances would lose models that are almost alike.
    between = components[:1] - components[1:]
    value = float(between[0, positive].mean())
    variance = float(_component_covariances(between, positive, groups)[0, 0])
    reason = _why_no_test(value, variance)
    if reason is not None:
        difference = Estimate(value, note=f"no interval: {reason}")
        return PairedDeLong(float(areas[0]), float(areas[1]), difference, reason=reason)
    error = math.sqrt(variance)
    method = "delong" if groups is None else "cluster-linearised"
    difference = normal_interval(
        Estimate(value), error, confidence=settings.confidence, method=method, bounds=(-1.0, 1.0)
    )
    z = value / error
    return PairedDeLong(float(areas[0]), float(areas[1]), difference, z, float(erfc(abs(z) / math.sqrt(2))))


def delong_covariances(
    y_true_binary: np.ndarray, scores: np.ndarray, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the ROC curves of several scores of the same examples, and DeLong's covariances.

    Args:
        y_true_binary: Whether each example is positive, shape (n,), both kinds occurring.
        scores: One row per score, shape (m, n).
        groups: What belongs together, shape (n,), or None; see `paired_delong`.

    Returns:
        Areas of shape (m,) and covariances of shape (m, m); NaN with a single positive, negative or group.
    """
    positive = np.asarray(y_true_binary, dtype=bool)
    components = np.stack([placements(positive, row) for row in scores])
    return components[:, positive].mean(axis=1), _component_covariances(components, positive, groups)


def _component_covariances(components: np.ndarray, positive: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Covariances of areas from their structural components, shape (m, m)."""
    if groups is not None:
        return _by_group(components, positive, groups)
    return mean_covariances(components[:, positive]) + mean_covariances(components[:, ~positive])


def mean_covariances(values: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Covariances of the means of several rows: the jackknife's, over examples, or over groups linearised.

    Args:
        values: One row per mean, shape (m, n).
        groups: What belongs together, shape (n,), or None.

    Returns:
        Covariances of shape (m, m); NaN with a single example or group.
    """
    n = values.shape[1]
    if groups is not None:
        return _by_group(values, np.ones(n, dtype=bool), groups)
    if n < 2:
        return np.full((len(values), len(values)), np.nan)
    centred = values - values.mean(axis=1, keepdims=True)
    return centred @ centred.T / (n * (n - 1))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's correction of a family of p values.

    Args:
        p: The p values, 0 … 1; None where a test gave none, which then is no member of the family.

    Returns:
        Adjusted p values in the same order, None where there was none.

    Reference:
        Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics, 6.
    """
    adjusted: list[float | None] = [None] * len(p)
    order = sorted((value, index) for index, value in enumerate(p) if value is not None)
    largest = 0.0
    for rank, (value, index) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * value))
        adjusted[index] = largest
    return adjusted


def _correlation(both: int, first_only: int, second_only: int, neither: int) -> float:
    """φ between the two calls, its numerator shrunk by n/2 where positive; 0 where one call never varies."""
    n = both + first_only + second_only + neither
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    if margins == 0:
        return 0.0
    numerator = float(both * neither - first_only * second_only)
    return (max(numerator - n / 2, 0.0) if numerator > 0 else numerator) / math.sqrt(margins)


def _arms(estimate: Estimate) -> tuple[float, float]:
    """How far the interval reaches below and above its estimate."""
    value, low, high = estimate.value, estimate.low, estimate.high
    assert value is not None and low is not None and high is not None
    return value - low, high - value


def _joined(first: float, second: float, phi: float) -> float:
    """Length of the arm of a difference whose parts correlate by φ."""
    return math.sqrt(max(0.0, first**2 - 2 * phi * first * second + second**2))


def _clustered(
    estimate: Estimate,
    values: np.ndarray,
    groups: np.ndarray,
    settings: IntervalSettings,
    limits: tuple[float, float],
) -> Estimate:
    """Interval of a mean of grouped examples: bootstrap over groups, or linearised above the settings' limit."""
    n = len(values)
    if n <= settings.most_resampled:
        resampler = Resampler(np.zeros(n), groups, replicates=settings.replicates, seed=settings.seed)
        totals = resampler.totals(np.column_stack([values, np.ones(n)]))
        means = totals[:, 0] / totals[:, 1]
        return percentile_interval(estimate, means, confidence=settings.confidence, method=resampler.method)
    error = math.sqrt(float(mean_covariances(values[None, :], groups)[0, 0]))
    return normal_interval(estimate, error, confidence=settings.confidence, method="cluster-linearised", bounds=limits)


def _by_group(values: np.ndarray, strata: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Covariances of sums of stratum means from influence values summed within groups, shape (m, m).

    Each stratum has the G/(G − 1) of the groups that hold it, their covariance that of all groups.
    """
    codes, count = group_codes(groups)
    m = len(values)
    total, covariances = np.zeros((m, count)), np.zeros((m, m))
    for stratum in np.unique(strata):
        mine = strata == stratum
        influence = (values[:, mine] - values[:, mine].mean(axis=1, keepdims=True)) / mine.sum()
        summed = np.stack([np.bincount(codes[mine], row, count) for row in influence])
        holding = len(np.unique(codes[mine]))
        if holding < 2:
            return np.full((m, m), np.nan)
        covariances += summed @ summed.T * (holding / (holding - 1) - count / (count - 1))
        total += summed
    return covariances + total @ total.T * count / (count - 1)


def _why_no_test(value: float, variance: float) -> str | None:
    """Why a difference of areas cannot be tested, or None."""
    if math.isnan(variance):
        return "the variance needs two positives and two negatives, from two groups where groups are given"
    if variance > NEGLIGIBLE:
        return None
    if value == 0:
        return "both rank the examples alike, so the difference has no variance"
    return "the variance of the difference is zero, as with perfect separation"
