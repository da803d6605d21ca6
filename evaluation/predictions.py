"""Predictions: what a model said about examples whose truth is known.

The file is the seam between training and evaluation, and the door for other frameworks: CSV with `y_true` and one
score column per class (`p_<class>`), or `y_true,y_pred` for regression.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.files import write_atomically
from evaluation.reading.labels import match_labels

SUM_TOLERANCE = 1e-3
LARGEST_VALUE = 1e150


class PredictionsError(ValueError):
    """Predictions cannot be used. The message names file, row, column, value and reason."""


@dataclass(frozen=True)
class Missing:
    """Results that were missing or indeterminate, and what became of them (STARD 2015, items 15 and 16).

    Attributes:
        policy: "exclude" left such examples out; "worst-case" counted them as mistakes.
        scores: Examples with a known truth and no usable score.
        truths: Examples without a known truth, which every policy leaves out.
        scores_by_class: Of `scores`, how many truly belong to each class, by its name.
    """

    policy: Literal["exclude", "worst-case"]
    scores: int
    truths: int
    scores_by_class: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """Scores of a classifier.

    Attributes:
        ids: Name of each example, shape (n,), text.
        y_true: Index of the true class in `labels`, shape (n,), int64.
        y_score: Score of each class, shape (n, K), float64 in 0…1, rows summing to 1.
        labels: The K class names. For two classes with a positive one: (negative, positive).
        positive: Two classes: the condition looked for, which is `labels[1]`. None for more classes.
        groups: What belongs together, such as a patient's id, shape (n,); None where unknown.
        threshold: Two classes: an example is called positive where its score is at least this.
        weights: How much each example counts, shape (n,), float64, finite, at least 0, not all 0; None: all alike.
        subgroups: Value of each example, shape (n,), text, by the name of a column such as "site"; in the file's order.
        images: File of each example's picture, shape (n,), text; None where unknown.
        missing: What was missing, where something may have been; None where missing results are refused.
        notes: Sentences that a report should repeat, such as which columns were ignored.
    """

    ids: np.ndarray
    y_true: np.ndarray
    y_score: np.ndarray
    labels: tuple[str, ...]
    positive: str | None
    groups: np.ndarray | None = None
    threshold: float = 0.5
    weights: np.ndarray | None = None
    subgroups: Mapping[str, np.ndarray] = field(default_factory=dict)
    images: np.ndarray | None = None
    missing: Missing | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses arrays that contradict one another or the ranges above."""
        n, k = len(self.ids), len(self.labels)
        if k < 2 or len(set(self.labels)) != k:
            raise PredictionsError(f"labels must be two or more different names. Received: {self.labels!r}.")
        if self.y_true.shape != (n,) or self.y_score.shape != (n, k):
            shapes = f"y_true {self.y_true.shape}, y_score {self.y_score.shape}"
            raise PredictionsError(
                f"y_true must be ({n},) and y_score ({n}, {k}), as ids and labels. Received: {shapes}."
            )
        if self.groups is not None and self.groups.shape != (n,):
            raise PredictionsError(f"groups must have shape ({n},), as ids. Received: {self.groups.shape}.")
        if self.positive is not None and (k != 2 or self.positive != self.labels[1]):
            raise PredictionsError(
                f"positive must be the second of two labels. Received: {self.positive!r}, labels {self.labels!r}."
            )
        if n and not (self.y_true.min() >= 0 and self.y_true.max() < k):
            raise PredictionsError(f"y_true must hold indices from 0 to {k - 1}. Received: {self.y_true.max()}.")
        self._check_columns()
        self._check_scores()

    def _check_columns(self) -> None:
        """Refuses columns of another length than ids, and weights that cannot weigh."""
        n = len(self.ids)
        columns = {"weights": self.weights, "images": self.images, **self.subgroups}
        for name, column in columns.items():
            if column is not None and column.shape != (n,):
                raise PredictionsError(f"{name} must have shape ({n},), as ids. Received: {column.shape}.")
        if self.weights is None:
            return
        wrong = ~(np.isfinite(self.weights) & (self.weights >= 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            received = f"{self.weights[row]} for example {self.ids[row]!r}"
            raise PredictionsError(f"weights must be finite numbers of at least 0. Received: {received}.")
        if n and not self.weights.any():
            raise PredictionsError("weights must not all be 0. Received: only zeros.")

    def _check_scores(self) -> None:
        """Refuses scores that are no numbers, leave 0…1 or do not sum to 1."""
        outside = ~((self.y_score >= 0) & (self.y_score <= 1))
        if outside.any():
            row, column = np.argwhere(outside)[0]
            value, where = self.y_score[row, column], f"example {self.ids[row]!r}, class {self.labels[column]!r}"
            raise PredictionsError(f"scores must be numbers from 0 to 1. Received: {value} for {where}.")
        wrong = np.abs(self.y_score.sum(axis=1) - 1) > SUM_TOLERANCE
        if wrong.any():
            row = int(np.argmax(wrong))
            total = float(self.y_score[row].sum())
            raise PredictionsError(f"the scores of an example must sum to 1. Received: {total} for {self.ids[row]!r}.")

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.ids)

    @property
    def y_pred(self) -> np.ndarray:
        """Predicted class, shape (n,): the highest score; with a positive class, its score against the threshold."""
        if self.positive is not None:
            return (self.y_score[:, 1] >= self.threshold).astype(np.int64)
        return self.y_score.argmax(axis=1).astype(np.int64)


@dataclass(frozen=True)
class RegressionPredictions:
    """Predictions of a number.

    Attributes:
        ids: Name of each example, shape (n,), text.
        y_true: True value, shape (n,), float64, magnitude at most 1e150 so that squares stay finite.
        y_pred: Predicted value, shape (n,), float64, of the same range.
    """

    ids: np.ndarray
    y_true: np.ndarray
    y_pred: np.ndarray

    def __post_init__(self) -> None:
        """Refuses arrays of different lengths and values that are not finite or whose squares overflow."""
        n = len(self.ids)
        if self.y_true.shape != (n,) or self.y_pred.shape != (n,):
            shapes = f"y_true {self.y_true.shape}, y_pred {self.y_pred.shape}"
            raise PredictionsError(f"y_true and y_pred must have shape ({n},), as ids. Received: {shapes}.")
        if not (np.isfinite(self.y_true).all() and np.isfinite(self.y_pred).all()):
            raise PredictionsError("y_true and y_pred must be finite numbers. Received: NaN or infinity.")
        for name, values in (("y_true", self.y_true), ("y_pred", self.y_pred)):
            large = np.abs(values) > LARGEST_VALUE
            if large.any():
                row, limits = int(np.argmax(large)), f"from {-LARGEST_VALUE:g} to {LARGEST_VALUE:g}"
                raise PredictionsError(
                    f"{name} must hold numbers {limits}. Received: {values[row]:g} for example {self.ids[row]!r}."
                )

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.ids)


