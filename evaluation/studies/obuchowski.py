"""Readers and cases both random: the analysis of Obuchowski and Rockette with Hillis' degrees of freedom.

Figures of merit (an AUC, a sensitivity) come with their covariances over cases; what readers add is estimated from
the spread of the figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from evaluation.metrics.auc import bootstrap_areas, sort_examples
from evaluation.uncertainty.intervals import IntervalSettings
from evaluation.uncertainty.resampling import Resampler

ROUNDING = 1e-12


@dataclass(frozen=True)
class FactorialAnalysis:
    """Modalities compared, each read by the same readers.

    Attributes:
        means: Figure of merit of each modality, averaged over readers, shape (T,).
        ms_modality: Mean square between modalities.
        ms_interaction: Mean square of modality × reader.
        cov2: Mean covariance of different readers within a modality.
        cov3: Mean covariance of different readers in different modalities.
        statistic: F, or None.
        df: Denominator degrees of freedom (the numerator's are T − 1), or None.
        p: Or None.
        standard_error: Of a difference between two modalities, or None.
        reason: Why there is no test, or None.
    """

    means: np.ndarray
    ms_modality: float
    ms_interaction: float
    cov2: float
    cov3: float
    statistic: float | None = None
    df: float | None = None
    p: float | None = None
    standard_error: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class MeanOfReaders:
    """One figure of merit averaged over random readers and cases.

    Attributes:
        mean: The average over readers.
        ms_reader: Mean square between readers.
        cov2: Mean covariance of different readers.
        standard_error: Of the mean, or None.
        df: Hillis' degrees of freedom, or None.
        low, high: Limits of the interval, or None.
        statistic: F = (mean/standard error)² on 1 and df degrees of freedom, of the hypothesis that the mean is 0.
        p: Of that F, or None.
        reason: Why there is neither interval nor test, or None.
    """

    mean: float
    ms_reader: float
    cov2: float
    standard_error: float | None = None
    df: float | None = None
    low: float | None = None
    high: float | None = None
    statistic: float | None = None
    p: float | None = None
    reason: str | None = None


def obuchowski_rockette(figures: np.ndarray, covariances: np.ndarray) -> FactorialAnalysis:
    """Do modalities differ, for the readers and the cases that were sampled here?

    F = MS(T) / [MS(TR) + R·max(Cov2 − Cov3, 0)] on T − 1 and (T − 1)(R − 1)·[denominator / MS(TR)]² degrees of
    freedom.

    Args:
        figures: Figure of merit of each modality and reader, shape (T, R), both at least 2.
        covariances: Their covariances over cases, shape (T, R, T, R).

    Returns:
        The analysis; without F and p, and with the reason, where MS(TR) is zero.

    Raises:
        ValueError: If shapes differ from the above or numbers are not finite.

    Reference:
        Obuchowski, N. A., & Rockette, H. E. (1995). Hypothesis testing of diagnostic accuracy for multiple readers
        and multiple tests. Communications in Statistics: Simulation and Computation, 24.
        Hillis, S. L. (2007). A comparison of denominator degrees of freedom methods for multiple observer ROC
        analysis. Statistics in Medicine, 26.
    """
    from scipy.special import fdtrc

    figures, covariances = _checked(figures, covariances, 2)
    modalities, readers = figures.shape
    means = figures.mean(axis=1)
    residuals = figures - means[:, None] - figures.mean(axis=0) + figures.mean()
    ms_modality = float(readers * np.var(means, ddof=1))
    ms_interaction = float((residuals**2).sum() / ((modalities - 1) * (readers - 1)))
    cov2, cov3 = _mean_covariances(covariances)
    parts = (means, ms_modality, ms_interaction, cov2, cov3)
    if not ms_interaction > _negligible(figures):
        return FactorialAnalysis(
            *parts, reason="all readers differ alike between modalities: no spread to test against"
        )
    denominator = ms_interaction + readers * max(cov2 - cov3, 0.0)
    df = (modalities - 1) * (readers - 1) * (denominator / ms_interaction) ** 2
    statistic = ms_modality / denominator
    p = float(fdtrc(modalities - 1, df, statistic))
    return FactorialAnalysis(*parts, statistic, df, p, math.sqrt(2 * denominator / readers))


def mean_of_readers(figures: np.ndarray, covariances: np.ndarray, *, confidence: float = 0.95) -> MeanOfReaders:
    """Averages one figure of merit over readers: the analysis' single-modality form.

    Var = [MS(R) + R·max(Cov2, 0)] / R with (R − 1)·[(MS(R) + R·max(Cov2, 0)) / MS(R)]² degrees of freedom.

    Args:
        figures: Figure of merit of each reader, or its difference from a model's, shape (R,), at least 2.
        covariances: Their covariances over cases, shape (R, R).
        confidence: Coverage of the interval.

    Returns:
        The mean with interval and test; without both, and with the reason, where MS(R) is zero.

    Raises:
        ValueError: If shapes differ from the above or numbers are not finite.

    Reference:
        Hillis, S. L. (2007). Statistics in Medicine, 26.
        Hillis, S. L., Berbaum, K. S., & Metz, C. E. (2008). Recent developments in the Dorfman–Berbaum–Metz procedure
        for multireader ROC study analysis. Academic Radiology, 15.
    """
    from scipy.special import fdtrc, stdtrit

    figures, covariances = _checked(figures, covariances, 1)
    readers, mean = len(figures), float(figures.mean())
    ms_reader = float(np.var(figures, ddof=1))
    cov2 = float((covariances.sum() - np.trace(covariances)) / (readers * (readers - 1)))
    if not ms_reader > _negligible(figures):
        return MeanOfReaders(mean, ms_reader, cov2, reason="all readers have the same value: no spread to test against")
    total = ms_reader + readers * max(cov2, 0.0)
    df = (readers - 1) * (total / ms_reader) ** 2
    error = math.sqrt(total / readers)
    half = float(stdtrit(df, 0.5 + confidence / 2)) * error
    statistic = (mean / error) ** 2
    p = float(fdtrc(1, df, statistic))
    return MeanOfReaders(mean, ms_reader, cov2, error, df, mean - half, mean + half, statistic, p)


def model_against_readers(figures: np.ndarray, covariances: np.ndarray, *, confidence: float = 0.95) -> MeanOfReaders:
    """Compares one model, which varies with cases only, with the mean of random readers of the same cases.

    The differences model − reader are analysed as a single modality. With R readers this equals the analysis of two
    modalities in which the model stands in for every reader of one.

    Args:
        figures: Figure of merit of the model, then of each reader, shape (1 + R,), R at least 2.
        covariances: Their covariances over cases, shape (1 + R, 1 + R).
        confidence: Coverage of the interval.

    Returns:
        The mean difference, model − readers, with interval and test.

    Raises:
        ValueError: If shapes differ from the above or numbers are not finite.

    Reference:
        Hillis, S. L. (2007). Statistics in Medicine, 26.
        Chakraborty, D. P. (2017). Observer performance methods for diagnostic imaging, ch. 22: standalone CAD versus
        radiologists (single treatment, random readers and cases). CRC Press.
    """
    figures, covariances = np.asarray(figures, dtype=np.float64), np.asarray(covariances, dtype=np.float64)
    contrast = np.column_stack([np.ones(len(figures) - 1), -np.eye(len(figures) - 1)])
    return mean_of_readers(contrast @ figures, contrast @ covariances @ contrast.T, confidence=confidence)


@dataclass(frozen=True, eq=False)
class ReadCases:
    """Cases that a model scored and readers read.

    Attributes:
        positive: Whether each case is positive, shape (n,), bool.
        score: The model's score, shape (n,).
        decision: Whether the model calls the case positive, shape (n,), bool.
        readings: Decision (0 or 1) or rating of each reader, shape (R, n); NaN where a reader did not read the case.
        rated: Whether readings are ratings.
        groups: What belongs together, shape (n,), or None.
    """

    positive: np.ndarray
    score: np.ndarray
    decision: np.ndarray
    readings: np.ndarray
    rated: bool
    groups: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Resamples:
    """Model and mean reader on every resample of readers and cases, each of shape (B,); NaN where undefined.

    Attributes:
        method: "bootstrap" over cases within each class, or "cluster-bootstrap" over groups of cases.
        model: By measure: "sensitivity" and "specificity" of decisions, or "auc" of ratings.
        readers: The mean of the resampled readers, likewise.
        matched: Decisions: the model's "sensitivity" at the readers' mean specificity, and its "specificity" at
            their mean sensitivity.
    """

    method: str
    model: dict[str, np.ndarray] = field(default_factory=dict)
    readers: dict[str, np.ndarray] = field(default_factory=dict)
    matched: dict[str, np.ndarray] = field(default_factory=dict)


def resample_readers_and_cases(cases: ReadCases, settings: IntervalSettings) -> Resamples:
    """Bootstrap over readers and, independently, over cases.

    Args:
        cases: What was read.
        settings: Replicates and seed.

    Returns:
        The resamples. Few readers resample too little of what readers vary: by a factor (R − 1)/R of the variance.
    """
    resampler = Resampler(
        cases.positive.astype(np.int64), cases.groups, replicates=settings.replicates, seed=settings.seed
    )
    count = len(cases.readings)
    picks = np.random.default_rng([settings.seed, count]).integers(0, count, (settings.replicates, count))
    figures = _rated_figures(cases) if cases.rated else _decided_figures(cases)
    order = np.argsort(-cases.score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(cases.score[order])), len(order) - 1)
    columns: dict[str, dict[str, list[np.ndarray]]] = {"model": {}, "readers": {}, "matched": {}}
    start = 0
    for counts in resampler.counts():
        drawn = picks[start : start + len(counts)]
        start += len(counts)
        means = {}
        for measure, values in figures(counts).items():
            columns["model"].setdefault(measure, []).append(values[:, 0])
            means[measure] = nan_mean(np.take_along_axis(values[:, 1:], drawn, axis=1))
            columns["readers"].setdefault(measure, []).append(means[measure])
        if not cases.rated:
            tp = np.cumsum((counts * cases.positive)[:, order], axis=1)[:, ends]
            fp = np.cumsum((counts * ~cases.positive)[:, order], axis=1)[:, ends]
            matched = sensitivity_at(tp, fp, means["specificity"]), specificity_at(tp, fp, means["sensitivity"])
            for measure, values in zip(("sensitivity", "specificity"), matched, strict=True):
                columns["matched"].setdefault(measure, []).append(values)
    parts = {
        name: {measure: np.concatenate(chunks) for measure, chunks in part.items()} for name, part in columns.items()
    }
    return Resamples(resampler.method, parts["model"], parts["readers"], parts["matched"])


def sensitivity_at(tp: np.ndarray, fp: np.ndarray, specificity: np.ndarray) -> np.ndarray:
    """Highest sensitivity among thresholds whose specificity is at least the required one: the ROC's lower step.

    Args:
        tp: Positives called positive at each threshold, descending thresholds, shape (b, m).
        fp: Negatives called positive, shape (b, m).
        specificity: Required, shape (b,); NaN where unknown.

    Returns:
        Shape (b,); 0 where only calling nothing positive is specific enough; NaN where undefined.
    """
    positives, negatives = tp[:, -1].astype(np.float64), fp[:, -1].astype(np.float64)
    allowed = (1 - specificity + ROUNDING) * negatives
    reached = (fp <= allowed[:, None]).sum(axis=1)
    hits = np.where(reached > 0, np.take_along_axis(tp, np.maximum(reached - 1, 0)[:, None], axis=1)[:, 0], 0)
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(specificity) | (negatives == 0), np.nan, hits / positives)


def specificity_at(tp: np.ndarray, fp: np.ndarray, sensitivity: np.ndarray) -> np.ndarray:
    """Highest specificity among thresholds whose sensitivity is at least the required one.

    Args:
        tp: Positives called positive at each threshold, descending thresholds, shape (b, m).
        fp: Negatives called positive, shape (b, m).
        sensitivity: Required, shape (b,); NaN where unknown.

    Returns:
        Shape (b,); 1 where nothing need be called positive; NaN where undefined.
    """
    positives, negatives = tp[:, -1].astype(np.float64), fp[:, -1].astype(np.float64)
    needed = (sensitivity - ROUNDING) * positives
    index = (tp < needed[:, None]).sum(axis=1)
    alarms = np.take_along_axis(fp, np.minimum(index, tp.shape[1] - 1)[:, None], axis=1)[:, 0]
    alarms = np.where(needed <= 0, 0, alarms)
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(sensitivity) | (positives == 0), np.nan, 1 - alarms / negatives)


def nan_mean(values: np.ndarray) -> np.ndarray:
    """Mean of each row over its defined values, shape (b,); NaN where a row has none."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0.0).sum(axis=1) / defined.sum(axis=1)


def _rated_figures(cases: ReadCases) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The function from resamples (b, n) to the AUC of model and readers, shape (b, 1 + R)."""
    samples = []
    for row in (cases.score, *cases.readings):
        read = np.flatnonzero(~np.isnan(row))
        sample = sort_examples(cases.positive[read], row[read])
        samples.append((sample, read[sample.order]))

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        """AUC of model and readers on each resample."""
        return {"auc": np.stack([bootstrap_areas(sample, counts[:, order]) for sample, order in samples], axis=1)}

    return figures


def _decided_figures(cases: ReadCases) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The function from resamples (b, n) to sensitivity and specificity of model and readers, shape (b, 1 + R)."""
    decisions = np.vstack([cases.decision.astype(np.float64), cases.readings])
    read = ~np.isnan(decisions)
    columns = {}
    for measure, called, mine in (("sensitivity", 1.0, cases.positive), ("specificity", 0.0, ~cases.positive)):
        columns[measure] = ((decisions == called) & mine).T.astype(np.float64), (read & mine).T.astype(np.float64)

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        """Both rates of model and readers on each resample."""
        with np.errstate(invalid="ignore"):
            return {measure: (counts @ right) / (counts @ of) for measure, (right, of) in columns.items()}

    return figures


def _checked(figures: np.ndarray, covariances: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, after refusing shapes and values that have no analysis."""
    figures, covariances = np.asarray(figures, dtype=np.float64), np.asarray(covariances, dtype=np.float64)
    if figures.ndim != dimensions or min(figures.shape) < 2:
        wanted = "(modalities, readers)" if dimensions == 2 else "(readers,)"
        raise ValueError(f"figures must have shape {wanted}, each at least 2. Received: shape {figures.shape}.")
    if covariances.shape != figures.shape * 2:
        raise ValueError(f"covariances must have shape {figures.shape * 2}. Received: {covariances.shape}.")
    if not (np.isfinite(figures).all() and np.isfinite(covariances).all()):
        raise ValueError("figures and covariances must be finite numbers. Received: NaN or infinity.")
    return figures, covariances


def _mean_covariances(covariances: np.ndarray) -> tuple[float, float]:
    """Mean covariance of different readers within (Cov2) and between (Cov3) modalities."""
    modalities, readers = covariances.shape[:2]
    different = ~np.eye(readers, dtype=bool)
    within = [covariances[i, :, i, :][different] for i in range(modalities)]
    between = [covariances[i, :, k, :][different] for i in range(modalities) for k in range(modalities) if i != k]
    return float(np.mean(within)), float(np.mean(between))


def _negligible(figures: np.ndarray) -> float:
    """What rounding alone may leave of a mean square of these figures."""
    return float(1e-24 * max(1.0, np.abs(figures).max()) ** 2)
