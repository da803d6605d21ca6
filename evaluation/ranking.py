"""One sort, and what follows from it: how many positives and negatives score at least every threshold.

Areas (`evaluation.auc`), curves (`evaluation.curves`) and operating points are all read off a `Ranking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.intervals import Estimate

LARGEST_PACKED = 2.0
KEYS_PER_CHUNK = 1 << 14


@dataclass(frozen=True, eq=False)
class Ranking:
    """Counts at every threshold that a score can pass, from the highest score to the lowest.

    Attributes:
        thresholds: The m distinct scores, descending, shape (m,), float64.
        tp: Positives that score at least the threshold, shape (m,), int64; sums of weights, float64, where weighted.
        fp: Negatives that score at least the threshold, likewise.
        positives: All positives, or their weight; the last of `tp`.
        negatives: All negatives, or their weight; the last of `fp`.
    """

    thresholds: np.ndarray
    tp: np.ndarray
    fp: np.ndarray
    positives: float
    negatives: float


def rank(y_true_binary: np.ndarray, y_score: np.ndarray, *, weights: np.ndarray | None = None) -> Ranking:
    """Sorts the scores once and counts positives and negatives down to each of them.

    Args:
        y_true_binary: Whether each example is positive, shape (n,), bool or 0/1.
        y_score: Scores, shape (n,); higher means more positive. −0.0 equals 0.0.
        weights: How much each example counts, shape (n,), at least 0; examples of weight 0 are left out.

    Returns:
        The ranking. Unweighted scores from 0 to below 2 take about a tenth of the time of others.

    Raises:
        ValueError: If the shapes differ or a score is NaN.
    """
    positive = np.asarray(y_true_binary).astype(bool, copy=False)
    scores = np.asarray(y_score, dtype=np.float64)
    if positive.ndim != 1 or scores.shape != positive.shape:
        raise ValueError(
            f"y_true_binary and y_score must be of one shape (n,). Received: {positive.shape} and {scores.shape}."
        )
    lowest, highest = (scores.min(), scores.max()) if len(scores) else (0.0, 0.0)
    if np.isnan(lowest):
        raise ValueError(f"y_score must hold numbers. Received: NaN at index {int(np.argmax(np.isnan(scores)))}.")
    if weights is not None:
        return _rank_by_index(positive, scores, np.asarray(weights, dtype=np.float64))
    if lowest >= 0 and highest < LARGEST_PACKED:
        return _rank_packed(positive, scores)
    return _rank_by_index(positive, scores, None)


def placements(
    y_true_binary: np.ndarray, y_score: np.ndarray, *, weights: np.ndarray | None = None, ranking: Ranking | None = None
) -> np.ndarray:
    """DeLong's structural components: how well each example ranks among those of the other kind.

    A positive's is the share of negatives that score below it (V10), a negative's the share of positives that score
    above it (V01), ties counting half. The mean of either kind is the area under the ROC curve.

    Args:
        y_true_binary: Whether each example is positive, shape (n,), bool or 0/1.
        y_score: Scores, shape (n,).
        weights: How much each example counts, shape (n,); None: all alike.
        ranking: The ranking of these very examples, where it is there already.

    Returns:
        Shape (n,), float64, 0…1.

    Raises:
        ValueError: If positives or negatives are missing.

    Reference:
        DeLong, E. R., DeLong, D. M., & Clarke-Pearson, D. L. (1988). Comparing the areas under two or more correlated
        receiver operating characteristic curves. Biometrics, 44.
    """
    ranking = rank(y_true_binary, y_score, weights=weights) if ranking is None else ranking
    if not ranking.positives or not ranking.negatives:
        counts = f"{ranking.positives:g} positives and {ranking.negatives:g} negatives"
        raise ValueError(f"placements need examples of both kinds. Received: {counts}.")
    below, above = component_shares(ranking)
    block = blocks_of(ranking, y_score)
    return np.where(np.asarray(y_true_binary, dtype=bool), below[block], above[block])


def component_shares(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives below and share of positives above each block of tied scores, ties half, shapes (m,)."""
    below = 1 - (ranking.fp - np.diff(ranking.fp, prepend=0) / 2) / ranking.negatives
    return below, (ranking.tp - np.diff(ranking.tp, prepend=0) / 2) / ranking.positives


