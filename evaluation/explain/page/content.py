"""What a part of the page holds, and how it is kept as JSON beside its pictures."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from evaluation.plots.rendering import render
from evaluation.report.serialise import plain_tree
from evaluation.report.tables import Table

LARGE = 250_000  # bytes, above which a picture of photographs becomes a JPEG
KINDS = {"image/png": "png", "image/jpeg": "jpg"}


@dataclass(frozen=True)
class PageFigure:
    """A picture.

    Attributes:
        title: Above it.
        alt: What a reader who cannot see it should know.
        content: The file's bytes.
        kind: Its media type.
    """

    title: str
    alt: str
    content: bytes
    kind: str = "image/png"


@dataclass(frozen=True)
class PageSection:
    """A part of the page.

    Attributes:
        name: Of its place on the page and of its files.
        title: Its heading.
        reading: How to read it.
        limits: What it does not show.
        findings: What it says of this model, a sentence each.
        figures: Its pictures.
        tables: Its tables; cells are text.
        numbers: What explain.json holds of it besides.
        absent: Why it could not be made; empty where it was.
    """

    name: str
    title: str
    reading: str = ""
    limits: str = ""
    findings: Sequence[str] = ()
    figures: Sequence[PageFigure] = ()
    tables: Sequence[Table] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    absent: str = ""


def to_figure(figure: Figure, title: str, alt: str) -> PageFigure:
    """A drawn figure as a file: PNG, or JPEG where photographs would make that large."""
    from PIL import Image

    png, _ = render(figure)
    if len(png) <= LARGE:
        return PageFigure(title, alt, png)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, "JPEG", quality=88, optimize=True)
    return PageFigure(title, alt, buffer.getvalue(), "image/jpeg")


def section_json(section: PageSection) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A part as JSON, and its pictures by file name."""
    figures, files = [], {}
    for index, one in enumerate(section.figures, start=1):
        name = f"figures/{section.name}-{index}.{KINDS[one.kind]}"
        files[name] = one.content
        digest = hashlib.sha256(one.content).hexdigest()
        figures.append({"file": name, "title": one.title, "alt": one.alt, "kind": one.kind, "sha256": digest})
    texts = {name: getattr(section, name) for name in ("name", "title", "reading", "limits", "absent")}
    tables = [
        {"title": one.title, "header": [*one.header], "rows": [[str(cell) for cell in row] for row in one.rows]}
        | {"text_columns": one.text_columns, "note": one.note}
        for one in section.tables
    ]
    lists = {"findings": [*section.findings], "figures": figures, "tables": tables}
    return texts | lists | {"numbers": plain_tree(section.numbers)}, files


def section_from(entry: Mapping[str, Any], files: Mapping[str, bytes]) -> PageSection:
    """The part that `section_json` kept.

    Args:
        entry: Its JSON.
        files: Its pictures by file name.

    Raises:
        KeyError, TypeError, ValueError: It is torn, or a picture is missing or another one.
    """
    figures = []
    for one in entry["figures"]:
        content = files[one["file"]]
        if hashlib.sha256(content).hexdigest() != one["sha256"]:
            raise ValueError(f"{one['file']} is not the picture that was written")
        figures.append(PageFigure(one["title"], one["alt"], content, one["kind"]))
    tables = tuple(Table(**one) for one in entry["tables"])
    texts = {name: str(entry[name]) for name in ("name", "title", "reading", "limits", "absent")}
    return PageSection(
        **texts, findings=tuple(entry["findings"]), figures=figures, tables=tables, numbers=dict(entry["numbers"])
    )
