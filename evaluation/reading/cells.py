"""Cells of any origin as numbers or as text, and which of them stand for a missing result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.reading.labels import is_missing_word


@dataclass(frozen=True)
class Labels:
    """A column of text with few different values.

    Attributes:
        codes: Index into `names`, shape (n,), int64; -1 where the cell holds nothing.
        names: The different values, in any order.
    """

    codes: np.ndarray
    names: tuple[str, ...]

    def cells(self) -> np.ndarray:
        """The column itself, shape (n,), text; nothing becomes the empty text."""
        return np.array([*self.names, ""], dtype=object)[self.codes]

    def translated(self, names: Iterable[str]) -> Labels:
        """The same column with other names for its values; values of the same name become one."""
        unique = list(dict.fromkeys(translated := list(names)))
        position = {name: index for index, name in enumerate(unique)}
        return Labels(np.array([*map(position.__getitem__, translated), -1], dtype=np.int64)[self.codes], tuple(unique))


def as_labels(column: pd.Series) -> Labels:
    """A column as text with codes.

    Args:
        column: Any values; integers keep no decimals, truth values become "1" and "0".

    Returns:
        The labels.

    Raises:
        TypeError: If a cell holds a list or the like.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, values = column.cat.codes.to_numpy(), column.cat.categories
    else:
        codes, values = pd.factorize(column)
    labels = Labels(np.asarray(codes, dtype=np.int64), tuple(map(as_text, values)))
    return labels if len(set(labels.names)) == len(labels.names) else labels.translated(labels.names)


def as_text(value: Any) -> str:
    """One plain value as text.

    Args:
        value: Text, bytes in UTF-8, a number, a truth value, a date.

    Returns:
        The text.

    Raises:
        TypeError: If the value is a list or the like.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (np.ndarray, list, tuple, dict, set)):
        raise TypeError(f"expected one plain value. Received: {type(value).__name__}")
    return str(value)


def as_floats(column: pd.Series) -> np.ndarray | None:
    """A column as numbers.

    Args:
        column: Any values.

    Returns:
        Shape (n,), float64, with NaN where a cell is missing; None where a cell is neither a number nor missing.
    """
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return column.to_numpy(dtype=np.float64)
    try:
        if isinstance(column.dtype, pd.CategoricalDtype):
            values = [*map(as_number, column.cat.categories.tolist()), np.nan]
            return np.array(values, dtype=np.float64)[column.cat.codes.to_numpy()]
        return np.fromiter(map(as_number, column.tolist()), dtype=np.float64, count=len(column))
    except ValueError:
        return None


def as_number(value: Any) -> float:
    """One cell as a number, NaN where it is missing; ValueError otherwise."""
    if type(value) is str:
        return _text_as_number(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return float("nan")
    if isinstance(value, (bool, np.bool_, complex)):
        raise ValueError("not a number")
    try:
        return float(value)
    except (TypeError, OverflowError):
        raise ValueError("not a number") from None


def _text_as_number(text: str) -> float:
    """Text as a number; Python's own underscores within numbers are none of a file's."""
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        if is_missing_word(text):
            return float("nan")
    raise ValueError("not a number")


def first_bad_number(column: pd.Series) -> int:
    """Index of the first cell that is neither a number nor missing."""
    for index, value in enumerate(column.tolist()):
        try:
            as_number(value)
        except ValueError:
            return index
    return 0
