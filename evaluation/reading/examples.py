"""What a table says about each example besides truth and scores: id, group, weight, image and subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evaluation.reading.cells import Labels, as_labels
from evaluation.reading.columns import PREDICTED_NAMES, WEIGHTS
from evaluation.reading.options import ReadOptions
from evaluation.reading.table import EXPECTED_VALUE, FIRST_ROW, Table

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES = 20
MOST_NAMED_VALUES = 100
NO_VALUE = "missing"
_SAMPLE = 10_000
_PREDICTED = ("y_pred", *PREDICTED_NAMES)


@dataclass(frozen=True)
class Examples:
    """Columns of the examples; the fields are those of `Predictions`, but with every row of the table."""

    ids: np.ndarray
    groups: np.ndarray | None = None
    weights: np.ndarray | None = None
    images: np.ndarray | None = None
    subgroups: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_examples(table: Table, scores: Sequence[str], options: ReadOptions) -> Examples:
    """Reads the columns that are no scores.

    Args:
        table: Holds them.
        scores: Names of the score columns.
        options: Which columns are subgroups.

    Returns:
        The columns, with notes on how the others were used.

    Raises:
        PredictionsError: If an id repeats, a weight cannot weigh, a group is missing, or a named subgroup column does
            not exist or has more than 100 values.
    """
    weight = _weight_column(table)
    used = {"id", "y_true", "image", weight, *scores}
    subgroups, notes = _read_subgroups(table, [name for name in table.frame.columns if name not in used], options)
    if weight and not table.python:
        notes = [f"Each example counts as much as the column {weight} says.", *notes]
    return Examples(
        ids=read_ids(table),
        groups=table.text("group") if "group" in table.frame else None,
        weights=None if weight is None else _read_weights(table, weight),
        images=table.names("image") if "image" in table.frame else None,
        subgroups=subgroups,
        notes=(*table.notes, *notes),
    )


def read_ids(table: Table) -> np.ndarray:
    """Names of the examples, shape (n,): the column `id`, or their rows. Missing and repeated ones are refused."""
    if "id" not in table.frame:
        first, last = FIRST_ROW[table.kind], FIRST_ROW[table.kind] + len(table) - 1
        return np.arange(first, last + 1).astype(f"U{len(str(last))}")
    ids = table.names("id")
    listed = ids.tolist()
    if not all(map(str.strip, listed)):
        index = next(index for index, name in enumerate(listed) if not name.strip())
        raise table.refuse(index, "id", EXPECTED_VALUE)
    if len(set(listed)) < len(listed):
        raise _repeated_id(table, listed)
    return ids


def _repeated_id(table: Table, ids: list[str]) -> Exception:
    """The error for the first id that was seen before."""
    first: dict[str, int] = {}
    index = next(index for index, name in enumerate(ids) if first.setdefault(name, index) != index)
    seen = table.place(first[ids[index]], "id") if table.kind == "arrays" else table.row(first[ids[index]])
    return table.refuse(index, "id", f"a duplicate id; first seen in {seen}. Give every example its own id")


def _weight_column(table: Table) -> str | None:
    """The column of weights, if there is one."""
    found = [name for name in WEIGHTS if name in table.frame]
    if len(found) > 1:
        raise table.error(f"both {found[0]} and {found[1]} give weights. Keep one of them")
    return found[0] if found else None


def _read_weights(table: Table, column: str) -> np.ndarray:
    """Weights, shape (n,), finite and at least 0."""
    weights = table.numbers(column, lowest=0)
    if not weights.any():
        raise table.error(f"every {column} is 0. Expected a number above 0 for some examples")
    return weights


def _read_subgroups(table: Table, rest: list[str], options: ReadOptions) -> tuple[dict[str, np.ndarray], list[str]]:
    """The subgroup columns, and a note on the columns that are none."""
    if options.subgroups is not None:
        return _read_named(table, rest, options.subgroups), []
    rest = [name for name in rest if name != "group"]
    likely = [name for name in rest if name not in _PREDICTED and not _has_many_values(table, name)]
    read = {name: _subgroup_labels(column) for name, column in _as_text(table, likely).items()}
    found = {name: labels for name, labels in read.items() if labels is not None}
    kept = {name: labels.cells() for name, labels in found.items() if 2 <= len(labels.names) <= MOST_VALUES}
    reasons = [f"{name} ({_why_ignored(found.get(name), name)})" for name in rest if name not in kept]
    more = f" and {len(reasons) - 10} more" if len(reasons) > 10 else ""
    return kept, [f"Columns not used: {', '.join(reasons[:10])}{more}."] if reasons else []


def _read_named(table: Table, rest: list[str], names: Sequence[str]) -> dict[str, np.ndarray]:
    """The subgroup columns that the caller names."""
    for name in names:
        if name not in rest:
            known = (
                f"Columns to choose from: {', '.join(rest[:10])}" if rest else "The predictions have no such columns"
            )
            raise table.error(f"subgroup column {name!r} is missing. {known}")
    found = {}
    for name, column in _as_text(table, list(dict.fromkeys(names))).items():
        labels = _subgroup_labels(column)
        if labels is None or len(labels.names) > MOST_NAMED_VALUES:
            count = "lists" if labels is None else f"{len(labels.names)} different values"
            raise table.error(
                f"subgroup column {name!r} holds {count}; expected at most {MOST_NAMED_VALUES} different values. "
                "Leave it out or group its values"
            )
        found[name] = labels.cells()
    return {name: found[name] for name in names}


def _as_text(table: Table, columns: list[str]) -> dict[str, pd.Series]:
    """Columns by name, read again as text where the table has made numbers of them."""
    numbers = [name for name in columns if getattr(table.frame[name].dtype, "kind", "O") in "iufb"]
    again = table.read_as_text(numbers) if table.read_as_text and numbers else table.frame
    return {name: (again if name in numbers else table.frame)[name] for name in columns}


def _has_many_values(table: Table, column: str) -> bool:
    """Whether the first rows alone show more values than a subgroup column or a named one may have."""
    try:
        return table.frame[column].iloc[:_SAMPLE].nunique(dropna=False) > MOST_VALUES
    except TypeError:
        return True


def _subgroup_labels(column: pd.Series) -> Labels | None:
    """Values of a subgroup column without surrounding spaces; an empty cell is the value "missing"."""
    try:
        labels = as_labels(column)
    except TypeError:
        return None
    names = [*(name.strip() or NO_VALUE for name in labels.names), NO_VALUE]
    codes = np.where(labels.codes < 0, len(labels.names), labels.codes)
    labels = Labels(codes, tuple(names)).translated(names)
    present = np.unique(labels.codes)
    position = np.zeros(len(labels.names) + 1, dtype=np.int64)
    position[present] = np.arange(len(present))
    return Labels(position[labels.codes], tuple(labels.names[code] for code in present))


def _why_ignored(labels: Labels | None, name: str) -> str:
    """Why a column is no subgroup."""
    if name in _PREDICTED:
        return "the scores decide"
    if labels is not None and len(labels.names) == 1:
        return "one value only"
    return f"more than {MOST_VALUES} different values"
