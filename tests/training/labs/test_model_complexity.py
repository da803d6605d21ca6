"""The model complexity graph in its small form."""

from tests.training.labs.small import small
from training.labs.model_complexity import LAB


def test_the_claims_hold_in_the_small_form():
    numbers = small(LAB).numbers
    assert numbers["best_size"] == 8
    assert all(1 <= epoch < LAB.small.epochs for epoch in numbers["best_epochs"])
