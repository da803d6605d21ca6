"""Proportions against Newcombe (1998) and scipy, and the forms that other intervals are built from."""

import math

import pytest
from scipy.stats import binomtest

from evaluation.uncertainty.intervals import (
    Estimate,
    effective_proportion,
    mover_ratio,
    mover_sum,
    normal_interval,
    proportion,
    wilson_limits,
)

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


def test_wilsons_limits_take_effective_sizes():
    low, high = wilson_limits(12.5, 40.25)
    assert wilson_limits(12, 40)[0] < low < high < wilson_limits(13, 40)[1]
    assert wilson_limits(0.0, 7.5)[0] == 0
    assert wilson_limits(7.5, 7.5)[1] == 1


def test_an_effective_size_replaces_the_number_of_examples():
    found = effective_proportion(Estimate(1.0, None, None, 40, 40), 10, confidence=0.95, method="wilson-on-groups")
    assert (found.low, found.numerator, found.denominator) == (proportion(10, 10).low, 40, 40)


@pytest.mark.parametrize(
    ("scale", "error", "limits"),
    [
        ("plain", 0.1, (0.8 - 0.1959964, 0.9)),
        ("log", 0.1, (0.8 * math.exp(-0.1959964), 0.8 * math.exp(0.1959964))),
        ("logit", 0.016, (1 / (1 + math.exp(0.1959964) / 4), 1 / (1 + math.exp(-0.1959964) / 4))),
    ],
)
def test_normal_intervals_are_taken_on_their_scale(scale, error, limits):
    found = normal_interval(Estimate(0.8), error, confidence=0.95, method="linearised", scale=scale, bounds=(0, 0.9))
    assert (found.low, found.high) == pytest.approx(limits, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "error", "scale"), [(0.5, 0.0, "plain"), (math.inf, 1.0, "log"), (1.0, 0.1, "logit")]
)
def test_no_variation_gives_a_note_instead_of_an_interval(value, error, scale):
    found = normal_interval(Estimate(value), error, confidence=0.95, method="linearised", scale=scale)
    assert (found.value, found.low, found.note) == (value, None, "no interval: the examples show no variation")


def test_newcombes_1998_difference_56_of_70_against_48_of_80():
    first, second = proportion(56, 70), proportion(32, 80)
    found = mover_sum(Estimate(56 / 70 - 48 / 80), (first, second))
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize(("first", "second"), [((40, 100), (20, 100)), ((3, 10), (1, 50)), ((30, 30), (29, 30))])
def test_a_ratios_limits_are_where_the_difference_touches_zero(first, second):
    upper, lower = proportion(*first), proportion(*second)
    found = mover_ratio(Estimate(upper.value / lower.value), upper, lower)
    a, b = upper.value, lower.value
    for ratio, numerator, denominator in ((found.low, upper.low, lower.high), (found.high, upper.high, lower.low)):
        # Donner and Zou's definition: the interval of a − ratio·b has 0 as its limit.
        assert (a - ratio * b) ** 2 == pytest.approx((a - numerator) ** 2 + (ratio * (denominator - b)) ** 2)
    assert found.low < found.value < found.high
