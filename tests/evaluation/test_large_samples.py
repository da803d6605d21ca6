"""Resamples of many examples: drawn in lots or in cells, they vary as resamples of single examples do."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from evaluation.metrics.auc import resampled, sort_examples
from evaluation.metrics.average_precision import average_precision, bootstrap_average_precisions
from evaluation.metrics.calibration import brier_score, expected_calibration_error, log_loss
from evaluation.metrics.ranking import rank
from evaluation.studies.paired import paired_delong
from evaluation.uncertainty.intervals import IntervalSettings
from evaluation.uncertainty.resampling import Resampler, merged_units

SETTINGS = IntervalSettings(replicates=2000)


def binary(n, share=0.3, distance=1.5, seed=0):
    """Truth and scores."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < share
    return y, 1 / (1 + np.exp(-(rng.normal(size=n) + distance * y - 1)))


@pytest.mark.parametrize(("n", "share"), [(300, 0.2), (10_000, 0.1), (10_000, 0.5), (20_000, 0.01)])
def test_average_precision_drawn_by_cells_has_the_interval_of_drawn_examples(n, share):
    y, score = binary(n, share)
    found = average_precision(y, score, settings=SETTINGS)
    sample = sort_examples(y, score)
    drawn = np.concatenate(
        [bootstrap_average_precisions(sample, counts) for counts in resampled(sample, None, SETTINGS)]
    )
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.value == pytest.approx(average_precision_score(y, score))
    assert found.method == "bootstrap"
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.12 * (high - low))


def test_means_of_many_examples_keep_their_standard_error():
    values = np.random.default_rng(3).gamma(0.3, 1, 25_001)
    totals = Resampler(np.zeros(25_001, dtype=int)).totals(np.column_stack([values, np.ones(25_001)]))
    means = totals[:, 0] / totals[:, 1]
    assert means.mean() == pytest.approx(values.mean(), rel=1e-3)
    assert means.std() == pytest.approx(values.std() / np.sqrt(25_001), rel=0.06)


def test_merged_units_keep_groups_together_in_lots_of_one_size():
    groups = np.repeat(np.arange(2500), 2)
    units = merged_units(groups, 5000, 1000, np.random.default_rng(0))
    assert (units[::2] == units[1::2]).all()
    sizes = np.bincount(units)
    assert len(sizes) == 833 and sorted(set(sizes)) == [6, 8]


def test_the_resampled_numbers_of_100_000_examples_take_seconds():
    y, score = binary(100_000)
    truth, scores, start = y.astype(int), np.column_stack([1 - score, score]), time.process_time()
    found = [number(truth, scores, settings=SETTINGS) for number in (brier_score, log_loss, expected_calibration_error)]
    found.append(average_precision(y, score, settings=SETTINGS))
    assert all("bootstrap" in one.method for one in found)
    assert time.process_time() - start < 10


def test_models_that_swap_one_pair_of_many_are_still_compared():
    y, score = np.arange(400_000) % 2 == 0, np.arange(400_000) / 400_000
    other = score.copy()
    other[[1000, 1001]] = score[[1001, 1000]]
    found = paired_delong(y, other, score, settings=SETTINGS)
    # One positive and one negative differ by one rank each: z = 1/√2.
    assert (found.z, found.reason) == (pytest.approx(np.sqrt(0.5), rel=1e-4), None)
    assert rank(y, other).tp[-1] == 200_000
