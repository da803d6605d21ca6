"""The page as one HTML file that opens offline, in the design of the evaluation report."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence

import matplotlib

from evaluation.embedding import EmbeddingError
from evaluation.explain.errors import ExplainError
from evaluation.explain.page import decisions, layers, truth
from evaluation.explain.page.content import PageFigure, PageSection
from evaluation.explain.page.material import Material
from evaluation.plots.style import report_style
from evaluation.report.rendering import resource, templates
from evaluation.report.tables import Table

WIDE = 1_000  # pixels, of a picture that needs the full width of the page
SECTIONS: dict[str, Callable[[Material], PageSection]] = {
    "filters": layers.filters_section,
    "atlas": layers.atlas_section,
    "feature-maps": layers.feature_maps_section,
    "maps": decisions.maps_section,
    "boxes": decisions.boxes_section,
    "occlusion": decisions.occlusion_section,
    "fidelity": truth.fidelity_section,
    "adversarial": decisions.adversarial_section,
    "made": layers.made_section,
    "plane": truth.plane_section,
}
TITLES = {
    "filters": "First filters",
    "atlas": "Layer atlas",
    "feature-maps": "Feature maps of one image",
    "maps": "What decided",
    "boxes": "Where it looks",
    "occlusion": "What happens when a part is covered",
    "fidelity": "Are the maps true?",
    "adversarial": "How it breaks",
    "made": "Pictures made for each class",
    "plane": "How the features lie together",
}


def build_section(name: str, material: Material) -> PageSection:
    """A part of the page; where it cannot be made, the reason stands in its place.

    Args:
        name: A key of `SECTIONS`.
        material: What it is made of.
    """
    try:
        with matplotlib.rc_context(report_style()):
            return SECTIONS[name](material)
    except (ExplainError, EmbeddingError) as error:
        return PageSection(name, TITLES[name], absent=f"This part could not be made: {error}")


def render_page(title: str, subtitle: str, sections: Sequence[PageSection], details: Mapping[str, str]) -> str:
    """Fills the page's template.

    Args:
        title: Its heading.
        subtitle: A line below.
        sections: Its parts, in order.
        details: Name and value of what was explained.

    Returns:
        HTML that refers to nothing outside itself; every name is escaped.
    """
    from markupsafe import Markup

    views = [
        (one, [(figure.title, figure.alt, _address(figure), _is_wide(figure)) for figure in one.figures])
        for one in sections
    ]
    page = templates("evaluation.explain.page").get_template("explain.html.j2")
    return page.render(
        title=title,
        subtitle=subtitle,
        policy="default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        style=Markup(resource("style.css")),
        sections=views,
        details=Table("Details", ("Detail", "Value"), list(details.items()), text_columns=2),
    )


def _address(figure: PageFigure) -> str:
    """A picture as a data: address."""
    return f"data:{figure.kind};base64,{base64.b64encode(figure.content).decode('ascii')}"


def _is_wide(figure: PageFigure) -> bool:
    from PIL import Image

    with Image.open(io.BytesIO(figure.content)) as image:
        return image.width >= WIDE
