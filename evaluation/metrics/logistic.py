"""Logistic regression of an outcome on one number, for samples of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Six arrays of a chunk fit a core's second cache.
EXAMPLES_PER_CHUNK = 1 << 13
FIRST_FIT = 250_000
MOST_STEPS = 50
# A last step this short leaves an error of its square; standard errors of large samples are far above it.
TOLERANCE = 1e-10
TOLERANCE_OF_LARGE = 1e-4
SHORTEST = 1e-6
# On the logit scale, where probabilities are 0 or 1 in double precision.
SATURATED = 40.0
BISECTIONS = 40


@dataclass(frozen=True)
class LogisticFit:
    """P(y = 1) = 1/(1 + e^−(a + b·x)).

    Attributes:
        intercept: a.
        slope: b.
        hessian: Information matrix of (a, b), shape (2, 2).
        free_slope: Whether b was fitted; otherwise it is 1.
    """

    intercept: float
    slope: float
    hessian: np.ndarray
    free_slope: bool

    def standard_errors(self) -> tuple[float, float]:
        """Standard errors of a and b of independent examples; that of a fixed slope is 0."""
        if not self.free_slope:
            return float(1 / np.sqrt(self.hessian[0, 0])), 0.0
        covariance = np.linalg.inv(self.hessian)
        return float(np.sqrt(covariance[0, 0])), float(np.sqrt(covariance[1, 1]))


def fit_logistic(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, *, free_slope: bool) -> LogisticFit | None:
    """Maximum likelihood by Newton's method, started from a fit to every so-many-th example of a large sample.

    Args:
        x: Predictor, shape (n,), finite.
        y: Outcome, shape (n,), 0 or 1, both occurring.
        weights: How much each example counts, shape (n,); None: all alike.
        free_slope: Fit a and b; otherwise a alone, with b = 1.

    Returns:
        The fit; None where the likelihood has no maximum that the method finds.
    """
    start = np.array([0.0, 1.0])
    if len(x) > 2 * FIRST_FIT:
        step = slice(None, None, len(x) // FIRST_FIT)
        start = _newton(x[step], y[step], None if weights is None else weights[step], start, free_slope)[0]
    fitted, hessian, converged = _newton(x, y, weights, start, free_slope)
    if not converged:
        # Scores of 0 and 1 leave a slope of 1 no curvature to step by.
        start = np.zeros(2) if free_slope else np.array([_bisected_intercept(x, y, weights), 1.0])
        fitted, hessian, converged = _newton(x, y, weights, start, free_slope)
    return LogisticFit(float(fitted[0]), float(fitted[1]), hessian, free_slope) if converged else None


def _bisected_intercept(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
    """The intercept beside a slope of 1 by bisection, for the score falls with it wherever it starts."""
    low, high = -float(x.max()) - SATURATED, -float(x.min()) + SATURATED
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        score = _score_and_information(x, y, weights, np.array([middle, 1.0]))[0][0]
        low, high = (middle, high) if score > 0 else (low, middle)
    return (low + high) / 2


def _newton(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, start: np.ndarray, free_slope: bool
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Newton steps, halved while they do not shorten the score; the fit, its information, whether it converged."""
    fitted = start
    score, hessian = _score_and_information(x, y, weights, fitted)
    close = TOLERANCE if len(x) <= 2 * FIRST_FIT else TOLERANCE_OF_LARGE
    for _ in range(MOST_STEPS):
        step = _step(score, hessian, free_slope)
        if step is None:
            break
        if np.abs(step).max() < close:
            return fitted + step, hessian, True
        length, size = 1.0, _size(score, free_slope)
        score, new_hessian = _score_and_information(x, y, weights, fitted + step)
        while not _size(score, free_slope) < size and length > SHORTEST:
            length /= 2
            score, new_hessian = _score_and_information(x, y, weights, fitted + length * step)
        fitted, hessian = fitted + length * step, new_hessian
    return start, hessian, False


def _step(score: np.ndarray, hessian: np.ndarray, free_slope: bool) -> np.ndarray | None:
    """Newton's step; None where the information is singular."""
    if not free_slope:
        return np.array([score[0] / hessian[0, 0], 0.0]) if hessian[0, 0] > 0 else None
    determinant = hessian[0, 0] * hessian[1, 1] - hessian[0, 1] ** 2
    if not determinant > 1e-13 * hessian[0, 0] * hessian[1, 1]:
        return None
    return np.asarray(np.linalg.solve(hessian, score))


def _size(score: np.ndarray, free_slope: bool) -> float:
    """Length of the score in the fitted directions."""
    return float(np.hypot(score[0], score[1])) if free_slope else abs(float(score[0]))


def _score_and_information(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, fitted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First and negative second derivatives of the log likelihood, in chunks that fit the cache."""
    sums = np.zeros(5)
    for start in range(0, len(x), EXAMPLES_PER_CHUNK):
        rows = slice(start, start + EXAMPLES_PER_CHUNK)
        part = x[rows]
        residual, variance = residuals(part, y[rows], None if weights is None else weights[rows], fitted)
        moment = variance * part
        # einsum, for a threaded dot product costs more than it saves on chunks of this size.
        curvature = np.einsum("i,i->", moment, part)
        sums += (residual.sum(), np.einsum("i,i->", residual, part), variance.sum(), moment.sum(), curvature)
    return sums[:2], np.array([[sums[2], sums[3]], [sums[3], sums[4]]])


def residuals(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, fitted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """w·(y − p) and w·p·(1 − p) of every example under intercept and slope `fitted`."""
    p = x * -fitted[1]
    p -= fitted[0]
    with np.errstate(over="ignore"):
        np.exp(p, out=p)
    p += 1
    np.reciprocal(p, out=p)
    residual, variance = y - p, p - p * p
    if weights is not None:
        residual *= weights
        variance *= weights
    return residual, variance
