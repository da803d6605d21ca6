"""The main numbers of a split, in groups, each with interval, counts, method and one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evaluation.report import words
from evaluation.report.words import Show, count, decimal, number, percent, ratio, were

_ABBREVIATED = {"Area under the ROC curve (AUC)": "AUC"}


@dataclass(frozen=True)
class Measure:
    """One line of the main numbers.

    Attributes:
        name: What is measured.
        value: The estimate, rounded.
        interval: The interval, rounded; empty where there is none.
        counts: "k of n", or over how many classes; empty where there is none.
        meaning: One plain sentence.
        method: How the interval was computed; empty where there is none.
        span: Estimate, lower and upper limit where all of them lie in 0…1, for a drawing; else None.
        remark: Why the number or its interval is absent, or what to keep in mind; part of `meaning` too.
    """

    name: str
    value: str
    interval: str
    counts: str
    meaning: str
    method: str = ""
    span: tuple[float, float, float] | None = None
    remark: str = ""


@dataclass(frozen=True)
class Group:
    """Measures that answer one question.

    Attributes:
        title: The kind of question.
        question: The question.
        measures: The answers.
    """

    title: str
    question: str
    measures: Sequence[Measure]


def headline(split: Mapping[str, Any]) -> list[Measure]:
    """The main numbers of a split as one list, in the order of the page.

    Args:
        split: One split of report.json.
    """
    return [measure for group in headline_groups(split) for measure in group.measures]


def headline_groups(split: Mapping[str, Any]) -> list[Group]:
    """The main numbers of a split by the question that they answer.

    Args:
        split: One split of report.json.

    Returns:
        Groups without empty ones.
    """
    if split["kind"] == "regression":
        groups = [_errors(split)]
    elif split["positive"] is None:
        groups = [_overall(split), _averages(split), _calibration(split)]
    else:
        groups = [
            _detection(split),
            _predictive(split),
            _likelihood(split),
            _agreement(split),
            _ranking(split),
            _calibration(split),
        ]
    return [group for group in groups if group.measures]


def leading(split: Mapping[str, Any]) -> list[Measure]:
    """The three or four numbers that a reader should see first."""
    if split["kind"] == "regression":
        names: tuple[str, ...] = ("Mean absolute error", "Root mean squared error", "Coefficient")
    elif split["positive"] is None:
        names = ("Accuracy", "Balanced accuracy", "F1 score", "AUC")
    else:
        names = ("Sensitivity", "Specificity", "Precision", "Area under the ROC")
    found = [next((m for m in headline(split) if m.name.startswith(name)), None) for name in names]
    return [replace(one, name=_ABBREVIATED.get(one.name, one.name)) for one in found if one is not None]


def _measure(name: str, estimate: Mapping[str, Any], show: Show, meaning: str, *, drawn: bool = True) -> Measure:
    """An estimate as a line, drawn where its scale is 0…1; an undefined one says why in the sentence's place."""
    remark = words.remark(estimate)
    if estimate["estimate"] is None:
        meaning = words.sentence(remark)
    elif remark:
        meaning = f"{meaning} {words.sentence(remark)}"
    over = estimate.get("classes")
    counted = words.counts(estimate) if over is None else f"{over} of {estimate['of']} classes"
    return Measure(
        name,
        words.value_of(estimate, show),
        words.interval(estimate, show),
        counted,
        meaning,
        words.method_name(estimate["method"]),
        _span(estimate) if drawn and show in (percent, decimal) else None,
        remark,
    )


def remarks(measures: Sequence[Measure]) -> list[str]:
    """What to keep in mind about some numbers, for formats that show no sentence beside each.

    Args:
        measures: The numbers.

    Returns:
        One sentence per remark, which names the numbers that it is about.
    """
    names: dict[str, list[str]] = {}
    for measure in measures:
        if measure.remark:
            names.setdefault(measure.remark, []).append(measure.name)
    return [words.sentence(f"{words.listed(about, most=20)}: {remark}") for remark, about in names.items()]


