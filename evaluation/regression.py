"""Numbers of a regression: how far predictions lie from the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.intervals import Estimate


@dataclass(frozen=True)
class RegressionScores:
    """Errors over n examples.

    Attributes:
        n: Number of examples.
        mae: Mean absolute error, in the target's unit.
        rmse: Root mean squared error, in the target's unit.
        r2: Coefficient of determination, at most 1; undefined where the target is constant.
    """

    n: int
    mae: Estimate
    rmse: Estimate
    r2: Estimate


def regression_scores(y_true: np.ndarray, y_pred: np.ndarray) -> RegressionScores:
    """Computes MAE = mean |e|, RMSE = √mean e² and R² = 1 − Σe² / Σ(y − ȳ)², with e = y_pred − y_true.

    Args:
        y_true: True values, shape (n,), finite.
        y_pred: Predicted values, shape (n,), finite.

    Returns:
        The scores; None with a reason where one is undefined.

    Raises:
        ValueError: If the shapes differ.
    """
    y_true, y_pred = np.asarray(y_true, dtype=np.float64), np.asarray(y_pred, dtype=np.float64)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"y_true and y_pred must have one shape. Received: {y_true.shape} and {y_pred.shape}.")
    if y_true.size == 0:
        nothing = Estimate(None, reason="no examples")
        return RegressionScores(0, nothing, nothing, nothing)
    error = y_pred - y_true
    squares = float(np.sum(error**2))
    spread = float(np.sum((y_true - y_true.mean()) ** 2))
    constant = bool((y_true == y_true[0]).all()) or spread == 0
    ratio = np.inf if constant else squares / spread
    reason = "the target is constant" if constant else "the target is constant beside its errors"
    r2 = Estimate(float(1 - ratio)) if np.isfinite(ratio) else Estimate(None, reason=reason)
    mae, rmse = float(np.mean(np.abs(error))), float(np.sqrt(squares / y_true.size))
    return RegressionScores(int(y_true.size), Estimate(mae), Estimate(rmse), r2)
