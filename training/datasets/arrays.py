"""The npz source: the user's own arrays, images or tables, checked before use."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from training.datasets.assemble import assemble
from training.datasets.classes import order_classes, reorder
from training.datasets.dataset import SPLIT_NAMES, DataError, Dataset, Split, Task, digest_of
from training.datasets.groups import one_spelling
from training.datasets.splits import DEFAULT_CARVING, Carving
from training.datasets.text import listed, printable

KEYS = tuple(f"{kind}_{name}" for name in SPLIT_NAMES for kind in ("x", "y", "group", "id")) + ("class_names",)


def load_npz(
    path: str | Path | None,
    *,
    task: Task = "classification",
    carving: Carving = DEFAULT_CARVING,
    positive: str | None = None,
) -> Dataset:
    """Loads `x_train, y_train[, x_validation, y_validation, x_test, y_test][, group_…][, id_…][, class_names]`.

    Args:
        path: The .npz file. Images: `(n, height, width[, channels])`, integers in 0…255. Tables:
            `(n, features)`. Labels: integers or strings; numbers for regression. `id_train`, …: a name for each
            example, by which predictions and reports call it; without them it is its place, such as `train/07`.
        task: What y means.
        carving: How missing splits are cut from train.
        positive: Two classes: the condition looked for.

    Raises:
        DataError: The file or an array is not usable.
    """
    arrays = _read(path)
    _check_keys(arrays)
    arrays = {key: _as_text(values, key) for key, values in arrays.items()}
    given = [name for name in SPLIT_NAMES if f"x_{name}" in arrays]
    xs = {name: _features(arrays.pop(f"x_{name}"), f"x_{name}") for name in given}
    _check_shapes(xs)
    ys = {name: _column(arrays[f"y_{name}"], f"y_{name}", len(xs[name])) for name in given}
    groups = _groups(arrays, xs)
    ids = _ids(arrays, xs)
    content = [item for name in given for item in (name, xs[name], ys[name], groups[name])]
    named = [ids[name] for name in given if f"id_{name}" in arrays]
    digest = digest_of([*content, _names(arrays), *named])
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    if task == "classification":
        names, ys = _classes(ys, _names(arrays))
        class_names, notes = order_classes(names, positive)
        ys = {name: reorder(y, names, class_names) for name, y in ys.items()}
    else:
        ys = {name: _targets(y, f"y_{name}") for name, y in ys.items()}
    kind: Literal["image", "table"] = "image" if xs["train"].ndim == 4 else "table"
    parts = {name: Split(xs[name], ys[name], ids[name], groups[name]) for name in given}
    splits, more = assemble(parts, carving=carving, class_names=class_names, unit="image" if kind == "image" else "row")
    return Dataset(
        name="npz",
        kind=kind,
        task=task,
        **splits,
        class_names=class_names,
        digest=digest,
        feature_names=() if kind == "image" else tuple(f"x{i}" for i in range(xs["train"].shape[1])),
        notes=(*notes, *more),
        settings={"splits_given": given},
    )


def _read(path: str | Path | None) -> dict[str, np.ndarray]:
    """Every array of the file; pickled objects are refused."""
    if not path:
        raise DataError("The npz source needs a file: give --data-dir data.npz with x_train and y_train.")
    file = Path(path).expanduser()
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise DataError(f"{printable(file)} {what}. Expected an .npz file. Check --data-dir.")
    key = ""
    try:
        with open(file, "rb") as opened, np.load(opened, allow_pickle=False) as archive:
            arrays = {}
            for key in archive.files:
                arrays[key] = archive[key]
            return arrays
    except PermissionError as error:
        raise DataError(f"{printable(file)}: permission denied. Allow reading it.") from error
    except Exception as error:  # torn archives raise zipfile, zlib, EOF, value and header errors
        if "allow_pickle" in str(error) and key:
            raise DataError(
                f"{printable(file)}: {key} holds Python objects, which are not loaded for safety. "
                "Expected numbers or strings. Save it with a plain dtype."
            ) from error
        whole = zipfile.is_zipfile(file)
        raise DataError(
            f"{printable(file)} is {'torn' if whole or _starts_as_zip(file) else 'not an .npz file'}"
            f"{f' at {printable(key)}' if key else ''}. Expected what numpy.savez writes. Save it again."
        ) from error


def _starts_as_zip(file: Path) -> bool:
    with open(file, "rb") as opened:
        return opened.read(2) == b"PK"


def _check_keys(arrays: dict[str, np.ndarray]) -> None:
    unknown = [key for key in arrays if key not in KEYS]
    if unknown:
        raise DataError(
            f"Unknown arrays: {listed(unknown)}. Expected some of {', '.join(KEYS)}. Rename or remove them."
        )
    for name in SPLIT_NAMES:
        present = [key for key in (f"x_{name}", f"y_{name}") if key in arrays]
        if len(present) == 1 or (name == "train" and not present):
            raise DataError(
                f"x_{name} and y_{name} are both needed. Received: {listed(arrays) or 'no arrays'}. Add both."
            )
        for kind in ("group", "id"):
            if not present and f"{kind}_{name}" in arrays:
                raise DataError(f"{kind}_{name} stands without x_{name} and y_{name}. Add them, or remove it.")
    grouped = [f"group_{name}" for name in SPLIT_NAMES if f"group_{name}" in arrays]
    lacking = [f"group_{name}" for name in SPLIT_NAMES if f"x_{name}" in arrays and f"group_{name}" not in arrays]
    if grouped and lacking:
        raise DataError(
            f"{grouped[0]} needs {' and '.join(lacking)} as well, so that no group stands in two splits. "
            f"Received: {listed(grouped)}. Give groups for every split, or for none."
        )


def _as_text(values: np.ndarray, name: str) -> np.ndarray:
    """Texts that were saved as bytes, decoded; other arrays as they are."""
    if values.dtype.kind != "S":
        return values
    try:
        return np.strings.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} holds bytes that are not UTF-8: {error.object!r}. Expected texts. Save it with dtype=str."
        ) from error


def _groups(arrays: dict[str, np.ndarray], xs: dict[str, np.ndarray]) -> dict[str, np.ndarray | None]:
    """Names of the groups of each split, spelled alike in all."""
    if "group_train" not in arrays:
        return dict.fromkeys(xs)
    columns = [_column(arrays[f"group_{name}"], f"group_{name}", len(x)) for name, x in xs.items()]
    together = one_spelling(label for column in columns for label in column.astype(str).tolist())
    ends = np.cumsum([len(column) for column in columns])
    return dict(zip(xs, np.split(together, ends[:-1]), strict=True))


def _features(x: np.ndarray, name: str) -> np.ndarray:
    """Images as uint8 with a channel axis, tables as float32."""
    if x.ndim == 2:
        return _table(x, name)
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4:
        raise DataError(
            f"{name} must have shape (n, height, width[, channels]) for images or (n, features) for a table. "
            f"Received: {x.shape}. Reshape it."
        )
    if len(x) == 0:
        raise DataError(f"{name} holds no examples. Add some, or leave {name} out.")
    if 0 in x.shape:
        raise DataError(f"{name} holds images without pixels. Received shape: {x.shape}. Save whole images.")
    if x.shape[3] not in (1, 3):
        hint = "Move the channels to the last axis." if x.shape[1] in (1, 3) else "Keep one (grey) or three (RGB)."
        raise DataError(f"{name} must have 1 or 3 channels, last. Received shape: {x.shape}. {hint}")
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    if x.dtype.kind not in "iu":
        scale = (
            " Multiply by 255 and save" if x.dtype.kind == "f" and x.max(initial=0) <= 1 else " Scale to 0…255, save"
        )
        raise DataError(f"{name} must hold raw pixels, integers in 0…255. Received: {x.dtype}.{scale} as uint8.")
    if x.min() < 0 or x.max() > 255:
        raise DataError(f"{name} must lie in 0…255. Received: {x.min()}…{x.max()}. Scale it and save as uint8.")
    return x.astype(np.uint8)


def _table(x: np.ndarray, name: str) -> np.ndarray:
    if x.dtype.kind not in "iufb":
        raise DataError(
            f"{name} must hold numbers. Received: {x.dtype}. Encode texts as numbers, or use the csv source."
        )
    if 0 in x.shape:
        raise DataError(f"{name} is empty. Received shape: {x.shape}. Add rows and columns.")
    with np.errstate(over="ignore"):
        table = np.array(x, dtype=np.float32)
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        row, column = (int(i) for i in wrong[0])
        raise DataError(
            f"{name} must be finite. Received: {x[row, column]} in row {row}, column {column} (counted from 0), "
            f"and {len(wrong) - 1:,} more. Fill in or remove such rows."
        )
    return table


def _check_shapes(xs: dict[str, np.ndarray]) -> None:
    for name, x in xs.items():
        if x.shape[1:] != xs["train"].shape[1:]:
            raise DataError(
                f"x_{name} must have examples of the shape of x_train, {xs['train'].shape[1:]}. "
                f"Received: {x.shape[1:]}. Give all splits one shape."
            )


def _column(values: np.ndarray, name: str, length: int) -> np.ndarray:
    """`(n,)`; Keras' `(n, 1)` is flattened."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        hint = " For one-hot labels save y.argmax(axis=1)." if values.ndim == 2 else " Flatten it."
        raise DataError(f"{name} must have one dimension, (n,). Received shape: {values.shape}.{hint}")
    if len(values) != length:
        raise DataError(
            f"{name} must have one entry per example, {length:,}. Received: {len(values):,}. Save both again."
        )
    return values


