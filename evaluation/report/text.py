"""A report's first split as text for a console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.report.tables import MAX_CLASSES_IN_DETAIL, headline_table, mistakes_sentence
from evaluation.report.words import counts, decimal, operating_point, percent


def render_text(data: Mapping[str, Any]) -> str:
    """Draws the main numbers, and for several classes one line per class.

    Args:
        data: What `report_numbers` returned.

    Returns:
        Text without a newline at its end.
    """
    from tabulate import tabulate

    name, split = next(iter(data["splits"].items()))
    parts = [f"{data['title']}: {name}, n = {split['n']:,}"]
    if operating_point(split):
        parts.append(operating_point(split))
    main = headline_table(split)
    rows = [[cell.replace("\n", " ") for cell in row] for row in main.rows]
    align = ("left", *["right"] * (len(main.header) - 1))
    parts.append(tabulate(rows, main.header, tablefmt="simple", disable_numparse=True, colalign=align))
    if split["kind"] == "classification" and 2 < len(split["labels"]) <= MAX_CLASSES_IN_DETAIL:
        parts.append(_class_lines(split))
    if split["kind"] == "classification":
        parts.append(mistakes_sentence(split).split(";")[0].rstrip(".") + ".")
    return "\n\n".join(parts)


def _class_lines(split: Mapping[str, Any]) -> str:
    """One line per class with its most asked-for rates."""
    from tabulate import tabulate

    header = ("Class", "Sensitivity", "Specificity", "Precision", "F1", "AUC", "Found")
    rows = [
        [
            " ".join(entry["label"].split()),
            *(percent(entry[rate]["estimate"]) for rate in ("sensitivity", "specificity", "precision")),
            *(decimal(entry[rate]["estimate"]) for rate in ("f1", "auc")),
            counts(entry["sensitivity"]),
        ]
        for entry in split["per_class"]
    ]
    align = ("left", *["right"] * (len(header) - 1))
    return tabulate(rows, header, tablefmt="simple", disable_numparse=True, colalign=align)
