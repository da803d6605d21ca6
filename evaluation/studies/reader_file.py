"""The file of what readers said, `reader,id,decision` or `reader,id,rating`, and every refusal in words."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.predictions import Predictions, PredictionsError
from evaluation.reading.labels import plain_label

Kind = Literal["decision", "rating"]


@dataclass(frozen=True, eq=False)
class Readers:
    """What readers said about the examples of a file of predictions.

    Attributes:
        kind: "decision" (0 or 1, the positive class) or "rating" (higher means more positive).
        names: The R readers, in the order of the file.
        readings: Shape (R, n), float64, in the order of the predictions; NaN where a reader did not read the example.
        notes: Sentences that a report should repeat.
    """

    kind: Kind
    names: tuple[str, ...]
    readings: np.ndarray
    notes: tuple[str, ...] = ()


def read_readers(path: str | Path, predictions: Predictions) -> Readers:
    """Reads what readers said: CSV with `reader`, `id` and either `decision` or `rating`, one row per reading.

    A decision is the name of a class, or 1 for the positive class and 0 for the other. A rating is a number; higher
    means more positive. Readers need not have read every example.

    Args:
        path: A CSV file in UTF-8 with a header line.
        predictions: The model's predictions of the same examples, with a positive class.

    Returns:
        The readings.

    Raises:
        PredictionsError: If the file cannot be used; the message names file, row (the header is row 1), column,
            value and reason.
    """
    path = Path(path)
    if predictions.positive is None:
        raise PredictionsError(f"{path}: readers are compared on two classes, one of them positive. Leave the file out")
    file = _read_file(path)
    kind = _kind(file)
    names, who = _codes([cell.strip() for cell in file.column("reader")])
    which = _examples(file, predictions)
    flat = who * len(predictions) + which
    _refuse_repeated(file, flat)
    readings = np.full(len(names) * len(predictions), np.nan)
    readings[flat] = _decisions(file, predictions) if kind == "decision" else _ratings(file)
    ignored = [name for name in file.header if name not in ("reader", "id", kind)]
    notes = (f"Readers' file: ignored the columns {', '.join(ignored)}.",) if ignored else ()
    return Readers(kind, names, readings.reshape(len(names), -1), notes)


@dataclass(frozen=True)
class _File:
    """Rows of a CSV file as text, with the line on which each ends."""

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """Cells of a column; empty ones are refused."""
        index = self.header.index(name)
        cells = [row[index] for row in self.rows]
        for row, cell in enumerate(cells):
            if not cell.strip():
                raise self.refuse(row, name, "the cell is empty. Fill it or remove the row")
        return cells

    def refuse(self, row: int, column: str, reason: str) -> PredictionsError:
        """The error for one cell: file, row, column and reason."""
        return PredictionsError(f"{self.path}, row {self.lines[row]}, column {column}: {reason}")


def _read_file(path: Path) -> _File:
    """Header and rows of a CSV file, all of one length; blank lines are left out."""
    text = _read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, lines = [], []
    try:
        header = [name.strip() for name in next(reader)]
        _refuse_header(path, header)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                cells = f"{len(row)} cells under a header of {len(header)} columns"
                raise PredictionsError(f"{path}, row {reader.line_num}: {cells}. Give every row as many as the header")
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise PredictionsError(f"{path}, row {reader.line_num}: not a table: {error}") from None
    if not rows:
        raise PredictionsError(f"{path}: the file has a header and no rows. Expected one row per reading")
    return _File(path, header, rows, lines)


def _read_text(path: Path) -> str:
    """The text of a file that holds some."""
    if not path.exists():
        raise PredictionsError(f"{path}: no such file. Expected a CSV file of readings; check the path")
    if path.is_dir():
        raise PredictionsError(f"{path}: is a folder. Expected a CSV file of readings")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x}"
        raise PredictionsError(f"{path}, row {row}: not UTF-8 ({byte}). Save the file as CSV in UTF-8") from None
    if "\0" in text:
        raise PredictionsError(f"{path}: holds a NUL byte, so it is not text. Save it as CSV in UTF-8")
    if not text.strip():
        raise PredictionsError(f"{path}: the file is empty. Expected a header line and one row per reading")
    return text


def _refuse_header(path: Path, header: Sequence[str]) -> None:
    """Refuses a header that names too little or the same twice, or that other delimiters separate."""
    for delimiter, name in ((";", "';'"), ("\t", "tabs")):
        if len(header) == 1 and delimiter in header[0]:
            raise PredictionsError(f"{path}, row 1: columns are separated by {name}; expected commas. Save it as CSV")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise PredictionsError(f"{path}, row 1: duplicate column {repeated[0]!r}. Give every column its own name")
    found = ", ".join(header[:10]) + (" …" if len(header) > 10 else "")
    for name in ("reader", "id"):
        if name not in header:
            raise PredictionsError(
                f"{path}, row 1: column {name} is missing. Expected reader,id,decision or reader,id,rating. "
                f"Found: {found}"
            )


def _kind(file: _File) -> Kind:
    """Whether the file holds decisions or ratings."""
    has = [name for name in ("decision", "rating") if name in file.header]
    if len(has) == 2:
        raise PredictionsError(
            f"{file.path}, row 1: both decision and rating. Give one file for each, and evaluate both"
        )
    if not has:
        found = ", ".join(file.header[:10]) + (" …" if len(file.header) > 10 else "")
        raise PredictionsError(
            f"{file.path}, row 1: column decision or rating is missing. Expected reader,id,decision (a class) or "
            f"reader,id,rating (a number). Found: {found}"
        )
    return "decision" if has == ["decision"] else "rating"


def _codes(cells: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The different names in the order they first occur, and the index of each cell's."""
    index: dict[str, int] = {}
    codes = np.array([index.setdefault(cell, len(index)) for cell in cells], dtype=np.int64)
    return tuple(index), codes


