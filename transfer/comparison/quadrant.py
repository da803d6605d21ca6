"""The notes' quadrant as a figure: what each of their four cases reached on one data set."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.files import write_atomically
from transfer.cases import CASES
from transfer.comparison.results import (
    PROPOSED,
    CaseResult,
    best_cases,
    cases_markdown,
    check_cases,
    counts,
    duration,
    quadrant_table,
    share,
    verdict,
    write_cases,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CaseResult", "best_cases", "cases_markdown", "draw_quadrant", "quadrant_table", "verdict", "write_cases"]

# Inches: a field's width, its height by whether it is for large data sets, and what lies within and around it.
_FIELD, _ROWS, _GAP, _LABELS, _HEADING = 4.05, {True: 3.4, False: 1.8}, 0.1, 0.4, 0.65
_BLOCK, _LEFT, _RIGHT = 1.42, 0.8, 3.8


def draw_quadrant(results: Sequence[CaseResult], path: Path, *, title: str) -> Path:
    """Draws the notes' quadrant: similar or different data across, few or many images upwards, results inside.

    Args:
        results: One for each case that was trained; a case without one is shown as not trained.
        path: The PNG file. Its folder must exist.
        title: Shown above, such as the names of network and data set.

    Returns:
        The file.

    Raises:
        ValueError: If there are no results, or two of the same case.
        OSError: If the file cannot be written.
    """
    import matplotlib

    from evaluation.plots import render, report_style

    check_cases(results)
    by_case, best = {one.case: one for one in results}, best_cases(results)
    with matplotlib.rc_context(report_style()):
        figure, panels = _new_panels(title)
        for (large, similar), ax in panels.items():
            names = [name for name, case in CASES.items() if (case.large, case.similar) == (large, similar)]
            _draw_field(ax, names, by_case, floor=_floor(results), best=best)
        edge = _LABELS / figure.get_size_inches()[0]
        figure.text(edge, -0.02, _caption(results), fontsize=9.5, va="top", linespacing=1.35)
        png, _ = render(figure)
    write_atomically(path, png)
    return path


def _floor(results: Sequence[CaseResult]) -> float:
    """Where the common scale begins: the tenth below the lowest limit."""
    lowest = min((one.low for one in results if one.is_known), default=0.0)
    return min(0.9, math.floor(10 * lowest + 1e-9) / 10)


def _draw_field(
    ax: Axes, names: Sequence[str], results: Mapping[str, CaseResult], *, floor: float, best: Sequence[str]
) -> None:
    """One field of the quadrant: a block for each of its cases, one below the other; in inches."""
    from evaluation.plots.style import BLUE, RULE

    chosen = any(name in results and results[name].proposed for name in names)
    height = _ROWS[CASES[names[0]].large]
    ax.set(xticks=[], yticks=[], xlim=(0, _FIELD), ylim=(height, 0), facecolor="#f1f7fb" if chosen else "white")
    for spine in ax.spines.values():
        spine.set(visible=True, color=BLUE if chosen else "#b9c0c6", linewidth=2.2 if chosen else 1.0)
    for index, name in enumerate(names):
        top = index * height / len(names)
        if index:
            ax.plot([0.12, _FIELD - 0.12], [top, top], color=RULE, linewidth=1)
        _draw_case(ax, name, results.get(name), top=top + (height / len(names) - _BLOCK) / 2, floor=floor, best=best)


def _draw_case(
    ax: Axes, name: str, result: CaseResult | None, *, top: float, floor: float, best: Sequence[str]
) -> None:
    """Number, title, accuracy on the scale, counts and marks of one case."""
    from evaluation.plots.style import BLUE, DARK, GREY, VERMILLION, shorten

    title = shorten(CASES[name].title if result is None else result.title, 66)
    ax.text(0.14, top, name, fontsize=21, weight="bold", color="#7d868d", va="top")
    ax.text(_LEFT, top, textwrap.fill(title[:1].upper() + title[1:], 34), weight="bold", va="top", color=DARK)
    if result is None:
        ax.text(_LEFT, top + 0.55, "not trained", color=GREY, va="center")
        return
    ax.text(_LEFT, top + 0.55, share(result), va="center", fontsize=11.5)
    if result.case in best:
        ax.text(_RIGHT, top + 0.55, "★ best", color=VERMILLION, weight="bold", va="center", ha="right")
    _draw_scale(ax, result, place=top + 0.79, floor=floor, best=result.case in best)
    facts = f"{counts(result)} · {duration(result)} · {result.trainable:,} weights trained"
    ax.text(_LEFT, top + 1.13, facts, va="center", fontsize=9, color="#444444")
    if result.proposed:
        ax.text(_LEFT, top + 1.35, PROPOSED, color=BLUE, weight="bold", va="center", fontsize=9.5)


def _draw_scale(ax: Axes, result: CaseResult, *, place: float, floor: float, best: bool) -> None:
    """Accuracy as a point with its interval, on a scale that all fields share."""
    from evaluation.plots.style import BLUE, VERMILLION

    def at(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (value - floor) / (1 - floor)

    ax.plot([_LEFT, _RIGHT], [place, place], color="#c4cace", linewidth=1, zorder=1)
    for tick in (floor, (1 + floor) / 2, 1.0):
        ax.plot([at(tick)] * 2, [place - 0.04, place + 0.04], color="#8c8c8c", linewidth=1, zorder=1)
        ax.text(at(tick), place + 0.1, f"{100 * tick:g}%", ha="center", va="top", fontsize=8.5, color="#666666")
    if result.is_known:
        colour = VERMILLION if best else BLUE
        ax.plot([at(result.low), at(result.high)], [place, place], color=colour, linewidth=2.6, zorder=2)
        ax.plot(at(result.accuracy), place, "*" if best else "o", color=colour, markersize=13 if best else 7, zorder=3)


def _new_panels(title: str) -> tuple[Figure, dict[tuple[bool, bool], Axes]]:
    """A figure with the notes' two questions along its edges, and its fields by (large, similar)."""
    from matplotlib.figure import Figure

    from evaluation.plots.style import shorten

    width, height = _LABELS + 2 * _FIELD + _GAP, sum(_ROWS.values()) + _GAP + _HEADING
    figure, panels = Figure(figsize=(width, height)), {}
    for large, bottom in ((True, _ROWS[False] + _GAP), (False, 0.0)):
        for similar, left in ((True, _LABELS), (False, _LABELS + _FIELD + _GAP)):
            place = (left / width, bottom / height, _FIELD / width, _ROWS[large] / height)
            panels[large, similar] = figure.add_axes(place)
        panels[large, True].set_ylabel("Large data set" if large else "Small data set", fontsize=11)
    panels[True, True].set_title("Similar to the old data", fontsize=11)
    panels[True, False].set_title("Different from the old data", fontsize=11)
    figure.text(_LABELS / width, 1 - 0.02 / height, shorten(title, 68), fontsize=13, weight="bold", va="top")
    return figure, panels


def _caption(results: Sequence[CaseResult]) -> str:
    """The verdict, and how to read the figure."""
    totals = sorted({one.total for one in results})
    n = f"n = {totals[0]:,}" if len(totals) == 1 else f"n = {totals[0]:,} to {totals[-1]:,}"
    how = (
        f"Points: accuracy on validation, {n} images; whiskers: 95% Wilson intervals; one scale for all fields. All "
        "cases saw the same images: whiskers that overlap do not show two cases to be equal."
    )
    return "\n".join(line for text in (verdict(results), how) for line in textwrap.wrap(text, 106))
