"""Turns arrays in memory into three splits: what is missing is carved from train, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.datasets.dataset import SPLIT_NAMES, Split
from training.datasets.splits import Carving, arrange, carve, carved_note, duplicates_across, example_hash
from training.datasets.text import counted, listed


def assemble(
    given: Mapping[str, Split], *, carving: Carving, class_names: Sequence[str] = (), unit: str = "image"
) -> tuple[dict[str, Any], list[str]]:
    """Carves what `given` lacks from its train split, and looks for examples in two splits.

    Args:
        given: Split name → split, `train` among them; `x` are arrays, and train's rows are reordered in place.
        carving: How missing splits are cut.
        class_names: One per class; empty for regression.
        unit: What an example is called in notes.

    Returns:
        The three splits and notes.

    Raises:
        DataError: A class is too small to split, or a fraction is impossible.
    """
    carved = [name for name in SPLIT_NAMES if name not in given]
    splits = {**given, **_carve_train(given["train"], carved, carving, class_names)}
    splits = {name: splits[name] for name in SPLIT_NAMES}
    sizes = {name: len(split) for name, split in splits.items()}
    grouped = given["train"].groups is not None
    notes = carved_note(sizes, carved, carving.seed, stratified=bool(class_names), grouped=grouped)
    hashes = {name: [example_hash(row) for row in np.asarray(split.x)] for name, split in splits.items()}
    notes += duplicates_across(hashes, {name: split.ids for name, split in splits.items()}, unit)
    return splits, notes + _shared_groups(splits)


def _carve_train(train: Split, carved: Sequence[str], carving: Carving, class_names: Sequence[str]) -> dict[str, Split]:
    """Train and the carved splits, as views of one reordered array."""
    if not carved:
        return {"train": train}
    parts = carve(
        train.y,
        validation_fraction=carving.validation_fraction if "validation" in carved else None,
        test_fraction=carving.test_fraction if "test" in carved else None,
        seed=carving.seed,
        groups=train.groups,
        stratify=bool(class_names),
        class_names=class_names,
    )
    x = np.asarray(train.x)
    arrange(x, np.concatenate(parts))
    splits, start = {}, 0
    for name, part in zip(SPLIT_NAMES, parts, strict=True):
        if name == "train" or name in carved:
            groups = None if train.groups is None else train.groups[part]
            splits[name] = Split(x[start : start + len(part)], train.y[part], train.ids[part], groups)
        start += len(part)
    return splits


def _shared_groups(splits: Mapping[str, Split]) -> list[str]:
    """A note for each pair of splits that share groups: possible only where the user gave both."""
    notes = []
    sets = {name: set(split.groups.tolist()) for name, split in splits.items() if split.groups is not None}
    names = list(sets)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = sorted(sets[first] & sets[second])
            if shared:
                notes.append(f"{counted(len(shared), 'group')} of {second} also in {first}: {listed(shared, 3)}.")
    return notes
