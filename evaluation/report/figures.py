"""The figures of a report, drawn from the numbers of report.json, so that the two cannot disagree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from evaluation import plots
from evaluation.plots.difference import MAX_PAIRS
from evaluation.plots.forest import MAX_ROWS, MEASURES
from evaluation.plots.matrix import MAX_CLASSES_IN_HALF_WIDTH
from evaluation.plots.regression import MAX_DRAWN_POINTS
from evaluation.plots.roc import MAX_NAMED_CURVES
from evaluation.predictions import Predictions, RegressionPredictions
from evaluation.report.words import decimal, percent

MAX_CURVES = 100
_MEASURE_TITLES = {"sensitivity": "sensitivity", "specificity": "specificity", "accuracy": "accuracy", "auc": "AUC"}


@dataclass(frozen=True)
class RenderedFigure:
    """A figure as files.

    Attributes:
        name: File name without suffix, such as "test-roc".
        title: Heading above the figure.
        alt: What a reader who cannot see it should know.
        wide: Whether it needs the full width of the page.
        png: The picture at 144 dots per inch.
        svg: The picture as vectors.
    """

    name: str
    title: str
    alt: str
    wide: bool
    png: bytes
    svg: bytes


class _Drawing(NamedTuple):
    """A figure before it is rendered."""

    key: str
    title: str
    alt: str
    figure: Figure
    wide: bool = False


def split_figures(
    name: str, split: Mapping[str, Any], *, predictions: Predictions | RegressionPredictions | None = None
) -> list[RenderedFigure]:
    """Draws the figures of one split.

    Args:
        name: The split's name.
        split: The split in report.json.
        predictions: What was predicted, for what report.json does not hold: ROC curves of more than two classes and
            the scatter plots of a regression, which are left out without it.

    Returns:
        Figures in the order of the page; those that would be empty are left out.
    """
    if split["n"] == 0:
        return []
    with matplotlib.rc_context(plots.report_style()):
        if split["kind"] == "regression":
            drawings = _regression(split, predictions) if isinstance(predictions, RegressionPredictions) else iter(())
        else:
            drawings = _classification(split, predictions if isinstance(predictions, Predictions) else None)
        return [_rendered(_slug(name), drawing) for drawing in drawings]


def comparison_figures(
    data: Mapping[str, Any], predictions: Mapping[str, Predictions] | None = None
) -> list[RenderedFigure]:
    """Draws the figures that compare models on the same examples.

    Args:
        data: The whole of report.json.
        predictions: Predictions by the model's name, for the ROC curves, which are left out without them.

    Returns:
        ROC curves over one another and the differences with their intervals; none without a comparison.
    """
    comparison = data.get("comparison")
    if not comparison:
        return []
    with matplotlib.rc_context(plots.report_style()):
        found = (_compared_curves(comparison, predictions or {}), _differences(comparison))
        return [_rendered("comparison", drawing) for drawing in found if drawing is not None]


def _classification(split: Mapping[str, Any], predictions: Predictions | None) -> Iterator[_Drawing]:
    """Everything that report.json holds of a classification."""
    yield _matrix(split)
    if split.get("roc"):
        yield _roc(split)
    elif predictions is not None and split["positive"] is None:
        yield from _class_curves(split, predictions)
    if split.get("precision_recall"):
        yield _precision_recall(split)
    if split.get("calibration_curve"):
        yield _calibration(split)
    if split.get("score_histogram"):
        yield _scores(split)
    yield from _subgroups(split)


def _matrix(split: Mapping[str, Any]) -> _Drawing:
    """Confusion matrix."""
    labels = split["labels"]
    alt = f"Confusion matrix, rows are the truth. {_of(split['accuracy'])} examples lie on the diagonal."
    if len(labels) <= MAX_CLASSES_IN_HALF_WIDTH:
        shares = (f"{one['label']} {_of(one['sensitivity'])}" for one in split["per_class"])
        alt += f" By true class: {'; '.join(shares)}."
    figure = plots.plot_confusion_matrix(split["confusion_matrix"], labels).figure_
    return _Drawing("confusion-matrix", "Confusion matrix", alt, figure, len(labels) > MAX_CLASSES_IN_HALF_WIDTH)


def _roc(split: Mapping[str, Any]) -> _Drawing:
    """ROC curve of the positive class with its band, the operating point and the readers."""
    roc, rates, positive = split["roc"], split["per_class"][1], split["positive"]
    x, y = np.array(roc["fp"]) / roc["negatives"], np.array(roc["tp"]) / roc["positives"]
    band = roc.get("band")
    limits = (band["false_positive_rate"], band["low"], band["high"]) if band else None
    point = plots.RocPoint(f"operating point, threshold {split['threshold']:.3g}", *_rates(rates))
    readers, said = _readers(split.get("readers"))
    figure = plots.plot_roc(x, y, band=limits, auc=rates["auc"], name=positive, points=[*readers, point]).figure_
    alt = (
        f"ROC curve of {positive}. The area under it is {_decimal(rates['auc'])}. At the operating point, "
        f"sensitivity is {_percent(rates['sensitivity'])} and specificity {_percent(rates['specificity'])}.{said}"
    )
    return _Drawing("roc", "ROC curve with readers" if readers else "ROC curve", alt, figure)


def _readers(study: Mapping[str, Any] | None) -> tuple[list[plots.RocPoint], str]:
    """Readers and, of two or more, their mean as points, and what to say of them; none where they only rated."""
    if not study:
        return [], ""
    points = [plots.RocPoint(_reader(one["name"]), *_rates(one), kind="reader") for one in study["readers"]]
    points = [point for point in points if point.defined]
    if not points:
        return [], ""
    if len(points) == 1:
        return points, f" One reader is a point: sensitivity {_percent(points[0].sensitivity)}, specificity " + (
            f"{_percent(points[0].specificity)}."
        )
    mean = plots.RocPoint("mean of the readers", *_rates(study["mean"]), kind="mean reader")
    said = f"sensitivity {_percent(mean.sensitivity)}, specificity {_percent(mean.specificity)}"
    return [*points, mean], f" {len(points)} readers are points; the mean reader has {said}."


def _reader(name: str) -> str:
    """What the legend calls a reader who is alone."""
    return name if name.lower().startswith("reader") else f"reader {name}"


def _class_curves(split: Mapping[str, Any], predictions: Predictions) -> Iterator[_Drawing]:
    """ROC curves of the classes, each against the rest; of very many classes, some that are spread by their AUC."""
    from evaluation.metrics.curves import roc_curve
    from evaluation.metrics.ranking import rank

    areas = {index: one["auc"] for index, one in enumerate(split["per_class"]) if one["auc"]["estimate"] is not None}
    if not areas:
        return
    ranked = sorted(areas, key=lambda index: areas[index]["estimate"])
    spread = np.unique(np.linspace(0, len(ranked) - 1, min(len(ranked), MAX_CURVES)).astype(np.int64))
    chosen = sorted(ranked[place] for place in spread)
    curves = {}
    for index in chosen:
        ranking = rank(predictions.y_true == index, predictions.y_score[:, index], weights=predictions.weights)
        curve = roc_curve(ranking, 1000 if len(chosen) <= MAX_NAMED_CURVES else 200)
        if curve is not None:
            curves[split["labels"][index]] = (curve.false_positive_rate, curve.true_positive_rate)
    macro = split["averages"]["macro"]["auc"]
    named = {split["labels"][index]: area for index, area in areas.items()}
    figure = plots.plot_roc_overlay(curves, areas=named, mean_area=macro, of=len(areas)).figure_
    some = "" if len(curves) == len(areas) else f" of {len(areas):,}"
    alt = f"ROC curves of {len(curves)}{some} classes, each against the rest; the macro AUC is {_decimal(macro)}."
    if len(curves) <= MAX_NAMED_CURVES:
        alt += f" {'; '.join(f'{name} {_decimal(named[name])}' for name in curves)}."
    yield _Drawing("roc", "ROC curves, one class against the rest", alt, figure)


def _precision_recall(split: Mapping[str, Any]) -> _Drawing:
    """Precision–recall curve with the operating point."""
    curve, rates, positive = split["precision_recall"], split["per_class"][1], split["positive"]
    area = rates["average_precision"]
    figure = plots.plot_precision_recall(
        curve["recall"], curve["precision"], prevalence=split["prevalence"], average_precision=area, name=positive,
        point=(rates["sensitivity"], rates["precision"]),
    ).figure_  # fmt: skip
    alt = (
        f"Precision–recall curve of {positive}. The average precision is {_decimal(area)}; guessing has the "
        f"prevalence, {_percent(split['prevalence'])}."
    )
    return _Drawing("precision-recall", "Precision–recall curve", alt, figure)


def _calibration(split: Mapping[str, Any]) -> _Drawing:
    """Calibration curve of the positive class."""
    slope, intercept = split.get("calibration_slope"), split.get("calibration_intercept")
    bins = split["calibration_curve"]
    figure = plots.plot_calibration(bins, slope=slope, intercept=intercept, name=split["positive"] or "").figure_
    shares = (f"mean score {decimal(one['mean_score'])}, observed {_of(one['observed'])}" for one in bins)
    alt = f"Calibration curve. By bin: {'; '.join(shares)}."
    if slope and slope["estimate"] is not None:
        alt += f" The slope is {_decimal(slope)}; 1 is perfect."
    return _Drawing("calibration", "Calibration", alt, figure)


def _scores(split: Mapping[str, Any]) -> _Drawing:
    """Histogram of the positive class' score."""
    histogram, positive, threshold = split["score_histogram"], split["positive"] or "", split["threshold"]
    figure = plots.plot_score_histogram(
        histogram["edges"], histogram["counts"], threshold=threshold, name=positive
    ).figure_
    at = "" if threshold is None else f", with the threshold {threshold:.3g}"
    alt = f"Histogram of the score of {positive} by true class, as shares of the class{at}."
    if threshold is not None:
        above = (f"{_percent(split['per_class'][1]['sensitivity'])} of {positive}",
                 f"{_percent(split['per_class'][1]['false_positive_rate'])} of {split['labels'][0]}")  # fmt: skip
        alt += f" At or above it lie {above[0]} and {above[1]}."
    return _Drawing("scores", f"Scores of {plots.shorten(positive, 40)} by truth", alt, figure)


