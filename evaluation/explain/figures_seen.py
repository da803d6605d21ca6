"""Figures of what each layer sees: filters, feature maps, patches beside their projections, made pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.filters import Filters, filter_changes
from evaluation.explain.projections import UnitPatches
from evaluation.plots.style import FULL_WIDTH, report_style, shorten

Shades = NDArray[np.floating]
_TILE = 48  # pixels: smaller ones are enlarged, so that gaps between them stay thin
_GAP = 2


def draw_filters(filters: Filters, *, columns: int = 16, title: str = "") -> Figure:
    """Draws filters side by side: in colour for three channels, else one row of grey pictures for each channel.

    Args:
        filters: `(n, height, width, channels)`, of `first_filters`. Mid-grey is a weight of 0; each filter is scaled by
            its own largest weight.
        columns: In each row.
        title: Above.
    """
    tiles = centred(filters)
    if tiles.shape[-1] != 3:
        tiles = np.moveaxis(tiles, -1, 1).reshape(-1, *tiles.shape[1:3], 1)
    return _picture(montage(tiles, columns), title or f"{len(filters)} filters, {_size(filters)} pixels")


def draw_filter_evolution(stages: Sequence[tuple[str, Filters]], *, most: int = 16) -> Figure:
    """Draws the filters of saved epochs, a row for each, a column for each filter.

    Each filter is scaled by its largest weight over all epochs, so growth can be seen. Beside a row stands the median
    cosine between its filters and those of the last row.

    Args:
        stages: Name (such as "epoch 3") and filters of each, in order; three or one channels.
        most: Filters shown.

    Raises:
        ExplainError: If there are no epochs, or their filters differ in shape.
    """
    cosines = np.median(filter_changes([filters for _, filters in stages]), axis=1)
    every = np.stack([filters[:most] for _, filters in stages])
    if every.shape[-1] != 3:
        every = every.mean(axis=-1, keepdims=True)
    largest = np.abs(every).max(axis=(0, 2, 3, 4), keepdims=True)
    tiles = 0.5 + 0.5 * np.divide(every, largest, out=np.zeros_like(every), where=largest > 0)
    with matplotlib.rc_context(report_style()):
        figure, axes = _grid(len(stages), 1, (FULL_WIDTH - 2.0) / every.shape[1] + 0.06)
        for ax, row, (name, _), cosine in zip(axes[:, 0], tiles, stages, cosines, strict=True):
            _show(ax, montage(row, len(row)))
            label = f"{shorten(name)}  {cosine:.2f}".replace("-", "−")
            ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize="small")
        axes[0, 0].set_title("Filters by epoch; beside them the median cosine to the last", fontsize=10, loc="left")
    return figure


def draw_feature_maps(image: Any, maps: Any, *, layer: str = "", most: int = 31, high: float = 255.0) -> Figure:
    """Draws an image and the feature maps that answer most to it, the strongest first.

    Args:
        image: `(height, width, channels)`.
        maps: `(h, w, units)`: what `activations` gives for it. All maps have one scale: white is the largest answer,
            black 0 or less.
        layer: Its name.
        most: Maps shown.
        high: Largest value of a pixel.
    """
    answers = np.nan_to_num(np.asarray(maps, np.float32))
    order = np.argsort(-answers.max(axis=(0, 1)), kind="stable")[:most]
    top = answers.max() if answers.size and answers.max() > 0 else 1.0
    tiles = [shown(np.asarray(image)[None], high=high)[0], *(np.clip(answers[..., unit] / top, 0, 1) for unit in order)]
    names = ["image", *(f"unit {unit}" for unit in order)]
    note = f"{shorten(layer)}: {len(order)} of {answers.shape[-1]} units, the strongest first; white is {top:.3g}"
    return _tiles(tiles, names, columns=8, title=note)


def draw_patches(units: Sequence[UnitPatches], *, columns: int = 2, high: float = 255.0, title: str = "") -> Figure:
    """Draws the strongest patches of units, three in a row, and beside them what in each patch the unit answers to.

    Args:
        units: Of `unit_patches`.
        columns: Units in each row.
        high: Largest value of a pixel.
        title: Above.

    Raises:
        ExplainError: If there is nothing to draw.
    """
    if not units:
        raise ExplainError("there must be at least one unit to draw. Received: none.")
    with matplotlib.rc_context(report_style()):
        rows = math.ceil(len(units) / columns)
        figure, axes = _grid(rows, columns, FULL_WIDTH / columns / 2 + 0.12)
        for ax in axes.ravel()[len(units) :]:
            ax.set_visible(False)
        for ax, one in zip(axes.ravel(), units, strict=False):
            _draw_unit(ax, one, high)
        figure.suptitle(title or f"{shorten(units[0].layer)}: strongest patches and what in them counts", fontsize=10)
    return figure


def draw_pictures(
    images: Any, names: Sequence[str], *, columns: int = 6, low: float = 0.0, high: float = 255.0, title: str = ""
) -> Figure:
    """Draws pictures with a name above each: those that a unit or class answers to most, or a dream beside its image.

    Args:
        images: `(n, height, width, channels)`.
        names: One for each.
        columns: In each row.
        low: Smallest value of a pixel.
        high: Largest value.
        title: Above.
    """
    return _tiles(list(shown(np.asarray(images), low=low, high=high)), names, columns=columns, title=title)


def shown(images: NDArray[Any], *, low: float = 0.0, high: float = 255.0) -> Shades:
    """Images as `(n, h, w, 3 or 1)` in 0…1; of other numbers of channels their mean is shown."""
    shades = np.clip((np.nan_to_num(images.astype(np.float32)) - low) / (high - low), 0, 1)
    return shades if shades.shape[-1] in (1, 3) else shades.mean(axis=-1, keepdims=True)


def centred(values: NDArray[np.floating], *, most: float = 100) -> Shades:
    """Signed pictures, `(n, h, w, c)`, in 0…1: 0 is mid-grey; white or black is each one's percentile `most`."""
    bound = np.percentile(np.abs(values), most, axis=(1, 2, 3), keepdims=True)
    bound = np.where(bound > 0, bound, np.abs(values).max(axis=(1, 2, 3), keepdims=True))
    return 0.5 + 0.5 * np.clip(np.divide(values, bound, out=np.zeros_like(values), where=bound > 0), -1, 1)


