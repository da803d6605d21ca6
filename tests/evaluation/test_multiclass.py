"""K classes against scikit-learn: areas, average precision, averages with their standard errors, top-k accuracy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics

from evaluation.metrics import class_rankings as rankings_module
from evaluation.metrics import multiclass
from evaluation.metrics.auc import auc_estimate
from evaluation.metrics.average_precision import average_precision
from evaluation.metrics.class_rankings import class_rankings, pooled_ranking
from evaluation.metrics.multiclass import (
    average_auc,
    average_average_precision,
    one_vs_rest_auc,
    one_vs_rest_average_precision,
    top_k_accuracy,
)
from evaluation.uncertainty.intervals import IntervalSettings
from tests.evaluation.test_ranking import QUICK

ANALYTIC = IntervalSettings(most_resampled=0)
KINDS = ("macro", "weighted", "micro")


def scored(n=300, k=4, seed=0, decimals=2, present=None):
    """Scores that tie, of classes that all occur unless fewer are `present`."""
    rng = np.random.default_rng(seed)
    y_true = np.append(np.arange(present or k), rng.integers(0, present or k, n))[:n]
    y_score = (rng.dirichlet(np.ones(k), n) + 0.3 * np.eye(k)[y_true]).round(decimals)
    return y_true, y_score / y_score.sum(axis=1, keepdims=True)


@st.composite
def classes(draw):
    k = draw(st.integers(3, 6))
    y_true, y_score = scored(draw(st.integers(2 * k, 60)), k, draw(st.integers(0, 10_000)), draw(st.integers(1, 4)))
    weights = np.random.default_rng(0).uniform(0.2, 3, len(y_true)) if draw(st.booleans()) else None
    return y_true, y_score, weights


@QUICK
@given(classes())
def test_averages_equal_scikit_learn(data):
    y_true, y_score, weights = data
    areas = average_auc(y_true, y_score, weights=weights)
    precisions = average_average_precision(y_true, y_score, weights=weights)
    one_hot = np.eye(y_score.shape[1], dtype=int)[y_true]
    for kind in KINDS:
        expected = metrics.roc_auc_score(one_hot, y_score, average=kind, sample_weight=weights)
        assert areas[kind].estimate.value == pytest.approx(expected, abs=1e-12)
        expected = metrics.average_precision_score(one_hot, y_score, average=kind, sample_weight=weights)
        assert precisions[kind].estimate.value == pytest.approx(expected, abs=1e-12)
        assert (areas[kind].classes, areas[kind].of) == (y_score.shape[1], y_score.shape[1])


@QUICK
@given(classes(), st.sampled_from([1, 7, 50, 1 << 21]))
def test_every_class_equals_the_class_alone(data, cells):
    y_true, y_score, weights = data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rankings_module, "CELLS_PER_BLOCK", cells)
        rankings = class_rankings(y_true, y_score, weights=weights)
    shared = {"weights": weights, "settings": ANALYTIC}
    areas = one_vs_rest_auc(y_true, y_score, rankings=rankings, **shared)
    precisions = one_vs_rest_average_precision(y_true, y_score, rankings=rankings, **shared)
    for k in range(y_score.shape[1]):
        for found, alone in ((areas[k], auc_estimate), (precisions[k], average_precision)):
            expected = alone(y_true == k, y_score[:, k], **shared)
            assert (found.value, found.method, found.note) == (
                pytest.approx(expected.value, abs=1e-12),
                expected.method,
                expected.note,
            )
            limits = (expected.low, expected.high)
            assert (found.low, found.high) == (limits if None in limits else pytest.approx(limits, abs=1e-9))


@pytest.mark.parametrize("cells", [1, 40, 1 << 21])
def test_pairs_pooled_in_blocks_give_the_area_of_all_pairs(monkeypatch, cells):
    monkeypatch.setattr(rankings_module, "CELLS_PER_BLOCK", cells)
    y_true, y_score = scored(60)
    ranking = pooled_ranking(y_true, y_score)
    expected = metrics.roc_auc_score(np.eye(4, dtype=int)[y_true], y_score, average="micro")
    assert multiclass.auc.area(ranking) == pytest.approx(expected, abs=1e-12)


def test_a_missing_class_is_undefined_and_left_out_of_the_averages():
    y_true, y_score = scored(k=4, present=3)
    areas = one_vs_rest_auc(y_true, y_score)
    assert areas[3].reason == "no positive examples"
    averages = average_auc(y_true, y_score)
    assert (averages["macro"].classes, averages["macro"].of, averages["micro"].classes) == (3, 4, 4)
    assert averages["macro"].estimate.value == pytest.approx(np.mean([area.value for area in areas[:3]]))
    assert average_average_precision(y_true, y_score)["weighted"].classes == 3


def test_a_single_class_and_no_examples_leave_averages_undefined():
    y_score = np.full((5, 3), 1 / 3)
    averages = average_auc(np.zeros(5, dtype=int), y_score)
    assert averages["macro"].estimate.reason == "no class has both positive and negative examples"
    nothing = average_average_precision(np.zeros(0, dtype=int), y_score[:0])
    assert nothing["weighted"].estimate.reason == "no class has positive examples"
    assert nothing["micro"].estimate.reason == "no examples"


def test_too_many_pairs_are_not_pooled(monkeypatch):
    monkeypatch.setattr(multiclass, "MOST_PAIRS", 1000)
    found = average_auc(*scored(300))["micro"]
    assert (found.estimate.reason, found.classes) == ("more than 1,000 pairs to rank", 0)


def test_perfect_scores_have_averages_without_interval():
    y_true = np.arange(60) % 3
    for averages in (average_auc(y_true, np.eye(3)[y_true]), average_average_precision(y_true, np.eye(3)[y_true])):
        for kind in KINDS:
            estimate = averages[kind].estimate
            assert (estimate.value, estimate.low) == (1.0, None)
            assert estimate.note.startswith("no interval")


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("function", [average_auc, average_average_precision])
def test_standard_errors_of_averages_are_those_of_a_bootstrap(function, grouped):
    y_true, y_score = scored(300)
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, 100, 300)) if grouped else np.arange(300)
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    score = metrics.roc_auc_score if function is average_auc else metrics.average_precision_score
    one_hot = np.eye(4, dtype=int)[y_true]
    replicates = []
    for _ in range(80):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        replicates.append([score(one_hot[rows], y_score[rows], average=kind) for kind in KINDS])
    found = function(y_true, y_score, groups=groups if grouped else None)
    for kind, expected in zip(KINDS, np.std(replicates, axis=0), strict=True):
        estimate = found[kind].estimate
        assert (estimate.high - estimate.low) / 2 / norm.ppf(0.975) == pytest.approx(expected, rel=0.3)
        assert estimate.method == ("cluster-linearised" if grouped else "linearised")


def test_a_part_of_the_examples_gives_almost_the_same_interval(monkeypatch):
    y_true, y_score = scored(20_000)
    groups = np.arange(20_000) // 2
    for keywords in ({}, {"groups": groups}, {"weights": np.linspace(0.5, 1.5, 20_000)}):
        whole = average_auc(y_true, y_score, **keywords)
        monkeypatch.setattr(multiclass, "PAIRS_FOR_VARIANCE", 20_000)
        part = average_auc(y_true, y_score, **keywords)
        monkeypatch.undo()
        for kind in KINDS:
            widths = [one[kind].estimate.high - one[kind].estimate.low for one in (whole, part)]
            assert part[kind].estimate.value == whole[kind].estimate.value
            assert widths[0] != widths[1] == pytest.approx(widths[0], rel=0.06)


def test_two_classes_have_delongs_interval_for_each_and_almost_so_on_average():
    y_true, y_score = scored(400, 2)
    areas, average = one_vs_rest_auc(y_true, y_score), average_auc(y_true, y_score)["macro"].estimate
    alone = auc_estimate(y_true == 1, y_score[:, 1])
    assert [area.low for area in areas] == pytest.approx([alone.low] * 2, abs=1e-9)
    assert (average.low, average.high) == pytest.approx((alone.low, alone.high), abs=1e-3)


def test_many_classes_give_way_to_the_analytic_interval_earlier():
    y_true, y_score = scored(300)
    groups = np.arange(300) // 3
    for most, method in ((1200, "cluster-bootstrap"), (1199, "cluster-linearised")):
        found = one_vs_rest_auc(
            y_true, y_score, groups=groups, settings=IntervalSettings(most_resampled=most, replicates=100)
        )
        assert {area.method for area in found} == {method}


@QUICK
@given(classes(), st.data())
def test_top_k_accuracy_equals_scikit_learn(data, draw):
    y_true, y_score, weights = data
    k = draw.draw(st.integers(1, y_score.shape[1] - 1))
    labels = np.arange(y_score.shape[1])
    expected = metrics.top_k_accuracy_score(y_true, y_score, k=k, labels=labels, sample_weight=weights)
    assert top_k_accuracy(y_true, y_score, k, weights=weights).value == pytest.approx(expected, abs=1e-12)


def test_top_k_accuracy_has_the_interval_of_an_accuracy():
    y_true, y_score = scored()
    found = top_k_accuracy(y_true, y_score, 2)
    assert (found.method, found.denominator, found.numerator) == ("wilson", 300, round(found.value * 300))
    assert top_k_accuracy(y_true, y_score, 4).value == 1.0
    grouped = top_k_accuracy(y_true, y_score, 2, groups=np.arange(300) // 3)
    assert grouped.method == "cluster-bootstrap" and grouped.low < found.value < grouped.high


@pytest.mark.parametrize("k", [0, 5])
def test_top_k_of_an_impossible_k_is_refused(k):
    with pytest.raises(ValueError, match=f"k must be from 1 to the number of classes 4. Received: k={k}."):
        top_k_accuracy(*scored(), k)
