"""Images whose class is told by one planted patch and nothing else: the true place of the evidence is known.

Background, distractors, colours and places are drawn before the class and without it, so two images of one seed and
different classes differ inside the patch alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.upsample import upsample

Grid = NDArray[np.intp]
PATTERNS: dict[str, Callable[[Grid, Grid], Any]] = {
    "columns": lambda rows, columns: columns // 2 % 2,
    "rows": lambda rows, columns: rows // 2 % 2,
    "chequers": lambda rows, columns: (rows // 2 + columns // 2) % 2,
    "diagonals": lambda rows, columns: (rows + columns) // 2 % 2,
    "dots": lambda rows, columns: (rows % 4 < 2) & (columns % 4 < 2),
}
DISTRACTORS = ("square", "disc", "halves")
NOISE = 8.0  # standard deviation of each pixel, of 255


@dataclass(frozen=True)
class PlantedPatches:
    """A data set with boxes.

    Attributes:
        images: `(n, size, size, 3)` uint8.
        y: `(n,)`: the class, the pattern of the patch.
        boxes: `(n, 4)`: top, left, bottom, right of the patch, the last two just outside.
        class_names: The patterns.
    """

    images: NDArray[np.uint8]
    y: NDArray[np.intp]
    boxes: NDArray[np.intp]
    class_names: tuple[str, ...]


def planted_patches(
    count: int,
    *,
    num_classes: int = 4,
    size: int = 32,
    patch: int = 12,
    distractors: int = 3,
    y: Any = None,
    seed: int = 0,
) -> PlantedPatches:
    """Draws images with one patterned patch on a background of smooth colours, noise and plain shapes.

    Args:
        count: Number of images n.
        num_classes: Patterns, 2 to 5.
        size: Height and width of the images, pixels.
        patch: Height and width of the patch, at least 8; it lies anywhere in the image, all places alike. A random
            pixel hits it with the probability (patch / size)².
        distractors: Plain shapes of about the patch's size and colours; the patch lies above them.
        y: `(n,)` classes; balanced and shuffled by default.
        seed: The same seed gives the same images.

    Returns:
        Images, classes and boxes.

    Raises:
        ExplainError: If an argument is out of its range.
    """
    _check(count, num_classes, size, patch, distractors)
    names = tuple(PATTERNS)[:num_classes]
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(np.arange(count) % num_classes)
    classes = shuffled if y is None else np.asarray(y, dtype=np.intp)
    if classes.shape != (count,) or classes.min() < 0 or classes.max() >= num_classes:
        raise ExplainError(f"y must hold {count} classes in 0…{num_classes - 1}. Received: shape {classes.shape}.")
    images, corners = np.empty((count, size, size, 3), np.uint8), np.empty((count, 2), np.intp)
    for index, class_index in enumerate(classes):
        pattern = PATTERNS[names[class_index]]
        own = np.random.default_rng((seed, index))
        images[index], corners[index] = _draw(own, pattern, size, patch, distractors)
    return PlantedPatches(images, classes, np.concatenate([corners, corners + patch], axis=1), names)


def _check(count: int, num_classes: int, size: int, patch: int, distractors: int) -> None:
    """One rule per error."""
    if count < 1 or distractors < 0:
        raise ExplainError(f"count must be at least 1, distractors 0. Received: {count} and {distractors}.")
    if not 2 <= num_classes <= len(PATTERNS):
        raise ExplainError(f"num_classes must be 2 to {len(PATTERNS)}. Received: num_classes={num_classes}.")
    if not 8 <= patch <= size:
        raise ExplainError(f"patch must be at least 8 pixels and at most size={size}. Received: patch={patch}.")


def _draw(
    generator: np.random.Generator, pattern: Callable[[Grid, Grid], Any], size: int, patch: int, distractors: int
) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """One image and the corner of its patch; the pattern changes no draw."""
    image = upsample(generator.uniform(60, 195, (3, 4, 4)), size, size).transpose(1, 2, 0)
    for _ in range(distractors):
        _distract(generator, image, patch)
    corner = generator.integers(0, size - patch + 1, 2)
    dark, bright = _two_colours(generator)
    rows, columns = np.indices((patch, patch)) + generator.integers(0, 4, 2)[:, None, None]
    image[_square(corner, patch)] = np.where(np.asarray(pattern(rows, columns), bool)[..., None], dark, bright)
    image += generator.normal(0, NOISE, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), corner


def _distract(generator: np.random.Generator, image: NDArray[np.floating], patch: int) -> None:
    """Draws a plain shape of one or two colours anywhere."""
    side = int(generator.integers(patch // 2, patch + 1))
    corner = generator.integers(0, len(image) - side + 1, 2)
    first, second = _two_colours(generator)
    kind = generator.choice(DISTRACTORS)
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    part = image[_square(corner, side)]
    if kind == "halves":
        upright = generator.random() < 0.5
        part[:] = np.where(((rows if upright else columns) < 0)[..., None], first, second)
    else:
        part[np.full((side, side), True) if kind == "square" else np.hypot(rows, columns) <= side / 2] = first


def _two_colours(generator: np.random.Generator) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """A dark and a bright colour, in random order."""
    colours = generator.uniform(0, 80, 3), generator.uniform(175, 255, 3)
    return colours if generator.random() < 0.5 else colours[::-1]


def _square(corner: NDArray[np.intp], side: int) -> tuple[slice, slice]:
    """The part of an image from a corner on."""
    return slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side)
