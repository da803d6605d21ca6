"""The perceptron's rule against scikit-learn's, and the claims in their small form."""

import numpy as np
from sklearn.linear_model import Perceptron

from tests.training.labs.small import small
from training.labs.perceptron import BITS, LAB, learn


def test_the_claims_hold_in_the_small_form():
    findings = small(LAB)
    assert all(count >= 50 for count in findings.numbers["xor_mistakes"])  # one mistake a pass at least


def test_the_rule_ends_with_weights_that_separate_as_scikit_learns_do():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(80, 3))
    y = (x @ [1.0, -2.0, 0.5] + 0.3 > 0).astype(int)
    walk = learn(x, y, passes=5000, seed=1)
    assert np.array_equal(x @ walk[-1][:3] + walk[-1][3] >= 0, y == 1)
    assert Perceptron(max_iter=5000, tol=None).fit(x, y).score(x, y) == 1


def test_each_mistake_moves_the_weights_by_the_point():
    walk = learn(BITS, np.array([0, 0, 0, 1]), passes=100, seed=2)
    for step in np.diff(walk, axis=0):
        assert any(np.array_equal(np.abs(step), [*bits, 1]) for bits in BITS)
