"""Other models and people beside the evaluated model, as report.json holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evaluation.metrics.ranking import rank
from evaluation.metrics.thresholds import OperatingPoint, choose_operating_point
from evaluation.options import ReportOptions
from evaluation.predictions import Predictions, PredictionsError
from evaluation.report.serialise import estimate_json, optional_json, plain
from evaluation.studies.compare import ModelNumbers, ModelPair, compare
from evaluation.studies.readers import ReaderAnalysis, ReaderStudy, compare_with_readers

if TYPE_CHECKING:
    from evaluation.studies.readers import Readers


def at_like_operating_points(
    rivals: Mapping[str, Predictions], point: OperatingPoint | None, options: ReportOptions
) -> dict[str, Predictions]:
    """Rivals at the threshold that the evaluated model was given, or at one that the same rule chooses for each.

    Args:
        rivals: Predictions by the name of the model.
        point: The evaluated model's operating point; None without a positive class.
        options: What the user chose.

    Returns:
        The rivals. A rule that chose on validation examples, which rivals do not have, leaves them at their own.

    Raises:
        PredictionsError: If the rule cannot be fulfilled on a rival's scores.
    """
    if point is None or not (point.rule == "given" or point.exploratory):
        return dict(rivals)
    if point.rule == "given":
        return {name: replace(rival, threshold=point.threshold) for name, rival in rivals.items()}
    found = {}
    for name, rival in rivals.items():
        try:
            own = choose_operating_point(
                rank(rival.y_true == 1, rival.y_score[:, 1], weights=rival.weights),
                point.rule,
                required=point.required,
                cost_ratio=point.cost_ratio,
                prevalence=options.prevalence if point.rule == "cost" else None,
                chosen_on=point.chosen_on,
            )
        except ValueError as error:
            raise PredictionsError(f"{name}: {error}") from None
        found[name] = replace(rival, threshold=own.threshold)
    return found


def comparison_json(
    models: Mapping[str, Predictions], point: OperatingPoint | None, options: ReportOptions
) -> dict[str, Any]:
    """Each model's numbers and each pair's tests.

    Args:
        models: Predictions of the same examples by the name of the model, the evaluated one first.
        point: The evaluated model's operating point; None without a positive class.
        options: How intervals are computed.

    Returns:
        The comparison as schema.json describes it.

    Raises:
        PredictionsError: If the models do not speak of the same examples.
    """
    found = compare(models, settings=options.intervals)
    return {
        "models": [_model(one) for one in found.models],
        "pairs": [_pair(pair) for pair in found.pairs],
        "notes": [*found.notes, *_fairness(next(iter(models)), point)],
    }


def readers_json(predictions: Predictions, readers: Readers, options: ReportOptions) -> dict[str, Any]:
    """Readers, their mean, and the model against them.

    Args:
        predictions: The model's, at its operating point.
        readers: What people said about the same examples.
        options: How intervals are computed.

    Returns:
        The readers' part of a split as schema.json describes it.
    """
    study = compare_with_readers(predictions, readers, settings=options.intervals)
    matched = study.model_at_readers
    return {
        "kind": study.kind,
        "readers": _readers(study),
        "mean": {
            "sensitivity": estimate_json(study.mean.sensitivity),
            "specificity": estimate_json(study.mean.specificity),
            "auc": optional_json(study.mean.auc),
        },
        "model_at_readers": None
        if matched is None
        else {
            "sensitivity_at_specificity": estimate_json(matched.sensitivity_at_specificity),
            "specificity_at_sensitivity": estimate_json(matched.specificity_at_sensitivity),
        },
        "analysis": [_analysis(one) for one in study.analysis],
        "notes": list(study.notes),
    }


def _fairness(name: str, point: OperatingPoint | None) -> list[str]:
    """What the way in which thresholds were chosen does to a comparison of decisions."""
    if point is None or point.rule in ("given", "default"):
        return []
    if point.exploratory:
        return [
            "The same rule chose every model's threshold on these very examples, so that the comparison of sensitivity "
            "and specificity is exploratory; AUC depends on no threshold."
        ]
    return [
        f"Only the threshold of {name} was chosen by the rule, on its validation examples; the others keep theirs. "
        "Judge the models by AUC, which depends on no threshold, before sensitivity and specificity."
    ]


def _model(one: ModelNumbers) -> dict[str, Any]:
    """One model's numbers."""
    rates = {name: optional_json(getattr(one, name)) for name in ("auc", "sensitivity", "specificity")}
    return {"name": one.name, "n": one.n} | rates | {"accuracy": estimate_json(one.accuracy)}


def _pair(pair: ModelPair) -> dict[str, Any]:
    """The tests of one pair."""
    tests = [
        {
            "measure": test.measure,
            "difference": estimate_json(test.difference),
            "test": test.test,
            "statistic": plain(test.statistic),
            "p": plain(test.p),
            "p_holm": plain(test.p_holm),
            "discordant": None if test.discordant is None else list(test.discordant),
            "reason": test.reason,
        }
        for test in pair.tests
    ]
    return {"first": pair.first, "second": pair.second, "tests": tests}


def _readers(study: ReaderStudy) -> list[dict[str, Any]]:
    """Each reader's point."""
    rates = ("sensitivity", "specificity", "auc")
    return [
        {"name": one.name, "n": one.n} | {name: optional_json(getattr(one, name)) for name in rates}
        for one in study.readers
    ]


def _analysis(one: ReaderAnalysis) -> dict[str, Any]:
    """One measure's Obuchowski–Rockette analysis."""
    return {
        "measure": one.measure,
        "model": plain(one.model),
        "readers": plain(one.readers),
        "difference": estimate_json(one.difference),
        "df": plain(one.df),
        "statistic": plain(one.statistic),
        "p": plain(one.p),
        "bootstrap": None if one.bootstrap is None else [plain(end) for end in one.bootstrap],
        "note": one.note,
    }
