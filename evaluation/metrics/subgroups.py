"""The main numbers for every value of each subgroup column, such as site or sex."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metrics.diagnostic import DecisionSample
from evaluation.predictions import Predictions
from evaluation.uncertainty.intervals import Estimate, IntervalSettings

LEAST_EXAMPLES = 30
LEAST_PER_CLASS = 10


@dataclass(frozen=True)
class SubgroupRow:
    """One value of a subgroup column.

    Attributes:
        column: Name of the column.
        value: The value that the examples share.
        n: Number of examples.
        positives: Examples of the positive class; None without one.
        accuracy: Share of right decisions.
        sensitivity: That of the positive class, or the macro average over classes.
        specificity: That of the positive class; None without one.
        auc: That of the positive class' score, or the macro average over classes.
        warning: Why the numbers are uncertain, in words; or None.
    """

    column: str
    value: str
    n: int
    positives: int | None
    accuracy: Estimate
    sensitivity: Estimate | None
    specificity: Estimate | None
    auc: Estimate | None
    warning: str | None


def subgroup_rows(
    predictions: Predictions, settings: IntervalSettings | None = None, *, columns: Sequence[str] | None = None
) -> list[SubgroupRow]:
    """Computes the main numbers within every subgroup.

    Args:
        predictions: Predictions with subgroup columns.
        settings: How intervals are computed.
        columns: Names of the columns to use, in this order; None: all of them, in the file's order.

    Returns:
        One row for every value of each column, values in their natural order ("site 2" before "site 10").

    Raises:
        ValueError: If a column does not exist.
    """
    settings = settings or IntervalSettings()
    names = list(predictions.subgroups) if columns is None else list(columns)
    for name in names:
        if name not in predictions.subgroups:
            known = ", ".join(predictions.subgroups) or "none"
            raise ValueError(f"columns must name subgroup columns ({known}). Received: {name!r}.")
    called = predictions.y_pred
    rows = []
    for name in names:
        values, index = np.unique(np.asarray(predictions.subgroups[name], dtype=str), return_inverse=True)
        for at in sorted(range(len(values)), key=lambda at: _natural(str(values[at]))):
            rows.append(_row(predictions, called, np.flatnonzero(index == at), (name, str(values[at])), settings))
    return rows


def _row(
    predictions: Predictions, called: np.ndarray, chosen: np.ndarray, where: tuple[str, str], settings: IntervalSettings
) -> SubgroupRow:
    """The numbers of the chosen examples."""
    y_true = predictions.y_true[chosen]
    weights = None if predictions.weights is None else predictions.weights[chosen]
    groups = None if predictions.groups is None else predictions.groups[chosen]
    if weights is not None and not weights.any():
        nothing = Estimate(None, reason="all weights are 0")
        return SubgroupRow(*where, len(chosen), None, nothing, None, None, None, "All its examples have the weight 0.")
    k = len(predictions.labels)
    sample = DecisionSample(y_true, called[chosen], k, groups=groups, weights=weights, settings=settings)
    accuracy = sample.overall()["accuracy"]
    auc = _area(predictions, chosen, settings)
    if predictions.positive is None:
        recall = sample.averages()["macro"]["sensitivity"].estimate
        return SubgroupRow(*where, len(chosen), None, accuracy, recall, None, auc, _warning(len(chosen), None))
    measures = sample.class_measures(1)
    positives = int(np.count_nonzero(y_true == 1))
    warning = _warning(len(chosen), positives)
    return SubgroupRow(
        *where, len(chosen), positives, accuracy, measures["sensitivity"], measures["specificity"], auc, warning
    )


def _area(predictions: Predictions, chosen: np.ndarray, settings: IntervalSettings) -> Estimate:
    """AUC of the positive class' score, or the macro average."""
    from evaluation.metrics.auc import auc_estimate
    from evaluation.metrics.multiclass import average_auc

    y_true, y_score = predictions.y_true[chosen], predictions.y_score[chosen]
    weights = None if predictions.weights is None else predictions.weights[chosen]
    groups = None if predictions.groups is None else predictions.groups[chosen]
    if predictions.positive is not None:
        return auc_estimate(y_true == 1, y_score[:, 1], weights=weights, groups=groups, settings=settings)
    return average_auc(y_true, y_score, weights=weights, groups=groups, settings=settings)["macro"].estimate


def _warning(n: int, positives: int | None) -> str | None:
    """What a reader must know about a small subgroup, as a sentence."""
    few = []
    if n < LEAST_EXAMPLES:
        few.append(f"only {_count(n, 'example')}")
    if positives is not None:
        for number, name in ((positives, "positive"), (n - positives, "negative")):
            if number < LEAST_PER_CLASS:
                few.append(f"{'no' if number == 0 else 'only'} {_count(number, name) if number else name + 's'}")
    if not few:
        return None
    text = few[0] if len(few) == 1 else f"{', '.join(few[:-1])} and {few[-1]}"
    return f"{text[0].upper()}{text[1:]}: read these numbers with caution."


def _count(number: int, noun: str) -> str:
    """ "1 example", "2 examples"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sorting key by which "site 2" comes before "site 10"."""
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part.casefold()) for part in parts]
