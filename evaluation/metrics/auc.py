"""The area under the ROC curve, exact, with DeLong's interval or that of resamples which need no further sort."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from evaluation.metrics.ranking import Ranking, blocks_of, component_shares, rank
from evaluation.uncertainty.intervals import Estimate, IntervalSettings, normal_interval, undefined
from evaluation.uncertainty.means import linearised_variance, without_weightless
from evaluation.uncertainty.resampling import Resampler, percentile_interval

# Chunks that fit the cache, and too short for the threads of a dot product, which cost more than they save.
BLOCKS_PER_CHUNK = 1 << 13
# Variances below are rounding alone.
NEGLIGIBLE = 1e-24
Block = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
FEW_EXAMPLES = 50
HIGH_AREA = 0.9


def auc_estimate(
    y_true_binary: np.ndarray,
    y_score: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    settings: IntervalSettings | None = None,
    ranking: Ranking | None = None,
) -> Estimate:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    Args:
        y_true_binary: Whether each example is positive, shape (n,), bool or 0/1.
        y_score: Scores, shape (n,); higher means more positive.
        weights: How much each example counts, shape (n,); None: all alike.
        groups: What belongs together, such as a patient's id, shape (n,); None for independent examples.
        settings: Confidence, and `auc`: DeLong's interval as published, clipped to 0…1, or on the logit scale.
        ranking: The ranking of these very examples, where it is there already.

    Returns:
        The area. Its interval is DeLong's ("delong", "delong-logit") for independent, unweighted examples; from
        resamples ("bootstrap", "cluster-bootstrap") up to `settings.most_resampled` weighted or grouped examples;
        above, from DeLong's components, weighted or summed by group ("linearised", "cluster-linearised"). Where the
        examples cannot show any spread (one positive, perfect separation), a note stands in its place.

    Reference:
        DeLong, E. R., DeLong, D. M., & Clarke-Pearson, D. L. (1988). Biometrics, 44.
        Sun, X., & Xu, W. (2014). Fast implementation of DeLong's algorithm. IEEE Signal Processing Letters, 21.
        Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics, 53.
    """
    settings = settings or IntervalSettings()
    ranking = rank(y_true_binary, y_score, weights=weights) if ranking is None else ranking
    if not ranking.positives or not ranking.negatives:
        return undefined("no positive examples" if not ranking.positives else "no negative examples")
    sums = _sums(ranking)
    estimate = Estimate(_area_of(sums, ranking))
    positive = np.asarray(y_true_binary).astype(bool, copy=False)
    weights, groups, positive, y_score = without_weightless(weights, groups, positive, y_score)
    caution = no_spread(ranking, positive, weights)
    if caution:
        return replace(estimate, note=f"no interval: {caution}")
    if weights is None and groups is None:
        return _with_caution(with_interval(estimate, _variance_of(sums, ranking), settings.auc, settings), ranking)
    if len(positive) <= settings.most_resampled:
        sample = sort_examples(positive, y_score, weights)
        replicates = np.concatenate([bootstrap_areas(sample, counts) for counts in resampled(sample, groups, settings)])
        method = "bootstrap" if groups is None else "cluster-bootstrap"
        return percentile_interval(estimate, replicates, confidence=settings.confidence, method=method)
    influence = influence_by_example(area_influence(ranking), ranking, positive, y_score, weights)
    method = "linearised" if groups is None else "cluster-linearised"
    return with_interval(estimate, linearised_variance(influence, groups, positive), method, settings)


def _with_caution(estimate: Estimate, ranking: Ranking) -> Estimate:
    """Tells where DeLong's plain interval is known to be too narrow (benchmarks/results/coverage.md)."""
    few = min(ranking.positives, ranking.negatives) < FEW_EXAMPLES
    if estimate.method != "delong" or estimate.value is None or not (few or estimate.value > HIGH_AREA):
        return estimate
    where = f"fewer than {FEW_EXAMPLES} positives or negatives" if few else f"an area above {HIGH_AREA:g}"
    return replace(estimate, note=f"with {where}, DeLong's plain interval is too narrow; delong-logit covers better")


