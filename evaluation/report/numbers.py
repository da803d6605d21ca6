"""The numbers of a report: from predictions to a dict of plain values that JSON can hold."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.confusion import (
    RATES,
    Average,
    accuracy,
    average_rates,
    class_rates,
    confusion_matrix,
    frequent_confusions,
    one_vs_rest,
)
from evaluation.intervals import Estimate
from evaluation.predictions import Predictions, RegressionPredictions
from evaluation.ranking import area_under_curve, mean_areas, micro_area, one_vs_rest_areas
from evaluation.regression import regression_scores

if TYPE_CHECKING:
    from evaluation.report import ReportContext

SCHEMA = 1
CONFIDENCE = 0.95


def report_numbers(
    splits: Mapping[str, Predictions | RegressionPredictions], *, title: str, context: ReportContext
) -> dict[str, Any]:
    """Everything that report.json holds.

    Args:
        splits: Predictions by the split's name.
        title: Heading of the report.
        context: Details, notes and verdict; how many mistakes to list.

    Returns:
        {"schema", "title", "confidence", "splits": {name: …}, "verdict", "details", "notes", "versions"}.
    """
    return {
        "schema": SCHEMA,
        "title": title,
        "confidence": CONFIDENCE,
        "splits": {name: split_numbers(predictions, context.max_mistakes) for name, predictions in splits.items()},
        "verdict": context.verdict,
        "details": {str(name): str(value) for name, value in context.details.items()},
        "notes": [str(note) for note in context.notes],
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__},
    }


def split_numbers(predictions: Predictions | RegressionPredictions, max_mistakes: int) -> dict[str, Any]:
    """The numbers of one split."""
    if isinstance(predictions, RegressionPredictions):
        return _regression_numbers(predictions, max_mistakes)
    return _classification_numbers(predictions, max_mistakes)


def _classification_numbers(predictions: Predictions, max_mistakes: int) -> dict[str, Any]:
    """Accuracy, rates per class, their averages, areas under the curves, and the mistakes."""
    k = len(predictions.labels)
    matrix = confusion_matrix(predictions.y_true, predictions.y_pred, k)
    counts = one_vs_rest(matrix)
    rates = [class_rates(one, confidence=CONFIDENCE) for one in counts]
    areas = _areas(predictions)
    per_class = []
    for label, one, rate, area in zip(predictions.labels, counts, rates, areas, strict=True):
        entry: dict[str, Any] = {"label": label, "support": one.support, "predicted": one.tp + one.fp}
        entry |= {"tp": one.tp, "fp": one.fp, "fn": one.fn, "tn": one.tn}
        entry |= {name: _estimate(rate[name]) for name in RATES} | {"auc": _estimate(area)}
        per_class.append(entry)
    return {
        "kind": "classification",
        "n": len(predictions),
        "labels": list(predictions.labels),
        "positive": predictions.positive,
        "threshold": predictions.threshold if predictions.positive is not None else None,
        "accuracy": _estimate(accuracy(matrix, confidence=CONFIDENCE)),
        "confusion_matrix": matrix.tolist(),
        "per_class": per_class,
        "averages": _averages(predictions, rates, counts, areas),
        "frequent_confusions": _confusions(matrix, predictions.labels),
        "mistakes": _mistakes(predictions, max_mistakes),
    }


def _areas(predictions: Predictions) -> list[Estimate]:
    """AUC per class; with a positive class, ranked by its score alone so that both classes agree."""
    if predictions.positive is None:
        return one_vs_rest_areas(predictions.y_true, predictions.y_score)
    area = area_under_curve(predictions.y_true == 1, predictions.y_score[:, 1])
    return [area, area]


def _averages(
    predictions: Predictions, rates: list[dict[str, Estimate]], counts: list[Any], areas: list[Estimate]
) -> dict[str, Any]:
    """Macro, micro and weighted averages of the rates, and of the areas where they are defined."""
    averages = average_rates(rates, counts)
    macro, weighted = mean_areas(areas, np.array([one.support for one in counts]))
    shown = {kind: {name: _average(value) for name, value in row.items()} for kind, row in averages.items()}
    micro = micro_area(predictions.y_true, predictions.y_score)
    for kind, area in (("macro", macro), ("micro", micro), ("weighted", weighted)):
        defined, of = area.numerator or 0, area.denominator or 0
        shown[kind]["auc"] = _average(Average(area.value, defined, of, area.reason))
    return shown


def _confusions(matrix: np.ndarray, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """The most frequent mistakes, with their share of the true class."""
    support = matrix.sum(axis=1)
    return [
        {"truth": labels[row], "predicted": labels[column], "count": count, "share": count / int(support[row])}
        for row, column, count in frequent_confusions(matrix)
    ]


def _mistakes(predictions: Predictions, limit: int) -> dict[str, Any]:
    """How many examples are wrong, and the most confident of them."""
    y_pred = predictions.y_pred
    wrong = np.flatnonzero(y_pred != predictions.y_true)
    score = predictions.y_score[wrong, y_pred[wrong]]
    shown = wrong[np.argsort(-score, kind="stable")][:limit]
    return {
        "count": len(wrong),
        "shown": [
            {
                "id": str(predictions.ids[index]),
                "truth": predictions.labels[predictions.y_true[index]],
                "predicted": predictions.labels[y_pred[index]],
                "score": float(predictions.y_score[index, y_pred[index]]),
            }
            for index in shown
        ],
    }


def _regression_numbers(predictions: RegressionPredictions, limit: int) -> dict[str, Any]:
    """MAE, RMSE, R² and the largest errors."""
    scores = regression_scores(predictions.y_true, predictions.y_pred)
    error = predictions.y_pred - predictions.y_true
    largest = np.argsort(-np.abs(error), kind="stable")[:limit]
    return {
        "kind": "regression",
        "n": scores.n,
        "mae": _estimate(scores.mae),
        "rmse": _estimate(scores.rmse),
        "r2": _estimate(scores.r2),
        "largest_errors": [
            {
                "id": str(predictions.ids[index]),
                "truth": float(predictions.y_true[index]),
                "predicted": float(predictions.y_pred[index]),
                "error": float(error[index]),
            }
            for index in largest
        ],
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    """An estimate as report.json holds it."""
    return {
        "estimate": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": "wilson" if estimate.low is not None else None,
        "numerator": estimate.numerator,
        "denominator": estimate.denominator,
        "reason": estimate.reason,
    }


def _average(average: Average) -> dict[str, Any]:
    """An average as report.json holds it."""
    return {"estimate": average.value, "classes": average.classes, "of": average.of, "reason": average.reason}
