"""How far scores may be read as probabilities: Brier score, log loss, calibration error, slope, intercept and curve.

Examples are resampled whatever their class. Within classes, as elsewhere, the number of positive examples would not
vary, which is what calibration is about: 95 % intervals of the intercept then covered 68 % of the time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evaluation.metrics.calibration_bins import CalibrationBin, bin_index, calibration_curve
from evaluation.metrics.logistic import LogisticFit, fit_logistic, residuals
from evaluation.uncertainty.intervals import Estimate, IntervalSettings, normal_interval, undefined
from evaluation.uncertainty.means import (
    EXAMPLES_PER_CHUNK,
    basic_interval,
    cell_sums,
    linearised_name,
    linearised_variance,
    mean_estimate,
    resampler,
    without_weightless,
)
from evaluation.uncertainty.resampling import percentile_interval

__all__ = [
    "CalibrationBin",
    "brier_score",
    "calibration_curve",
    "calibration_slope_intercept",
    "expected_calibration_error",
    "log_loss",
]

NOTEWORTHY_BIAS = 0.2
SMALLEST = float(np.finfo(np.float64).eps)


def brier_score(
    y_true: np.ndarray,
    y_score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
) -> Estimate:
    """Mean squared distance between scores and outcomes; lower is better.

    Args:
        y_true: True class indices, shape (n,).
        y_score: Score of each class, shape (n, K), 0…1.
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: How intervals are computed.

    Returns:
        Two classes: the mean of (score of class 1 − outcome)², 0…1. More: the sum over classes, 0…2.

    Reference:
        Brier, G. W. (1950). Verification of forecasts expressed in terms of probability. Monthly Weather Review, 78.
    """
    y_true, y_score = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    if y_score.shape[1] == 2:
        losses = y_score[:, 1] - y_true
        losses *= losses
    else:
        losses = _squared_distances(y_true, y_score)
    return mean_estimate(losses, weights=weights, groups=groups, settings=settings or IntervalSettings())


def log_loss(
    y_true: np.ndarray,
    y_score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
) -> Estimate:
    """Mean of −log(score of the true class), in nats; lower is better.

    A score of 0 would be infinitely wrong: scores are kept 2.2e-16 away from 0 and 1, as scikit-learn does, and a
    note tells how many examples that concerned.

    Args:
        y_true: True class indices, shape (n,).
        y_score: Score of each class, shape (n, K), 0…1.
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: How intervals are computed.
    """
    y_true, y_score = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    losses, clipped = np.empty(len(y_true)), 0
    for start in range(0, len(y_true), EXAMPLES_PER_CHUNK):
        rows = slice(start, start + EXAMPLES_PER_CHUNK)
        part = y_score[rows][np.arange(len(y_true[rows])), y_true[rows]]
        clipped += int(np.count_nonzero(part < SMALLEST))
        losses[rows] = -np.log(np.clip(part, SMALLEST, 1 - SMALLEST))
    found = mean_estimate(losses, weights=weights, groups=groups, settings=settings or IntervalSettings())
    if not clipped or found.value is None:
        return found
    told = f"{clipped:,} of {len(y_true):,} examples have a score of 0 for their true class, counted as 2.2e-16"
    return replace(found, note=told if found.note is None else f"{told}; {found.note}")


def expected_calibration_error(
    y_true: np.ndarray,
    y_score: np.ndarray,
    *,
    bins: int = 15,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
) -> Estimate:
    """Mean distance between scores and observed shares over bins of equal width.

    Two classes: the score of class 1 against the share of class 1. More: the highest score against the share of right
    predictions. Noise alone makes it positive, the more so the fewer examples a bin holds, and resampling repeats
    that bias: the interval is the basic bootstrap's. In simulations with 200 and 1,000 examples whose true error is
    0.03 … 0.1, that covered 75 … 93 % where the percentile interval covered 0 … 90 %.

    Args:
        y_true: True class indices, shape (n,).
        y_score: Score of each class, shape (n, K), 0…1.
        bins: Number of bins.
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: How intervals are computed.

    Reference:
        Guo, C., Pleiss, G., Sun, Y., & Weinberger, K. Q. (2017). On calibration of modern neural networks. ICML.
    """
    settings = settings or IntervalSettings()
    y_true, y_score = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    weights, groups, y_true, y_score = without_weightless(weights, groups, y_true, y_score)
    total = float(len(y_true)) if weights is None else float(np.sum(weights))
    if len(y_true) == 0:
        return undefined("no examples")
    score, outcome = (y_score[:, 1], y_true) if y_score.shape[1] == 2 else _top_label(y_true, y_score)
    index = bin_index(score, bins)
    gap = outcome - score
    if weights is not None:
        gap = gap * weights
    sums = cell_sums(index, gap, bins)
    estimate = Estimate(float(np.abs(sums).sum() / total))
    if len(y_true) > settings.most_resampled:
        # A change of the total weight counts as well: the error is a mean over all examples.
        gap *= np.sign(sums)[index]
        gap -= (estimate.value or 0.0) * (1.0 if weights is None else weights)
        error = float(np.sqrt(linearised_variance(gap, groups))) / total
        return normal_interval(
            estimate, error, confidence=settings.confidence, method=linearised_name(groups), bounds=(0.0, 1.0)
        )
    drawn = resampler(len(y_true), groups, settings)
    columns = np.zeros((len(gap), bins + 1))
    columns[np.arange(len(gap)), index] = gap
    columns[:, bins] = 1.0 if weights is None else weights
    totals = drawn.totals(columns)
    with np.errstate(invalid="ignore"):  # a resample of examples that all weigh nothing
        replicates = np.abs(totals[:, :bins]).sum(axis=1) / totals[:, bins]
    shown = basic_interval(estimate, replicates, confidence=settings.confidence, method=drawn.method)
    bias = float(np.nanmean(replicates)) - (estimate.value or 0.0)
    if shown.low is not None and bias > NOTEWORTHY_BIAS * (estimate.value or 0.0):
        return replace(shown, note=f"noise adds to it: by about {bias:.2g} in resamples of this size")
    return shown


def calibration_slope_intercept(
    y_true_binary: np.ndarray,
    score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
) -> tuple[Estimate, Estimate]:
    """Calibration slope and calibration in the large.

    Slope: that of a logistic regression of the outcome on logit(score); 1 is right, below 1 the scores are too
    extreme. Intercept: fitted with the slope fixed at 1; 0 is right, above 0 the scores are too low on the whole.
    Scores of exactly 0 and 1 are kept 2.2e-16 away from them, and a note tells how many. Intervals of independent
    examples are Wald's; grouped or weighted ones are resampled by one Newton step from the fit.

    Args:
        y_true_binary: 1 for positive examples, otherwise 0, shape (n,).
        score: Score of the positive class, shape (n,), 0…1.
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: How intervals are computed.

    Returns:
        Slope and intercept. Both are undefined where one class does not occur; the slope where all scores are equal
        or some threshold separates the classes perfectly, for then no slope is the most likely.

    Reference:
        Van Calster, B., et al. (2019). Calibration: the Achilles heel of predictive analytics. BMC Medicine, 17.
    """
    settings = settings or IntervalSettings()
    y, score = np.asarray(y_true_binary), np.asarray(score, dtype=np.float64)
    weights, groups, y, score = without_weightless(weights, groups, y, score)
    positives = int(np.count_nonzero(y))
    if positives in (0, len(y)):
        nothing = undefined("no positive examples" if positives == 0 else "no negative examples")
        return nothing, nothing
    x, limits, extreme = _logits(score, y)
    problem = _no_slope(limits)
    fit = None if problem else fit_logistic(x, y, weights, free_slope=True)
    slope = undefined(problem or "the regression did not converge")
    if fit is not None:
        slope = _fitted(x, y, fit, weights=weights, groups=groups, settings=settings)
    level = fit_logistic(x, y, weights, free_slope=False)
    intercept = undefined("the regression did not converge")
    if level is not None:
        intercept = _fitted(x, y, level, weights=weights, groups=groups, settings=settings)
    if extreme:
        told = f"{extreme:,} of {len(y):,} scores are 0 or 1, counted as 2.2e-16 away from it"
        slope, intercept = (replace(one, note=told if one.note is None else one.note) for one in (slope, intercept))
    return slope, intercept


def _squared_distances(y_true: np.ndarray, y_score: np.ndarray) -> np.ndarray:
    """Σₖ (score − outcome)² of every example, shape (n,)."""
    losses = np.empty(len(y_true))
    chunk = max(1, EXAMPLES_PER_CHUNK * 4 // y_score.shape[1])
    for start in range(0, len(y_true), chunk):
        part, truth = y_score[start : start + chunk], y_true[start : start + chunk]
        own = part[np.arange(len(part)), truth]
        losses[start : start + chunk] = np.einsum("ij,ij->i", part, part) - own**2 + (1 - own) ** 2
    return losses


def _top_label(y_true: np.ndarray, y_score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest score of every example, and whether its class is the true one."""
    called = y_score.argmax(axis=1)
    return y_score[np.arange(len(called)), called], (called == y_true).astype(np.int64)