def montage(tiles: Shades, columns: int) -> Shades:
    """Pictures `(n, h, w, 3 or 1)` in rows with white gaps, as one RGB picture."""
    count, height, width = tiles.shape[:3]
    times = max(1, math.ceil(_TILE / max(height, width)))
    large = np.repeat(np.repeat(np.broadcast_to(tiles, (*tiles.shape[:3], 3)), times, axis=1), times, axis=2)
    height, width = height * times, width * times
    rows = math.ceil(count / columns)
    sheet = np.ones((rows * (height + _GAP) - _GAP, min(columns, count) * (width + _GAP) - _GAP, 3), np.float32)
    for index, tile in enumerate(large):
        top, left = index // columns * (height + _GAP), index % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _draw_unit(ax: Axes, one: UnitPatches, high: float) -> None:
    """Patches, and beside them their projections."""
    if one.silent:
        ax.set_title(f"unit {one.unit}: silent", fontsize="small", loc="left", pad=2)
        return
    sheet = montage(shown(one.patches, high=high), 3)
    if one.projections is not None:
        values = one.projections if one.projections.shape[-1] in (1, 3) else one.projections.mean(-1, keepdims=True)
        gap = np.ones((len(sheet), sheet.shape[1] // 24 + 1, 3), np.float32)
        sheet = np.concatenate([sheet, gap, montage(centred(values, most=99.5), 3)], axis=1)
    _show(ax, sheet)
    text = f"unit {one.unit}: {one.scores[0]:.3g} to {one.scores[-1]:.3g}".replace("-", "−")
    ax.set_title(text, fontsize="small", loc="left", pad=2)


def _tiles(tiles: Sequence[Shades], names: Sequence[str], *, columns: int, title: str) -> Figure:
    """Pictures in a grid, each under its name."""
    if not len(tiles) or len(tiles) != len(names):
        raise ExplainError(f"there must be a name for each picture. Received: {len(tiles)} and {len(names)}.")
    columns = min(columns, len(tiles))
    with matplotlib.rc_context(report_style()):
        rows = math.ceil(len(tiles) / columns)
        width = min(FULL_WIDTH, 2.4 * columns)
        figure, axes = _grid(rows, columns, width / columns * tiles[0].shape[0] / tiles[0].shape[1] + 0.12, width)
        for ax in axes.ravel()[len(tiles) :]:
            ax.set_visible(False)
        for ax, tile, name in zip(axes.ravel(), tiles, names, strict=False):
            _show(ax, tile)
            ax.set_title(shorten(name), fontsize="x-small", pad=2)
        if title:
            figure.suptitle(title, fontsize=10)
    return figure


def _picture(sheet: Shades, title: str) -> Figure:
    """One picture under its title."""
    with matplotlib.rc_context(report_style()):
        figure, axes = _grid(1, 1, FULL_WIDTH * sheet.shape[0] / sheet.shape[1] + 0.3)
        _show(axes[0, 0], sheet)
        axes[0, 0].set_title(title, fontsize=10, loc="left")
    return figure


def _grid(rows: int, columns: int, height: float, width: float = FULL_WIDTH) -> tuple[Figure, NDArray[Any]]:
    """A figure of axes without scales; `height` of a row and `width` of all, inches."""
    layout = ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.03, hspace=0.0, wspace=0.02)
    figure = Figure(figsize=(width, rows * height + 0.3), layout=layout)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.ravel():
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return figure, axes


def _show(ax: Axes, picture: Shades) -> None:
    """A picture in 0…1, pixel by pixel."""
    flat = picture[..., 0] if picture.ndim == 3 and picture.shape[-1] == 1 else picture
    ax.imshow(flat, cmap="gray", vmin=0, vmax=1, interpolation="nearest" if len(flat) < 100 else "antialiased")


def _size(filters: Filters) -> str:
    return f"{filters.shape[1]}×{filters.shape[2]}"
