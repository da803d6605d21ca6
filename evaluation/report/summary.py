"""What a split shows, in sentences: the positive class, the operating point and why, what is missing, the groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.report.words import (
    Show,
    bracketed,
    count,
    counts,
    coverage,
    decimal,
    interval,
    listed,
    percent,
    plural,
    score,
    sentence,
    were,
)

CONFIRM = "Confirm them on other examples before you rely on them."


def summary(split: Mapping[str, Any], confidence: float) -> list[str]:
    """The split in sentences, a paragraph each; an exploratory operating point is left to `exploratory`.

    Args:
        split: One split of report.json.
        confidence: Coverage of the intervals.
    """
    if split["kind"] == "regression":
        return [f"{split['n']:,} examples with a number as their truth."]
    point = "" if exploratory(split) else operating_point(split)
    found = [finding(split, confidence), population(split, confidence), point]
    return [text for text in [*found, missing(split), sampling(split)] if text]


def finding(split: Mapping[str, Any], confidence: float) -> str:
    """The main result: what was found, what was left alone, and the area under the curve."""
    level = coverage(confidence)
    if not split["n"]:
        return "There are no examples."
    if split["positive"] is None:
        right = split["accuracy"]
        shown = f" ({level} interval {interval(right)})" if right["low"] is not None else ""
        return f"{percent(right['estimate'])} of {split['n']:,} examples were classified correctly{shown}."
    rates, (negative, positive) = split["per_class"][1], split["labels"]
    if rates["sensitivity"]["estimate"] is None or rates["specificity"]["estimate"] is None:
        absent = positive if rates["sensitivity"]["estimate"] is None else negative
        return f"No example is truly {absent}, so that sensitivity, specificity or AUC cannot be known."
    area = rates["auc"]
    ranked = f" The area under the ROC curve is {decimal(area['estimate'])}{_bracketed(area, decimal)}."
    found, cleared = rates["sensitivity"], rates["specificity"]
    return (
        f"The model found {counts(found)} {positive} examples (sensitivity {percent(found['estimate'])}"
        f"{_with(found, f'{level} interval ')}) and left alone {counts(cleared)} {negative} ones (specificity "
        f"{percent(cleared['estimate'])}{_with(cleared)}).{ranked if area['estimate'] is not None else ''}"
    )


def population(split: Mapping[str, Any], confidence: float) -> str:
    """Which class is positive and how common it is; for several classes which of them occur."""
    if split["positive"] is None:
        absent = [entry["label"] for entry in split["per_class"] if entry["support"] == 0]
        return f"{len(split['labels'])} classes." + (f" No examples of {listed(absent)}." if absent else "")
    entry, prevalence = split["per_class"][1], split["prevalence"]
    total = sum(sum(row) for row in split["confusion_matrix"])
    share = "" if prevalence is None or prevalence["estimate"] is None else f" ({percent(prevalence['estimate'])})"
    return (
        f"Positive class: {split['positive']}, the condition looked for; present in {count(entry['support'])} of "
        f"{count(total)}{share}."
    )


def operating_point(split: Mapping[str, Any]) -> str:
    """When an example is called positive, and why there; empty without a positive class."""
    if split.get("positive") is None:
        return ""
    point = split["operating_point"]
    threshold = point["threshold"] if point else split["threshold"]
    called = f"An example is called {split['positive']} where its score is at least {score(threshold)}."
    return f"{called} {sentence(point['why'])}" if point and point["why"] else called


def exploratory(split: Mapping[str, Any]) -> str:
    """The operating point with its warning where it was chosen on the same examples, or empty."""
    point = split.get("operating_point")
    return f"{operating_point(split)} {CONFIRM}" if point and point["exploratory"] else ""


def missing(split: Mapping[str, Any]) -> str:
    """How many results were missing and what became of them."""
    gone = split.get("missing")
    if not gone:
        return ""
    became = "counted as mistakes (worst case)" if gone["policy"] == "worst-case" else "left out"
    by_class = ", ".join(f"{label} {count(n)}" for label, n in gone["scores_by_class"].items() if n)
    scores = f"{were(gone['scores'])} {became}{f': {by_class}' if by_class else ''}"
    truths = f"; {plural(gone['truths'], 'example')} without a known truth {_was(gone['truths'])} left out"
    if not gone["scores"]:
        scores = "none"
    return f"Missing or indeterminate results: {scores}{truths if gone['truths'] else ''}."


def sampling(split: Mapping[str, Any]) -> str:
    """Groups and weights, and what follows for the intervals."""
    parts = []
    if split.get("groups"):
        methods = {entry["sensitivity"]["method"] for entry in split["per_class"]} | {split["accuracy"]["method"]}
        how = "a variance that adds within each group" if "cluster-linearised" in methods else "cluster bootstrap"
        parts.append(
            f"{split['n']:,} examples of {plural(split['groups'], 'group')}, such as patients; intervals are by {how}, "
            "since examples of one group are not independent."
        )
    if split.get("weighted"):
        parts.append("Examples are weighted; counts are sums of weights.")
    return " ".join(parts)


def mistakes(split: Mapping[str, Any]) -> str:
    """How many mistakes there are, and which of them are shown."""
    if split["kind"] == "regression":
        return "The examples with the largest absolute error."
    found, shown = split["mistakes"]["count"], len(split["mistakes"]["shown"])
    if found == 0:
        none = "The only example was" if split["n"] == 1 else f"All {split['n']:,} examples were"
        return f"{none} classified correctly." if split["n"] else "There are no examples."
    which = "shown here" if shown == found else f"the {shown} with the highest score for the wrong class are shown"
    return f"{found:,} of {split['n']:,} examples {_was(found)} classified wrongly; {which}, most confident first."


def _with(estimate: Mapping[str, Any], name: str = "") -> str:
    """The interval of a share behind it in a sentence."""
    return "" if estimate["low"] is None else f", {name}{bracketed(estimate)}%"


def _bracketed(estimate: Mapping[str, Any], show: Show) -> str:
    """An interval in brackets behind its number."""
    return "" if estimate["low"] is None else f" ({bracketed(estimate, show)})"


def _was(number_of: float) -> str:
    """The verb of a count, past."""
    return "was" if number_of == 1 else "were"
