"""Score columns as probabilities: read, checked, and turned from logits where they are declared to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.predictions import SUM_TOLERANCE
from evaluation.reading.options import ReadOptions
from evaluation.reading.table import Table


def read_scores(table: Table, columns: Sequence[str], options: ReadOptions) -> np.ndarray:
    """The score columns, checked cell by cell.

    Args:
        table: Holds them.
        columns: Their names.
        options: Whether they are logits, and whether a missing cell is refused.

    Returns:
        Shape (n, C), float64: probabilities in 0…1, or finite logits. NaN where a cell is missing.

    Raises:
        PredictionsError: At the first cell, column by column, that cannot be used.
    """
    chosen = table.frame[list(columns)]
    if all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in chosen.dtypes):
        values = np.ascontiguousarray(chosen.to_numpy(dtype=np.float64))
        least, largest = values.min(initial=0), values.max(initial=0)
        if (least >= 0 and largest <= 1) or (options.logits and np.isfinite([least, largest]).all()):
            return values
    low, high = (-np.inf, np.inf) if options.logits else (0, 1)
    missing = f". Give a number, or set {table.option('missing', 'exclude')} or {table.option('missing', 'worst-case')}"
    outside = f". If these are logits, declare them with {table.option('logits')}"
    return np.column_stack(
        [
            table.numbers(
                column,
                lowest=low,
                highest=high,
                missing=missing if options.missing == "refuse" else None,
                outside=outside,
            )
            for column in columns
        ]
    )


def probabilities(table: Table, columns: Sequence[str], values: np.ndarray, options: ReadOptions) -> np.ndarray:
    """Scores of all classes.

    Args:
        table: Where they come from.
        columns: Names of the score columns.
        values: As `read_scores` returns them, shape (n, C).
        options: Whether they are logits.

    Returns:
        Shape (n, K), float64, rows summing to 1; a single column is the second of two classes. NaN where missing.

    Raises:
        PredictionsError: If the probabilities of a row do not sum to 1.
    """
    if options.logits:
        _refuse_probabilities(table, values)
        from scipy.special import expit, softmax

        return np.hstack([expit(-values), expit(values)]) if values.shape[1] == 1 else softmax(values, axis=1)
    if values.shape[1] == 1:
        return np.hstack([1.0 - values, values])
    _refuse_wrong_sums(table, columns, values)
    return values


def _refuse_probabilities(table: Table, values: np.ndarray) -> None:
    """Refuses several columns whose every row already is a probability of each class."""
    known = values[~np.isnan(values).any(axis=1)]
    if values.shape[1] == 1 or not len(known) or known.min() < 0 or known.max() > 1:
        return
    if (np.abs(known.sum(axis=1) - 1) <= SUM_TOLERANCE).all():
        raise table.error(
            "the scores are declared as logits, but every row lies between 0 and 1 and sums to 1, as probabilities do. "
            f"Leave {table.option('logits')} out"
        )


def _refuse_wrong_sums(table: Table, columns: Sequence[str], values: np.ndarray) -> None:
    """Refuses the first row whose scores do not sum to 1."""
    total = values.sum(axis=1)
    wrong = np.abs(total - 1) > SUM_TOLERANCE
    if wrong.any():
        index = int(np.argmax(wrong))
        where = f"{table.row(index)}, columns {columns[0]} … {columns[-1]}"
        raise table.error(
            f"the scores sum to {total[index]:.6g}; expected 1 within {SUM_TOLERANCE:g}. "
            f"Give probabilities, not percentages; if these are logits, declare them with {table.option('logits')}",
            f"y_score[{index}]" if table.kind == "arrays" else where,
        )
