"""Linear probes: how well a linear classifier separates the new classes in a network's features, cross-validated.

Folds are stratified and keep groups (patients) whole; scaling is fitted inside each fold. Training examples only: the
caller never hands over validation or test.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.datasets.dataset import DataError, ImageSource
from training.datasets.text import counted, listed

Folds = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class ProbeSettings:
    """How probes are cross-validated.

    Attributes:
        folds: At most; a class with fewer examples (or groups) lowers it, to 2 at least.
        seed: Of folds and subsets.
        max_examples: Larger sets are probed on a stratified subset of this size: it bounds the seconds.
        max_iterations: Of the solver.
    """

    folds: int = 5
    seed: int = 0
    max_examples: int = 2_000
    max_iterations: int = 500


DEFAULT_SETTINGS = ProbeSettings()


@dataclass(frozen=True)
class Probe:
    """Accuracies of one probe.

    Attributes:
        name: Of the cut.
        dimension: Features that vary.
        accuracies: `(folds,)`, each in 0…1.
    """

    name: str
    dimension: int
    accuracies: np.ndarray

    @property
    def mean(self) -> float:
        """Over the folds."""
        return float(self.accuracies.mean())

    @property
    def spread(self) -> float:
        """Standard deviation over the folds."""
        return float(self.accuracies.std(ddof=1))


@dataclass(frozen=True)
class Probes:
    """All probes of one data set, on the same folds.

    Attributes:
        cuts: From early to late.
        half: The latest cut, trained on half of each training part.
        majority: What naming the most frequent class reaches.
        pixels: A probe of the raw pixels, or None.
        probed: Number of examples in the folds.
        folds: Number of folds.
        notes: What the reader should know.
    """

    cuts: tuple[Probe, ...]
    half: Probe
    majority: Probe
    pixels: Probe | None
    probed: int
    folds: int
    notes: tuple[str, ...] = ()


def probe(
    features: Mapping[str, np.ndarray],
    y: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    pixels: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    settings: ProbeSettings = DEFAULT_SETTINGS,
) -> Probes:
    """Probes the features of every cut.

    Args:
        features: Name of the cut → `(n, width)`, pooled, from early to late; of the training split.
        y: `(n,)` class indices.
        groups: `(n,)` names; examples of one group stay in one fold.
        pixels: `(n, width)`, such as `thumbnails` gives; None leaves that baseline out.
        class_names: For messages.
        settings: Of the cross-validation.

    Raises:
        DataError: Lengths differ, a feature is not finite, or fewer than two classes have two examples (or groups).
    """
    arrays = {name: np.asarray(array) for name, array in features.items()}
    everything = arrays if pixels is None else {**arrays, "pixels": np.asarray(pixels)}
    _check(everything, y, groups)
    rows, notes = _usable(y, groups, class_names)
    rows = _subset(rows, y, settings)
    y, groups = y[rows], None if groups is None else groups[rows]
    folds = _folds(y, groups, settings)
    halves = [(train[_half(y[train], None if groups is None else groups[train], settings.seed)], test)
              for train, test in folds]  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        found = {name: _probe(name, array[rows], y, folds, settings) for name, array in everything.items()}
        latest = list(arrays)[-1]
        half = _probe(latest, arrays[latest][rows], y, halves, settings)
    late = sum(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    if late:
        notes.append(f"{counted(late, 'fit')} stopped at {settings.max_iterations} steps of the solver.")
    majority = np.array([(y[test] == np.bincount(y[train]).argmax()).mean() for train, test in folds])
    return Probes(
        cuts=tuple(found[name] for name in arrays),
        half=half,
        majority=Probe("largest class", 0, majority),
        pixels=found.get("pixels") if pixels is not None else None,
        probed=len(y),
        folds=len(folds),
        notes=tuple(notes),
    )


def thumbnails(images: ImageSource, *, side: int = 8, batch_size: int = 256) -> np.ndarray:
    """Means of raw pixels over a grid, the features of a network that knows nothing: `(n, side·side·channels)`.

    Args:
        images: uint8 `(n, height, width, channels)`.
        side: Cells of the grid per side; fewer where images are smaller.
        batch_size: Images read at a time.
    """
    found = []
    for start in range(0, len(images), batch_size):
        x = np.asarray(images[np.arange(start, min(start + batch_size, len(images)))])
        for axis in (1, 2):
            size = x.shape[axis]
            edges = np.unique(np.linspace(0, size, min(side, size) + 1).astype(int))
            sums = np.add.reduceat(x, edges[:-1], axis=axis, dtype=np.float32)
            shape = [1] * x.ndim
            shape[axis] = -1
            x = sums / np.diff(edges).reshape(shape).astype(np.float32)
        found.append(x.reshape(len(x), -1))
    return np.concatenate(found)


def _check(arrays: Mapping[str, np.ndarray], y: np.ndarray, groups: np.ndarray | None) -> None:
    """Refuses what cannot be probed."""
    if not arrays:
        raise DataError("A probe needs the features of at least one cut. Received: none.")
    lengths = {name: len(array) for name, array in arrays.items()}
    lengths |= {"y": len(y)} | ({} if groups is None else {"groups": len(groups)})
    if len(set(lengths.values())) > 1:
        raise DataError(f"Features, y and groups must have one length. Received: {lengths}.")
    for name, array in arrays.items():
        if array.ndim != 2:
            raise DataError(f"Features must be pooled to (n, width). Received: {name} of shape {array.shape}.")
        wrong = ~np.isfinite(array).all(axis=1)
        if wrong.any():
            raise DataError(
                f"Features of cut {name} are not finite in {counted(int(wrong.sum()), 'example')} of {len(y):,}, the "
                f"first in row {int(wrong.argmax())}. Expected finite numbers: check the weights, compute them again."
            )


def _units(y: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Examples of each class, or its groups."""
    if groups is None:
        return np.bincount(y)
    return np.array([len(np.unique(groups[y == label])) for label in range(y.max() + 1)])


