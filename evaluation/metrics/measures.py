"""Measures of one class against the rest: formulas, gradients, and the intervals that follow from bare counts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from evaluation.metrics.confusion import MEASURES, Counts
from evaluation.uncertainty.intervals import (
    Estimate,
    IntervalSettings,
    logistic,
    mover_ratio,
    mover_sum,
    normal_interval,
    normal_quantile,
    proportion,
)

PROPORTIONS: dict[str, tuple[str, str, str]] = {
    "sensitivity": ("tp", "fn", "no positive examples"),
    "specificity": ("tn", "fp", "no negative examples"),
    "precision": ("tp", "fp", "never predicted"),
    "npv": ("tn", "fn", "always predicted"),
    "false_positive_rate": ("fp", "tn", "no negative examples"),
    "false_negative_rate": ("fn", "tp", "no positive examples"),
}
RATIOS = ("lr_positive", "lr_negative", "dor")


def measure_values(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> dict[str, np.ndarray]:
    """All measures of many tables at once.

    Args:
        tp, fp, fn, tn: Counts or sums of weights, arrays of one shape.

    Returns:
        One array for each of `MEASURES`: NaN where the measure is undefined, infinity where a ratio divides by 0.
    """
    tp, fp, fn, tn = (np.asarray(cell, dtype=np.float64) for cell in (tp, fp, fn, tn))
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        false_positive_rate, false_negative_rate = fp / (fp + tn), fn / (fn + tp)
        values = {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "precision": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "youden_j": sensitivity + specificity - 1,
            "lr_positive": sensitivity / false_positive_rate,
            "lr_negative": false_negative_rate / specificity,
            "dor": (tp * tn) / (fp * fn),
            "false_positive_rate": false_positive_rate,
            "false_negative_rate": false_negative_rate,
        }
    return {name: values[name] for name in MEASURES}


def measure_gradients(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> dict[str, np.ndarray]:
    """Derivatives of all measures with respect to tp, fp, fn, tn; those of ratios are of their logarithm.

    Args:
        tp, fp, fn, tn: Arrays of one shape.

    Returns:
        Arrays of shape (4, …); not finite where a measure is undefined or its logarithm is.
    """
    tp, fp, fn, tn = (np.asarray(cell, dtype=np.float64) for cell in (tp, fp, fn, tn))
    nothing = np.zeros_like(tp)
    with np.errstate(divide="ignore", invalid="ignore"):
        positives, negatives, called, others = tp + fn, fp + tn, tp + fp, tn + fn
        sensitivity = np.stack([fn / positives**2, nothing, -tp / positives**2, nothing])
        specificity = np.stack([nothing, -tn / negatives**2, nothing, fp / negatives**2])
        weighted = 2 * tp + fp + fn
        gradients = {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "precision": np.stack([fp / called**2, -tp / called**2, nothing, nothing]),
            "npv": np.stack([nothing, nothing, -tn / others**2, fn / others**2]),
            "f1": np.stack([2 * (fp + fn), -2 * tp, -2 * tp, nothing]) / weighted**2,
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "youden_j": sensitivity + specificity,
            "lr_positive": sensitivity * positives / tp + specificity * negatives / fp,
            "lr_negative": -sensitivity * positives / fn - specificity * negatives / tn,
            "dor": np.stack([1 / tp, -1 / fp, -1 / fn, 1 / tn]),
            "false_positive_rate": -specificity,
            "false_negative_rate": -sensitivity,
        }
    return {name: gradients[name] for name in MEASURES}


def point_estimates(counts: Counts) -> dict[str, Estimate]:
    """All measures of one table without intervals; undefined ones with their reason."""
    values = measure_values(*np.array([counts.tp, counts.fp, counts.fn, counts.tn], dtype=np.float64))
    points: dict[str, Estimate] = {}
    for name in MEASURES:
        fraction = _fraction(name, counts)
        value = float(values[name])
        if math.isnan(value):
            points[name] = Estimate(None, None, None, *fraction, reason=_reason(name, counts))
        else:
            points[name] = Estimate(value, None, None, *fraction)
    return points


def class_measures(counts: Counts, settings: IntervalSettings | None = None) -> dict[str, Estimate]:
    """Measures of one class against the rest with intervals, from counts of independent examples alone.

    Proportions take Wilson's or Clopper–Pearson's interval. F1 is a monotone function of TP/(TP + FP + FN), a
    proportion whose interval it inherits ("wilson-f1"). Balanced accuracy and Youden's J add two independent
    proportions ("mover", Newcombe's method). Over 3,000 simulated data sets of 200 (10 to 100 of them positive),
    95 % intervals of J covered 94.2 … 95.5 % so and 66 … 94.4 % by the stratified bootstrap; of F1, 94.4 … 98.8 %
    and 83.6 … 94.7 %. Likelihood ratios and the diagnostic odds ratio take the log method. With an empty cell, a
    likelihood ratio takes the ratio form of "mover", and the odds ratio the log method after 0.5 is added to every
    cell ("log-haldane"); one that is infinite has a lower limit alone.

    Args:
        counts: The class' counts.
        settings: How intervals are computed.

    Returns:
        One estimate for each of `MEASURES`. Values are None with a reason where undefined, `math.inf` where a ratio
        divides by 0.

    Reference:
        Newcombe, R. G. (1998). Statistics in Medicine, 17; Simel, D. L., Samsa, G. P., & Matchar, D. B. (1991).
        Likelihood ratios with confidence. Journal of Clinical Epidemiology, 44; Altman, D. G., et al. (2000).
        Statistics with confidence, p. 109; Donner, A., & Zou, G. Y. (2012). Statistical Methods in Medical
        Research, 21; Haldane, J. B. S. (1956). Annals of Human Genetics, 20.
    """
    settings = settings or IntervalSettings()
    measures = point_estimates(counts)
    for name, (numerator, other, reason) in PROPORTIONS.items():
        hits, misses = getattr(counts, numerator), getattr(counts, other)
        measures[name] = proportion(
            hits, hits + misses, confidence=settings.confidence, method=settings.proportion, reason=reason
        )
    measures["f1"] = f1_from_proportion(
        measures["f1"],
        proportion(
            counts.tp, counts.tp + counts.fp + counts.fn, confidence=settings.confidence, method=settings.proportion
        ),
    )
    for name in ("balanced_accuracy", "youden_j"):
        measures[name] = from_two_proportions(name, measures)
    for name, variance in _log_variances(counts).items():
        scored = normal_interval(
            measures[name], math.sqrt(variance), confidence=settings.confidence, method="log", scale="log"
        )
        measures[name] = scored if scored.low is not None else from_two_proportions(name, measures)
    measures["dor"] = _odds_ratio(measures["dor"], counts, settings.confidence)
    return measures


def f1_from_proportion(f1: Estimate, jaccard: Estimate) -> Estimate:
    """F1 = 2q/(1 + q) with the limits of q = TP/(TP + FP + FN)."""
    if f1.value is None or jaccard.low is None or jaccard.high is None:
        return f1
    low, high = (2 * limit / (1 + limit) for limit in (jaccard.low, jaccard.high))
    return replace(f1, low=low, high=high, method=f"{jaccard.method}-f1", note=None)


def from_two_proportions(name: str, measures: dict[str, Estimate]) -> Estimate:
    """Balanced accuracy, J, LR+ or LR− with the interval that follows from those of its two proportions."""
    estimate = measures[name]
    if estimate.value is None or any(measures[part].low is None for part in ("sensitivity", "specificity")):
        return estimate
    plain = replace(estimate, note=None)
    if name == "lr_positive":
        return mover_ratio(plain, measures["sensitivity"], measures["false_positive_rate"])
    if name == "lr_negative":
        return mover_ratio(plain, measures["false_negative_rate"], measures["specificity"])
    factor = 0.5 if name == "balanced_accuracy" else 1.0
    return mover_sum(plain, (measures["sensitivity"], measures["specificity"]), factor=factor)


def predictive_values(
    sensitivity: Estimate, specificity: Estimate, prevalence: float, *, settings: IntervalSettings | None = None
) -> dict[str, Estimate]:
    """Precision (PPV) and NPV where the condition is as frequent as `prevalence`, by Bayes' theorem.

    The interval is the standard logit one; where sensitivity or specificity is 0 or 1, the adjusted one, which adds
    z²/2 to the successes and to the failures of both. Where their intervals come from a bootstrap, the sample sizes
    are those of independent examples that would give proportions the same standard error.

    Args:
        sensitivity: Estimate with interval.
        specificity: Estimate with interval.
        prevalence: Share of positive examples where the numbers shall hold, strictly between 0 and 1.
        settings: The confidence of the interval.

    Returns:
        {"precision", "npv"}.

    Raises:
        ValueError: If the prevalence is not between 0 and 1.

    Reference:
        Mercaldo, N. D., Lau, K. F., & Zhou, X. H. (2007). Confidence intervals for predictive values with an
        emphasis to case–control studies. Statistics in Medicine, 26.
    """
    settings = settings or IntervalSettings()
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must be between 0 and 1, both excluded. Received: prevalence={prevalence}.")
    if sensitivity.value is None or specificity.value is None:
        nothing = Estimate(None, reason=sensitivity.reason or specificity.reason)
        return {"precision": nothing, "npv": nothing}
    z = normal_quantile(settings.confidence)
    sizes = (_effective_size(sensitivity, z), _effective_size(specificity, z))
    odds = prevalence / (1 - prevalence)
    se, sp = sensitivity.value, specificity.value
    return {
        "precision": _predictive_value((se, 1 - sp, odds), sizes, z, "never predicted"),
        "npv": _predictive_value((1 - se, sp, odds), sizes, z, "always predicted"),
    }


def _predictive_value(
    terms: tuple[float, float, float], sizes: tuple[float | None, float | None], z: float, reason: str
) -> Estimate:
    """P(right | call) from the shares of positives and of negatives that get the call; the rarer reading is NPV."""
    among_positives, among_negatives, odds = terms
    right, wrong = among_positives * odds, among_negatives
    if reason == "always predicted":
        right, wrong = wrong, right
    if right + wrong == 0:
        return Estimate(None, reason=reason)
    estimate = Estimate(right / (right + wrong))
    first, second = sizes
    if first is None or second is None:
        return replace(estimate, note="no interval: sensitivity or specificity has none")
    method = "logit"
    if {among_positives, among_negatives} & {0.0, 1.0}:
        among_positives = (among_positives * first + z * z / 2) / (first + z * z)
        among_negatives = (among_negatives * second + z * z / 2) / (second + z * z)
        first, second, method = first + z * z, second + z * z, "logit-adjusted"
    sign = -1 if reason == "always predicted" else 1
    centre = sign * math.log(among_positives * odds / among_negatives)
    variance = (1 - among_positives) / (among_positives * first) + (1 - among_negatives) / (among_negatives * second)
    step = z * math.sqrt(variance)
    low, high = logistic(centre - step), logistic(centre + step)
    value = right / (right + wrong)
    return replace(estimate, low=min(low, value), high=max(high, value), method=method)


def _effective_size(estimate: Estimate, z: float) -> float | None:
    """How many independent examples would give a proportion the interval that it has."""
    if estimate.method in ("wilson", "clopper-pearson"):
        return estimate.denominator
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    if estimate.value in (0.0, 1.0):
        distance = estimate.high - estimate.low
        return z * z * (1 - distance) / distance
    standard_error = (estimate.high - estimate.low) / (2 * z)
    return estimate.value * (1 - estimate.value) / standard_error**2


def _fraction(name: str, counts: Counts) -> tuple[float | None, float | None]:
    """Numerator and denominator of the measures that have them."""
    if name == "f1":
        return 2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn
    if name not in PROPORTIONS:
        return None, None
    numerator, other, _ = PROPORTIONS[name]
    return getattr(counts, numerator), getattr(counts, numerator) + getattr(counts, other)


def _reason(name: str, counts: Counts) -> str:
    """Why a measure is undefined."""
    if name == "f1":
        return "neither present nor predicted"
    if name in PROPORTIONS:
        return PROPORTIONS[name][2]
    if counts.tp + counts.fn == 0:
        return "no positive examples"
    if counts.fp + counts.tn == 0:
        return "no negative examples"
    return "never predicted" if counts.tp + counts.fp == 0 else "always predicted"


def _log_variances(counts: Counts) -> dict[str, float]:
    """Variances of the logarithms of LR+ and LR−; 0 where a cell is empty, so that the log method is not used."""
    tp, fp, fn, tn = counts.tp, counts.fp, counts.fn, counts.tn
    positive = 1 / tp - 1 / (tp + fn) + 1 / fp - 1 / (fp + tn) if tp and fp else 0.0
    negative = 1 / fn - 1 / (tp + fn) + 1 / tn - 1 / (fp + tn) if fn and tn else 0.0
    return {"lr_positive": max(0.0, positive), "lr_negative": max(0.0, negative)}


def _odds_ratio(estimate: Estimate, counts: Counts, confidence: float) -> Estimate:
    """The diagnostic odds ratio with its log interval; after Haldane's correction where a cell is empty."""
    cells = (counts.tp, counts.fp, counts.fn, counts.tn)
    if estimate.value is None:
        return estimate
    if min(cells) > 0:
        error = math.sqrt(sum(1 / cell for cell in cells))
        return normal_interval(estimate, error, confidence=confidence, method="log", scale="log")
    tp, fp, fn, tn = (cell + 0.5 for cell in cells)
    error = math.sqrt(1 / tp + 1 / fp + 1 / fn + 1 / tn)
    corrected = Estimate(tp * tn / (fp * fn))
    corrected = normal_interval(corrected, error, confidence=confidence, method="log-haldane", scale="log")
    if math.isinf(estimate.value):
        return replace(estimate, low=corrected.low, method=corrected.method, note="infinite: it has no upper limit")
    return replace(estimate, low=0.0, high=corrected.high, method=corrected.method)
