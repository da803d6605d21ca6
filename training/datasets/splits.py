"""Train, validation and test: carving what a source lacks, and looking for the same example twice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.datasets.dataset import DataError

GROUP_TRIES = 10


@dataclass(frozen=True)
class Carving:
    """How missing splits are cut from the training data.

    Attributes:
        validation_fraction: Part of the training data (without the test set) that validation takes.
        test_fraction: Part of all data that the test set takes.
        seed: Same seed, same data: same split.
    """

    validation_fraction: float = 0.15
    test_fraction: float = 0.2
    seed: int = 0


DEFAULT_CARVING = Carving()


def carve(
    y: np.ndarray,
    *,
    validation_fraction: float | None,
    test_fraction: float | None,
    seed: int,
    groups: np.ndarray | None = None,
    stratify: bool = True,
    class_names: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cuts validation and test from the training data.

    Classes keep their shares (stratified), every class stands in every split, and with `groups`
    no group stands in two splits; the fractions are then met as closely as whole groups allow.

    Args:
        y: `(n,)` class indices, or targets with `stratify=False`.
        validation_fraction: Part of what remains after the test set; None: not carved.
        test_fraction: Part of all; None: not carved.
        seed: Of the random choice.
        groups: `(n,)` names; examples of one group stay together.
        stratify: Keep the shares of the classes.
        class_names: Names for error messages.

    Returns:
        Sorted indices of train, validation and test; empty where not carved.

    Raises:
        DataError: A fraction is impossible, or a class (or the data) is too small.
    """
    _check_fraction("validation_fraction", validation_fraction)
    _check_fraction("test_fraction", test_fraction)
    if (validation_fraction or 0) + (test_fraction or 0) >= 1:
        raise DataError(
            "validation_fraction and test_fraction must sum to less than 1, so that training data remain. "
            f"Received: {validation_fraction} and {test_fraction}. Make one smaller."
        )
    test = test_fraction or 0.0
    shares = np.array([0.0, (validation_fraction or 0.0) * (1 - test), test])
    shares[0] = 1 - shares.sum()
    y = np.asarray(y)
    values, labels = np.unique(y if stratify else np.zeros(len(y)), return_inverse=True)
    names = ([class_names[i] for i in values] if class_names else values.tolist()) if stratify else ["the data"]
    if groups is None:
        _check_counts(labels, shares, names, "examples")
        owner = _by_class(labels, shares, seed)
    else:
        owner = _by_group(labels, np.asarray(groups), shares, seed, names)
    return np.flatnonzero(owner == 0), np.flatnonzero(owner == 1), np.flatnonzero(owner == 2)


def _check_fraction(name: str, fraction: float | None) -> None:
    if fraction is not None and not 0 < fraction < 1:
        raise DataError(f"{name} must lie between 0 and 1, both excluded. Received: {name}={fraction}.")


def _check_counts(labels: np.ndarray, shares: np.ndarray, names: Sequence, unit: str) -> None:
    """Every class needs one example (or group) for each split."""
    needed = int((shares > 0).sum())
    counts = np.bincount(labels, minlength=len(names))
    small = [f"{names[i]} ({count})" for i, count in enumerate(counts) if count < needed]
    if small:
        raise DataError(
            f"Too few {unit} to split: {', '.join(small[:5])}{', …' if len(small) > 5 else ''}. Expected at least "
            f"{needed} {unit} of every class, one for each split. Add some, or leave the class out."
        )


