"""Regression numbers against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from evaluation.regression import regression_scores


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
