"""People who judged the same examples: their points on the ROC, and the model against their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.metrics.auc import auc_estimate
from evaluation.metrics.diagnostic import DecisionSample
from evaluation.metrics.ranking import rank
from evaluation.predictions import Predictions, PredictionsError
from evaluation.studies.obuchowski import (
    MeanOfReaders,
    ReadCases,
    Resamples,
    mean_of_readers,
    model_against_readers,
    nan_mean,
    resample_readers_and_cases,
    sensitivity_at,
    specificity_at,
)
from evaluation.studies.paired import delong_covariances, mean_covariances
from evaluation.studies.reader_file import Kind, Readers, read_readers
from evaluation.uncertainty.intervals import Estimate, IntervalSettings, undefined
from evaluation.uncertainty.resampling import percentile_interval

__all__ = [
    "MeanReader",
    "ModelAtReaders",
    "ReaderAnalysis",
    "ReaderPoint",
    "ReaderStudy",
    "Readers",
    "compare_with_readers",
    "read_readers",
]

FEWEST_PER_CLASS = 10
FEW_READERS = 5
METHOD = "obuchowski-rockette"


@dataclass(frozen=True)
class ReaderPoint:
    """One reader, on the n examples that this reader read.

    Attributes:
        name: The reader.
        n: Examples read.
        sensitivity, specificity: Of decisions; None for ratings.
        auc: Of ratings; None for decisions.
    """

    name: str
    n: int
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    auc: Estimate | None = None


@dataclass(frozen=True)
class MeanReader:
    """The mean over readers; undefined, with the reason, where readers gave the other kind of answer."""

    sensitivity: Estimate
    specificity: Estimate
    auc: Estimate | None = None


@dataclass(frozen=True)
class ModelAtReaders:
    """The model where it equals the readers on one axis: its sensitivity at their mean specificity, and the reverse."""

    sensitivity_at_specificity: Estimate
    specificity_at_sensitivity: Estimate


@dataclass(frozen=True)
class ReaderAnalysis:
    """Model against the mean of the readers, readers and cases random.

    Attributes:
        measure: "sensitivity" and "specificity" of decisions, or "auc" of ratings.
        model: The model's, on the cases that all readers read; None where there is none.
        readers: The readers' mean on these cases.
        difference: Model − readers, with its interval.
        df: Hillis' denominator degrees of freedom, or None.
        statistic: F on 1 and `df` degrees of freedom, or None.
        p: Or None.
        bootstrap: Percentile interval of the difference over resampled readers and cases, as a check; or None.
        note: Why there is no test, or None.
    """

    measure: str
    model: float | None
    readers: float | None
    difference: Estimate
    df: float | None = None
    statistic: float | None = None
    p: float | None = None
    bootstrap: tuple[float, float] | None = None
    note: str | None = None


@dataclass(frozen=True)
class ReaderStudy:
    """All that a report says about readers."""

    kind: Kind
    readers: tuple[ReaderPoint, ...]
    mean: MeanReader
    model_at_readers: ModelAtReaders | None
    analysis: tuple[ReaderAnalysis, ...]
    notes: tuple[str, ...]


def compare_with_readers(predictions: Predictions, readers: Readers, *, settings: IntervalSettings) -> ReaderStudy:
    """Sets a model beside the people who judged the same examples.

    Every reader's rates on what this reader read; their mean; the model's sensitivity at the readers' mean
    specificity and the reverse, read conservatively off the ROC's steps; and the analysis of Obuchowski and Rockette
    of the model (at its threshold, or its AUC where readers rate) against the mean of the readers.

    Args:
        predictions: The model's predictions, with a positive class. Only examples that some reader read are used.
        readers: From `read_readers`, for these predictions.
        settings: How intervals are computed.

    Returns:
        The study. The analysis needs two readers, and ten positives and ten negatives that all readers read; notes
        say what was left out.

    Raises:
        PredictionsError: If the readings do not belong to these predictions.

    Reference:
        Obuchowski, N. A., & Rockette, H. E. (1995). Communications in Statistics: Simulation and Computation, 24.
        Hillis, S. L. (2007). Statistics in Medicine, 26.
    """
    if predictions.positive is None or readers.readings.shape != (len(readers.names), len(predictions)):
        shapes = f"{readers.readings.shape} for {len(predictions):,} examples, positive {predictions.positive!r}"
        raise PredictionsError(f"readings must be (readers, examples) of predictions with a positive class: {shapes}.")
    read = ~np.isnan(readers.readings).all(axis=0)
    cases = _cases(predictions, readers, read)
    complete = ~np.isnan(cases.readings).any(axis=0)
    resamples = _resampled(cases, settings)
    common = cases if complete.all() else _subset(cases, complete)
    again = resamples if common is cases or not complete.any() else _resampled(common, settings)
    points = tuple(_point(name, row, cases, settings) for name, row in zip(readers.names, cases.readings, strict=True))
    return ReaderStudy(
        readers.kind,
        points,
        _mean(points, cases, resamples, settings),
        None if cases.rated else _matched(points, cases, resamples, settings),
        _analyses(common, again, settings),
        _notes(predictions, readers, read, common),
    )


def _cases(predictions: Predictions, readers: Readers, read: np.ndarray) -> ReadCases:
    """The examples that some reader read."""
    whole = ReadCases(
        predictions.y_true == 1,
        predictions.y_score[:, 1],
        predictions.y_pred == 1,
        readers.readings,
        readers.kind == "rating",
        predictions.groups,
    )
    return whole if read.all() else _subset(whole, read)


def _subset(cases: ReadCases, mine: np.ndarray) -> ReadCases:
    """Some of the cases."""
    return ReadCases(
        cases.positive[mine],
        cases.score[mine],
        cases.decision[mine],
        cases.readings[:, mine],
        cases.rated,
        None if cases.groups is None else cases.groups[mine],
    )


def _resampled(cases: ReadCases, settings: IntervalSettings) -> Resamples | None:
    """Resamples of readers and cases, where there can be any."""
    return None if _why_no_resamples(cases, settings) else resample_readers_and_cases(cases, settings)


def _why_no_resamples(cases: ReadCases, settings: IntervalSettings) -> str | None:
    """Why readers and cases are not resampled, or None."""
    if len(cases.readings) < 2:
        return "a single reader"
    if cases.positive.all() or not cases.positive.any():
        return "only one kind of case"
    if len(cases.positive) > settings.most_resampled:
        return f"more than {settings.most_resampled:,} cases to resample"
    return None


def _point(name: str, readings: np.ndarray, cases: ReadCases, settings: IntervalSettings) -> ReaderPoint:
    """One reader's rates, or AUC, on the cases read."""
    read = ~np.isnan(readings)
    values, positive, n = readings[read], cases.positive[read], int(read.sum())
    groups = None if cases.groups is None else cases.groups[read]
    if cases.rated:
        return ReaderPoint(name, n, auc=auc_estimate(positive, values, groups=groups, settings=settings))
    sample = DecisionSample(positive.astype(np.int64), values.astype(np.int64), 2, groups=groups, settings=settings)
    measures = sample.class_measures(1)
    return ReaderPoint(name, n, measures["sensitivity"], measures["specificity"])


