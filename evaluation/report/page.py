"""A report as one HTML page that opens offline: styles and pictures inside, every name escaped, no script."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.report.tables import (
    MAX_CLASSES_IN_DETAIL,
    Table,
    confusion_table,
    mistakes_sentence,
    mistakes_table,
    split_tables,
)
from evaluation.report.words import Measure, decimal, headline, number, operating_point, signed

if TYPE_CHECKING:
    from evaluation.report import ReportContext
    from evaluation.report.figures import RenderedFigure

THUMBNAIL = 160
SMALL_IMAGE = 64


@dataclass(frozen=True)
class Thumbnail:
    """A mistake as a picture.

    Attributes:
        source: The picture as a data: address.
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
class Section:
    """One split as the page shows it.

    Attributes:
        name: The split's name.
        n: Number of examples.
        operating_point: Which class is positive and when, or empty.
        measures: The main numbers.
        figures: (title, alternative text, data: address, whether it needs the full width) of each figure.
        matrix: The confusion matrix as a table, or None.
        tables: The other tables.
        mistakes_note: How many mistakes there are.
        thumbnails: The worst mistakes as pictures.
        mistakes: The worst mistakes as a table, where there are no pictures.
    """

    name: str
    n: int
    operating_point: str
    measures: Sequence[Measure]
    figures: Sequence[tuple[str, str, str, bool]]
    matrix: Table | None
    tables: Sequence[Table]
    mistakes_note: str
    thumbnails: Sequence[Thumbnail]
    mistakes: Table


def render_page(
    data: Mapping[str, Any], figures: Mapping[str, Sequence[RenderedFigure]], context: ReportContext
) -> str:
    """Fills the page's template.

    Args:
        data: What `report_numbers` returned.
        figures: The figures of each split.
        context: Images and training curves.

    Returns:
        HTML that refers to nothing outside itself.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("evaluation.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["unbroken"] = lambda cell: cell.replace("–", "\u2060–\u2060")
    sections = [_section(name, split, figures.get(name, ()), context) for name, split in data["splits"].items()]
    curves = _data_address(context.training_curves, "image/png") if context.training_curves else ""
    kinds = {split["kind"] for split in data["splits"].values()}
    details = Table("Details", ("Detail", "Value"), list(data["details"].items()), text_columns=2)
    return environment.get_template("template.html.j2").render(
        title=data["title"],
        sections=sections,
        curves=curves,
        verdict=data["verdict"],
        details=details,
        notes=data["notes"],
        kinds=kinds,
        thresholded=any(split.get("positive") is not None for split in data["splits"].values()),
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


def _section(name: str, split: Mapping[str, Any], figures: Sequence[RenderedFigure], context: ReportContext) -> Section:
    """Gathers what the page shows of one split."""
    classification = split["kind"] == "classification"
    detailed = classification and len(split["labels"]) <= MAX_CLASSES_IN_DETAIL
    return Section(
        name=name,
        n=split["n"],
        operating_point=operating_point(split),
        measures=headline(split),
        figures=[(f.title, f.alt, _data_address(f.svg, "image/svg+xml"), f.wide) for f in figures],
        matrix=confusion_table(split) if detailed else None,
        tables=split_tables(split),
        mistakes_note=mistakes_sentence(split) if classification else "The examples with the largest absolute error.",
        thumbnails=_thumbnails(split, context),
        mistakes=mistakes_table(split),
    )


def _thumbnails(split: Mapping[str, Any], context: ReportContext) -> list[Thumbnail]:
    """The worst mistakes as pictures; empty unless every one of them has an image."""
    classification = split["kind"] == "classification"
    entries = split["mistakes"]["shown"] if classification else split["largest_errors"]
    shown: list[Thumbnail] = []
    for entry in entries if context.image_of is not None else ():
        image = context.image_of(entry["id"]) if context.image_of is not None else None
        if image is None:
            return []
        source, small = thumbnail_address(image)
        if classification:
            words = entry["truth"], entry["predicted"], decimal(entry["score"])
        else:
            words = number(entry["truth"]), number(entry["predicted"]), f"error {signed(entry['error'])}"
        shown.append(Thumbnail(source, small, entry["id"], *words))
    return shown


def _data_address(content: bytes, kind: str) -> str:
    """Content as a data: address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
