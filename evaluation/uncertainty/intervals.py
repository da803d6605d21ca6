"""Estimates with their interval, numerator and denominator, and the closed forms of those intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Method = Literal["wilson", "clopper-pearson"]
AucMethod = Literal["delong", "delong-logit"]
Scale = Literal["plain", "log", "logit"]

NO_VARIANCE = "no interval: the examples show no variation"


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


@dataclass(frozen=True)
class Average:
    """A number averaged over classes.

    Attributes:
        estimate: The average with its interval; undefined where no class defines the number.
        classes: Number of classes averaged over.
        of: Number of classes.
    """

    estimate: Estimate
    classes: int
    of: int


def undefined(reason: str) -> Estimate:
    """An estimate that has no value, and why."""
    return Estimate(None, reason=reason)


def proportion(
    numerator: float,
    denominator: float,
    *,
    confidence: float = 0.95,
    method: Method = "wilson",
    reason: str = "no examples",
) -> Estimate:
    """Estimates a proportion and its confidence interval.

    Args:
        numerator: Successes, a whole number, 0 … denominator.
        denominator: Trials, a whole number.
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
    if int(numerator) != numerator or int(denominator) != denominator:
        raise ValueError(
            f"numerator and denominator must be whole numbers. Received: {numerator} of {denominator}. "
            "Sums of weights have no closed interval: give the examples with their weights to DecisionSample."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1. Received: confidence={confidence}.")
    if method not in ("wilson", "clopper-pearson"):
        raise ValueError(f"method must be 'wilson' or 'clopper-pearson'. Received: method={method!r}.")
    if denominator == 0:
        return Estimate(None, numerator=int(numerator), denominator=0, reason=reason)
    limits = wilson_limits if method == "wilson" else _clopper_pearson
    low, high = limits(int(numerator), int(denominator), confidence)
    return Estimate(numerator / denominator, low, high, int(numerator), int(denominator), method=method)


def normal_quantile(confidence: float) -> float:
    """The standard normal quantile z that leaves (1 − confidence)/2 above it."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + confidence / 2))


def wilson_limits(numerator: float, denominator: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's limits; both arguments may be fractional, as effective sample sizes are.

    (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with the limits 0 and 1 exact at 0 and at the denominator.
    """
    z = normal_quantile(confidence)
    n = denominator
    p = numerator / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(max(0.0, p * (1 - p)) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if numerator == 0 else (centre - half) / scale
    high = 1.0 if numerator == denominator else (centre + half) / scale
    return max(0.0, low), min(1.0, high)


def effective_proportion(estimate: Estimate, size: float, *, confidence: float, method: str) -> Estimate:
    """Gives a proportion Wilson's interval for a sample of `size` independent examples.

    For proportions of exactly 0 or 1 in grouped or weighted data, where every resample agrees and a bootstrap would
    pass for certainty.

    Args:
        estimate: The proportion, its value defined.
        size: Number of groups, or effective number of examples (Kish), that stand behind it.
        confidence: Coverage.
        method: What to call it, such as "wilson-on-groups".
    """
    if estimate.value is None or size <= 0:
        return estimate
    low, high = wilson_limits(estimate.value * size, size, confidence)
    return replace(estimate, low=low, high=high, method=method)


def normal_interval(
    estimate: Estimate,
    standard_error: float,
    *,
    confidence: float,
    method: str,
    scale: Scale = "plain",
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """Gives an estimate the normal interval value ± z·SE on a scale, taken back to the number's own.

    Args:
        estimate: The estimate, its value defined.
        standard_error: Standard error of the number itself ("plain", "logit"), or of its logarithm ("log").
        confidence: Coverage.
        method: Name of the method.
        scale: "plain", "log" (ratios above 0) or "logit" (numbers between 0 and 1, whose limits never leave 0…1).
        bounds: Limits of the number's range, for "plain".

    Returns:
        The estimate with its interval; with a note instead where the standard error is 0, not finite or unusable at
        the end of the scale.
    """
    value = estimate.value
    if value is None:
        return estimate
    if not (math.isfinite(value) and math.isfinite(standard_error) and standard_error > 0):
        return replace(estimate, note=estimate.note or NO_VARIANCE)
    step = normal_quantile(confidence) * standard_error
    if scale == "plain":
        low, high = max(bounds[0], value - step), min(bounds[1], value + step)
    elif scale == "log":
        low, high = value * math.exp(-step), value * math.exp(step) if step < 700 else math.inf
    elif not 0 < value < 1:
        return replace(estimate, note=estimate.note or NO_VARIANCE)
    else:
        shift, logit = step / (value * (1 - value)), math.log(value) - math.log1p(-value)
        low, high = logistic(logit - shift), logistic(logit + shift)
    return replace(estimate, low=low, high=high, method=method)


def logistic(value: float) -> float:
    """1 / (1 + e^−value) without overflow."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))


def mover_sum(estimate: Estimate, parts: Sequence[Estimate], *, factor: float = 1.0, method: str = "mover") -> Estimate:
    """Gives factor·Σ parts + constant the interval that follows from the intervals of its independent parts.

    Args:
        estimate: The sum on its own scale, its value defined.
        parts: The independent parts, with intervals.
        factor: What the sum of the parts is multiplied by, above 0.
        method: Name of the method.

    Returns:
        The estimate with its interval; unchanged where a part has none.

    Reference:
        Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions. Statistics in
        Medicine, 17, method 10; Donner, A., & Zou, G. Y. (2012). Statistical Methods in Medical Research, 21.
    """
    below, above = 0.0, 0.0
    for part in parts:
        if part.value is None or part.low is None or part.high is None:
            return estimate
        below += (part.value - part.low) ** 2
        above += (part.high - part.value) ** 2
    if estimate.value is None:
        return estimate
    low, high = estimate.value - factor * math.sqrt(below), estimate.value + factor * math.sqrt(above)
    return replace(estimate, low=low, high=high, method=method)


def mover_ratio(estimate: Estimate, upper: Estimate, lower: Estimate, *, method: str = "mover") -> Estimate:
    """Gives upper/lower the interval that follows from those of two independent proportions, one of which may be 0.

    Args:
        estimate: The ratio; infinite where `lower` is 0, and then only its lower limit exists.
        upper: The numerator, a proportion with interval.
        lower: The denominator, a proportion with interval.
        method: Name of the method.

    Reference:
        Donner, A., & Zou, G. Y. (2012). Closed-form confidence intervals for functions of the normal mean and
        standard deviation. Statistical Methods in Medical Research, 21, equation for the ratio.
    """
    if None in (upper.value, upper.low, upper.high, lower.value, lower.low, lower.high):
        return estimate
    a, l1, u1 = (float(number or 0) for number in (upper.value, upper.low, upper.high))
    b, l2, u2 = (float(number or 0) for number in (lower.value, lower.low, lower.high))
    product, lowest = a * b, l1 * (2 * a - l1)
    root = math.sqrt(max(0.0, product**2 - lowest * u2 * (2 * b - u2)))
    low = lowest / (product + root) if lowest > 0 else 0.0
    smallest = l2 * (2 * b - l2)
    if smallest <= 0:
        return replace(estimate, low=low, high=None, method=method, note="no upper limit")
    high = (product + math.sqrt(max(0.0, product**2 - u1 * (2 * a - u1) * smallest))) / smallest
    return replace(estimate, low=low, high=high, method=method)


def _clopper_pearson(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Quantiles of the beta distributions (k, n − k + 1) and (k + 1, n − k)."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high