def _names(arrays: dict[str, np.ndarray]) -> list[str]:
    names = [str(name) for name in arrays["class_names"].ravel()] if "class_names" in arrays else []
    if len(set(names)) != len(names):
        raise DataError(f"class_names must differ from each other. Received: {listed(names, 20)}. Rename one.")
    return names


def _classes(ys: dict[str, np.ndarray], names: list[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Class names in natural order, and labels as indices into them."""
    for name, y in ys.items():
        if y.dtype.kind not in "iubU":
            raise DataError(f"y_{name} must hold integers or strings. Received: {y.dtype}. Save it as int64.")
    text = {y.dtype.kind == "U" for y in ys.values()}
    if len(text) > 1:
        raise DataError("All y must be of one type. Received: strings and integers. Save all of them as one.")
    train = np.unique(ys["train"])
    if len(train) < 2:
        raise DataError(f"y_train must hold at least two classes. Received: {listed(train.tolist())}. Add another.")
    values: list = list(names) if names and text == {True} else list(range(len(names))) if names else train.tolist()
    for name, y in ys.items():
        unknown = sorted(set(y.tolist()) - set(values))
        if unknown:
            known = f"0 to {len(names) - 1} (class_names)" if names and text == {False} else listed(values)
            raise DataError(
                f"y_{name} holds labels that are no class: {listed(unknown)}. Expected {known}. Correct them."
            )
    lacking = [str(value) for value in values if value not in set(train.tolist())]
    if lacking:
        raise DataError(
            f"y_train holds no example of {listed(lacking)}. Expected every class of class_names. Add some."
        )
    place = {value: index for index, value in enumerate(values)}
    indices = {name: np.array([place[label] for label in y.tolist()], dtype=np.int64) for name, y in ys.items()}
    return names or [str(value) for value in values], indices


def _targets(y: np.ndarray, name: str) -> np.ndarray:
    if y.dtype.kind not in "iuf":
        raise DataError(
            f"{name} must hold numbers for regression. Received: {y.dtype}. Choose a classifier, or save numbers."
        )
    with np.errstate(over="ignore"):
        targets = y.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(targets))
    if len(wrong):
        raise DataError(
            f"{name} must be finite. Received: {y[wrong[0]]} in row {wrong[0]} (counted from 0). Remove the row."
        )
    return targets


def _ids(arrays: dict[str, np.ndarray], xs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The user's own names of the examples, or their places."""
    ids = {}
    for name, x in xs.items():
        if f"id_{name}" in arrays:
            ids[name] = _column(arrays[f"id_{name}"], f"id_{name}", len(x)).astype(str)
        else:
            ids[name] = np.array([f"{name}/{i:0{len(str(len(x) - 1))}d}" for i in range(len(x))])
    values, counts = np.unique(np.concatenate(list(ids.values())), return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"every id must stand for one example, in all splits together. Received more than once: "
            f"{listed(values[counts > 1].tolist())}. Make them differ."
        )
    return ids
