"""What the figures of a report draw. Each function returns a matplotlib Figure and touches no global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from evaluation.predictions import Predictions, RegressionPredictions
from evaluation.ranking import RocCurve, roc_curve
from evaluation.report.words import decimal

# Okabe & Ito's palette, told apart by colour-blind readers; a second round of classes gets another line style.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
MAX_ANNOTATED = 20
MAX_CLASSES_IN_HALF_WIDTH = 5
MAX_NAMED_CURVES = 10
MAX_DRAWN_POINTS = 5000


def confusion_figure(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """Confusion matrix coloured by the share of each row, with counts and shares where they fit.

    Args:
        matrix: Counts, rows the truth, shape (K, K).
        labels: The K class names.

    Returns:
        The figure.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    support = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    k = len(labels)
    size = float(np.clip(1.6 + 0.62 * k, 3.4, 9.5)) if k <= MAX_ANNOTATED else 8.5
    figure = Figure(figsize=(size + 1.0, size), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, format=PercentFormatter(1, decimals=0))
    bar.set_label("Share of the true class")
    bar.outline.set_visible(False)
    axes.set(xlabel="Predicted", ylabel="Truth")
    axes.spines[:].set_visible(False)
    if k <= MAX_ANNOTATED:
        _annotate(axes, counts, share)
    _name_ticks(axes, labels)
    return figure