def _by_class(labels: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """Split number (0 train, 1 validation, 2 test) of each example, class by class."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(labels)
    owner = np.zeros(len(labels), dtype=np.int64)
    test = _quotas(counts, shares[2], counts - 1 - (shares[1] > 0))
    validation = _quotas(counts, shares[1], counts - 1 - test)
    for label in range(len(counts)):
        members = rng.permutation(np.flatnonzero(labels == label))
        owner[members[: test[label]]] = 2
        owner[members[test[label] : test[label] + validation[label]]] = 1
    return owner


def _quotas(counts: np.ndarray, share: float, most: np.ndarray) -> np.ndarray:
    """How many of each class a split takes: in proportion, by largest remainder, at least one, at most `most`."""
    if share == 0:
        return np.zeros(len(counts), dtype=np.int64)
    exact = counts * share
    quota = np.floor(exact + 1e-9).astype(np.int64)
    missing = round(float(exact.sum())) - int(quota.sum())
    quota[np.argsort(quota - exact, kind="stable")[: max(missing, 0)]] += 1
    return np.clip(quota, 1, most)


def _by_group(labels: np.ndarray, groups: np.ndarray, shares: np.ndarray, seed: int, names: Sequence) -> np.ndarray:
    """Split number of each example; whole groups move, and the best of a few random orders is kept."""
    group_of = np.unique(groups, return_inverse=True)[1]
    table = np.zeros((int(group_of.max()) + 1, int(labels.max()) + 1))
    np.add.at(table, (group_of, labels), 1)
    holders = np.nonzero(table)[1]
    _check_counts(holders, shares, names, "groups")
    best, best_error = None, np.inf
    for attempt in range(GROUP_TRIES):
        parts = _assign(table, shares, np.random.default_rng([seed, attempt]))
        reached = np.stack([table[parts == part].sum(0) for part in range(3)])
        empty = int(((reached == 0) & (shares[:, None] > 0)).sum())
        error = empty * 10 + float(np.abs(reached / table.sum(0) - shares[:, None]).max())
        if error < best_error:
            best, best_error, lacking = parts, error, reached[shares > 0].min(0)
        if best_error < 0.01:
            break
    if best is None or best_error >= 10:
        absent = ", ".join(str(names[i]) for i in np.flatnonzero(lacking == 0).tolist())
        raise DataError(
            f"No split into whole groups gives every split every class: {absent} stands in too few groups. "
            "Add groups that hold it, or leave the class out."
        )
    return best[group_of]


def _assign(table: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gives each group, large ones first, to the split that lacks most of its classes.

    Args:
        table: `(groups, classes)` counts.
        shares: Of train, validation, test.
        rng: Orders groups of equal size.
    """
    lacking = shares[:, None] * table.sum(0)
    wanted = np.maximum(lacking, 1e-9)
    order = rng.permutation(len(table))
    order = order[np.argsort(-table[order].sum(1), kind="stable")]
    parts = np.zeros(len(table), dtype=np.int64)
    closed = np.where(shares > 0, 0.0, -np.inf)
    for group in order:
        held = table[group] > 0
        need = (lacking[:, held] / wanted[:, held]).min(1) + closed
        parts[group] = int(np.argmax(need))
        lacking[parts[group]] -= table[group]
    return parts


def arrange(x: np.ndarray, order: np.ndarray) -> None:
    """`x[:] = x[order]` in place: one row of extra memory instead of a second array.

    Args:
        x: Array whose rows move.
        order: Permutation of its row numbers.
    """
    placed = np.zeros(len(order), dtype=bool)
    for start in range(len(order)):
        if placed[start]:
            continue
        row, spare = start, x[start].copy()
        while order[row] != start:
            x[row] = x[order[row]]
            placed[row] = True
            row = int(order[row])
        x[row] = spare
        placed[row] = True


def example_hash(example: np.ndarray) -> bytes:
    """16 bytes that stand for the pixels of an image or the features of a row."""
    return hashlib.blake2b(np.ascontiguousarray(example).data, digest_size=16).digest()


def duplicates_across(
    hashes: Mapping[str, Sequence[bytes]], ids: Mapping[str, np.ndarray], unit: str = "image"
) -> list[str]:
    """Looks for examples whose pixels (or features) stand in two splits.

    Args:
        hashes: Split name → hash of each example.
        ids: Split name → id of each example.
        unit: What an example is called: `image` or `row`.

    Returns:
        One sentence for each pair of splits that share examples.
    """
    notes = []
    what = "pixels" if unit == "image" else "features"
    parts = list(hashes)
    for i, first in enumerate(parts):
        known = {value: position for position, value in reversed(list(enumerate(hashes[first])))}
        for second in parts[i + 1 :]:
            twins = [(known[value], position) for position, value in enumerate(hashes[second]) if value in known]
            if twins:
                shown = ", ".join(f"{ids[second][b]} = {ids[first][a]}" for a, b in twins[:3])
                more = ", …" if len(twins) > 3 else ""
                verb = "stands" if len(twins) == 1 else "stand"
                plural = unit if len(twins) == 1 else f"{unit}s"
                notes.append(
                    f"{len(twins)} {plural} of {second} {verb} in {first} with the same {what}: {shown}{more}."
                )
    return notes


def carved_note(
    sizes: Mapping[str, int], carved: Sequence[str], seed: int, *, stratified: bool, grouped: bool
) -> list[str]:
    """One sentence that says which splits were carved from train, and how; none where none was."""
    if not carved:
        return []
    how = [word for word, said in (("stratified", stratified), ("whole groups", grouped)) if said]
    parts = " and ".join(f"{name} ({sizes[name]:,})" for name in carved)
    return [f"Carved from train: {parts}, {', '.join([*how, f'seed {seed}'])}; train keeps {sizes['train']:,}."]
