"""Intervals over seeds, and their words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evaluation.uncertainty.intervals import Estimate
from transfer.studies.statistics import mean_interval, paired_interval, percent, points


def test_the_interval_is_students(rng):
    values = rng.random(7)
    found = mean_interval(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))


def test_differences_are_taken_within_seeds():
    found = paired_interval([0.5, 0.7, 0.9], [0.4, 0.6, 0.8])
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_one_seed_has_a_mean_and_no_interval():
    assert percent(mean_interval([0.713])) == "71.3" and points(mean_interval([-0.02])) == "−2.0"


def test_points_are_bold_where_the_interval_leaves_out_zero():
    assert points(Estimate(-0.021, -0.03, -0.012)) == "**−2.1 (−3.0 to −1.2)**"
    assert points(Estimate(0.004, -0.01, 0.018)) == "+0.4 (−1.0 to +1.8)"
    assert percent(Estimate(0.713, 0.698, 0.725)) == "71.3 (69.8–72.5)"
    assert percent(Estimate(0.988, 0.973, 1.003)) == "98.8 (97.3–100.0)"
