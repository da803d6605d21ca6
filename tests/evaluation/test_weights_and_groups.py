"""Weights count shares, not units; examples of weight 0 are none; groups may have no name; one says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.metrics.auc import auc_estimate
from evaluation.metrics.average_precision import average_precision
from evaluation.metrics.calibration import (
    brier_score,
    calibration_curve,
    calibration_slope_intercept,
    expected_calibration_error,
    log_loss,
)
from evaluation.metrics.confusion import Counts
from evaluation.metrics.curves import roc_band
from evaluation.metrics.diagnostic import DecisionSample, class_measures
from evaluation.metrics.multiclass import average_auc, average_average_precision
from evaluation.metrics.ranking import rank
from evaluation.metrics.thresholds import choose_operating_point
from evaluation.studies.paired import paired_delong, rate_difference
from evaluation.uncertainty.intervals import Estimate, IntervalSettings

N = 200
RESAMPLED = IntervalSettings(replicates=200)
LINEARISED = IntervalSettings(replicates=200, most_resampled=10)
BOTH = pytest.mark.parametrize("settings", [RESAMPLED, LINEARISED], ids=["resampled", "linearised"])
GROUPED = pytest.mark.parametrize("grouped", [False, True], ids=["independent", "grouped"])


def examples(seed=1):
    """Truth, score of the positive class, weights and groups."""
    rng = np.random.default_rng(seed)
    y = (rng.random(N) < 0.4).astype(int)
    score = np.round(1 / (1 + np.exp(-(rng.normal(size=N) + y))), 2)
    return y, score, rng.gamma(1, 1, N), rng.integers(0, 40, N)


def estimates(y, score, weights, groups, settings) -> dict[str, Estimate]:
    """Every number of a binary report that knows weights and groups."""
    shared = {"weights": weights, "groups": groups, "settings": settings}
    scores = np.column_stack([1 - score, score])
    sample = DecisionSample(y, (score >= 0.5).astype(int), 2, **shared)
    found = sample.class_measures(1) | {f"overall {name}": value for name, value in sample.overall().items()}
    for kind, row in sample.averages().items():
        found |= {f"{kind} {name}": average.estimate for name, average in row.items()}
    for name, averaged in (("auc", average_auc), ("ap", average_average_precision)):
        found |= {f"{kind} {name}": average.estimate for kind, average in averaged(y, scores, **shared).items()}
    found |= {"auc": auc_estimate(y, score, **shared), "ap": average_precision(y, score, **shared)}
    found |= {"brier": brier_score(y, scores, **shared), "log loss": log_loss(y, scores, **shared)}
    found["ece"] = expected_calibration_error(y, scores, **shared)
    found["slope"], found["intercept"] = calibration_slope_intercept(y, score, **shared)
    return found | {f"bin {one.low:.1f}": one.observed for one in calibration_curve(y, score, **shared)}


def assert_same(one, other):
    """Values and limits agree but for rounding."""
    assert one.keys() == other.keys()
    for name in one:
        for end in ("value", "low", "high"):
            expected = getattr(other[name], end)
            assert getattr(one[name], end) == (expected if expected is None else pytest.approx(expected, rel=1e-6)), (
                name
            )


@GROUPED
@BOTH
@pytest.mark.parametrize("factor", [1000, 1e-9, 1e12])
def test_the_unit_of_the_weights_changes_no_estimate_and_no_interval(settings, grouped, factor):
    y, score, weights, groups = examples()
    chosen = groups if grouped else None
    assert_same(estimates(y, score, weights * factor, chosen, settings), estimates(y, score, weights, chosen, settings))


@GROUPED
@BOTH
def test_examples_of_weight_0_are_as_good_as_left_out(settings, grouped):
    y, score, weights, groups = examples()
    weights[::3] = 0
    kept = weights > 0
    assert_same(
        estimates(y, score, weights, groups if grouped else None, settings),
        estimates(y[kept], score[kept], weights[kept], groups[kept] if grouped else None, settings),
    )


def test_a_group_that_weighs_nothing_is_no_group_of_a_calibration_bin():
    y, score, groups = np.zeros(40, dtype=int), np.full(40, 0.05), np.arange(40)
    weights = np.where(groups < 10, 1.0, 0.0)
    found = calibration_curve(y, score, weights=weights, groups=groups, settings=LINEARISED)[0]
    assert (found.n, found.observed.method) == (10, "wilson-on-groups")
    assert found.observed.high == pytest.approx(0.277533, abs=1e-6)  # 0 of 10


@pytest.mark.parametrize("factor", [0.1, 0.3, 1 / 7, 1000 / 3])
@pytest.mark.parametrize("seed", range(40))
def test_the_unit_of_the_weights_does_not_move_youden_s_threshold(seed, factor):
    rng = np.random.default_rng(seed)
    y, score = np.append(rng.integers(0, 2, 30), [0, 1]), np.round(rng.random(32), 1)
    plain = choose_operating_point(rank(y, score), "youden", chosen_on="test")
    weighted = rank(y, score, weights=np.full(32, factor))
    assert choose_operating_point(weighted, "youden", chosen_on="test").threshold == plain.threshold


@BOTH
@pytest.mark.parametrize("missing", [None, np.nan])
def test_groups_without_a_name_are_one_group_everywhere(missing, settings):
    y, score, _, groups = examples()
    other, unnamed = np.round(np.random.default_rng(2).random(N), 2), groups.astype(object)
    unnamed[groups == 3] = missing
    expected = paired_delong(y, score, other, groups=groups, settings=settings)
    assert paired_delong(y, score, other, groups=unnamed, settings=settings).p == pytest.approx(expected.p)
    expected = rate_difference(y == 1, score > 0.5, groups, settings)
    found = rate_difference(y == 1, score > 0.5, unnamed, settings)
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=1e-9)
    assert roc_band(y, score, groups=unnamed, settings=RESAMPLED) is not None


def test_no_band_passes_for_certain_where_all_resamples_give_one_curve():
    y, score, _, _ = examples()
    assert roc_band(y, score, groups=np.zeros(N), settings=RESAMPLED) is None
    assert roc_band(y, y * 0.5 + 0.2, settings=RESAMPLED) is None


@BOTH
@pytest.mark.parametrize("weighted", [False, True])
def test_equal_losses_have_no_interval_made_of_rounding(weighted, settings):
    truth, scores = np.zeros(50, dtype=int), np.tile([0.7, 0.3], (50, 1))
    weights = examples()[2][:50] if weighted else None
    for number in (brier_score, log_loss, expected_calibration_error):
        found = number(truth, scores, weights=weights, settings=settings)
        assert (found.low, found.high) == (None, None) and found.note.startswith("no interval")


def test_a_weighted_numerator_never_exceeds_its_denominator():
    rng = np.random.default_rng(1)
    for _ in range(50):
        y = np.arange(200) % 20
        accuracy = DecisionSample(y, y, 20, weights=rng.gamma(1, 1, 200), settings=RESAMPLED).overall()["accuracy"]
        assert accuracy.numerator <= accuracy.denominator


def test_sums_of_weights_are_not_cut_down_to_counts():
    with pytest.raises(ValueError, match="whole numbers"):
        class_measures(Counts(10.5, 2.5, 3.5, 20.5))
