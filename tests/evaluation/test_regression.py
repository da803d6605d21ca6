"""Regression numbers against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from evaluation.metrics.regression import regression_scores
from evaluation.uncertainty.intervals import IntervalSettings


def test_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.normal(size=100), rng.normal(size=100)
    scores = regression_scores(y_true, y_pred)
    assert scores.mae.value == pytest.approx(metrics.mean_absolute_error(y_true, y_pred), abs=1e-12)
    assert scores.rmse.value == pytest.approx(metrics.root_mean_squared_error(y_true, y_pred), abs=1e-12)
    assert scores.r2.value == pytest.approx(metrics.r2_score(y_true, y_pred), abs=1e-12)
    assert scores.n == 100


def test_a_constant_target_leaves_r2_undefined():
    scores = regression_scores(np.full(3, 0.1), np.array([0.1, 0.2, 0.3]))
    assert (scores.r2.value, scores.r2.reason) == (None, "the target is constant")
    assert scores.mae.value == pytest.approx(0.1)


def test_errors_too_large_for_the_spread_leave_r2_undefined():
    scores = regression_scores(np.array([0, 1e-160]), np.array([1e150, 1e150]))
    assert (scores.r2.value, scores.r2.reason) == (None, "the target is constant beside its errors")
    assert scores.rmse.value == pytest.approx(1e150)


def test_no_examples_leave_everything_undefined():
    scores = regression_scores(np.array([]), np.array([]))
    assert (scores.n, scores.mae.value, scores.rmse.reason) == (0, None, "no examples")


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"^y_true and y_pred must have one shape. Received: \(2,\) and \(1,\).$"):
        regression_scores(np.zeros(2), np.zeros(1))


def noisy(n=400, seed=1):
    rng = np.random.default_rng(seed)
    y_true = rng.normal(10, 3, n)
    return y_true, y_true + rng.normal(0.5, 1, n)


def test_intervals_equal_a_loop_over_scikit_learn():
    y_true, y_pred = noisy(200)
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 200, 200) for _ in range(500)]
    found = regression_scores(y_true, y_pred)
    for name, score in (
        ("mae", metrics.mean_absolute_error),
        ("rmse", metrics.root_mean_squared_error),
        ("r2", metrics.r2_score),
    ):
        one = getattr(found, name)
        expected = np.quantile([score(y_true[row], y_pred[row]) for row in rows], [0.025, 0.975])
        assert (one.low, one.high) == pytest.approx(tuple(expected), abs=0.12 * (one.high - one.low))
        assert one.method == "bootstrap"


@pytest.mark.parametrize("groups", [None, np.arange(2000) // 2])
def test_the_delta_method_agrees_with_the_bootstrap(groups):
    y_true, y_pred = noisy(2000)
    drawn = regression_scores(y_true, y_pred, groups=groups)
    derived = regression_scores(y_true, y_pred, groups=groups, settings=IntervalSettings(most_resampled=1))
    for name in ("mae", "rmse", "r2"):
        one, other = getattr(drawn, name), getattr(derived, name)
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.1 * (other.high - other.low))
        assert other.method == ("linearised" if groups is None else "cluster-linearised")


def test_perfect_predictions_have_a_value_and_a_note_instead_of_an_interval():
    found = regression_scores(np.arange(20.0), np.arange(20.0))
    assert (found.rmse.value, found.rmse.low, found.r2.value) == (0, None, 1)
    assert found.rmse.note == "no interval: every resample gives the same value"
