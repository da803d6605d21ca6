"""The figures of a report, drawn without global state and rendered to PNG and SVG."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from evaluation.predictions import Predictions, RegressionPredictions
from evaluation.report import plots
from evaluation.report.words import decimal, percent

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.parse_math": False,
    "text.color": "#222222",
    "axes.edgecolor": "#666666",
    "axes.labelcolor": "#222222",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "path",
    "svg.hashsalt": "groundwork",
}


@dataclass(frozen=True)
class RenderedFigure:
    """A figure as files.

    Attributes:
        name: File name without suffix, such as "test-roc".
        title: Heading above the figure.
        alt: What a reader who cannot see it should know.
        wide: Whether it needs the full width of the page.
        png: The picture at 144 dots per inch.
        svg: The picture as vectors.
    """

    name: str
    title: str
    alt: str
    wide: bool
    png: bytes
    svg: bytes


def split_figures(
    name: str, predictions: Predictions | RegressionPredictions, numbers: Mapping[str, Any]
) -> list[RenderedFigure]:
    """Draws the figures of one split.

    Args:
        name: The split's name.
        predictions: What was predicted.
        numbers: The split's part of `report_numbers`.

    Returns:
        Figures in the order of the page; those that would be empty are left out.
    """
    if numbers["n"] == 0:
        return []
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if isinstance(predictions, RegressionPredictions):
            drawn = _regression_figures(predictions, numbers)
        else:
            drawn = _classification_figures(predictions, numbers)
        wide = len(numbers.get("labels", ())) > plots.MAX_CLASSES_IN_HALF_WIDTH
        return [
            _render(f"{_slug(name)}-{key}", title, alt, wide and key == "confusion-matrix", figure)
            for key, title, alt, figure in drawn
        ]


def _classification_figures(p: Predictions, numbers: Mapping[str, Any]) -> list[tuple[str, str, str, Figure]]:
    """Confusion matrix, ROC curves and, with a positive class, the histogram of its scores."""
    right = f"{percent(numbers['accuracy']['estimate'])} of {numbers['n']:,} examples lie on the diagonal."
    matrix = plots.confusion_figure(numbers["confusion_matrix"], p.labels)
    drawn = [("confusion-matrix", "Confusion matrix", f"Confusion matrix, rows are the truth. {right}", matrix)]
    if p.positive is not None:
        alt = f"Histogram of the score of {p.positive}, by truth, with the threshold {p.threshold:g}."
        drawn.append(("scores", f"Scores of {plots.shorten(p.positive, 40)} by truth", alt, plots.score_figure(p)))
    roc = plots.roc_figure(p, numbers)
    if roc is not None:
        drawn.append(
            ("roc", "ROC curve" if p.positive else "ROC curves, one class against the rest", _alt(numbers), roc)
        )
    return drawn


def _regression_figures(p: RegressionPredictions, numbers: Mapping[str, Any]) -> list[tuple[str, str, str, Figure]]:
    """Predicted against true values, and residuals against predictions."""
    error = f"The mean absolute error is {numbers['mae']['estimate']:.4g} over {numbers['n']:,} examples."
    return [
        (
            "predicted",
            "Predicted against true value",
            f"Scatter plot with the identity line. {error}",
            plots.predicted_figure(p),
        ),
        ("residuals", "Residuals", f"Residuals against predicted values. {error}", plots.residual_figure(p)),
    ]


def _alt(numbers: Mapping[str, Any]) -> str:
    """What the ROC figure shows, in a sentence."""
    if numbers["positive"] is not None:
        area = decimal(numbers["per_class"][1]["auc"]["estimate"])
        return f"ROC curve of {numbers['positive']} with the operating point; the area under it is {area}."
    area = decimal(numbers["averages"]["macro"]["auc"]["estimate"])
    return f"ROC curves of {len(numbers['labels'])} classes, each against the rest; the mean area under them is {area}."


def _render(name: str, title: str, alt: str, wide: bool, figure: Figure) -> RenderedFigure:
    """Renders a figure in both formats, the same bytes each time."""
    png, svg = io.BytesIO(), io.BytesIO()
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout now stands; each format would compute it again
    options: dict[str, Any] = {"bbox_inches": figure.get_tightbbox().padded(0.1), "facecolor": "white"}
    FigureCanvasAgg(figure).print_figure(png, format="png", dpi=144, metadata={"Software": None}, **options)
    FigureCanvasSVG(figure).print_figure(svg, format="svg", metadata={"Date": None, "Creator": None}, **options)
    return RenderedFigure(name, title, alt, wide, png.getvalue(), svg.getvalue())


def _slug(name: str) -> str:
    """A split's name as part of a file name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40] or "split"