def _subgroups(split: Mapping[str, Any]) -> Iterator[_Drawing]:
    """Forest plot of the subgroups."""
    rows = split.get("subgroups") or ()
    measures = {name: title for name, title in MEASURES.items() if any(_defined(row[name]) for row in rows)}
    if not measures:
        return
    overall = split["per_class"][1] if split["positive"] is not None else split["averages"]["macro"]
    if split["positive"] is None:
        measures = {name: f"{title}, macro" for name, title in measures.items()}
    figure = plots.plot_forest(rows, measures=measures, overall=overall).figure_
    columns = dict.fromkeys(row["column"] for row in rows)
    alt = f"Forest plot of {', '.join(measures.values())} in {len(rows)} subgroups by {', '.join(columns)}."
    for name, title in measures.items():
        values = sorted((row for row in rows if _defined(row[name])), key=lambda row: row[name]["estimate"])
        ends = (f"{_decimal(row[name])} ({row['column']} {row['value']})" for row in (values[0], values[-1]))
        alt += f" {title}: {' to '.join(ends)}."
    if len(rows) > MAX_ROWS:
        alt += f" The first {MAX_ROWS} subgroups are drawn."
    yield _Drawing("subgroups", _partly("Subgroups", MAX_ROWS, len(rows)), alt, figure, True)


