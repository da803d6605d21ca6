"""What a caller asks for, checked: images, the class to explain in each, and how many to compute at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError

PREDICTED = -1


@dataclass(frozen=True)
class Batch:
    """Some images of a request, ready for a model.

    Attributes:
        images: `(b, height, width, channels)` float32; where a value was not finite the whole image is 0.
        class_index: `(b,)` int32; -1 for the predicted class.
        finite: `(b,)`: whether all values of the image were finite.
    """

    images: NDArray[np.float32]
    class_index: NDArray[np.int32]
    finite: NDArray[np.bool_]


@dataclass(frozen=True)
class Request:
    """Images with the classes to explain.

    Attributes:
        images: `(n, height, width, channels)`, numbers of any kind.
        class_index: `(n,)` int32; -1 for the predicted class.
        batch_size: Images computed at once.
    """

    images: NDArray[Any]
    class_index: NDArray[np.int32]
    batch_size: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.images.shape[1], self.images.shape[2]

    def __iter__(self) -> Iterator[Batch]:
        """The batches, the last one perhaps smaller."""
        for start in range(0, len(self.images), self.batch_size):
            part = slice(start, start + self.batch_size)
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and flagged
                images = self.images[part].astype(np.float32)
            finite = np.asarray(np.isfinite(images).all(axis=(1, 2, 3)))
            images[~finite] = 0
            yield Batch(images, self.class_index[part], finite)

    def singly(self) -> Iterator[Batch]:
        """The images one by one."""
        yield from Request(self.images, self.class_index, 1)


def make_request(
    images: Any, class_index: Any, input_shape: tuple[int | None, ...], num_logits: int, batch_size: int
) -> Request:
    """Checks images and classes against a model.

    Args:
        images: `(n, height, width, channels)`.
        class_index: One class for all images, one for each, `(n,)`, or None for the predicted class of each.
        input_shape: `(height, width, channels)` of the model, None where any size is taken.
        num_logits: Of the model; 1 stands for two classes.
        batch_size: At least 1.

    Raises:
        ExplainError: If any of them does not fit.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ExplainError(f"batch_size must be a whole number of at least 1. Received: batch_size={batch_size}.")
    array = np.asarray(images)
    _check_images(array, input_shape)
    return Request(array, _classes(class_index, len(array), max(2, num_logits)), batch_size)


def _check_images(images: NDArray[Any], input_shape: tuple[int | None, ...]) -> None:
    """One rule per error: numbers, four axes, at least one image, the size that the model takes."""
    if images.dtype.kind not in "uif":
        raise ExplainError(f"images must be an array of numbers. Received: dtype {images.dtype}.")
    expected = "(n, " + ", ".join("any" if size is None else str(size) for size in input_shape) + ")"
    if images.ndim == 3 and len(input_shape) == 3:
        raise ExplainError(f"images must have shape {expected}. Received: {images.shape}. Pass images[np.newaxis].")
    if images.ndim != 4 or any(
        size not in (None, given) for size, given in zip(input_shape, images.shape[1:], strict=True)
    ):
        raise ExplainError(f"images must have shape {expected}, as the model takes them. Received: {images.shape}.")
    if images.size == 0:
        raise ExplainError(f"images must hold at least one image. Received: shape {images.shape}.")


def _classes(class_index: Any, count: int, num_classes: int) -> NDArray[np.int32]:
    """One class for each image."""
    if class_index is None:
        return np.full(count, PREDICTED, np.int32)
    classes = np.asarray(class_index)
    if classes.dtype.kind not in "ui" or classes.shape not in ((), (count,)):
        raise ExplainError(
            f"class_index must be a whole number, {count} of them (one an image), or None for the predicted class. "
            f"Received: {classes.dtype} of shape {classes.shape}."
        )
    outside = np.unique(classes[(classes < 0) | (classes >= num_classes)])
    if len(outside):
        raise ExplainError(f"class_index must lie in 0…{num_classes - 1}. Received: {outside[0]}.")
    return np.broadcast_to(classes, (count,)).astype(np.int32)