def with_interval(estimate: Estimate, variance: float, method: str, settings: IntervalSettings) -> Estimate:
    """Gives an area its normal interval, on the scale that the settings ask for."""
    return normal_interval(
        estimate,
        math.sqrt(variance) if variance > NEGLIGIBLE else 0.0,
        confidence=settings.confidence,
        method=method,
        scale="logit" if settings.auc == "delong-logit" else "plain",
        bounds=(0.0, 1.0),
    )


def area(ranking: Ranking) -> float:
    """Area under the ROC curve of a ranking that holds positives and negatives: exact for counts up to 10⁷ each."""
    return _area_of(_sums(ranking), ranking)


def delong_variance(ranking: Ranking) -> float:
    """DeLong's variance of the area from the blocks of tied scores, for two or more unweighted examples of each kind.

    Within a block all positives share one component, and so do all negatives, so that sums over blocks suffice.
    """
    return _variance_of(_sums(ranking), ranking)


def _sums(ranking: Ranking) -> tuple[float, float, float]:
    """Σ pairs in the right order, Σ over positives (negatives above)², Σ over negatives (positives above)²."""
    pairs = of_positives = of_negatives = 0.0
    for hits, alarms, tp, fp in blocks(ranking):
        alarms_above, hits_above = fp - alarms / 2, tp - hits / 2
        of_positives += float((hits * alarms_above) @ alarms_above)
        alarms *= hits_above
        pairs += float(alarms.sum())
        of_negatives += float(alarms @ hits_above)
    return pairs, of_positives, of_negatives


def _area_of(sums: tuple[float, float, float], ranking: Ranking) -> float:
    """The area from the sums."""
    return min(1.0, max(0.0, sums[0] / (float(ranking.positives) * float(ranking.negatives))))


def _variance_of(sums: tuple[float, float, float], ranking: Ranking) -> float:
    """DeLong's variance from the sums."""
    n1, n0, mean = float(ranking.positives), float(ranking.negatives), _area_of(sums, ranking)
    of_positives = sums[1] / n0**2 / n1 - (1 - mean) ** 2
    of_negatives = sums[2] / n1**2 / n0 - mean**2
    return max(0.0, of_positives) / (n1 - 1) + max(0.0, of_negatives) / (n0 - 1)


@dataclass(frozen=True, eq=False)
class SortedSample:
    """Examples in the order that areas of resamples need: the negatives ascending, then the positives ascending.

    Attributes:
        order: Index of each example in the data, shape (n,).
        negatives: How many of them are negative.
        below: Negatives that score lower than each positive, shape (n₁,).
        upto: Negatives that score at most as high as each positive, shape (n₁,).
        tied_from: Position among the positives of the first one with the same score, shape (n₁,).
        weights: Weights in this order, shape (n,), or None.
    """

    order: np.ndarray
    negatives: int
    below: np.ndarray
    upto: np.ndarray
    tied_from: np.ndarray
    weights: np.ndarray | None

    @property
    def strata(self) -> np.ndarray:
        """0 for negatives, then 1 for positives, shape (n,)."""
        return (np.arange(len(self.order)) >= self.negatives).astype(np.int64)


def sort_examples(y_true_binary: np.ndarray, y_score: np.ndarray, weights: np.ndarray | None = None) -> SortedSample:
    """Sorts once what any number of resamples share.

    Args:
        y_true_binary: Whether each example is positive, shape (n,), bool or 0/1.
        y_score: Scores, shape (n,).
        weights: How much each example counts, shape (n,); None: all alike.

    Returns:
        The sorted sample.
    """
    positive = np.asarray(y_true_binary, dtype=bool)
    scores = np.asarray(y_score, dtype=np.float64)
    order = np.lexsort((scores, positive))
    n0 = len(order) - int(positive.sum())
    negatives, positives = scores[order[:n0]], scores[order[n0:]]
    return SortedSample(
        order,
        n0,
        np.searchsorted(negatives, positives, "left"),
        np.searchsorted(negatives, positives, "right"),
        np.searchsorted(positives, positives, "left"),
        None if weights is None else np.asarray(weights, dtype=np.float64)[order],
    )


def resampled(sample: SortedSample, groups: np.ndarray | None, settings: IntervalSettings) -> Iterator[np.ndarray]:
    """Resamples of a sorted sample: chunks (b, n) of how often each example stands in them, in the sample's order."""
    ordered = None if groups is None else np.asarray(groups)[sample.order]
    return Resampler(sample.strata, ordered, replicates=settings.replicates, seed=settings.seed).counts()


