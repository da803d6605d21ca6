"""Means over seeds with their intervals, and how tables say them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from evaluation.uncertainty.intervals import Estimate

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float]) -> Estimate:
    """The mean over seeds with Student's 95 % interval; a single seed has none."""
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return Estimate(mean, note="one seed has no interval")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(array) - 1) * array.std(ddof=1) / math.sqrt(len(array)))
    return Estimate(mean, mean - half, mean + half, method="t")


def paired_interval(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The mean of the differences first − second, seed by seed."""
    return mean_interval([a - b for a, b in zip(first, second, strict=True)])


def percent(estimate: Estimate) -> str:
    """`71.3 (69.8–72.8)`, in per cent; an accuracy's interval ends at 0 and at 100."""
    numbers = (estimate.value, estimate.low, estimate.high)
    value, low, high = (None if x is None else f"{100 * min(1.0, max(0.0, x)):.1f}" for x in numbers)
    return f"{value} ({low}–{high})" if low is not None else f"{value}"


def points(estimate: Estimate) -> str:
    """`−2.1 (−3.0 to −1.2)`, in percentage points; bold where the interval leaves out 0."""
    value, low, high = (
        None if x is None else f"{100 * x:+.1f}".replace("-", "−")
        for x in (estimate.value, estimate.low, estimate.high)
    )
    if estimate.low is None or estimate.high is None:
        return f"{value}"
    text = f"{value} ({low} to {high})"
    return f"**{text}**" if estimate.low > 0 or estimate.high < 0 else text
