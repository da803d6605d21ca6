"""A report as Markdown, for a repository or a note."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.report import summary
from evaluation.report.definitions import definitions
from evaluation.report.headline import headline, remarks
from evaluation.report.sections import absent_picture, table_of
from evaluation.report.studies import (
    analysis_table,
    comparison_sentences,
    models_table,
    pairs_table,
    readers_sentences,
    readers_table,
)
from evaluation.report.tables import (
    Table,
    confusion_table,
    headline_table,
    is_detailed,
    mistakes_table,
    split_tables,
)

if TYPE_CHECKING:
    from evaluation.report.figures import RenderedFigure

_SPECIAL = re.compile(r"([\\`*_\[\]|$~#])")


def render_markdown(data: Mapping[str, Any], figures: Mapping[str, Sequence[RenderedFigure]]) -> str:
    """Writes the report as Markdown; figures are links into figures/.

    Args:
        data: What report.json holds.
        figures: The figures by the split's name; those of a comparison under "comparison".

    Returns:
        Markdown that ends with a newline.
    """
    blocks = [f"# {escape(data['title'])}"]
    for name, split in data["splits"].items():
        blocks += _split_blocks(name, split, data["confidence"], figures.get(name, ()))
    if data["comparison"]:
        drawn = () if "comparison" in data["splits"] else figures.get("comparison", ())
        blocks += _comparison_blocks(data["comparison"], data["confidence"], drawn)
    if data["verdict"]:
        blocks += ["## Training", escape(data["verdict"])]
    for section in data.get("sections", ()):
        blocks += _section_blocks(section)
    blocks += _closing_blocks(data)
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", plain)


def _split_blocks(
    name: str, split: Mapping[str, Any], confidence: float, figures: Sequence[RenderedFigure]
) -> list[str]:
    """Summary, main numbers, figures, tables, readers and mistakes of one split."""
    blocks = [f"## {escape(name)} (n = {split['n']:,})", *map(escape, summary.summary(split, confidence))]
    if summary.exploratory(split):
        blocks.append(f"**Exploratory.** {escape(summary.exploratory(split))}")
    blocks.append(_pipe_table(headline_table(split, confidence)))
    blocks += _list_blocks(remarks(headline(split)))
    tables = [confusion_table(split)] if is_detailed(split) else []
    for table in [*tables, *split_tables(split, confidence)]:
        blocks += _table_blocks(table, "###")
    blocks += _images(figures)
    if split.get("readers"):
        blocks += _reader_blocks(split["readers"], confidence)
    worst = mistakes_table(split)
    if worst.rows:
        blocks += _table_blocks(worst, "###")
    blocks.append(escape(summary.mistakes(split)))
    return [*blocks, *_list_blocks(split.get("notes", ()))]


def _comparison_blocks(
    comparison: Mapping[str, Any], confidence: float, figures: Sequence[RenderedFigure]
) -> list[str]:
    """Models against each other."""
    blocks = ["## Models compared", *map(escape, comparison_sentences(comparison, confidence)), *_images(figures)]
    for table in (models_table(comparison, confidence), pairs_table(comparison, confidence)):
        blocks += _table_blocks(table, "###")
    return [*blocks, *_list_blocks(comparison["notes"])]


def _reader_blocks(study: Mapping[str, Any], confidence: float) -> list[str]:
    """Readers against the model."""
    blocks = ["### Readers and the model", *map(escape, readers_sentences(study, confidence))]
    tables = [readers_table(study, confidence)]
    for table in [*tables, analysis_table(study, confidence)] if study["analysis"] else tables:
        blocks += _table_blocks(table, "####")
    return [*blocks, *_list_blocks(study["notes"])]


def _section_blocks(section: Mapping[str, Any]) -> list[str]:
    """A section of the report's caller."""
    blocks = [f"## {escape(section['title'])}", *map(escape, section["paragraphs"])]
    for figure in section["figures"]:
        link = f"![{escape(figure['alt'])}]({figure['file']})"
        blocks.append(link if figure["file"] else escape(absent_picture(figure)))
    table = table_of(section)
    return blocks if table is None else [*blocks, _pipe_table(table)]


def _closing_blocks(data: Mapping[str, Any]) -> list[str]:
    """Checklist, methods, references, definitions, details and notes."""
    blocks = []
    if data["checklist"]:
        rows = [
            [one["standard"], one["item"], one["requirement"], one["status"], one["text"]] for one in data["checklist"]
        ]
        header = ("Standard", "Item", "What it asks", "Status", "In this report")
        blocks += _table_blocks(Table("Reporting checklist", header, rows, text_columns=5), "##")
    if data["methods"]:
        blocks += ["## Methods", *map(escape, data["methods"])]
    if data["references"]:
        entries = [f"{index}. {escape(text)}" for index, text in enumerate(data["references"], start=1)]
        blocks += ["### References", "\n".join(entries)]
    rows = [[name, text] for name, text in definitions(data)]
    blocks += _table_blocks(Table("Definitions", ("Name", "Formula"), rows, text_columns=2), "##")
    if data["details"]:
        details = Table("Details", ("Detail", "Value"), list(data["details"].items()), text_columns=2)
        blocks += _table_blocks(details, "##")
    return [*blocks, "## Notes", *_list_blocks(data["notes"])] if data["notes"] else blocks


def _images(figures: Sequence[RenderedFigure]) -> list[str]:
    """Figures as links."""
    return [f"![{escape(figure.alt)}](figures/{figure.name}.png)" for figure in figures]


def _list_blocks(notes: Sequence[str]) -> list[str]:
    """Sentences as a list; nothing without any."""
    return ["\n".join(f"- {escape(note)}" for note in notes)] if notes else []


def _table_blocks(table: Table, level: str) -> list[str]:
    """Heading, table and note."""
    blocks = [f"{level} {escape(table.title)}", _pipe_table(table)]
    return [*blocks, escape(table.note)] if table.note else blocks


def _pipe_table(table: Table) -> str:
    """A table with pipes, numbers aligned right."""
    from tabulate import tabulate

    align = ["left" if table.is_text(index) else "right" for index in range(len(table.header))]
    rows = [[escape(str(cell)) for cell in row] for row in table.rows]
    header = [escape(cell) for cell in table.header]
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=align if rows else None)
