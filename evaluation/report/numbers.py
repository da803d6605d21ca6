"""The numbers of a report: from predictions to a dict of plain values that JSON can hold (schema.json)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metrics.ranking import Ranking, rank
from evaluation.metrics.regression import regression_scores
from evaluation.metrics.thresholds import OperatingPoint, choose_operating_point
from evaluation.options import DEFAULT_THRESHOLD, ReportOptions
from evaluation.predictions import Predictions, PredictionsError, RegressionPredictions
from evaluation.report.classification import classification_numbers
from evaluation.report.rivals import at_like_operating_points, comparison_json, readers_json
from evaluation.report.serialise import estimate_json

if TYPE_CHECKING:
    from evaluation.report import ReportContext
    from evaluation.studies.readers import Readers

SCHEMA = 2
VALIDATION = "validation"
SAME = "the same examples"


@dataclass(frozen=True)
class ReportInput:
    """What a report is about.

    Attributes:
        splits: Predictions by the split's name, in the order of the page.
        compared: Other models' predictions of the first split's examples, by name.
        readers: People's decisions or ratings about the first split's examples, or None.
    """

    splits: Mapping[str, Predictions | RegressionPredictions]
    compared: Mapping[str, Predictions]
    readers: Readers | None


def report_numbers(given: ReportInput, *, title: str, context: ReportContext, options: ReportOptions) -> dict[str, Any]:
    """Everything that report.json holds.

    Args:
        given: Predictions, rivals and readers.
        title: Heading of the report.
        context: Details, notes and verdict; how many mistakes to list.
        options: Operating point, prevalence and intervals.

    Returns:
        A dict as schema.json describes it.

    Raises:
        PredictionsError: If models or readers do not speak of the same examples, or the operating point asked for
            does not exist.
    """
    from evaluation.report.methods import methods
    from evaluation.report.standards import checklist

    rankings = {name: _ranking(predictions) for name, predictions in given.splits.items()}
    splits = {name: _split_numbers(name, given, rankings, options, context.max_mistakes) for name in given.splits}
    first = next(iter(given.splits))
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "title": title,
        "confidence": options.intervals.confidence,
        "replicates": options.intervals.replicates,
        "seed": options.intervals.seed,
        "splits": splits,
        "comparison": None,
        "verdict": context.verdict,
        "details": {str(name): str(value) for name, value in context.details.items()},
        "notes": [str(note) for note in context.notes],
        "versions": _versions(),
    }
    if given.compared:
        models = {title: _at_threshold(given, first, splits)}
        point = None if rankings[first] is None else _operating_point(first, given, rankings, options)
        data["comparison"] = comparison_json(
            models | at_like_operating_points(given.compared, point, options), point, options
        )
    if given.readers is not None:
        splits[first]["readers"] = readers_json(_at_threshold(given, first, splits), given.readers, options)
    sentences, references = methods(data)
    return data | {"methods": sentences, "references": references, "checklist": checklist(data)}


def _split_numbers(
    name: str,
    given: ReportInput,
    rankings: Mapping[str, Ranking | None],
    options: ReportOptions,
    max_mistakes: int,
) -> dict[str, Any]:
    """The numbers of one split, at its operating point."""
    predictions = given.splits[name]
    if isinstance(predictions, RegressionPredictions):
        return _regression_numbers(predictions, max_mistakes, options)
    ranking = rankings[name]
    point = None if ranking is None else _operating_point(name, given, rankings, options)
    if point is not None:
        predictions = replace(predictions, threshold=point.threshold)
    return classification_numbers(predictions, ranking, point, options=options, max_mistakes=max_mistakes)


def _operating_point(
    name: str, given: ReportInput, rankings: Mapping[str, Ranking | None], options: ReportOptions
) -> OperatingPoint:
    """The operating point of a split: given, 0.5, or chosen on validation, else on the split itself."""
    predictions = given.splits[name]
    source = VALIDATION if isinstance(rankings.get(VALIDATION), Ranking) else name
    where = SAME if source == name else "the validation examples"
    own = predictions.threshold if isinstance(predictions, Predictions) else DEFAULT_THRESHOLD
    fixed = options.threshold if options.threshold is not None else own if own != DEFAULT_THRESHOLD else None
    ranking = rankings[source]
    assert ranking is not None  # a split with a positive class has one
    try:
        if fixed is not None and options.rule == "default":
            return choose_operating_point(ranking, "given", threshold=fixed, chosen_on="given")
        return choose_operating_point(
            ranking,
            options.rule,
            required=options.required,
            cost_ratio=options.cost_ratio,
            prevalence=options.prevalence if options.rule == "cost" else None,
            chosen_on="given" if options.rule == "default" else where,
        )
    except ValueError as error:
        raise PredictionsError(f"{source}: {error}") from None


def _ranking(predictions: Predictions | RegressionPredictions) -> Ranking | None:
    """The scores of the positive class, sorted once for the whole report; None without a positive class."""
    if isinstance(predictions, RegressionPredictions) or predictions.positive is None:
        return None
    return rank(predictions.y_true == 1, predictions.y_score[:, 1], weights=predictions.weights)


def _at_threshold(given: ReportInput, first: str, splits: Mapping[str, Any]) -> Predictions:
    """The first split's predictions at the operating point that the report uses."""
    predictions = given.splits[first]
    if isinstance(predictions, RegressionPredictions):
        raise PredictionsError(f"{first}: models and readers are compared on classes; this is a regression.")
    threshold = splits[first]["threshold"]
    return predictions if threshold is None else replace(predictions, threshold=threshold)


def _regression_numbers(predictions: RegressionPredictions, limit: int, options: ReportOptions) -> dict[str, Any]:
    """MAE, RMSE, R² and the largest errors."""
    scores = regression_scores(predictions.y_true, predictions.y_pred, settings=options.intervals)
    error = predictions.y_pred - predictions.y_true
    largest = np.argsort(-np.abs(error), kind="stable")[:limit]
    return {
        "kind": "regression",
        "n": scores.n,
        "mae": estimate_json(scores.mae),
        "rmse": estimate_json(scores.rmse),
        "r2": estimate_json(scores.r2),
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


def _versions() -> dict[str, str]:
    """What computed the numbers."""
    import scipy

    return {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__}