def roc_figure(predictions: Predictions, numbers: Mapping[str, Any]) -> Figure | None:
    """ROC curves: of the positive class with its operating point, or of every class against the rest.

    Args:
        predictions: Truth and scores.
        numbers: The split's part of `report_numbers`, for areas and rates.

    Returns:
        The figure, or None where no curve is defined.
    """
    curves = _curves(predictions)
    if not curves:
        return None
    figure = Figure(figsize=(5.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (4, 4)))
    if predictions.positive is not None:
        _draw_positive_curve(axes, curves[1], numbers)
    elif len(predictions.labels) <= MAX_NAMED_CURVES:
        _draw_named_curves(axes, curves, numbers)
    else:
        _draw_many_curves(axes, curves, numbers)
    axes.set(xlabel="1 − specificity (type I error rate)", ylabel="Sensitivity (recall)")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.grid(color="#e8e8e8", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right")
    return figure


def score_figure(predictions: Predictions) -> Figure:
    """Histogram of the positive class' score, by truth, with the threshold."""
    figure = Figure(figsize=(5.2, 3.5), layout="constrained")
    axes = figure.add_subplot()
    bins = np.linspace(0, 1, 26).tolist()
    score = predictions.y_score[:, 1]
    for index, (hatch, colour) in enumerate((("", COLOURS[4]), ("///", COLOURS[1]))):
        mine = score[predictions.y_true == index]
        name = f"truly {shorten(predictions.labels[index])} (n = {len(mine):,})"
        axes.hist(mine, bins=bins, color=colour, alpha=0.65, edgecolor="white", linewidth=0.5, hatch=hatch, label=name)
    axes.axvline(predictions.threshold, color="#222222", linewidth=1, linestyle="--")
    axes.set(xlabel=f"Score of {shorten(str(predictions.positive))}", ylabel="Examples", xlim=(0, 1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    top = axes.get_ylim()[1]
    axes.annotate(f"threshold {predictions.threshold:g}", (predictions.threshold, top), (4, -2),
                  textcoords="offset points", va="top", fontsize=9)  # fmt: skip
    figure.legend(loc="outside upper center", ncols=1 if max(map(len, predictions.labels)) > 18 else 2)
    return figure


def predicted_figure(predictions: RegressionPredictions) -> Figure:
    """Predicted against true values, with the identity line."""
    figure = Figure(figsize=(5.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    shown = _sample(len(predictions))
    both = np.concatenate([predictions.y_true[shown], predictions.y_pred[shown]])
    margin = 0.04 * (float(np.ptp(both)) or 1.0)
    limits = (float(both.min()) - margin, float(both.max()) + margin)
    axes.plot(limits, limits, color="#666666", linewidth=1, linestyle="--", label="prediction = truth")
    _scatter(axes, predictions.y_true[shown], predictions.y_pred[shown])
    axes.set(xlabel="True value", ylabel="Predicted value", xlim=limits, ylim=limits, aspect="equal")
    axes.legend(loc="upper left")
    return figure


def residual_figure(predictions: RegressionPredictions) -> Figure:
    """Residuals (predicted − true) against predictions: structure in them is error that a model could remove."""
    figure = Figure(figsize=(5.2, 3.5), layout="constrained")
    axes = figure.add_subplot()
    shown = _sample(len(predictions))
    axes.axhline(0, color="#666666", linewidth=1, linestyle="--")
    _scatter(axes, predictions.y_pred[shown], (predictions.y_pred - predictions.y_true)[shown])
    axes.set(xlabel="Predicted value", ylabel="Residual (predicted − true)")
    return figure


def shorten(name: str, length: int = 24) -> str:
    """A name of at most `length` characters on one line, cut in the middle so that both ends can be told apart."""
    name = " ".join(name.split())
    half = (length - 1) // 2
    return name if len(name) <= length else f"{name[: length - 1 - half]}…{name[-half:]}"


def _curves(predictions: Predictions) -> dict[int, RocCurve]:
    """The defined curves by class index; with a positive class only its own."""
    wanted = [1] if predictions.positive is not None else range(len(predictions.labels))
    points = 1000 if len(predictions.labels) <= MAX_NAMED_CURVES else 200
    curves = {i: roc_curve(predictions.y_true == i, predictions.y_score[:, i], points) for i in wanted}
    return {index: curve for index, curve in curves.items() if curve is not None}


def _draw_positive_curve(axes: Axes, curve: RocCurve, numbers: Mapping[str, Any]) -> None:
    """The positive class' curve and where the threshold lies on it."""
    rates = numbers["per_class"][1]
    name = f"AUC {decimal(rates['auc']['estimate'])}  {shorten(numbers['positive'])}"
    axes.plot(curve.false_positive_rate, curve.true_positive_rate, color=COLOURS[0], linewidth=1.8, label=name)
    point = rates["false_positive_rate"]["estimate"], rates["sensitivity"]["estimate"]
    axes.plot(*point, "o", markersize=8, color=COLOURS[1], markeredgecolor="white", clip_on=False, zorder=5,
              label=f"operating point, threshold {numbers['threshold']:g}")  # fmt: skip


def _draw_named_curves(axes: Axes, curves: Mapping[int, RocCurve], numbers: Mapping[str, Any]) -> None:
    """Every class in its own colour and line style, with its area in the legend."""
    for index, curve in curves.items():
        entry = numbers["per_class"][index]
        name = f"AUC {decimal(entry['auc']['estimate'])}  {shorten(entry['label'])}"
        style = LINE_STYLES[index // len(COLOURS) % len(LINE_STYLES)]
        axes.plot(curve.false_positive_rate, curve.true_positive_rate, linewidth=1.4, label=name,
                  color=COLOURS[index % len(COLOURS)], linestyle=style)  # fmt: skip


def _draw_many_curves(axes: Axes, curves: Mapping[int, RocCurve], numbers: Mapping[str, Any]) -> None:
    """Faint lines for the classes, and their vertical mean."""
    grid = np.linspace(0, 1, 201)
    heights = []
    for rank, curve in enumerate(curves.values()):
        label = f"each of {len(curves)} classes" if rank == 0 else None
        axes.plot(curve.false_positive_rate, curve.true_positive_rate, color="#8aa9c4", linewidth=0.6,
                  alpha=max(0.15, min(0.6, 20 / len(curves))), label=label)  # fmt: skip
        heights.append(np.interp(grid, curve.false_positive_rate, curve.true_positive_rate))
    mean = np.append(0.0, np.mean(heights, axis=0))
    area = decimal(numbers["averages"]["macro"]["auc"]["estimate"])
    axes.plot(np.append(0.0, grid), mean, color=COLOURS[0], linewidth=2, label=f"mean of the classes, macro AUC {area}")


def _annotate(axes: Axes, counts: np.ndarray, share: np.ndarray) -> None:
    """Counts, and below them the share of the row."""
    k = len(counts)
    size = 10 if k <= 6 else 8 if k <= 12 else 6
    for row, column in np.ndindex(k, k):
        if counts[row, column] == 0 and k > 6:
            continue
        text = f"{counts[row, column]:,}"
        if k <= 12:
            text += f"\n{100 * share[row, column]:.0f}%"
        colour = "white" if share[row, column] > 0.55 else "#222222"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour, linespacing=1.25)


def _name_ticks(axes: Axes, labels: Sequence[str]) -> None:
    """Class names at the ticks; above 40 classes only some of them."""
    k = len(labels)
    step = max(1, -(-k // 40))
    places = list(range(0, k, step))
    names = [shorten(labels[index], 22) for index in places]
    long = max(map(len, names), default=0) > (10 if k <= 4 else 3)
    size = 9 if k <= 20 else 7
    axes.set_xticks(places, names, rotation=45 if long else 0, ha="right" if long else "center",
                    rotation_mode="anchor", fontsize=size)  # fmt: skip
    if not long:
        axes.tick_params(axis="x", pad=10)
    axes.set_yticks(places, names, fontsize=size)
    axes.tick_params(length=0)


def _scatter(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Points, fainter the more there are."""
    alpha = float(np.clip(60 / max(1, len(x)) ** 0.6, 0.15, 0.7))
    axes.scatter(x, y, s=16, color=COLOURS[0], alpha=alpha, linewidths=0)
    axes.grid(color="#e8e8e8", linewidth=0.6)
    axes.set_axisbelow(True)


def _sample(n: int) -> np.ndarray:
    """Indices of the points to draw: all, or an even selection of at most `MAX_DRAWN_POINTS`."""
    return np.unique(np.linspace(0, n - 1, min(n, MAX_DRAWN_POINTS)).astype(np.int64))
