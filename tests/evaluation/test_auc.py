"""Areas and their intervals against scikit-learn, DeLong's published example and MLstatkit; average precision."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn import metrics

from evaluation.metrics import auc as module
from evaluation.metrics.auc import auc_estimate, bootstrap_areas, delong_variance, sort_examples
from evaluation.metrics.average_precision import average_precision, bootstrap_average_precisions
from evaluation.metrics.ranking import opposite, rank
from evaluation.uncertainty.intervals import IntervalSettings
from tests.evaluation.test_ranking import QUICK, examples

SETTINGS = IntervalSettings(replicates=400)
ANALYTIC = IntervalSettings(most_resampled=0)
SCORES = {"auc": (auc_estimate, metrics.roc_auc_score), "ap": (average_precision, metrics.average_precision_score)}


def overlapping(n=400, seed=0, groups=40):
    """Scores of two classes that tie, and groups whose members resemble one another."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    y_true = rng.integers(0, 2, n)
    latent = rng.normal(size=n) + y_true + rng.normal(size=groups)[group]
    return y_true, expit(latent).round(2), group


def hanley_and_mcneil():
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    return np.repeat([0, 1], [sum(normal), sum(abnormal)]), np.repeat([1, 2, 3, 4, 5] * 2, normal + abnormal)


@pytest.mark.parametrize("scale", [1, 5])
def test_area_and_interval_equal_hanley_and_mcneil_1982(scale):
    y_true, ratings = hanley_and_mcneil()
    found = auc_estimate(y_true, ratings / scale)
    assert (found.value, found.low, found.high) == pytest.approx((0.893171, 0.832952, 0.953390), abs=5e-7)
    assert delong_variance(rank(y_true, ratings)) ** 0.5 == pytest.approx(0.030724, abs=5e-7)
    assert found.method == "delong"


def test_the_logit_interval_is_the_delta_methods():
    y_true, ratings = hanley_and_mcneil()
    found = auc_estimate(y_true, ratings, settings=IntervalSettings(auc="delong-logit", confidence=0.9))
    half = norm.ppf(0.95) * delong_variance(rank(y_true, ratings)) ** 0.5 / (found.value * (1 - found.value))
    assert (found.low, found.high) == pytest.approx(tuple(expit(logit(found.value) + np.array([-half, half]))))
    assert found.method == "delong-logit"


@pytest.mark.parametrize("seed", range(5))
def test_interval_equals_mlstatkit(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from MLstatkit import Delong_test

        y_true, y_score, _ = overlapping(seed=seed)
        other = np.random.default_rng(seed).random(len(y_true))
        _, _, interval, _, area, *_ = Delong_test(y_true, y_score, other)
    found = auc_estimate(y_true, y_score)
    assert (found.value, found.low, found.high) == pytest.approx((area, *interval), abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
@QUICK
@given(data=examples(-1, 2), weighted=st.booleans(), chunk=st.sampled_from([1, 3, 1 << 13]))
def test_values_equal_scikit_learn(name, data, weighted, chunk):
    y_true, y_score, weights = data
    ours, theirs = SCORES[name]
    weights = weights if weighted else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCKS_PER_CHUNK", chunk)
        found = ours(y_true, y_score, weights=weights, settings=ANALYTIC)
    assert found.value == pytest.approx(theirs(y_true, y_score, sample_weight=weights), abs=1e-12)


@QUICK
@given(data=examples(), weighted=st.booleans())
def test_resampled_values_equal_scikit_learn_on_the_very_resample(data, weighted):
    y_true, y_score, weights = data
    sample = sort_examples(y_true, y_score, weights if weighted else None)
    drawn = np.random.default_rng(0).integers(0, len(y_true), (5, len(y_true)))
    drawn[:, :2] = np.argmax(y_true), np.argmin(y_true)
    counts = np.stack([np.bincount(row, minlength=len(y_true)) for row in drawn])[:, sample.order].astype(float)
    for ours, theirs in ((bootstrap_areas, "auc"), (bootstrap_average_precisions, "ap")):
        chosen = [weights[row] if weighted else None for row in drawn]
        rows = zip(drawn, chosen, strict=True)
        expected = [SCORES[theirs][1](y_true[row], y_score[row], sample_weight=weight) for row, weight in rows]
        np.testing.assert_allclose(ours(sample, counts), expected, atol=1e-12)


def test_a_resample_without_positives_has_no_area():
    sample = sort_examples(np.array([0, 1, 0]), np.array([0.1, 0.2, 0.3]))
    assert np.isnan(bootstrap_areas(sample, np.array([[1.0, 2.0, 0.0]]))).all()
    assert np.isnan(bootstrap_average_precisions(sample, np.array([[1.0, 2.0, 0.0]]))).all()


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(
    ("y_true", "y_score", "value", "told"),
    [
        ([0, 0, 0, 1], [0.1, 0.2, 0.6, 0.5], (2 / 3, 1 / 2), "a single positive example"),
        ([1, 1, 1, 0], [0.9, 0.2, 0.6, 0.5], (2 / 3, 2.75 / 3), "a single negative example"),
        ([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.2], (1, 1), "the scores separate the two kinds perfectly"),
        ([0, 0, 1, 1], [0.9, 0.8, 0.1, 0.2], (0, 5 / 12), "the scores separate the two kinds perfectly"),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], (0.5, 0.5), "all scores are equal"),
    ],
)
def test_examples_without_spread_have_a_value_and_no_interval(name, y_true, y_score, value, told):
    y_true, y_score = np.array(y_true), np.array(y_score)
    for keywords in ({}, {"weights": np.ones(4)}, {"groups": np.arange(4)}):
        found = SCORES[name][0](y_true, y_score, settings=SETTINGS, **keywords)
        assert found.value == pytest.approx(value[list(SCORES).index(name)])
        assert (found.low, found.high, found.note) == (None, None, f"no interval: {told}")


