"""Figures as PNG and SVG, the same bytes each time."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from evaluation.plots.style import font_families, report_style

_PAD = 0.08


def render(figure: Figure) -> tuple[bytes, bytes]:
    """Renders a figure under the report's style, cropped to what is drawn.

    Letters become outlines in the SVG, so that it looks the same everywhere; where no font of this machine has a
    character, they stay text, for which the reader's machine may have one.

    Args:
        figure: A figure that was drawn within `matplotlib.rc_context(report_style())`. Its layout is fixed hereby.

    Returns:
        (PNG at 144 dots per inch, SVG).
    """
    png, svg = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(report_style()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        FigureCanvasAgg(figure)
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
        figure.set_layout_engine(None)  # the layout now stands; each format would compute it again, twice
        options: dict[str, Any] = {"bbox_inches": _crop(figure), "facecolor": "white"}
        FigureCanvasAgg(figure).print_figure(png, format="png", dpi=144, metadata={"Software": None}, **options)
        matplotlib.rcParams["svg.fonttype"] = "path" if _all_drawable(figure) else "none"
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(figure).print_figure(svg, format="svg", dpi=100, metadata=nothing, **options)
    return png.getvalue(), svg.getvalue()


def _crop(figure: Figure) -> Bbox:
    """The figure's whole width, so that all texts of a page have the same size, and the height that is drawn on."""
    drawn, width = figure.get_tightbbox(), figure.get_size_inches()[0]
    left, right = min(0.0, drawn.x0 - _PAD), max(width, drawn.x1 + _PAD)
    return Bbox.from_extents(left, drawn.y0 - _PAD, right, drawn.y1 + _PAD)


def _all_drawable(figure: Figure) -> bool:
    """Whether the fonts of this machine have every character of the figure."""
    texts = (text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))
    return all(_drawable(character) for character in set().union(*texts) if not character.isspace())


@lru_cache(maxsize=4096)
def _drawable(character: str) -> bool:
    """Whether a font that figures use has a character."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    paths = (findfont(FontProperties(family=[name])) for name in font_families())
    return any(get_font(path).get_char_index(ord(character)) != 0 for path in paths)
