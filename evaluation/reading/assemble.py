"""From a table to predictions: what y_true means, which class each column scores, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.predictions import LARGEST_VALUE, Predictions, PredictionsError, RegressionPredictions
from evaluation.reading.cells import Labels
from evaluation.reading.columns import PREFIX, WEIGHTS, find_score_columns
from evaluation.reading.examples import Examples, read_examples, read_ids
from evaluation.reading.labels import GENERIC_NAMES, find_label, match_labels
from evaluation.reading.missing import apply_policy, known_truth
from evaluation.reading.options import ReadOptions
from evaluation.reading.scores import probabilities, read_scores
from evaluation.reading.table import Table


def predictions_from_table(
    table: Table, positive: str | None, options: ReadOptions
) -> Predictions | RegressionPredictions:
    """Interprets a table as predictions of classes or of a number.

    Args:
        table: Columns with `y_true` among them.
        positive: The condition looked for, or None.
        options: Logits, missing results, subgroups.

    Returns:
        The predictions.

    Raises:
        PredictionsError: If columns or cells contradict the format.
    """
    truth = table.labels("y_true")
    columns = find_score_columns(table, truth.names, logits=options.logits)
    if not columns and "y_pred" in table.frame:
        return regression_from_table(table, positive)
    if not columns:
        raise table.error(
            "no score columns. Expected y_true and one column p_<class> with values from 0 to 1 per class, "
            "or y_true,y_pred for a regression"
        )
    names = [column.removeprefix(PREFIX) for column in columns]
    truth = known_truth(table, truth, [*names, positive or ""], options)
    values = read_scores(table, columns, options)
    matched, names = match_labels(np.array(truth.names, dtype=object), names)
    truth = truth.translated(matched.tolist())
    positive = None if positive is None else find_label(positive, [*names, *sorted(truth.names)])
    if len(names) == 1:
        names = _names_of_one_score(table, truth, names[0], positive)
        positive = names[1]
    return classify(table, columns, values=values, truth=truth, names=names, positive=positive, options=options)


def classify(
    table: Table,
    columns: Sequence[str],
    *,
    values: np.ndarray,
    truth: Labels,
    names: Sequence[str],
    positive: str | None,
    options: ReadOptions,
) -> Predictions:
    """Puts predictions of classes together.

    Args:
        table: Where they come from.
        columns: Names of the C score columns.
        values: As `read_scores` returns them, shape (n, C).
        truth: The column y_true; -1 where missing.
        names: The K classes: those that the columns score, or (negative, positive) for a single column.
        positive: The condition looked for, or None.
        options: Logits, missing results, subgroups.

    Returns:
        The predictions.

    Raises:
        PredictionsError: If labels, sums, ids or weights contradict the format.
    """
    y_score = probabilities(table, columns, values, options)
    y_true = _indices(table, truth, names)
    if len(names) > 2 and positive is not None:
        option = table.option("positive") if not table.python else "positive"
        raise table.error(
            f"{option} is for two classes; the file scores {len(names)}. Leave it out, or give a file of two"
        )
    if len(names) == 2 and _is_reversed(table, names, positive):
        names, y_score, y_true = names[::-1], y_score[:, ::-1], np.where(y_true < 0, -1, 1 - y_true)
    return _put_together(table, read_examples(table, columns, options), y_true, y_score, names, options)


def _put_together(
    table: Table,
    examples: Examples,
    y_true: np.ndarray,
    y_score: np.ndarray,
    names: Sequence[str],
    options: ReadOptions,
) -> Predictions:
    """The predictions, after the policy for missing results has left examples out."""
    keep, y_score, missing = apply_policy(table, y_true, y_score, names, options)

    def kept(column: np.ndarray) -> np.ndarray:
        return column if keep is None else column[keep]

    def kept_or_none(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else kept(column)

    weights = kept_or_none(examples.weights)
    if weights is not None and not weights.any():
        raise table.error("every example that is left has the weight 0. Expected a number above 0 for some")
    return Predictions(
        ids=kept(examples.ids),
        y_true=kept(y_true),
        y_score=np.ascontiguousarray(kept(y_score)),
        labels=tuple(names),
        positive=names[1] if len(names) == 2 else None,
        groups=kept_or_none(examples.groups),
        weights=weights,
        subgroups={name: kept(column) for name, column in examples.subgroups.items()},
        images=kept_or_none(examples.images),
        missing=missing,
        notes=examples.notes,
    )


def regression_from_table(table: Table, positive: str | None) -> RegressionPredictions:
    """Predictions of a number, from y_true and y_pred.

    Args:
        table: With the columns y_true and y_pred.
        positive: Must be None.

    Returns:
        The predictions.

    Raises:
        PredictionsError: If a cell is no finite number, or the table has weights.
    """
    if positive is not None:
        raise table.error(f"{table.option('positive', positive)} needs class scores; y_true,y_pred is a regression")
    try:
        y_true, y_pred = table.numbers("y_true"), table.numbers("y_pred")
    except PredictionsError as error:
        raise PredictionsError(f"{error}. For classes, add one score column p_<class> per class") from None
    for column, values in (("y_true", y_true), ("y_pred", y_pred)):
        large = np.abs(values) > LARGEST_VALUE
        if large.any():
            wanted = f"expected a number from {-LARGEST_VALUE:g} to {LARGEST_VALUE:g}. Use another unit"
            raise table.refuse(int(np.argmax(large)), column, f"whose square overflows; {wanted}")
    weight = next((name for name in WEIGHTS if name in table.frame), None)
    if weight is not None:
        raise table.error(f"column {weight}: a regression takes no weights. Remove the column or rename it")
    return RegressionPredictions(read_ids(table), y_true, y_pred)


def _names_of_one_score(table: Table, truth: Labels, name: str, positive: str | None) -> list[str]:
    """The (negative, positive) class where a single column scores one of them."""
    present = sorted(truth.names)
    if name not in present and name in (*GENERIC_NAMES, "logit", "logits") and positive in present:
        name = str(positive)
    if positive is not None and positive != name:
        raise table.error(
            f"{table.option('positive', positive)} contradicts the only score column, which scores {name!r}. "
            f"Use {table.option('positive', name)} or add a column {PREFIX}{positive}"
        )
    others = [label for label in present if label != name]
    numbered = set(others) <= {"0", "1"}
    if len(others) == 1 and (name in present or not numbered or name.isdigit()):
        return [others[0], name]
    if numbered and (not others or not name.isdigit()):
        return [f"not {name}", name]
    raise table.error(
        f"the only score column scores {name!r}, but y_true holds {', '.join(present[:5])}. "
        "Expected that class and one other; name the column p_<class> or add the missing columns"
    )


def _is_reversed(table: Table, names: Sequence[str], positive: str | None) -> bool:
    """Whether the first of two classes is the positive one."""
    if positive not in names:
        received = "none was given" if positive is None else f"received {positive!r}"
        first, second = (table.option("positive", name) for name in names)
        raise table.error(f"two classes need to know the condition looked for: {received}. Use {first} or {second}")
    return positive == names[0]


def _indices(table: Table, truth: Labels, names: Sequence[str]) -> np.ndarray:
    """y_true as class indices, shape (n,), -1 where missing: by name, or by number where all are integers below K."""
    by_name = {name: index for index, name in enumerate(names)}
    by_number = {str(index): index for index in range(len(names))}
    named, counted = (sum(value in known for value in truth.names) for known in (by_name, by_number))
    lookup = by_number if counted > named else by_name
    indices = np.array([*(lookup.get(value, -2) for value in truth.names), -1], dtype=np.int64)[truth.codes]
    unknown = indices == -2
    if unknown.any():
        known = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
        reason = "which is an unknown label; " + ("labels are" if table.kind == "arrays" else "the score columns name")
        raise table.refuse(int(np.argmax(unknown)), "y_true", f"{reason} {known}")
    return indices
