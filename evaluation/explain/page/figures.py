"""Figures that only the page has: cases beside their maps, occlusion, pictures made for classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from evaluation.explain.covering import OcclusionGrid
from evaluation.explain.figures_localise import overlay, to_picture
from evaluation.explain.figures_seen import draw_pictures
from evaluation.plots.style import FULL_WIDTH, literal_text, report_style, shorten

NAMES = {
    "class_activation_map": "CAM",
    "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "layer_cam": "LayerCAM",
    "guided_backpropagation": "guided backprop.",
    "gradient_times_input": "gradient × input",
    "smooth_grad": "SmoothGrad",
    "integrated_gradients": "integrated gradients",
}


def method_name(method: str) -> str:
    """A method as people call it."""
    return NAMES.get(method, method.replace("_", " "))


@literal_text
def draw_cases(
    images: NDArray[Any], answers: Sequence[str], columns: Sequence[tuple[str, NDArray[Any], Sequence[str]]]
) -> Figure:
    """Draws images, a row each, and beside them their heat by several methods.

    Args:
        images: `(n, height, width, channels)` in 0…255.
        answers: Truth and prediction of each, two lines.
        columns: Title, heat `(n, height, width)` in [0, 1] and a line below each picture (or "").
    """
    with matplotlib.rc_context(report_style()):
        figure, axes = _grid(len(images), 1 + len(columns))
        for row, image in enumerate(images):
            axes[row, 0].imshow(to_picture(image), interpolation=_interpolation(image))
            label = "\n".join(shorten(line, 20) for line in answers[row].split("\n"))
            axes[row, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
            for column, (_, heat, notes) in enumerate(columns, start=1):
                axes[row, column].imshow(overlay(image, heat[row]), interpolation=_interpolation(image))
                axes[row, column].set_xlabel(shorten(notes[row], 20), fontsize=7, labelpad=2)
        axes[0, 0].set_title("image", fontsize=8)
        for column, (title, _, _) in enumerate(columns, start=1):
            axes[0, column].set_title(title, fontsize=8)
    return figure


@literal_text
def draw_occlusion(
    images: NDArray[Any],
    answers: Sequence[str],
    grid: OcclusionGrid,
    class_names: Sequence[str],
    *,
    asked: str = "the true class",
) -> Figure:
    """Zeiler's figure 7: image, probability of a class and most probable class by position of a covering patch.

    Args:
        images: `(n, height, width, channels)` in 0…255.
        answers: Truth and prediction of each, two lines.
        grid: Of `occlusion_grid`.
        class_names: The K names.
        asked: Whose probability is drawn.
    """
    present = np.unique(grid.label)
    colours = [matplotlib.colormaps["tab20"](2 * (index % 10) + index // 10 % 2) for index in range(len(present))]
    with matplotlib.rc_context(report_style()):
        figure, axes = _grid(len(images), 3, width=0.72 * FULL_WIDTH)
        for row, image in enumerate(images):
            axes[row, 0].imshow(to_picture(image), interpolation=_interpolation(image))
            label = "\n".join(shorten(line, 20) for line in answers[row].split("\n"))
            axes[row, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
            drawn = axes[row, 1].imshow(grid.probability[row], vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
            places = np.searchsorted(present, grid.label[row])
            axes[row, 2].imshow(np.array(colours)[places], interpolation="nearest")
            share = class_names[int(grid.class_index[row])]
            axes[row, 1].set_xlabel(f"of {shorten(share, 18)}", fontsize=7, labelpad=2)
        for column, title in enumerate(("image", f"probability of {shorten(asked, 16)}", "most probable class")):
            axes[0, column].set_title(title, fontsize=8)
        figure.colorbar(drawn, ax=axes[:, 1].tolist(), shrink=0.6, aspect=30, location="right")
        handles = [
            Patch(color=colour, label=f" {shorten(class_names[int(index)])}")
            for index, colour in zip(present, colours, strict=True)
        ]
        figure.legend(handles=handles[:20], loc="outside lower center", ncols=min(4, len(handles)), fontsize=8)
    return figure


def draw_made(images: NDArray[Any], names: Sequence[str]) -> Figure:
    """Pictures made for classes, with their names; one alone is as large as two side by side."""
    return draw_pictures(images, names, columns=min(5, len(names)))


def _grid(rows: int, columns: int, *, width: float = FULL_WIDTH) -> tuple[Figure, NDArray[Any]]:
    """Square axes without scales, with room for a label at the left."""
    side = min((width - 1.3) / columns, 1.9)
    figure = Figure(figsize=(width, rows * (side + 0.16) + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.ravel():
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return figure, axes


def _interpolation(image: NDArray[Any]) -> str:
    return "nearest" if len(image) < 100 else "antialiased"
