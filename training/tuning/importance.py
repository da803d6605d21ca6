"""Which hyperparameters decided: a random forest over the trials, and what it loses where one of them is shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.tuning.table import Row

FEWEST = 20  # trials, below which a forest has nothing to learn from
FOLDS, REPEATS, SHUFFLES, TREES = 5, 3, 8, 30


@dataclass(frozen=True)
class Importance:
    """What the order of the trials owes to one hyperparameter.

    Attributes:
        name: Of the hyperparameter.
        mean: Share of the explained order that is lost where its values are shuffled, on trials that the forest did not
            see; 0 for none.
        low, high: Smallest and largest mean over the repeated divisions of the trials.
        is_clear: Whether every division gives it more than any gives a column of shuffled values.
    """

    name: str
    mean: float
    low: float
    high: float
    is_clear: bool


@dataclass(frozen=True)
class Importances:
    """Of all hyperparameters, the most important first.

    Attributes:
        entries: Empty where nothing can be said.
        explained: R² of the forest for the ranks of trials that it did not see; None where it was not fitted.
        reason: Why nothing can be said; empty otherwise.
    """

    entries: tuple[Importance, ...] = ()
    explained: float | None = None
    reason: str = ""


def importances(rows: Sequence[Row], names: Sequence[str], seed: int = 0) -> Importances:
    """Permutation importance on held-out trials, for the ranks of the scores: one bad trial weighs no more than any.

    Args:
        rows: Trials; those without a score are left out.
        names: Hyperparameters.
        seed: Of forests and divisions.

    Reference:
        Breiman, 2001, "Random forests", Machine Learning 45(1). Kursa and Rudnicki, 2010, "Feature selection with the
        Boruta package", Journal of Statistical Software 36(11): shuffled columns as the measure of chance.
    """
    from scipy.stats import rankdata

    scored = [row for row in rows if row.score is not None]
    if len(scored) < FEWEST:
        reason = f"{len(scored)} trials with a score are not enough to say which hyperparameters matter"
        return Importances(reason=f"{reason}: {FEWEST} are the least.")
    table = np.stack([codes([row.point.get(name) for row in scored]) for name in names], axis=1)
    moved = [index for index in range(len(names)) if len(np.unique(table[:, index])) > 1]
    ranks = rankdata([row.score for row in scored])
    if not moved or len(set(ranks)) == 1:
        return Importances(reason="all trials have the same values or the same score: there is nothing to explain.")
    shadows = np.random.default_rng(seed).permuted(table[:, moved], axis=0)
    losses, explained = _losses(np.hstack([table[:, moved], shadows]), ranks, seed)
    if explained <= 0:
        return Importances(
            explained=explained,
            reason=f"{len(scored)} trials are not enough to say: a forest fitted to some of them predicts the others "
            "no better than their mean does.",
        )
    chance = float(losses[:, len(moved) :].max())
    found = [
        Importance(names[i], float(one.mean()), float(one.min()), float(one.max()), bool(one.min() > max(0.0, chance)))
        for i, one in zip(moved, losses.T, strict=False)
    ]
    return Importances(tuple(sorted(found, key=lambda one: -one.mean)), explained)


def _losses(table: np.ndarray, ranks: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """R² lost by shuffling each column, one row per division of the trials; and R² itself."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import KFold

    total, losses, left = float(np.var(ranks)), [], []
    rng = np.random.default_rng(seed)
    for repeat in range(REPEATS):
        lost, errors = np.zeros(table.shape[1]), 0.0
        for train, held in KFold(FOLDS, shuffle=True, random_state=seed + repeat).split(table):
            forest = RandomForestRegressor(TREES, min_samples_leaf=2, random_state=seed).fit(table[train], ranks[train])
            error = float(np.sum((forest.predict(table[held]) - ranks[held]) ** 2))
            guesses = forest.predict(_shuffled(table[held], rng)).reshape(table.shape[1], SHUFFLES, len(held))
            lost += ((guesses - ranks[held]) ** 2).sum(axis=2).mean(axis=1) - error
            errors += error
        losses.append(lost / len(ranks) / total)
        left.append(1 - errors / len(ranks) / total)
    return np.array(losses), float(np.mean(left))


def _shuffled(table: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Copies of the table, one column of each shuffled: all at once, since a forest is slow to ask, not to answer."""
    copies = np.repeat(table[None], table.shape[1] * SHUFFLES, axis=0)
    for index, copy in enumerate(copies):
        rng.shuffle(copy[:, index // SHUFFLES])
    return copies.reshape(-1, table.shape[1])


def codes(values: Sequence[str | None]) -> np.ndarray:
    """Values as numbers: their own, or a place in the alphabet; -1 below all where a trial has none."""
    given = [value for value in values if value is not None]
    numbers = as_numbers(given)
    if numbers is None:
        order = {value: float(place) for place, value in enumerate(sorted(set(given)))}
        return np.array([-1.0 if value is None else order[value] for value in values])
    lowest = min(numbers, default=0.0) - 1
    return np.array([lowest if value is None else float(value) for value in values])


def as_numbers(values: Sequence[str]) -> list[float] | None:
    """The values as numbers where all of them are."""
    try:
        found = [float(value) for value in values]
    except ValueError:
        return None
    return found if np.isfinite(found).all() else None
