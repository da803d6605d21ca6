"""Step and sigmoid: both errors against scikit-learn, and the claims in their small form."""

import numpy as np
import pytest
from sklearn import metrics

from tests.training.labs.small import small
from training.labs.error_functions import LAB, gradient
from training.labs.logistic import log_loss, mistakes, sigmoid


def test_the_claims_hold_in_the_small_form():
    small(LAB)


def test_both_errors_are_scikit_learns(rng):
    x, y, weights = rng.normal(size=(50, 2)), rng.integers(0, 2, 50), np.array([[0.7, -1.2]])
    p = sigmoid(x @ weights[0])
    assert log_loss(weights, x, y)[0] == pytest.approx(metrics.log_loss(y, p))
    assert mistakes(weights, x, y)[0] == 50 - metrics.accuracy_score(y, p >= 0.5, normalize=False)
    np.testing.assert_allclose(gradient(weights, x, y)[0], [np.mean((p - y) * column) for column in x.T])


def test_the_sigmoid_does_not_overflow():
    assert sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0, 0.5, 1]
