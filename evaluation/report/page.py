"""A report as one HTML page that opens offline: styles, pictures and script inside, every name escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.report import summary
from evaluation.report.definitions import definitions
from evaluation.report.explorer import explorer_data, has_plain_intervals, safe_json, script_hash
from evaluation.report.headline import Group, Measure, headline, headline_groups, leading
from evaluation.report.rendering import resource, templates
from evaluation.report.sections import Picture, absent_picture, table_of
from evaluation.report.studies import (
    analysis_table,
    comparison_sentences,
    models_table,
    pairs_table,
    readers_sentences,
    readers_table,
)
from evaluation.report.tables import Table, confusion_table, is_detailed, mistakes_table, split_tables
from evaluation.report.words import coverage, decimal, number, signed

if TYPE_CHECKING:
    from evaluation.report import ReportContext
    from evaluation.report.figures import RenderedFigure

THUMBNAIL = 160
SMALL_IMAGE = 64
LARGEST_SVG = 150_000
_SCRIPTS = ("operating_point.js", "sorting.js")


@dataclass(frozen=True)
class Thumbnail:
    """A mistake as a picture.

    Attributes:
        source: The picture as a data: address; empty where it could not be read.
        pixelated: Whether it is so small that its pixels should stay sharp when enlarged.
        id: Name of the example.
        truth: What it is.
        predicted: What the model said.
        score: The score of what it said, or the error of a regression.
    """

    source: str
    pixelated: bool
    id: str
    truth: str
    predicted: str
    score: str


@dataclass(frozen=True)
class Study:
    """A comparison of models, or of readers with the model.

    Attributes:
        sentences: What it shows, in words.
        tables: Its numbers.
        notes: What to keep in mind.
        figures: See `SplitView`.
    """

    sentences: Sequence[str]
    tables: Sequence[Table]
    notes: Sequence[str]
    figures: Sequence[tuple[str, str, str, bool]]


@dataclass(frozen=True)
class AddedSection:
    """A section of the report's caller as the page shows it.

    Attributes:
        id: Name of its place on the page.
        title: Its heading.
        paragraphs: Sentences.
        figures: (alternative text, data: address, whether it needs the full width) of each picture.
        table: Its table, or None.
        absent: Why pictures are missing, a sentence each.
    """

    id: str
    title: str
    paragraphs: Sequence[str]
    figures: Sequence[tuple[str, str, bool]]
    table: Table | None
    absent: Sequence[str]


@dataclass(frozen=True)
class SplitView:
    """One split as the page shows it.

    Attributes:
        id: Name of its place on the page.
        name: The split's name.
        n: Number of examples.
        positive: The positive class, or None.
        negative: The other class, or None.
        summary: The split in sentences.
        exploratory: A warning about the threshold, or empty.
        leading: The numbers to see first.
        groups: The main numbers.
        has_intervals: Whether any of them has an interval.
        explorer: What the explorer reads, as JSON that is safe in a page; None without one.
        explorer_intervals: Whether the explorer gives intervals.
        has_reader_points: Whether readers lie on the explorer's curve.
        has_band: Whether that curve has a band.
        figures: (title, alternative text, data: address, whether it needs the full width) of each figure.
        tables: The tables.
        readers: Readers against the model, or None.
        mistakes_note: How many mistakes there are.
        thumbnails: The worst mistakes as pictures.
        mistakes: The worst mistakes as a table, where there are no pictures.
        notes: Sentences about this split.
    """

    id: str
    name: str
    n: int
    positive: str | None
    negative: str | None
    summary: Sequence[str]
    exploratory: str
    leading: Sequence[Measure]
    groups: Sequence[Group]
    has_intervals: bool
    explorer: str | None
    explorer_intervals: bool
    has_reader_points: bool
    has_band: bool
    figures: Sequence[tuple[str, str, str, bool]]
    tables: Sequence[Table]
    readers: Study | None
    mistakes_note: str
    thumbnails: Sequence[Thumbnail]
    mistakes: Table
    notes: Sequence[str]


def render_page(
    data: Mapping[str, Any],
    figures: Mapping[str, Sequence[RenderedFigure]],
    context: ReportContext,
    *,
    pictures: Mapping[str, Picture] | None = None,
) -> str:
    """Fills the page's template.

    Args:
        data: What report.json holds.
        figures: The figures by the split's name; those of a comparison under "comparison".
        context: Images and training curves.
        pictures: Those of the caller's sections, by the file under which report.json names them.

    Returns:
        HTML that refers to nothing outside itself.
    """
    from markupsafe import Markup

    sections = [
        _section(f"split-{index}", name, data, figures.get(name, ()), context)
        for index, name in enumerate(data["splits"], start=1)
    ]
    added = [
        _added(f"section-{index}", one, pictures or {}) for index, one in enumerate(data.get("sections", ()), start=1)
    ]
    script = "\n".join(resource(name) for name in _SCRIPTS)
    curves = _data_address(context.training_curves, "image/png") if context.training_curves else ""
    page = templates().get_template("template.html.j2")
    return page.render(
        title=data["title"],
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {script_hash(script)}",
        style=Markup(resource("style.css")),
        script=Markup(script),
        level=coverage(data["confidence"]),
        sections=sections,
        contents=_contents(data, sections, added, curves=bool(curves)),
        comparison=_comparison(data, figures),
        curves=curves,
        added=added,
        verdict=data["verdict"],
        checklist=_by_standard(data["checklist"]),
        methods=data["methods"],
        references=data["references"],
        definitions=definitions(data),
        details=Table("Details", ("Detail", "Value"), list(data["details"].items()), text_columns=2),
        notes=data["notes"],
    )


def thumbnail_address(image: np.ndarray) -> tuple[str, bool]:
    """A picture of an example as a data: address, and whether it is small.

    Args:
        image: uint8 of shape (h, w) or (h, w, c) with c = 1, 3 or 4.

    Returns:
        (address, small). Pictures above 160 pixels are reduced.

    Raises:
        ValueError: If the array is no image.
    """
    from PIL import Image

    pixels = np.asarray(image)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        received = f"{pixels.dtype} of shape {pixels.shape}"
        raise ValueError(f"an example's image must be uint8 of shape (h, w) or (h, w, c). Received: {received}.")
    picture = Image.fromarray(pixels)
    buffer = io.BytesIO()
    if max(picture.size) <= SMALL_IMAGE:
        picture.save(buffer, "PNG", optimize=True)
        return _data_address(buffer.getvalue(), "image/png"), True
    picture.thumbnail((2 * THUMBNAIL, 2 * THUMBNAIL))
    picture.convert("RGB").save(buffer, "JPEG", quality=82)
    return _data_address(buffer.getvalue(), "image/jpeg"), False


def _section(
    address: str, name: str, data: Mapping[str, Any], figures: Sequence[RenderedFigure], context: ReportContext
) -> SplitView:
    """Gathers what the page shows of one split."""
    split, confidence = data["splits"][name], data["confidence"]
    explorer = explorer_data(split, confidence)
    thumbnails = _thumbnails(split, context)
    two = split.get("positive") is not None
    matrix = [confusion_table(split)] if is_detailed(split) else []
    return SplitView(
        id=address,
        name=name,
        n=split["n"],
        positive=split["positive"] if two else None,
        negative=split["labels"][0] if two else None,
        summary=summary.summary(split, confidence),
        exploratory=summary.exploratory(split),
        leading=leading(split),
        groups=headline_groups(split),
        has_intervals=any(measure.interval for measure in headline(split)),
        explorer=_marked(explorer),
        explorer_intervals=explorer is not None and has_plain_intervals(split),
        has_reader_points=explorer is not None and bool(explorer["readers"]),
        has_band=explorer is not None and explorer["band"] is not None,
        figures=_shown(figures),
        tables=[*matrix, *split_tables(split, confidence)],
        readers=_readers(split, confidence),
        mistakes_note=f"{summary.mistakes(split)}{_unread(thumbnails)}",
        thumbnails=thumbnails if any(one.source for one in thumbnails) else (),
        mistakes=mistakes_table(split),
        notes=split.get("notes", ()),
    )


def _contents(
    data: Mapping[str, Any], sections: Sequence[SplitView], added: Sequence[AddedSection], *, curves: bool
) -> list[tuple[str, str]]:
    """(address, name) of the page's parts; those of the first split in detail."""
    first = sections[0]
    parts = {
        "numbers": True,
        "explorer": first.explorer is not None,
        "figures": bool(first.figures),
        **{table.anchor: True for table in first.tables if table.anchor},
        "readers": first.readers is not None,
        "mistakes": True,
    }
    names = {"explorer": "Operating point", "matrix": "Confusion matrix"}
    detailed = [(f"{first.id}-{key}", names.get(key, key.capitalize())) for key, shown in parts.items() if shown]
    before = {"comparison": bool(data["comparison"]), "training": curves or bool(data["verdict"])}
    after = {"checklist": bool(data["checklist"]), "methods": bool(data["methods"]), "definitions": True}
    others = [(section.id, section.name) for section in sections[1:]]
    first_pages, last_pages = ([(key, key.capitalize()) for key in part if part[key]] for part in (before, after))
    return [*detailed, *others, *first_pages, *((one.id, one.title) for one in added), *last_pages]


