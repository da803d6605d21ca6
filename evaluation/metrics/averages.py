"""Numbers over all classes of a confusion matrix: accuracy, balanced accuracy, MCC, kappa and averages of measures."""

from __future__ import annotations

import numpy as np

from evaluation.metrics.confusion import cells_by_class
from evaluation.metrics.measures import measure_gradients, measure_values
from evaluation.uncertainty.linearised import Gradient, class_gradient

AVERAGED = (
    "sensitivity",
    "specificity",
    "precision",
    "npv",
    "f1",
    "false_positive_rate",
    "false_negative_rate",
)
OVERALL = ("accuracy", "balanced_accuracy", "mcc", "cohen_kappa")


def overall_values(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """The `OVERALL` numbers of matrices of shape (…, K, K), NaN where undefined.

    Balanced accuracy is the mean recall over the classes that occur; MCC is Gorodkin's for K classes.

    Reference:
        Gorodkin, J. (2004). Comparing two K-category assignments by a K-category correlation coefficient.
        Computational Biology and Chemistry, 28; Cohen, J. (1960). Educational and Psychological Measurement, 20.
    """
    matrices = np.asarray(matrices, dtype=np.float64)
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    truth, called = matrices.sum(axis=-1), matrices.sum(axis=-2)
    total, right = truth.sum(axis=-1), hits.sum(axis=-1)
    chance = (truth * called).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (total**2 - (called**2).sum(axis=-1)) * (total**2 - (truth**2).sum(axis=-1))
        # Rounding must not turn 0/0 into a number where one class takes all.
        spread = np.where(spread <= 1e-14 * total**4, np.nan, spread)
        disagreement = total**2 - chance
        disagreement = np.where(disagreement <= 1e-14 * total**2, np.nan, disagreement)
        recall, occurs = hits / truth, truth > 0
        return {
            "accuracy": right / total,
            "balanced_accuracy": np.where(occurs, recall, 0.0).sum(axis=-1) / occurs.sum(axis=-1),
            "mcc": (right * total - chance) / np.sqrt(spread),
            "cohen_kappa": (right * total - chance) / disagreement,
        }


def overall_gradients(matrix: np.ndarray) -> dict[str, Gradient]:
    """Gradients of the `OVERALL` numbers where they are defined."""
    matrix = np.asarray(matrix, dtype=np.float64)
    hits, truth, called = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    total, right, k = matrix.sum(), np.trace(matrix), len(matrix)
    chance, none, ones = float(truth @ called), np.zeros(k), np.ones(k)
    values = {name: float(value) for name, value in overall_values(matrix).items()}
    occurs = truth > 0
    share = np.where(occurs, 1 / np.maximum(truth, 1e-300), 0.0) / max(1, occurs.sum())
    gradients = {
        "accuracy": Gradient(ones / total, none, none, -right / total**2),
        "balanced_accuracy": Gradient(share, -share * np.where(occurs, hits / np.maximum(truth, 1e-300), 0.0), none),
    }
    if not np.isnan(values["mcc"]):
        mcc, of_called, of_truth = values["mcc"], total**2 - float(called @ called), total**2 - float(truth @ truth)
        root = np.sqrt(of_called * of_truth)
        slope = right / root - mcc * (total / of_called + total / of_truth)
        by_truth = -called / root + mcc * truth / of_truth
        by_called = -truth / root + mcc * called / of_called
        gradients["mcc"] = Gradient(ones * total / root, by_truth, by_called, slope)
    if not np.isnan(values["cohen_kappa"]):
        kappa, disagreement = values["cohen_kappa"], total**2 - chance
        slope = right / disagreement - 2 * kappa * total / disagreement
        factor = -(1 - kappa) / disagreement
        gradients["cohen_kappa"] = Gradient(ones * total / disagreement, factor * called, factor * truth, slope)
    return gradients


def average_values(matrices: np.ndarray, kind: str) -> dict[str, np.ndarray]:
    """Averages of the `AVERAGED` measures over the classes that define them, for matrices of shape (…, K, K).

    Args:
        matrices: Confusion matrices.
        kind: "macro" (every class alike) or "weighted" (by support).

    Returns:
        Arrays of shape (…,), NaN where no class defines the measure.
    """
    values = measure_values(*cells_by_class(matrices))
    support = np.asarray(matrices, dtype=np.float64).sum(axis=-1)
    weights = np.ones_like(support) if kind == "macro" else support
    averages = {}
    for name in AVERAGED:
        defined = ~np.isnan(values[name])
        of = np.where(defined, weights, 0.0)
        with np.errstate(invalid="ignore"):
            averages[name] = (np.where(defined, values[name], 0.0) * of).sum(axis=-1) / of.sum(axis=-1)
    return averages


def average_gradients(matrix: np.ndarray, kind: str) -> dict[str, Gradient]:
    """Gradients of `average_values` of one matrix; nothing for measures that no class defines."""
    cells = cells_by_class(matrix)
    values, slopes = measure_values(*cells), measure_gradients(*cells)
    support = np.asarray(matrix, dtype=np.float64).sum(axis=1)
    gradients = {}
    for name in AVERAGED:
        defined = ~np.isnan(values[name])
        of = np.where(defined, 1.0 if kind == "macro" else support, 0.0)
        if of.sum() == 0:
            continue
        gradient = class_gradient(slopes[name], of / of.sum())
        if kind == "weighted":
            mean = float((np.where(defined, values[name], 0.0) * of).sum() / of.sum())
            pull = np.where(defined, values[name] - mean, 0.0) / of.sum()
            gradient = Gradient(gradient.hit, gradient.truth + pull, gradient.called, gradient.total)
        gradients[name] = gradient
    return gradients
