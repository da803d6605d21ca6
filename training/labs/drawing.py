"""Figures of labs in the style of the reports."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from evaluation.plots.style import BLUE, FULL_WIDTH, VERMILLION, grid


def panels(columns: int = 1, rows: int = 1, *, height: float = 3.5, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure over the page's width, and its axes row by row, with a faint grid.

    Args:
        columns: Axes beside each other.
        rows: Axes below each other.
        height: Of a row, in inches.
        **options: Of `Figure.subplots`, such as `sharey=True`.
    """
    figure = Figure(figsize=(FULL_WIDTH, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel().tolist()
    for ax in axes:
        grid(ax)
    return figure, axes


def band(ax: Axes, x: Any, curves: Any, *, label: str, color: str, **line: Any) -> None:
    """The mean of several curves, and between which values they lie.

    Args:
        ax: Where.
        x: `(points,)`.
        curves: `(seeds, points)`.
        label: Of the mean.
        color: Of both.
        **line: Further keywords of the mean's line.
    """
    values = np.atleast_2d(np.asarray(curves, dtype=float))
    ax.plot(x, values.mean(axis=0), color=color, label=label, **line)
    if len(values) > 1:
        ax.fill_between(x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, linewidth=0)


def classes(ax: Axes, x: NDArray[Any], y: NDArray[Any], *, size: float = 22) -> None:
    """Points `(n, 2)` of two classes, red squares for 0 and blue discs for 1."""
    for label, color, marker in ((0, VERMILLION, "s"), (1, BLUE, "o")):
        place = x[y == label]
        style: dict[str, Any] = {"color": color, "marker": marker, "edgecolor": "white", "linewidth": 0.4}
        ax.scatter(place[:, 0], place[:, 1], s=size, label=f"class {label}", zorder=3, **style)


def plane(x: tuple[float, float], y: tuple[float, float], points: int = 161) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coordinates of a mesh over two ranges, each `(points, points)`."""
    across, up = np.meshgrid(np.linspace(*x, num=points), np.linspace(*y, num=points))
    return across, up


def log_scale(ax: Axes, *axes: Any) -> None:
    """A logarithmic scale whose labels are plain text, as the reports' style needs them.

    Args:
        ax: Where.
        *axes: "x", "y" or both.
    """
    for name in axes:
        getattr(ax, f"set_{name}scale")("log")
        axis = getattr(ax, f"{name}axis")
        axis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
        axis.set_minor_formatter(NullFormatter())


def power(value: float) -> str:
    """A number on a logarithmic scale: 0.01, 100, 10⁻⁶, 2×10⁻⁶."""
    if not value or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}".replace("-", "−")
    digits, exponent = f"{value:.0e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digits == "1" else f"{digits}×10{raised}"
