"""Learning rate in its small form."""

import pytest

from tests.training.labs.small import small
from training.labs.learning_rate import LAB


def test_the_claims_hold_in_the_small_form():
    numbers = small(LAB).numbers
    assert list(numbers["validation_accuracy"]) == ["0.001", "0.1", "0.7", "4"]
    assert numbers["factors"]["1.1"] == pytest.approx([1.2], abs=1e-3)
    assert all(0.001 < one < 4 for one in numbers["proposals"])