def read_predictions(path: str | Path, *, positive: str | None = None) -> Predictions | RegressionPredictions:
    """Reads a file of predictions.

    Columns: `y_true` (class names, or integers that count the score columns from 0) and one score column per class,
    named `p_<class>` or as the class. One score column alone is the positive class. `id` and `group` are optional;
    without `id`, examples are named by their row in the file. `y_true,y_pred` with numbers is a regression;
    beside score columns, `y_pred` is ignored. Whole numbers may be written as floats ("1.0" is class "1").

    Args:
        path: A CSV file in UTF-8 with a header line.
        positive: The condition looked for; required where the file scores both of two classes.

    Returns:
        Predictions, or RegressionPredictions for a regression. A class that never occurs in y_true is kept.

    Raises:
        PredictionsError: If the file cannot be used; the message names file, row (the header is row 1), column,
            value and reason.

    Example:
        >>> predictions = read_predictions("scores.csv", positive="malignant")
        >>> predictions.labels
        ('benign', 'malignant')
    """
    from evaluation.reading.columns import predictions_from_table
    from evaluation.reading.table import read_csv_table

    path = Path(path)
    if path.suffix.lower() in (".parquet", ".npz", ".xlsx", ".xls", ".json"):
        raise PredictionsError(f"{path}: expected a CSV file, received {path.suffix!r}. Save it as CSV in UTF-8.")
    return predictions_from_table(read_csv_table(path), positive)


def write_predictions(path: str | Path, predictions: Predictions | RegressionPredictions) -> None:
    """Writes a CSV file that `read_predictions` reads back bit for bit.

    Two classes with a positive one take a single score column where that loses nothing, so that the file itself says
    which class is positive; otherwise every class has its column.

    Args:
        path: The file; it appears whole or not at all.
        predictions: What to write.

    Raises:
        OSError: If the file cannot be written.
    """
    if isinstance(predictions, RegressionPredictions):
        columns = {"id": predictions.ids, "y_true": predictions.y_true, "y_pred": predictions.y_pred}
    else:
        names = np.asarray(predictions.labels, dtype=object)[predictions.y_true]
        columns = {"id": predictions.ids, "y_true": names}
        if predictions.groups is not None:
            columns["group"] = predictions.groups
        first = 1 if _one_column_suffices(predictions) else 0
        for index, label in enumerate(predictions.labels[first:], start=first):
            columns[f"p_{label}"] = predictions.y_score[:, index]
    text = _as_csv(columns)
    write_atomically(Path(path), text if "\r" not in text else _as_csv(columns, quoting=csv.QUOTE_NONNUMERIC))


def _as_csv(columns: dict[str, np.ndarray], quoting: Literal[0, 2] = csv.QUOTE_MINIMAL) -> str:
    """Columns as CSV. Minimal quoting leaves a carriage return bare, which readers take for the end of a row."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n", quoting=quoting)
    writer.writerow(columns)
    writer.writerows(zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True))
    return buffer.getvalue()


def _one_column_suffices(predictions: Predictions) -> bool:
    """Whether the positive class' column alone gives back the negative class' scores and name, bit for bit."""
    if predictions.positive is None:
        return False
    named = predictions.labels[0] == f"not {predictions.positive}" or bool((predictions.y_true == 0).any())
    present = np.array([predictions.labels[index] for index in sorted(set(predictions.y_true.tolist()))], dtype=object)
    labels, (positive,) = match_labels(present, [predictions.positive])
    unchanged = positive == predictions.positive and np.array_equal(labels, present)
    return named and unchanged and np.array_equal(predictions.y_score[:, 0], 1.0 - predictions.y_score[:, 1])