def bootstrap_areas(sample: SortedSample, counts: np.ndarray) -> np.ndarray:
    """Areas under the ROC curves of resamples, without sorting them.

    Args:
        sample: The examples, sorted once.
        counts: How often each example stands in each resample, shape (b, n), in the order of the sample: column j is
            example `sample.order[j]`.

    Returns:
        Shape (b,); NaN where a resample holds no positive or no negative. Equal to the area of the resampled scores.

    Example:
        >>> sample = sort_examples(np.array([0, 1, 0, 1]), np.array([0.1, 0.3, 0.4, 0.8]))
        >>> bootstrap_areas(sample, np.array([[1.0, 1.0, 1.0, 1.0]]))
        array([0.75])
    """
    negatives, positives = split_counts(sample, counts)
    cumulative = exclusive_sums(negatives)
    ranks = np.take(cumulative, sample.below, axis=1)
    if not np.array_equal(sample.below, sample.upto):
        ranks = (ranks + np.take(cumulative, sample.upto, axis=1)) / 2
    with np.errstate(invalid="ignore"):
        return np.einsum("ij,ij->i", positives, ranks) / (cumulative[:, -1] * positives.sum(axis=1))


def split_counts(sample: SortedSample, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of the negatives and of the positives in each resample, shapes (b, n₀) and (b, n₁)."""
    weighted = counts if sample.weights is None else counts * sample.weights
    return weighted[:, : sample.negatives], weighted[:, sample.negatives :]


def exclusive_sums(values: np.ndarray) -> np.ndarray:
    """Sums of the columns before each, and of all: shape (b, m) gives (b, m + 1)."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def blocks(ranking: Ranking, *, backwards: bool = False) -> Iterator[Block]:
    """The blocks of tied scores, in chunks that fit the cache.

    Args:
        ranking: The ranking.
        backwards: Whether the chunks come from the lowest scores upwards; within a chunk scores descend either way.

    Yields:
        Positives of each block, negatives of each block, and either cumulatively; float64.
    """
    starts = range(0, len(ranking.tp), BLOCKS_PER_CHUNK)
    for start in reversed(starts) if backwards else starts:
        tp, fp = (x[start : start + BLOCKS_PER_CHUNK].astype(np.float64) for x in (ranking.tp, ranking.fp))
        tp_before, fp_before = (ranking.tp[start - 1], ranking.fp[start - 1]) if start else (0, 0)
        yield np.diff(tp, prepend=tp_before), np.diff(fp, prepend=fp_before), tp, fp


def area_influence(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """First-order change of the area by a positive and by a negative of each block, shapes (m,)."""
    mean, (of_positives, of_negatives) = area(ranking), component_shares(ranking)
    return (of_positives - mean) / float(ranking.positives), (of_negatives - mean) / float(ranking.negatives)


def influence_by_example(
    by_block: tuple[np.ndarray, np.ndarray],
    ranking: Ranking,
    positive: np.ndarray,
    y_score: np.ndarray,
    weights: np.ndarray | None,
) -> np.ndarray:
    """First-order change of a statistic by each example, shape (n,), from that of its block of tied scores."""
    block = blocks_of(ranking, y_score)
    influence = np.where(positive, by_block[0][block], by_block[1][block])
    return influence if weights is None else influence * weights


def no_spread(ranking: Ranking, positive: np.ndarray, weights: np.ndarray | None) -> str | None:
    """Why the examples cannot show how far the area may be off, or None."""
    counted = positive if weights is None else positive[np.asarray(weights) > 0]
    positives = int(np.count_nonzero(counted))
    for name, count in (("positive", positives), ("negative", len(counted) - positives)):
        if count < 2:
            return f"a single {name} example" if count else f"no {name} examples"
    if len(ranking.thresholds) == 1:
        return "all scores are equal"
    alarms_before_last_hit = ranking.fp[np.searchsorted(ranking.tp, ranking.positives)]
    hits_before_last_alarm = ranking.tp[np.searchsorted(ranking.fp, ranking.negatives)]
    if alarms_before_last_hit == 0 or hits_before_last_alarm == 0:
        return "the scores separate the two kinds perfectly"
    return None
