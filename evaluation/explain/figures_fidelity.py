"""Figures of fidelity: deletion and insertion curves, the fall of likeness with the layers, agreement of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from evaluation.explain.baselines import BASELINES
from evaluation.explain.fidelity import Curves
from evaluation.explain.likeness import Agreement
from evaluation.explain.sanity import RandomisationCheck
from evaluation.plots.style import (
    COLOURS,
    GREY,
    LINE_STYLES,
    MARKERS,
    figure_of,
    grid,
    legend_below,
    literal_text,
    new_axes,
    shorten,
    span,
)


@dataclass(frozen=True, eq=False)
class LinesDisplay:
    """Lines drawn, one for each method.

    Attributes:
        lines_: By the method's name.
        ax_: The axes.
        figure_: The figure.
    """

    lines_: Mapping[str, Line2D]
    ax_: Axes
    figure_: Figure


@dataclass(frozen=True, eq=False)
class AgreementDisplay:
    """A drawn matrix of agreement.

    Attributes:
        image_: The cells.
        ax_: The axes.
        figure_: The figure.
    """

    image_: AxesImage
    ax_: Axes
    figure_: Figure


@literal_text
def plot_fidelity_curves(curves: Mapping[str, Curves], *, ax: Axes | None = None) -> LinesDisplay:
    """Draws the mean deletion or insertion curve of each method; baselines are grey.

    Args:
        curves: All of one kind, by the method's name.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    ax = new_axes(ax, 3.2 + 0.21 * len(curves))  # a line of the legend for each
    lines, labels = {}, []
    for name, style in _styles(list(curves)).items():
        one = curves[name]
        labels.append(f"{_label(name)}, area {one.area.value:.3f}" if one.area.value is not None else _label(name))
        (lines[name],) = ax.plot(100 * one.shares, one.mean, label=labels[-1], markersize=4, markevery=4, **style)
    kind = next(iter(curves.values())).kind
    action = "taken away" if kind == "deletion" else "put in"
    ax.set(xlabel=f"Pixels {action}, most important first, %", ylabel="Mean score of the class", xlim=(0, 100))
    grid(ax)
    legend_below(ax, labels, offset=-0.2)
    return LinesDisplay(lines, ax, figure_of(ax))


@literal_text
def plot_randomisation(checks: Mapping[str, RandomisationCheck], *, ax: Axes | None = None) -> LinesDisplay:
    """Draws how alike the maps stay while layers are drawn anew, from the logits down, with intervals.

    Args:
        checks: Of one model and one mode, by the method's name.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    ax = new_axes(ax, 3.6 + 0.1 * len(checks))
    first = next(iter(checks.values()))
    places = np.arange(len(first.layers))
    lines = {}
    for name, style in _styles(list(checks)).items():
        spans = [span(estimate) for estimate in checks[name].estimates]
        values = [np.nan if one.value is None else one.value for one in spans]
        (lines[name],) = ax.plot(places, values, label=_label(name), markersize=5, **style)
        ends = np.array([(one.low, one.high) for one in spans], dtype=np.float64)  # None becomes NaN
        ax.fill_between(places, *ends.T, color=style["color"], alpha=0.12, linewidth=0)
    until = "from the logits down to" if first.mode == "cascading" else "alone:"
    ax.set(xlabel=f"Layers drawn anew, {until} …", ylabel="Rank correlation with the model's maps", ylim=(-0.55, 1.05))
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set_xticks(places, [shorten(name, 18) for name in first.layers], rotation=30, ha="right")
    grid(ax)
    legend_below(ax, [_label(name) for name in checks], offset=-0.42)
    return LinesDisplay(lines, ax, figure_of(ax))


@literal_text
def plot_agreement(agreement: Agreement, *, ax: Axes | None = None) -> AgreementDisplay:
    """Draws the mean rank correlation of every pair of methods.

    Args:
        agreement: Of `evaluation.explain.likeness.agreement`.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    count = len(agreement.methods)
    ax = new_axes(ax, 1.2 + 0.42 * count, 3.2 + 0.55 * count)
    image = ax.imshow(agreement.correlation, cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto")
    for row, column in np.ndindex(count, count):
        value = agreement.correlation[row, column]
        text = "–" if np.isnan(value) else f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")  # no −0.00
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if abs(value) > 0.6 else "black")
    names = [_label(name) for name in agreement.methods]
    ax.set_xticks(range(count), names, rotation=35, ha="right")
    ax.set_yticks(range(count), names)
    ax.spines[:].set_visible(False)
    figure_of(ax).colorbar(image, ax=ax, label="Rank correlation")
    return AgreementDisplay(image, ax, figure_of(ax))


def _styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, line and marker of each method; grey ones for the baselines."""
    styles: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(names):
        look = LINE_STYLES[index // len(COLOURS) % len(LINE_STYLES)], MARKERS[index % len(MARKERS)]
        styles[name] = {"color": COLOURS[index % len(COLOURS)], "linestyle": look[0], "marker": look[1]}
        if name in BASELINES:
            styles[name] |= {"color": GREY, "linestyle": "--" if name == "random" else ":"}
    return styles


def _label(name: str) -> str:
    """A method's name as people read it."""
    return shorten(name.replace("_", " "), 26)
