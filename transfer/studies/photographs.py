"""Photographs for the study of images per class: training images, and all others, which are scored once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.datasets.cifar10 import FOLDER, load_cifar10
from training.datasets.dataset import Dataset, Split, digest_of
from training.datasets.folder import load_folder

HOW = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Photographs:
    """A data set at one size.

    Attributes:
        name: Of its folder.
        train: Images to draw from.
        held: Images to score: validation and test, because nothing is chosen on either.
        class_names: Of the labels.
        content: SHA-256 over what was loaded and how.
    """

    name: str
    train: Split
    held: Split
    class_names: tuple[str, ...]
    content: str


def load_photographs(folder: Path, size: int, *, rows: np.ndarray | None = None, most_held: int) -> Photographs:
    """Loads a folder per class, with or without folders per split, or CIFAR-10.

    Args:
        folder: The root.
        size: Height and width in pixels; smaller images are enlarged.
        rows: Positions of the training images to load; None: all.
        most_held: Images to score at most, drawn at random and always the same.

    Raises:
        DataError: There is no such data set, or it is damaged.
    """
    cifar = (folder / FOLDER).is_dir()
    data = load_cifar10(folder) if cifar else load_folder(folder, image_size=(size, size), color_mode="rgb")
    rows = np.arange(len(data.train)) if rows is None else rows
    held = _held(data, most_held)
    train = Split(np.asarray(data.train.x[rows]), data.train.y[rows], data.train.ids[rows])
    train, held = enlarge(train, size), enlarge(held, size)
    content = digest_of([data.digest, size, sorted(data.settings.items())])
    return Photographs("cifar10" if cifar else folder.resolve().name, train, held, data.class_names, content)


def enlarge(split: Split, size: int) -> Split:
    """The images at another size, by bicubic interpolation; as they are where they have it."""
    if tuple(split.x.shape[1:3]) == (size, size):
        return split
    x = np.empty((len(split), size, size, 3), np.uint8)
    for row in range(len(split)):
        x[row] = np.asarray(Image.fromarray(split.x[np.array([row])][0]).resize((size, size), HOW))
    return Split(x, split.y, split.ids)


def _held(data: Dataset, most: int) -> Split:
    """Validation and test in one, thinned out at random."""
    parts = [data.validation, data.test]
    lengths = [len(part) for part in parts]
    chosen = np.sort(np.random.default_rng(0).permutation(sum(lengths))[:most])
    first, second = chosen[chosen < lengths[0]], chosen[chosen >= lengths[0]] - lengths[0]
    pairs = list(zip(parts, (first, second), strict=True))
    return Split(
        np.concatenate([np.asarray(part.x[rows]) for part, rows in pairs if len(rows)]),
        np.concatenate([part.y[rows] for part, rows in pairs]),
        np.concatenate([part.ids[rows] for part, rows in pairs]),
    )
