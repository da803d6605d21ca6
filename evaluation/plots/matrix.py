"""Confusion matrix: counts, coloured by the share of the true class."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter

from evaluation.plots.style import DARK, FULL_WIDTH, HALF_WIDTH, figure_of, literal_text, new_axes, shorten

MAX_ANNOTATED = 20
MAX_CLASSES_IN_HALF_WIDTH = 5
_MAX_NAMED = 40
_MAX_WITH_SHARES = 10


@dataclass(frozen=True, eq=False)
class ConfusionMatrixDisplay:
    """A drawn confusion matrix.

    Attributes:
        image_: The cells; `image_.get_array()` are shares of the row, 0 in a row without examples.
        texts_: Text of each cell, shape (K, K); None where a cell has none.
        ax_: The axes.
        figure_: The figure.
    """

    image_: AxesImage
    texts_: np.ndarray
    ax_: Axes
    figure_: Figure


@literal_text
def plot_confusion_matrix(
    matrix: Sequence[Sequence[float]] | np.ndarray, labels: Sequence[str], *, ax: Axes | None = None
) -> ConfusionMatrixDisplay:
    """Draws a confusion matrix with counts and, up to ten classes, the share of each row.

    Above 20 classes the colours alone remain, above 40 only some classes are named.

    Args:
        matrix: Counts or sums of weights, rows the truth, shape (K, K).
        labels: The K class names.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.

    Raises:
        ValueError: If matrix and labels disagree about K.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    k = len(labels)
    if counts.shape != (k, k):
        raise ValueError(f"matrix must have shape ({k}, {k}), as labels. Received: {counts.shape}.")
    support = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    wide = k > MAX_CLASSES_IN_HALF_WIDTH
    ax = new_axes(ax, min(8.4, 2.6 + 0.55 * k) if wide else 4.3, FULL_WIDTH if wide else HALF_WIDTH)
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    bar = figure_of(ax).colorbar(image, ax=ax, fraction=0.046, pad=0.03, format=PercentFormatter(1, decimals=0))
    bar.set_label("Share of the true class")
    bar.outline.set_visible(False)
    ax.set(xlabel="Predicted", ylabel="Truth")
    ax.spines[:].set_visible(False)
    texts = np.full((k, k), None, dtype=object)
    if k <= MAX_ANNOTATED:
        _annotate(ax, counts, share, texts)
    _name_ticks(ax, labels)
    return ConfusionMatrixDisplay(image, texts, ax, figure_of(ax))


def _annotate(ax: Axes, counts: np.ndarray, share: np.ndarray, texts: np.ndarray) -> None:
    """Counts, and below them the share of the row; zeros of a large matrix stay empty."""
    k = len(counts)
    size = 11 if k <= 4 else 9.5 if k <= 8 else 8 if k <= 12 else 7
    for row, column in np.ndindex(k, k):
        count, part = float(counts[row, column]), float(share[row, column])
        if count == 0 and k > 6:
            continue
        text = _count(count, k)
        if k <= _MAX_WITH_SHARES:
            text += f"\n{_percentage(part)}"
        colour = "white" if part > 0.55 else DARK
        texts[row, column] = ax.text(
            column, row, text, ha="center", va="center", fontsize=size, color=colour, linespacing=1.25
        )


def _count(count: float, k: int) -> str:
    """A count, shortened where a cell of a large matrix could not hold its digits."""
    if k > 8 and count >= 10_000:
        return f"{count / 1e6:.3g}M" if count >= 999_500 else f"{count / 1e3:.3g}k"
    return f"{count:,.0f}" if count == round(count) else f"{count:,.1f}"


def _percentage(share: float) -> str:
    """A share without decimals; never rounded to 0 % or 100 % where it is neither."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{100 * share:.0f}%"


def _in_two_lines(name: str, width: int = 15) -> str:
    """A name on one line or two, which leaves more room for the cells of a narrow figure."""
    lines = textwrap.wrap(shorten(name, 2 * width - 2), width)
    return "\n".join(lines if len(lines) <= 2 else [lines[0], shorten(" ".join(lines[1:]), width)])


def _name_ticks(ax: Axes, labels: Sequence[str]) -> None:
    """Class names at the ticks; above 40 classes only some of them."""
    k = len(labels)
    places = list(range(0, k, max(1, -(-k // _MAX_NAMED))))
    few = k <= MAX_CLASSES_IN_HALF_WIDTH
    names = [_in_two_lines(labels[index]) if few else shorten(labels[index]) for index in places]
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    long = longest > (34 // k if few else 3)
    style: dict[str, Any] = {"fontsize": 9.5 if k <= MAX_ANNOTATED else 8}
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
    ax.set_xticks(places, names, **style, **turned)
    ax.set_yticks(places, names, **style)
    ax.tick_params(length=0)
