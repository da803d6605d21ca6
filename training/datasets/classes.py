"""Class names, their order, and which of two classes is the positive one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.datasets.dataset import DataError
from training.datasets.text import listed


def order_classes(
    names: Sequence[str], positive: str | None, *, default: str | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Puts the positive class second where there are two.

    Args:
        names: Class names in their natural order.
        positive: The user's choice, or None.
        default: The choice of a source that knows its condition.

    Returns:
        Class names in their final order, and notes (one, where the choice was alphabetical).

    Raises:
        DataError: `positive` is no class, or there are not exactly two classes.
    """
    if positive is not None and positive not in names:
        raise DataError(f"positive must be one of the classes {listed(names)}. Received: positive={positive}.")
    if len(names) != 2:
        if positive is not None:
            raise DataError(
                f"positive needs exactly two classes. Received: positive={positive} with {len(names)} classes. "
                "Remove --positive: the report treats every class as one against the rest."
            )
        return tuple(names), ()
    chosen = positive or default or names[1]
    negative = next(name for name in names if name != chosen)
    said = positive is not None or default is not None
    notes = () if said else (f"Positive class: {chosen} (second in alphabetical order); choose with --positive.",)
    return (negative, chosen), notes


def reorder(y: np.ndarray, names: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """Indices into `names` become indices into `class_names`."""
    place = np.array([list(class_names).index(name) for name in names], dtype=np.int64)
    return place[y]


def name_labels(labels: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names of the labels that occur (numbers in numeric, texts in alphabetical order), and class indices.

    Args:
        labels: `(n,)` integers, booleans or strings.
    """
    values, y = np.unique(labels, return_inverse=True)
    return [str(value) for value in values.tolist()], y.astype(np.int64)
