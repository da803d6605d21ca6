"""A table of predictions as it stands in a file or in arrays, with refusals that name the place of a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.predictions import PredictionsError
from evaluation.reading.cells import Labels, as_floats, as_labels, as_text, first_bad_number

if TYPE_CHECKING:
    import pandas as pd

FIRST_ROW = {"csv": 2, "parquet": 1, "arrays": 0}
EXPECTED_VALUE = "which is no value; expected a value. Fill the cell or remove the row"
PLAIN_VALUES = "expected one plain value in every cell. Received lists or the like; give text or numbers"
_LONGEST_VALUE = 100


@dataclass(frozen=True)
class Table:
    """Columns of a file, or arrays.

    Attributes:
        name: The file, as messages name it; empty for arrays from Python.
        frame: The columns.
        kind: How rows are counted: a CSV's header is row 1, a Parquet file's first row is row 1, arrays count from 0.
        arrays: For arrays: which array, and which of its columns (None: it has only one), holds a column.
        notes: Sentences that a report should repeat.
        python: Whether Python's caller reads the messages, who sets keywords instead of flags.
        read_as_text: Reads columns again, so that "01" stays "01"; None where the frame has them as they are.
    """

    name: str
    frame: pd.DataFrame
    kind: Literal["csv", "parquet", "arrays"] = "csv"
    arrays: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    python: bool = False
    read_as_text: Callable[[Sequence[str]], pd.DataFrame] | None = None

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.frame)

    def option(self, flag: str, value: str = "") -> str:
        """How the reader of a message sets an option: `--missing exclude`, or `ReadOptions(missing='exclude')`."""
        if self.python:
            setting = f"{flag}={value!r}" if value else f"{flag}=True"
            return setting if flag == "positive" else f"ReadOptions({setting})"
        return f"--{flag} {value}".strip()

    def row(self, index: int) -> str:
        """A row as its reader counts it."""
        number = index + FIRST_ROW[self.kind]
        return f"row {number} (the first is 1)" if self.kind == "parquet" else f"row {number}"

    def place(self, index: int, column: str) -> str:
        """Where a cell stands: `row 3, column p_a`, or `y_score[3, 1]`."""
        if self.kind != "arrays":
            return f"{self.row(index)}, column {column}"
        array, position = self.arrays.get(column, (column, None))
        return f"{array}[{index}]" if position is None else f"{array}[{index}, {position}]"

    def error(self, reason: str, where: str = "") -> PredictionsError:
        """The error for the whole table or a part of it."""
        return PredictionsError(f"{', '.join(filter(None, (self.name, where)))}: {reason}".removeprefix(": "))

    def refuse(self, index: int, column: str, reason: str) -> PredictionsError:
        """The error for one cell: file, row, column, value and reason."""
        value = str(self.frame[column].iloc[index])
        shown = repr(value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…")
        received = f"received {shown}, {reason}" if value.strip() else f"the cell is empty; {reason.split('; ')[-1]}"
        return self.error(received, self.place(index, column))

    def labels(self, column: str) -> Labels:
        """A column as text with codes."""
        try:
            return as_labels(self.frame[column])
        except TypeError:
            raise self.error(f"column {column}: {PLAIN_VALUES}") from None

    def text(self, column: str) -> np.ndarray:
        """A column of text, shape (n,), without surrounding spaces. Empty cells are refused."""
        labels = self.labels(column)
        labels = labels.translated(name.strip() for name in labels.names)
        empty = (labels.codes < 0) | np.array([*(name == "" for name in labels.names), True])[labels.codes]
        if empty.any():
            raise self.refuse(int(np.argmax(empty)), column, EXPECTED_VALUE)
        return labels.cells()

    def names(self, column: str) -> np.ndarray:
        """A column of text as it stands, shape (n,), for values that hardly repeat; nothing becomes the empty text."""
        import pandas as pd

        values = self.frame[column].to_numpy(dtype=object)
        if pd.api.types.infer_dtype(values, skipna=False) != "string":
            try:
                texts = ["" if value is None or value != value else as_text(value) for value in values.tolist()]
            except (TypeError, ValueError):
                raise self.error(f"column {column}: {PLAIN_VALUES}") from None
            values = np.array(texts, dtype=object)
        return values

    def numbers(
        self,
        column: str,
        *,
        lowest: float = -np.inf,
        highest: float = np.inf,
        missing: str | None = "",
        outside: str = "",
    ) -> np.ndarray:
        """A column of finite numbers within a range, shape (n,), float64. Any other cell is refused.

        Args:
            column: Its name.
            lowest: Least number.
            highest: Largest number.
            missing: What to do about a missing cell, as words of the refusal; None leaves such cells as NaN.
            outside: What to do about a number outside the range, as words of the refusal.
        """
        wanted = _wanted(lowest, highest)
        values = as_floats(self.frame[column])
        if values is None:
            index = first_bad_number(self.frame[column])
            raise self.refuse(index, column, f"which is not a number; expected {wanted}")
        if missing is not None and np.isnan(values).any():
            index = int(np.argmax(np.isnan(values)))
            is_nan = str(self.frame[column].iloc[index]).strip().lower() == "nan"
            raise self.refuse(index, column, f"which is {'NaN' if is_nan else 'missing'}; expected {wanted}{missing}")
        for wrong, reason, advice in (
            (np.isinf(values), "which is infinite", ""),
            ((values < lowest) | (values > highest), "which is out of range", outside),
        ):
            if wrong.any():
                raise self.refuse(int(np.argmax(wrong)), column, f"{reason}; expected {wanted}{advice}")
        return values

    def holds_numbers(self, column: str, *, lowest: float = -np.inf, highest: float = np.inf) -> bool:
        """Whether every cell of a column is missing or a number within a range, and one is a number."""
        values = as_floats(self.frame[column])
        if values is None:
            return False
        numbers = values[~np.isnan(values)]
        return bool(len(numbers) and (numbers >= lowest).all() and (numbers <= highest).all())

    def holds_scores(self, column: str) -> bool:
        """Whether every cell of a column is missing or a number from 0 to 1, and one is a number."""
        return self.holds_numbers(column, lowest=0, highest=1)

    def is_real(self, column: str) -> bool:
        """Whether every cell of a column is a number and some are not whole, so that it cannot hold labels."""
        values = as_floats(self.frame[column])
        return values is not None and bool((np.isfinite(values) & (values != np.floor(values))).any())


def _wanted(lowest: float, highest: float) -> str:
    """A range in words."""
    if np.isinf(lowest):
        return "a finite number"
    return (
        f"a finite number of at least {lowest:g}" if np.isinf(highest) else f"a number from {lowest:g} to {highest:g}"
    )
