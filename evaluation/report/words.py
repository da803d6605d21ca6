"""Numbers as a reader meets them: rounded, with their interval and counts, and said in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNDEFINED = "undefined"


@dataclass(frozen=True)
class Measure:
    """One line of a headline.

    Attributes:
        name: What is measured.
        value: The estimate, rounded.
        interval: The interval, rounded; empty where there is none.
        counts: "k of n"; empty where there is none.
        meaning: One plain sentence.
    """

    name: str
    value: str
    interval: str
    counts: str
    meaning: str


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal; never rounded to 0 % or 100 % where it is neither."""
    if value is None:
        return UNDEFINED
    if 0.9995 <= value < 1:
        return ">99.9%"
    if 0 < value < 0.0005:
        return "<0.1%"
    return f"{100 * value:.1f}%"


def decimal(value: float | None) -> str:
    """A number such as an AUC with three decimals; never rounded to 1 where it is below."""
    if value is None:
        return UNDEFINED
    return ">0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def number(value: float | None) -> str:
    """A number of any size with four significant digits."""
    return UNDEFINED if value is None else f"{value:.4g}".replace("-", "−")


def signed(value: float) -> str:
    """A difference with its sign and four significant digits."""
    return f"{value:+.4g}".replace("-", "−")


def interval(estimate: Mapping[str, Any]) -> str:
    """Interval of a proportion, as "93.2 to 98.1%"."""
    if estimate["low"] is None:
        return ""
    return f"{percent(estimate['low']).rstrip('%')} to {percent(estimate['high'])}"


def counts(estimate: Mapping[str, Any]) -> str:
    """Numerator and denominator, as "40 of 42"."""
    if estimate["numerator"] is None:
        return ""
    return f"{estimate['numerator']:,} of {estimate['denominator']:,}"


def operating_point(split: Mapping[str, Any]) -> str:
    """Which class is positive and when an example is called so; empty without a positive class."""
    if split.get("positive") is None:
        return ""
    positives = split["per_class"][1]["support"]
    share = f" ({percent(positives / split['n'])})" if split["n"] else ""
    return (
        f"Positive class: {split['positive']}, the condition looked for; present in {positives:,} of "
        f"{split['n']:,}{share}. An example is called positive where its score is at least {split['threshold']:g}."
    )


def headline(split: Mapping[str, Any]) -> list[Measure]:
    """The main numbers of a split.

    Args:
        split: One split of `report_numbers`.

    Returns:
        Measures in the order of the page.
    """
    if split["kind"] == "regression":
        return _regression_headline(split)
    if split["positive"] is None:
        return [_accuracy(split), *_average_headline(split)]
    return [_accuracy(split), *_binary_headline(split)]


def _accuracy(split: Mapping[str, Any]) -> Measure:
    """Accuracy with its interval."""
    right = split["accuracy"]
    return _share("Accuracy", right, f"Of {split['n']:,} examples, {_were(right['numerator'])} classified correctly.")


def _binary_headline(split: Mapping[str, Any]) -> list[Measure]:
    """Rates of the positive class, each with a sentence."""
    rates, (negative, positive) = split["per_class"][1], split["labels"]
    ill, well = rates["tp"] + rates["fn"], rates["fp"] + rates["tn"]
    called, cleared = rates["tp"] + rates["fp"], rates["fn"] + rates["tn"]
    texts = {
        "sensitivity": (
            "Sensitivity (recall)",
            f"Of {ill:,} truly {positive}, {_were(rates['tp'])} called {positive}.",
        ),
        "specificity": ("Specificity", f"Of {well:,} truly {negative}, {_were(rates['tn'])} called {negative}."),
        "precision": (
            "Precision (PPV)",
            f"Of {called:,} called {positive}, {rates['tp']:,} truly {_be(rates['tp'])}. "
            f"This depends on how common {positive} is among the examples.",
        ),
        "npv": (
            "Negative predictive value (NPV)",
            f"Of {cleared:,} called {negative}, {rates['tn']:,} truly {_be(rates['tn'])}.",
        ),
        "false_positive_rate": (
            "Type I error rate",
            f"False alarms: of {well:,} truly {negative}, {_were(rates['fp'])} called {positive}.",
        ),
        "false_negative_rate": (
            "Type II error rate",
            f"Missed cases: of {ill:,} truly {positive}, {_were(rates['fn'])} called {negative}.",
        ),
    }
    shares = [_share(name, rates[key], meaning) for key, (name, meaning) in texts.items()]
    return [*shares, *_positive_decimals(rates, negative, positive)]


def _positive_decimals(rates: Mapping[str, Any], negative: str, positive: str) -> list[Measure]:
    """F1 and AUC of the positive class, which have no interval yet."""
    f1, auc = rates["f1"], rates["auc"]
    chance = f"The chance that a random {positive} example scores above a random {negative} one."
    return [
        Measure(
            "F1 score", decimal(f1["estimate"]), "", "", _or_reason(f1, "Harmonic mean of sensitivity and precision.")
        ),
        Measure("Area under the ROC curve (AUC)", decimal(auc["estimate"]), "", "", _or_reason(auc, chance)),
    ]


def _average_headline(split: Mapping[str, Any]) -> list[Measure]:
    """Macro averages, for more than two classes."""
    macro = split["averages"]["macro"]
    texts = {
        "sensitivity": ("Sensitivity (recall), macro", percent, "How many of a class are found, each class alike."),
        "specificity": (
            "Specificity, macro",
            percent,
            "How many of the other classes are left alone, each class alike.",
        ),
        "precision": ("Precision, macro", percent, "How often a predicted class is right, each class alike."),
        "f1": ("F1 score, macro", decimal, "The harmonic mean of sensitivity and precision, each class alike."),
        "auc": ("AUC, macro", decimal, "The chance that an example of a class scores above one of another."),
    }
    return [
        Measure(name, show(macro[key]["estimate"]), "", _over(macro[key]), _or_reason(macro[key], meaning))
        for key, (name, show, meaning) in texts.items()
    ]


def _regression_headline(split: Mapping[str, Any]) -> list[Measure]:
    """MAE, RMSE, R² and n."""
    texts = {
        "mae": (
            "Mean absolute error (MAE)",
            "How far a prediction lies from the truth on average, in the target's unit.",
        ),
        "rmse": ("Root mean squared error (RMSE)", "As MAE, but large errors weigh more."),
        "r2": ("Coefficient of determination (R²)", "1 is perfect; 0 is no better than always predicting the mean."),
    }
    over = f"{split['n']:,} examples"
    return [
        Measure(name, number(split[key]["estimate"]), "", over, _or_reason(split[key], meaning))
        for key, (name, meaning) in texts.items()
    ]


def _share(name: str, estimate: Mapping[str, Any], meaning: str) -> Measure:
    """A proportion as a measure."""
    return Measure(
        name, percent(estimate["estimate"]), interval(estimate), counts(estimate), _or_reason(estimate, meaning)
    )


def _or_reason(estimate: Mapping[str, Any], meaning: str) -> str:
    """The meaning, or why the number is undefined."""
    return meaning if estimate["estimate"] is not None else f"Undefined: {estimate['reason']}."


def _over(average: Mapping[str, Any]) -> str:
    """Over how many classes an average runs."""
    return f"{average['classes']} of {average['of']} classes"


def _were(count: int) -> str:
    """A count with its verb."""
    return f"{count:,} {'was' if count == 1 else 'were'}"


def _be(count: int) -> str:
    """The verb of a count."""
    return "is" if count == 1 else "are"