def blocks_of(ranking: Ranking, y_score: np.ndarray) -> np.ndarray:
    """Index of each score among the thresholds of its ranking, shape (n,); examples of weight 0 get a neighbour's."""
    found = np.searchsorted(-ranking.thresholds, -np.asarray(y_score, dtype=np.float64))
    return np.minimum(found, len(ranking.thresholds) - 1)


def opposite(ranking: Ranking) -> Ranking:
    """The ranking of the negatives by 1 − score: what the other of two classes has, without another sort.

    Args:
        ranking: The ranking of the positives.

    Returns:
        Positives and negatives exchanged, thresholds 1 − t, descending.
    """
    tp, fp = np.empty_like(ranking.fp), np.empty_like(ranking.tp)
    np.subtract(ranking.negatives, ranking.fp[-2::-1], out=tp[:-1])
    np.subtract(ranking.positives, ranking.tp[-2::-1], out=fp[:-1])
    tp[-1:], fp[-1:] = ranking.negatives, ranking.positives
    return Ranking(1 - ranking.thresholds[::-1], tp, fp, ranking.negatives, ranking.positives)


def _rank_packed(positive: np.ndarray, scores: np.ndarray) -> Ranking:
    """Sorts score and label as one integer: doubles of 0…2 order as their bits, whose topmost two stay free.

    NumPy sorts integers about ten times as fast as it finds the order of doubles. The keys are inverted to come out
    descending.
    """
    keys = (scores + 0.0).view(np.uint64)
    np.left_shift(keys, 1, out=keys)
    np.bitwise_or(keys, positive, out=keys)
    np.invert(keys, out=keys)
    keys.sort()
    tp, fp = np.empty(len(keys), dtype=np.int64), np.empty(len(keys), dtype=np.int64)
    kept = hits = 0
    # In pieces that fit the cache; thresholds take the place of keys that were read already.
    for start in range(0, len(keys), KEYS_PER_CHUNK):
        piece = ~keys[start : start + KEYS_PER_CHUNK + 1]
        own = min(KEYS_PER_CHUNK, len(keys) - start)
        cumulative = np.cumsum(piece[:own] & 1, dtype=np.int64)
        piece >>= 1
        last = np.flatnonzero(np.append(piece[1:] != piece[:-1], len(piece) == own)[:own])
        rows = slice(kept, kept + len(last))
        keys[rows], tp[rows] = piece[last], cumulative[last] + hits
        fp[rows] = last + start + 1 - tp[rows]
        kept, hits = kept + len(last), hits + int(cumulative[-1])
    thresholds, tp, fp = keys[:kept].view(np.float64), tp[:kept], fp[:kept]
    if kept < len(keys) // 2:
        thresholds, tp, fp = thresholds.copy(), tp.copy(), fp.copy()
    return _ranking(thresholds, tp, fp)


def _at_block_ends(descending: np.ndarray, hits: np.ndarray) -> Ranking:
    """The ranking of sorted scores and the cumulative count of positives."""
    n = len(descending)
    new = descending[1:] != descending[:-1]
    if new.all():
        return _ranking(descending, hits, np.arange(1, n + 1) - hits)
    last = np.append(np.flatnonzero(new), n - 1)
    thresholds, tp = descending[last], hits[last]
    last += 1
    last -= tp
    return _ranking(thresholds, tp, last)


