"""Which image files are meant, what they are called, and what their folders say about their classes."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.datasets.dataset import DataError
from training.datasets.groups import is_groups_file, read_groups
from training.datasets.layout import SPLIT_FOLDERS
from training.datasets.scan import list_files
from training.datasets.text import counted, listed, printable

CLASS_FOLDERS = "Class folders would be root/<class>/… or root/<split>/<class>/…"


@dataclass(frozen=True)
class Inputs:
    """Files in a fixed order.

    Attributes:
        paths: The files.
        ids: Their paths relative to the folder that was named, with `/`; each one different.
        y_true: `(n,)` index of each file's class, where every file stands in a class folder; else None.
        groups: `(n,)` names out of the folder's `groups.csv`; None where there is none, or no truth.
        notes: What was found out about the labels.
        name: Of what was asked for, as part of a file name.
    """

    paths: list[Path]
    ids: list[str]
    y_true: np.ndarray | None = None
    groups: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    name: str = "images"

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def digest(self) -> str:
        """SHA-256 of names, order and sizes: tells a resumed prediction that these are the files it began with."""
        sizes = [str(path.stat().st_size if path.is_file() else -1) for path in self.paths]
        return hashlib.sha256("\0".join([*self.ids, *sizes]).encode("utf-8", "surrogateescape")).hexdigest()


def find_inputs(images: Sequence[str], class_names: Sequence[str], *, labels: bool = True) -> Inputs:
    """Lists what is to be predicted.

    Args:
        images: Folders (taken with all that is below them), files, or patterns such as `photos/*.jpg`.
        class_names: The model's classes.
        labels: Whether folders named as classes give the truth.

    Raises:
        DataError: Something named does not exist, or there is no file at all.
    """
    found = [(root, path) for item in images for root, path in _expand(item) if not is_groups_file(path)]
    if not found:
        raise DataError(f"{listed(images)} holds no files. Expected images. Check the path.")
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(images[0]).expanduser().resolve().name)
    ids = _ids(found)
    if not labels or len(images) != 1 or not found[0][0].is_dir():
        return Inputs([path for _, path in found], ids, name=name)
    return _labelled(found, ids, class_names, name)


def _expand(item: str) -> list[tuple[Path, Path]]:
    """The files of one argument, each with the folder that its name is relative to."""
    path = Path(item).expanduser()
    try:
        if path.is_dir():
            return [(path, file) for file in list_files(path)]
        if os.path.lexists(path):
            return [(path.parent, path)]
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        if not matches:
            raise DataError(f"{printable(item)} does not exist, and no file matches it. Check the path.")
        files = [file for match in matches for file in (list_files(match) if match.is_dir() else [match])]
        root = Path(os.path.commonpath([match.parent for match in matches]))
        return [(root, file) for file in files]
    except PermissionError as error:
        raise DataError(
            f"{printable(error.filename)} cannot be listed: permission denied. Allow reading (chmod +rx)."
        ) from error


def _ids(found: Sequence[tuple[Path, Path]]) -> list[str]:
    """Relative paths; whole ones where two files would have the same name."""
    short = [path.relative_to(root).as_posix() for root, path in found]
    if len(set(short)) == len(short):
        return short
    whole = [path.as_posix() for _, path in found]
    if len(set(whole)) < len(whole):
        twice = next(name for name in whole if whole.count(name) > 1)
        raise DataError(f"{printable(twice)} was named twice. Expected every image once. Leave one mention out.")
    return whole


def _labelled(found: Sequence[tuple[Path, Path]], ids: list[str], class_names: Sequence[str], name: str) -> Inputs:
    """Takes the truth from the folders, if every file stands in one that is a class of the model."""
    root, paths = found[0][0], [path for _, path in found]
    folders = [_class_folder(text) for text in ids]
    unknown = sorted({folder for folder in folders if folder} - set(class_names))
    loose = folders.count("")
    if unknown or loose:
        some = set(folders) & set(class_names)
        notes = (_why_not(unknown, loose, class_names),) if some else ()
        return Inputs(paths, ids, notes=notes, name=name)
    y_true = np.array([list(class_names).index(folder) for folder in folders], dtype=np.int64)
    table = next((path for path in root.iterdir() if is_groups_file(path)), None)
    groups = read_groups(table, ids) if table else None
    notes = (f"The folders name the class of all {counted(len(ids), 'file')}: a report is written.",)
    return Inputs(paths, ids, y_true, groups, notes, name)


def _class_folder(name: str) -> str:
    """The class folder in a relative path; empty where the file stands in none."""
    parts = name.split("/")[:-1]
    if len(parts) > 1 and parts[0].lower() in SPLIT_FOLDERS:
        parts = parts[1:]
    return parts[0] if parts else ""


def _why_not(unknown: Sequence[str], loose: int, class_names: Sequence[str]) -> str:
    """Why there will be no report, although some folders are classes."""
    reasons = [f"{listed(unknown)} {'is no class' if len(unknown) == 1 else 'are no classes'} of the model"]
    reasons = reasons * bool(unknown) + [f"{counted(loose, 'file')} outside class folders"] * bool(loose)
    return f"No truth is taken from the folders: {'; '.join(reasons)} ({listed(class_names)}). {CLASS_FOLDERS}."
