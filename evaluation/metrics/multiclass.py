"""Rank numbers of K classes: every class against the rest, their averages with intervals, and top-k accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from evaluation.metrics import auc
from evaluation.metrics import average_precision as precision
from evaluation.metrics.class_rankings import CELLS_PER_BLOCK, class_rankings, pooled_ranking
from evaluation.metrics.ranking import Ranking, blocks_of
from evaluation.uncertainty.intervals import Average, Estimate, IntervalSettings, proportion, undefined
from evaluation.uncertainty.means import without_weightless
from evaluation.uncertainty.resampling import group_codes

MOST_PAIRS = 100_000_000
MOST_WEIGHTED_PAIRS = 5_000_000
PAIRS_FOR_VARIANCE = 10_000_000


def one_vs_rest_auc(
    y_true: np.ndarray,
    y_score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
    rankings: list[Ranking] | None = None,
) -> list[Estimate]:
    """AUC of every class against the rest.

    Args:
        y_true: Class indices, shape (n,).
        y_score: Scores, shape (n, K).
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: As for `auc_estimate`. Of K > 2 classes, resamples are drawn up to `most_resampled`/K examples.
        rankings: `class_rankings` of these very examples, where they are there already.

    Returns:
        K estimates; undefined with a reason where a class never occurs or nothing else does.
    """
    return _by_class(auc.auc_estimate, y_true, y_score, weights, groups, settings or IntervalSettings(), rankings)


def one_vs_rest_average_precision(
    y_true: np.ndarray,
    y_score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
    rankings: list[Ranking] | None = None,
) -> list[Estimate]:
    """Average precision of every class against the rest; arguments and answer as for `one_vs_rest_auc`."""
    return _by_class(
        precision.average_precision, y_true, y_score, weights, groups, settings or IntervalSettings(), rankings
    )


def average_auc(
    y_true: np.ndarray,
    y_score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
    rankings: list[Ranking] | None = None,
) -> dict[str, Average]:
    """Averages of the AUC over classes.

    Args:
        y_true: Class indices, shape (n,).
        y_score: Scores, shape (n, K).
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: Confidence and scale.
        rankings: `class_rankings` of these very examples, where they are there already.

    Returns:
        "macro": the mean over the classes that define it; "weighted": that by support; "micro": the area over all n·K
        pairs of an example and a class, undefined above 100 million of them (5 million where weighted). Intervals
        follow from each example's (or group's) influence on all classes at once ("linearised",
        "cluster-linearised"); beyond 10 million pairs from a random part of the examples (or groups) of that size.
    """
    return _averages("auc", y_true, y_score, weights, groups, settings or IntervalSettings(), rankings)


def average_average_precision(
    y_true: np.ndarray,
    y_score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
    rankings: list[Ranking] | None = None,
) -> dict[str, Average]:
    """Averages of the average precision over classes; arguments and answer as for `average_auc`."""
    return _averages("average_precision", y_true, y_score, weights, groups, settings or IntervalSettings(), rankings)


def top_k_accuracy(
    y_true: np.ndarray,
    y_score: np.ndarray,
    k: int,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
) -> Estimate:
    """Share of examples whose true class is among the k that score highest; of equal scores, the later class first.

    Args:
        y_true: Class indices, shape (n,).
        y_score: Scores, shape (n, K).
        k: How many classes may be named, 1 … K.
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, shape (n,); None for independent examples.
        settings: How intervals are computed.

    Returns:
        The share, with the interval of an accuracy. Ties as in scikit-learn's `top_k_accuracy_score`.

    Raises:
        ValueError: If k is not from 1 to K.
    """
    settings = settings or IntervalSettings()
    from evaluation.metrics.diagnostic import DecisionSample

    num_classes = y_score.shape[1]
    if not 1 <= k <= num_classes:
        raise ValueError(f"k must be from 1 to the number of classes {num_classes}. Received: k={k}.")
    missed = np.empty(len(y_true), dtype=np.int64)
    later = np.arange(num_classes)
    for rows in _row_blocks(len(y_true), num_classes):
        scores, truth = y_score[rows], y_true[rows, None]
        own = np.take_along_axis(scores, truth, axis=1)
        ahead = (scores > own) | ((scores == own) & (later > truth))
        missed[rows] = np.count_nonzero(ahead, axis=1) >= k
    if weights is None and groups is None:
        hits = len(missed) - int(missed.sum())
        return proportion(hits, len(missed), confidence=settings.confidence, method=settings.proportion)
    sample = DecisionSample(np.zeros_like(missed), missed, 2, groups=groups, weights=weights, settings=settings)
    return sample.overall()["accuracy"]


def _by_class(
    estimate: Callable[..., Estimate],
    y_true: np.ndarray,
    y_score: np.ndarray,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
    settings: IntervalSettings,
    rankings: list[Ranking] | None,
) -> list[Estimate]:
    """One estimate for every class against the rest."""
    rankings = class_rankings(y_true, y_score, weights=weights) if rankings is None else rankings
    if len(rankings) > 2:
        settings = replace(settings, most_resampled=settings.most_resampled // len(rankings))
    return [
        estimate(y_true == k, y_score[:, k], weights=weights, groups=groups, settings=settings, ranking=ranking)
        for k, ranking in enumerate(rankings)
    ]


def _averages(
    name: str,
    y_true: np.ndarray,
    y_score: np.ndarray,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
    settings: IntervalSettings,
    rankings: list[Ranking] | None,
) -> dict[str, Average]:
    """Macro, weighted and micro averages of one of the `STATISTICS`."""
    rankings = class_rankings(y_true, y_score, weights=weights) if rankings is None else rankings
    weights, groups, y_true, y_score = without_weightless(weights, groups, y_true, y_score)
    statistic = STATISTICS[name]
    units = _units(len(y_true), len(rankings), groups, settings.seed)
    support = np.array([float(ranking.positives) for ranking in rankings])
    defined = [k for k, ranking in enumerate(rankings) if statistic.defined(ranking)]
    method = "linearised" if groups is None else "cluster-linearised"
    averages = {"micro": _micro(statistic, y_true, y_score, weights, units, method, settings)}
    if not defined:
        return averages | {
            kind: Average(undefined(statistic.reason), 0, len(rankings)) for kind in ("macro", "weighted")
        }
    shares = np.stack([np.full(len(defined), 1 / len(defined)), support[defined] / support[defined].sum()], axis=1)
    values = np.array([statistic.value(rankings[k]) for k in defined])
    influence = np.zeros((2, len(units.rows)))
    truth, scores = y_true[units.rows], np.asfortranarray(y_score[units.rows])
    row_weights = None if weights is None else weights[units.rows]
    for k, share in zip(defined, shares, strict=True):
        by_block = statistic.influence(rankings[k])
        effect = auc.influence_by_example(by_block, rankings[k], truth == k, scores[:, k], row_weights)
        influence += share[:, None] * effect
    for column, kind in enumerate(("macro", "weighted")):
        estimate = Estimate(float(values @ shares[:, column]))
        estimate = statistic.with_interval(estimate, units.variance(influence[column]), method, settings)
        averages[kind] = Average(estimate, len(defined), len(rankings))
    return averages


def _micro(
    statistic: _Statistic,
    y_true: np.ndarray,
    y_score: np.ndarray,
    weights: np.ndarray | None,
    units: _Units,
    method: str,
    settings: IntervalSettings,
) -> Average:
    """The statistic of all pairs of example and class; the pairs of one example vary together."""
    n, k = y_score.shape
    most = MOST_PAIRS if weights is None else MOST_WEIGHTED_PAIRS
    if n == 0 or n * k > most:
        return Average(undefined("no examples" if n == 0 else f"more than {most:,} pairs to rank"), 0, k)
    ranking = pooled_ranking(y_true, y_score, weights=weights)
    of_positives, of_negatives = statistic.influence(ranking)
    influence = np.empty(len(units.rows))
    for part in _row_blocks(len(units.rows), k):
        rows = units.rows[part]
        block = blocks_of(ranking, y_score[rows].ravel()).reshape(-1, k)
        own = block[np.arange(len(rows)), y_true[rows]]
        influence[part] = of_negatives[block].sum(axis=1) + of_positives[own] - of_negatives[own]
    if weights is not None:
        influence *= weights[units.rows]
    estimate = Estimate(statistic.value(ranking))
    return Average(statistic.with_interval(estimate, units.variance(influence), method, settings), k, k)


@dataclass(frozen=True, eq=False)
class _Units:
    """The independent units, examples or groups, that a variance is computed from: all of them or a random part.

    Attributes:
        rows: Their examples, shape (r,).
        unit: Unit of each of those, shape (r,), 0 … drawn − 1.
        drawn: How many units these are.
        of: How many there are in all.
    """

    rows: np.ndarray
    unit: np.ndarray
    drawn: int
    of: int

    def variance(self, influence: np.ndarray) -> float:
        """Variance of a statistic from the influence of `rows`, shape (r,): units · variance of a unit's sum."""
        if self.drawn < 2:
            return 0.0
        return float(np.bincount(self.unit, influence, self.drawn).var(ddof=1)) * self.of