def _mean(
    points: Sequence[ReaderPoint], cases: ReadCases, resamples: Resamples | None, settings: IntervalSettings
) -> MeanReader:
    """The mean over readers, with the interval of readers and cases random."""
    if cases.rated:
        none = undefined("readers gave ratings, no decisions")
        return MeanReader(none, none, _mean_of("auc", points, cases, resamples, settings))
    return MeanReader(
        _mean_of("sensitivity", points, cases, resamples, settings),
        _mean_of("specificity", points, cases, resamples, settings),
    )


def _mean_of(
    measure: str,
    points: Sequence[ReaderPoint],
    cases: ReadCases,
    resamples: Resamples | None,
    settings: IntervalSettings,
) -> Estimate:
    """One measure averaged over the readers who define it."""
    estimates: list[Estimate] = [getattr(point, measure) for point in points]
    defined = [estimate.value for estimate in estimates if estimate.value is not None]
    if not defined:
        return undefined(estimates[0].reason or "undefined for every reader")
    if len(points) == 1:
        return estimates[0]
    estimate = Estimate(float(np.mean(defined)))
    if not np.isnan(cases.readings).any():
        figures, covariances = _figures(measure, cases)
        if np.isfinite(covariances).all():
            found = mean_of_readers(figures[1:], covariances[1:, 1:], confidence=settings.confidence)
            if found.low is not None and found.high is not None:
                return replace(estimate, low=max(0.0, found.low), high=min(1.0, found.high), method=METHOD)
    if resamples is None:
        return replace(estimate, note=f"no interval: {_why_no_resamples(cases, settings)}")
    return percentile_interval(
        estimate, resamples.readers[measure], confidence=settings.confidence, method=resamples.method
    )


def _matched(
    points: Sequence[ReaderPoint], cases: ReadCases, resamples: Resamples | None, settings: IntervalSettings
) -> ModelAtReaders | None:
    """The model at the readers' mean specificity and at their mean sensitivity; None where the model has no ROC."""
    ranking = rank(cases.positive, cases.score)
    if not ranking.positives or not ranking.negatives:
        return None
    tp, fp = ranking.tp[None, :], ranking.fp[None, :]
    found = []
    for other, at, name in (
        ("specificity", sensitivity_at, "sensitivity"),
        ("sensitivity", specificity_at, "specificity"),
    ):
        values = np.array([[getattr(point, other).value for point in points]], dtype=np.float64)
        value = float(at(tp, fp, nan_mean(values))[0])
        if np.isnan(value):
            found.append(undefined(f"the readers' mean {other} is undefined"))
            continue
        of = ranking.positives if name == "sensitivity" else ranking.negatives
        estimate = Estimate(value, numerator=round(value * of), denominator=of)
        if resamples is None:
            found.append(replace(estimate, note=f"no interval: {_why_no_resamples(cases, settings)}"))
            continue
        found.append(
            percentile_interval(
                estimate, resamples.matched[name], confidence=settings.confidence, method=resamples.method
            )
        )
    return ModelAtReaders(*found)


