"""What labs learn from: the embedded data sets in small forms that train within a second."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from training.datasets.dataset import Dataset, Split
from training.datasets.splits import Carving

ENLARGED = 4  # the digits' source is 8×8; the project shows it as 32×32×3


def small_digits(seed: int = 0) -> Dataset:
    """The digits as they were scanned: 8×8×1, 0…255, split by a seed."""
    from training.datasets.embedded import load_digits

    data = load_digits(carving=Carving(seed=seed))
    return _mapped(data, lambda x: np.ascontiguousarray(x[:, ::ENLARGED, ::ENLARGED, :1]))


def standardized(data: Dataset, features: tuple[str, ...] = ()) -> Dataset:
    """A table whose columns have mean 0 and variance 1 in the training split.

    Args:
        data: A table.
        features: Columns to keep, by name; none: all.
    """
    columns = [data.feature_names.index(name) for name in features or data.feature_names]
    train = np.asarray(data.train.x)[:, columns]
    mean, scale = train.mean(axis=0), train.std(axis=0)
    return _mapped(data, lambda x: ((x[:, columns] - mean) / scale).astype(np.float32))


def first(split: Split, count: int) -> Split:
    """The first examples of a split, which stand in a random order."""
    return Split(np.asarray(split.x)[:count], split.y[:count], split.ids[:count])


def _mapped(data: Dataset, change: Callable[[np.ndarray], np.ndarray]) -> Dataset:
    """The data set with other inputs."""
    splits: dict[str, Any] = {
        name: dataclasses.replace(one, x=change(np.asarray(one.x))) for name, one in data.splits.items()
    }
    return dataclasses.replace(data, **splits)
