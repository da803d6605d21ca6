"""Vanishing gradients: slopes of activation functions on paper, and the claims in their small form."""

import numpy as np

from tests.training.labs.small import small
from training.labs.vanishing_gradient import LAB, Z, _slopes


def test_the_claims_hold_in_the_small_form():
    norms = small(LAB).numbers["gradient_norms"]
    assert norms["tanh, Glorot"].shape == (LAB.small.seeds, LAB.small.depth)


def test_slopes_are_those_on_paper():
    s = 1 / (1 + np.exp(-Z))
    np.testing.assert_allclose(_slopes("sigmoid"), s * (1 - s), atol=1e-6)
    np.testing.assert_allclose(_slopes("tanh"), 1 - np.tanh(Z) ** 2, atol=1e-6)
    assert np.array_equal(_slopes("relu")[np.abs(Z) > 1e-3], (Z > 0)[np.abs(Z) > 1e-3])
