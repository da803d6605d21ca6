"""Calibration curve: do scores mean what they say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from evaluation.plots.style import (
    BLUE,
    GREY,
    SKY,
    EstimateLike,
    Span,
    arms,
    described,
    figure_of,
    legend_below,
    literal_text,
    new_axes,
    shorten,
    span,
    unit_square,
)


@dataclass(frozen=True, eq=False)
class CalibrationDisplay:
    """A drawn calibration curve.

    Attributes:
        points_: Observed share against mean score, a point with its interval per bin; `points_.lines[0]` is the line.
        ideal_: The diagonal of perfect calibration.
        strip_: Bars of the number of examples per bin.
        strip_ax_: The axes of these bars, below the main ones.
        ax_: The axes.
        figure_: The figure.
    """

    points_: ErrorbarContainer
    ideal_: Line2D
    strip_: BarContainer
    strip_ax_: Axes
    ax_: Axes
    figure_: Figure


@literal_text
def plot_calibration(
    bins: Sequence[Any],
    *,
    slope: EstimateLike = None,
    intercept: EstimateLike = None,
    name: str = "",
    ax: Axes | None = None,
) -> CalibrationDisplay:
    """Draws the observed share of positives against the mean score of each bin, and how many examples lie there.

    Args:
        bins: `CalibrationBin`s, or the bins of report.json: low, high, n, mean_score, observed.
        slope: Calibration slope, for the legend.
        intercept: Calibration in the large, for the legend.
        name: The positive class.
        ax: Axes to draw on; a new figure where it is None. A strip is added below them.

    Returns:
        What was drawn.

    Reference:
        Van Calster, B., et al. (2019). Calibration: the Achilles heel of predictive analytics. BMC Medicine, 17.
    """
    observed = [(_part(one, "mean_score"), span(_part(one, "observed"))) for one in bins]
    drawn = [(score, share) for score, share in observed if share.value is not None]
    ax = new_axes(ax, 6.2)
    unit_square(ax)
    (ideal,) = ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 4)), label="perfect calibration")
    points = _draw_points(ax, drawn, _label(slope, intercept))
    ax.set_ylabel(f"Observed share of {shorten(name)}" if name else "Observed share of positives")
    ax.tick_params(labelbottom=False)
    strip_ax, strip = _draw_strip(ax, bins, f"Score of {shorten(name)}" if name else "Score")
    legend_below(ax, ax.get_legend_handles_labels()[1], offset=-0.34)
    return CalibrationDisplay(points, ideal, strip, strip_ax, ax, figure_of(ax))


def _draw_points(ax: Axes, bins: Sequence[tuple[float, Span]], label: str) -> ErrorbarContainer:
    """A point with its interval per bin, joined by a line."""
    x = np.array([score for score, _ in bins])
    y = np.array([share.value for _, share in bins], dtype=np.float64)
    reach = np.array([arms(share) for _, share in bins]).reshape(-1, 2).T
    points = ax.errorbar(
        x, y, yerr=reach, fmt="-o", color=BLUE, markersize=6, markeredgecolor="white", linewidth=1.4, elinewidth=1.2,
        capsize=2.5, label=label, zorder=3,
    )  # fmt: skip
    points.lines[0].set_clip_on(False)
    return points


def _draw_strip(ax: Axes, bins: Sequence[Any], xlabel: str) -> tuple[Axes, BarContainer]:
    """Number of examples per bin, in axes of their own below the main ones."""
    strip = ax.inset_axes((0, -0.21, 1, 0.17))
    lows = np.array([_part(one, "low") for one in bins])
    widths = np.array([_part(one, "high") for one in bins]) - lows
    heights = [_part(one, "n") for one in bins]
    bars = strip.bar(lows, heights, widths, align="edge", color=SKY, edgecolor="white", linewidth=0.6)
    strip.set(xlim=ax.get_xlim(), xlabel=xlabel, ylabel="Examples")
    strip.yaxis.set_major_locator(MaxNLocator(nbins=2, integer=True))
    return strip, bars


def _label(slope: EstimateLike, intercept: EstimateLike) -> str:
    """What the legend says of the curve."""
    parts = [described("slope", slope, digits=2), described("intercept", intercept, digits=2)]
    return "; ".join(part for part in parts if part) or "observed, with its interval"


def _part(one: Any, name: str) -> Any:
    """A field of a bin, which is an object or a mapping."""
    return one[name] if isinstance(one, Mapping) else getattr(one, name)
