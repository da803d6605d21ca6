"""The numbers that need a positive class: operating point, predictive values, curves, calibration."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from evaluation.metrics.calibration import calibration_curve, calibration_slope_intercept
from evaluation.metrics.curves import precision_recall_curve, roc_band, roc_curve
from evaluation.metrics.diagnostic import DecisionSample, predictive_values
from evaluation.metrics.ranking import Ranking
from evaluation.metrics.thresholds import OperatingPoint, threshold_table
from evaluation.options import ReportOptions
from evaluation.predictions import Predictions
from evaluation.report.serialise import estimate_json, numbers_json, plain
from evaluation.uncertainty.intervals import Estimate, IntervalSettings

HISTOGRAM_BINS = 25
NOTHING_BINARY: dict[str, Any] = {
    "operating_point": None,
    "threshold": None,
    "prevalence": None,
    "calibration_slope": None,
    "calibration_intercept": None,
    "at_prevalence": None,
    "roc": None,
    "precision_recall": None,
    "calibration_curve": None,
    "score_histogram": None,
    "threshold_table": [],
}


def binary_numbers(
    p: Predictions, ranking: Ranking, point: OperatingPoint, sample: DecisionSample, options: ReportOptions
) -> dict[str, Any]:
    """The part of a split that a positive class adds.

    Args:
        p: Truth and scores.
        ranking: The positive class' scores, sorted.
        point: The operating point.
        sample: The decisions at the operating point.
        options: Prevalence and intervals.

    Returns:
        The keys of `NOTHING_BINARY`.
    """
    settings, score, positive = options.intervals, p.y_score[:, 1], p.y_true == 1
    shared: dict[str, Any] = {"weights": p.weights, "groups": p.groups, "settings": settings}
    slope, intercept = calibration_slope_intercept(positive, score, **shared)
    return {
        "operating_point": {key: plain(value) for key, value in asdict(point).items()},
        "threshold": float(point.threshold),
        "prevalence": estimate_json(_prevalence(p, options)),
        "calibration_slope": estimate_json(slope),
        "calibration_intercept": estimate_json(intercept),
        "at_prevalence": _at_prevalence(sample, options),
        "roc": _roc(p, ranking, settings),
        "precision_recall": _precision_recall(ranking),
        "calibration_curve": _calibration(positive, score, shared),
        "score_histogram": _histogram(p),
        "threshold_table": _thresholds(p, ranking, point, settings),
    }


def _at_prevalence(sample: DecisionSample, options: ReportOptions) -> dict[str, Any] | None:
    """PPV and NPV where positives are as common as the user says."""
    if options.prevalence is None:
        return None
    rates = sample.class_measures(1)
    values = predictive_values(
        rates["sensitivity"], rates["specificity"], options.prevalence, settings=options.intervals
    )
    return {"prevalence": options.prevalence} | {name: estimate_json(value) for name, value in values.items()}


def _roc(p: Predictions, ranking: Ranking, settings: IntervalSettings) -> dict[str, Any] | None:
    """The ROC curve as counts at each kept threshold, and its band."""
    curve = roc_curve(ranking)
    if curve is None:
        return None
    band = roc_band(
        p.y_true == 1, p.y_score[:, 1], weights=p.weights, groups=p.groups, settings=settings, ranking=ranking
    )
    return {
        "threshold": numbers_json(curve.thresholds),
        "tp": numbers_json(curve.tp),
        "fp": numbers_json(curve.fp),
        "positives": plain(curve.positives),
        "negatives": plain(curve.negatives),
        "band": None
        if band is None
        else {
            "false_positive_rate": numbers_json(np.round(band.false_positive_rate, 6)),
            "low": numbers_json(np.round(band.low, 6)),
            "high": numbers_json(np.round(band.high, 6)),
            "method": band.method,
        },
    }


def _precision_recall(ranking: Ranking) -> dict[str, Any] | None:
    """The precision–recall curve."""
    curve = precision_recall_curve(ranking)
    if curve is None:
        return None
    return {
        "recall": numbers_json(np.round(curve.recall, 8)),
        "precision": numbers_json(np.round(curve.precision, 8)),
        "threshold": numbers_json(curve.thresholds),
    }


def _calibration(positive: np.ndarray, score: np.ndarray, shared: dict[str, Any]) -> list[dict[str, Any]]:
    """Observed shares by bins of the score."""
    return [
        {
            "low": plain(one.low),
            "high": plain(one.high),
            "n": plain(one.n),
            "mean_score": plain(one.mean_score),
            "observed": estimate_json(one.observed),
        }
        for one in calibration_curve(positive, score, **shared)
    ]


def _histogram(p: Predictions) -> dict[str, Any]:
    """How many examples of each class have which score."""
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    counts = {
        label: numbers_json(np.histogram(p.y_score[p.y_true == index, 1], bins=edges)[0])
        for index, label in enumerate(p.labels)
    }
    return {"edges": numbers_json(np.round(edges, 6)), "counts": counts}


def _thresholds(
    p: Predictions, ranking: Ranking, point: OperatingPoint, settings: IntervalSettings
) -> list[dict[str, Any]]:
    """Rates at a dozen thresholds worth looking at."""
    independent = p.groups is None and p.weights is None
    rows = []
    for row in threshold_table(ranking, settings, around=point.threshold, independent=independent):
        measures = row.measures if independent else _decisions(p, row.threshold, settings).class_measures(1)
        rows.append(
            {"threshold": plain(row.threshold), "name": row.name}
            | {name: plain(getattr(row.counts, name)) for name in ("tp", "fp", "fn", "tn")}
            | {name: estimate_json(measures[name]) for name in ("sensitivity", "specificity", "precision", "npv")}
        )
    return rows


def _prevalence(p: Predictions, options: ReportOptions) -> Estimate:
    """The share of positives: the precision of calling everything positive, whose interval allows for groups."""
    return _decisions(p, -np.inf, options.intervals).class_measures(1)["precision"]


def _decisions(p: Predictions, threshold: float, settings: IntervalSettings) -> DecisionSample:
    """Decisions at another threshold."""
    called = (p.y_score[:, 1] >= threshold).astype(np.int64)
    return DecisionSample(p.y_true, called, 2, groups=p.groups, weights=p.weights, settings=settings)
