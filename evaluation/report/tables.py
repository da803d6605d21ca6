"""The tables of a split, once for every format that shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.report import words
from evaluation.report.headline import headline
from evaluation.report.words import Show, count, coverage, decimal, number, percent, ratio, signed

MAX_CLASSES_IN_DETAIL = 20


@dataclass(frozen=True)
class Cell:
    """A number in a table.

    Attributes:
        text: The number, rounded.
        aside: What stands behind it in brackets: its interval, or a share; may be empty.
        key: What to sort by; None where the number is undefined, which sorts last.
    """

    text: str
    aside: str = ""
    key: float | None = None

    def __str__(self) -> str:
        """The cell as plain text."""
        return f"{self.text} ({self.aside})" if self.aside else self.text


@dataclass(frozen=True)
class Table:
    """Cells as text.

    Attributes:
        title: Heading.
        header: Column names.
        rows: Cells, a list of rows.
        text_columns: How many columns from the left are text; the others are numbers, aligned right.
        note: A sentence below, or empty.
        sortable: Whether the page lets its reader sort the rows.
        last_text: Whether the last column is text too.
        anchor: Name of its place on the page, or empty.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    text_columns: int = 1
    note: str = ""
    sortable: bool = False
    last_text: bool = False
    anchor: str = ""

    def is_text(self, column: int) -> bool:
        """Whether a column is text."""
        return column < self.text_columns or (self.last_text and column == len(self.header) - 1)


Column = tuple[str, str, Show]
_RATES: tuple[Column, ...] = (
    ("sensitivity", "Sensitivity (recall)", percent),
    ("specificity", "Specificity", percent),
    ("precision", "Precision (PPV)", percent),
    ("npv", "NPV", percent),
    ("f1", "F1", decimal),
)
_RATIOS: tuple[Column, ...] = (("lr_positive", "LR+", ratio), ("lr_negative", "LR−", ratio))
_ERRORS: tuple[Column, ...] = (
    ("false_positive_rate", "Type I error", percent),
    ("false_negative_rate", "Type II error", percent),
)
_AREAS: tuple[Column, ...] = (("auc", "AUC", decimal), ("average_precision", "Average precision", decimal))
_CLASS_COLUMNS = (*_RATES, *_RATIOS, *_AREAS)
_AVERAGE_COLUMNS = (*_RATES, *_ERRORS, *_AREAS)


def cell(estimate: Mapping[str, Any] | None, show: Show = percent) -> Cell:
    """An estimate with its interval; undefined ones with the reason."""
    if estimate is None:
        return Cell("")
    if words.is_infinite(estimate):
        return Cell(words.INFINITE, "", math.inf)
    if estimate["estimate"] is None:
        return Cell(words.UNDEFINED, str(estimate["reason"]))
    return Cell(show(estimate["estimate"]), words.bracketed(estimate, show), estimate["estimate"])


