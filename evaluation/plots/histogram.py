"""Histogram of scores by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from evaluation.plots.style import (
    COLOURS,
    DARK,
    HATCHES,
    SKY,
    VERMILLION,
    figure_of,
    legend_below,
    literal_text,
    new_axes,
    shorten,
)

_FILLS = (SKY, VERMILLION, *COLOURS[2:])


@dataclass(frozen=True, eq=False)
class ScoreHistogramDisplay:
    """A drawn histogram of scores.

    Attributes:
        steps_: The bars of each class by its name; `steps_[name].get_data().values` are shares of the class.
        threshold_: The line at the threshold, or None.
        ax_: The axes.
        figure_: The figure.
    """

    steps_: Mapping[str, StepPatch]
    threshold_: Line2D | None
    ax_: Axes
    figure_: Figure


@literal_text
def plot_score_histogram(
    edges: Sequence[float] | np.ndarray,
    counts: Mapping[str, Sequence[float] | np.ndarray],
    *,
    threshold: float | None = None,
    name: str = "",
    ax: Axes | None = None,
) -> ScoreHistogramDisplay:
    """Draws how the scores of each class spread, as shares of the class: a rare class stays as visible as a common one.

    Args:
        edges: Edges of the b bins, ascending, shape (b + 1,).
        counts: Examples of a class in each bin, shape (b,), by the class' name.
        threshold: Scores of at least this are called positive; marked where given.
        name: The class whose score it is, for the axis.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    edges = np.asarray(edges, dtype=np.float64)
    ax = new_axes(ax, 4.0)
    steps, names = {}, []
    for index, (label, column) in enumerate(counts.items()):
        heights = np.asarray(column, dtype=np.float64)
        total = float(heights.sum())
        names.append(f"truly {shorten(label)} (n = {_count(total)})")
        steps[label] = _draw_class(ax, edges, heights / total if total else heights, index, names[-1])
    line = None if threshold is None else _mark_threshold(ax, threshold)
    ax.set(xlabel=f"Score of {shorten(name)}" if name else "Score", ylabel="Share of the class")
    ax.set(xlim=(float(edges[0]), float(edges[-1])), ylim=(0, None))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    legend_below(ax, names, offset=-0.2)
    return ScoreHistogramDisplay(steps, line, ax, figure_of(ax))


def _draw_class(ax: Axes, edges: np.ndarray, heights: np.ndarray, index: int, label: str) -> StepPatch:
    """The outline of a class, filled, and hatched from the second one on."""
    style: dict[str, Any] = {"facecolor": _FILLS[index % len(_FILLS)], "hatch": HATCHES[index % len(HATCHES)]}
    return ax.stairs(heights, edges, fill=True, alpha=0.6, edgecolor="white", linewidth=0.5, label=label, **style)


def _mark_threshold(ax: Axes, threshold: float) -> Line2D:
    """A dashed line with its number, written on the side that has room."""
    line = ax.axvline(threshold, color=DARK, linewidth=1, linestyle="--")
    left = threshold > 0.5
    ax.annotate(
        f"threshold {threshold:.3g}", (threshold, 1), (-4 if left else 4, -1), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right" if left else "left", va="bottom", fontsize="small",
    )  # fmt: skip
    return line


def _count(total: float) -> str:
    """A number of examples, or a sum of weights."""
    return f"{total:,.0f}" if total == round(total) else f"{total:,.1f}"
