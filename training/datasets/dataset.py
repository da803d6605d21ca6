"""The one type that every data source returns, and the error that every source raises.

A `Dataset` is immutable: three splits, the names of the classes, and a SHA-256 over what was
loaded. Images are raw pixels (uint8, 0…255); tables are raw features (float32).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

SPLIT_NAMES = ("train", "validation", "test")
Kind = Literal["image", "table"]
Task = Literal["classification", "regression"]


class DataError(ValueError):
    """The user's data cannot be used. The message names the file or field, the reason and the cure."""


class ImageSource(Protocol):
    """What a split's `x` offers: a uint8 array does, and so do `CachedImages` and `ImageFiles`, which stream."""

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, height, width, channels)` or `(n, features)`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """Rows of `index` (1-D integers), in that order."""


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        x: Images, uint8 `(n, height, width, channels)` in 0…255 (an array, `CachedImages` on
            disk, or `ImageFiles` that decode on access), or features, float32 `(n, features)`.
        y: `(n,)`: class indices (int64), or targets (float32) for regression.
        ids: `(n,)` strings that name each example for a reader: relative paths for files.
        groups: `(n,)` strings, examples of one group (a patient) never stand in two splits; or None.
    """

    x: ImageSource
    y: np.ndarray
    ids: np.ndarray
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        lengths = {"x": len(self.x), "y": len(self.y), "ids": len(self.ids)}
        if self.groups is not None:
            lengths["groups"] = len(self.groups)
        if len(set(lengths.values())) != 1:
            raise ValueError(f"x, y, ids and groups must have one length. Received: {lengths}.")

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Dataset:
    """What a source loaded, split and ready for training.

    Attributes:
        name: The source's name, as in `--dataset`.
        kind: `"image"` or `"table"`.
        task: `"classification"` or `"regression"`.
        train, validation, test: The three splits.
        class_names: One name per class index; `()` for regression. With two classes the second
            is the positive class, so that the class index is also the target of a sigmoid.
        digest: SHA-256 (hex) over what was loaded.
        feature_names: One name per column for tables; `()` for images.
        notes: Sentences that the user should read: what was carved, skipped or found twice.
        bad_files: `(file, reason)` of what `on_bad="skip"` left out.
        settings: Choices that the source resolved (image size, colour mode, …), to be recorded.
    """

    name: str
    kind: Kind
    task: Task
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    digest: str
    feature_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bad_files: tuple[tuple[str, str], ...] = ()
    settings: dict = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.class_names)

    @property
    def positive(self) -> str | None:
        """The class that sensitivity speaks of; None unless there are exactly two."""
        return self.class_names[1] if self.num_classes == 2 else None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.x.shape[1:])

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {name: getattr(self, name) for name in SPLIT_NAMES}


def digest_of(parts: Sequence[object]) -> str:
    """SHA-256 (hex) over arrays (type, shape and bytes) and over anything else by its `repr`."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype.kind not in "OU":
            sha.update(f"{part.dtype.str}{part.shape}".encode())
            sha.update(np.ascontiguousarray(part).data)
        else:
            sha.update(repr(part.tolist() if isinstance(part, np.ndarray) else part).encode())
    return sha.hexdigest()
