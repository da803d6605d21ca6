"""Reads the layout of a folder of images: which split and class each file belongs to."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.datasets.dataset import SPLIT_NAMES, DataError
from training.datasets.groups import GROUPS_FILE, check_apart, is_groups_file, read_groups
from training.datasets.scan import list_files, visible
from training.datasets.text import counted, listed, printable

SPLIT_FOLDERS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
EXPECTED = "Expected one folder per class, root/<class>/…, or root/{train,validation,test}/<class>/…"


@dataclass
class Layout:
    """Files of a folder, in a fixed order, train first.

    Attributes:
        root: The folder.
        paths: Files.
        classes: Class names, alphabetical.
        y: `(n,)` index into `classes`.
        split: `(n,)` position in `SPLIT_NAMES`; 0 for all where the folder has no splits.
        given: Splits that stand in the folder; `("train",)` where it has none.
        notes: What was ignored.
        groups: `(n,)` names out of `groups.csv`; None where there is none.
    """

    root: Path
    paths: list[Path]
    classes: list[str]
    y: np.ndarray
    split: np.ndarray
    given: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    groups: np.ndarray | None = None

    def ids(self) -> np.ndarray:
        """Paths relative to the root, with `/`."""
        return np.array([path.relative_to(self.root).as_posix() for path in self.paths])

    def keep(self, good: np.ndarray) -> None:
        """Leaves out every file but `good` (positions)."""
        self.paths = [self.paths[i] for i in good]
        self.y, self.split = self.y[good], self.split[good]
        self.groups = None if self.groups is None else self.groups[good]


def read_layout(data_dir: str | Path | None) -> Layout:
    """Finds splits, classes, files and their groups.

    Raises:
        DataError: The folder is missing, empty, or laid out in another way; or its groups.csv is not usable.
    """
    root = _root(data_dir)
    folders, loose = _list(root)
    tables = [path for path in loose if is_groups_file(path)]
    loose = [path for path in loose if path not in tables]
    if not folders:
        if loose:
            raise DataError(
                f"{printable(root)} holds {counted(len(loose), 'file')} but no class folders. {EXPECTED}. "
                "Move the images of each class into a folder with its name."
            )
        raise DataError(f"{printable(root)} is empty: zero classes. {EXPECTED}. Check --data-dir.")
    splits = _splits(root, folders)
    contents = {name: _classes(folder, root) for name, folder in splits.items()}
    _check_names(root, contents)
    classes = list(contents["train"])
    _compare(splits, contents, classes)
    if len(classes) < 2:
        raise DataError(
            f"{printable(splits['train'])} holds one class only: {classes[0]}. Expected at least two. {EXPECTED}."
        )
    layout = _collect(root, contents, classes)
    _add_groups(layout, tables)
    if loose:
        layout.notes.append(f"Ignored, because they stand outside the class folders: {listed(p.name for p in loose)}.")
    return layout


def _root(data_dir: str | Path | None) -> Path:
    if not data_dir:
        raise DataError(f"The folder source needs a folder: give --data-dir. {EXPECTED}.")
    root = Path(data_dir).expanduser()
    if not root.exists():
        raise DataError(f"{printable(root)} does not exist. Expected a folder of images. Check --data-dir.")
    if not root.is_dir():
        raise DataError(f"{printable(root)} is a file. Expected a folder of images. Give its folder as --data-dir.")
    return root


def _list(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        return visible(folder)
    except PermissionError as error:
        raise DataError(
            f"{printable(folder)} cannot be listed: permission denied. Allow reading it (chmod +rx)."
        ) from error


def _splits(root: Path, folders: Sequence[Path]) -> dict[str, Path]:
    """Split name → folder; the root itself is train where it has no splits."""
    named = [folder for folder in folders if folder.name.lower() in SPLIT_FOLDERS]
    if not named:
        return {"train": root}
    others = [folder.name for folder in folders if folder not in named]
    if others:
        raise DataError(
            f"{printable(root)} mixes split folders ({listed(f.name for f in named)}) with others ({listed(others)}). "
            f"{EXPECTED}. Move or rename one kind."
        )
    splits: dict[str, Path] = {}
    for folder in named:
        name = SPLIT_FOLDERS[folder.name.lower()]
        if name in splits:
            raise DataError(
                f"{printable(root)} holds two {name} folders: {splits[name].name}, {folder.name}. Keep one of them."
            )
        splits[name] = folder
    if "train" not in splits:
        raise DataError(
            f"{printable(root)} holds {listed(f.name for f in named)} but no train folder. {EXPECTED}. Add train."
        )
    return {name: splits[name] for name in SPLIT_NAMES if name in splits}


def _classes(folder: Path, root: Path) -> dict[str, list[Path]]:
    """Class name → files of one split."""
    folders, loose = _list(folder)
    if any(is_groups_file(path) for path in loose) and folder != root:
        raise DataError(
            f"{printable(folder)} holds {GROUPS_FILE}. Expected it in {printable(root)}, for all splits. Move it there."
        )
    if not folders:
        held = f"{counted(len(loose), 'file')} but no class folders" if loose else "no class folders"
        raise DataError(
            f"{printable(folder)} holds {held}. {EXPECTED}. Put the images of each class into a folder with its name."
        )
    contents = {}
    for child in folders:
        try:
            contents[child.name] = list_files(child)
        except PermissionError as error:
            raise DataError(
                f"{printable(error.filename)} cannot be listed: permission denied. Allow reading (chmod +rx)."
            ) from error
        if not contents[child.name]:
            raise DataError(
                f"{printable(child)} holds no images. Expected at least one per class. "
                "Add images, or remove the folder."
            )
    return contents


def _check_names(root: Path, contents: dict[str, dict[str, list[Path]]]) -> None:
    """Classes need names that a reader can tell apart, and every path must be text that a csv file can hold."""
    for found in contents.values():
        for name in found:
            if name != name.strip() or any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in name):
                raise DataError(
                    f"The class folder {name!r} in {printable(root)} has a name that begins or ends "
                    "with a space, or holds a control character. Expected plain text. Rename it."
                )
    paths = [path.relative_to(root) for found in contents.values() for files in found.values() for path in files]
    wrong = [_shown(path) for path in paths if not _is_utf8(path)]
    if wrong:
        raise DataError(
            f"{printable(root)} holds {counted(len(wrong), 'file')} with a name or folder name that is not UTF-8: "
            f"{listed(wrong)}. Expected names in UTF-8. Rename the file or its folder."
        )


def _is_utf8(path: Path) -> bool:
    """Undecodable bytes of a name are surrogates in Python's text, which UTF-8 refuses."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: Path) -> str:
    r"""A name with the bytes that are not UTF-8 as `\xe9`."""
    return os.fsencode(path.as_posix()).decode("utf-8", errors="backslashreplace")