def _logits(score: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float, float], int]:
    """Logits; the least and greatest of negatives, then of positives; how many scores were 0 or 1."""
    x, extreme = np.empty(len(score)), 0
    low_0 = low_1 = np.inf
    high_0 = high_1 = -np.inf
    for start in range(0, len(score), EXAMPLES_PER_CHUNK):
        rows = slice(start, start + EXAMPLES_PER_CHUNK)
        part = np.clip(score[rows], SMALLEST, 1 - SMALLEST)
        extreme += int(np.count_nonzero(part != score[rows]))
        x[rows] = logit = np.log(part / (1 - part))
        positive = y[rows].astype(bool)
        ones, zeros = logit[positive], logit[~positive]
        if len(ones):
            low_1, high_1 = min(low_1, float(ones.min())), max(high_1, float(ones.max()))
        if len(zeros):
            low_0, high_0 = min(low_0, float(zeros.min())), max(high_0, float(zeros.max()))
    return x, (low_0, high_0, low_1, high_1), extreme


def _no_slope(limits: tuple[float, float, float, float]) -> str | None:
    """Why no slope is the most likely, or None."""
    low_0, high_0, low_1, high_1 = limits
    if min(low_0, low_1) == max(high_0, high_1):
        return "all scores are equal"
    if high_0 <= low_1 or high_1 <= low_0:
        return "a threshold separates the classes perfectly, so that no finite slope fits best"
    return None


