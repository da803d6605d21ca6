"""The csv source: a table with a target column, numeric and categorical features."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from training.datasets.classes import name_labels, order_classes, reorder
from training.datasets.dataset import SPLIT_NAMES, DataError, Dataset, Split, Task, digest_of
from training.datasets.encoding import (
    Column,
    bad_cells,
    encode,
    fit_column,
    is_missing,
    is_numeric,
    numbers,
    unseen_note,
)
from training.datasets.groups import one_spelling
from training.datasets.readcsv import read_csv
from training.datasets.splits import DEFAULT_CARVING, Carving, carve, carved_note, duplicates_across, example_hash
from training.datasets.text import counted, listed, printable

SHOWN = 5
LARGEST_CLASS = 2**53  # beyond it neighbouring integers are one float64


def load_csv(
    path: str | Path | None,
    *,
    target: str | None,
    group: str | None = None,
    task: Task = "classification",
    on_bad: Literal["fail", "skip"] = "fail",
    carving: Carving = DEFAULT_CARVING,
    positive: str | None = None,
) -> Dataset:
    """Loads a table and carves validation and test.

    Numeric columns become float32. Other columns become one feature per value of the training
    split (`colour=red`); a missing one is a value of its own. A column named `id`, in any case, names the rows.

    Args:
        path: The csv file: UTF-8, commas, a header.
        target: Column to predict: classes (names or integers), or numbers for regression.
        group: Column whose equal values stay in one split (a patient's id); no feature. Where all are
            numbers, `7` and `7.0` are equal.
        task: What the target means.
        on_bad: `fail`, or `skip` rows without a target or with a bad number and list them.
        carving: How validation and test are cut.
        positive: Two classes: the condition looked for.

    Raises:
        DataError: The file, a column or a cell is not usable.
    """
    frame = read_csv(path)
    file = Path(str(path)).expanduser()
    row_id = _id_column(frame, group)
    _check_columns(frame, file, target, group, row_id)
    assert target is not None  # checked above
    features = [name for name in frame.columns if name not in (target, group, row_id)]
    values = {name: numbers(frame[name]) for name in features}
    values = {name: found for name, found in values.items() if is_numeric(frame[name], found)}
    kept, bad = _drop_bad(frame, file, target, group, values, task, on_bad)
    frame = frame.assign(**values).loc[kept]  # numeric columns become numbers here
    y, class_names, notes = _target(frame[target], task, positive)
    groups = one_spelling(frame[group]) if group else None
    parts = carve(
        y,
        validation_fraction=carving.validation_fraction,
        test_fraction=carving.test_fraction,
        seed=carving.seed,
        groups=groups,
        stratify=bool(class_names),
        class_names=class_names,
    )
    columns = [fit_column(frame[name], parts[0], name in values) for name in features]
    splits = _splits(frame, columns, y, _ids(frame, file, row_id), groups, parts)
    digest = digest_of([hashlib.sha256(file.read_bytes()).hexdigest(), target, group, task, [row for row, _ in bad]])
    return Dataset(
        name="csv",
        kind="table",
        task=task,
        **splits,
        class_names=class_names,
        digest=digest,
        feature_names=tuple(name for column in columns for name in column.feature_names),
        notes=(*notes, *_notes(frame, columns, splits, carving, bad)),
        bad_files=tuple(bad),
        settings=_settings(target, group, columns),
    )


def _splits(
    frame: pd.DataFrame,
    columns: list[Column],
    y: np.ndarray,
    ids: np.ndarray,
    groups: np.ndarray | None,
    parts: Sequence[np.ndarray],
) -> dict[str, Any]:
    """The encoded rows of each part."""
    x = np.hstack([encode(frame[column.name], column) for column in columns])
    return {
        name: Split(x[part], y[part], ids[part], None if groups is None else groups[part])
        for name, part in zip(SPLIT_NAMES, parts, strict=True)
    }


def _id_column(frame: pd.DataFrame, group: str | None) -> str | None:
    """`id`, else the one column that is so named in another case; the group names no rows."""
    found = [str(name) for name in frame.columns if str(name).lower() == "id" and name != group]
    return "id" if "id" in found else found[0] if len(found) == 1 else None


def _check_columns(frame: pd.DataFrame, file: Path, target: str | None, group: str | None, row_id: str | None) -> None:
    columns = listed(frame.columns, 30)
    if not target:
        raise DataError(f"The csv source needs the column to predict: give --target. {printable(file)} has: {columns}.")
    for flag, name in (("target", target), ("group", group)):
        if name is not None and name not in frame.columns:
            raise DataError(f"{printable(file)} has no column {printable(name)}. It has: {columns}. Correct --{flag}.")
    if target in (group, row_id):
        raise DataError(
            f"target={target} also names the {'group' if target == group else 'rows'}. Choose another --target."
        )
    if not set(frame.columns) - {target, group, row_id}:
        raise DataError(
            f"{printable(file)} has no feature beside {columns}. Expected at least one column more. Add it."
        )
    if row_id:
        twice = frame.index[frame[row_id].duplicated(keep=False)]
        if len(twice):
            raise DataError(
                f"{printable(file)}: {row_id} {printable(frame[row_id][twice[0]])!r} stands in line {twice[0]} "
                "and again. Expected one id per row. Correct it, or use the column as --group."
            )


def _drop_bad(
    frame: pd.DataFrame,
    file: Path,
    target: str,
    group: str | None,
    values: Mapping[str, np.ndarray],
    task: Task,
    on_bad: str,
) -> tuple[pd.Index, list[tuple[str, str]]]:
    """Lines of the rows that can be used, and the others with their reasons; or fails with these."""
    reasons: dict[int, str] = {}
    for name in reversed(list(values)):
        reasons |= bad_cells(frame[name], values[name])
    if group:
        reasons |= {int(line): f"no value in group column {group}" for line in frame.index[is_missing(frame[group])]}
    reasons |= {int(line): f"no value in target column {target}" for line in frame.index[is_missing(frame[target])]}
    if task == "regression":
        reasons |= _bad_targets(frame[target])
    if not reasons:
        return frame.index, []
    found = [(f"{file.name}:{line}", reasons[line]) for line in sorted(reasons)]
    if on_bad != "skip":
        shown = ", ".join(f"line {line} ({reasons[line]})" for line in sorted(reasons)[:SHOWN])
        more = f", and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        raise DataError(
            f"{counted(len(found), 'row')} of {printable(file)} cannot be used: {shown}{more}. "
            "Expected finite numbers and a target. Correct them, or leave them out with --on-bad skip."
        )
    kept = frame.index.difference(list(reasons))
    if kept.empty:
        raise DataError(
            f"Leaving out bad rows empties {printable(file)}: {found[0][1]}. Remove that column, or fill it in."
        )
    return kept, found


def _bad_targets(cells: pd.Series) -> dict[int, str]:
    """Rows without a finite number to predict; a column of texts is no target for regression at all."""
    values = numbers(cells)
    if not is_numeric(cells, values):
        line = int(cells.index[np.isnan(values)][0])
        raise DataError(
            f"Column {printable(cells.name)} must hold numbers for regression. Received: {printable(cells[line])!r} in "
            f"line {line}. Choose a classifier as --model, or another --target."
        )
    return bad_cells(cells, values)


def _target(cells: pd.Series, task: Task, positive: str | None) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """y, class names and notes."""
    if task == "regression":
        return numbers(cells).astype(np.float32), (), ()
    values = numbers(cells)
    labels = cells.to_numpy(dtype=str)
    if not np.isnan(values).any():
        wrong = (values != np.round(values)) | (np.abs(values) > LARGEST_CLASS)
        if wrong.any():
            line = int(cells.index[wrong][0])
            raise DataError(
                f"Column {printable(cells.name)} must hold classes (names or integers). Received: {cells[line]} in "
                f"line {line}. Correct it; for a measurement choose a regression model, such as --model mlp_regressor."
            )
        labels = values.astype(np.int64)
    names, y = name_labels(labels)
    if len(names) < 2:
        raise DataError(
            f"Column {printable(cells.name)} holds one class only: {listed(names)}. Expected at least two. "
            "Choose another --target, or add rows."
        )
    class_names, notes = order_classes(names, positive)
    return reorder(y, names, class_names), class_names, notes


def _ids(frame: pd.DataFrame, file: Path, row_id: str | None) -> np.ndarray:
    """The id column, else `file.csv:LINE`."""
    if row_id:
        return frame[row_id].to_numpy(dtype=str)
    return np.array([f"{file.name}:{line}" for line in frame.index])


def _notes(
    frame: pd.DataFrame, columns: list[Column], splits: dict[str, Split], carving: Carving, bad: list[tuple[str, str]]
) -> list[str]:
    """What the user should read."""
    notes = [f"Left out {counted(len(bad), 'row')} that cannot be used."] if bad else []
    train = splits["train"]
    constant = [c.name for c in columns if len(c.values) == 1 or (not c.values and _constant(train, columns, c))]
    if constant:
        notes.append(f"Constant in train, so without information: {listed(constant)}.")
    for column in columns:
        notes += unseen_note(frame[column.name], column)
    sizes = {name: len(split) for name, split in splits.items()}
    stratified = train.y.dtype.kind == "i"
    notes += carved_note(sizes, SPLIT_NAMES[1:], carving.seed, stratified=stratified, grouped=train.groups is not None)
    hashes = {name: [example_hash(row) for row in np.asarray(split.x)] for name, split in splits.items()}
    return notes + duplicates_across(hashes, {name: split.ids for name, split in splits.items()}, "row")


def _constant(train: Split, columns: list[Column], column: Column) -> bool:
    """Whether a numeric column has one value in the training split."""
    start = sum(len(c.feature_names) for c in columns[: columns.index(column)])
    values = np.asarray(train.x)[:, start]
    return bool((values == values[0]).all())


def _settings(target: str, group: str | None, columns: list[Column]) -> dict[str, Any]:
    return {"target": target, "group": group, "columns": [column.as_dict() for column in columns]}