def _added(address: str, section: Mapping[str, Any], pictures: Mapping[str, Picture]) -> AddedSection:
    """Gathers what the page shows of a section of the report's caller."""
    figures, absent = [], []
    for figure in section["figures"]:
        picture = pictures.get(figure["file"]) if figure["file"] else None
        if picture is None:
            absent.append(absent_picture(figure))
        else:
            figures.append((figure["alt"], _data_address(picture.content, picture.kind), picture.wide))
    return AddedSection(address, section["title"], section["paragraphs"], figures, table_of(section), absent)


def _comparison(data: Mapping[str, Any], figures: Mapping[str, Sequence[RenderedFigure]]) -> Study | None:
    """The comparison of models, where there is one."""
    comparison, confidence = data["comparison"], data["confidence"]
    if not comparison:
        return None
    tables = [models_table(comparison, confidence), pairs_table(comparison, confidence)]
    drawn = () if "comparison" in data["splits"] else figures.get("comparison", ())
    return Study(comparison_sentences(comparison, confidence), tables, comparison["notes"], _shown(drawn))


def _readers(split: Mapping[str, Any], confidence: float) -> Study | None:
    """Readers against the model, where there are any."""
    study = split.get("readers")
    if not study:
        return None
    analysed = [analysis_table(study, confidence)] if study["analysis"] else []
    tables = [readers_table(study, confidence), *analysed]
    return Study(readers_sentences(study, confidence), tables, study["notes"], ())