def _units(n: int, num_classes: int, groups: np.ndarray | None, seed: int) -> _Units:
    """All units, or as many at random as PAIRS_FOR_VARIANCE pairs of example and class have room for."""
    codes, number = (np.arange(n), n) if groups is None else group_codes(groups)
    drawn = min(number, max(2, int(number * PAIRS_FOR_VARIANCE / max(1, n * num_classes))))
    if drawn == number:
        return _Units(np.arange(n), codes, number, number)
    place = np.random.default_rng(seed).permutation(number)[codes]
    rows = np.flatnonzero(place < drawn)
    return _Units(rows, place[rows], drawn, number)


def _row_blocks(n: int, num_classes: int) -> Iterator[slice]:
    """Slices of rows that hold about CELLS_PER_BLOCK scores each."""
    height = max(1, CELLS_PER_BLOCK // num_classes)
    return (slice(start, start + height) for start in range(0, n, height))


@dataclass(frozen=True)
class _Statistic:
    """What an average over classes needs to know of a statistic."""

    value: Callable[[Ranking], float]
    influence: Callable[[Ranking], tuple[np.ndarray, np.ndarray]]
    with_interval: Callable[[Estimate, float, str, IntervalSettings], Estimate]
    defined: Callable[[Ranking], bool]
    reason: str


STATISTICS = {
    "auc": _Statistic(
        auc.area,
        auc.area_influence,
        auc.with_interval,
        lambda ranking: bool(ranking.positives and ranking.negatives),
        "no class has both positive and negative examples",
    ),
    "average_precision": _Statistic(
        precision.step_sum,
        precision.precision_influence,
        precision.with_interval,
        lambda ranking: bool(ranking.positives),
        "no class has positive examples",
    ),
}
