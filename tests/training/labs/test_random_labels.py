"""Random labels: what is replaced, and the claims."""

import numpy as np

from tests.training.labs.small import small
from training.labs.fitting import split_of
from training.labs.random_labels import LAB, corrupted


def test_the_claims_hold_in_the_small_form():
    findings = small(LAB)
    assert findings.numbers["weights"] == 13706


def test_corruption_draws_a_share_of_the_labels_anew():
    split = split_of(np.zeros((1000, 2)), np.zeros(1000, dtype=int))
    changed = (corrupted(split, 0.5, 1).y != 0).mean()
    assert 0.4 < changed < 0.5  # one in ten of those drawn anew is the old one
    np.testing.assert_array_equal(corrupted(split, 0.0, 1).y, split.y)
