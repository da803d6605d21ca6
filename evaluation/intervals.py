"""Estimates with their interval, numerator and denominator, and the closed forms of those intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Method = Literal["wilson", "clopper-pearson"]
AucMethod = Literal["delong", "delong-logit"]


@dataclass(frozen=True)
class IntervalSettings:
    """How the intervals of a report are computed.

    Attributes:
        confidence: Coverage, between 0 and 1.
        proportion: Method for proportions of independent, unweighted examples.
        auc: DeLong's interval on the plain scale, or on the logit scale, which never leaves 0…1.
        replicates: Bootstrap resamples.
        seed: Seed of the resamples.
        most_resampled: Above this many examples, analytic intervals take the bootstrap's place.
    """

    confidence: float = 0.95
    proportion: Method = "wilson"
    auc: AucMethod = "delong"
    replicates: int = 2000
    seed: int = 0
    most_resampled: int = 100_000

    def __post_init__(self) -> None:
        """Refuses settings that name no interval."""
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1. Received: confidence={self.confidence}.")
        if self.proportion not in ("wilson", "clopper-pearson"):
            raise ValueError(f"proportion must be 'wilson' or 'clopper-pearson'. Received: {self.proportion!r}.")
        if self.auc not in ("delong", "delong-logit"):
            raise ValueError(f"auc must be 'delong' or 'delong-logit'. Received: {self.auc!r}.")
        if self.replicates < 100:
            raise ValueError(f"replicates must be at least 100. Received: replicates={self.replicates}.")


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty; undefined numbers say why.

    Attributes:
        value: The estimate; None where it is undefined. May be infinite (a likelihood ratio).
        low: Lower limit of the interval, or None.
        high: Upper limit of the interval, or None.
        numerator: What was counted (a sum of weights where examples are weighted); None where it is no proportion.
        denominator: Out of how many, or None.
        reason: Why the value is undefined, or None.
        method: How the interval was computed, such as "wilson", "delong", "cluster-bootstrap"; None without one.
        note: A caution about value or interval, such as why a defined value has no interval; or None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    reason: str | None = None
    method: str | None = None
    note: str | None = None


def undefined(reason: str) -> Estimate:
    """An estimate that has no value, and why."""
    return Estimate(None, reason=reason)


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
    return Estimate(numerator / denominator, low, high, int(numerator), int(denominator), method=method)


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