def _span(estimate: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Estimate and limits, where they can be drawn between 0 and 1."""
    value, low, high = estimate["estimate"], estimate["low"], estimate["high"]
    if value is None or low is None or high is None or not 0 <= min(low, value) <= max(value, high) <= 1:
        return None
    return float(value), float(low), float(high)


def _detection(split: Mapping[str, Any]) -> Group:
    """Sensitivity, specificity, Youden's J and the two error rates."""
    rates, (negative, positive) = split["per_class"][1], split["labels"]
    ill, well = rates["tp"] + rates["fn"], rates["fp"] + rates["tn"]
    found = f"Of {count(ill)} truly {positive}, {were(rates['tp'])} called {positive}."
    cleared = f"Of {count(well)} truly {negative}, {were(rates['tn'])} called {negative}."
    alarms = f"False alarms: of {count(well)} truly {negative}, {were(rates['fp'])} called {positive}."
    missed = f"Missed cases: of {count(ill)} truly {positive}, {were(rates['fn'])} called {negative}."
    measures = [
        _measure("Sensitivity (recall)", rates["sensitivity"], percent, found),
        _measure("Specificity", rates["specificity"], percent, cleared),
        _measure("Type I error rate", rates["false_positive_rate"], percent, alarms),
        _measure("Type II error rate", rates["false_negative_rate"], percent, missed),
        _measure("Youden’s J", rates["youden_j"], decimal, "Sensitivity + specificity − 1: 0 is chance, 1 is perfect."),
    ]
    return Group("Detection", f"How many {positive} are found, and how many {negative} are left alone?", measures)


def _predictive(split: Mapping[str, Any]) -> Group:
    """PPV and NPV, in these examples and at a prevalence that the user gave."""
    rates, (negative, positive) = split["per_class"][1], split["labels"]
    called, cleared = rates["tp"] + rates["fp"], rates["fn"] + rates["tn"]
    among = "Holds at the prevalence of these examples only."
    right = f"Of {count(called)} called {positive}, {count(rates['tp'])} truly {_be(rates['tp'])}. {among}"
    clear = f"Of {count(cleared)} called {negative}, {count(rates['tn'])} truly {_be(rates['tn'])}. {among}"
    measures = [
        _measure("Precision (PPV)", rates["precision"], percent, right),
        _measure("Negative predictive value (NPV)", rates["npv"], percent, clear),
    ]
    if split["prevalence"] is not None:
        meaning = f"How common {positive} is among these examples."
        measures.insert(0, _measure("Prevalence", split["prevalence"], percent, meaning))
    chosen = split["at_prevalence"]
    if chosen:
        where = percent(chosen["prevalence"])
        meaning = f"By Bayes’ theorem, where {where} truly are {positive}."
        measures.append(_measure(f"PPV at a prevalence of {where}", chosen["precision"], percent, meaning))
        measures.append(_measure(f"NPV at a prevalence of {where}", chosen["npv"], percent, meaning))
    return Group("Predictive values", f"What does a result of {positive} or {negative} mean?", measures)


def _likelihood(split: Mapping[str, Any]) -> Group:
    """LR+, LR− and the diagnostic odds ratio."""
    rates, (negative, positive) = split["per_class"][1], split["labels"]
    texts = {
        "lr_positive": ("Positive likelihood ratio (LR+)", f"A result of {positive} multiplies the odds by this."),
        "lr_negative": ("Negative likelihood ratio (LR−)", f"A result of {negative} multiplies the odds by this."),
        "dor": ("Diagnostic odds ratio (DOR)", "LR+ ÷ LR−: 1 says nothing; the larger, the better."),
    }
    question = f"How far does a result move the odds of {positive}?"
    return Group("Likelihood ratios", question, [_measure(n, rates[k], ratio, m) for k, (n, m) in texts.items()])


def _agreement(split: Mapping[str, Any]) -> Group:
    """Accuracy and the measures that correct it."""
    rates = split["per_class"][1]
    f1 = replace(_measure("F1 score", rates["f1"], decimal, "Harmonic mean of precision and recall."), counts="")
    return Group("Agreement", "How far do decisions and truth agree?", [*_accuracies(split), f1, *_corrected(split)])


def _accuracies(split: Mapping[str, Any]) -> list[Measure]:
    """Accuracy and balanced accuracy."""
    right = split["accuracy"]
    meaning = "" if right["numerator"] is None else f"{were(right['numerator'])} classified correctly."
    mean = "Mean of the classes’ sensitivities, so that a frequent class does not hide a rare one."
    return [
        _measure(
            "Accuracy", right, percent, f"Of {split['n']:,} examples, {meaning}" if not split["weighted"] else meaning
        ),
        _measure("Balanced accuracy", split["balanced_accuracy"], percent, mean),
    ]


def _corrected(split: Mapping[str, Any]) -> list[Measure]:
    """MCC and Cohen's kappa."""
    mcc = "Correlation of decision and truth: 0 is chance, 1 is perfect."
    kappa = "Agreement beyond that which chance would give: 0 is chance, 1 is perfect."
    return [
        _measure("Matthews correlation (MCC)", split["mcc"], decimal, mcc),
        _measure("Cohen’s kappa", split["cohen_kappa"], decimal, kappa),
    ]


def _ranking(split: Mapping[str, Any]) -> Group:
    """AUC and average precision."""
    rates, (negative, positive) = split["per_class"][1], split["labels"]
    chance = f"The chance that a random {positive} example scores above a random {negative} one."
    precision = "Precision averaged over all thresholds; a random score gives the prevalence."
    measures = [
        _measure("Area under the ROC curve (AUC)", rates["auc"], decimal, chance),
        _measure("Average precision", rates["average_precision"], decimal, precision),
    ]
    return Group("Ranking", "Does the score order the examples, whatever the threshold?", measures)


def _calibration(split: Mapping[str, Any]) -> Group:
    """Brier score, log loss, ECE, and slope and intercept where there are two classes."""
    texts = {
        "brier": ("Brier score", "Mean squared distance of score and truth; 0 is perfect."),
        "log_loss": ("Log loss", "Mean surprise at the truth, in nats; 0 is perfect, confident mistakes weigh most."),
        "ece": (
            "Expected calibration error (ECE)",
            "Mean distance of score and observed share, over bins of the score.",
        ),
        "calibration_slope": ("Calibration slope", "1 is ideal; below 1 the scores are too extreme."),
        "calibration_intercept": ("Calibration intercept", "0 is ideal; below 0 the scores are too high on average."),
    }
    shown = [(split[key], name, meaning) for key, (name, meaning) in texts.items() if split[key] is not None]
    measures = [_measure(name, one, decimal, meaning, drawn=False) for one, name, meaning in shown]
    return Group("Calibration", "Can the score be read as a probability?", measures)


def _overall(split: Mapping[str, Any]) -> Group:
    """Accuracies, top-k and agreement for several classes."""
    tops = [
        _measure(
            f"Top-{one['k']} accuracy",
            one["accuracy"],
            percent,
            f"How often the truth is among the {one['k']} highest scores.",
        )
        for one in split["top_k"]
    ]
    measures = [*_accuracies(split), *tops, *_corrected(split)]
    return Group("Agreement", "How far do decisions and truth agree?", measures)


def _averages(split: Mapping[str, Any]) -> Group:
    """Macro averages, for more than two classes."""
    macro = split["averages"]["macro"]
    texts: dict[str, tuple[str, Show, str]] = {
        "sensitivity": ("Sensitivity (recall), macro", percent, "How many of a class are found."),
        "specificity": ("Specificity, macro", percent, "How many of the other classes are left alone."),
        "precision": ("Precision, macro", percent, "How often a predicted class is right."),
        "f1": ("F1 score, macro", decimal, "Harmonic mean of precision and recall."),
        "auc": ("AUC, macro", decimal, "The chance that an example of a class scores above one of another."),
        "average_precision": ("Average precision, macro", decimal, "Precision averaged over all thresholds."),
    }
    measures = [_measure(name, macro[key], show, text) for key, (name, show, text) in texts.items()]
    return Group("Each class against the rest", "How well does an average class fare, each class alike?", measures)


def _errors(split: Mapping[str, Any]) -> Group:
    """MAE, RMSE and R²."""
    mae = "How far a prediction lies from the truth on average, in the target’s unit."
    r2 = "1 is perfect; 0 is no better than always predicting the mean."
    measures = [
        _measure("Mean absolute error (MAE)", split["mae"], number, mae),
        _measure("Root mean squared error (RMSE)", split["rmse"], number, "As MAE, but large errors weigh more."),
        _measure("Coefficient of determination (R²)", split["r2"], number, r2),
    ]
    return Group("Errors", "How far do predictions lie from the truth?", measures)


def _be(number_of: float) -> str:
    """The verb of a count."""
    return "is" if number_of == 1 else "are"
