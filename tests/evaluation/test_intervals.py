"""Proportions against Newcombe (1998) and scipy."""

import pytest
from scipy.stats import binomtest

from evaluation.intervals import proportion

NEWCOMBE = [
    ("wilson", 81, 263, 0.2553, 0.3662),
    ("wilson", 15, 148, 0.0624, 0.1605),
    ("wilson", 0, 20, 0.0, 0.1611),
    ("wilson", 1, 29, 0.0061, 0.1718),
    ("clopper-pearson", 81, 263, 0.2527, 0.3676),
    ("clopper-pearson", 15, 148, 0.0578, 0.1617),
    ("clopper-pearson", 0, 20, 0.0, 0.1684),
    ("clopper-pearson", 1, 29, 0.0009, 0.1776),
]


@pytest.mark.parametrize(("method", "k", "n", "low", "high"), NEWCOMBE)
def test_intervals_equal_newcombes_table(method, k, n, low, high):
    estimate = proportion(k, n, method=method)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)
    assert (estimate.value, estimate.numerator, estimate.denominator) == (k / n, k, n)


@pytest.mark.parametrize("method", ["wilson", "clopper-pearson"])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 7), (50, 50), (9_999, 10_000)])
def test_intervals_equal_scipy(method, k, n):
    expected = binomtest(k, n).proportion_ci(0.9, "exact" if method == "clopper-pearson" else method)
    estimate = proportion(k, n, confidence=0.9, method=method)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_nothing_out_of_nothing_is_undefined_with_its_reason():
    estimate = proportion(0, 0, reason="no positive examples")
    assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
    assert (estimate.denominator, estimate.reason) == (0, "no positive examples")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"numerator": 3, "denominator": 2}, "numerator must be from 0 to denominator. Received: 3 of 2."),
        (
            {"numerator": 1, "denominator": 2, "confidence": 95},
            "confidence must be between 0 and 1. Received: confidence=95.",
        ),
        (
            {"numerator": 1, "denominator": 2, "method": "wald"},
            "method must be 'wilson' or 'clopper-pearson'. Received: method='wald'.",
        ),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        proportion(**arguments)
    assert str(error.value) == message
