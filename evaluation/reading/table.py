"""A table of predictions as it stands in a file, with refusals that name the row as an editor counts it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.predictions import PredictionsError

if TYPE_CHECKING:
    import pandas as pd

TEXT_COLUMNS = ("id", "y_true", "group")
FIRST_ROW = 2


@dataclass(frozen=True)
class Table:
    """Columns of a file.

    Attributes:
        name: The file, as messages name it.
        frame: The columns; `id`, `y_true` and `group` as text, the others as numbers where all their cells are.
    """

    name: str
    frame: pd.DataFrame

    def refuse(self, index: int, column: str, reason: str) -> PredictionsError:
        """The error for one cell: file, row, column, value and reason."""
        value = str(self.frame[column].iloc[index])
        received = f"received {value!r}, {reason}" if value.strip() else f"the cell is empty; {reason.split('; ')[-1]}"
        return PredictionsError(f"{self.name}, row {index + FIRST_ROW}, column {column}: {received}")

    def text(self, column: str, *, strip: bool = True) -> np.ndarray:
        """A column of text, shape (n,), by default without surrounding spaces. Empty cells are refused."""
        stripped = self.frame[column].str.strip()
        empty = (stripped == "").to_numpy(dtype=bool)
        if empty.any():
            raise self.refuse(int(np.argmax(empty)), column, "expected a value. Fill the cell or remove the row")
        return (stripped if strip else self.frame[column]).to_numpy(dtype=object)

    def numbers(self, column: str, *, lowest: float = -np.inf, highest: float = np.inf) -> np.ndarray:
        """A column of finite numbers within a range, shape (n,), float64. Any other cell is refused."""
        wanted = "a finite number" if np.isinf(lowest) else f"a number from {lowest:g} to {highest:g}"
        values = _as_floats(self.frame[column])
        if values is None:
            raise self.refuse(
                _first_bad_number(self.frame[column]), column, f"which is not a number; expected {wanted}"
            )
        for wrong, reason in (
            (np.isnan(values), "which is NaN"),
            (np.isinf(values), "which is infinite"),
            ((values < lowest) | (values > highest), "which is out of range"),
        ):
            if wrong.any():
                raise self.refuse(int(np.argmax(wrong)), column, f"{reason}; expected {wanted}")
        return values

    def holds_scores(self, column: str) -> bool:
        """Whether every cell of a column is a number from 0 to 1."""
        values = _as_floats(self.frame[column])
        return values is not None and bool(((values >= 0) & (values <= 1)).all())

    def is_real(self, column: str) -> bool:
        """Whether every cell of a column is a number and some are not whole, so that it cannot hold labels."""
        values = _as_floats(self.frame[column])
        return values is not None and bool((np.isfinite(values) & (values != np.floor(values))).any())


def read_csv_table(path: Path) -> Table:
    """Reads a CSV file with a header line.

    Args:
        path: The file, UTF-8.

    Returns:
        The table, with at least one row.

    Raises:
        PredictionsError: If the file is missing, empty, not UTF-8, not separated by commas or ragged.
    """
    import pandas as pd

    text = _read_text(path)
    header = _read_header(path, text)
    types = {name: str for name in TEXT_COLUMNS if name in header}
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            header=0,
            names=header,
            index_col=False,
            dtype=types,
            keep_default_na=False,
            na_filter=False,
            skip_blank_lines=False,
            low_memory=False,
            **_exact_floats(pd.__version__),
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise PredictionsError(f"{path}: not a table: {reason}. Give every row as many cells as the header") from None
    if frame.empty:
        raise PredictionsError(f"{path}: the file has a header and no rows. Expected one row per example")
    return Table(str(path), frame)


def _exact_floats(pandas_version: str) -> dict[str, Any]:
    """Options under which pandas reads floats back bit for bit; from 3.1 on it always does."""
    major, minor = (int(part) for part in pandas_version.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _read_text(path: Path) -> str:
    """The text of a file without blank lines at its end."""
    if not path.exists():
        raise PredictionsError(f"{path}: no such file. Expected a CSV file of predictions; check the path")
    if path.is_dir():
        raise PredictionsError(f"{path}: is a folder. Expected a CSV file of predictions")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise PredictionsError(
            f"{path}, row {row}: not UTF-8 (byte 0x{data[error.start]:02x}). Save the file as CSV in UTF-8"
        ) from None
    if "\0" in text:
        raise PredictionsError(f"{path}: holds a NUL byte, so it is not text. Save it as CSV in UTF-8")
    if not text.strip():
        raise PredictionsError(f"{path}: the file is empty. Expected a header line and one row per example")
    return text.rstrip()


def _read_header(path: Path, text: str) -> list[str]:
    """The column names, after the checks that need no data."""
    rows = csv.reader(io.StringIO(text[: 1 << 20], newline=""))
    try:
        header, first = [_column_name(name) for name in next(rows)], next(rows, None)
    except (csv.Error, StopIteration) as error:
        raise PredictionsError(f"{path}, row 1: not a header line: {error}") from None
    for delimiter, name in ((";", "';'"), ("\t", "tabs")):
        if len(header) == 1 and delimiter in header[0]:
            raise PredictionsError(f"{path}, row 1: columns are separated by {name}; expected commas. Save it as CSV")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise PredictionsError(f"{path}, row 1: duplicate column {repeated[0]!r}. Give every column its own name")
    if "y_true" not in header:
        raise PredictionsError(f"{path}, row 1: column y_true is missing. {_name_columns(header)}")
    if first is not None and len(first) > len(header):
        raise PredictionsError(f"{path}, row 2: {len(first)} cells under a header of {len(header)} columns")
    return header


def _column_name(cell: str) -> str:
    """A header cell without surrounding spaces, but for those that may end the name of a class."""
    return cell.lstrip() if cell.lstrip().startswith("p_") else cell.strip()


def _name_columns(header: Sequence[str]) -> str:
    """The first columns of a header, for a message."""
    more = f" and {len(header) - 10} more" if len(header) > 10 else ""
    return f"Found: {', '.join(header[:10])}{more}"


def _as_floats(column: pd.Series) -> np.ndarray | None:
    """A column as float64, or None where a cell is no number."""
    if column.dtype.kind == "b":
        return None
    try:
        return column.to_numpy(dtype=np.float64 if column.dtype.kind in "iuf" else object).astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        return None


def _first_bad_number(column: pd.Series) -> int:
    """Index of the first cell that is no number."""
    for index, value in enumerate(column.to_numpy(dtype=object)):
        try:
            float("not a number" if isinstance(value, bool) else value)
        except (ValueError, TypeError, OverflowError):
            return index
    return 0
