"""Reads a csv file as text, so that nothing is guessed before it is checked."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from training.datasets.dataset import DataError
from training.datasets.text import listed, printable


def read_csv(path: str | Path | None) -> pd.DataFrame:
    """Every cell as a stripped text; the index is the line of each row (the header is line 1).

    Raises:
        DataError: The file is missing, empty, torn, not UTF-8, or its header is not usable.
    """
    if not path:
        raise DataError("The csv source needs a file: give --data-dir table.csv and --target COLUMN.")
    file = Path(path).expanduser()
    name = printable(file)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise DataError(f"{name} {what}. Expected a csv file. Check --data-dir.")
    try:
        _check_header(file, name)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                file, dtype=str, na_filter=False, index_col=False, skip_blank_lines=False, encoding="utf-8-sig"
            )
    except PermissionError as error:
        raise DataError(f"{name}: permission denied. Allow reading it.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 text (byte {error.start}). Save it as CSV UTF-8.") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, csv.Error) as error:
        raise DataError(
            f"{name} is not a regular table ({_irregular(file) or printable(' '.join(str(error).split()))}). "
            "Give every line as many cells as the header."
        ) from error
    return _clean(frame, name)


def _check_header(file: Path, name: str) -> None:
    """The names of the columns, before pandas renames duplicates."""
    with open(file, newline="", encoding="utf-8-sig") as opened:
        header = next(csv.reader(opened), None)
    if header is None:
        raise DataError(f"{name} is empty. Expected a header line and rows. Check --data-dir.")
    columns = [column.strip() for column in header]
    if len(columns) == 1:
        delimiter = next((mark for mark in (";", "\t", "|") if mark in columns[0]), None)
        if delimiter:
            raise DataError(f"{name} is separated by {delimiter!r}. Expected commas. Save it with commas.")
        raise DataError(f"{name} has one column only: {listed(columns)}. Expected at least two. Add the others.")
    if "" in columns:
        raise DataError(
            f"{name}: column {columns.index('') + 1} has no name. Expected a name for each, in line 1. "
            "Name it (id, if it numbers the rows), or remove it."
        )
    double = sorted({column for column in columns if columns.count(column) > 1})
    if double:
        raise DataError(f"{name} has more than one column named {listed(double)}. Rename or remove all but one.")


def _irregular(file: Path) -> str:
    """Where a line has more cells than the header."""
    with open(file, newline="", encoding="utf-8-sig") as opened:
        reader = csv.reader(opened)
        expected = len(next(reader))
        for cells in reader:
            if len(cells) > expected:
                return f"line {reader.line_num} has {len(cells)} cells, expected {expected}"
    return ""


def _clean(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    frame = frame.fillna("")  # cells that a short line lacks
    frame.columns = [str(column).strip() for column in frame.columns]
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    frame = frame.apply(lambda cells: cells.str.strip())
    blank = np.logical_and.reduce([(frame[column] == "").to_numpy() for column in frame.columns])
    frame = frame[~blank] if blank.any() else frame
    if frame.empty:
        raise DataError(f"{name} has a header but no rows. Expected one row per example. Add rows.")
    return frame
