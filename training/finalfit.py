"""The final fit: train and validation together, once validation has chosen everything; nothing chooses after that."""

from __future__ import annotations

import dataclasses
from typing import cast

import numpy as np

from training.datasets.dataset import Dataset, ImageSource, Split
from training.datasets.files import ImageFiles

NOTE = (
    "Final fit: validation ({validation:,}) is trained on together with train ({train:,}). Nothing chooses any more: "
    "the weights are those of the last epoch, and only the test set is reported."
)
VERDICT = "train and validation were trained on together; no image is left that could judge the curves."


class Joined:
    """An `ImageSource` over two others, one behind the other.

    Args:
        first, second: Images of one size.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, first: ImageSource, second: ImageSource) -> None:
        self.first = first
        self.second = second

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, height, width, channels)`."""
        return (len(self), *self.first.shape[1:])

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """Rows of `index` (1-D integers), in that order."""
        index = np.asarray(index)
        border, images = len(self.first), np.empty((len(index), *self.first.shape[1:]), self.dtype)
        front = index < border
        for part, rows in ((self.first, front), (self.second, ~front)):
            if rows.any():
                images[rows] = part[index[rows] - (0 if part is self.first else border)]
        return images


def with_validation(data: Dataset) -> Dataset:
    """The data set whose `train` holds validation too, train first; validation itself stays as it is.

    Args:
        data: As it was loaded. Its digest stays: the images are the same.

    Returns:
        The data set, with a note that says what was done.
    """
    train, validation = data.train, data.validation
    groups = None
    if train.groups is not None and validation.groups is not None:
        groups = np.concatenate([train.groups, validation.groups])
    joined = Split(
        x=_joined(train.x, validation.x),
        y=np.concatenate([train.y, validation.y]),
        ids=np.concatenate([train.ids, validation.ids]),
        groups=groups,
    )
    note = NOTE.format(train=len(train), validation=len(validation))
    return dataclasses.replace(data, train=joined, notes=(*data.notes, note))


def _joined(first: ImageSource, second: ImageSource) -> ImageSource:
    """Arrays become one array, files one list of files, so that the pipeline treats them as it does each."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return cast(ImageSource, np.concatenate([first, second]))
    if isinstance(first, ImageFiles) and isinstance(second, ImageFiles) and first.settings == second.settings:
        hashes = None if first.hashes is None or second.hashes is None else [*first.hashes, *second.hashes]
        return ImageFiles([*first.paths, *second.paths], first.settings, hashes)
    return Joined(first, second)
