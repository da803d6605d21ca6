"""Subgroups: the same numbers as on the subgroup alone, in a natural order, with warnings."""

import dataclasses

import numpy as np
import pytest
from sklearn import metrics

from evaluation.metrics.subgroups import subgroup_rows
from evaluation.predictions import Predictions
from tests.evaluation.samples import binary, several


def with_columns(predictions: Predictions, **columns: list[str]) -> Predictions:
    """The same predictions with subgroup columns."""
    return dataclasses.replace(
        predictions, subgroups={name: np.array(values, dtype=object) for name, values in columns.items()}
    )


def test_rows_equal_the_numbers_of_the_subgroup_alone():
    sites = ["site 10", "site 2"] * 100
    predictions = with_columns(binary(200), site=sites)
    rows = subgroup_rows(predictions)
    assert [(row.column, row.value, row.n) for row in rows] == [("site", "site 2", 100), ("site", "site 10", 100)]
    inside = np.array(sites) == "site 2"
    y_true, y_pred = predictions.y_true[inside], predictions.y_pred[inside]
    assert rows[0].accuracy.value == pytest.approx(metrics.accuracy_score(y_true, y_pred))
    assert rows[0].sensitivity.value == pytest.approx(metrics.recall_score(y_true, y_pred))
    assert rows[0].specificity.value == pytest.approx(metrics.recall_score(y_true, y_pred, pos_label=0))
    assert rows[0].auc.value == pytest.approx(metrics.roc_auc_score(y_true, predictions.y_score[inside, 1]))
    assert rows[0].positives == y_true.sum()
    assert rows[0].warning is None


def test_several_classes_have_macro_numbers():
    predictions = with_columns(several(120), sex=["f", "m"] * 60)
    row = subgroup_rows(predictions)[0]
    y_true, y_pred = predictions.y_true[::2], predictions.y_pred[::2]
    assert row.sensitivity.value == pytest.approx(
        metrics.recall_score(y_true, y_pred, average="macro", labels=range(3))
    )
    assert (row.positives, row.specificity) == (None, None)
    assert 0.5 < row.auc.value < 1


@pytest.mark.parametrize(
    ("truth", "warning"),
    [
        ([0] * 20 + [1] * 20, None),
        ([0] * 14 + [1] * 15, "Only 29 examples: read these numbers with caution."),
        ([0] * 39 + [1], "Only 1 positive: read these numbers with caution."),
        ([0] * 3 + [1] * 2, "Only 5 examples, only 2 positives and only 3 negatives: read these numbers with caution."),
        ([1] * 40, "No negatives: read these numbers with caution."),
    ],
)
def test_small_subgroups_warn_in_words(truth, warning):
    base = binary(len(truth))
    predictions = with_columns(dataclasses.replace(base, y_true=np.array(truth)), site=["a"] * len(truth))
    assert subgroup_rows(predictions)[0].warning == warning


def test_a_subgroup_of_one_class_leaves_its_numbers_undefined():
    base = binary(40)
    predictions = with_columns(dataclasses.replace(base, y_true=np.ones(40, int)), site=["a"] * 40)
    row = subgroup_rows(predictions)[0]
    assert (row.specificity.value, row.specificity.reason) == (None, "no negative examples")
    assert row.auc.value is None


def test_columns_are_chosen_by_name_and_unknown_ones_refused():
    predictions = with_columns(binary(40), site=["a"] * 40, sex=["f", "m"] * 20)
    assert {row.column for row in subgroup_rows(predictions, columns=["sex"])} == {"sex"}
    with pytest.raises(ValueError, match=r"^columns must name subgroup columns \(site, sex\). Received: 'age'.$"):
        subgroup_rows(predictions, columns=["age"])


def test_groups_and_weights_reach_the_subgroup():
    base = dataclasses.replace(binary(80), groups=np.arange(80) // 2, weights=np.linspace(0, 1, 80))
    row = subgroup_rows(with_columns(base, half=["a"] * 40 + ["b"] * 40))[1]
    y_true, y_pred = base.y_true[40:], base.y_pred[40:]
    assert row.accuracy.value == pytest.approx(metrics.accuracy_score(y_true, y_pred, sample_weight=base.weights[40:]))
    assert row.accuracy.method == "cluster-bootstrap"
