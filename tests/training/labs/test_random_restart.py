"""Random restart: shares of searches by brute force, and the claims in their small form."""

import numpy as np

from tests.training.labs.small import small
from training.labs.random_restart import LAB, _searches


def test_the_claims_hold_in_the_small_form():
    small(LAB)


def test_searches_are_groups_of_starts_that_follow_each_other():
    ends = np.array([3.0, 1.0, 2.0, 2.0, 1.02, 3.0, 9.0])
    assert _searches(ends, 1) == 2 / 7
    assert _searches(ends, 2) == 2 / 3  # (3, 1), (2, 2), (1.02, 3); the last start is left over
