"""Forest plot of subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.plots.panels import draw_intervals, name_rows, panel_axes, write_right
from evaluation.plots.style import (
    BLUE,
    DARK,
    VERMILLION,
    EstimateLike,
    Span,
    figure_of,
    literal_text,
    shorten,
    span,
)

MAX_ROWS = 50
MEASURES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "auc": "AUC"}


@dataclass(frozen=True, eq=False)
class ForestDisplay:
    """A drawn forest plot.

    Attributes:
        intervals_: Error bars by measure.
        overall_: Line of the whole sample by measure; absent where undefined.
        rows_: (column, value) of each row drawn, from the top.
        axes_: One axes for each measure, from the left.
        figure_: The figure.
    """

    intervals_: Mapping[str, ErrorbarContainer]
    overall_: Mapping[str, Line2D]
    rows_: Sequence[tuple[str, str]]
    axes_: Sequence[Axes]
    figure_: Figure


@literal_text
def plot_forest(
    rows: Sequence[Any],
    *,
    measures: Mapping[str, str] = MEASURES,
    overall: Mapping[str, EstimateLike] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> ForestDisplay:
    """Draws the estimates of subgroups, a panel for each measure, against those of the whole sample.

    Args:
        rows: `SubgroupRow`s, or the subgroups of report.json: column, value, n, an estimate for each measure and
            warning; rows of a column stand together. The first 50 are drawn.
        measures: Title of each panel by the measure's name.
        overall: Estimate of the whole sample by measure, a dashed line with its interval shaded.
        ax: One axes, or as many as there are measures; a new figure where it is None.

    Returns:
        What was drawn.

    Raises:
        ValueError: If there are no rows or measures, or the number of axes is not that of the measures.
    """
    table = [one if isinstance(one, Mapping) else vars(one) for one in rows][:MAX_ROWS]
    places, names, headings = _layout(table)
    axes = panel_axes(ax, len(measures), len(names))
    mine = [index for index in range(len(names)) if index not in headings]
    spans = {name: [span(row[name]) for row in table] for name in measures}
    wholes = {name: span((overall or {}).get(name)) for name in measures}
    limits = _limits([*sum(spans.values(), []), *wholes.values()])
    bars, lines = {}, {}
    name_rows(axes, places, names, headings)
    for one, (measure, title) in zip(axes, measures.items(), strict=True):
        if wholes[measure].value is not None:
            lines[measure] = _draw_overall(one, wholes[measure])
        bars[measure] = draw_intervals(one, mine, spans[measure], [bool(row.get("warning")) for row in table])
        one.set(xlabel=title, xlim=limits)
    write_right(axes[-1], [0, *mine], ["n", *(f"{row['n']:,}" for row in table)])
    _explain(
        axes[0] if ax is not None else figure_of(axes[0]),
        small=any(row.get("warning") for row in table),
        whole=bool(lines),
    )
    return ForestDisplay(bars, lines, [(row["column"], row["value"]) for row in table], axes, figure_of(axes[0]))


def _layout(table: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[str], set[int]]:
    """Places and names of the lines, and which of them are headings: one above the values of each column."""
    names: list[str] = []
    headings: set[int] = set()
    previous = None
    for row in table:
        if row["column"] != previous:
            headings.add(len(names))
            names.append(shorten(str(row["column"]), 28))
            previous = row["column"]
        names.append(shorten(str(row["value"]), 28))
    return [float(index) for index in range(len(names))], names, headings


def _limits(spans: Sequence[Span]) -> tuple[float, float]:
    """The same range for every panel: from the tenth below the lowest limit to 1."""
    lowest = min((one.value if one.low is None else one.low for one in spans if one.value is not None), default=0.0)
    floor = min(0.9, np.floor(10 * lowest + 1e-9) / 10)
    return floor - 0.02 * (1 - floor), 1 + 0.02 * (1 - floor)


def _draw_overall(ax: Axes, whole: Span) -> Line2D:
    """A dashed line at the estimate of the whole sample, its interval shaded."""
    if whole.low is not None and whole.high is not None:
        ax.axvspan(whole.low, whole.high, color=DARK, alpha=0.08, linewidth=0, zorder=0)
    return ax.axvline(whole.value or 0.0, color=DARK, linewidth=1, linestyle="--", zorder=1)


def _explain(where: Axes | Figure, *, small: bool, whole: bool) -> None:
    """Legend of what occurs: above the panels of a figure of our own, else within the first of the given axes."""
    handles = [Line2D([], [], color=BLUE, marker="o", markersize=6, linewidth=1.5, label="subgroup with its interval")]
    if small:
        handles.append(
            Line2D([], [], color=BLUE, marker="o", markersize=6, linewidth=1.5, markerfacecolor="white",
                   markeredgecolor=VERMILLION, markeredgewidth=1.5, label="small subgroup: read with caution")
        )  # fmt: skip
    if whole:
        handles.append(Line2D([], [], color=DARK, linestyle="--", linewidth=1, label="whole sample"))
    if isinstance(where, Axes):
        where.legend(handles=handles)
    else:
        where.legend(handles=handles, loc="outside upper left", ncols=3)
