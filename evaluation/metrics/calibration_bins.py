"""The calibration curve: observed shares of positive examples by score, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evaluation.uncertainty.intervals import (
    Estimate,
    IntervalSettings,
    effective_proportion,
    normal_interval,
    proportion,
    undefined,
)
from evaluation.uncertainty.means import (
    EXAMPLES_PER_CHUNK,
    cell_sums,
    linearised_name,
    linearised_variance,
    resampler,
    without_weightless,
)
from evaluation.uncertainty.resampling import group_codes, percentile_interval


@dataclass(frozen=True)
class CalibrationBin:
    """Examples of similar score.

    Attributes:
        low, high: Limits of the bin: low < score <= high; the first bin holds the score 0.
        n: Number of examples whose weight is above 0.
        mean_score: Mean score in the bin.
        observed: Share of positive examples among them.
    """

    low: float
    high: float
    n: int
    mean_score: float
    observed: Estimate


def calibration_curve(
    y_true_binary: np.ndarray,
    score: np.ndarray,
    *,
    bins: int = 10,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
) -> list[CalibrationBin]:
    """Observed share of positive examples by score, in bins of equal width.

    Args:
        y_true_binary: 1 for positive examples, otherwise 0, shape (n,).
        score: Score of the positive class, shape (n,), 0…1.
        bins: Number of bins.
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: How intervals are computed.

    Returns:
        The bins that hold examples, in the order of the score.
    """
    settings = settings or IntervalSettings()
    y, score = np.asarray(y_true_binary), np.asarray(score, dtype=np.float64)
    weights, groups, y, score = without_weightless(weights, groups, y, score)
    index = bin_index(score, bins)
    held = cell_sums(index, None, bins)
    weighted = score if weights is None else score * weights
    sums, sizes = cell_sums(index, weighted, bins), held if weights is None else cell_sums(index, weights, bins)
    observed = _observed_shares(y, index, bins, weights=weights, groups=groups, settings=settings)
    edges = np.linspace(0, 1, bins + 1)
    return [
        CalibrationBin(
            float(edges[one]), float(edges[one + 1]), int(held[one]), float(sums[one] / sizes[one]), observed[one]
        )
        for one in np.flatnonzero((held > 0) & (sizes > 0))
    ]


def bin_index(score: np.ndarray, bins: int) -> np.ndarray:
    """Bin of every score among `bins` of equal width, low < score <= high, the first with 0; shape (n,), small ints."""
    edges = np.linspace(0, 1, bins + 1)
    below, above = edges[:-1].copy(), edges[1:].copy()
    below[0], above[-1] = -np.inf, np.inf
    index = np.empty(len(score), dtype=np.int16)
    for start in range(0, len(score), EXAMPLES_PER_CHUNK):
        part = score[start : start + EXAMPLES_PER_CHUNK]
        # The product is off by one at the edges, which the comparison with the edges themselves puts right.
        guess = np.clip((part * bins).astype(np.intp), 0, bins - 1)
        index[start : start + len(part)] = guess - (part <= below[guess]) + (part > above[guess])
    return index


def _observed_shares(
    y: np.ndarray,
    index: np.ndarray,
    bins: int,
    *,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
    settings: IntervalSettings,
) -> list[Estimate]:
    """Share of positive examples in every bin with its interval."""
    cells = index * np.int16(2)
    cells += y.astype(np.int16)
    counts = cell_sums(cells, weights, 2 * bins).reshape(bins, 2)
    if weights is None and groups is None:
        return [
            proportion(int(hits), int(misses + hits), confidence=settings.confidence, method=settings.proportion)
            for misses, hits in counts
        ]
    points = [
        Estimate(float(hits / (hits + misses)), numerator=float(hits), denominator=float(hits + misses))
        if hits + misses > 0
        else undefined("no examples")
        for misses, hits in counts
    ]
    if len(y) > settings.most_resampled:
        found = [_linearised_share(one, index == at, y, weights, groups, settings) for at, one in enumerate(points)]
    else:
        drawn = resampler(len(y), groups, settings)
        totals = drawn.cell_totals(cells, 2 * bins, weights).reshape(-1, bins, 2)
        with np.errstate(invalid="ignore"):
            shares = totals[:, :, 1] / totals.sum(axis=2)
        found = [
            percentile_interval(one, shares[:, at], confidence=settings.confidence, method=drawn.method)
            for at, one in enumerate(points)
        ]
    return [_certain(one, index == at, weights, groups, settings.confidence) for at, one in enumerate(found)]


def _linearised_share(
    estimate: Estimate,
    inside: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
    settings: IntervalSettings,
) -> Estimate:
    """The delta method's interval of one bin's share, on the logit scale."""
    if estimate.value is None or not estimate.denominator:
        return estimate
    influence = inside * (y - estimate.value) / estimate.denominator
    if weights is not None:
        influence *= weights
    error = float(np.sqrt(linearised_variance(influence, groups)))
    method = linearised_name(groups)
    return normal_interval(estimate, error, confidence=settings.confidence, method=method, scale="logit")


def _certain(
    estimate: Estimate, inside: np.ndarray, weights: np.ndarray | None, groups: np.ndarray | None, confidence: float
) -> Estimate:
    """Wilson's interval on groups or on Kish's effective number for a share of 0 or 1 that resampling gives none."""
    if estimate.low is not None or estimate.value not in (0.0, 1.0):
        return estimate
    plain = replace(estimate, note=None)
    if groups is not None:
        held = group_codes(np.asarray(groups)[inside])[1]
        return effective_proportion(plain, held, confidence=confidence, method="wilson-on-groups")
    if weights is None:
        return estimate
    size = float(weights[inside].sum()) ** 2 / float(weights[inside] @ weights[inside])
    return effective_proportion(plain, size, confidence=confidence, method="wilson-effective")
