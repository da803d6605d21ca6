"""Counts of right and wrong decisions, and the rates that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MEASURES = (
    "sensitivity",
    "specificity",
    "precision",
    "npv",
    "f1",
    "balanced_accuracy",
    "youden_j",
    "lr_positive",
    "lr_negative",
    "dor",
    "false_positive_rate",
    "false_negative_rate",
)
EXAMPLES_PER_CHUNK = 1 << 16


@dataclass(frozen=True)
class Counts:
    """One class against the rest.

    Attributes:
        tp, fp, fn, tn: True positives, false positives, false negatives, true negatives; sums of weights are floats.
    """

    tp: float
    fp: float
    fn: float
    tn: float

    @property
    def support(self) -> float:
        """Examples that truly are of the class."""
        return self.tp + self.fn


def confusion_matrix(
    y_true: np.ndarray, y_pred: np.ndarray, num_classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Counts examples by truth and prediction.

    Args:
        y_true: True class indices, shape (n,), 0 … num_classes − 1.
        y_pred: Predicted class indices, shape (n,).
        num_classes: Number of classes K; classes that never occur keep their row and column.
        weights: What each example counts, shape (n,); None: one.

    Returns:
        Counts of shape (K, K), int64, or sums of weights, float64: rows are the truth, columns the prediction.

    Raises:
        ValueError: If shapes differ or an index is outside the range.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"y_true and y_pred must have one shape. Received: {y_true.shape} and {y_pred.shape}.")
    if weights is not None and np.shape(weights) != y_true.shape:
        raise ValueError(f"weights must have the shape of y_true, {y_true.shape}. Received: {np.shape(weights)}.")
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        if values.size and not (values.min() >= 0 and values.max() < num_classes):
            received = f"{values.min()} … {values.max()}"
            raise ValueError(f"{name} must hold indices from 0 to {num_classes - 1}. Received: {received}.")
    flat = np.zeros(num_classes**2, dtype=np.int64 if weights is None else np.float64)
    # Chunks that fit the cache, of at least K² examples so that many classes do not sum many empty matrices.
    chunk = max(EXAMPLES_PER_CHUNK, num_classes**2)
    for start in range(0, len(y_true), chunk):
        rows = slice(start, start + chunk)
        cells = y_true[rows].astype(np.int64) * num_classes + y_pred[rows].astype(np.int64)
        flat += np.bincount(cells, None if weights is None else weights[rows], num_classes**2).astype(flat.dtype)
    return flat.reshape(num_classes, num_classes)


def one_vs_rest(matrix: np.ndarray) -> list[Counts]:
    """TP, FP, FN and TN of every class against the rest.

    Args:
        matrix: Confusion matrix of shape (K, K), rows the truth; counts or sums of weights.

    Returns:
        K counts: integers, or floats for sums of weights.
    """
    tp, fp, fn, tn = (cell.tolist() for cell in cells_by_class(matrix))
    return [Counts(*cells) for cells in zip(tp, fp, fn, tn, strict=True)]


def cells_by_class(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """TP, FP, FN and TN of every class, each of shape (…, K), for matrices of shape (…, K, K)."""
    tp = np.diagonal(matrix, axis1=-2, axis2=-1)
    fn = matrix.sum(axis=-1) - tp
    fp = matrix.sum(axis=-2) - tp
    tn = matrix.sum(axis=(-2, -1))[..., None] - tp - fn - fp
    if matrix.dtype.kind == "f":
        # Sums of weights leave rounding where a cell is empty, which a ratio would blow up.
        off = matrix * (1 - np.eye(matrix.shape[-1]))
        fn, fp = off.sum(axis=-1), off.sum(axis=-2)
        tn = np.where(np.abs(tn) < 1e-12 * matrix.sum(axis=(-2, -1))[..., None], 0.0, tn)
    return tp, fp, fn, tn


def frequent_confusions(matrix: np.ndarray, limit: int = 10) -> list[tuple[int, int, float]]:
    """The most frequent mistakes as (truth, predicted, count), most frequent first.

    Args:
        matrix: Confusion matrix, rows the truth.
        limit: Largest number of entries.

    Returns:
        Off-diagonal cells with at least one example.
    """
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:limit]
    cells = [(int(flat // len(matrix)), int(flat % len(matrix))) for flat in order]
    return [(row, column, mistakes[row, column].item()) for row, column in cells if mistakes[row, column] > 0]
