"""One sort, and what follows from it: how many positives and negatives score at least every threshold.

Areas (`auc.py`), curves (`curves.py`) and operating points (`thresholds.py`) are all read off a `Ranking`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
