"""From columns to predictions: which columns are scores, which class each one scores, and what y_true means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.reading.labels import GENERIC_NAMES, find_label, match_labels, plain_label
from evaluation.predictions import (
    LARGEST_VALUE,
    SUM_TOLERANCE,
    Predictions,
    PredictionsError,
    RegressionPredictions,
)
from evaluation.reading.table import FIRST_ROW, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "p_"
_RESERVED = ("id", "y_true", "y_pred", "group")
_PREDICTED_NAMES = ("pred", "prediction", "predicted", "predicted_class", "predicted_label", "y_hat")


def predictions_from_table(table: Table, positive: str | None) -> Predictions | RegressionPredictions:
    """Interprets a table as predictions of classes or of a number.

    Args:
        table: Columns with `y_true` among them.
        positive: The condition looked for, or None.

    Returns:
        The predictions.

    Raises:
        PredictionsError: If columns or cells contradict the format.
    """
    truth = table.text("y_true", strip=False)
    scores = _find_score_columns(table, truth)
    if not scores and "y_pred" in table.frame:
        return _regression(table, positive)
    if not scores:
        raise PredictionsError(
            f"{table.name}: no score columns. Expected y_true and one column p_<class> with values from 0 to 1 "
            "per class, or y_true,y_pred for a regression"
        )
    y_score = np.column_stack([table.numbers(column, lowest=0, highest=1) for column in scores])
    names = [column.removeprefix(PREFIX) for column in scores]
    truth, names = match_labels(truth, names)
    positive = None if positive is None else find_label(positive, [*names, *sorted(set(truth))])
    groups = table.text("group") if "group" in table.frame else None
    if len(names) == 1:
        return _one_score(table, truth, names[0], y_score[:, 0], positive, groups)
    _refuse_wrong_sums(table, scores, y_score)
    y_true = _indices(table, truth, names)
    if len(names) > 2:
        if positive is not None:
            raise PredictionsError(
                f"{table.name}: --positive is for two classes; the file scores {len(names)}. Leave it out"
            )
        return Predictions(_ids(table), y_true, y_score, tuple(names), None, groups)
    order = _two_class_order(table, names, positive)
    labels = tuple(names[index] for index in order)
    return Predictions(_ids(table), np.array(order)[y_true], y_score[:, order], labels, labels[1], groups)


def _regression(table: Table, positive: str | None) -> RegressionPredictions:
    """Predictions of a number, from y_true and y_pred."""
    if positive is not None:
        raise PredictionsError(f"{table.name}: --positive {positive} needs class scores; y_true,y_pred is a regression")
    try:
        y_true, y_pred = table.numbers("y_true"), table.numbers("y_pred")
    except PredictionsError as error:
        raise PredictionsError(f"{error}. For classes, add one score column p_<class> per class") from None
    for column, values in (("y_true", y_true), ("y_pred", y_pred)):
        large = np.abs(values) > LARGEST_VALUE
        if large.any():
            wanted = f"expected a number from {-LARGEST_VALUE:g} to {LARGEST_VALUE:g}. Use another unit"
            raise table.refuse(int(np.argmax(large)), column, f"whose square overflows; {wanted}")
    return RegressionPredictions(_ids(table), y_true, y_pred)


def _find_score_columns(table: Table, truth: np.ndarray) -> list[str]:
    """The score columns: those with the prefix; else those named as labels, and others that complete the rows to 1."""
    columns = [str(column) for column in table.frame.columns if column not in _RESERVED]
    prefixed = [column for column in columns if column.startswith(PREFIX)]
    if prefixed:
        return prefixed
    present = {form for label in set(truth) for form in (label, label.strip(), plain_label(label))}
    named = [column for column in columns if column in present or plain_label(column) in present]
    columns = _without_predicted_labels(table, columns, named)
    if not named and "y_pred" in table.frame:
        return _scores_beside_y_pred(table, columns)
    if len(named) > 1 and _sum_to_one(table, named):
        return named
    numeric = [column for column in columns if column in named or table.holds_scores(column)]
    if not named or _sum_to_one(table, numeric):
        return numeric
    return named


def _without_predicted_labels(table: Table, columns: list[str], named: Sequence[str]) -> list[str]:
    """The columns without those of predicted labels, such as `pred`, where another column holds scores."""
    labels = {name for name in columns if name in _PREDICTED_NAMES and not table.is_real(name)} - set(named)
    rest = [column for column in columns if column not in labels]
    return rest if any(table.holds_scores(column) for column in rest) else columns


def _scores_beside_y_pred(table: Table, columns: Sequence[str]) -> list[str]:
    """The score columns of a file with y_pred; none for a regression; a file that may be either is refused."""
    likely = [column for column in columns if column in GENERIC_NAMES or table.holds_scores(column)]
    generic = [column for column in likely if column in GENERIC_NAMES]
    y_pred_is_value = table.is_real("y_pred") and not table.holds_scores("y_pred")
    if not likely or table.is_real("y_true") or (y_pred_is_value and not any(map(table.holds_scores, generic))):
        return []
    if len(generic) == 1:
        return generic
    if len(likely) > 1 and _sum_to_one(table, likely):
        return likely
    found = ", ".join(likely[:5]) + (" …" if len(likely) > 5 else "")
    raise PredictionsError(
        f"{table.name}: classes or a regression? Beside y_pred, {found} may hold scores. "
        "For classes, rename the score column to p_<class>; for a regression, remove it"
    )


def _one_score(
    table: Table, truth: np.ndarray, name: str, score: np.ndarray, positive: str | None, groups: np.ndarray | None
) -> Predictions:
    """Two classes from the score of one of them."""
    present = sorted(set(truth))
    if name not in present and name in GENERIC_NAMES and positive in present:
        name = str(positive)
    if positive is not None and positive != name:
        raise PredictionsError(
            f"{table.name}: --positive {positive} contradicts the only score column, which scores {name!r}. "
            f"Use --positive {name} or add a column {PREFIX}{positive}"
        )
    others = [label for label in present if label != name]
    numbered = set(others) <= {"0", "1"}
    if len(others) == 1 and (name in present or not numbered or name.isdigit()):
        names = [others[0], name]
    elif numbered and (not others or not name.isdigit()):
        names = [f"not {name}", name]
    else:
        raise PredictionsError(
            f"{table.name}: the only score column scores {name!r}, but y_true holds {', '.join(present[:5])}. "
            "Expected that class and one other; name the column p_<class> or add the missing columns"
        )
    y_true = _indices(table, truth, names)
    return Predictions(_ids(table), y_true, np.column_stack([1.0 - score, score]), tuple(names), name, groups)


def _two_class_order(table: Table, names: Sequence[str], positive: str | None) -> list[int]:
    """Columns of the (negative, positive) class."""
    if positive not in names:
        received = "none was given" if positive is None else f"received {positive!r}"
        raise PredictionsError(
            f"{table.name}: two classes need to know the condition looked for: {received}. "
            f"Use --positive {names[0]} or --positive {names[1]}"
        )
    return [1, 0] if positive == names[0] else [0, 1]


def _indices(table: Table, truth: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """y_true as class indices, shape (n,): by name, or by number where every value is an integer below K."""
    import pandas as pd

    codes, uniques = pd.factorize(truth)
    by_name = {name: index for index, name in enumerate(names)}
    by_number = {str(index): index for index in range(len(names))}
    lookup = by_number if all(value in by_number for value in uniques) else by_name
    lookup = by_name if all(value in by_name for value in uniques) else lookup
    indices = np.array([lookup.get(value, -1) for value in uniques], dtype=np.int64)[codes]
    if (indices < 0).any():
        known = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
        raise table.refuse(
            int(np.argmax(indices < 0)), "y_true", f"which is an unknown label; the score columns name {known}"
        )
    return indices


def _ids(table: Table) -> np.ndarray:
    """Names of the examples, shape (n,): the column `id`, or rows of the file. Duplicates are refused."""
    if "id" not in table.frame:
        return np.arange(FIRST_ROW, len(table.frame) + FIRST_ROW).astype(str).astype(object)
    ids = table.frame["id"].to_numpy(dtype=object)
    table.text("id")
    duplicated = table.frame["id"].duplicated().to_numpy()
    if duplicated.any():
        index = int(np.argmax(duplicated))
        first = int(np.argmax(ids == ids[index])) + FIRST_ROW
        raise table.refuse(index, "id", f"a duplicate id; first seen in row {first}. Give every example its own id")
    return ids


def _sum_to_one(table: Table, columns: Sequence[str]) -> bool:
    """Whether these columns hold scores whose rows sum to 1."""
    if not columns or not all(table.holds_scores(column) for column in columns):
        return False
    total = table.frame[list(columns)].to_numpy(dtype=np.float64).sum(axis=1)
    return bool((np.abs(total - 1) <= SUM_TOLERANCE).all())


def _refuse_wrong_sums(table: Table, columns: Sequence[str], y_score: np.ndarray) -> None:
    """Refuses the first row whose scores do not sum to 1."""
    total = y_score.sum(axis=1)
    wrong = np.abs(total - 1) > SUM_TOLERANCE
    if wrong.any():
        index = int(np.argmax(wrong))
        where = f"{columns[0]} … {columns[-1]}"
        raise PredictionsError(
            f"{table.name}, row {index + FIRST_ROW}, columns {where}: the scores sum to {total[index]:.6g}; "
            f"expected 1 within {SUM_TOLERANCE:g}. Give probabilities, not logits or percentages"
        )
