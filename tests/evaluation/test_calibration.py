"""Calibration against scikit-learn, statsmodels and loops written out."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import calibration as oracle
from sklearn import metrics

from evaluation.metrics.calibration import (
    brier_score,
    calibration_curve,
    calibration_slope_intercept,
    expected_calibration_error,
    log_loss,
)
from evaluation.uncertainty.intervals import IntervalSettings

QUICK = IntervalSettings(replicates=100)
LINEARISED = IntervalSettings(most_resampled=1)


def binary(n=400, seed=0, extreme=1.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(np.int64)
    return y, 1 / (1 + np.exp(-extreme * x - 0.3))


def both(score):
    return np.column_stack([1 - score, score])


def several(n=300, k=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, k, n), rng.dirichlet(np.ones(k), n)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(2, 5), st.integers(0, 10_000), st.integers(2, 40), st.booleans())
def test_brier_score_and_log_loss_equal_scikit_learn(k, seed, n, weighted):
    y, score = several(n, k, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 2, n) if weighted else None
    labels = list(range(k))
    brier = brier_score(y, score, weights=weights, settings=QUICK).value
    loss = log_loss(y, score, weights=weights, settings=QUICK).value
    shown, keywords = (score, {}) if k > 2 else (score[:, 1], {"pos_label": 1})
    expected = metrics.brier_score_loss(y, shown, labels=labels, sample_weight=weights, **keywords)
    assert brier == pytest.approx(expected, abs=1e-12)
    assert loss == pytest.approx(metrics.log_loss(y, score, labels=labels, sample_weight=weights), abs=1e-12)


def test_a_score_of_zero_for_the_truth_is_clipped_as_scikit_learn_does_and_told():
    y, score = np.array([0, 1, 1]), np.array([[1.0, 0.0], [1.0, 0.0], [0.2, 0.8]])
    found = log_loss(y, score)
    assert found.value == pytest.approx(metrics.log_loss(y, score))
    assert "1 of 3 examples have a score of 0 for their true class" in found.note


def test_losses_take_the_bootstrap_and_the_normal_interval_of_the_mean_alike():
    y, score = binary(2000)
    drawn, derived = brier_score(y, both(score)), brier_score(y, both(score), settings=LINEARISED)
    losses = (score - y) ** 2
    error = losses.std(ddof=1) / np.sqrt(2000)
    assert derived.high - derived.value == pytest.approx(1.959964 * error, rel=1e-4)
    assert (drawn.low, drawn.high) == pytest.approx((derived.low, derived.high), abs=0.1 * error * 4)
    assert (drawn.method, derived.method) == ("bootstrap", "linearised")


def loop_error(score, outcome, bins, weights):
    """Expected calibration error as Guo (2017) writes it."""
    total = 0.0
    for at in range(bins):
        low, high = np.linspace(0, 1, bins + 1)[at : at + 2]
        inside = (score > low) & (score <= high) | (score == 0) & (at == 0)
        if inside.any():
            gap = np.average(outcome[inside], weights=weights[inside]) - np.average(
                score[inside], weights=weights[inside]
            )
            total += weights[inside].sum() / weights.sum() * abs(gap)
    return total


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 4])
def test_calibration_error_equals_the_loop(k, weighted):
    y, score = several(300, k)
    score[:6] = np.eye(k)[[0, 1, 1, 0, 0, 1]]
    weights = np.random.default_rng(2).uniform(0.1, 2, 300) if weighted else np.ones(300)
    found = expected_calibration_error(y, score, weights=weights if weighted else None, settings=QUICK).value
    top, right = (score[:, 1], y) if k == 2 else (score.max(axis=1), score.argmax(axis=1) == y)
    assert found == pytest.approx(loop_error(top, right, 15, weights), abs=1e-12)


def test_calibration_error_of_four_examples():
    y, score = np.array([0, 1, 1, 1]), np.array([0.1, 0.1, 0.9, 0.7])
    found = expected_calibration_error(y, both(score), bins=2)
    assert found.value == pytest.approx((2 * abs(0.5 - 0.1) + 2 * abs(1 - 0.8)) / 4)


def test_calibration_errors_interval_takes_off_the_bias():
    rng = np.random.default_rng(0)
    score = rng.random(200)
    y = (rng.random(200) < score).astype(np.int64)
    found = expected_calibration_error(y, both(score))
    assert found.method == "basic-bootstrap"
    assert found.low < 0.5 * found.value < found.high
    assert "noise adds to it" in found.note


def test_slope_and_intercept_equal_statsmodels():
    y, score = binary()
    x = np.log(score / (1 - score))
    slope, intercept = calibration_slope_intercept(y, score)
    logit = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-12)
    level = sm.GLM(y, np.ones(len(y)), family=sm.families.Binomial(), offset=x).fit(tol=1e-12)
    assert (slope.value, slope.low, slope.high) == pytest.approx((logit.params[1], *logit.conf_int()[1]), abs=1e-7)
    assert intercept.value == pytest.approx(level.params[0], abs=1e-7)
    assert (intercept.low, intercept.high) == pytest.approx(tuple(level.conf_int()[0]), abs=1e-7)
    assert slope.method == intercept.method == "wald"


def test_a_large_sample_gives_the_same_slope_as_its_compressed_form():
    y, score = binary(600_000)
    score = np.round(score * 50) / 50 * 0.98 + 0.01
    values, code = np.unique(score, return_inverse=True)
    hits, n = np.bincount(code, y), np.bincount(code)
    design = sm.add_constant(np.log(values / (1 - values)))
    fit = sm.GLM(np.column_stack([hits, n - hits]), design, family=sm.families.Binomial()).fit(tol=1e-12)
    slope, _ = calibration_slope_intercept(y, score)
    assert (slope.value, slope.low) == pytest.approx((fit.params[1], fit.conf_int()[1][0]), abs=1e-6)


def test_weighted_slope_equals_statsmodels():
    y, score = binary()
    weights = np.random.default_rng(3).integers(0, 4, len(y)).astype(float)
    design = sm.add_constant(np.log(score / (1 - score)))
    fit = sm.GLM(y, design, family=sm.families.Binomial(), freq_weights=weights).fit(tol=1e-12)
    slope, _ = calibration_slope_intercept(y, score, weights=weights)
    assert slope.value == pytest.approx(fit.params[1], abs=1e-7)
    assert slope.method == "bootstrap"


def test_grouped_slope_has_the_sandwich_of_statsmodels_above_the_limit():
    y, score = binary()
    groups = np.arange(400) // 4
    design = sm.add_constant(np.log(score / (1 - score)))
    fit = sm.GLM(y, design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, tol=1e-12
    )
    slope, _ = calibration_slope_intercept(y, score, groups=groups, settings=LINEARISED)
    assert (slope.high - slope.low) / (2 * 1.959964) == pytest.approx(fit.bse[1], rel=0.01)
    drawn, _ = calibration_slope_intercept(y, score, groups=groups)
    assert (drawn.low, drawn.high) == pytest.approx((slope.low, slope.high), abs=0.1)
    assert (drawn.method, slope.method) == ("cluster-bootstrap", "cluster-linearised")


@pytest.mark.parametrize(
    ("y", "score", "reason"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "a threshold separates the classes perfectly"),
        ([0, 1, 1, 1], [0.2, 0.2, 0.8, 0.9], "a threshold separates the classes perfectly"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], "a threshold separates the classes perfectly"),
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3], "all scores are equal"),
        ([0, 0, 0, 0], [0.1, 0.2, 0.8, 0.9], "no positive examples"),
        ([1, 1, 1, 1], [0.1, 0.2, 0.8, 0.9], "no negative examples"),
    ],
)
def test_a_slope_that_no_data_fix_is_undefined_with_its_reason(y, score, reason):
    slope, _ = calibration_slope_intercept(np.array(y), np.array(score))
    assert slope.value is None
    assert slope.reason.startswith(reason)


def test_saturated_scores_are_told():
    y, score = binary()
    score[:3] = [0.0, 1.0, 1.0]
    slope, intercept = calibration_slope_intercept(y, score)
    assert slope.note == intercept.note == "3 of 400 scores are 0 or 1, counted as 2.2e-16 away from it"


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 100)), min_size=1, max_size=60), st.integers(2, 12))
def test_curve_equals_scikit_learn(pairs, bins):
    y, score = np.array(pairs).T
    observed, mean = oracle.calibration_curve(y, score / 100, n_bins=bins, pos_label=1)
    found = calibration_curve(y, score / 100, bins=bins)
    assert [one.observed.value for one in found] == pytest.approx(observed.tolist())
    assert [one.mean_score for one in found] == pytest.approx(mean.tolist())
    assert sum(one.n for one in found) == len(y)


def test_curve_has_wilsons_intervals_and_wilson_on_groups():
    y, score = np.array([0] * 4 + [1] * 6), np.array([0.05] * 4 + [0.95] * 6)
    plain = calibration_curve(y, score)
    assert (plain[0].observed.high, plain[1].observed.denominator) == (pytest.approx(0.4899, abs=1e-4), 6)
    grouped = calibration_curve(y, score, groups=np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]))
    assert grouped[1].observed.low == pytest.approx(0.4385, abs=1e-4)
    assert grouped[1].observed.method == "wilson-on-groups"


@pytest.mark.parametrize("keywords", [{"groups": np.arange(2000) // 2}, {"weights": np.linspace(0.5, 1.5, 2000)}])
def test_the_curves_delta_method_agrees_with_its_bootstrap(keywords):
    y, score = binary(2000)
    drawn, derived = (
        calibration_curve(y, score, **keywords),
        calibration_curve(y, score, **keywords, settings=LINEARISED),
    )
    for one, other in zip(drawn[1:-1], derived[1:-1], strict=True):
        width = other.observed.high - other.observed.low
        assert (one.observed.low, one.observed.high) == pytest.approx(
            (other.observed.low, other.observed.high), abs=0.2 * width
        )


@pytest.mark.parametrize("measure", [brier_score, log_loss, expected_calibration_error])
def test_no_examples_leave_a_loss_undefined(measure):
    found = measure(np.zeros(0, int), np.zeros((0, 2)))
    assert (found.value, found.reason) == (None, "no examples")


def test_float32_scores_of_1_have_finite_logits_and_losses():
    y, score = np.array([0, 0, 1, 0, 1, 1, 1, 0] * 5), np.array([0.2, 0.3, 0.2, 0.6, 0.6, 1.0, 1.0, 1.0] * 5)
    narrow = score.astype(np.float32)
    for found, expected in zip(
        calibration_slope_intercept(y, narrow), calibration_slope_intercept(y, score), strict=True
    ):
        assert found.value == pytest.approx(expected.value, rel=1e-5)
    assert log_loss(y, both(narrow)).value == pytest.approx(log_loss(y, both(score)).value, rel=1e-6)


def test_saturated_scores_still_have_the_slope_that_fits_best():
    y, score = np.repeat([0, 1], 50), np.concatenate([np.zeros(45), np.ones(5), np.zeros(4), np.ones(46)])
    slope, intercept = calibration_slope_intercept(y, score)
    ends = np.log(4 / 45), np.log(46 / 5)  # the fit meets the odds at both scores
    extreme = np.log(2.0**52 - 1)
    assert slope.value == pytest.approx((ends[1] - ends[0]) / (2 * extreme), rel=1e-6)
    # With the slope fixed at 1, 50 positives are expected among the 51 scores of 1 alone.
    assert intercept.value == pytest.approx(np.log(50) - extreme, abs=1e-6)
    assert slope.low < slope.value < slope.high and intercept.low < intercept.value < intercept.high
