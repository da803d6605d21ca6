"""Which columns of a table hold scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.predictions import SUM_TOLERANCE
from evaluation.reading.labels import GENERIC_NAMES, plain_label
from evaluation.reading.table import Table

PREFIX = "p_"
WEIGHTS = ("weight", "sample_weight")
RESERVED = ("id", "y_true", "y_pred", "group", "image", *WEIGHTS)
PREDICTED_NAMES = ("pred", "prediction", "predicted", "predicted_class", "predicted_label", "y_hat")


def find_score_columns(table: Table, truth: Sequence[str], *, logits: bool) -> list[str]:
    """The score columns: those with the prefix; else those named as labels, and others that complete the rows to 1.

    Args:
        table: The columns.
        truth: The different values of y_true.
        logits: Whether scores may be any finite numbers, so that they cannot be known by their values.

    Returns:
        Names of columns; none for a regression.

    Raises:
        PredictionsError: If several readings are equally likely.
    """
    columns = [str(column) for column in table.frame.columns if column not in RESERVED]
    prefixed = [column for column in columns if column.startswith(PREFIX)]
    if prefixed:
        return prefixed
    present = {form for label in truth for form in (label, label.strip(), plain_label(label))}
    named = [column for column in columns if column in present or plain_label(column) in present]
    if logits:
        return _logit_columns(table, columns, named)
    columns = _without_predicted_labels(table, columns, named)
    if not named and "y_pred" in table.frame:
        return _scores_beside_y_pred(table, columns)
    if len(named) > 1 and _sum_to_one(table, named):
        return named
    numeric = [column for column in columns if column in named or table.holds_scores(column)]
    if _sum_to_one(table, numeric):
        return numeric
    generic = [column for column in columns if column in GENERIC_NAMES]
    if not named and len(generic) != 1 and len(numeric) > 1 and _share_of_sums(table, numeric) < 0.5:
        raise table.error(
            f"which columns hold scores? {', '.join(numeric[:5])} may, but their rows do not sum to 1. "
            f"Name every score column {PREFIX}<class>"
        )
    return named or (generic if len(generic) == 1 else numeric)


def _logit_columns(table: Table, columns: list[str], named: list[str]) -> list[str]:
    """The columns of logits where none has the prefix: those named as labels, or one with a usual name."""
    if "y_pred" in table.frame or named:
        columns = [column for column in columns if column not in PREDICTED_NAMES]
    usual = [column for column in columns if column in (*GENERIC_NAMES, "logit", "logits")]
    real = [column for column in columns if column in named or column in usual or table.is_real(column)]
    generic = [column for column in real if column in usual]
    if not named and (len(generic) == 1 or len(real) == 1):
        return generic or real
    if len(real) > len(named):
        raise table.error(
            f"which columns hold logits? {', '.join(real[:5])} may. Name every one of them {PREFIX}<class>"
        )
    return named


def _without_predicted_labels(table: Table, columns: list[str], named: Sequence[str]) -> list[str]:
    """The columns without those of predicted labels, such as `pred`, where another column holds scores."""
    labels = {name for name in columns if name in PREDICTED_NAMES and not table.is_real(name)} - set(named)
    rest = [column for column in columns if column not in labels]
    return rest if any(table.holds_scores(column) for column in rest) else columns


def _scores_beside_y_pred(table: Table, columns: Sequence[str]) -> list[str]:
    """The score columns of a file with y_pred; none for a regression; a file that may be either is refused."""
    likely = [column for column in columns if column in GENERIC_NAMES or table.holds_scores(column)]
    generic = [column for column in likely if column in GENERIC_NAMES]
    weights = [name for name in WEIGHTS if name in table.frame and table.holds_scores(name)]
    y_pred_is_value = table.is_real("y_pred") and not table.holds_scores("y_pred")
    if not likely + weights or table.is_real("y_true"):
        return []
    if y_pred_is_value and not any(map(table.holds_scores, generic)):
        return []
    if len(generic) == 1:
        return generic
    if len(likely) > 1 and _sum_to_one(table, likely):
        return likely
    found = ", ".join([*likely, *weights][:5]) + (" …" if len(likely + weights) > 5 else "")
    raise table.error(
        f"classes or a regression? Beside y_pred, {found} may hold scores. "
        "For classes, rename the score column to p_<class>; for a regression, remove it"
    )


def _sum_to_one(table: Table, columns: Sequence[str]) -> bool:
    """Whether these columns hold scores whose rows, where nothing is missing, sum to 1."""
    return _share_of_sums(table, columns) == 1


def _share_of_sums(table: Table, columns: Sequence[str]) -> float:
    """Of the rows where nothing is missing, the share whose scores sum to 1; 0 where a column holds no scores."""
    if not columns or not all(table.holds_scores(column) for column in columns):
        return 0.0
    total = np.sum([table.numbers(column, missing=None) for column in columns], axis=0)
    known = total[~np.isnan(total)]
    return float((np.abs(known - 1) <= SUM_TOLERANCE).mean()) if len(known) else 0.0
