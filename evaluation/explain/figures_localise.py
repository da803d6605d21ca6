"""Figures of localisation: heat over images with the boxes, and the overlap against the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from evaluation.explain.localisation import SHARE, Localisation
from evaluation.plots.style import (
    BLUE,
    FULL_WIDTH,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    figure_of,
    grid,
    legend_below,
    literal_text,
    new_axes,
    shorten,
    span,
)

STRENGTH = 0.6  # of the heat where it is largest
COLOUR_KEPT = 0.25  # of the picture's own
LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True, eq=False)
class BoxesDisplay:
    """Drawn boxes.

    Attributes:
        found_: The box found in each image; None where there is none.
        truth_: The true boxes of each image.
        axes_: One axes for each image.
        figure_: The figure.
    """

    found_: Sequence[Rectangle | None]
    truth_: Sequence[Sequence[Rectangle]]
    axes_: Sequence[Axes]
    figure_: Figure


@dataclass(frozen=True, eq=False)
class SweepDisplay:
    """A drawn threshold sweep.

    Attributes:
        accuracy_: Share of right boxes by threshold, for each method.
        ax_: The axes.
        figure_: The figure.
    """

    accuracy_: dict[str, Line2D]
    ax_: Axes
    figure_: Figure


def to_picture(image: NDArray[Any], bounds: tuple[float, float] = (0, 255)) -> NDArray[np.uint8]:
    """An image as `(height, width, 3)` uint8, whatever its range and its one, three or four channels.

    Args:
        image: `(height, width, channels)`; NaN is black. The first of two channels, and three of four, are shown.
        bounds: What is black and what is white.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=bounds[0])
    scaled = np.clip(255 * (values - bounds[0]) / (bounds[1] - bounds[0]), 0, 255)
    colours = scaled[..., :3] if scaled.shape[-1] >= 3 else np.repeat(scaled[..., :1], 3, axis=-1)
    return np.rint(colours).astype(np.uint8)


def overlay(image: NDArray[Any], heat: NDArray[Any], bounds: tuple[float, float] = (0, 255)) -> NDArray[np.uint8]:
    """Lays heat, from yellow to red, over a greyed image: the stronger the evidence, the more of its colour.

    Where there is none the image stays as it is, but for its colours, which would be taken for heat.

    Args:
        image: `(height, width, channels)`.
        heat: `(height, width)` in [0, 1], such as a map of `Explanation.heat`.
        bounds: What is black and what is white.

    Returns:
        `(height, width, 3)` uint8.
    """
    picture = to_picture(image, bounds).astype(np.float64)
    grey = picture @ LUMINANCE
    strength = np.clip(np.asarray(heat, dtype=np.float64), 0, 1)  # a colour map takes whole numbers for indices
    share = STRENGTH * strength[..., np.newaxis] ** 1.5  # weak evidence shows faintly
    colours = 255 * matplotlib.colormaps["autumn_r"](strength)[..., :3]
    pale = COLOUR_KEPT * picture + (1 - COLOUR_KEPT) * grey[..., np.newaxis]
    return np.rint((1 - share) * pale + share * colours).astype(np.uint8)


@literal_text
def plot_boxes(
    images: NDArray[Any],
    heat: NDArray[Any],
    found: NDArray[Any],
    *,
    others: Sequence[NDArray[Any]] = (),
    truth: Any = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
) -> BoxesDisplay:
    """Draws images with their heat, the box found (solid), those of other thresholds (thin) and the true ones (dashed).

    Args:
        images: `(n, height, width, channels)` in 0…255.
        heat: `(n, height, width)` in [0, 1].
        found: `(n, 4)` of `find_boxes`; a box of 0 pixels is not drawn.
        others: The same at other thresholds.
        truth: `(n, 4)`, or `(m, 4)` for each image; None where it is not known.
        titles: A line above each image.
        columns: Images side by side.

    Returns:
        What was drawn.
    """
    axes = image_axes(len(images), columns, titles)
    boxes, true = [], []
    for index, ax in enumerate(axes):
        ax.imshow(overlay(images[index], heat[index]), interpolation="nearest")
        objects = np.empty((0, 4)) if truth is None else np.atleast_2d(truth[index])
        true.append([_draw_box(ax, one, "white", "--") for one in objects])
        for thin in (one[index] for one in others if np.any(one[index])):
            _draw_box(ax, thin, SKY, "-", width=0.8)
        boxes.append(_draw_box(ax, found[index], SKY, "-") if np.any(found[index]) else None)
    return BoxesDisplay(boxes, true, axes, figure_of(axes[0]))


@literal_text
def plot_threshold_sweep(sweeps: dict[str, Sequence[Localisation]], *, ax: Axes | None = None) -> SweepDisplay:
    """Draws the share of right boxes against the threshold, for each method with its interval.

    Args:
        sweeps: What `threshold_sweep` returned, by the method's name.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    ax = new_axes(ax, 3.6)
    lines, names = {}, []
    for (name, sweep), colour in zip(sweeps.items(), (BLUE, VERMILLION, ORANGE, SKY, GREY), strict=False):
        shares = [100 * one.share for one in sweep]
        names.append(shorten(name.replace("_", " ")))
        values = np.array([span(one.accuracy) for one in sweep], dtype=np.float64)
        (lines[name],) = ax.plot(shares, values[:, 0], color=colour, label=names[-1])
        ax.fill_between(shares, values[:, 1], values[:, 2], color=colour, alpha=0.15, linewidth=0)
    least = next(iter(sweeps.values()))[0].least
    ax.axvline(100 * SHARE, color=GREY, linewidth=1, linestyle="--")
    ax.set(xlabel="Threshold, % of the map's maximum", ylabel=f"Share of boxes with overlap ≥ {least:g}")
    ax.set(xlim=(0, 100), ylim=(-0.01, 1.01))
    grid(ax)
    legend_below(ax, names, offset=-0.2)
    return SweepDisplay(lines, ax, figure_of(ax))


def image_axes(count: int, columns: int, titles: Sequence[str] | None = None) -> list[Axes]:
    """Axes for images in rows of a new figure, without ticks, titles above.

    Args:
        count: Images, at least 1.
        columns: Images side by side.
        titles: One for each image; long ones are shortened.
    """
    if count < 1:
        raise ValueError(f"there must be at least one image. Received: {count}.")
    across = min(columns, count) if count < columns else columns
    rows = -(-count // across)
    side = FULL_WIDTH / columns
    figure = Figure(figsize=(side * across, (side + 0.25) * rows), layout="constrained")
    axes = figure.subplots(rows, across, squeeze=False).ravel().tolist()
    for index, ax in enumerate(axes):
        ax.set_axis_off()
        if titles is not None and index < count:
            ax.set_title("\n".join(shorten(line, 30) for line in titles[index].split("\n")), fontsize=9)
    return axes[:count]


def _draw_box(ax: Axes, box: NDArray[Any], colour: str, style: str, *, width: float = 1.8) -> Rectangle:
    """A box along the outer edges of its pixels."""
    top, left, bottom, right = (float(edge) - 0.5 for edge in box)
    patch = Rectangle(
        (left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=width, linestyle=style
    )
    ax.add_patch(patch)
    return patch
