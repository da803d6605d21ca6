"""Examples that belong together, such as the images of one patient: how the folder source learns it.

`groups.csv` stands in the root of the folder and has the columns `file,group`: one line per image,
its path relative to the root with forward slashes (`cats/01.png`, or `train/cats/01.png`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.datasets.dataset import DataError
from training.datasets.text import counted, listed, printable

if TYPE_CHECKING:
    import pandas as pd

GROUPS_FILE = "groups.csv"
COLUMNS = ("file", "group")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


def one_spelling(names: Iterable[object]) -> np.ndarray:
    """Names of groups as texts; where all are numbers, equal ones (`7` and `7.0`) are spelled like the first.

    Args:
        names: One per example.
    """
    texts = [str(name) for name in names]
    if not all(NUMBER.fullmatch(text) for text in texts):
        return np.array(texts, dtype=str)
    first: dict[Decimal, str] = {}
    return np.array([first.setdefault(Decimal(text), text) for text in texts], dtype=str)


def is_groups_file(path: Path) -> bool:
    """Whether `path` is named `groups.csv`, in any case."""
    return path.name.lower() == GROUPS_FILE


def read_groups(file: Path, ids: Sequence[str]) -> np.ndarray:
    """The group of each image, `(n,)` strings.

    Args:
        file: The csv file with the columns `file,group`.
        ids: Paths of the images relative to the root, with forward slashes.

    Raises:
        DataError: The file is not usable, or does not list exactly these images.
    """
    from training.datasets.readcsv import read_csv  # loads pandas

    frame = read_csv(file)
    if set(frame.columns) != set(COLUMNS):
        raise DataError(
            f"{printable(file)} must have the columns {', '.join(COLUMNS)}. Received: {listed(frame.columns)}. "
            "Rename, add or remove columns."
        )
    _check_rows(frame, file)
    _check_files(frame["file"].tolist(), ids, file)
    group_of = dict(zip(frame["file"], one_spelling(frame["group"]).tolist(), strict=True))
    return np.array([group_of[name] for name in ids], dtype=str)


def _check_rows(frame: pd.DataFrame, file: Path) -> None:
    """Every line needs a file and a group, and a file has one line."""
    from training.datasets.encoding import is_missing

    for column, empty in (("file", (frame["file"] == "").to_numpy()), ("group", is_missing(frame["group"]))):
        if empty.any():
            raise DataError(
                f"{printable(file)} has no {column} in line {frame.index[empty][0]} "
                f"({counted(int(empty.sum()), 'line')} in all). Expected a file and its group. Fill it in."
            )
    twice = frame["file"].duplicated(keep=False)
    if twice.any():
        name = frame["file"][twice].iloc[0]
        lines = frame.index[frame["file"] == name]
        raise DataError(
            f"{printable(file)} lists {printable(name)} in lines {listed(lines)}. Expected one line per image. "
            "Remove all but one."
        )


def _check_files(rows: Sequence[str], ids: Sequence[str], file: Path) -> None:
    """The lines and the images must be the same."""
    known, present = set(rows), set(ids)
    unlisted = [name for name in ids if name not in known]
    if unlisted:
        raise DataError(
            f"{printable(file)} lacks {counted(len(unlisted), 'file')} of {len(ids):,}: {listed(unlisted)}. "
            "Expected one line per image, with its path relative to that folder (forward slashes). Add them."
        )
    absent = [name for name in rows if name not in present]
    if absent:
        raise DataError(
            f"{printable(file)} lists {counted(len(absent), 'file')} that the class folders do not hold: "
            f"{listed(absent)}. Expected the images only. Correct the paths, or remove the lines."
        )


def check_apart(groups: np.ndarray, split: np.ndarray, names: Sequence[str]) -> None:
    """Splits that the user gave must not share a group.

    Args:
        groups: `(n,)` names.
        split: `(n,)` positions in `names`.
        names: Names of the splits.

    Raises:
        DataError: A group stands in two splits.
    """
    home: dict[str, int] = {}
    shared: dict[str, tuple[int, int]] = {}
    for group, part in zip(groups.tolist(), split.tolist(), strict=True):
        if home.setdefault(group, part) != part:
            shared.setdefault(group, (home[group], part))
    if shared:
        group, (first, second) = next(iter(shared.items()))
        more = f" ({counted(len(shared) - 1, 'group')} more in two splits)" if len(shared) > 1 else ""
        raise DataError(
            f"Group {printable(group)} of {GROUPS_FILE} stands in {names[first]} and in {names[second]}{more}. "
            f"Expected every group in one split. Move its images into one, or correct {GROUPS_FILE}."
        )