def _compared_curves(comparison: Mapping[str, Any], predictions: Mapping[str, Predictions]) -> _Drawing | None:
    """ROC curves of the models over one another, with their operating points."""
    from evaluation.metrics.curves import roc_curve
    from evaluation.metrics.ranking import rank

    curves, areas, points = {}, {}, {}
    for model in comparison["models"]:
        mine = predictions.get(model["name"])
        if mine is None or mine.positive is None:
            continue
        curve = roc_curve(rank(mine.y_true == 1, mine.y_score[:, 1], weights=mine.weights), 500)
        if curve is not None:
            curves[model["name"]] = (curve.false_positive_rate, curve.true_positive_rate)
            areas[model["name"]] = model["auc"]
            points[model["name"]] = plots.RocPoint(model["name"], *_rates(model))
    if not curves:
        return None
    figure = plots.plot_roc_overlay(curves, areas=areas, points=points).figure_
    said = "; ".join(f"{name} {_decimal(area)}" for name, area in areas.items())
    return _Drawing("roc", "ROC curves of the models", f"ROC curves. Areas under them: {said}.", figure)


def _differences(comparison: Mapping[str, Any]) -> _Drawing | None:
    """Differences of every pair, with their intervals."""
    pairs: dict[str, dict[str, Any]] = {}
    said = []
    for pair in comparison["pairs"]:
        first, second = (plots.shorten(pair[side], 26) for side in ("first", "second"))
        tests = {test["measure"]: test["difference"] for test in pair["tests"]}
        name = f"{first}\n− {second}"
        pairs[name + " " * sum(other.rstrip() == name for other in pairs)] = tests  # shortened names may coincide
        said += [
            f"{_MEASURE_TITLES[name]} of {pair['first']} less that of {pair['second']}: {_decimal(difference)}"
            for name, difference in tests.items()
            if _defined(difference)
        ]
    found = {name for tests in pairs.values() for name, difference in tests.items() if _defined(difference)}
    measures = {name: title for name, title in _MEASURE_TITLES.items() if name in found}
    if not measures:
        return None
    figure = plots.plot_difference(pairs, measures=measures).figure_
    title = _partly("Differences between the models", MAX_PAIRS, len(pairs))
    return _Drawing("differences", title, f"Differences with intervals. {'; '.join(said[:12])}.", figure, True)