def _rank_by_index(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray | None) -> Ranking:
    """The ranking by way of the order of the scores, for any range and for weights."""
    if weights is None:
        order = np.argsort(-scores, kind="stable")
        return _at_block_ends(scores[order] + 0.0, np.cumsum(positive[order], dtype=np.int64))
    kept = weights != 0
    positive, scores, weights = positive[kept], scores[kept], weights[kept]
    order = np.argsort(-scores, kind="stable")
    descending, positive, weights = scores[order] + 0.0, positive[order], weights[order]
    last = np.append(np.flatnonzero(np.diff(descending)), len(order) - 1) if len(order) else np.array([], dtype=int)
    tp = np.cumsum(np.where(positive, weights, 0.0))[last]
    fp = np.cumsum(np.where(positive, 0.0, weights))[last]
    return _ranking(descending[last], tp, fp)


def _ranking(thresholds: np.ndarray, tp: np.ndarray, fp: np.ndarray) -> Ranking:
    """Adds the totals."""
    if not len(thresholds):
        return Ranking(thresholds, tp, fp, 0, 0)
    return Ranking(thresholds, tp, fp, tp[-1].item(), fp[-1].item())


# --- removed by the lead once the callers are switched: `auc_estimate` lives in evaluation.auc, the rest is superseded


def auc_estimate(y_true_binary: np.ndarray, y_score: np.ndarray, **keywords: Any) -> Estimate:
    """Forwards to evaluation.auc."""
    from evaluation.auc import auc_estimate as found

    return found(y_true_binary, y_score, **keywords)


def average_precision(y_true_binary: np.ndarray, y_score: np.ndarray, **keywords: Any) -> Estimate:
    """Forwards to evaluation.average_precision."""
    from evaluation.average_precision import average_precision as found

    return found(y_true_binary, y_score, **keywords)


MOST_PAIRS = 20_000_000


