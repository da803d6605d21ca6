"""Momentum: the paths against the recursion written out, and the claims in their small form."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.training.labs.small import small
from training.labs.making import run
from training.labs.momentum import LAB, MomentumParameters
from training.labs.surfaces import descend


def test_the_claims_hold_in_the_small_form():
    findings = small(LAB)
    assert findings.numbers["closed_forms"]["best β"] == pytest.approx(9 / 11)
    assert findings.numbers["best_beta"] == pytest.approx((9 / 11) ** 2)


def test_a_path_is_that_of_the_recursion():
    curvature, rate, beta = np.array([1.0, 10.0]), 0.05, 0.8
    path = descend(
        lambda points: 0.5 * keras.ops.sum(curvature * points**2, axis=-1),
        np.array([[1.0, -2.0], [0.5, 0.5]]),
        keras.optimizers.SGD(rate, momentum=beta),
        steps=5,
    )
    place, step = np.array([[1.0, -2.0], [0.5, 0.5]]), np.zeros((2, 2))
    for index in range(6):
        np.testing.assert_allclose(path[index], place, rtol=1e-6)  # the rate is kept in single precision
        step = beta * step - rate * curvature * place
        place = place + step


def test_without_momentum_your_path_is_slower_and_a_claim_says_so():
    findings = run(LAB, replace(MomentumParameters(seeds=1, steps=120), beta=0.0, condition=4.0))
    assert [one.text for one in findings.failing] == [
        "steps of plain descent / steps of momentum, to 1/1000 of the way"
    ]
