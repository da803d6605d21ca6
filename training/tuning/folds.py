"""The training split in parts that judge in turn."""

from __future__ import annotations

import dataclasses

import numpy as np

from training.checks import ConfigError
from training.datasets.cache import CachedImages
from training.datasets.dataset import Dataset, Split
from training.datasets.files import ImageFiles


def folds_of(data: Dataset, count: int, seed: int) -> list[Dataset]:
    """The training split in `count` parts, each of which judges what the others train; validation stays unseen.

    So validation may still judge the setting that the folds chose. Groups stay together, classes keep their shares.

    Raises:
        ConfigError: There are fewer examples or groups than folds.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    if count == 0:
        return [data]
    classes, grouped = data.task == "classification", data.train.groups is not None
    kind = {
        (True, True): StratifiedGroupKFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (False, False): KFold,
    }[classes, grouped]
    splitter = kind(n_splits=count, shuffle=True, random_state=seed)
    rows = np.arange(len(data.train))
    try:
        pairs = list(splitter.split(rows, data.train.y, data.train.groups))
    except ValueError as error:
        raise ConfigError(f"folds={count} do not fit the training split: {error}") from error
    return [dataclasses.replace(data, train=_part(data.train, a), validation=_part(data.train, b)) for a, b in pairs]


def _part(split: Split, rows: np.ndarray) -> Split:
    x = split.x
    part = x.subset(rows) if isinstance(x, (ImageFiles, CachedImages)) else x[rows]  # what streams goes on streaming
    groups = None if split.groups is None else split.groups[rows]
    return Split(x=part, y=split.y[rows], ids=split.ids[rows], groups=groups)
