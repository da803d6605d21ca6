"""A report's first split as text for a console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.report import summary
from evaluation.report.headline import headline, remarks
from evaluation.report.studies import comparison_sentences, readers_sentences
from evaluation.report.tables import Table, headline_table, is_detailed
from evaluation.report.words import counts, decimal, percent


def render_text(data: Mapping[str, Any]) -> str:
    """Draws the main numbers, and for several classes one line per class.

    Args:
        data: What report.json holds.

    Returns:
        Text without a newline at its end.
    """
    name, split = next(iter(data["splits"].items()))
    confidence = data["confidence"]
    parts = [f"{data['title']}: {name}, n = {split['n']:,}"]
    if split["kind"] == "classification":
        parts += summary.summary(split, confidence)[1:]
    if summary.exploratory(split):
        parts.append(f"Exploratory. {summary.exploratory(split)}")
    parts.append(_drawn(headline_table(split, confidence)))
    parts += ["\n".join(remarks(headline(split)))] if remarks(headline(split)) else []
    if is_detailed(split) and len(split["labels"]) > 2:
        parts.append(_drawn(_class_lines(split)))
    if split.get("readers"):
        parts += readers_sentences(split["readers"], confidence) or split["readers"]["notes"][:1]
    if data["comparison"]:
        parts += comparison_sentences(data["comparison"], confidence)
    if split["kind"] == "classification":
        parts.append(summary.mistakes(split).split(";")[0].rstrip(".") + ".")
    return "\n\n".join(parts)


def _class_lines(split: Mapping[str, Any]) -> Table:
    """One line per class with its most asked-for rates."""
    header = ("Class", "Sensitivity", "Specificity", "Precision", "F1", "AUC", "Found")
    rows = [
        [
            entry["label"],
            *(percent(entry[rate]["estimate"]) for rate in ("sensitivity", "specificity", "precision")),
            *(decimal(entry[rate]["estimate"]) for rate in ("f1", "auc")),
            counts(entry["sensitivity"]),
        ]
        for entry in split["per_class"]
    ]
    return Table("Classes", header, rows)


def _drawn(table: Table) -> str:
    """A table with spaces, every cell on one line."""
    from tabulate import tabulate

    rows = [[" ".join(str(cell).split()) for cell in row] for row in table.rows]
    align = ["left" if table.is_text(index) else "right" for index in range(len(table.header))]
    return tabulate(rows, table.header, tablefmt="simple", disable_numparse=True, colalign=align)
