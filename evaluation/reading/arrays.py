"""Arrays as predictions: from Python's own callers, and from NPZ files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.predictions import Predictions, PredictionsError, RegressionPredictions
from evaluation.reading.assemble import classify, regression_from_table
from evaluation.reading.cells import Labels, as_text
from evaluation.reading.columns import PREFIX, WEIGHTS
from evaluation.reading.csv_file import name_columns
from evaluation.reading.labels import find_label, match_labels, plain_label
from evaluation.reading.missing import known_truth
from evaluation.reading.npz_file import read_npz_arrays
from evaluation.reading.options import ReadOptions
from evaluation.reading.scores import read_scores
from evaluation.reading.table import Table

_KNOWN = ("y_true", "y_score", "y_pred", "labels")
_PER_EXAMPLE = ("id", "group", "image", *WEIGHTS)


@dataclass(frozen=True)
class ExampleColumns:
    """What may be known about each example besides truth and scores; each of shape (n,).

    Attributes:
        ids: Names of the examples, all different; None counts them from 0.
        groups: What belongs together, such as a patient's id.
        weights: How much each example counts, finite, at least 0.
        images: File of each example's picture.
        subgroups: Value of each example by the name of a column such as "site", at most 100 different values each.
    """

    ids: Any = None
    groups: Any = None
    weights: Any = None
    images: Any = None
    subgroups: Mapping[str, Any] = field(default_factory=dict)


def predictions_from_arrays(
    y_true: Any,
    y_score: Any,
    *,
    labels: Sequence[Any] | None = None,
    positive: Any = None,
    columns: ExampleColumns | None = None,
    options: ReadOptions | None = None,
) -> Predictions:
    """Takes predictions of classes from lists, NumPy, pandas, or anything with `__array__` (PyTorch, JAX).

    Args:
        y_true: True classes, shape (n,) or (n, 1): names, or integers that count `labels` from 0.
        y_score: Scores in 0…1 whose rows sum to 1 within 1e-3, shape (n, K) in the order of `labels`; or the score of
            the positive class, shape (n,) or (n, 1). Columns of a DataFrame may name the classes.
        labels: The K class names. Default: the different names in y_true, sorted; for integers "0" to "K-1".
        positive: Two classes: the condition looked for. Default: the second label.
        columns: Ids, groups, weights, images and subgroups.
        options: Logits, missing results.

    Returns:
        The predictions; a class that never occurs in y_true is kept.

    Raises:
        PredictionsError: If the arrays cannot be used; the message names array, index, value and reason.

    Example:
        >>> predictions_from_arrays(["ill", "well"], [0.9, 0.2], labels=["well", "ill"]).positive
        'ill'
    """
    columns, options = columns or ExampleColumns(), options or ReadOptions()
    given = {"id": columns.ids, "group": columns.groups, "weight": columns.weights, "image": columns.images}
    arrays = {name: value for name, value in given.items() if value is not None}
    for name, value in columns.subgroups.items():
        if name in (*_KNOWN, *_PER_EXAMPLE):
            raise PredictionsError(f"subgroups must not be named {name!r}, which has a meaning of its own. Rename it")
        arrays[name] = value
    if options.subgroups is None:
        options = ReadOptions(options.logits, options.missing, tuple(columns.subgroups))
    arrays |= {"y_true": y_true, "y_score": y_score, "labels": labels}
    try:
        return _classes(_Arrays("", arrays, python=True), positive, options)
    except PredictionsError as error:
        raise PredictionsError(" ".join(str(error).splitlines())) from None


def read_npz(path: Path, positive: str | None, options: ReadOptions) -> Predictions | RegressionPredictions:
    """Reads an NPZ file: y_true and y_score, optionally labels, id, group, weight, image; y_true and y_pred.

    Args:
        path: The file, as `numpy.savez` writes it.
        positive: The condition looked for. A single score is that of the second label where it is not given.
        options: Logits, missing results, subgroups. Other arrays of n values are subgroup columns.

    Returns:
        The predictions.

    Raises:
        PredictionsError: If the file cannot be used.
    """
    arrays = _Arrays(str(path), dict(read_npz_arrays(path)), python=False)
    if "y_score" in arrays.values:
        return _classes(arrays, positive, options)
    if "y_pred" not in arrays.values:
        found = name_columns(list(arrays.values))
        raise PredictionsError(f"{path}: array y_score is missing (or y_pred for a regression). Found: {found}")
    return regression_from_table(arrays.table(None), positive)


@dataclass(frozen=True)
class _Arrays:
    """Arrays by name, as a file or a caller gives them."""

    name: str
    values: dict[str, Any]
    python: bool

    def error(self, reason: str) -> PredictionsError:
        """The error for whole arrays."""
        return PredictionsError(f"{self.name}: {reason}" if self.name else reason)

    def array(self, name: str) -> np.ndarray:
        """One of them as a NumPy array of numbers or text."""
        value = self.values[name]
        try:
            for method in ("detach", "cpu"):
                value = getattr(value, method)() if hasattr(value, method) else value
            array = np.asarray(value)
            if np.ma.isMaskedArray(value):
                array = array.astype(object)
                array[np.ma.getmaskarray(value)] = None
            array = array.astype(np.float64) if array.dtype.kind == "V" and not array.dtype.names else array
        except (ValueError, TypeError, RuntimeError) as error:
            raise self.error(f"{name} is no array: {error}. Give a list or an array of numbers or text") from None
        if array.dtype.kind == "V":
            raise self.error(f"{name} has the type {array.dtype}. Expected plain numbers or text")
        return array

    def column(self, name: str, rows: int | None) -> np.ndarray:
        """An array with one value per example, shape (n,)."""
        array = self.array(name)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            advice = ". Give class numbers: argmax(axis=1)" if name == "y_true" and array.ndim == 2 else ""
            raise self.error(f"{name} must have shape (n,). Received: {array.shape}{advice}")
        if rows is not None and len(array) != rows:
            raise self.error(f"{name} must have shape ({rows},), as y_true. Received: {array.shape}")
        return array.copy() if self.python else array

    def scores(self, rows: int) -> tuple[np.ndarray, list[str] | None]:
        """The scores, shape (n, C), and the classes that columns of a DataFrame name."""
        array = self.array("y_score")
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or len(array) != rows or not array.shape[1]:
            wanted = f"({rows},) or ({rows}, K), as y_true"
            raise self.error(f"y_score must have shape {wanted}. Received: {self.array('y_score').shape}")
        names = list(getattr(self.values["y_score"], "columns", ()))
        texts = [name.removeprefix(PREFIX) for name in names if isinstance(name, str)]
        array = array.copy() if self.python else array
        return array, texts if len(set(texts)) == array.shape[1] > 1 else None

    def table(self, scores: np.ndarray | None) -> Table:
        """The arrays of one value per example as a table, the scores under the names of `score_columns`."""
        import pandas as pd

        y_true = self.column("y_true", None)
        if not len(y_true):
            raise self.error("the arrays are empty. Expected one row per example")
        known = [name for name in ("y_pred", *_PER_EXAMPLE) if name in self.values]
        columns = {"y_true": y_true} | {name: self.column(name, len(y_true)) for name in known}
        others, notes = self._others(len(y_true))
        number = 0 if scores is None else scores.shape[1]
        frame = pd.DataFrame(scores, columns=score_columns(number), index=pd.RangeIndex(len(y_true)), copy=False)
        frame = pd.concat([frame, pd.DataFrame(columns | others, index=frame.index)], axis=1)
        alone = scores is None or self.array("y_score").ndim == 1
        places = {name: ("y_score", None if alone else index) for index, name in enumerate(score_columns(number))}
        return Table(self.name, frame, kind="arrays", arrays=places, python=self.python, notes=notes)

    def _others(self, rows: int) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """Arrays that may be subgroups, and a note on those that cannot."""
        names = [name for name in self.values if name not in (*_KNOWN, *_PER_EXAMPLE)]
        if self.python:
            return {name: self.column(name, rows) for name in names}, ()
        fitting = {name: self.array(name) for name in names if np.shape(self.values[name]) == (rows,)}
        ignored = [f"{name} (shape {np.shape(self.values[name])})" for name in names if name not in fitting]
        return fitting, (f"Arrays not used: {name_columns(ignored)}.",) if ignored else ()


def score_columns(number: int) -> list[str]:
    """Names of the score columns of a table that comes from arrays."""
    return [f"y_score[:, {index}]" for index in range(number)]


def _classes(arrays: _Arrays, positive: Any, options: ReadOptions) -> Predictions:
    """Predictions of classes from y_true, y_score and what else there is."""
    rows = len(arrays.column("y_true", None))
    score, named = arrays.scores(rows)
    number = max(score.shape[1], 2)
    labels = _given_labels(arrays, number)
    if labels is not None and named is not None and set(named) == set(labels):
        score = score[:, [named.index(label) for label in labels]]
    table = arrays.table(score)
    truth = table.labels("y_true")
    if table.frame["y_true"].dtype.kind == "f":
        truth = truth.translated(map(plain_label, truth.names))
    positive = None if positive is None else as_text(positive)
    truth = known_truth(table, truth, [*(labels or named or ()), positive or ""], options)
    labels = labels or _default_labels(arrays, truth, named, number)
    columns = score_columns(score.shape[1])
    values = read_scores(table, columns, options)
    matched, names = match_labels(np.array(truth.names, dtype=object), labels)
    truth = truth.translated(matched.tolist())
    positive = None if positive is None else find_label(positive, names)
    if positive is None and number == 2 and (arrays.python or score.shape[1] == 1):
        positive = names[1]
        _refuse_guess(arrays, truth, names)
    if score.shape[1] == 1 and positive == names[0]:
        names = names[::-1]
    return classify(table, columns, values=values, truth=truth, names=names, positive=positive, options=options)


def _refuse_guess(arrays: _Arrays, truth: Labels, names: Sequence[str]) -> None:
    """Refuses to guess which of two names a file's single score belongs to; in a file, alphabet decides nothing."""
    if arrays.python or "labels" in arrays.values or names == ["0", "1"]:
        return
    raise arrays.error(
        f"two classes need to know the condition looked for: none was given. Use --positive {names[0]} or "
        f"--positive {names[1]}, or add an array labels of (negative, positive)"
    )


