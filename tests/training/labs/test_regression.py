"""Regression in its small form."""

import pytest

from tests.training.labs.small import small
from training.labs.regression import LAB


def test_the_claims_hold_in_the_small_form():
    error = small(LAB).numbers["rmse"]
    assert error["scikit-learn"] == pytest.approx([55.77], abs=0.01)  # computed apart, on split 1
