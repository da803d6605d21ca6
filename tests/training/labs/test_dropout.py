"""Dropout in its small form."""

from tests.training.labs.small import small
from training.labs.dropout import LAB


def test_the_claims_hold_in_the_small_form():
    gains = small(LAB).numbers["gains"]
    assert len(gains["loss"]) == LAB.small.seeds