def _by_standard(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The checklist's items by the standard that asks for them."""
    standards = list(dict.fromkeys(item["standard"] for item in items))
    return [(standard, [item for item in items if item["standard"] == standard]) for standard in standards]


def _thumbnails(split: Mapping[str, Any], context: ReportContext) -> list[Thumbnail]:
    """The worst mistakes as pictures; empty where no example has one."""
    classification = split["kind"] == "classification"
    entries = split["mistakes"]["shown"] if classification else split["largest_errors"]
    shown: list[Thumbnail] = []
    for entry in entries if context.image_of is not None else ():
        image = context.image_of(entry["id"]) if context.image_of is not None else None
        source, small = ("", False) if image is None else thumbnail_address(image)
        if classification:
            words = entry["truth"], entry["predicted"], decimal(entry["score"])
        else:
            words = number(entry["truth"]), number(entry["predicted"]), f"error {signed(entry['error'])}"
        shown.append(Thumbnail(source, small, entry["id"], *words))
    return shown


def _unread(thumbnails: Sequence[Thumbnail]) -> str:
    """How many pictures are missing, as a sentence after a space; empty where none is."""
    gone = sum(not one.source for one in thumbnails)
    if not gone:
        return ""
    where = "They are looked for beside the file of predictions, or in the folder that --images names."
    return f" {gone} of their {len(thumbnails)} pictures could not be found or read. {where}"


def _marked(explorer: Mapping[str, Any] | None) -> Any:
    """The explorer's data as text that the template may put in as it is."""
    from markupsafe import Markup

    return None if explorer is None else Markup(safe_json(explorer))


def _shown(figures: Sequence[RenderedFigure]) -> list[tuple[str, str, str, bool]]:
    """Figures as the template takes them."""
    return [(figure.title, figure.alt, _figure_address(figure), figure.wide) for figure in figures]


def _figure_address(figure: RenderedFigure) -> str:
    """A figure as vectors, or as pixels where many points would make the vectors large."""
    if len(figure.svg) <= LARGEST_SVG:
        return _data_address(figure.svg, "image/svg+xml")
    return _data_address(figure.png, "image/png")


def _data_address(content: bytes, kind: str) -> str:
    """Content as a data: address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
