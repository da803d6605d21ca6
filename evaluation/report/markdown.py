"""A report as Markdown, for a repository or a note."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.report.tables import (
    MAX_CLASSES_IN_DETAIL,
    Table,
    confusion_table,
    headline_table,
    mistakes_sentence,
    mistakes_table,
    split_tables,
)
from evaluation.report.words import operating_point

if TYPE_CHECKING:
    from evaluation.report.figures import RenderedFigure

_SPECIAL = re.compile(r"([\\`*_\[\]|$~#])")


def render_markdown(data: Mapping[str, Any], figures: Mapping[str, Sequence[RenderedFigure]]) -> str:
    """Writes the report as Markdown; figures are links into figures/.

    Args:
        data: What `report_numbers` returned.
        figures: The figures of each split.

    Returns:
        Markdown that ends with a newline.
    """
    blocks = [f"# {escape(data['title'])}"]
    for name, split in data["splits"].items():
        blocks += _split_blocks(name, split, figures.get(name, ()))
    if data["verdict"]:
        blocks += ["## Training", escape(data["verdict"])]
    if data["details"]:
        details = Table("Details", ("Detail", "Value"), list(data["details"].items()), text_columns=2)
        blocks += _table_blocks(details, "##")
    if data["notes"]:
        blocks += ["## Notes", "\n".join(f"- {escape(note)}" for note in data["notes"])]
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", plain)


def _split_blocks(name: str, split: Mapping[str, Any], figures: Sequence[RenderedFigure]) -> list[str]:
    """Headline, tables, figures and mistakes of one split."""
    blocks = [f"## {escape(name)} (n = {split['n']:,})"]
    if operating_point(split):
        blocks.append(escape(operating_point(split)))
    blocks.append(_pipe_table(headline_table(split)))
    if split["kind"] == "classification" and len(split["labels"]) <= MAX_CLASSES_IN_DETAIL:
        blocks += _table_blocks(confusion_table(split), "###")
    for table in split_tables(split):
        blocks += _table_blocks(table, "###")
    blocks += [f"![{escape(figure.alt)}](figures/{figure.name}.png)" for figure in figures]
    worst = mistakes_table(split)
    if worst.rows:
        blocks += _table_blocks(worst, "###")
    if split["kind"] == "classification":
        blocks.append(escape(mistakes_sentence(split)))
    return blocks


def _table_blocks(table: Table, level: str) -> list[str]:
    """Heading, table and note."""
    blocks = [f"{level} {escape(table.title)}", _pipe_table(table)]
    return [*blocks, escape(table.note)] if table.note else blocks


def _pipe_table(table: Table) -> str:
    """A table with pipes, numbers aligned right."""
    from tabulate import tabulate

    align = ["left" if index < table.text_columns else "right" for index in range(len(table.header))]
    rows = [[escape(cell) for cell in row] for row in table.rows]
    header = [escape(cell) for cell in table.header]
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=align if rows else None)