def _examples(file: _File, predictions: Predictions) -> np.ndarray:
    """Index of the example of each row, by its id as it stands or without surrounding spaces."""
    known = {str(name): index for index, name in enumerate(predictions.ids)}
    which = np.empty(len(file.rows), dtype=np.int64)
    for row, cell in enumerate(file.column("id")):
        found = known.get(cell, known.get(cell.strip()))
        if found is None:
            raise file.refuse(row, "id", f"received {cell!r}, which no example of the predictions has; check the ids")
        which[row] = found
    return which


def _refuse_repeated(file: _File, flat: np.ndarray) -> None:
    """Refuses a reader who read the same example twice."""
    import pandas as pd

    repeated = pd.Series(flat).duplicated().to_numpy()
    if repeated.any():
        row = int(np.argmax(repeated))
        first = int(np.argmax(flat == flat[row]))
        cell, reader = file.column("id")[row], file.column("reader")[row].strip()
        reason = f"received {cell!r}, which reader {reader!r} already read in row {file.lines[first]}. Keep one"
        raise file.refuse(row, "id", reason)


def _decisions(file: _File, predictions: Predictions) -> np.ndarray:
    """0 or 1 for each row: by the names of the classes, or as numbers where not all cells are such names."""
    cells = [plain_label(cell) for cell in file.column("decision")]
    by_name = {plain_label(label): index for index, label in enumerate(predictions.labels)}
    by_number = {"0": 0, "1": 1}
    present = set(cells)
    lookup = by_name if present <= set(by_name) or not present <= set(by_number) else by_number
    for row, cell in enumerate(cells):
        if cell not in lookup:
            expected = f"expected {predictions.labels[0]!r} or {predictions.labels[1]!r}, or only 0 and 1"
            value = file.column("decision")[row]
            raise file.refuse(row, "decision", f"received {value!r}, which is an unknown class; {expected}")
    return np.array([lookup[cell] for cell in cells], dtype=np.float64)


def _ratings(file: _File) -> np.ndarray:
    """The rating of each row: finite numbers."""
    values = np.empty(len(file.rows))
    for row, cell in enumerate(file.column("rating")):
        try:
            # Python reads 1_5 as 15, which no table means.
            values[row] = float(cell.replace("_", " _"))
        except ValueError:
            reason = f"received {cell!r}, which is not a number; expected a finite number"
            raise file.refuse(row, "rating", reason) from None
        if not np.isfinite(values[row]):
            what = "NaN" if np.isnan(values[row]) else "infinite"
            raise file.refuse(row, "rating", f"received {cell!r}, which is {what}; expected a finite number")
    return values
