"""Gradient descent by hand: one step on paper, and the claims in their small form."""

import numpy as np

from tests.training.labs.small import small
from training.labs.gradient_descent import LAB, descend


def test_the_claims_hold_in_the_small_form():
    small(LAB)


def test_one_step_is_that_on_paper():
    x, y, start = np.array([[2.0, -1.0]], np.float32), np.array([1]), np.zeros(3)
    path = descend(x, y, start, rate=0.5, epochs=1, batch_size=1)
    np.testing.assert_allclose(path[1], [0.5, -0.25, 0.25])  # (y − ŷ) = ½


def test_a_step_by_all_points_takes_the_mean_of_theirs(rng):
    x, y, start = rng.normal(size=(10, 2)).astype(np.float32), rng.integers(0, 2, 10), rng.normal(size=3)
    together = descend(x, y, start, rate=1.0, epochs=1, batch_size=10)[1]
    alone = [descend(x[i : i + 1], y[i : i + 1], start, rate=1.0, epochs=1, batch_size=1)[1] for i in range(10)]
    np.testing.assert_allclose(together, np.mean(alone, axis=0), atol=1e-6)