@dataclass(frozen=True)
class RocCurve:
    """Points of a ROC curve, from (0, 0) to (1, 1).

    Attributes:
        false_positive_rate: 1 − specificity, ascending, shape (m,).
        true_positive_rate: Sensitivity, ascending, shape (m,).
        thresholds: A point calls positive what scores at least this, shape (m,); infinity at (0, 0).
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    thresholds: np.ndarray


def area_under_curve(y_true_binary: np.ndarray, y_score: np.ndarray) -> Estimate:
    """Exact area under the ROC curve: the Mann–Whitney statistic by mid-ranks.

    AUC = (sum of the positives' ranks − n₁(n₁ + 1)/2) / (n₁ n₀), the probability that a positive scores higher than
    a negative, ties counting half.

    Args:
        y_true_binary: Whether each example is positive, shape (n,), bool or 0/1.
        y_score: Scores, shape (n,); higher means more positive.

    Returns:
        The area, or None with the reason where one of the two kinds is missing. No interval yet.

    Reference:
        Hanley, J. A., & McNeil, B. J. (1982). The meaning and use of the area under a ROC curve. Radiology, 143.
    """
    from scipy.stats import rankdata

    positive = np.asarray(y_true_binary, dtype=bool)
    n1 = int(positive.sum())
    n0 = len(positive) - n1
    if n1 == 0 or n0 == 0:
        return Estimate(None, reason="no positive examples" if n1 == 0 else "no negative examples")
    ranks = rankdata(np.asarray(y_score, dtype=np.float64))
    area = (float(ranks[positive].sum()) - n1 * (n1 + 1) / 2) / (n1 * n0)
    return Estimate(min(1.0, max(0.0, area)))


def roc_curve(y_true_binary: np.ndarray, y_score: np.ndarray, max_points: int = 1000) -> RocCurve | None:
    """ROC curve, with the corners that a reader can see and at most `max_points` points.

    Args:
        y_true_binary: Whether each example is positive, shape (n,), bool or 0/1.
        y_score: Scores, shape (n,).
        max_points: Largest number of points kept, at least 2.

    Returns:
        The curve, or None where positives or negatives are missing.
    """
    positive = np.asarray(y_true_binary, dtype=bool)
    n1 = int(positive.sum())
    n0 = len(positive) - n1
    if n1 == 0 or n0 == 0:
        return None
    order = np.argsort(-np.asarray(y_score, dtype=np.float64), kind="stable")
    scores = np.asarray(y_score, dtype=np.float64)[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits = np.cumsum(positive[order])[last]
    false_alarms = last + 1 - hits
    fpr = np.append(0.0, false_alarms / n0)
    tpr = np.append(0.0, hits / n1)
    thresholds = np.append(np.inf, scores[last])
    keep = _thin(np.append(0, false_alarms), np.append(0, hits), max_points)
    return RocCurve(fpr[keep], tpr[keep], thresholds[keep])


def one_vs_rest_areas(y_true: np.ndarray, y_score: np.ndarray) -> list[Estimate]:
    """AUC of every class against the rest.

    Args:
        y_true: Class indices, shape (n,).
        y_score: Scores, shape (n, K).

    Returns:
        K estimates; None with a reason where a class never occurs or nothing else does.
    """
    return [area_under_curve(y_true == index, y_score[:, index]) for index in range(y_score.shape[1])]


def mean_areas(areas: list[Estimate], support: np.ndarray) -> tuple[Estimate, Estimate]:
    """Macro mean (each class alike) and weighted mean (by support) over the classes whose AUC is defined.

    Args:
        areas: AUC per class.
        support: Examples per class, shape (K,).

    Returns:
        (macro, weighted); numerator and denominator say over how many of the K classes.
    """
    defined = [index for index, area in enumerate(areas) if area.value is not None]
    counts: dict[str, Any] = {"numerator": len(defined), "denominator": len(areas)}
    if not defined:
        empty = Estimate(None, **counts, reason="no class has both positive and negative examples")
        return empty, empty
    values = np.array([areas[index].value for index in defined])
    weighted = float(np.average(values, weights=np.asarray(support)[defined]))
    return Estimate(float(values.mean()), **counts), Estimate(weighted, **counts)


def micro_area(y_true: np.ndarray, y_score: np.ndarray) -> Estimate:
    """AUC over all pairs of an example and a class: is the score of the true class above those of the others?

    Args:
        y_true: Class indices, shape (n,).
        y_score: Scores, shape (n, K).

    Returns:
        The area with K of K classes, or None with a reason where there is no example, or where n·K exceeds
        20 million pairs, which would take minutes to rank.
    """
    n, k = y_score.shape
    if n * k > MOST_PAIRS:
        return Estimate(None, numerator=0, denominator=k, reason=f"more than {MOST_PAIRS:,} pairs to rank")
    area = area_under_curve((y_true[:, None] == np.arange(k)).ravel(), y_score.ravel())
    return Estimate(area.value, numerator=k if area.value is not None else 0, denominator=k, reason=area.reason)


def _thin(false_alarms: np.ndarray, hits: np.ndarray, max_points: int) -> np.ndarray:
    """Indices of the points to keep: corners, and of those at most one per cell along the curve's length.

    Points inside a straight run are dropped without loss. Where more than `max_points` remain, positions along the
    curve (both rates together run from 0 to 2) are divided evenly, so that no dropped point lies farther than about
    2/max_points from a kept one.
    """
    corner = np.ones(len(hits), dtype=bool)
    x, y = np.diff(false_alarms), np.diff(hits)
    corner[1:-1] = x[:-1] * y[1:] != y[:-1] * x[1:]
    keep = np.flatnonzero(corner)
    if len(keep) <= max_points:
        return keep
    position = (false_alarms / false_alarms[-1] + hits / hits[-1])[keep] / 2
    cell = np.minimum((position * (max_points - 2)).astype(np.int64), max_points - 3)
    first = np.append(True, np.diff(cell) > 0)
    first[-1] = True
    return keep[first]