def _fitted(
    x: np.ndarray,
    y: np.ndarray,
    fit: LogisticFit,
    *,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
    settings: IntervalSettings,
) -> Estimate:
    """The slope, or the intercept where the slope was fixed, with its interval."""
    estimate = Estimate(fit.slope if fit.free_slope else fit.intercept)
    if weights is None and groups is None:
        errors = fit.standard_errors()
        error = errors[1] if fit.free_slope else errors[0]
        return normal_interval(estimate, error, confidence=settings.confidence, method="wald")
    residual, variance = residuals(x, y, weights, np.array([fit.intercept, fit.slope]))
    if len(x) > settings.most_resampled:
        inverse = np.linalg.inv(fit.hessian)[1] if fit.free_slope else np.array([1 / fit.hessian[0, 0], 0.0])
        influence = residual * (inverse[0] + inverse[1] * x)
        error = float(np.sqrt(linearised_variance(influence, groups)))
        return normal_interval(estimate, error, confidence=settings.confidence, method=linearised_name(groups))
    drawn = resampler(len(y), groups, settings)
    totals = drawn.totals(np.column_stack([residual, residual * x, variance, variance * x, variance * x * x]))
    replicates = (estimate.value or 0.0) + _one_step(totals, fit.free_slope)
    return percentile_interval(estimate, replicates, confidence=settings.confidence, method=drawn.method)


def _one_step(totals: np.ndarray, free_slope: bool) -> np.ndarray:
    """Newton's step of every resample from the fit to the data, shape (B,); NaN where it has no variation."""
    first, second, h00, h01, h11 = totals.T
    with np.errstate(divide="ignore", invalid="ignore"):
        if not free_slope:
            return np.where(h00 > 0, first / h00, np.nan)
        determinant = h00 * h11 - h01**2
        return np.where(determinant > 1e-12 * h00 * h11, (h00 * second - h01 * first) / determinant, np.nan)
