"""Augmentation: standardisation and whitening against what they promise, and the claims."""

import numpy as np

from tests.training.labs.small import small
from training.labs.augmentation import LAB, standardised, whitened


def test_the_claims_hold_in_the_small_form():
    findings = small(LAB)
    assert "beyond noise" in findings.paragraph


def test_whitening_leaves_neither_mean_nor_correlation_and_pixels_that_never_vary_at_zero(rng):
    pixels = np.column_stack([rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + 4, np.full(500, 7.0)])
    white = whitened(pixels)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(white[:, :3].T, bias=True), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(white[:, 3], 0, atol=1e-9)
    np.testing.assert_allclose(standardised(pixels).std(axis=0), [1, 1, 1, 0], atol=1e-9)
