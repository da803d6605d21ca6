"""Hopeless trials end early; the comparison at the end is a paired one."""

import math
from types import SimpleNamespace

import pytest
from scipy import stats

from training.config import TrainConfig
from training.tuning.comparison import Candidate, compare, winner_of
from training.tuning.stopping import MedianRule
from training.tuning.table import Row, line, time_left

CURVES = [[0.5, 0.6, 0.7, 0.8], [0.4, 0.5, 0.6, 0.7], [0.3, 0.4, 0.5, 0.6], [0.6, 0.7, 0.8, 0.9], [0.5, 0.55]]


def epochs_of(curves, values, direction="max", epochs=4) -> int:
    """Epochs that a training with these values lives."""
    rule = MedianRule(curves, "val_accuracy", direction, epochs)
    model = SimpleNamespace(stop_training=False)
    rule.set_model(model)
    for epoch, value in enumerate(values):
        rule.on_epoch_end(epoch, {"val_accuracy": value})
        if model.stop_training:
            return epoch + 1
    return len(values)


def test_a_trial_below_the_median_of_its_epoch_ends():
    assert epochs_of(CURVES, [0.5, 0.54, 0.9, 0.9]) == 2
    assert epochs_of(CURVES, [0.5, 0.55, 0.6, 0.9]) == 4  # 0.55, the median, 0.6, that of epoch 3
    assert epochs_of([[-v for v in curve] for curve in CURVES], [-0.5, -0.54], direction="min") == 2


def test_nothing_ends_before_enough_trials_or_in_the_last_epoch():
    assert epochs_of(CURVES[:4], [0.0, 0.0, 0.0, 0.0]) == 4
    assert epochs_of(CURVES, [0.9, 0.9, 0.9, 0.9]) == 4
    assert epochs_of(CURVES, [0.0] * 8, epochs=8) == 2  # a quarter of the epochs is free


def candidate(name, *values) -> Candidate:
    return Candidate(name, TrainConfig(), values)


def test_the_comparison_is_the_paired_interval_of_scipy():
    left, right = candidate("a", 0.9, 0.93, 0.95, 0.91), candidate("b", 0.88, 0.9, 0.9, 0.9)
    found = compare(left, right, "max")
    interval = stats.ttest_rel(left.values, right.values).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.beyond_noise and interval.low > 0
    assert compare(left, right, "min").gain == pytest.approx(-found.gain)


def test_one_seed_says_nothing_of_noise():
    found = compare(candidate("a", 0.9), candidate("b", 0.8), "max")
    assert found.beyond_noise is None and str(found) == "against b: +0.1000; one seed says nothing of noise"


def test_the_winner_has_the_best_mean_and_no_failed_seed():
    some = [candidate("a", 0.9, None), candidate("b", 0.7, 0.8), candidate("c", 0.6, 0.7)]
    assert winner_of(some, "max").name == "b" and winner_of(some, "min").name == "c"
    assert winner_of(some[:1], "max") is None and math.isnan(some[0].mean)


def test_a_trial_is_one_line():
    rows = [Row(3, "completed", 0.942, 0.006, 3, seconds=30.0), Row(7, "completed", 0.938, seconds=14.0)]
    shown = line(rows[1], rows, total=34, direction="max", left=None)
    assert shown == "trial 7 of 34: 0.938 (best 0.942 ± 0.006, trial 3), 14 s, 12 min left"
    failed = Row(8, "failed", reason="the loss became NaN")
    assert line(failed, [failed], total=None, direction="max", left=90.0) == (
        "trial 8: failed: the loss became NaN, 0 s, 2 min left"
    )


def test_the_time_budget_bounds_the_time_left():
    rows = [Row(1, "completed", 0.5, seconds=10.0)]
    assert (time_left(rows, 5, None), time_left(rows, 5, 25.0), time_left(rows, None, None)) == (40.0, 25.0, None)
