"""Figures of attacks: accuracy against the size of the change, and image, change and result side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from evaluation.explain.adversarial import RAW_PIXELS, AdversarialExamples, AttackedAccuracy, Bounds
from evaluation.explain.figures_localise import image_axes, to_picture
from evaluation.plots.style import COLOURS, GREY, MARKERS, arms, figure_of, grid, legend_below, literal_text, new_axes
from evaluation.plots.style import span as span_of


@dataclass(frozen=True, eq=False)
class AttackDisplay:
    """Drawn accuracy against ε.

    Attributes:
        bars_: Points with intervals, by the attack's name.
        ax_: The axes.
        figure_: The figure.
    """

    bars_: Mapping[str, ErrorbarContainer]
    ax_: Axes
    figure_: Figure


@dataclass(frozen=True, eq=False)
class TriptychDisplay:
    """Drawn adversarial examples.

    Attributes:
        images_: `(n, 3)`: image, change and result.
        factors_: `(n,)`: how many times the change is enlarged.
        axes_: Three axes for each example.
        figure_: The figure.
    """

    images_: Sequence[Sequence[AxesImage]]
    factors_: Sequence[float]
    axes_: Sequence[Axes]
    figure_: Figure


@literal_text
def plot_attacked_accuracy(
    attacks: Sequence[AttackedAccuracy], *, chance: float | None = None, ax: Axes | None = None
) -> AttackDisplay:
    """Draws accuracy against ε with Wilson's intervals.

    Args:
        attacks: One for each attack.
        chance: Accuracy of guessing, drawn as a line; the reciprocal of the number of classes, say.
        ax: Axes to draw on; a new figure where it is None.

    Returns:
        What was drawn.
    """
    ax = new_axes(ax, 3.6)
    bars, names = {}, []
    for index, attack in enumerate(attacks):
        spans = [span_of(estimate) for estimate in attack.accuracy]
        names.append(f"{attack.attack.upper()} (n = {attack.right.shape[1]:,})")
        bars[attack.attack] = ax.errorbar(
            attack.epsilons, np.array(spans, dtype=np.float64)[:, 0], yerr=np.array([arms(one) for one in spans]).T,
            color=COLOURS[index], marker=MARKERS[index], markersize=5, capsize=2, elinewidth=1, label=names[-1],
        )  # fmt: skip
    if chance is not None:
        ax.axhline(chance, color=GREY, linewidth=1, linestyle="--")
        ax.annotate("chance", (1, chance), (-2, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                    ha="right", fontsize="small", color=GREY)  # fmt: skip
    ax.set(xlabel="ε, largest change of a pixel value", ylabel="Accuracy", ylim=(-0.02, 1.02))
    grid(ax)
    legend_below(ax, names, offset=-0.2)
    return AttackDisplay(bars, ax, figure_of(ax))


@literal_text
def plot_adversarial(
    examples: AdversarialExamples, class_names: Sequence[str], *, bounds: Bounds = RAW_PIXELS
) -> TriptychDisplay:
    """Draws image, change and result side by side, a row for each example, with label and probability.

    The change is enlarged around grey until its largest value reaches black or white; the factor stands above it.

    Args:
        examples: Of `compare_examples`.
        class_names: The K names.
        bounds: What is black and what is white.

    Returns:
        What was drawn.
    """
    changes = examples.changed - examples.images
    factors = [_factor(change, bounds) for change in changes]
    titles = []
    for index, factor in enumerate(factors):
        before, after = (
            f"{class_names[label]} {100 * probability:.0f}%"
            for label, probability in zip(examples.labels[index], examples.probabilities[index], strict=True)
        )
        largest = np.abs(changes[index]).max()
        titles += [before, f"change × {factor:.3g} (ε = {largest:.3g})" if factor else "no change", after]
    axes = image_axes(len(titles), 3, titles)
    middle = (bounds[0] + bounds[1]) / 2
    drawn = []
    for index, (factor, change) in enumerate(zip(factors, changes, strict=True)):
        panels = (examples.images[index], middle + factor * change, examples.changed[index])
        drawn.append(
            [
                ax.imshow(to_picture(panel, bounds), interpolation="nearest")
                for ax, panel in zip(axes[3 * index : 3 * index + 3], panels, strict=True)
            ]
        )
    return TriptychDisplay(drawn, factors, axes, figure_of(axes[0]))


def _factor(change: np.ndarray, bounds: Bounds) -> float:
    """How many times a change fits between grey and white; 0 where there is none."""
    largest = float(np.abs(change).max())
    return (bounds[1] - bounds[0]) / 2 / largest if largest > 0 else 0.0
