"""How well scores rank positives above negatives: ROC curves and the exact area under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.intervals import Estimate

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
