"""Differences between models, with their intervals and a line at zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from evaluation.plots.panels import draw_intervals, name_rows, panel_axes
from evaluation.plots.style import DARK, EstimateLike, Span, figure_of, literal_text, span

MAX_PAIRS = 20


@dataclass(frozen=True, eq=False)
class DifferenceDisplay:
    """Drawn differences.

    Attributes:
        intervals_: Error bars by measure.
        zeros_: The line of no difference by measure.
        rows_: Name of each row drawn, from the top.
        axes_: One axes for each measure, from the left.
        figure_: The figure.
    """

    intervals_: Mapping[str, ErrorbarContainer]
    zeros_: Mapping[str, Line2D]
    rows_: Sequence[str]
    axes_: Sequence[Axes]
    figure_: Figure


@literal_text
def plot_difference(
    differences: Mapping[str, Mapping[str, EstimateLike]],
    *,
    measures: Mapping[str, str],
    ax: Axes | Sequence[Axes] | None = None,
) -> DifferenceDisplay:
    """Draws differences between pairs of models, a panel for each measure, around a line at zero.

    Args:
        differences: For each pair, such as "first − second", the estimate of the difference by measure; the first 20
            pairs are drawn.
        measures: Title of each panel by the measure's name.
        ax: One axes, or as many as there are measures; a new figure where it is None.

    Returns:
        What was drawn.

    Raises:
        ValueError: If there are no pairs or measures, or the number of axes is not that of the measures.
    """
    names = list(differences)[:MAX_PAIRS]
    lines = max((name.count("\n") + 1 for name in names), default=1)
    axes = panel_axes(ax, len(measures), lines * len(names))
    places = [float(index) for index in range(len(names))]
    name_rows(axes, places, names, set())
    bars, zeros = {}, {}
    for one, (measure, title) in zip(axes, measures.items(), strict=True):
        spans = [span(differences[name].get(measure)) for name in names]
        zeros[measure] = one.axvline(0, color=DARK, linewidth=1, linestyle="--", zorder=1)
        bars[measure] = draw_intervals(one, places, spans, [False] * len(names))
        reach = _reach(spans)
        one.set(xlabel=f"Difference in {title}", xlim=(-reach, reach))
        one.xaxis.set_major_locator(MaxNLocator(nbins=4, symmetric=True))
        one.xaxis.set_major_formatter(FuncFormatter(_signed))
    return DifferenceDisplay(bars, zeros, names, axes, figure_of(axes[0]))


def _reach(spans: Sequence[Span]) -> float:
    """How far the axis goes to both sides of zero."""
    ends = [abs(end) for one in spans for end in one if end is not None]
    return 1.1 * max(ends, default=0.0) or 0.1


def _signed(value: float, _: int | None) -> str:
    """A tick with its sign; zero without one."""
    return "0" if abs(value) < 1e-12 else f"{value:+.3g}".replace("-", "−")
