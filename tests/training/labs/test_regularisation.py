"""Regularisation: the evenness of weights, the exact solution, and the claims in their small form."""

import numpy as np
import pytest

from tests.training.labs.small import small
from training.labs.regularisation import LAB, _error, _evenness, _exact, _lowest, _slope, _table


def test_the_claims_hold_in_the_small_form():
    weights = small(LAB).numbers["weights"]
    assert weights["L1"].shape == (1, 30)


def test_evenness_is_1_for_equal_weights_and_1_nth_for_a_single_one():
    assert _evenness(np.array([[2.0, -2, 2], [0, 5, 0]])).tolist() == pytest.approx([1, 1 / 3])


def test_the_slope_of_the_notes_error_is_that_of_differences():
    at, h = np.array([1.0, 0.3]), 1e-6
    rise = [(_error(at + h * axis) - _error(at - h * axis)) / (2 * h) for axis in np.eye(2)]
    np.testing.assert_allclose(_slope(at), rise, atol=1e-8)


def test_at_the_lowest_point_error_and_penalty_balance():
    w = _lowest(0.03)
    assert _slope(np.array([w, w]))[0] + 2 * 0.03 * w == pytest.approx(0, abs=1e-4)


def test_a_stronger_penalty_keeps_fewer_features_by_l1_and_all_by_l2():
    data = _table(1)
    kept = [np.sum(np.abs(_exact(data, penalty, 1.0)) > 1e-6) for penalty in (0.005, 0.05, 0.3)]
    assert kept[0] > kept[1] > kept[2] > 0
    assert np.all(_exact(data, 0.3, 0.0) != 0)
