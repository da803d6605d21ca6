"""Curves against scikit-learn, what thinning keeps, and the band against a slow bootstrap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.special import expit
from scipy.stats import norm
from sklearn import metrics

from evaluation.metrics.curves import precision_recall_curve, roc_band, roc_curve
from evaluation.metrics.ranking import rank
from evaluation.uncertainty.intervals import IntervalSettings
from tests.evaluation.test_ranking import QUICK, examples


def many_scores(n=100_000, seed=1, distance=2.0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, n)
    return y_true, expit(rng.normal(size=n) + distance * y_true)


@QUICK
@given(examples(), st.booleans())
def test_roc_curve_runs_through_scikit_learns_points_and_drops_those_inside_a_straight_run(data, weighted):
    y_true, y_score, weights = data
    weights = weights if weighted else None
    curve = roc_curve(rank(y_true, y_score, weights=weights))
    fpr, tpr, thresholds = metrics.roc_curve(y_true, y_score, sample_weight=weights, drop_intermediate=False)
    kept = np.isin(thresholds, curve.thresholds)
    np.testing.assert_allclose(curve.false_positive_rate, fpr[kept], atol=1e-12)
    np.testing.assert_allclose(curve.true_positive_rate, tpr[kept], atol=1e-12)
    area = trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(metrics.auc(fpr, tpr), abs=1e-12)


@QUICK
@given(examples(), st.booleans())
def test_precision_recall_curve_equals_scikit_learn(data, weighted):
    y_true, y_score, weights = data
    weights = weights if weighted else None
    curve = precision_recall_curve(rank(y_true, y_score, weights=weights), max_points=10_000)
    precision, recall, thresholds = metrics.precision_recall_curve(y_true, y_score, sample_weight=weights)
    np.testing.assert_array_equal(curve.thresholds, thresholds[::-1])
    np.testing.assert_allclose(curve.precision, precision[-2::-1], atol=1e-12)
    np.testing.assert_allclose(curve.recall, recall[-2::-1], atol=1e-12)


def test_roc_curve_names_counts_and_thresholds():
    curve = roc_curve(rank(np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8, 0.9])))
    np.testing.assert_array_equal(curve.thresholds, [np.inf, 0.8, 0.4, 0.35, 0.1])
    np.testing.assert_array_equal((curve.tp, curve.fp), ([0, 2, 2, 3, 3], [0, 0, 1, 1, 2]))
    assert (curve.positives, curve.negatives) == (3, 2)


@pytest.mark.parametrize("max_points", [3, 50, 1000])
def test_thinned_roc_curve_keeps_its_ends_and_stays_close(max_points):
    y_true, y_score = many_scores()
    ranking = rank(y_true, y_score)
    curve = roc_curve(ranking, max_points)
    assert 2 <= len(curve.tp) <= max_points
    assert (curve.tp[0], curve.fp[0], curve.thresholds[0]) == (0, 0, np.inf)
    assert (curve.tp[-1], curve.fp[-1], curve.thresholds[-1]) == (y_true.sum(), 100_000 - y_true.sum(), y_score.min())
    x, y = ranking.fp / ranking.negatives, ranking.tp / ranking.positives
    drawn = np.interp(x + y, curve.false_positive_rate + curve.true_positive_rate, curve.true_positive_rate)
    assert np.abs(y - drawn).max() <= 2 / (max_points - 2)


@pytest.mark.parametrize("n", [500, 100_000])
def test_the_corner_of_a_perfect_curve_survives(n):
    y_true = np.repeat([0, 1], n)
    curve = roc_curve(rank(y_true, np.linspace(0, 1, 2 * n)))
    np.testing.assert_array_equal((curve.tp, curve.fp), ([0, n, n], [0, 0, n]))


def test_thinned_precision_recall_curve_stays_close():
    y_true, y_score = many_scores()
    ranking = rank(y_true, y_score)
    curve = precision_recall_curve(ranking)
    assert 300 < len(curve.recall) <= 1000
    assert (curve.thresholds[0], curve.thresholds[-1], curve.recall[-1]) == (y_score.max(), y_score.min(), 1)
    points = np.stack([ranking.tp / ranking.positives, ranking.tp / (ranking.tp + ranking.fp)])[:, ::97]
    kept = np.stack([curve.recall, curve.precision])
    distance = np.abs(points[:, :, None] - kept[:, None, :]).sum(axis=0).min(axis=1)
    assert distance.max() < 0.01


def test_a_missing_kind_has_no_curve():
    y_score = np.linspace(0, 1, 5)
    for y_true in (np.zeros(5), np.ones(5)):
        assert roc_curve(rank(y_true, y_score)) is None
        assert roc_band(y_true, y_score) is None
    assert precision_recall_curve(rank(np.zeros(5), y_score)) is None
    assert precision_recall_curve(rank(np.ones(5), y_score)).precision.tolist() == [1] * 5


@pytest.mark.parametrize("curve", [roc_curve, precision_recall_curve])
def test_too_few_points_are_refused(curve):
    with pytest.raises(ValueError, match=r"max_points must be at least 3\. Received: max_points=2\."):
        curve(rank(np.array([0, 1]), np.array([0.1, 0.2])), max_points=2)


def slow_band(y_true, y_score, drawn_units, unit):
    """Quantiles of scikit-learn's curves over resamples of units."""
    grid, curves = np.linspace(0, 1, 101), []
    for units in drawn_units:
        rows = np.concatenate([np.flatnonzero(unit == one) for one in units])
        fpr, tpr, _ = metrics.roc_curve(y_true[rows], y_score[rows])
        curves.append(np.interp(grid, fpr, tpr))
    return np.quantile(curves, [0.025, 0.975], axis=0)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_band_is_that_of_a_slow_bootstrap(grouped):
    y_true, y_score = many_scores(300, distance=1.0)
    unit, rng = np.arange(300), np.random.default_rng(0)
    drawn = [np.concatenate([rng.choice(unit[y_true == kind], (y_true == kind).sum()) for kind in (0, 1)])]
    drawn += [np.concatenate([rng.choice(unit[y_true == k], (y_true == k).sum()) for k in (0, 1)]) for _ in range(400)]
    if grouped:
        unit = np.arange(300) // 3
        drawn = rng.integers(0, 100, (400, 100))
    band = roc_band(y_true, y_score, groups=unit if grouped else None)
    low, high = slow_band(y_true, y_score, drawn, unit)
    assert np.abs(band.low - low).max() < 0.05 and np.abs(band.high - high).max() < 0.05
    assert np.abs(band.low - low).mean() < 0.015 and np.abs(band.high - high).mean() < 0.015
    assert band.method == ("cluster-bootstrap" if grouped else "bootstrap")


def test_equal_weights_and_groups_of_one_change_the_band_little():
    y_true, y_score = many_scores(3000)
    plain = roc_band(y_true, y_score)
    for keywords in ({"weights": np.full(3000, 2.0)}, {"groups": np.arange(3000)}):
        other = roc_band(y_true, y_score, **keywords)
        assert np.abs(other.low - plain.low).max() < 0.03 and np.abs(other.high - plain.high).max() < 0.03


def test_the_band_covers_the_true_sensitivity():
    covered = []
    for seed in range(60):
        y_true, y_score = many_scores(400, seed, distance=1.5)
        band = roc_band(y_true, y_score, settings=IntervalSettings(replicates=300))
        truth = norm.cdf(norm.ppf(band.false_positive_rate) + 1.5)
        covered.append((band.low <= truth)[10:60:10] & (truth <= band.high)[10:60:10])
    assert 0.9 <= np.mean(covered) <= 0.99
