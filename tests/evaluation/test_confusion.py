"""Counts and rates against scikit-learn and published tables."""

import numpy as np
import pytest
from sklearn import metrics

from evaluation.metrics.confusion import confusion_matrix, frequent_confusions, one_vs_rest


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
