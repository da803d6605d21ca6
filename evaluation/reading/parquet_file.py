"""Parquet files as tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.predictions import PredictionsError
from evaluation.reading.csv_file import name_columns
from evaluation.reading.table import Table

if TYPE_CHECKING:
    import pandas as pd

LARGEST_TABLE = 16 * 2**30
_CELL_BYTES = 8
_INDEX_COLUMN = re.compile(r"__index_level_\d+__")


def read_parquet_table(path: Path) -> Table:
    """Reads a Parquet file with the columns of a CSV file of predictions.

    Args:
        path: The file.

    Returns:
        The table, with at least one row.

    Raises:
        PredictionsError: If pyarrow is not installed, or the file is damaged, empty, too large or lacks y_true.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise PredictionsError(f"{path}: Parquet files need pyarrow. Install it, or save the file as CSV") from None
    damaged = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
    try:
        with pq.ParquetFile(path) as file:
            names = [str(name) for name in file.schema_arrow.names]
            _check_columns(path, names, file.metadata.num_rows)
            table = file.read()
        table.validate(full=True)
        frame = _to_frame(table)
    except PredictionsError:
        raise
    except damaged as error:
        reason = " ".join(str(error).split())[:200].rstrip(". ")
        raise PredictionsError(f"{path}: not a readable Parquet file: {reason}. Write it again") from None
    return Table(str(path), frame, kind="parquet")


def _check_columns(path: Path, names: list[str], num_rows: int) -> None:
    """Refuses column names and sizes before the data is read."""
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise PredictionsError(f"{path}: duplicate column {repeated[0]!r}. Give every column its own name")
    if "y_true" not in names:
        raise PredictionsError(f"{path}: column y_true is missing. Found: {name_columns(names) or 'no columns'}")
    if num_rows < 1:
        raise PredictionsError(f"{path}: the file has columns and no rows. Expected one row per example")
    if num_rows * len(names) * _CELL_BYTES > LARGEST_TABLE:
        raise PredictionsError(
            f"{path}: declares {num_rows} rows of {len(names)} columns; expected at most 16 GiB of numbers. "
            "Keep only the columns of the predictions"
        )


def _to_frame(table: Any) -> pd.DataFrame:
    """An Arrow table as a frame: integers stay integers where some are missing; pandas' own index is left out."""
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return frame[[name for name in frame.columns if not _INDEX_COLUMN.fullmatch(str(name))]]
