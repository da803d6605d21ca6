"""Intervals of decisions: resampled, linearised, by group and by weight."""

import math

import numpy as np
import pytest
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from evaluation.metrics.confusion import MEASURES
from evaluation.metrics.diagnostic import DecisionSample
from evaluation.uncertainty.intervals import IntervalSettings

LINEARISED = IntervalSettings(most_resampled=1)


def fair(n=400, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    return y_true, np.where(rng.random(n) < 0.7, y_true, rng.integers(0, k, n))


def resampling(kind, n):
    rng = np.random.default_rng(1)
    groups, weights = np.repeat(np.arange(n // 2), 2), rng.uniform(0.5, 1.5, n)
    return {
        "plain": {},
        "grouped": {"groups": groups},
        "weighted": {"weights": weights},
        "both": {"groups": groups, "weights": weights},
    }[kind]


@pytest.mark.parametrize("kind", ["plain", "grouped", "weighted", "both"])
def test_the_delta_method_agrees_with_the_bootstrap(kind):
    y_true, y_pred = fair(2000)
    keywords = resampling(kind, 2000)
    drawn = DecisionSample(y_true, y_pred, 3, settings=IntervalSettings(replicates=4000), **keywords)
    derived = DecisionSample(y_true, y_pred, 3, settings=LINEARISED, **keywords)
    pairs = [(drawn.overall()[name], derived.overall()[name]) for name in ("balanced_accuracy", "mcc", "cohen_kappa")]
    pairs += [(drawn.class_measures(1)[name], derived.class_measures(1)[name]) for name in MEASURES]
    for average in ("macro", "weighted"):
        found, expected = drawn.averages()[average], derived.averages()[average]
        pairs += [(found[name].estimate, expected[name].estimate) for name in found]
    for one, other in pairs:
        assert one.value == other.value
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.12 * (other.high - other.low))


def test_independent_bootstrap_keeps_the_number_of_examples_of_each_class():
    y_true, y_pred = fair(300)
    found = DecisionSample(y_true, y_pred, 3).overall()["mcc"]
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(y_true == c) for c in range(3)]
    scores = []
    for _ in range(400):
        rows = np.concatenate([rng.choice(m, len(m)) for m in members])
        scores.append(metrics.matthews_corrcoef(y_true[rows], y_pred[rows]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.025)
    assert found.method == "bootstrap"


def test_repeating_every_patient_widens_nothing_where_patients_are_resampled():
    y_true, y_pred = fair(200)
    once = DecisionSample(y_true, y_pred, 3, groups=np.arange(200)).overall()["accuracy"]
    twice = DecisionSample(np.repeat(y_true, 4), np.repeat(y_pred, 4), 3, groups=np.repeat(np.arange(200), 4))
    found = twice.overall()["accuracy"]
    assert (found.low, found.high, found.method) == (once.low, once.high, "cluster-bootstrap")


@pytest.mark.parametrize("most", [1, 100_000])
def test_perfect_rates_of_groups_take_wilson_on_groups(most):
    y = np.repeat([0, 1, 1], 20)
    decisions = DecisionSample(y, y, 2, groups=np.arange(60) // 4, settings=IntervalSettings(most_resampled=most))
    found = decisions.class_measures(1)
    assert found["sensitivity"].low == pytest.approx(proportion_confint(10, 10, method="wilson")[0])
    assert found["specificity"].low == pytest.approx(proportion_confint(5, 5, method="wilson")[0])
    assert {found[name].method for name in ("sensitivity", "false_positive_rate")} == {"wilson-on-groups"}
    assert found["youden_j"].method == "mover"
    assert (found["lr_positive"].value, found["lr_positive"].high) == (math.inf, None)
    accuracy = decisions.overall()["accuracy"]
    assert accuracy.low == pytest.approx(proportion_confint(15, 15, method="wilson")[0])
    assert (accuracy.method, accuracy.note) == ("wilson-on-groups", None)


def test_perfect_rates_of_weighted_examples_take_kishs_effective_number():
    y, weights = np.repeat([0, 1], 20), np.tile([1.0, 3.0], 20)
    found = DecisionSample(y, y, 2, weights=weights).class_measures(1)["sensitivity"]
    assert found.low == pytest.approx(proportion_confint(16, 16, method="wilson")[0])
    assert (found.method, found.numerator, found.denominator) == ("wilson-effective", 40, 40)


def test_weights_of_one_and_of_zero_change_no_value():
    y_true, y_pred = fair(100)
    weights = np.where(np.arange(100) < 60, 1.0, 0.0)
    found = DecisionSample(y_true, y_pred, 3, weights=weights).class_measures(2)
    expected = DecisionSample(y_true[:60], y_pred[:60], 3).class_measures(2)
    for name in MEASURES:
        assert found[name].value == pytest.approx(expected[name].value), name


def test_averages_leave_out_a_missing_class_and_say_so():
    averages = DecisionSample(np.array([0, 0, 1]), np.array([0, 1, 1]), 3).averages()
    macro = averages["macro"]["sensitivity"]
    assert (macro.estimate.value, macro.classes, macro.of) == (0.75, 2, 3)
    assert averages["micro"]["sensitivity"].estimate.value == pytest.approx(2 / 3)
    micro = averages["micro"]["specificity"].estimate
    assert (micro.value, micro.numerator, micro.denominator) == (pytest.approx(5 / 6), 5, 6)


def test_one_class_alone_leaves_mcc_undefined():
    found = DecisionSample(np.zeros(5, int), np.array([0, 0, 1, 0, 0]), 2).overall()
    assert (found["mcc"].value, found["mcc"].reason) == (None, "one class takes all truths or all predictions")
    assert found["balanced_accuracy"].value == 0.8
    same = DecisionSample(np.zeros(5, int), np.zeros(5, int), 2).overall()["cohen_kappa"]
    assert (same.value, same.reason) == (None, "one class takes all examples")


def test_no_examples_leave_everything_undefined():
    decisions = DecisionSample(np.zeros(0, int), np.zeros(0, int), 2)
    assert {one.reason for one in decisions.overall().values()} == {"no examples"}
    assert all(one.value is None for one in decisions.class_measures(1).values())


def test_many_classes_are_linearised():
    y_true, y_pred = fair(3000, k=60)
    found = DecisionSample(y_true, y_pred, 60).averages()["macro"]["f1"].estimate
    assert found.method == "linearised"
    assert found.value == pytest.approx(metrics.f1_score(y_true, y_pred, average="macro"))
