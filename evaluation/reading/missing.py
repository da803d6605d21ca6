"""Missing and indeterminate results: found, then left out or counted as mistakes, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from evaluation.predictions import Missing
from evaluation.reading.cells import Labels
from evaluation.reading.labels import is_missing_word
from evaluation.reading.options import ReadOptions
from evaluation.reading.table import EXPECTED_VALUE, Table


def known_truth(table: Table, truth: Labels, classes: Iterable[str], options: ReadOptions) -> Labels:
    """The column y_true with code -1 where the truth is missing.

    Args:
        table: For the place of a refused cell.
        truth: The column as it stands.
        classes: Names that are classes even if they read "none" or "missing".
        options: Whether a missing truth is refused.

    Returns:
        The column; its names are those of classes only.

    Raises:
        PredictionsError: If a truth is missing and that is to be refused, or if every truth is.
    """
    declared = {name.strip() for name in classes} - {""}
    keep = [name.strip() in declared or not is_missing_word(name) for name in truth.names]
    position = np.cumsum(keep) - 1
    codes = np.array([*np.where(keep, position, -1), -1], dtype=np.int64)[truth.codes]
    if options.missing == "refuse" and (codes < 0).any():
        raise _refuse_truth(table, int(np.argmax(codes < 0)))
    if not any(keep):
        raise table.error("every y_true is missing. Expected the true class of each example")
    return Labels(codes, tuple(name for name, kept in zip(truth.names, keep, strict=True) if kept))


def _refuse_truth(table: Table, index: int) -> Exception:
    """The error for one missing truth."""
    value = str(table.frame["y_true"].iloc[index])
    advice = f"{EXPECTED_VALUE}, or set {table.option('missing', 'exclude')}"
    if value.strip().lower() in ("", "nan", "none"):
        advice = advice.replace("which is no value", "which is a missing truth")
    else:
        advice = f"{advice.replace('no value', 'a missing truth')}; a class of this name needs its score column"
    return table.refuse(index, "y_true", advice)


def apply_policy(
    table: Table, y_true: np.ndarray, y_score: np.ndarray, labels: Sequence[str], options: ReadOptions
) -> tuple[np.ndarray | None, np.ndarray, Missing | None]:
    """Leaves examples out, or counts them as mistakes.

    Args:
        table: For its name.
        y_true: Index of the true class, shape (n,); -1 where it is missing.
        y_score: Scores, shape (n, K), NaN where one is missing.
        labels: The K class names.
        options: The policy.

    Returns:
        Which examples stay, shape (n,) (None: all); the scores, shape (n, K), without NaN where the example stays;
        and the counts (None where missing results are refused).

    Raises:
        PredictionsError: If no example is left.
    """
    if options.missing == "refuse":
        return None, y_score, None
    no_truth, no_score = y_true < 0, np.isnan(y_score).any(axis=1)
    missed = no_score & ~no_truth
    counts = np.bincount(y_true[missed], minlength=len(labels))
    by_class = dict(zip(labels, counts.tolist(), strict=True))
    missing = Missing(options.missing, int(missed.sum()), int(no_truth.sum()), by_class)
    if options.missing == "worst-case":
        y_score = np.where(missed[:, None], _wrong_scores(y_true, len(labels)), y_score) if missed.any() else y_score
        left_out = no_truth
    else:
        left_out = no_truth | no_score
    if left_out.all() or (no_truth | no_score).all():
        raise table.error(
            f"every example lacks its score or its truth ({missing.scores} scores, {missing.truths} truths missing). "
            "Nothing is left to evaluate"
        )
    return (~left_out if left_out.any() else None), y_score, missing


def _wrong_scores(y_true: np.ndarray, num_classes: int) -> np.ndarray:
    """Scores that are as wrong as can be, shape (n, K): 0 for the true class, the rest spread over the others."""
    scores = np.full((len(y_true), num_classes), 1.0 / (num_classes - 1))
    scores[np.arange(len(y_true)), y_true] = 0.0
    return scores
