"""Predictions: what a model said about examples whose truth is known.

The file is the seam between training and evaluation, and the door for other frameworks: CSV, Parquet or NPZ with
`y_true` and one score column per class (`p_<class>`), or `y_true,y_pred` for regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.files import write_atomically
from evaluation.reading.labels import is_missing_word, match_labels

if TYPE_CHECKING:
    from evaluation.reading.options import ReadOptions

SUM_TOLERANCE = 1e-3
LARGEST_VALUE = 1e150
_OTHER_FORMATS = (".xlsx", ".xls", ".ods", ".json", ".npy", ".pkl", ".pickle", ".feather", ".h5", ".hdf5", ".mat")


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
        object.__setattr__(self, "y_score", np.asarray(self.y_score, dtype=np.float64))
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


def read_predictions(
    path: str | Path, *, positive: str | None = None, options: ReadOptions | None = None
) -> Predictions | RegressionPredictions:
    """Reads a file of predictions.

    Columns of a CSV or Parquet file: `y_true` (class names, or integers that count the score columns from 0) and one
    score column per class, named `p_<class>` or as the class. One score column alone is the positive class. `id`,
    `group`, `weight` (or `sample_weight`) and `image` are optional; without `id`, examples are named by their row in
    the file. Other columns with 2 to 20 different values are subgroups. `y_true,y_pred` with numbers is a
    regression; beside score columns, `y_pred` is ignored. Whole numbers may be written as floats ("1.0" is class
    "1"). An NPZ file holds arrays of these names, `y_score` (n,) or (n, K) and `labels` in place of score columns.

    Args:
        path: A CSV file in UTF-8 with a header line, a Parquet file (.parquet) or an NPZ file (.npz).
        positive: The condition looked for; required where the file scores both of two classes.
        options: Whether scores are logits, what becomes of missing results, which columns are subgroups.

    Returns:
        Predictions, or RegressionPredictions for a regression. A class that never occurs in y_true is kept.

    Raises:
        PredictionsError: If the file cannot be used; the message is one line and names file, row (the header of a
            CSV file is row 1; a Parquet file's first row is row 1; arrays count from 0), column, value and reason.

    Example:
        >>> predictions = read_predictions("scores.csv", positive="malignant")
        >>> predictions.labels
        ('benign', 'malignant')
    """
    from evaluation.reading.options import ReadOptions

    path = Path(path)
    try:
        _refuse_other_formats(path)
        return _read(path, positive, options or ReadOptions())
    except PredictionsError as error:
        message = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise PredictionsError(" ".join(message.splitlines())) from None
    except OSError as error:
        raise PredictionsError(f"{path}: cannot be read: {error.strerror or error}") from None


def _refuse_other_formats(path: Path) -> None:
    """Refuses what is no file, and formats known by their suffix."""
    if not path.exists():
        raise PredictionsError(
            f"{path}: no such file. Expected a CSV, Parquet or NPZ file of predictions; check the path"
        )
    if path.is_dir():
        raise PredictionsError(f"{path}: is a folder. Expected a CSV, Parquet or NPZ file of predictions")
    if path.suffix.lower() in _OTHER_FORMATS:
        raise PredictionsError(
            f"{path}: expected a CSV, Parquet or NPZ file, received {path.suffix!r}. Save it as CSV in UTF-8"
        )


def _read(path: Path, positive: str | None, options: ReadOptions) -> Predictions | RegressionPredictions:
    """Reads a file by its suffix."""
    from evaluation.reading.assemble import predictions_from_table

    suffix = path.suffix.lower()
    if suffix == ".npz":
        from evaluation.reading.arrays import read_npz

        return read_npz(path, positive, options)
    if suffix in (".parquet", ".pq"):
        from evaluation.reading.parquet_file import read_parquet_table

        return predictions_from_table(read_parquet_table(path), positive, options)
    from evaluation.reading.csv_file import read_csv_table

    return predictions_from_table(read_csv_table(path), positive, options)


def write_predictions(path: str | Path, predictions: Predictions | RegressionPredictions) -> None:
    """Writes a CSV file that `read_predictions` reads back bit for bit.

    Two classes with a positive one take a single score column where that loses nothing, so that the file itself says
    which class is positive; otherwise every class has its column. Groups, weights, images and subgroups are columns
    too; threshold, counts of missing results and notes are not part of the file.

    Args:
        path: The file; it appears whole or not at all.
        predictions: What to write.

    Raises:
        PredictionsError: If a subgroup has the name of another column.
        OSError: If the file cannot be written.
    """
    from evaluation.reading.csv_text import csv_text

    if isinstance(predictions, RegressionPredictions):
        columns = {"id": predictions.ids, "y_true": predictions.y_true, "y_pred": predictions.y_pred}
    else:
        columns = _columns_of(predictions)
    write_atomically(Path(path), csv_text(columns))


def _columns_of(predictions: Predictions) -> dict[str, np.ndarray]:
    """The columns of a file of class predictions."""
    optional = {"group": predictions.groups, "weight": predictions.weights, "image": predictions.images}
    columns = {"id": predictions.ids, "y_true": np.asarray(predictions.labels, dtype=object)[predictions.y_true]}
    columns |= {name: column for name, column in optional.items() if column is not None}
    for name, column in predictions.subgroups.items():
        if name in (*columns, "y_pred", "sample_weight", *optional) or name.startswith("p_"):
            raise PredictionsError(f"subgroup {name!r} has the name of another column. Rename it")
        columns[name] = column
    first = 1 if _one_column_suffices(predictions) else 0
    for index, label in enumerate(predictions.labels[first:], start=first):
        columns[f"p_{label}"] = predictions.y_score[:, index]
    return columns


def _one_column_suffices(predictions: Predictions) -> bool:
    """Whether the positive class' column alone gives back the negative class' scores and name, bit for bit."""
    if predictions.positive is None:
        return False
    named = predictions.labels[0] == f"not {predictions.positive}" or bool((predictions.y_true == 0).any())
    present = np.array([predictions.labels[index] for index in np.unique(predictions.y_true)], dtype=object)
    labels, (positive,) = match_labels(present, [predictions.positive])
    unchanged = positive == predictions.positive and np.array_equal(labels, present)
    unchanged = unchanged and not is_missing_word(predictions.labels[0])
    return named and unchanged and np.array_equal(predictions.y_score[:, 0], 1.0 - predictions.y_score[:, 1])
