"""Backpropagation by hand against finite differences, and the claims in their small form."""

import numpy as np

from tests.training.labs.small import small
from training.labs.backpropagation import LAB, backpropagate, differences, log_loss


def test_the_claims_hold_in_the_small_form():
    small(LAB)


def test_a_step_against_the_derivatives_lowers_the_loss(rng):
    weights = [rng.normal(size=shape) for shape in ((2, 4), (4,), (4, 1), (1,))]
    x, y = rng.normal(size=(30, 2)), rng.integers(0, 2, 30)
    found = backpropagate(weights, x, y)
    moved = [one - 0.1 * slope for one, slope in zip(weights, found, strict=True)]
    assert log_loss(moved, x, y) < log_loss(weights, x, y)
    by_hand = np.concatenate([one.ravel() for one in found])
    np.testing.assert_allclose(by_hand, differences(weights, x, y, 1e-5), atol=1e-8)
