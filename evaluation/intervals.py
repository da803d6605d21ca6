"""Proportions with their interval, numerator and denominator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Method = Literal["wilson", "clopper-pearson"]


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty; undefined numbers say why.

    Attributes:
        value: The estimate; None where it is undefined.
        low: Lower limit of the interval, or None.
        high: Upper limit of the interval, or None.
        numerator: What was counted, or None where the number is no proportion.
        denominator: Out of how many, or None.
        reason: Why the value is undefined, or None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    numerator: int | None = None
    denominator: int | None = None
    reason: str | None = None


def proportion(
    numerator: int,
    denominator: int,
    *,
    confidence: float = 0.95,
    method: Method = "wilson",
    reason: str = "no examples",
) -> Estimate:
    """Estimates a proportion and its confidence interval.

    Args:
        numerator: Successes, 0 … denominator.
        denominator: Trials.
        confidence: Coverage of the interval, between 0 and 1.
        method: "wilson" (score interval) or "clopper-pearson" (exact, conservative).
        reason: What to say where the denominator is 0.

    Returns:
        The estimate; its value is None with the reason where the denominator is 0.

    Raises:
        ValueError: If the counts contradict one another, or confidence or method are unknown.

    Reference:
        Newcombe, R. G. (1998). Two-sided confidence intervals for the single proportion. Statistics in Medicine, 17.
    """
    if not 0 <= numerator <= denominator:
        raise ValueError(f"numerator must be from 0 to denominator. Received: {numerator} of {denominator}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1. Received: confidence={confidence}.")
    if method not in ("wilson", "clopper-pearson"):
        raise ValueError(f"method must be 'wilson' or 'clopper-pearson'. Received: method={method!r}.")
    if denominator == 0:
        return Estimate(None, numerator=int(numerator), denominator=0, reason=reason)
    limits = _wilson if method == "wilson" else _clopper_pearson
    low, high = limits(int(numerator), int(denominator), confidence)
    return Estimate(numerator / denominator, low, high, int(numerator), int(denominator))


def _wilson(k: int, n: int, confidence: float) -> tuple[float, float]:
    """(p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with the limits 0 and 1 exact at k = 0 and k = n."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    p = k / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if k == 0 else (centre - half) / scale
    high = 1.0 if k == n else (centre + half) / scale
    return max(0.0, low), min(1.0, high)


def _clopper_pearson(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Quantiles of the beta distributions (k, n − k + 1) and (k + 1, n − k)."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high
