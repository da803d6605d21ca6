"""Figures of a regression: predicted against true values, and residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.plots.style import BLUE, DARK, figure_of, grid, legend_below, new_axes

MAX_DRAWN_POINTS = 5000
_MOST_VECTOR_POINTS = 500


@dataclass(frozen=True, eq=False)
class ScatterDisplay:
    """A drawn scatter plot.

    Attributes:
        points_: The points; `points_.get_offsets()` are their places.
        ideal_: Where perfect predictions lie.
        ax_: The axes.
        figure_: The figure.
    """

    points_: PathCollection
    ideal_: Line2D
    ax_: Axes
    figure_: Figure


def plot_predicted(y_true: np.ndarray, y_pred: np.ndarray, *, ax: Axes | None = None) -> ScatterDisplay:
    """Draws predicted against true values, with the line of identity.

    Args:
        y_true: True values, shape (n,), n at least 1; of more than 5,000 an even selection is drawn.
        y_pred: Predicted values, shape (n,).
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    ax = new_axes(ax, 5.3)
    shown = drawn_indices(len(y_true))
    both = np.concatenate([y_true[shown], y_pred[shown]])
    margin = 0.04 * (float(np.ptp(both)) or 1.0)
    limits = (float(both.min()) - margin, float(both.max()) + margin)
    (ideal,) = ax.plot(limits, limits, color=DARK, linewidth=1, linestyle="--", label="prediction = truth")
    points = _scatter(ax, y_true[shown], y_pred[shown])
    ax.set(xlabel="True value", ylabel="Predicted value", xlim=limits, ylim=limits, aspect="equal")
    legend_below(ax, ["prediction = truth"])
    return ScatterDisplay(points, ideal, ax, figure_of(ax))


def plot_residuals(y_true: np.ndarray, y_pred: np.ndarray, *, ax: Axes | None = None) -> ScatterDisplay:
    """Draws residuals (predicted − true) against predictions: structure in them is error that a model could remove.

    Args:
        y_true: True values, shape (n,), n at least 1; of more than 5,000 an even selection is drawn.
        y_pred: Predicted values, shape (n,).
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    ax = new_axes(ax, 3.8)
    shown = drawn_indices(len(y_true))
    ideal = ax.axhline(0, color=DARK, linewidth=1, linestyle="--")
    points = _scatter(ax, y_pred[shown], (y_pred - y_true)[shown])
    ax.set(xlabel="Predicted value", ylabel="Residual (predicted − true)")
    return ScatterDisplay(points, ideal, ax, figure_of(ax))


def drawn_indices(n: int) -> np.ndarray:
    """Indices of the points to draw: all, or an even selection of at most `MAX_DRAWN_POINTS`."""
    return np.unique(np.linspace(0, n - 1, min(n, MAX_DRAWN_POINTS)).astype(np.int64))


def _scatter(ax: Axes, x: np.ndarray, y: np.ndarray) -> PathCollection:
    """Points, fainter the more there are; many of them as pixels, also in an SVG."""
    grid(ax)
    alpha = float(np.clip(60 / max(1, len(x)) ** 0.6, 0.15, 0.7))
    return ax.scatter(x, y, s=16, color=BLUE, alpha=alpha, linewidths=0, rasterized=len(x) > _MOST_VECTOR_POINTS)