def _usable(y: np.ndarray, groups: np.ndarray | None, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Rows of the classes that can stand on both sides of a fold, and a note on the others."""
    units, unit = _units(y, groups), "example" if groups is None else "group"
    small = [label for label in np.unique(y) if units[label] < 2]
    rows = np.flatnonzero(~np.isin(y, small))
    if len(np.unique(y[rows])) < 2:
        raise DataError(
            f"Probes need two classes with at least two {unit}s each in the training split. Received: {unit}s per "
            f"class {listed(units)}. Add images, or choose the case yourself with --case."
        )
    shown = listed(names[label] if len(names) else label for label in small)
    return rows, [f"Left out of the probes, with one {unit} each: {shown}."] if small else []


def _subset(rows: np.ndarray, y: np.ndarray, settings: ProbeSettings) -> np.ndarray:
    """At most about `max_examples` of `rows`, each class by its share but with two at least."""
    if len(rows) <= settings.max_examples:
        return rows
    rng, chosen = np.random.default_rng(settings.seed), []
    for label in np.unique(y[rows]):
        members = rng.permutation(rows[y[rows] == label])
        chosen.append(members[: max(2, len(members) * settings.max_examples // len(rows))])
    return np.sort(np.concatenate(chosen))


def _folds(y: np.ndarray, groups: np.ndarray | None, settings: ProbeSettings) -> Folds:
    """Stratified folds that keep groups whole; as many as the smallest class allows."""
    units = _units(y, groups)
    count = int(np.clip(units[units > 0].min(), 2, settings.folds))
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    split = splitter(count, shuffle=True, random_state=settings.seed)
    return [(train, test) for train, test in split.split(y[:, None], y, groups) if len(train) and len(test)]


def _half(y: np.ndarray, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """Positions of every second example of each class in random order, or of every second group."""
    if groups is None:
        order = np.random.default_rng(seed).permutation(len(y))
        return np.sort(order[np.argsort(y[order], kind="stable")][::2])
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    return np.flatnonzero(np.isin(member, _half(y[first], None, seed)))


def _probe(name: str, x: np.ndarray, y: np.ndarray, folds: Folds, settings: ProbeSettings) -> Probe:
    """Accuracy of a linear classifier on the test part of every fold."""
    x = x.astype(np.float64)
    accuracies = []
    for train, test in folds:
        if len(np.unique(y[train])) == 1:  # few groups may leave no other class to learn from
            accuracies.append((y[test] == y[train][0]).mean())
            continue
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=settings.max_iterations))
        accuracies.append(classifier.fit(x[train], y[train]).score(x[test], y[test]))
    return Probe(name, int((np.ptp(x, axis=0) > 0).sum()), np.array(accuracies))