def _figures(measure: str, cases: ReadCases) -> tuple[np.ndarray, np.ndarray]:
    """Figure of merit of the model and of each reader, shape (1 + R,), and their covariances; all cases read by all."""
    if measure == "auc":
        return delong_covariances(cases.positive, np.vstack([cases.score, cases.readings]), cases.groups)
    mine = cases.positive if measure == "sensitivity" else ~cases.positive
    called = 1.0 if measure == "sensitivity" else 0.0
    right = np.vstack([cases.decision, cases.readings])[:, mine] == called
    groups = None if cases.groups is None else cases.groups[mine]
    values = right.astype(np.float64)
    return values.mean(axis=1), mean_covariances(values, groups)


def _analyses(cases: ReadCases, resamples: Resamples | None, settings: IntervalSettings) -> tuple[ReaderAnalysis, ...]:
    """Model against readers, for each figure of merit; none with a single reader."""
    if len(cases.readings) < 2:
        return ()
    measures = ("auc",) if cases.rated else ("sensitivity", "specificity")
    positives = int(cases.positive.sum())
    negatives = len(cases.positive) - positives
    if min(positives, negatives) < FEWEST_PER_CLASS:
        reason = (
            f"all readers read {positives:,} positives and {negatives:,} negatives; "
            f"the analysis needs {FEWEST_PER_CLASS} of each"
        )
        return tuple(
            ReaderAnalysis(measure, None, None, undefined(reason), note=f"no analysis: {reason}")
            for measure in measures
        )
    return tuple(_analysis(measure, cases, resamples, settings) for measure in measures)


def _analysis(
    measure: str, cases: ReadCases, resamples: Resamples | None, settings: IntervalSettings
) -> ReaderAnalysis:
    """Model against readers, for one figure of merit."""
    figures, covariances = _figures(measure, cases)
    model, mean = float(figures[0]), float(figures[1:].mean())
    bootstrap = None
    if resamples is not None:
        differences = resamples.model[measure] - resamples.readers[measure]
        check = percentile_interval(
            Estimate(model - mean), differences, confidence=settings.confidence, method=resamples.method
        )
        bootstrap = None if check.low is None or check.high is None else (check.low, check.high)
    if not np.isfinite(covariances).all():
        reason = "all cases of a class come from one group"
        return ReaderAnalysis(
            measure,
            model,
            mean,
            Estimate(model - mean, note=f"no interval: {reason}"),
            bootstrap=bootstrap,
            note=reason,
        )
    found = model_against_readers(figures, covariances, confidence=settings.confidence)
    difference = _difference(model - mean, found)
    return ReaderAnalysis(measure, model, mean, difference, found.df, found.statistic, found.p, bootstrap, found.reason)


def _difference(value: float, found: MeanOfReaders) -> Estimate:
    """The difference with the analysis' interval, or with the reason why it has none."""
    if found.low is None or found.high is None:
        return Estimate(value, note=f"no interval: {found.reason}")
    return Estimate(value, max(-1.0, found.low), min(1.0, found.high), method=METHOD)


def _notes(predictions: Predictions, readers: Readers, read: np.ndarray, common: ReadCases) -> tuple[str, ...]:
    """What a report should say about this study."""
    notes, count, n = list(readers.notes), len(readers.names), int(read.sum())
    if n < len(predictions):
        notes.append(
            f"Readers read {n:,} of the {len(predictions):,} examples; here the model is judged on these alone."
        )
    fewer = [
        f"{name} {int(mine.sum()):,}"
        for name, mine in zip(readers.names, ~np.isnan(readers.readings), strict=True)
        if mine.sum() < n
    ]
    if fewer:
        listed = ", ".join(fewer[:10]) + (f" and {len(fewer) - 10} more" if len(fewer) > 10 else "")
        notes.append(
            f"Not every reader read every case: of {n:,}, {listed}. Each reader's numbers are on the cases read; the "
            f"analysis of readers and cases uses the {len(common.positive):,} that all of them read."
        )
    if count == 1:
        notes.append("A single reader cannot stand for readers in general: shown as a point, without analysis.")
    elif count < FEW_READERS:
        notes.append(f"With {count} readers, what readers vary is known poorly; the bootstrap understates it.")
    if readers.kind == "decision":
        notes.append(
            "The model's sensitivity at the readers' mean specificity, and the reverse, are read off the steps of its "
            "ROC curve on these cases: the best threshold that is not below the readers on the other rate."
        )
    if predictions.groups is not None:
        notes.append(
            "Cases are grouped: covariances are summed within groups (Obuchowski 1997), and resamples draw groups."
        )
    if predictions.weights is not None:
        notes.append("Weights are left out of the comparison with readers: every case counts alike.")
    return tuple(notes)