def _given_labels(arrays: _Arrays, number: int) -> list[str] | None:
    """The class names as the caller or the file gives them."""
    if arrays.values.get("labels") is None:
        return None
    array = arrays.array("labels")
    labels = [as_text(label) for label in array.tolist()] if array.ndim == 1 else []
    if len(set(labels)) != number or len(labels) != number:
        received = f"{labels[:10]!r}" if array.ndim == 1 else f"shape {array.shape}"
        raise arrays.error(f"labels must be {number} different names, one per column of y_score. Received: {received}")
    return labels


def _default_labels(arrays: _Arrays, truth: Labels, named: list[str] | None, number: int) -> list[str]:
    """Class names where none are given: those of a DataFrame, "0" to "K-1", or the names in y_true, sorted."""
    counted = [str(index) for index in range(number)]
    present = sorted({plain_label(name) for name in truth.names})
    if named is not None and (set(present) <= set(named) or set(present) <= set(counted)):
        return named
    if set(present) <= set(counted):
        return counted
    if len(present) != number:
        raise arrays.error(
            f"labels are needed: y_true holds {len(present)} different names ({', '.join(present[:5])}) where y_score "
            f"scores {number} classes. Give the {number} names in the order of the columns"
        )
    return sorted(present, key=_as_order)


def _as_order(name: str) -> tuple[bool, float, str]:
    """Numbers by size, then names by alphabet."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
