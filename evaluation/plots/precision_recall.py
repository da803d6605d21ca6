"""Precision–recall curve with its baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.plots.style import (
    BLUE,
    DARK,
    GREY,
    EstimateLike,
    described,
    figure_of,
    legend_below,
    literal_text,
    named,
    new_axes,
    span,
    unit_square,
)


@dataclass(frozen=True, eq=False)
class PrecisionRecallDisplay:
    """A drawn precision–recall curve.

    Attributes:
        line_: The curve, drawn in steps; `line_.get_xydata()` are its points.
        baseline_: The precision of calling everything positive, which is the prevalence; or None.
        point_: The operating point, or None.
        ax_: The axes.
        figure_: The figure.
    """

    line_: Line2D
    baseline_: Line2D | None
    point_: Line2D | None
    ax_: Axes
    figure_: Figure


@literal_text
def plot_precision_recall(
    recall: Sequence[float] | np.ndarray,
    precision: Sequence[float] | np.ndarray,
    *,
    prevalence: EstimateLike = None,
    average_precision: EstimateLike = None,
    point: tuple[EstimateLike, EstimateLike] | None = None,
    name: str = "",
    ax: Axes | None = None,
) -> PrecisionRecallDisplay:
    """Draws precision against recall, in the steps whose area is the average precision.

    Args:
        recall: Sensitivity of each point, ascending or descending, shape (m,).
        precision: Share of the called positives that are positive, shape (m,).
        prevalence: Share of positives, which the precision of a guess equals.
        average_precision: Area under the steps, for the legend.
        point: (recall, precision) of the operating point; left out where either is undefined.
        name: What the curve belongs to, for the legend.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    recall, precision = np.asarray(recall, dtype=np.float64), np.asarray(precision, dtype=np.float64)
    place = np.array([span(one).value for one in point or (None, None)], dtype=np.float64)
    ax = new_axes(ax, 5.5)
    unit_square(ax)
    ax.set(xlabel="Recall (sensitivity)", ylabel="Precision (positive predictive value)")
    # A stretch of recall has the precision of its upper end.
    steps = "steps-pre" if len(recall) < 2 or recall[0] <= recall[-1] else "steps-post"
    label = named(name, described("average precision", average_precision)) or "precision–recall curve"
    (line,) = ax.plot(recall, precision, color=BLUE, linewidth=1.8, drawstyle=steps, label=label, zorder=3)
    base = span(prevalence).value
    baseline = None
    if base is not None:
        text = described("prevalence", {"estimate": base}) + ": precision of a guess"
        baseline = ax.axhline(base, color=GREY, linewidth=1, linestyle=(0, (4, 4)), label=text, zorder=1)
    marker = None
    if np.isfinite(place).all():
        (marker,) = ax.plot(
            place[:1], place[1:], "o", color=DARK, markersize=8, markeredgecolor="white", clip_on=False, zorder=5,
            label="operating point",
        )  # fmt: skip
    legend_below(ax, ax.get_legend_handles_labels()[1])
    return PrecisionRecallDisplay(line, baseline, marker, ax, figure_of(ax))
