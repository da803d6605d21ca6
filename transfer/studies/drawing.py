"""The figures of the studies: accuracy against the cut, and against the number of images per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.plots.rendering import render
from evaluation.plots.style import BLUE, FULL_WIDTH, GREY, VERMILLION, Span, grid, report_style, span
from transfer.studies.statistics import mean_interval

Curve = Mapping[float, Sequence[float]]  # place on the x axis → one value per seed


@dataclass(frozen=True)
class Look:
    """How a curve is drawn.

    Attributes:
        label: In the legend.
        colour: Of line, band and points.
        marker: Of the means.
        dashed: Whether the line is.
    """

    label: str
    colour: str
    marker: str
    dashed: bool = False


CUTS_TITLE = "CIFAR-10, five classes (A) to the other five (B): accuracy on B with the first n layers of a trained net"
CUT_LOOKS = {
    "AnB": Look("AnB: first n layers from A, frozen", VERMILLION, "o", dashed=True),
    "BnB": Look("BnB: first n layers from B itself, frozen", BLUE, "s", dashed=True),
    "AnB+": Look("AnB+: from A, then fine-tuned", VERMILLION, "D"),
    "BnB+": Look("BnB+: from B, then fine-tuned", BLUE, "^"),
}
SIZE_LOOKS = {
    "transfer": Look("transfer", BLUE, "o"),
    "frozen": Look("transfer", BLUE, "o"),
    "scratch": Look("from scratch", VERMILLION, "s"),
}


def draw_cuts(curves: Mapping[str, Curve], bases: Mapping[str, Sequence[float]], *, layers: Sequence[str]) -> bytes:
    """Accuracy on the classes B against the number of layers taken over, and the difference to training afresh.

    Bands are drawn for the differences alone: how hard the five classes of B are is the same for all curves.

    Args:
        curves: Kind → cut → accuracy on B of every seed, 0…1.
        bases: `base A` and `base B` → accuracy of every seed on its own classes.
        layers: Name of the layer before every cut, from 1.

    Returns:
        PNG.
    """
    base = bases["base B"]
    gains = {kind: {cut: _minus(values, base) for cut, values in curve.items()} for kind, curve in curves.items()}
    with matplotlib.rc_context(report_style()):
        figure = Figure(figsize=(FULL_WIDTH, 4.9), layout="constrained")
        figure.suptitle(CUTS_TITLE, fontsize=11, x=0.01, ha="left")
        left, right = figure.subplots(1, 2)
        for ax, shown, start, banded in ((left, curves, base, False), (right, gains, _minus(base, base), True)):
            for shift, (kind, curve) in zip(np.linspace(-0.09, 0.09, len(shown)), shown.items(), strict=True):
                places = {0: start} | {cut + float(shift): values for cut, values in curve.items()}
                _band(ax, places, CUT_LOOKS[kind], banded=banded)
            ax.set_xticks(range(len(layers) + 1), ["0\nbase B", *(f"{n}\n{name}" for n, name in enumerate(layers, 1))])
            ax.set_xlabel("n layers taken over, up to and including")
            grid(ax, "y")
        for name, words in (("base B", "base B"), ("base A", "base A, on its own classes")):
            _level(left, 100 * float(np.mean(bases[name])), words)
        _level(right, 0.0, "base B")
        left.set_title(f"means, and each of {len(base)} random halvings", fontsize=10)
        right.set_title("within a halving: mean and 95 % interval", fontsize=10)
        left.set_ylabel("test accuracy, %")
        right.set_ylabel("difference to base B, points")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
        return render(figure)[0]


def draw_sizes(panels: Mapping[str, Mapping[str, Curve]], *, xlabel: str, title: str, note: str = "") -> bytes:
    """Accuracy against images per class on a logarithmic axis, a panel for each data set.

    Args:
        panels: Heading → kind → images per class → accuracy of every seed, 0…1.
        xlabel: What is counted.
        title: Of the figure.
        note: Small, below.

    Returns:
        PNG.
    """
    with matplotlib.rc_context(report_style()):
        figure = Figure(figsize=(max(5.2, min(FULL_WIDTH, 4.3 * len(panels))), 4.0), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
        for ax, (heading, curves) in zip(axes, panels.items(), strict=True):
            for kind, curve in curves.items():
                _band(ax, curve, SIZE_LOOKS[kind])
            sizes = sorted({size for curve in curves.values() for size in curve})
            ax.set_xscale("log")
            ax.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
            ax.minorticks_off()
            ax.set_title(heading, fontsize=10)
            ax.set_xlabel(xlabel)
            ax.set_ylim(top=101)
            grid(ax, "y")
        axes[0].set_ylabel("test accuracy, %")
        axes[0].legend(loc="lower right")
        if note:
            figure.supxlabel(note, fontsize=8, color=GREY)
        return render(figure)[0]


def _level(ax: Axes, height: float, words: str) -> None:
    """A dotted line over the whole width, named under its beginning, where the curves leave room."""
    ax.axhline(height, color=GREY, linewidth=1, linestyle=":", zorder=1)
    place = ax.get_yaxis_transform()
    ax.text(0.08, height, words, transform=place, fontsize=8, color="#555555", va="top")


def _band(ax: Axes, curve: Curve, look: Look, *, banded: bool = True) -> None:
    """The mean, its interval as a band, and every seed as a small dot; in per cent."""
    places = sorted(curve)
    found = [span(mean_interval([100 * value for value in curve[place]])) for place in places]
    means, low, high = np.array([[one.value, *_limits(one)] for one in found], dtype=np.float64).T
    if banded:
        ax.fill_between(places, low, high, color=look.colour, alpha=0.13, linewidth=0)
    line = (0, (4, 2)) if look.dashed else "-"
    ax.plot(places, means, color=look.colour, linestyle=line, marker=look.marker, markersize=5, label=look.label)
    for place in places:
        seeds = [100 * value for value in curve[place]]
        ax.plot([place] * len(seeds), seeds, ".", color=look.colour, alpha=0.35, markersize=3, zorder=1)


def _limits(found: Span) -> tuple[float | None, float | None]:
    """The interval, or the value twice where there is none."""
    return (found.value, found.value) if found.low is None else (found.low, found.high)


def _minus(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(first, second, strict=True)]
