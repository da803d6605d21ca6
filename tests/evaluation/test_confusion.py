"""Counts and rates against scikit-learn and published tables."""

import numpy as np
import pytest
from sklearn import metrics

from evaluation.confusion import (
    Counts,
    accuracy,
    average_rates,
    class_rates,
    confusion_matrix,
    frequent_confusions,
    one_vs_rest,
)


def random_labels(k=4, n=200):
    rng = np.random.default_rng(3)
    return rng.integers(0, k, n), rng.integers(0, k, n)


def test_matrix_has_the_truth_in_rows_and_equals_scikit_learn():
    y_true, y_pred = random_labels()
    expected = metrics.confusion_matrix(y_true, y_pred, labels=range(4))
    np.testing.assert_array_equal(confusion_matrix(y_true, y_pred, 4), expected)
    assert confusion_matrix(np.array([0]), np.array([1]), 2).tolist() == [[0, 1], [0, 0]]


def test_counts_equal_scikit_learns_multilabel_matrix():
    y_true, y_pred = random_labels()
    for one, expected in zip(
        one_vs_rest(confusion_matrix(y_true, y_pred, 4)),
        metrics.multilabel_confusion_matrix(y_true, y_pred),
        strict=True,
    ):
        assert [[one.tn, one.fp], [one.fn, one.tp]] == expected.tolist()


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_averages_equal_scikit_learn(average):
    y_true, y_pred = random_labels()
    counts = one_vs_rest(confusion_matrix(y_true, y_pred, 4))
    averages = average_rates([class_rates(one) for one in counts], counts)[average]
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(y_true, y_pred, average=average)
    found = [averages[name].value for name in ("precision", "sensitivity", "f1")]
    assert found == pytest.approx([precision, recall, f1], abs=1e-12)


def test_scott_2008_counts_give_the_published_rates_and_intervals():
    rates = class_rates(Counts(tp=670, fp=202, fn=74, tn=640))
    published = {
        "sensitivity": (0.90, 0.88, 0.92),
        "specificity": (0.76, 0.73, 0.79),
        "precision": (0.77, 0.74, 0.80),
        "npv": (0.90, 0.87, 0.92),
    }
    for name, expected in published.items():
        found = rates[name]
        assert (round(found.value, 2), round(found.low, 2), round(found.high, 2)) == expected, name
    assert rates["sensitivity"].value + rates["specificity"].value - 1 == pytest.approx(0.660633, abs=1e-6)


def test_altman_and_bland_1994_counts_give_the_published_rates_and_intervals():
    rates = class_rates(Counts(tp=231, fp=32, fn=27, tn=54))
    assert (round(rates["sensitivity"].low, 4), round(rates["sensitivity"].high, 4)) == (0.8520, 0.9271)
    assert (round(rates["specificity"].low, 4), round(rates["specificity"].high, 4)) == (0.5223, 0.7225)
    assert rates["precision"].value == pytest.approx(0.878327, abs=1e-6)
    assert rates["npv"].value == pytest.approx(0.666667, abs=1e-6)


def test_cat_dog_pig_gives_imbalanced_learns_rates():
    names = ["cat", "dog", "pig"]
    y_true = np.array([names.index(name) for name in ("cat", "dog", "pig", "cat", "dog", "pig")])
    y_pred = np.array([names.index(name) for name in ("cat", "pig", "dog", "cat", "cat", "dog")])
    rates = [class_rates(one) for one in one_vs_rest(confusion_matrix(y_true, y_pred, 3))]
    assert [rate["sensitivity"].value for rate in rates] == [1, 0, 0]
    assert [rate["specificity"].value for rate in rates] == [0.75, 0.5, 0.75]


def test_error_rates_complement_sensitivity_and_specificity():
    rates = class_rates(Counts(tp=8, fp=3, fn=2, tn=7))
    assert (rates["false_negative_rate"].numerator, rates["false_negative_rate"].denominator) == (2, 10)
    assert rates["false_positive_rate"].value == pytest.approx(1 - rates["specificity"].value)


@pytest.mark.parametrize(
    ("counts", "rate", "reason"),
    [
        (Counts(0, 2, 0, 3), "sensitivity", "no positive examples"),
        (Counts(0, 2, 0, 3), "false_negative_rate", "no positive examples"),
        (Counts(2, 0, 1, 0), "specificity", "no negative examples"),
        (Counts(2, 0, 1, 0), "false_positive_rate", "no negative examples"),
        (Counts(0, 0, 4, 1), "precision", "never predicted"),
        (Counts(4, 1, 0, 0), "npv", "always predicted"),
        (Counts(0, 0, 0, 5), "f1", "neither present nor predicted"),
    ],
)
def test_undefined_rates_are_none_with_a_reason(counts, rate, reason):
    estimate = class_rates(counts)[rate]
    assert (estimate.value, estimate.low, estimate.reason) == (None, None, reason)


def test_averages_leave_out_a_missing_class_and_say_so():
    counts = one_vs_rest(confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3))
    averages = average_rates([class_rates(one) for one in counts], counts)
    macro = averages["macro"]["sensitivity"]
    assert (macro.value, macro.classes, macro.of) == (0.75, 2, 3)
    assert averages["micro"]["sensitivity"].value == pytest.approx(2 / 3)


def test_accuracy_counts_the_diagonal():
    estimate = accuracy(np.array([[3, 1], [0, 6]]))
    assert (estimate.value, estimate.numerator, estimate.denominator) == (0.9, 9, 10)
    assert accuracy(np.zeros((2, 2), dtype=int)).reason == "no examples"


def test_frequent_confusions_come_first_and_leave_out_the_diagonal():
    matrix = np.array([[9, 2, 0], [5, 9, 0], [0, 1, 9]])
    assert frequent_confusions(matrix) == [(1, 0, 5), (0, 1, 2), (2, 1, 1)]
    assert frequent_confusions(matrix, limit=1) == [(1, 0, 5)]


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([0, 1], [0], "y_true and y_pred must have one shape. Received: (2,) and (1,)."),
        ([0, 2], [0, 1], "y_true must hold indices from 0 to 1. Received: 0 … 2."),
        ([0, 1], [0, -1], "y_pred must hold indices from 0 to 1. Received: -1 … 0."),
    ],
)
def test_impossible_labels_are_refused(y_true, y_pred, message):
    with pytest.raises(ValueError) as error:
        confusion_matrix(np.array(y_true), np.array(y_pred), 2)
    assert str(error.value) == message
