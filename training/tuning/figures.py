"""The figures of a search: how it went, which values the good trials had, and what each hyperparameter did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.plots.style import BLUE, DARK, FULL_WIDTH, GREY, RULE, VERMILLION, grid, shorten
from training.tuning.importance import Importances, as_numbers
from training.tuning.table import Row, best_first

COLOURS = "viridis"
LOG_RATIO = 50  # of the largest to the smallest of positive values, above which an axis is logarithmic
AXES_IN_PARALLEL = 16
PANELS = 24
FEW_AXES = 10  # above which names of values are cut short
ENOUGH = 4  # trials that were trained to their end, which alone decide about an axis then
NONE = "none"


@dataclass(frozen=True)
class Scale:
    """Places of the values of one hyperparameter on an axis from 0 to 1.

    Attributes:
        name: Of the hyperparameter.
        places: One for each trial; NaN where it has none.
        ticks: (place, text) to write.
        is_log: Whether the axis is logarithmic.
    """

    name: str
    places: np.ndarray
    ticks: tuple[tuple[float, str], ...]
    is_log: bool = False


def scale_of(name: str, values: Sequence[str | None]) -> Scale:
    """A scale for the values of all trials: numbers by size, others side by side in their order."""
    given = [value for value in values if value is not None]
    numbers, distinct = as_numbers(given), sorted(set(given))
    if numbers is None or len(distinct) <= 6:
        return _choices(name, values, distinct if numbers is None else sorted(distinct, key=float))
    low, high = min(numbers), max(numbers)
    is_log = low > 0 and high / low >= LOG_RATIO
    span = (math.log(low), math.log(high)) if is_log else (low, high)
    raw = np.array([math.nan if value is None else float(value) for value in values])
    places = ((np.log(raw) if is_log else raw) - span[0]) / (span[1] - span[0])
    ends = [span[0] + share * (span[1] - span[0]) for share in (0.0, 0.5, 1.0)]
    texts = [f"{math.exp(end) if is_log else end:.2g}" for end in ends]
    return Scale(name, places, tuple(zip((0.0, 0.5, 1.0), texts, strict=True)), is_log)


def _choices(name: str, values: Sequence[str | None], distinct: Sequence[str]) -> Scale:
    step = 1 / max(1, len(distinct) - 1)
    place = {value: (index * step if len(distinct) > 1 else 0.5) for index, value in enumerate(distinct)}
    places = np.array([math.nan if value is None else place[value] for value in values])
    return Scale(name, places, tuple((place[value], shorten(short(value), 16)) for value in distinct))


def short(value: str) -> str:
    """A number without the digits that only its binary form has."""
    numbers = as_numbers([value])
    return value if numbers is None or value.isdecimal() else f"{numbers[0]:.4g}"


def progress_figure(rows: Sequence[Row], direction: str, objective: str) -> Figure:
    """Every score, and the best so far: over the trials, and over the time of the search."""
    figure = Figure(figsize=(FULL_WIDTH, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    ended = sorted((row for row in rows if row.score is not None), key=lambda row: row.ended_seconds or row.number)
    _progress(left, rows, ended, [row.number for row in ended], direction)
    left.set(xlabel="trial", ylabel=f"{objective} (validation)")
    minutes = [(row.ended_seconds or 0.0) / 60 for row in ended]
    _progress(right, (), ended, minutes, direction)
    right.set(xlabel="time since the search began (minutes)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _progress(ax: Axes, rows: Sequence[Row], ended: Sequence[Row], x: Sequence[float], direction: str) -> None:
    scores = np.array([float(row.score or 0.0) for row in ended])
    low, high = limits_of(ended)
    shown = np.clip(scores, low, high)
    hollow = np.array([row.status == "stopped" for row in ended], dtype=bool)
    place = np.asarray(x, dtype=float)
    spreads = np.array([row.spread or 0.0 for row in ended])
    if spreads.any():
        ax.errorbar(place, shown, yerr=spreads, fmt="none", ecolor=BLUE, elinewidth=0.8, alpha=0.6)
    inside = (scores >= low) & (scores <= high)
    looks: tuple[tuple[Any, dict[str, Any], str], ...] = (
        (inside & ~hollow, {"marker": "o", "color": BLUE}, "a trial"),
        (inside & hollow, {"marker": "o", "facecolors": "white", "edgecolors": BLUE}, "stopped as hopeless"),
        (~inside, {"marker": "v", "color": GREY}, "beyond the axis"),
    )
    for which, look, label in looks:
        if which.any():
            ax.scatter(place[which], shown[which], s=26, zorder=3, label=label, **look)
    failed = [row.number for row in rows if row.status == "failed"]
    if failed:
        ax.scatter(failed, [low] * len(failed), marker="x", color=VERMILLION, s=30, label="failed", clip_on=False)
    best = (np.maximum if direction == "max" else np.minimum).accumulate(scores)
    order = np.argsort(place, kind="stable")
    ax.step(place[order], np.clip(best, low, high)[order], where="post", color=DARK, linewidth=1.4, label="best so far")
    grid(ax)


def limits_of(rows: Sequence[Row]) -> tuple[float, float]:
    """The range of an axis for scores; those of trials that were stopped early do not stretch it."""
    whole = [row.score for row in rows if row.score is not None and row.status == "completed"]
    scored = [row.score for row in rows if row.score is not None]
    return visible(np.array(whole if len(whole) >= ENOUGH else scored, dtype=float))


def visible(scores: np.ndarray) -> tuple[float, float]:
    """The range of an axis in which the good half of the scores can be told apart; far ones lie on its edge."""
    middle = np.quantile(scores, [0.25, 0.75])
    reach = 2.5 * max(float(middle[1] - middle[0]), 1e-6 + 0.01 * float(np.abs(scores).max(initial=0.0)))
    low, high = max(scores.min(), middle[0] - reach), min(scores.max(), middle[1] + reach)
    pad = 0.05 * (high - low) or 0.01
    return float(low - pad), float(high + pad)


def parallel_figure(rows: Sequence[Row], names: Sequence[str], direction: str, objective: str) -> Figure:
    """One line per trial over all hyperparameters, coloured by its score; the best is drawn last and thickest."""
    trials = best_first(rows, direction)[::-1]
    scales = [scale_of(name, [row.point.get(name) for row in trials]) for name in names[:AXES_IN_PARALLEL]]
    scores = np.array([float(row.score or 0.0) for row in trials])
    low, high = limits_of(trials)
    norm = matplotlib.colors.Normalize(low, high)
    colours = matplotlib.colormaps[COLOURS if direction == "max" else f"{COLOURS}_r"]
    figure = Figure(figsize=(FULL_WIDTH, 4.6), layout="constrained")
    ax = figure.add_subplot()
    absent = -0.12
    for index, score in enumerate(scores):
        heights = [absent if np.isnan(one.places[index]) else one.places[index] for one in scales]
        last = index == len(scores) - 1
        look: dict[str, Any] = {"linewidth": 2.6, "alpha": 1.0} if last else {"linewidth": 1.0, "alpha": 0.65}
        ax.plot(
            range(len(heights)), heights, color=VERMILLION if last else colours(norm(score)), zorder=2 + index, **look
        )
    for place, one in enumerate(scales):
        ax.axvline(place, color=GREY, linewidth=0.8, zorder=1)
        for y, text in one.ticks:
            shown = text if len(scales) <= FEW_AXES else shorten(text, 8)
            ax.text(
                place,
                y,
                f" {shown}",
                fontsize=7 if len(scales) <= FEW_AXES else 6,
                va="center",
                color=DARK,
                zorder=1000,
                bbox=_LABEL,
            )
    ax.set_xticks(range(len(scales)), [shorten(one.name, 20) for one in scales], rotation=35, ha="right", fontsize=8)
    ax.set_yticks([])
    if any(np.isnan(one.places).any() for one in scales):
        ax.set_yticks([absent], ["not used"], fontsize=8)
    ax.set(xlim=(-0.2, len(scales) - 0.4), ylim=(-0.2, 1.06))
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    figure.colorbar(matplotlib.cm.ScalarMappable(norm, colours), ax=ax, label=f"{objective} (validation)", pad=0.01)
    return figure


_LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}


def slices_figure(rows: Sequence[Row], names: Sequence[str], direction: str, objective: str) -> Figure:
    """The score of every trial against each hyperparameter, a panel each; a line joins the medians of few values."""
    trials = [row for row in rows if row.score is not None]
    names, columns = names[:PANELS], 3
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(FULL_WIDTH, 0.4 + 2.1 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    scores = np.array([float(row.score or 0.0) for row in trials])
    low, high = limits_of(trials)
    best = best_first(trials, direction)[0].number
    jitter = np.random.default_rng(0).uniform(-0.03, 0.03, len(trials))
    for ax, name in zip(axes, names, strict=False):
        scale = scale_of(name, [row.point.get(name) for row in trials])
        _slice(ax, scale, scores, (low, high), jitter, np.array([row.number == best for row in trials]))
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    for ax in axes[::columns]:
        ax.set_ylabel(objective, fontsize=8)
    return figure


def _slice(
    ax: Axes, scale: Scale, scores: np.ndarray, limits: tuple[float, float], jitter: np.ndarray, best: np.ndarray
) -> None:
    """One panel."""
    shown, has = np.clip(scores, *limits), ~np.isnan(scale.places)
    few = len(scale.ticks) == len(set(scale.places[has]))
    x = scale.places + (jitter if few else 0)
    ax.scatter(x[has], shown[has], s=16, color=BLUE, alpha=0.6, linewidths=0, zorder=3)
    if (has & best).any():
        ax.scatter(x[has & best], shown[has & best], s=46, color=VERMILLION, marker="*", zorder=5)
    if few and has.any():
        places = sorted(set(scale.places[has]))
        medians = [float(np.median(shown[scale.places == place])) for place in places]
        ax.plot(places, medians, color=DARK, linewidth=1.1, marker="_", markersize=12, zorder=4)
    ax.set_xticks([place for place, _ in scale.ticks], [text for _, text in scale.ticks], fontsize=7)
    if few and sum(len(text) for _, text in scale.ticks) > 22:
        for label in ax.get_xticklabels():
            label.set(rotation=25, ha="right")
    ax.set(xlim=(-0.1, 1.1), ylim=limits)
    ax.set_title(shorten(scale.name, 28) + (" (log axis)" if scale.is_log else ""), fontsize=9)
    ax.tick_params(axis="y", labelsize=7)
    grid(ax)


def importance_figure(found: Importances) -> Figure:
    """A bar for each hyperparameter, with the range over the divisions of the trials."""
    entries = found.entries[:PANELS]
    figure = Figure(figsize=(FULL_WIDTH, 0.9 + 0.27 * len(entries)), layout="constrained")
    ax = figure.add_subplot()
    for place, one in enumerate(entries):
        ax.barh(place, max(0.0, one.mean), color=BLUE if one.is_clear else RULE, height=0.65)
        ax.plot([one.low, one.high], [place, place], color=DARK, linewidth=1.2)
    ax.set_yticks(range(len(entries)), [shorten(one.name, 28) for one in entries])
    ax.invert_yaxis()
    ax.set_xlabel("loss of R² for the ranks of unseen trials, where its values are shuffled")
    grid(ax, "x")
    return figure