def test_a_missing_kind_leaves_the_area_undefined():
    y_score = np.linspace(0, 1, 5)
    assert auc_estimate(np.zeros(5), y_score).reason == "no positive examples"
    assert auc_estimate(np.ones(5), y_score).reason == "no negative examples"
    assert average_precision(np.zeros(5), y_score).reason == "no positive examples"
    found = average_precision(np.ones(5), y_score)
    assert (found.value, found.note) == (1.0, "no interval: no negative examples")


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(
    ("keywords", "small", "large"),
    [
        ({"weights": np.random.default_rng(1).uniform(0.2, 2, 400)}, "bootstrap", "linearised"),
        ({"groups": overlapping()[2]}, "cluster-bootstrap", "cluster-linearised"),
    ],
)
def test_large_samples_take_the_linearised_interval_which_is_close_to_the_bootstraps(name, keywords, small, large):
    y_true, y_score, _ = overlapping()
    resampled = SCORES[name][0](y_true, y_score, settings=IntervalSettings(), **keywords)
    analytic = SCORES[name][0](y_true, y_score, settings=ANALYTIC, **keywords)
    assert (resampled.method, analytic.method) == (small, large)
    assert analytic.value == resampled.value
    assert (analytic.low, analytic.high) == pytest.approx((resampled.low, resampled.high), abs=0.015)


def test_average_precision_of_independent_examples_is_resampled_then_linearised():
    y_true, y_score, _ = overlapping()
    small, large = (average_precision(y_true, y_score, settings=one) for one in (IntervalSettings(), ANALYTIC))
    assert (small.method, large.method) == ("bootstrap", "linearised")
    assert (large.low, large.high) == pytest.approx((small.low, small.high), abs=0.01)
    weighted = average_precision(y_true, y_score, weights=np.ones(len(y_true)), settings=ANALYTIC)
    assert (large.low, large.high) == pytest.approx((weighted.low, weighted.high), abs=1e-12)


def test_groups_of_one_and_copies_of_examples_give_delongs_variance():
    y_true, y_score, _ = overlapping()
    alone = auc_estimate(y_true, y_score)
    apart = auc_estimate(y_true, y_score, groups=np.arange(len(y_true)), settings=ANALYTIC)
    twice = (np.repeat(array, 2) for array in (y_true, y_score))
    copied = auc_estimate(*twice, groups=np.repeat(np.arange(len(y_true)), 2), settings=ANALYTIC)
    for found in (apart, copied):
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=1e-12)


def test_groups_that_hold_both_kinds_equal_obuchowskis_formula():
    y_true, y_score, groups = overlapping()
    found = auc_estimate(y_true, y_score, groups=groups, settings=ANALYTIC)
    below = (y_score[:, None] > y_score) + 0.5 * (y_score[:, None] == y_score)
    pairs = below[np.ix_(y_true == 1, y_true == 0)]
    n1, n0 = pairs.shape
    names = np.unique(groups)
    first = np.array([(pairs.mean(axis=1) - found.value)[groups[y_true == 1] == name].sum() for name in names])
    second = np.array([(pairs.mean(axis=0) - found.value)[groups[y_true == 0] == name].sum() for name in names])
    with1, with0 = (len(np.unique(groups[y_true == kind])) for kind in (1, 0))
    variance = first @ first * with1 / (with1 - 1) / n1**2 + second @ second * with0 / (with0 - 1) / n0**2
    variance += 2 * len(names) / (len(names) - 1) * (first @ second) / (n1 * n0)
    assert (found.high - found.low) / 2 == pytest.approx(norm.ppf(0.975) * variance**0.5, rel=1e-9)


def test_delongs_interval_stays_within_0_and_1():
    y_true, y_score = np.repeat([0, 1], 10), np.append(np.linspace(0, 0.5, 10), np.linspace(0.49, 1, 10))
    assert auc_estimate(y_true, y_score).high == 1.0


def test_two_classes_need_one_sort():
    y_true, y_score, _ = overlapping()
    found = average_precision(y_true == 0, 1 - y_score, ranking=opposite(rank(y_true, y_score)), settings=ANALYTIC)
    assert found.value == pytest.approx(metrics.average_precision_score(y_true == 0, 1 - y_score), abs=1e-12)
