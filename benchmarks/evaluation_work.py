"""What the benchmark of the evaluation room measures: data, this project's work and scikit-learn's.

Everything is imported where it is used, for a process holds only what its own variant needs.
"""

from __future__ import annotations

from typing import Any


def binary_scores(rows: int) -> tuple[Any, Any]:
    """Truth, int64, and score, float64, of two classes that overlap; made in blocks so that the peak stays low."""
    import numpy as np

    rng = np.random.default_rng(0)
    y_true, y_score = np.empty(rows, dtype=np.int64), np.empty(rows)
    for start in range(0, rows, 1 << 18):
        truth = rng.integers(0, 2, min(1 << 18, rows - start))
        y_true[start : start + len(truth)] = truth
        y_score[start : start + len(truth)] = 1 / (1 + np.exp(-1.5 * rng.normal(size=len(truth)) - 2 * truth + 1))
    return y_true, y_score


def class_scores(rows: int, classes: int) -> tuple[Any, Any]:
    """Truth and scores of many classes, rows summing to 1."""
    import numpy as np

    rng = np.random.default_rng(0)
    y_true = np.append(np.arange(classes), rng.integers(0, classes, max(0, rows - classes)))[:rows]
    y_score = rng.standard_exponential((rows, classes))
    y_score[np.arange(rows), y_true] *= 8
    y_score /= y_score.sum(axis=1, keepdims=True)
    return y_true, y_score


def binary_numbers(y_true: Any, y_score: Any) -> float:
    """Every number of the report on two classes, with the intervals of large samples; returns the AUC."""
    import numpy as np

    from evaluation.metrics import calibration
    from evaluation.metrics.auc import auc_estimate
    from evaluation.metrics.average_precision import average_precision
    from evaluation.metrics.curves import precision_recall_curve, roc_curve
    from evaluation.metrics.diagnostic import DecisionSample, predictive_values
    from evaluation.metrics.ranking import opposite, rank
    from evaluation.metrics.thresholds import threshold_table
    from evaluation.uncertainty.intervals import IntervalSettings

    settings = IntervalSettings(most_resampled=0)
    ranking = rank(y_true, y_score)
    roc_curve(ranking)
    precision_recall_curve(ranking)
    threshold_table(ranking, settings, around=0.5)
    area = auc_estimate(y_true, y_score, settings=settings, ranking=ranking)
    average_precision(y_true, y_score, settings=settings, ranking=ranking)
    average_precision(y_true == 0, y_score, settings=settings, ranking=opposite(ranking))
    del ranking
    sample = DecisionSample(y_true, (y_score >= 0.5).view(np.int8), 2, groups=None, weights=None, settings=settings)
    sample.overall()
    sample.averages()
    measures = [sample.class_measures(index) for index in (0, 1)][1]
    predictive_values(measures["sensitivity"], measures["specificity"], 0.1, settings=settings)
    columns = np.column_stack([1 - y_score, y_score])
    for number in (calibration.brier_score, calibration.log_loss, calibration.expected_calibration_error):
        number(y_true, columns, weights=None, groups=None, settings=settings)
    calibration.calibration_slope_intercept(y_true, y_score, weights=None, groups=None, settings=settings)
    calibration.calibration_curve(y_true, y_score, weights=None, groups=None, settings=settings)
    return float(area.value or 0)


def one_area(y_true: Any, y_score: Any) -> float:
    """What scikit-learn needs for the AUC alone."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y_true, y_score))


def class_areas(y_true: Any, y_score: Any) -> float:
    """The AUC of every class with DeLong's interval; returns their mean."""
    from evaluation.metrics.multiclass import one_vs_rest_auc

    areas = [estimate.value or 0.0 for estimate in one_vs_rest_auc(y_true, y_score)]
    return sum(areas) / len(areas)


def mean_class_area(y_true: Any, y_score: Any) -> float:
    """The mean of scikit-learn's areas."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y_true, y_score, multi_class="ovr", average="macro"))


def resampled_areas(y_true: Any, y_score: Any, replicates: int) -> float:
    """AUC of each resample from one sort; returns their mean."""
    import numpy as np

    from evaluation.metrics.auc import bootstrap_areas, resampled, sort_examples
    from evaluation.uncertainty.intervals import IntervalSettings

    sample = sort_examples(y_true, y_score)
    chunks = resampled(sample, None, IntervalSettings(replicates=replicates))
    return float(np.concatenate([bootstrap_areas(sample, counts) for counts in chunks]).mean())


def loop_of_areas(y_true: Any, y_score: Any, replicates: int) -> float:
    """A loop over scikit-learn's AUC on the very same resamples; returns their mean."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from evaluation.metrics.auc import resampled, sort_examples
    from evaluation.uncertainty.intervals import IntervalSettings

    sample = sort_examples(y_true, y_score)
    areas = []
    for counts in resampled(sample, None, IntervalSettings(replicates=replicates)):
        for row in counts.astype(np.int64):
            drawn = np.repeat(sample.order, row)
            areas.append(roc_auc_score(y_true[drawn], y_score[drawn]))
    return float(np.mean(areas))
