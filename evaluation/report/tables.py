"""The tables of a report, once for every format that shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.report.words import UNDEFINED, decimal, headline, number, percent, signed

MAX_CLASSES_IN_DETAIL = 20


@dataclass(frozen=True)
class Table:
    """Cells as text.

    Attributes:
        title: Heading.
        header: Column names.
        rows: Cells, a list of rows.
        text_columns: How many columns from the left are text; the others are numbers, aligned right.
        note: A sentence below, or empty.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: int = 1
    note: str = ""


_RATE_COLUMNS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("sensitivity", "Sensitivity (recall)", percent),
    ("specificity", "Specificity", percent),
    ("precision", "Precision (PPV)", percent),
    ("npv", "NPV", percent),
    ("f1", "F1", decimal),
    ("false_positive_rate", "Type I error", percent),
    ("false_negative_rate", "Type II error", percent),
    ("auc", "AUC", decimal),
)


def headline_table(split: Mapping[str, Any]) -> Table:
    """The main numbers with interval and counts."""
    rows = [(m.name, m.value, m.interval, m.counts) for m in headline(split)]
    header = ("Measure", "Estimate", "95% interval", "Counts")
    kept = [index for index in range(4) if index < 2 or any(row[index] for row in rows)]
    return Table("Main numbers", [header[index] for index in kept], [[row[index] for index in kept] for row in rows])


def per_class_table(split: Mapping[str, Any]) -> Table:
    """Every class against the rest."""
    header = ["Class", "Support", *(title for _, title, _ in _RATE_COLUMNS)]
    rows = []
    for entry in split["per_class"]:
        cells = [_with_interval(entry[key], show) for key, _, show in _RATE_COLUMNS]
        rows.append([entry["label"], f"{entry['support']:,}", *cells])
    missing = [e["label"] for e in split["per_class"] if e["support"] == 0]
    note = "In brackets: 95% Wilson interval. "
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        note += f"No examples of: {shown}; what needs them is undefined."
    return Table("Each class against the rest", header, rows, note=note.strip())


def averages_table(split: Mapping[str, Any]) -> Table:
    """Macro, micro and weighted averages, with the number of classes where it is not all of them."""
    names = {"macro": "Macro (classes alike)", "micro": "Micro (examples alike)", "weighted": "Weighted by support"}
    rows = []
    for kind, name in names.items():
        row = split["averages"][kind]
        rows.append([name, *(_with_classes(row[key], show) for key, _, show in _RATE_COLUMNS)])
    return Table("Averages", ["Average", *(title for _, title, _ in _RATE_COLUMNS)], rows)


def confusion_table(split: Mapping[str, Any]) -> Table:
    """Counts by truth (rows) and prediction (columns)."""
    rows = [
        [label, *(f"{count:,}" for count in row)]
        for label, row in zip(split["labels"], split["confusion_matrix"], strict=True)
    ]
    return Table("Confusion matrix", ["Truth \\ predicted", *split["labels"]], rows)


def frequent_confusions_table(split: Mapping[str, Any]) -> Table:
    """The most frequent mistakes."""
    rows = [
        [entry["truth"], entry["predicted"], f"{entry['count']:,}", percent(entry["share"])]
        for entry in split["frequent_confusions"]
    ]
    header = ("Truth", "Predicted as", "Count", "Share of the true class")
    return Table("Most frequent confusions", header, rows, text_columns=2)


def mistakes_table(split: Mapping[str, Any]) -> Table:
    """The most confident mistakes, or the largest errors of a regression."""
    if split["kind"] == "regression":
        rows = [
            [e["id"], number(e["truth"]), number(e["predicted"]), signed(e["error"])] for e in split["largest_errors"]
        ]
        return Table("Largest errors", ("Example", "Truth", "Predicted", "Error"), rows)
    rows = [[e["id"], e["truth"], e["predicted"], decimal(e["score"])] for e in split["mistakes"]["shown"]]
    return Table("Worst mistakes", ("Example", "Truth", "Predicted", "Score"), rows, text_columns=3)


def split_tables(split: Mapping[str, Any]) -> list[Table]:
    """All tables of a split but the headline's and the mistakes, in the order of the page."""
    if split["kind"] == "regression":
        return []
    tables = [per_class_table(split), averages_table(split)]
    if len(split["labels"]) <= MAX_CLASSES_IN_DETAIL and split["positive"] is None and split["frequent_confusions"]:
        tables.append(frequent_confusions_table(split))
    return tables


def mistakes_sentence(split: Mapping[str, Any]) -> str:
    """How many mistakes there are, and which of them are shown."""
    mistakes = split["mistakes"]
    count, shown = mistakes["count"], len(mistakes["shown"])
    if count == 0:
        return f"None of the {split['n']:,} examples was classified wrongly."
    which = "shown here" if shown == count else f"the {shown} with the highest score for the wrong class are shown"
    verb = "was" if count == 1 else "were"
    return f"{count:,} of {split['n']:,} examples {verb} classified wrongly; {which}, most confident first."


def _with_interval(estimate: Mapping[str, Any], show: Callable[[float | None], str]) -> str:
    """A rate, followed by its interval in brackets."""
    if estimate["estimate"] is None:
        return f"{UNDEFINED} ({estimate['reason']})"
    if estimate["low"] is None:
        return show(estimate["estimate"])
    low, high = (percent(estimate[end]).rstrip("%") for end in ("low", "high"))
    return f"{show(estimate['estimate'])} ({low}–{high})"


def _with_classes(average: Mapping[str, Any], show: Callable[[float | None], str]) -> str:
    """An average, with the number of classes where some are left out."""
    if average["estimate"] is None:
        return UNDEFINED
    partial = average["classes"] < average["of"]
    return show(average["estimate"]) + (f" ({average['classes']} of {average['of']} classes)" if partial else "")