def _add_groups(layout: Layout, tables: Sequence[Path]) -> None:
    """The groups of `groups.csv`, where the root holds one; given splits must not share any."""
    if not tables:
        return
    if len(tables) > 1:
        raise DataError(
            f"{printable(layout.root)} holds {listed(path.name for path in tables)}. "
            f"Expected one {GROUPS_FILE}. Keep one of them."
        )
    layout.groups = read_groups(tables[0], layout.ids().tolist())
    check_apart(layout.groups, layout.split, SPLIT_NAMES)
    layout.notes.append(
        f"{tables[0].name} names {counted(len(set(layout.groups)), 'group')}; none stands in two splits."
    )


def _compare(splits: dict[str, Path], contents: dict[str, dict[str, list[Path]]], classes: Sequence[str]) -> None:
    """Every split must hold the classes of train."""
    for name, found in contents.items():
        lacking, extra = [c for c in classes if c not in found], [c for c in found if c not in classes]
        if lacking or extra:
            parts = [f"{name} lacks {listed(lacking)}"] * bool(lacking)
            parts += [f"train lacks {listed(extra)}"] * bool(extra)
            raise DataError(
                f"The classes of {printable(splits['train'])} and {printable(splits[name])} differ: "
                f"{'; '.join(parts)}. "
                "Expected the same class folders in every split. Rename, add or remove folders."
            )


def _collect(root: Path, contents: dict[str, dict[str, list[Path]]], classes: list[str]) -> Layout:
    files = [
        (path, label, SPLIT_NAMES.index(name))
        for name, found in contents.items()
        for label, class_name in enumerate(classes)
        for path in found[class_name]
    ]
    paths, y, split = zip(*files, strict=True)
    return Layout(root, list(paths), classes, np.array(y), np.array(split), tuple(contents))


def check_classes(layout: Layout) -> None:
    """After bad files were left out: every class must still stand in every given split."""
    for name in layout.given:
        present = set(layout.y[layout.split == SPLIT_NAMES.index(name)].tolist())
        empty = [class_name for label, class_name in enumerate(layout.classes) if label not in present]
        if empty:
            where = f"{name}: " if len(layout.given) > 1 else ""
            raise DataError(
                f"Leaving out bad files empties {where}{listed(empty)} in {printable(layout.root)}. "
                "Expected at least one good image per class. Add images, or remove the class."
            )
