"""Softmax and cross-entropy: the notes' numbers, scipy's softmax, and the claims in their small form."""

import numpy as np
import pytest
from scipy import special

from tests.training.labs.small import small
from training.labs.softmax_cross_entropy import LAB, softmax


def test_the_claims_hold_in_the_small_form():
    notes = small(LAB).numbers["notes"]
    assert notes["bad model"] == pytest.approx((0.0084, 4.7795), abs=1e-4)
    assert notes["good model"] == pytest.approx((0.3024, 1.1960), abs=1e-4)


def test_softmax_is_scipys_also_where_exponentials_overflow(rng):
    scores = rng.normal(0, 500, (20, 5))
    np.testing.assert_allclose(softmax(scores), special.softmax(scores, axis=1), atol=1e-12)


def test_the_lab_says_where_the_notes_slip():
    assert "less than one" in LAB.slip
