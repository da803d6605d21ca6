"""Areas and curves against scikit-learn and Hanley & McNeil (1982)."""

import numpy as np
import pytest
from scipy.integrate import trapezoid
from sklearn import metrics

from evaluation.ranking import area_under_curve, mean_areas, micro_area, one_vs_rest_areas, roc_curve


def tied_scores(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, n)
    return y_true, np.round(rng.normal(size=n) + y_true, 1)


def test_area_equals_hanley_and_mcneil_1982():
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    ratings = np.repeat([1, 2, 3, 4, 5] * 2, normal + abnormal)
    truth = np.repeat([0, 1], [sum(normal), sum(abnormal)])
    assert area_under_curve(truth, ratings).value == pytest.approx(0.893171, abs=5e-7)


def test_area_equals_scikit_learns_documentation():
    assert area_under_curve(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).value == 0.75


@pytest.mark.parametrize("seed", range(3))
def test_area_with_ties_equals_scikit_learn(seed):
    y_true, y_score = tied_scores(seed=seed)
    assert area_under_curve(y_true, y_score).value == pytest.approx(metrics.roc_auc_score(y_true, y_score), abs=1e-12)


def test_equal_scores_rank_by_chance_and_perfect_scores_rank_perfectly():
    y_true = np.array([0, 1, 1, 0])
    assert area_under_curve(y_true, np.full(4, 0.5)).value == 0.5
    assert area_under_curve(y_true, y_true * 1.0).value == 1.0


@pytest.mark.parametrize(("value", "reason"), [(0, "no positive examples"), (1, "no negative examples")])
def test_a_single_kind_leaves_area_and_curve_undefined(value, reason):
    y_true, y_score = np.full(5, value), np.linspace(0, 1, 5)
    estimate = area_under_curve(y_true, y_score)
    assert (estimate.value, estimate.reason) == (None, reason)
    assert roc_curve(y_true, y_score) is None


def test_curve_runs_through_scikit_learns_points_without_those_inside_a_straight_run():
    y_true, y_score = tied_scores()
    fpr, tpr, thresholds = metrics.roc_curve(y_true, y_score, drop_intermediate=False)
    curve = roc_curve(y_true, y_score)
    kept = np.isin(thresholds, curve.thresholds)
    np.testing.assert_allclose(curve.false_positive_rate, fpr[kept], atol=1e-15)
    np.testing.assert_allclose(curve.true_positive_rate, tpr[kept], atol=1e-15)
    area = trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert kept.sum() == len(curve.thresholds) < len(thresholds)
    assert area == pytest.approx(metrics.roc_auc_score(y_true, y_score), abs=1e-12)


def test_thinned_curve_keeps_its_ends_and_the_area():
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 2, 100_000)
    y_score = rng.normal(size=100_000) + 2 * y_true
    curve = roc_curve(y_true, y_score, max_points=1000)
    area = trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert 300 < len(curve.thresholds) <= 1000
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0], curve.true_positive_rate[-1]) == (0, 0, 1)
    assert area == pytest.approx(metrics.roc_auc_score(y_true, y_score), abs=1e-3)


def test_mean_areas_equal_scikit_learn():
    rng = np.random.default_rng(2)
    y_true, y_score = rng.integers(0, 3, 300), rng.dirichlet(np.ones(3), 300)
    macro, weighted = mean_areas(one_vs_rest_areas(y_true, y_score), np.bincount(y_true))
    for kind, found in (("macro", macro), ("weighted", weighted)):
        expected = metrics.roc_auc_score(y_true, y_score, multi_class="ovr", average=kind)
        assert found.value == pytest.approx(expected, abs=1e-12)


def test_a_missing_class_is_left_out_of_the_mean():
    y_true, y_score = np.array([0, 1, 0, 1]), np.random.default_rng(0).dirichlet(np.ones(3), 4)
    areas = one_vs_rest_areas(y_true, y_score)
    macro, _ = mean_areas(areas, np.array([2, 2, 0]))
    assert areas[2].reason == "no positive examples"
    assert (macro.numerator, macro.denominator) == (2, 3)
    assert macro.value == pytest.approx((areas[0].value + areas[1].value) / 2)


def test_micro_area_equals_scikit_learn_and_is_undefined_without_examples():
    rng = np.random.default_rng(3)
    y_true, y_score = rng.integers(0, 4, 300), rng.dirichlet(np.ones(4), 300).round(2)
    one_hot = np.eye(4, dtype=int)[y_true]
    expected = metrics.roc_auc_score(one_hot, y_score, average="micro")
    assert micro_area(y_true, y_score).value == pytest.approx(expected, abs=1e-12)
    assert micro_area(y_true[:0], y_score[:0]).value is None
