"""Batch against stochastic in its small form."""

import numpy as np

from tests.training.labs.small import small
from training.labs.batch_stochastic import LAB


def test_the_claims_hold_in_the_small_form():
    numbers = small(LAB).numbers
    least, final = numbers["least_loss"], numbers["final_loss"]
    assert all(np.all(losses >= least) for losses in final.values())
    assert np.all(final["single"] < final["all"])