def footnotes(entries: Sequence[tuple[str, Mapping[str, Any]]], columns: Sequence[Column]) -> str:
    """What to keep in mind about a table's numbers, said once for all rows that it concerns.

    Args:
        entries: Name and estimates of each row.
        columns: Key and title of each column.

    Returns:
        Sentences, each after a space; empty where there is nothing to say.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for name, entry in entries:
        for key, title, _ in columns:
            if entry[key] is not None and entry[key]["estimate"] is not None and words.remark(entry[key]):
                found.setdefault((title, words.remark(entry[key])), []).append(name)
    return "".join(
        " " + words.sentence(f"{title}{'' if len(names) == len(entries) else f' of {words.listed(names)}'}: {remark}")
        for (title, remark), names in found.items()
    )


def whole(value: float) -> Cell:
    """A count."""
    return Cell(count(value), "", value)


def headline_table(split: Mapping[str, Any], confidence: float) -> Table:
    """The main numbers with interval, counts and method; columns that would be empty are left out."""
    rows = [(m.name, m.value, m.interval, m.counts, m.method) for m in headline(split)]
    header = ("Measure", "Estimate", f"{coverage(confidence)} interval", "Counts", "Method of the interval")
    kept = [index for index in range(5) if index < 2 or any(row[index] for row in rows)]
    shown = [[row[index] for index in kept] for row in rows]
    return Table("Main numbers", [header[index] for index in kept], shown, last_text=4 in kept)


def per_class_table(split: Mapping[str, Any], confidence: float) -> Table:
    """Every class against the rest."""
    header = ["Class", "Support", *(title for _, title, _ in _CLASS_COLUMNS)]
    rows = [
        [
            entry["label"],
            whole(entry["support"]),
            *(cell(entry[key], show) for key, _, show in _CLASS_COLUMNS),
        ]
        for entry in split["per_class"]
    ]
    note = (
        f"In brackets: {coverage(confidence)} interval. Type I error rate = 100% − specificity; "
        "type II error rate = 100% − sensitivity."
    )
    if len(rows) > 2:
        note += footnotes([(entry["label"], entry) for entry in split["per_class"]], _CLASS_COLUMNS)
    absent = [e["label"] for e in split["per_class"] if e["support"] == 0]
    if absent:
        note += f" No examples of {words.listed(absent)}; what needs them is undefined."
    return Table("Each class against the rest", header, rows, note=note, sortable=len(rows) > 2, anchor="classes")


def averages_table(split: Mapping[str, Any], confidence: float) -> Table:
    """Macro, micro and weighted averages, with the number of classes where it is not all of them."""
    names = {"macro": "Macro (classes alike)", "micro": "Micro (examples alike)", "weighted": "Weighted by support"}
    averages = split["averages"]
    columns = [column for column in _AVERAGE_COLUMNS if column[0] in averages["macro"]]
    rows: list[list[str | Cell]] = [
        [name, *(_average(averages[kind].get(key), show) for key, _, show in columns)] for kind, name in names.items()
    ]
    note = f"In brackets: {coverage(confidence)} interval, and the number of classes where not all define the number."
    return Table("Averages", ["Average", *(title for _, title, _ in columns)], rows, note=note)


def confusion_table(split: Mapping[str, Any]) -> Table:
    """Counts by truth (rows) and prediction (columns), each with its share of the row."""
    rows = []
    for label, row in zip(split["labels"], split["confusion_matrix"], strict=True):
        total = sum(row)
        cells = [Cell(count(n), percent(n / total) if total else "", n) for n in row]
        rows.append([label, *cells, whole(total)])
    columns = [sum(column) for column in zip(*split["confusion_matrix"], strict=True)]
    rows.append(["All", *(whole(n) for n in columns), whole(sum(columns))])
    note = "Rows are the truth. In brackets: share of the row."
    return Table("Confusion matrix", ["Truth \\ predicted", *split["labels"], "All"], rows, note=note, anchor="matrix")


def frequent_confusions_table(split: Mapping[str, Any]) -> Table:
    """The most frequent mistakes."""
    rows: list[list[str | Cell]] = [
        [entry["truth"], entry["predicted"], whole(entry["count"]), percent(entry["share"])]
        for entry in split["frequent_confusions"]
    ]
    header = ("Truth", "Predicted as", "Count", "Share of the true class")
    return Table("Most frequent confusions", header, rows, text_columns=2)


def threshold_table(split: Mapping[str, Any], confidence: float) -> Table:
    """What other thresholds would give."""
    header = ("Threshold", "Why", "TP", "FP", "FN", "TN", "Sensitivity", "Specificity", "PPV", "NPV")
    rows = [
        [
            words.score(row["threshold"]),
            row["name"] or "",
            *(whole(row[key]) for key in ("tp", "fp", "fn", "tn")),
            *(cell(row[key]) for key in ("sensitivity", "specificity", "precision", "npv")),
        ]
        for row in split["threshold_table"]
    ]
    note = (
        f"In brackets: {coverage(confidence)} interval. A threshold that is picked from this table is exploratory: "
        "confirm it on other examples."
    )
    return Table("Thresholds", header, rows, text_columns=2, note=note, anchor="thresholds")


def subgroup_table(split: Mapping[str, Any], confidence: float) -> Table:
    """The main numbers per value of each subgroup column."""
    entries = split["subgroups"]
    binary = any(entry["positives"] is not None for entry in entries)
    measures: tuple[Column, ...] = (
        ("accuracy", "Accuracy", percent),
        ("sensitivity", "Sensitivity" if binary else "Sensitivity, macro", percent),
        ("specificity", "Specificity", percent),
        ("auc", "AUC" if binary else "AUC, macro", decimal),
    )
    kept = [one for one in measures if any(entry[one[0]] is not None for entry in entries)]
    warned = any(entry["warning"] for entry in entries)
    header = ["Subgroup", "Value", "n", *(["Positive"] if binary else []), *(title for _, title, _ in kept)]
    rows = [
        [
            entry["column"],
            entry["value"],
            whole(entry["n"]),
            *([whole(entry["positives"] or 0)] if binary else []),
            *(cell(entry[key], show) for key, _, show in kept),
            *([words.sentence(entry["warning"]) if entry["warning"] else ""] if warned else []),
        ]
        for entry in entries
    ]
    note = f"In brackets: {coverage(confidence)} interval. Not corrected for the number of subgroups."
    note += footnotes([(f"{entry['column']} {entry['value']}", entry) for entry in entries], kept)
    header += ["Caution"] if warned else []
    options: dict[str, Any] = {"text_columns": 2, "last_text": warned, "sortable": True, "anchor": "subgroups"}
    return Table("Subgroups", header, rows, note=note, **options)


def mistakes_table(split: Mapping[str, Any]) -> Table:
    """The most confident mistakes, or the largest errors of a regression."""
    if split["kind"] == "regression":
        rows = [
            [e["id"], number(e["truth"]), number(e["predicted"]), signed(e["error"])] for e in split["largest_errors"]
        ]
        return Table("Largest errors", ("Example", "Truth", "Predicted", "Error"), rows)
    rows = [[e["id"], e["truth"], e["predicted"], decimal(e["score"])] for e in split["mistakes"]["shown"]]
    return Table("Worst mistakes", ("Example", "Truth", "Predicted", "Score"), rows, text_columns=3)


def split_tables(split: Mapping[str, Any], confidence: float) -> list[Table]:
    """The tables of a split between its figures and its mistakes, in the order of the page, without empty ones."""
    if split["kind"] == "regression":
        return []
    tables = [per_class_table(split, confidence), averages_table(split, confidence)]
    if split["positive"] is None and split["frequent_confusions"]:
        tables.append(frequent_confusions_table(split))
    if split["threshold_table"]:
        tables.append(threshold_table(split, confidence))
    if split["subgroups"]:
        tables.append(subgroup_table(split, confidence))
    return tables


def is_detailed(split: Mapping[str, Any]) -> bool:
    """Whether a split has few enough classes for its confusion matrix to be read as a table."""
    return split["kind"] == "classification" and len(split["labels"]) <= MAX_CLASSES_IN_DETAIL


def _average(average: Mapping[str, Any] | None, show: Show) -> Cell:
    """An average, with the number of classes where some are left out."""
    shown = cell(average, show)
    if average is None or average["estimate"] is None or average["classes"] == average["of"]:
        return shown
    aside = f"{average['classes']} of {average['of']} classes"
    return Cell(shown.text, f"{shown.aside}; {aside}" if shown.aside else aside, shown.key)