def _regression(split: Mapping[str, Any], p: RegressionPredictions) -> Iterator[_Drawing]:
    """Predicted against true values, and residuals against predictions."""
    error = f"The mean absolute error is {split['mae']['estimate']:.4g} over {split['n']:,} examples."
    predicted = plots.plot_predicted(p.y_true, p.y_pred).figure_
    title = _partly("Predicted against true value", MAX_DRAWN_POINTS, len(p))
    yield _Drawing("predicted", title, f"Scatter plot with the identity line. {error}", predicted)
    residuals = plots.plot_residuals(p.y_true, p.y_pred).figure_
    title = _partly("Residuals", MAX_DRAWN_POINTS, len(p))
    yield _Drawing("residuals", title, f"Residuals against predicted values. {error}", residuals)


def _rendered(prefix: str, drawing: _Drawing) -> RenderedFigure:
    """A figure in both formats."""
    png, svg = plots.render(drawing.figure)
    return RenderedFigure(f"{prefix}-{drawing.key}", drawing.title, drawing.alt, drawing.wide, png, svg)


def _rates(one: Mapping[str, Any]) -> tuple[Any, Any]:
    """Sensitivity and specificity of a model or reader."""
    return one["sensitivity"], one["specificity"]


def _defined(estimate: Mapping[str, Any] | None) -> bool:
    """Whether there is a number."""
    return estimate is not None and estimate["estimate"] is not None


def _percent(estimate: Any) -> str:
    """A share with its interval, in words."""
    return _with_interval(estimate, percent)


def _decimal(estimate: Any) -> str:
    """A number with its interval, in words."""
    return _with_interval(estimate, decimal)


def _with_interval(estimate: Any, show: Any) -> str:
    """Value and interval as text."""
    if not _defined(estimate):
        return "undefined"
    low, high = estimate.get("low"), estimate.get("high")
    interval = "" if low is None or high is None else f" ({show(low)} to {show(high)})"
    return f"{show(estimate['estimate'])}{interval}"


def _of(estimate: Mapping[str, Any]) -> str:
    """A share with its denominator."""
    total = estimate.get("denominator")
    of = "the" if total is None else f"{total:,.0f}" if total == round(total) else f"{total:,.1f}"
    return f"{percent(estimate['estimate'])} of {of}"


def _partly(title: str, drawn: int, of: int) -> str:
    """A title that says so where not everything is drawn."""
    return title if of <= drawn else f"{title} ({drawn:,} of {of:,} drawn)"


def _slug(name: str) -> str:
    """A split's name as part of a file name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40] or "split"


__all__: Sequence[str] = ("RenderedFigure", "comparison_figures", "split_figures")
