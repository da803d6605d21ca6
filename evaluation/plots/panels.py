"""Panels side by side whose rows are the same: what forest plots and plots of differences share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from evaluation.plots.style import BLUE, DARK, FULL_WIDTH, GREY, RULE, VERMILLION, Span, arms, grid


def panel_axes(ax: Axes | Sequence[Axes] | None, panels: int, rows: int) -> list[Axes]:
    """The given axes, one for each panel, or those of a new figure.

    Args:
        ax: Axes, or as many as there are panels, or None for a new figure over the whole page.
        panels: Number of panels.
        rows: Number of rows, which decides the height of a new figure.

    Returns:
        The axes from left to right.

    Raises:
        ValueError: If there is nothing to draw, or the number of axes is another one.
    """
    if not panels or not rows:
        raise ValueError(f"there must be at least one panel and one row. Received: {panels} and {rows}.")
    if ax is None:
        layout = ConstrainedLayoutEngine(wspace=0.06)
        figure = Figure(figsize=(FULL_WIDTH, 1.0 + 0.25 * rows), layout=layout)
        return list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])
    axes = [ax] if isinstance(ax, Axes) else list(ax)
    if len(axes) != panels:
        raise ValueError(f"ax must hold one axes for each of the {panels} panels. Received: {len(axes)}.")
    return axes


def name_rows(axes: Sequence[Axes], places: Sequence[float], names: Sequence[str], headings: set[int]) -> None:
    """Names of the rows left of the first panel, headings larger and ruled off; the first row is on top."""
    for index, ax in enumerate(axes):
        ax.set_yticks(places, names)
        ax.set_ylim(max(places) + 0.6, min(places) - 0.6)
        ax.tick_params(axis="y", length=0, labelleft=index == 0)
        ax.spines[["left", "top", "right"]].set_visible(False)
        grid(ax, "x")
        for heading in headings - {0}:
            ax.axhline(places[heading] - 0.5, color=RULE, linewidth=0.8, zorder=0)
    for index, text in enumerate(axes[0].get_yticklabels()):
        if index in headings:
            text.set(fontsize="medium", color="black")  # not bold, which few of the fallback fonts have


def draw_intervals(
    ax: Axes, places: Sequence[float], spans: Sequence[Span], hollow: Sequence[bool]
) -> ErrorbarContainer:
    """Estimates with their intervals, one in each row; cautious ones hollow, undefined ones said in words."""
    defined = [index for index, one in enumerate(spans) if one.value is not None]
    x = np.array([spans[index].value for index in defined], dtype=np.float64)
    y = np.array([places[index] for index in defined], dtype=np.float64)
    reach = np.array([arms(spans[index]) for index in defined]).reshape(-1, 2).T
    bars = ax.errorbar(x, y, xerr=reach, fmt="none", ecolor=BLUE, elinewidth=1.5, zorder=3)
    weak = np.array([hollow[index] for index in defined], dtype=bool)
    style: dict[str, Any] = {"linestyle": "none", "markersize": 6, "zorder": 4, "clip_on": False}
    looks: tuple[dict[str, Any], ...] = (
        {"color": BLUE},
        {"markerfacecolor": "white", "markeredgecolor": VERMILLION, "markeredgewidth": 1.5},
    )
    for which, look in zip((~weak, weak), looks, strict=True):
        if which.any():  # an unclipped line without points would lay claim to the origin
            ax.plot(x[which], y[which], "o", **style, **look)
    for place in sorted(set(places) - set(y.tolist())):
        ax.text(0.02, place, "undefined", color=GREY, fontsize="small", va="center", transform=ax.get_yaxis_transform())
    return bars


def write_right(ax: Axes, places: Sequence[float], texts: Sequence[str]) -> None:
    """Texts right of the last panel, one in each row."""
    for place, text in zip(places, texts, strict=True):
        ax.annotate(
            text, (1, place), (46, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
            ha="right", va="center", color=DARK, fontsize="small", annotation_clip=False,
        )  # fmt: skip
