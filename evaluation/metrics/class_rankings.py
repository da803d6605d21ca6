"""Rankings of many classes against the rest, and of all pairs of example and class, in little memory and time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from evaluation.metrics.ranking import Ranking, rank

CELLS_PER_BLOCK = 1 << 21


def class_rankings(y_true: np.ndarray, y_score: np.ndarray, *, weights: np.ndarray | None = None) -> list[Ranking]:
    """Rankings of every class against the rest, from one sort of each column.

    Negatives that no positive separates are counted as one block, so that a class of m examples takes at most 2m + 1
    blocks. Areas, average precisions and their variances are the same.

    Args:
        y_true: Class indices, shape (n,).
        y_score: Scores, shape (n, K).
        weights: How much each example counts, shape (n,); None: all alike.

    Returns:
        K rankings. Memory beside them is bounded: columns are sorted in blocks.
    """
    n, k = y_score.shape
    if weights is not None:
        return [merged_negatives(rank(y_true == index, y_score[:, index], weights=weights)) for index in range(k)]
    members = np.split(np.argsort(y_true, kind="stable"), np.cumsum(np.bincount(y_true, minlength=k))[:-1])
    width = max(1, CELLS_PER_BLOCK // max(1, n))
    rankings = []
    for start in range(0, k, width):
        columns = np.ascontiguousarray(y_score[:, start : start + width].T)
        own = [column[members[start + i]] for i, column in enumerate(columns)]
        columns += 0.0
        columns.sort(axis=1)
        rankings += [_ranking_of_gaps([column], np.sort(mine)) for column, mine in zip(columns, own, strict=True)]
    return rankings


def merged_negatives(ranking: Ranking) -> Ranking:
    """The ranking with consecutive thresholds that only negatives reach merged into the lowest of them."""
    hits = np.diff(ranking.tp, prepend=0) > 0
    kept = hits | np.append(hits[1:], True)[: len(hits)]
    return replace(ranking, thresholds=ranking.thresholds[kept], tp=ranking.tp[kept], fp=ranking.fp[kept])


def pooled_ranking(y_true: np.ndarray, y_score: np.ndarray, *, weights: np.ndarray | None = None) -> Ranking:
    """Ranking of all n·K pairs of an example and a class, positive where the class is the true one.

    Args:
        y_true: Class indices, shape (n,).
        y_score: Scores, shape (n, K).
        weights: How much each example counts, shape (n,); None: all alike. Weighted pairs are all sorted at once.

    Returns:
        The ranking, negatives that no positive separates counted as one block; from sorts of blocks of rows.
    """
    n, k = y_score.shape
    if weights is not None:
        one_hot = y_true[:, None] == np.arange(k)
        return merged_negatives(rank(one_hot.ravel(), y_score.ravel(), weights=np.repeat(weights, k)))
    own = np.sort(y_score[np.arange(n), y_true] + 0.0)
    height = max(1, CELLS_PER_BLOCK // max(1, k))
    parts = (np.sort(y_score[start : start + height].ravel() + 0.0) for start in range(0, n, height))
    return _ranking_of_gaps(parts, own)


def _ranking_of_gaps(sorted_parts: Iterable[np.ndarray], positives: np.ndarray) -> Ranking:
    """The ranking of examples whose positives' scores are `positives`, ascending, and all scores `sorted_parts`.

    Between two different scores of positives lie only negatives: they are counted, not listed. The threshold of such
    a gap is the number next above the positive below it, so that every score finds its block.
    """
    levels, hits = np.unique(positives, return_counts=True)
    below, upto, total = np.zeros(len(levels), dtype=np.int64), np.zeros(len(levels), dtype=np.int64), 0
    for part in sorted_parts:
        below += np.searchsorted(part, levels, "left")
        upto += np.searchsorted(part, levels, "right")
        total += len(part)
    through = np.cumsum(hits)
    below, upto, negatives = below - (through - hits), upto - through, total - len(positives)
    counts = np.zeros((2, 2 * len(levels) + 1), dtype=np.int64)
    counts[0, 1::2] = hits
    counts[1, 1::2] = upto - below
    counts[1, 0::2] = np.append(below, negatives) - np.append(0, upto)
    thresholds = np.full(2 * len(levels) + 1, -np.inf)
    thresholds[1::2], thresholds[2::2] = levels, np.nextafter(levels, np.inf)
    held = counts.any(axis=0)
    tp, fp = np.cumsum(counts[:, held][:, ::-1], axis=1)
    return Ranking(thresholds[held][::-1], tp, fp, len(positives), negatives)
