"""CSV files as tables."""

from __future__ import annotations

import csv
import functools
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.predictions import PredictionsError
from evaluation.reading.table import Table

if TYPE_CHECKING:
    import pandas as pd

_TYPES = dict.fromkeys(("id", "y_true", "group", "image"), "object")
_BOM = b"\xef\xbb\xbf"
_SAMPLE = 1 << 20


def read_csv_table(path: Path) -> Table:
    """Reads a CSV file with a header line.

    Args:
        path: The file, UTF-8.

    Returns:
        The table, with at least one row.

    Raises:
        PredictionsError: If the file is empty, not UTF-8, not separated by commas or ragged.
    """
    data = _read_bytes(path)
    header = _read_header(path, data)
    frame = _parse(path, data, header, {name: kind for name, kind in _TYPES.items() if name in header})
    if frame.empty:
        raise PredictionsError(f"{path}: the file has a header and no rows. Expected one row per example")
    return Table(str(path), frame, read_as_text=functools.partial(_parse_text, path, data, header))


def _parse_text(path: Path, data: bytes, header: list[str], columns: Sequence[str]) -> pd.DataFrame:
    """Some columns again, every cell as text."""
    return _parse(path, data, header, dict.fromkeys(columns, "object"), usecols=list(columns))


def _parse(path: Path, data: bytes, header: list[str], types: dict[str, str], **options: Any) -> pd.DataFrame:
    """The rows under the header; columns without a type are numbers where all their cells are."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.BytesIO(data),
                header=0,
                names=header,
                index_col=False,
                dtype=types,
                keep_default_na=False,
                na_filter=False,
                skip_blank_lines=False,
                low_memory=False,
                **_exact_floats(pd.__version__),
                **options,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning, ValueError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise PredictionsError(f"{path}: not a table: {reason}. Give every row as many cells as the header") from None


def _exact_floats(pandas_version: str) -> dict[str, Any]:
    """Options under which pandas reads floats back bit for bit; from 3.1 on it always does."""
    major, minor = (int(part) for part in pandas_version.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _read_bytes(path: Path) -> bytes:
    """The content of a file, checked to be text, without a byte order mark and blank lines at its end."""
    data = path.read_bytes()
    try:
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise PredictionsError(
            f"{path}, row {row}: not UTF-8 (byte 0x{data[error.start]:02x}). Save the file as CSV in UTF-8"
        ) from None
    if b"\0" in data:
        raise PredictionsError(f"{path}: holds a NUL byte, so it is not text. Save it as CSV in UTF-8")
    data = data.removeprefix(_BOM).rstrip()
    if not data:
        raise PredictionsError(f"{path}: the file is empty. Expected a header line and one row per example")
    return data


def _read_header(path: Path, data: bytes) -> list[str]:
    """The column names, after the checks that need no data."""
    end = data.find(b"\n", _SAMPLE)
    rows = csv.reader(io.StringIO(data[: end if end > 0 else len(data)].decode("utf-8"), newline=""))
    try:
        header, first = [_column_name(name) for name in next(rows)], next(rows, None)
    except (csv.Error, StopIteration) as error:
        raise PredictionsError(f"{path}, row 1: not a header line: {error}") from None
    for delimiter, name in ((";", "';'"), ("\t", "tabs"), ("|", "'|'"), (" ", "spaces")):
        if len(header) == 1 and "y_true" in header[0].split(delimiter):
            raise PredictionsError(
                f"{path}, row 1: columns are separated by {name}; expected commas. Save it as CSV with commas between "
                "cells and points in numbers"
            )
    repeated = sorted({name for name in header if header.count(name) > 1}) if len(set(header)) < len(header) else []
    if repeated:
        raise PredictionsError(f"{path}, row 1: duplicate column {repeated[0]!r}. Give every column its own name")
    if "y_true" not in header:
        raise PredictionsError(f"{path}, row 1: column y_true is missing. Found: {name_columns(header)}")
    if first is not None and len(first) > len(header):
        raise PredictionsError(f"{path}, row 2: {len(first)} cells under a header of {len(header)} columns")
    return header


def _column_name(cell: str) -> str:
    """A header cell without surrounding spaces, but for those that may end the name of a class."""
    return cell.lstrip() if cell.lstrip().startswith("p_") else cell.strip()


def name_columns(names: Sequence[str]) -> str:
    """The first of many names, for a message."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{', '.join(names[:10])}{more}"
