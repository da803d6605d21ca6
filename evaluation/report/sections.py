"""Sections that a caller adds to a report: sentences, pictures, a table, numbers; kept in a file beside a run."""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.files import write_atomically
from evaluation.report.serialise import plain
from evaluation.report.tables import Table
from evaluation.report.words import count, number

SCHEMA = 1
FILE = "sections.json"
MOST_BYTES = 20_000_000
WIDE = 1_000  # pixels, of a picture that needs the full width of the page
_NUMBER = re.compile(r"[-−+±<>≤≥~]?\d|[–∞]?$")

Rows = Sequence[Sequence[Any]]


class SectionsError(ValueError):
    """A file of sections cannot be used. The message names it, the reason and the cure."""


@dataclass(frozen=True)
class Section:
    """What a caller adds to a report.

    Attributes:
        title: Its heading.
        paragraphs: Sentences, a paragraph each.
        figures: (PNG or JPEG file, what a reader who cannot see it should know) of each picture.
        table: (column names, rows), or None. Cells are text, numbers or None; numbers are rounded where they are shown.
        numbers: What report.json holds of it: numbers, texts, and lists or mappings of them. NaN becomes null.
    """

    title: str
    paragraphs: Sequence[str] = ()
    figures: Sequence[tuple[Path, str]] = ()
    table: tuple[Sequence[str], Rows] | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses a section without a title, and rows that do not fit the header."""
        if not self.title.strip():
            raise ValueError("a section needs a title. Received: an empty one.")
        header, rows = self.table or ((), ())
        for index, row in enumerate(rows, start=1):
            if len(row) != len(header):
                raise ValueError(
                    f"section {self.title!r}: row {index} of its table must have {len(header)} cells, one for each "
                    f"column. Received: {len(row)}."
                )


@dataclass(frozen=True)
class Picture:
    """A picture that was read.

    Attributes:
        content: The file's bytes.
        kind: Its media type.
        wide: Whether it needs the full width of the page.
    """

    content: bytes
    kind: str
    wide: bool


def sections_json(sections: Sequence[Section]) -> tuple[list[dict[str, Any]], dict[str, Picture]]:
    """What report.json holds of the sections, and their pictures.

    Args:
        sections: In the order of the page. A picture that is missing or cannot be read is left out, with the reason.

    Returns:
        (sections as schema.json describes them, pictures by the "file" under which a section names them).
    """
    found, pictures = [], {}
    for place, section in enumerate(sections, start=1):
        figures: list[dict[str, Any]] = []
        for index, (path, alt) in enumerate(section.figures, start=1):
            picture, reason = read_figure(Path(path))
            name = None
            if picture is not None:
                name = f"figures/section-{place}-{index}.{'png' if picture.kind == 'image/png' else 'jpg'}"
                pictures[name] = picture
            figures.append({"file": name, "alt": str(alt), "reason": reason})
        found.append(_content(section) | {"figures": figures})
    return found, pictures


def read_figure(path: Path) -> tuple[Picture | None, str | None]:
    """A picture, or why there is none."""
    from PIL import Image

    try:
        if path.stat().st_size > MOST_BYTES:
            return None, f"{path.name} has more than {MOST_BYTES // 1_000_000} MB"
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a picture that is large enough to fill the memory
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
                kind, width = Image.MIME[str(image.format)], image.width
                image.load()
    except FileNotFoundError:
        return None, f"{path.name} is missing"
    except Exception as error:  # Pillow raises errors of many kinds at a torn picture
        return None, f"{path.name} cannot be read ({' '.join(str(error).split()) or type(error).__name__})"
    return Picture(content, kind, width >= WIDE), None


def table_of(section: Mapping[str, Any]) -> Table | None:
    """The table of a section of report.json, for every format that shows it."""
    if not section["table"]:
        return None
    header, rows = section["table"]["header"], section["table"]["rows"]
    cells = [[_shown(cell) for cell in row] for row in rows]
    texts = [not all(_NUMBER.match(row[column]) for row in cells) for column in range(len(header))]
    leading = next((column for column in range(1, len(header)) if not texts[column]), len(header))
    return Table(section["title"], header, cells, text_columns=leading, last_text=bool(texts) and texts[-1])


def absent_picture(figure: Mapping[str, Any]) -> str:
    """What stands in the place of a picture that could not be read."""
    return f"A picture is missing here: {figure['reason'] or 'it was not handed over'}. It shows: {figure['alt']}"


def write_sections(folder: Path, sections: Sequence[Section]) -> Path:
    """Keeps sections in `sections.json` of a folder, so that a report written again has them too.

    Args:
        folder: The folder; its pictures must lie inside.
        sections: The sections; those that stood there are replaced.

    Returns:
        The file.

    Raises:
        ValueError: If a picture lies outside the folder.
        OSError: If the folder cannot be written; the old file then still stands.
    """
    path = folder / FILE
    entries = [_content(one) | {"figures": list(_inside(folder, one))} for one in sections]
    text = json.dumps({"schema": SCHEMA, "sections": entries}, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text + "\n")
    return path


def read_sections(folder: Path) -> list[Section]:
    """The sections that `write_sections` kept in a folder; none where it kept none.

    Raises:
        SectionsError: If the file is torn or says something else. A missing picture is no error here.
    """
    path = folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(f"its schema is {data['schema']!r} where {SCHEMA} is known")
        return [_section(folder, entry) for entry in data["sections"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, (KeyError, TypeError)) else error
        raise SectionsError(
            f"{path} cannot be read ({reason}), so the report lacks its sections. Restore the file, or delete it."
        ) from None


def _content(section: Section) -> dict[str, Any]:
    """A section without its pictures, as JSON holds it."""
    table = None
    if section.table is not None:
        header, rows = section.table
        table = {"header": [str(name) for name in header], "rows": [[_plain(cell) for cell in row] for row in rows]}
    paragraphs = [str(text) for text in section.paragraphs]
    return {"title": section.title, "paragraphs": paragraphs, "table": table, "numbers": _plain(section.numbers)}


def _section(folder: Path, entry: Mapping[str, Any]) -> Section:
    """A section as it was kept."""
    table = entry["table"] and (_texts(entry["table"]["header"]), entry["table"]["rows"])
    figures = [(folder / figure["file"], str(figure["alt"])) for figure in entry["figures"]]
    for path, _ in figures:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"a picture must lie inside the folder. Received: {path}")
    return Section(str(entry["title"]), _texts(entry["paragraphs"]), figures, table, dict(entry["numbers"]))


def _texts(values: Any) -> list[str]:
    """A list of texts, or a ValueError for what is none."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"expected a list of texts. Received: {str(values)[:60]!r}")
    return values


def _inside(folder: Path, section: Section) -> Iterator[dict[str, str]]:
    """The pictures by their place inside the folder."""
    for path, alt in section.figures:
        place = Path(path).resolve()
        if not place.is_relative_to(folder.resolve()):
            raise ValueError(f"section {section.title!r}: a picture must lie inside {folder}. Received: {path}.")
        yield {"file": place.relative_to(folder.resolve()).as_posix(), "alt": str(alt)}


def _plain(value: Any) -> Any:
    """A value as JSON holds it; NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else plain(value)


def _shown(cell: Any) -> str:
    """A cell as a reader meets it."""
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    return count(cell) if isinstance(cell, int) else number(cell)
