"""The numbers of one split of a classification, as report.json holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluation.metrics.auc import auc_estimate
from evaluation.metrics.average_precision import average_precision
from evaluation.metrics.calibration import brier_score, expected_calibration_error, log_loss
from evaluation.metrics.class_rankings import class_rankings
from evaluation.metrics.confusion import MEASURES, frequent_confusions
from evaluation.metrics.diagnostic import DecisionSample
from evaluation.metrics.multiclass import (
    average_auc,
    average_average_precision,
    one_vs_rest_auc,
    one_vs_rest_average_precision,
    top_k_accuracy,
)
from evaluation.metrics.ranking import Ranking, opposite
from evaluation.metrics.subgroups import subgroup_rows
from evaluation.metrics.thresholds import OperatingPoint
from evaluation.options import ReportOptions
from evaluation.predictions import Missing, Predictions
from evaluation.report.binary import NOTHING_BINARY, binary_numbers
from evaluation.report.serialise import estimate_json, optional_json, plain
from evaluation.uncertainty.intervals import Estimate

TOP_K = (2, 3, 5)


def classification_numbers(
    predictions: Predictions,
    ranking: Ranking | None,
    point: OperatingPoint | None,
    *,
    options: ReportOptions,
    max_mistakes: int,
) -> dict[str, Any]:
    """The numbers of one split.

    Args:
        predictions: Truth and scores, their threshold at the operating point.
        ranking: The positive class' scores, sorted; None without a positive class.
        point: The operating point; None without a positive class.
        options: Prevalence and intervals.
        max_mistakes: How many mistakes to list.

    Returns:
        A classification split as schema.json describes it.
    """
    p, settings = predictions, options.intervals
    sample = DecisionSample(p.y_true, p.y_pred, len(p.labels), groups=p.groups, weights=p.weights, settings=settings)
    rankings = _rankings(p, ranking)
    numbers = {
        "kind": "classification",
        "n": len(p),
        "labels": list(p.labels),
        "positive": p.positive,
        "groups": None if p.groups is None else len(set(p.groups.tolist())),
        "weighted": p.weights is not None,
        "missing": _missing(p.missing),
        **{name: estimate_json(value) for name, value in sample.overall().items()},
        **_probability_numbers(p, options),
        "confusion_matrix": [[plain(cell) for cell in row] for row in sample.matrix.tolist()],
        "per_class": _per_class(p, sample, ranking, rankings, options),
        "averages": _averages(p, sample, rankings, options),
        "frequent_confusions": _confusions(sample.matrix, p.labels),
        "subgroups": _subgroups(p, options),
        "readers": None,
        "mistakes": _mistakes(p, max_mistakes),
        "notes": list(p.notes),
    }
    if ranking is None or point is None:
        return numbers | NOTHING_BINARY
    return numbers | binary_numbers(p, ranking, point, sample, options)


def _rankings(p: Predictions, ranking: Ranking | None) -> list[Ranking]:
    """The scores of every class, each sorted once."""
    if ranking is None:
        return class_rankings(p.y_true, p.y_score, weights=p.weights)
    return [opposite(ranking), ranking]


def _missing(missing: Missing | None) -> dict[str, Any] | None:
    """What was missing."""
    if missing is None:
        return None
    return {
        "policy": missing.policy,
        "scores": missing.scores,
        "truths": missing.truths,
        "scores_by_class": {str(label): int(count) for label, count in missing.scores_by_class.items()},
    }


def _probability_numbers(p: Predictions, options: ReportOptions) -> dict[str, Any]:
    """Numbers that need the scores of all classes, and no operating point."""
    shared: dict[str, Any] = {"weights": p.weights, "groups": p.groups, "settings": options.intervals}
    ks = [k for k in TOP_K if len(p.labels) > max(TOP_K)]
    return {
        "brier": estimate_json(brier_score(p.y_true, p.y_score, **shared)),
        "log_loss": estimate_json(log_loss(p.y_true, p.y_score, **shared)),
        "ece": estimate_json(expected_calibration_error(p.y_true, p.y_score, **shared)),
        "top_k": [{"k": k, "accuracy": estimate_json(top_k_accuracy(p.y_true, p.y_score, k, **shared))} for k in ks],
    }


def _per_class(
    p: Predictions, sample: DecisionSample, ranking: Ranking | None, rankings: list[Ranking], options: ReportOptions
) -> list[dict[str, Any]]:
    """Every class against the rest."""
    areas, precisions = _rank_numbers(p, ranking, rankings, options)
    rows = []
    for index, label in enumerate(p.labels):
        one = sample.counts[index]
        counts = {"tp": one.tp, "fp": one.fp, "fn": one.fn, "tn": one.tn}
        measures = sample.class_measures(index)
        rows.append(
            {"label": label, "support": plain(one.support), "predicted": plain(one.tp + one.fp)}
            | {name: plain(count) for name, count in counts.items()}
            | {name: estimate_json(measures[name]) for name in MEASURES}
            | {"auc": estimate_json(areas[index]), "average_precision": estimate_json(precisions[index])}
        )
    return rows


def _rank_numbers(
    p: Predictions, ranking: Ranking | None, rankings: list[Ranking], options: ReportOptions
) -> tuple[list[Estimate], list[Estimate]]:
    """AUC and average precision of every class; two classes share the AUC of the positive one's score."""
    shared: dict[str, Any] = {"weights": p.weights, "groups": p.groups, "settings": options.intervals}
    if ranking is None:
        shared["rankings"] = rankings
        areas = one_vs_rest_auc(p.y_true, p.y_score, **shared)
        return areas, one_vs_rest_average_precision(p.y_true, p.y_score, **shared)
    positive = p.y_true == 1
    area = auc_estimate(positive, p.y_score[:, 1], ranking=ranking, **shared)
    mine = average_precision(positive, p.y_score[:, 1], ranking=ranking, **shared)
    other = average_precision(~positive, 1 - p.y_score[:, 1], ranking=opposite(ranking), **shared)
    return [area, area], [other, mine]


