"""Columns of a table as numbers: numeric ones as they are, categorical ones one-hot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from training.datasets.dataset import DataError
from training.datasets.text import counted, listed, printable

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "#n/a"})
MISSING = "(missing)"
MOST_VALUES = 50
NUMERIC_SHARE = 0.8


@dataclass(frozen=True)
class Column:
    """How one column becomes features.

    Attributes:
        name: Its name in the file.
        values: Its values in the training split; empty for a numeric column.
    """

    name: str
    values: tuple[str, ...] = ()

    @property
    def feature_names(self) -> list[str]:
        """`age`, or `colour=blue`, `colour=red`."""
        return [f"{self.name}={value}" for value in self.values] or [self.name]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        kind = "categorical" if self.values else "numeric"
        return {"name": self.name, "kind": kind, **({"values": list(self.values)} if self.values else {})}


def is_missing(cells: pd.Series) -> np.ndarray:
    """Which cells hold nothing: empty, NA, N/A, NaN or null."""
    return cells.str.lower().isin(MISSING_WORDS).to_numpy()


def numbers(cells: pd.Series) -> np.ndarray:
    """float64; NaN where a cell is no number."""
    return pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)


def is_numeric(cells: pd.Series, values: np.ndarray) -> bool:
    """Whether most filled cells are numbers (`values`): the few others are then mistakes, not categories."""
    found = int((~np.isnan(values)).sum())
    return found == len(cells) or found >= max(1, NUMERIC_SHARE * int((~is_missing(cells)).sum()))


def bad_cells(cells: pd.Series, numeric: np.ndarray) -> dict[int, str]:
    """Row (index label) → reason, for the cells of a numeric column that are not finite numbers."""
    with np.errstate(over="ignore"):
        values = numeric.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(values))
    missing = is_missing(cells) if len(wrong) else wrong
    name = printable(cells.name)
    reasons = {}
    for position in wrong:
        text = printable(cells.iloc[position])
        if missing[position]:
            reason = f"no value in numeric column {name}"
        elif np.isnan(values[position]):
            reason = f"text {text!r} in numeric column {name}"
        else:
            reason = f"{text} in column {name} is not finite"
        reasons[int(cells.index[position])] = reason
    return reasons


def categories(cells: pd.Series) -> pd.Series:
    """Cells of a categorical column; missing ones are a value of their own."""
    return cells.mask(is_missing(cells), MISSING)


def fit_column(cells: pd.Series, train: np.ndarray, numeric: bool) -> Column:
    """Learns a column from the rows of the training split.

    Args:
        cells: The whole column.
        train: Positions of the training rows.
        numeric: Whether the column holds numbers.

    Raises:
        DataError: A categorical column has more than 50 values.
    """
    name = str(cells.name)
    if numeric:
        return Column(name)
    everything = categories(cells)
    count = everything.nunique()
    if count > MOST_VALUES:
        raise DataError(
            f"Column {printable(name)} holds {count:,} different texts. Expected at most {MOST_VALUES} in a "
            "categorical column: this looks like an id or free text. "
            "Remove the column, name it id, or group its values."
        )
    return Column(name, tuple(sorted(set(everything.iloc[train]))))


def encode(cells: pd.Series, column: Column) -> np.ndarray:
    """float32, `(n, features)`; a value that training never saw is all zeros.

    Args:
        cells: Texts of a categorical column, numbers of a numeric one.
        column: What the training split taught.
    """
    if not column.values:
        return cells.to_numpy(dtype=np.float32)[:, None]
    return (categories(cells).to_numpy(dtype=object)[:, None] == np.array(column.values, dtype=object)).astype(
        np.float32
    )


def unseen_note(cells: pd.Series, column: Column) -> list[str]:
    """A sentence on values that stand only outside the training split."""
    if not column.values:
        return []
    found = categories(cells)
    rows = ~found.isin(column.values)
    if not rows.any():
        return []
    return [
        f"Column {printable(column.name)}: {listed(sorted(set(found[rows])))} not in train, "
        f"encoded as zeros in {counted(int(rows.sum()), 'row')}."
    ]
