"""ROC curves: one with its band, operating point and readers, or several over one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.plots.style import (
    BLUE,
    COLOURS,
    DARK,
    GREEN,
    GREY,
    LINE_STYLES,
    MARKERS,
    VERMILLION,
    EstimateLike,
    arms,
    described,
    figure_of,
    legend_below,
    literal_text,
    named,
    new_axes,
    shorten,
    span,
    unit_square,
)

MAX_NAMED_CURVES = 10
_MOST_VECTOR_POINTS = 5000
_XLABEL, _YLABEL = "1 − specificity (type I error rate)", "Sensitivity (recall)"


@dataclass(frozen=True)
class RocPoint:
    """A decision rule as a point: the model at its threshold, a reader, or the mean of the readers.

    Attributes:
        name: What the legend calls it; readers share one entry.
        sensitivity: With its interval; an `Estimate` or an estimate of report.json.
        specificity: With its interval.
        kind: Which marker it gets.
    """

    name: str
    sensitivity: EstimateLike
    specificity: EstimateLike
    kind: Literal["operating point", "reader", "mean reader"] = "operating point"

    @property
    def defined(self) -> bool:
        """Whether both rates have a value."""
        return span(self.sensitivity).value is not None and span(self.specificity).value is not None


@dataclass(frozen=True, eq=False)
class RocDisplay:
    """A drawn ROC curve.

    Attributes:
        line_: The curve; `line_.get_xydata()` are its points.
        band_: The pointwise interval around it, or None.
        points_: Markers with error bars by kind: "operating point", "reader", "mean reader"; absent kinds are left out.
        chance_: The diagonal.
        ax_: The axes.
        figure_: The figure.
    """

    line_: Line2D
    band_: PolyCollection | None
    points_: Mapping[str, ErrorbarContainer]
    chance_: Line2D
    ax_: Axes
    figure_: Figure


@dataclass(frozen=True, eq=False)
class RocOverlayDisplay:
    """Several ROC curves over one another.

    Attributes:
        lines_: A line by the curve's name; empty where there are too many to name.
        faint_: The unnamed curves, or None.
        mean_: Mean of the unnamed curves at each false-positive rate, or None.
        points_: Marker of the operating point by the curve's name.
        ax_: The axes.
        figure_: The figure.
    """

    lines_: Mapping[str, Line2D]
    faint_: LineCollection | None
    mean_: Line2D | None
    points_: Mapping[str, ErrorbarContainer] = field(default_factory=dict)
    ax_: Axes = field(kw_only=True)
    figure_: Figure = field(kw_only=True)


@literal_text
def plot_roc(
    false_positive_rate: Sequence[float] | np.ndarray,
    true_positive_rate: Sequence[float] | np.ndarray,
    *,
    band: tuple[Any, Any, Any] | None = None,
    auc: EstimateLike = None,
    name: str = "",
    points: Sequence[RocPoint] = (),
    ax: Axes | None = None,
) -> RocDisplay:
    """Draws a ROC curve with its uncertainty, and decisions of model and readers as points.

    Args:
        false_positive_rate: 1 − specificity of each point, ascending, shape (m,).
        true_positive_rate: Sensitivity, shape (m,).
        band: (false-positive rates, lower limits, upper limits) of the sensitivity, each of shape (b,).
        auc: Area under the curve, for the legend.
        name: What the curve belongs to, for the legend.
        points: Operating points and readers; those with an undefined rate are left out.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.

    Example:
        >>> display = plot_roc([0, 0.2, 1], [0, 0.8, 1], auc=Estimate(0.8, 0.7, 0.9), name="melanoma")
        >>> display.figure_.savefig("roc.png")

    Reference:
        Esteva, A., et al. (2017). Dermatologist-level classification of skin cancer. Nature, 542, figure 3.
    """
    points = [point for point in points if point.defined]
    ax = new_axes(ax, 5.1 + 0.2 * len({point.kind for point in points}))
    chance = _frame(ax)
    label = named(name, described("AUC", auc)) or "ROC curve"
    (line,) = ax.plot(false_positive_rate, true_positive_rate, color=BLUE, linewidth=1.8, label=label, zorder=3)
    shade = None if band is None else ax.fill_between(*band, color=BLUE, alpha=0.16, linewidth=0)
    if shade is not None:
        shade.set_label("pointwise interval")
    kinds = {kind: [p for p in points if p.kind == kind] for kind in ("reader", "mean reader", "operating point")}
    drawn = {kind: _mark(ax, mine, **_marker(kind, len(mine))) for kind, mine in kinds.items() if mine}
    _legend(ax)
    return RocDisplay(line, shade, drawn, chance, ax, figure_of(ax))


@literal_text
def plot_roc_overlay(
    curves: Mapping[str, tuple[Any, Any]],
    *,
    areas: Mapping[str, EstimateLike] | None = None,
    mean_area: EstimateLike = None,
    points: Mapping[str, RocPoint] | None = None,
    of: int | None = None,
    ax: Axes | None = None,
) -> RocOverlayDisplay:
    """Draws the ROC curves of several models on the same cases, or of several classes, each against the rest.

    Up to ten curves have their own colour, line style and place in the legend; more are faint, with their mean.

    Args:
        curves: (false-positive rates, true-positive rates) by name.
        areas: Area under each curve by name, for the legend.
        mean_area: Mean area, for the legend where the curves are too many to name.
        points: Operating point by name, for up to ten curves.
        of: Number of classes where `curves` holds only some of them.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.

    Raises:
        ValueError: If there is no curve.
    """
    if not curves:
        raise ValueError("curves must hold at least one curve. Received: none.")
    many = len(curves) > MAX_NAMED_CURVES
    ax = new_axes(ax, 5.0 + (0.4 if many else 0.2 * len(curves)))
    _frame(ax)
    if many:
        faint, mean = _faint_curves(ax, list(curves.values()), mean_area, of or len(curves))
        _legend(ax)
        return RocOverlayDisplay({}, faint, mean, ax_=ax, figure_=figure_of(ax))
    lines, markers = {}, {}
    for index, (name, (x, y)) in enumerate(curves.items()):
        colour, style = COLOURS[index % len(COLOURS)], LINE_STYLES[index % len(LINE_STYLES)]
        label = named(name, described("AUC", (areas or {}).get(name)))
        (lines[name],) = ax.plot(x, y, color=colour, linestyle=style, linewidth=1.6, label=label, zorder=3)
        point = (points or {}).get(name)
        if point is not None and point.defined:
            marker = MARKERS[index % len(MARKERS)]
            markers[name] = _mark(ax, [point], color=colour, marker=marker, size=7, alpha=1, label="_unnamed")
            lines[name].set(marker=marker, markevery=slice(0, 0), markeredgecolor="white")  # for the legend alone
    _legend(ax, "Markers: operating points" if markers else None)
    return RocOverlayDisplay(lines, None, None, markers, ax_=ax, figure_=figure_of(ax))


def _frame(ax: Axes) -> Line2D:
    """Names, limits and the diagonal."""
    unit_square(ax)
    ax.set(xlabel=_XLABEL, ylabel=_YLABEL)
    (chance,) = ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (4, 4)), zorder=1)
    return chance


def _marker(kind: str, count: int) -> dict[str, Any]:
    """Colour, shape, size and legend of a kind of point; bars fade as they become many."""
    if kind == "reader":
        label = None if count == 1 else f"{count} readers"
        alpha, size = float(np.clip(8 / count, 0.2, 0.7)), 6 if count <= 3 else 4
        return {"color": VERMILLION, "marker": "s", "size": size, "alpha": alpha, "label": label}
    if kind == "mean reader":
        return {"color": GREEN, "marker": "D", "size": 9, "alpha": 1.0, "label": "mean of the readers"}
    return {"color": DARK, "marker": "o", "size": 8, "alpha": 1.0, "label": None}


def _mark(
    ax: Axes, points: Sequence[RocPoint], *, color: str, marker: str, size: float, alpha: float, label: str | None
) -> ErrorbarContainer:
    """Points of one kind with their intervals in both directions."""
    sensitivities, specificities = ([span(one) for one in column] for column in _columns(points))
    x = np.array([1 - (one.value or 0.0) for one in specificities])
    y = np.array([one.value or 0.0 for one in sensitivities])
    # The lower end of 1 − specificity belongs to the upper end of specificity.
    xerr = np.array([arms(one)[::-1] for one in specificities]).T
    yerr = np.array([arms(one) for one in sensitivities]).T
    bars = ax.errorbar(
        x, y, xerr=xerr, yerr=yerr, fmt=marker, color=color, markersize=size, markeredgecolor="white",
        markeredgewidth=0.6, elinewidth=1.0, zorder=4 + size / 10, label=label or shorten(points[0].name, 40),
    )  # fmt: skip
    bars.lines[0].set_clip_on(False)
    for collection in bars.lines[2]:
        collection.set(alpha=alpha, zorder=2 if alpha < 1 else 4)
    return bars


def _columns(points: Sequence[RocPoint]) -> tuple[list[EstimateLike], list[EstimateLike]]:
    """Sensitivities and specificities of points."""
    return [point.sensitivity for point in points], [point.specificity for point in points]


def _faint_curves(
    ax: Axes, curves: Sequence[tuple[Any, Any]], mean_area: EstimateLike, of: int
) -> tuple[LineCollection, Line2D]:
    """Faint lines for curves that are too many to name, and their vertical mean."""
    which = f"{len(curves)} classes" if of == len(curves) else f"{len(curves)} of {of:,} classes, spread by AUC"
    segments = [np.column_stack(curve) for curve in curves]
    alpha = float(np.clip(20 / len(curves), 0.2, 0.7))
    heavy = sum(map(len, segments)) > _MOST_VECTOR_POINTS
    faint = LineCollection(segments, colors="#7d9db8", linewidths=0.7, alpha=alpha, label=which, rasterized=heavy)
    ax.add_collection(faint, autolim=False)
    positions = np.linspace(0, 1, 201)
    heights = np.mean([np.interp(positions, segment[:, 0], segment[:, 1]) for segment in segments], axis=0)
    label = "; ".join(one for one in ("mean of these curves", described("macro AUC", mean_area)) if one)
    (mean,) = ax.plot(
        np.append(0.0, positions), np.append(0.0, heights), color=BLUE, linewidth=2, label=label, zorder=3
    )
    return faint, mean


def _legend(ax: Axes, title: str | None = None) -> None:
    """Legend below the axes; faint curves are stronger there, where nothing lies over them."""
    legend = legend_below(ax, ax.get_legend_handles_labels()[1], title=title)
    for handle in legend.legend_handles if legend else ():
        if isinstance(handle, LineCollection):
            handle.set_alpha(0.9)