def _averages(
    p: Predictions, sample: DecisionSample, rankings: list[Ranking], options: ReportOptions
) -> dict[str, Any]:
    """Macro, micro and weighted averages with their intervals."""
    shared: dict[str, Any] = {"weights": p.weights, "groups": p.groups, "settings": options.intervals}
    shared["rankings"] = rankings
    areas = average_auc(p.y_true, p.y_score, **shared)
    precisions = average_average_precision(p.y_true, p.y_score, **shared)
    return {
        kind: {
            name: estimate_json(average.estimate) | {"classes": average.classes, "of": average.of}
            for name, average in (row | {"auc": areas[kind], "average_precision": precisions[kind]}).items()
        }
        for kind, row in sample.averages().items()
    }


def _confusions(matrix: np.ndarray, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """The most frequent mistakes, with their share of the true class."""
    support = matrix.sum(axis=1)
    return [
        {"truth": labels[row], "predicted": labels[column], "count": plain(count), "share": float(count / support[row])}
        for row, column, count in frequent_confusions(matrix)
    ]


def _subgroups(p: Predictions, options: ReportOptions) -> list[dict[str, Any]]:
    """The main numbers by the value of each subgroup column."""
    return [
        {
            "column": row.column,
            "value": row.value,
            "n": row.n,
            "positives": row.positives,
            "accuracy": estimate_json(row.accuracy),
            "sensitivity": optional_json(row.sensitivity),
            "specificity": optional_json(row.specificity),
            "auc": optional_json(row.auc),
            "warning": row.warning,
        }
        for row in subgroup_rows(p, options.intervals)
    ]


def _mistakes(p: Predictions, limit: int) -> dict[str, Any]:
    """How many examples are wrong, and the most confident of them."""
    y_pred = p.y_pred
    wrong = np.flatnonzero(y_pred != p.y_true)
    score = p.y_score[wrong, y_pred[wrong]]
    shown = wrong[np.argsort(-score, kind="stable")][:limit]
    return {
        "count": len(wrong),
        "shown": [
            {
                "id": str(p.ids[index]),
                "truth": p.labels[p.y_true[index]],
                "predicted": p.labels[y_pred[index]],
                "score": float(p.y_score[index, y_pred[index]]),
            }
            for index in shown
        ],
    }
