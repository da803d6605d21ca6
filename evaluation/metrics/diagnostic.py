"""What a sample of decisions says: measures per class, overall and averaged, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial

import numpy as np

from evaluation.metrics.averages import (
    AVERAGED,
    OVERALL,
    average_gradients,
    average_values,
    overall_gradients,
    overall_values,
)
from evaluation.metrics.confusion import MEASURES, Counts, cells_by_class, confusion_matrix, one_vs_rest
from evaluation.metrics.measures import (
    PROPORTIONS,
    RATIOS,
    class_measures,
    f1_from_proportion,
    from_two_proportions,
    measure_gradients,
    measure_values,
    point_estimates,
    predictive_values,
)
from evaluation.uncertainty.intervals import (
    Average,
    Estimate,
    IntervalSettings,
    Scale,
    effective_proportion,
    mover_sum,
    normal_interval,
    proportion,
)
from evaluation.uncertainty.linearised import Gradient, GroupedSums, IndependentSums
from evaluation.uncertainty.means import without_weightless
from evaluation.uncertainty.resampling import Resampler, multinomial_matrices, percentile_interval

__all__ = ["MOST_RESAMPLED_CLASSES", "DecisionSample", "class_measures", "predictive_values"]

MOST_RESAMPLED_CLASSES = 50
ROUNDING = 1e-9
SIGNED = ("mcc", "cohen_kappa", "youden_j")
CONSTANT = {"mcc": "one class takes all truths or all predictions", "cohen_kappa": "one class takes all examples"}


class DecisionSample:
    """Decisions about examples whose truth is known.

    Independent examples of weight one have closed intervals for every measure of a class (see `class_measures`),
    accuracy and micro averages; the other numbers are resampled within each class. Grouped or weighted examples are
    resampled throughout. Above `settings.most_resampled` examples or 50 classes the delta method takes the
    bootstrap's place.

    Args:
        y_true: True class indices, shape (n,), 0 … num_classes − 1.
        y_pred: Predicted class indices, shape (n,).
        num_classes: Number of classes K.
        groups: What belongs together, such as a patient's id, shape (n,); None for independent examples.
        weights: How much each example counts, shape (n,), finite, at least 0; None: all alike.
        settings: How intervals are computed.

    Attributes:
        matrix: Confusion matrix, shape (K, K), rows the truth; int64, float64 where weighted.
        counts: The counts of every class against the rest.
    """

    def __init__(
        self,
        y_true: np.ndarray,
        y_pred: np.ndarray,
        num_classes: int,
        *,
        groups: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        settings: IntervalSettings | None = None,
    ) -> None:
        self.settings = settings or IntervalSettings()
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        self.matrix = confusion_matrix(y_true, y_pred, num_classes, weights)
        self.counts: list[Counts] = one_vs_rest(self.matrix)
        weights, groups, y_true, y_pred = without_weightless(weights, groups, y_true, y_pred)
        self._examples = (y_true, y_pred)
        self._groups, self._weights = groups, weights
        self._closed = groups is None and weights is None
        self._resampled = len(y_true) <= self.settings.most_resampled and num_classes <= MOST_RESAMPLED_CLASSES

    def class_measures(self, index: int) -> dict[str, Estimate]:
        """Measures of one class against the rest.

        Args:
            index: The class.

        Returns:
            One estimate for each of `MEASURES`. Where all resamples of grouped or weighted examples agree, a
            proportion takes Wilson's interval on the groups that hold such examples ("wilson-on-groups") or on
            Kish's effective number of examples ("wilson-effective").
        """
        if self._closed:
            return class_measures(self.counts[index], self.settings)
        measures = self._resampled_measures(index) if self._resampled else self._linearised_measures(index)
        for name, (numerator, other, _) in PROPORTIONS.items():
            measures[name] = self._with_effective_size(measures[name], index, (numerator, other))
        if measures["f1"].low is None and measures["f1"].value in (0.0, 1.0):
            jaccard = Estimate(measures["f1"].value)
            jaccard = self._with_effective_size(jaccard, index, ("tp", "fp", "fn"))
            measures["f1"] = f1_from_proportion(measures["f1"], jaccard)
        for name in ("balanced_accuracy", "youden_j", "lr_positive", "lr_negative"):
            if measures[name].low is None:
                measures[name] = from_two_proportions(name, measures)
        return measures

    def overall(self) -> dict[str, Estimate]:
        """Accuracy, balanced accuracy (mean recall over the classes that occur), MCC and Cohen's kappa.

        Of two classes, balanced accuracy of independent examples takes Newcombe's interval ("mover"); of more, that
        one covers too little (81 … 94 % in simulations), and the bootstrap's is given.
        """
        points = {name: self._point(name, value) for name, value in overall_values(self.matrix).items()}
        # Sums of the same weights in another order may exceed one another by rounding.
        total = self.matrix.sum().item()
        right = min(np.trace(self.matrix).item(), total)
        points["accuracy"] = replace(points["accuracy"], numerator=right, denominator=total)
        estimates = self._intervals(points, overall_values, overall_gradients)
        if self._closed:
            estimates["accuracy"] = proportion(
                right, total, confidence=self.settings.confidence, method=self.settings.proportion
            )
        else:
            estimates["accuracy"] = self._with_total_size(estimates["accuracy"])
        estimates["balanced_accuracy"] = self._mean_recall(estimates["balanced_accuracy"])
        return {name: estimates[name] for name in OVERALL}

    def averages(self) -> dict[str, dict[str, Average]]:
        """Macro, micro and weighted averages of the measures that are rates.

        Macro: the mean over classes, each alike. Weighted: the mean by support. Both leave out classes where the
        measure is undefined and say over how many they run. Micro: the measure of the summed counts; since every
        example has one class and one prediction, all micro averages follow from accuracy, and so do their intervals.

        Returns:
            {"macro" | "micro" | "weighted": {measure: Average}} over sensitivity, specificity, precision, npv, f1,
            false_positive_rate and false_negative_rate.
        """
        overall = self._overall
        of = len(self.matrix)
        defined = {name: int((~np.isnan(values)).sum()) for name, values in self._class_values.items()}
        means: dict[str, dict[str, Estimate]] = {}
        for kind in ("macro", "weighted"):
            values = average_values(self.matrix, kind)
            points = {name: self._point(name, value) for name, value in values.items()}
            means[kind] = self._intervals(
                points, partial(average_values, kind=kind), partial(average_gradients, kind=kind)
            )
        means["macro"] |= self._related(means["macro"], overall["balanced_accuracy"], both_rows=of == 2)
        means["weighted"] |= self._related(means["weighted"], overall["accuracy"], both_rows=False)
        shown = {
            kind: {
                name: Average(mean[name], defined[name] if mean[name].value is not None else 0, of) for name in AVERAGED
            }
            for kind, mean in means.items()
        }
        micro = {name: Average(estimate, of, of) for name, estimate in self._micro(overall["accuracy"]).items()}
        return {"macro": shown["macro"], "micro": micro, "weighted": shown["weighted"]}

    @cached_property
    def _overall(self) -> dict[str, Estimate]:
        """`overall`, computed once."""
        return self.overall()

    @cached_property
    def _class_values(self) -> dict[str, np.ndarray]:
        """Every measure of every class, NaN where undefined."""
        return measure_values(*cells_by_class(self.matrix))

    @cached_property
    def _drawn(self) -> np.ndarray:
        """Confusion matrices of the resamples, shape (B, K, K)."""
        settings, k = self.settings, len(self.matrix)
        if self._closed:
            return multinomial_matrices(self.matrix, replicates=settings.replicates, seed=settings.seed)
        y_true, y_pred = self._examples
        resampler = Resampler(y_true, self._groups, replicates=settings.replicates, seed=settings.seed)
        cells = y_true.astype(np.int64) * k + y_pred
        return resampler.cell_totals(cells, k * k, self._weights).reshape(-1, k, k)

    @cached_property
    def _drawn_cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """TP, FP, FN and TN of every class in every resample, each of shape (B, K)."""
        return cells_by_class(self._drawn)

    @cached_property
    def _sums(self) -> IndependentSums | GroupedSums:
        """What the delta method and effective sizes need."""
        y_true, y_pred = self._examples
        k = len(self.matrix)
        if self._groups is not None:
            return GroupedSums(y_true, y_pred, k, groups=self._groups, weights=self._weights)
        if self._weights is None:
            return IndependentSums(self.matrix, self.matrix, self.matrix.sum(axis=1))
        squares = confusion_matrix(y_true, y_pred, k, self._weights**2)
        return IndependentSums(self.matrix, squares, np.bincount(y_true, minlength=k))

    @property
    def _bootstrap(self) -> str:
        """Name of the bootstrap in use."""
        return "bootstrap" if self._groups is None else "cluster-bootstrap"

    def _point(self, name: str, value: np.ndarray) -> Estimate:
        """A number over all classes without interval."""
        if not np.isnan(value):
            return Estimate(float(value))
        nothing = "no examples" if self.matrix.sum() == 0 else CONSTANT.get(name, "undefined for every class")
        return Estimate(None, reason=nothing)

    def _intervals(
        self,
        points: Mapping[str, Estimate],
        values: Callable[[np.ndarray], dict[str, np.ndarray]],
        gradients: Callable[[np.ndarray], dict[str, Gradient]],
    ) -> dict[str, Estimate]:
        """Intervals of numbers over all classes, from functions of confusion matrices."""
        confidence = self.settings.confidence
        if all(point.value is None for point in points.values()):
            return dict(points)
        if self._resampled:
            drawn = values(self._drawn)
            return {
                name: percentile_interval(point, drawn[name], confidence=confidence, method=self._bootstrap)
                for name, point in points.items()
            }
        slopes = gradients(self.matrix)
        estimates = dict(points)
        for name, gradient in slopes.items():
            error = float(np.sqrt(self._sums.variance(gradient)))
            estimates[name] = self._normal(name, points[name], error)
        return estimates

    def _normal(self, name: str, point: Estimate, error: float) -> Estimate:
        """The delta method's interval: on the logarithm of ratios, on the logit of numbers that live in 0…1."""
        confidence, method = self.settings.confidence, self._sums.method
        # What is left of a variance of 0 after rounding is no uncertainty.
        error = error if error > ROUNDING else 0.0
        if name in SIGNED:
            return normal_interval(point, error, confidence=confidence, method=method, bounds=(-1.0, 1.0))
        scale: Scale = "log" if name in RATIOS else "logit"
        return normal_interval(point, error, confidence=confidence, method=method, scale=scale)

    def _resampled_measures(self, index: int) -> dict[str, Estimate]:
        """Percentile intervals of one class' measures."""
        points = point_estimates(self.counts[index])
        drawn = measure_values(*(cell[:, index] for cell in self._drawn_cells))
        confidence, method = self.settings.confidence, self._bootstrap
        return {
            name: percentile_interval(points[name], drawn[name], confidence=confidence, method=method)
            for name in MEASURES
        }

    def _linearised_measures(self, index: int) -> dict[str, Estimate]:
        """Normal intervals of one class' measures."""
        one = self.counts[index]
        points = point_estimates(one)
        gradients = measure_gradients(*np.array([one.tp, one.fp, one.fn, one.tn], dtype=np.float64))
        measures = {}
        for name in MEASURES:
            finite = bool(np.isfinite(gradients[name]).all())
            variance = self._sums.class_variance(index, gradients[name]) if finite else 0.0
            measures[name] = self._normal(name, points[name], float(np.sqrt(variance)))
        return measures

    def _with_effective_size(self, estimate: Estimate, index: int, cells: tuple[str, ...]) -> Estimate:
        """Wilson's interval for a proportion of exactly 0 or 1 that resampling gives none."""
        if estimate.low is not None or estimate.value not in (0.0, 1.0):
            return estimate
        return self._effective(estimate, self._sums.effective_size(index, cells))

    def _with_total_size(self, estimate: Estimate) -> Estimate:
        """The same for a proportion of all examples."""
        if estimate.low is not None or estimate.value not in (0.0, 1.0):
            return estimate
        return self._effective(estimate, self._sums.total_size())

    def _effective(self, estimate: Estimate, size: float) -> Estimate:
        """Wilson's interval for `size` independent units."""
        method = "wilson-effective" if self._groups is None else "wilson-on-groups"
        plain = replace(estimate, note=None)
        return effective_proportion(plain, size, confidence=self.settings.confidence, method=method)

    def _mean_recall(self, estimate: Estimate) -> Estimate:
        """Balanced accuracy, from the recalls' own intervals where there are two at most."""
        occurring = np.flatnonzero(self.matrix.sum(axis=1) > 0)
        if estimate.value is None or len(occurring) > 2 or not (self._closed or estimate.low is None):
            return estimate
        parts = [self.class_measures(int(index))["sensitivity"] for index in occurring]
        plain = replace(estimate, note=None)
        if len(parts) == 1:
            return replace(plain, low=parts[0].low, high=parts[0].high, method=parts[0].method)
        summed = mover_sum(plain, parts, factor=0.5)
        return summed if summed.low is not None else estimate

    def _related(self, means: Mapping[str, Estimate], recall: Estimate, *, both_rows: bool) -> dict[str, Estimate]:
        """Averages that equal a known number: mean recall, its complement, and with two classes mean specificity."""
        same = {"sensitivity": _mapped(recall, 1.0, 0.0), "false_negative_rate": _mapped(recall, -1.0, 1.0)}
        if both_rows and means["specificity"].value is not None and (self.matrix.sum(axis=1) > 0).all():
            same |= {"specificity": _mapped(recall, 1.0, 0.0), "false_positive_rate": _mapped(recall, -1.0, 1.0)}
        return same

    def _micro(self, accuracy: Estimate) -> dict[str, Estimate]:
        """Micro averages, all of them linear in accuracy."""
        k = len(self.matrix)
        share = 1 / (k - 1)
        if accuracy.value is None:
            return dict.fromkeys(AVERAGED, accuracy)
        right, total = accuracy.numerator or 0, accuracy.denominator or 0
        hit = replace(_mapped(accuracy, 1.0, 0.0), numerator=right, denominator=total)
        miss = replace(_mapped(accuracy, -1.0, 1.0), numerator=total - right, denominator=total)
        clear = replace(
            _mapped(accuracy, share, 1 - share), numerator=total * (k - 2) + right, denominator=total * (k - 1)
        )
        alarm = replace(_mapped(accuracy, -share, share), numerator=total - right, denominator=total * (k - 1))
        return {
            "sensitivity": hit,
            "specificity": clear,
            "precision": hit,
            "npv": clear,
            "f1": hit,
            "false_positive_rate": alarm,
            "false_negative_rate": miss,
        }


def _mapped(estimate: Estimate, slope: float, offset: float) -> Estimate:
    """slope·estimate + offset with its interval, kept within 0…1 against rounding."""
    if estimate.value is None:
        return estimate
    ends = [None if end is None else min(1.0, max(0.0, slope * end + offset)) for end in (estimate.low, estimate.high)]
    low, high = ends if slope > 0 else ends[::-1]
    value = min(1.0, max(0.0, slope * estimate.value + offset))
    return replace(estimate, value=value, low=low, high=high, numerator=None, denominator=None)
