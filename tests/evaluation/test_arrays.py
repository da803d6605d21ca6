"""Predictions from Python: lists, NumPy, pandas, and tensors of other frameworks."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from evaluation.predictions import PredictionsError, read_predictions, write_predictions
from evaluation.reading.arrays import ExampleColumns, predictions_from_arrays
from evaluation.reading.options import ReadOptions
from tests.evaluation.samples import binary, several
from tests.evaluation.test_predictions import assert_equal


class Tensor:
    """What PyTorch and JAX tensors share; one that needs gradients must be detached first."""

    def __init__(self, values, attached=False):
        self.values, self.attached = np.asarray(values), attached

    def detach(self):
        return Tensor(self.values)

    def __array__(self, dtype=None, copy=None):
        if self.attached:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.values if dtype is None else self.values.astype(dtype)


def refusal(*arrays, **options):
    with pytest.raises(PredictionsError) as error:
        predictions_from_arrays(*arrays, **options)
    return str(error.value)


def as_is(values):
    return values


CONTAINERS = [as_is, np.ndarray.tolist, pd.Series, Tensor, lambda values: Tensor(values, attached=True)]


@pytest.mark.parametrize("container", CONTAINERS)
def test_any_container_of_one_score_gives_the_same_predictions(container):
    expected = binary()
    found = predictions_from_arrays(
        container(expected.y_true),
        container(expected.y_score[:, 1]),
        labels=("benign", "malignant"),
        columns=ExampleColumns(ids=container(expected.ids)),
    )
    assert_equal(found, expected)


@pytest.mark.parametrize("container", [as_is, np.ndarray.tolist, pd.DataFrame, Tensor])
@pytest.mark.parametrize("make", [binary, several])
def test_any_container_of_all_scores_gives_the_same_predictions(container, make):
    expected = make()
    names = np.array(expected.labels)[expected.y_true]
    for truth in (names, names.tolist(), pd.Series(names, dtype="category"), expected.y_true[:, None]):
        found = predictions_from_arrays(
            truth, container(expected.y_score), labels=expected.labels, columns=ExampleColumns(ids=expected.ids)
        )
        assert_equal(found, expected)


@pytest.mark.parametrize(
    ("y_true", "labels"),
    [
        ([0, 1, 1], ("0", "1")),
        ([1.0, 1.0, 0.0], ("0", "1")),
        ([True, False, True], ("0", "1")),
        ([1, 1, 1], ("0", "1")),
        ([-1, 1, 1], ("-1", "1")),
        ([2, 10, 2], ("2", "10")),
        (["well", "ill", "ill"], ("ill", "well")),
    ],
)
def test_without_labels_names_are_sorted_and_the_second_is_positive(y_true, labels):
    for score in ([0.25, 0.5, 1], [[0.25], [0.5], [1]], [[0.75, 0.25], [0.5, 0.5], [0, 1]]):
        found = predictions_from_arrays(y_true, score)
        assert (found.labels, found.positive, found.ids.tolist()) == (labels, labels[1], ["0", "1", "2"])
        assert found.y_score[:, 1].tolist() == [0.25, 0.5, 1]


def test_integers_without_labels_count_the_columns():
    found = predictions_from_arrays([2, 0], np.eye(4)[[2, 1]])
    assert (found.labels, found.y_true.tolist(), found.positive) == (("0", "1", "2", "3"), [2, 0], None)


def test_the_positive_class_may_be_the_first_label():
    both = predictions_from_arrays(["a", "b"], [[1, 0], [0.25, 0.75]], positive="a")
    one = predictions_from_arrays(["a", "b"], [1, 0.25], positive="a")
    for found in (both, one):
        assert (found.labels, found.y_true.tolist()) == (("b", "a"), [1, 0])
        assert found.y_score.tolist() == [[0, 1], [0.75, 0.25]]


def test_columns_of_a_frame_name_the_classes_in_any_order():
    frame = pd.DataFrame({"p_dog": [0.25, 1], "p_cat": [0.5, 0], "p_pig": [0.25, 0]})
    assert predictions_from_arrays(["cat", "dog"], frame).labels == ("dog", "cat", "pig")
    found = predictions_from_arrays(["cat", "dog"], frame, labels=["cat", "dog", "pig"])
    assert (found.labels, found.y_score.tolist()) == (("cat", "dog", "pig"), [[0.5, 0.25, 0.25], [0, 1, 0]])
    other = frame.set_axis(["x", "y", "z"], axis=1)
    assert predictions_from_arrays(["cat", "dog"], other, labels=["dog", "cat", "pig"]).labels == ("dog", "cat", "pig")


def test_float32_softmax_rows_are_accepted_and_logits_stay_in_float64():
    logits = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32) * 20
    rows = softmax(logits, axis=1)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(predictions_from_arrays(np.arange(50) % 7, rows).y_score, rows.astype(np.float64))
    found = predictions_from_arrays(np.arange(50) % 7, logits, options=ReadOptions(logits=True))
    np.testing.assert_array_equal(found.y_score, softmax(logits.astype(np.float64), axis=1))


def test_optional_columns_are_kept_and_survive_the_file(tmp_path):
    columns = ExampleColumns(
        ids=[10, 11, 12],
        groups=pd.Series(["p1", "p1", "p2"], index=[5, 6, 7]),
        weights=np.array([1, 2, 0.5], np.float32),
        images=["a.png", None, "c.png"],
        subgroups={"site": ["x", "y", "x"], "sex": np.array([0, 1, 1])},
    )
    found = predictions_from_arrays(["no", "yes", "yes"], [0.1, 0.2, 0.3], columns=columns)
    assert (found.ids.tolist(), found.groups.tolist()) == (["10", "11", "12"], ["p1", "p1", "p2"])
    assert (found.weights.tolist(), found.images.tolist()) == ([1, 2, 0.5], ["a.png", "", "c.png"])
    assert found.subgroups["sex"].tolist() == ["0", "1", "1"]
    write_predictions(tmp_path / "a.csv", found)
    again = read_predictions(tmp_path / "a.csv")
    for name in ("ids", "y_true", "y_score", "groups", "weights", "images"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name), err_msg=name)
    assert {name: values.tolist() for name, values in again.subgroups.items()} == {
        "site": ["x", "y", "x"],
        "sex": ["0", "1", "1"],
    }


@pytest.mark.parametrize("score", [[0.5, None, 0.25], [0.5, np.nan, 0.25], np.ma.array([0.5, 9, 0.25], mask=[0, 1, 0])])
def test_missing_scores_follow_the_policy(score):
    found = predictions_from_arrays([1, 1, None], score, options=ReadOptions(missing="worst-case"))
    assert (found.y_score[:, 1].tolist(), found.missing.scores, found.missing.truths) == ([0.5, 0.0], 1, 1)
    assert refusal([1, 1, 0], score).startswith("y_score[1]: received ")
    assert refusal([1, 1, 0], score).endswith(
        "Give a number, or set ReadOptions(missing='exclude') or ReadOptions(missing='worst-case')"
    )


def test_the_callers_arrays_are_neither_changed_nor_shared():
    y_true, score, weights = np.array([0, 1]), np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([1.0, 2])
    names = np.array(["a", "b"], dtype=object)
    found = predictions_from_arrays(y_true, score, columns=ExampleColumns(ids=names, images=names, weights=weights))
    for array in (y_true, score, weights, names):
        array[:] = 0
    assert (found.y_true.tolist(), found.y_score.tolist()) == ([0, 1], [[0.5, 0.5], [0.25, 0.75]])
    assert (found.ids.tolist(), found.images.tolist(), found.weights.tolist()) == (["a", "b"], ["a", "b"], [1, 2])


THREE = np.full((2, 3), [0.5, 0.25, 0.25])
REFUSALS = {
    "nan": (([0, 1], [0.5, np.nan]), "y_score[1]: received 'nan', which is NaN; expected a number from 0 to 1. "),
    "infinite": (
        ([0, 1], [0.5, np.inf]),
        "y_score[1]: received 'inf', which is infinite; expected a number from 0 to 1",
    ),
    "logits": (
        ([0, 1], [0.5, 2.5]),
        "y_score[1]: received '2.5', which is out of range; expected a number from 0 to 1. "
        "If these are logits, declare them with ReadOptions(logits=True)",
    ),
    "sum": (
        ([0, 1], THREE * [1, 1, 2]),
        "y_score[0]: the scores sum to 1.25; expected 1 within 0.001. "
        "Give probabilities, not percentages; if these are logits, declare them with ReadOptions(logits=True)",
    ),
    "unknown integer": (
        ([0, 3], THREE),
        "labels are needed: y_true holds 2 different names (0, 3) where y_score scores 3 classes. "
        "Give the 3 names in the order of the columns",
    ),
    "names of a class too few": (
        (["a", "b"], THREE),
        "labels are needed: y_true holds 2 different names (a, b) where y_score scores 3 classes. "
        "Give the 3 names in the order of the columns",
    ),
    "lengths": (([0, 1, 1], THREE), "y_score must have shape (3,) or (3, K), as y_true. Received: (2, 3)"),
    "one-hot": (
        (np.eye(2), THREE),
        "y_true must have shape (n,). Received: (2, 2). Give class numbers: argmax(axis=1)",
    ),
    "ragged": (([0, 1], [[0.5], [0.5, 0.5]]), "y_score is no array: "),
    "text": (([0, 1], ["high", "low"]), "y_score[0]: received 'high', which is not a number; "),
    "decisions": (([0, 1], [True, False]), "y_score[0]: received 'True', which is not a number; "),
    "complex": (([0, 1], [0.5, 1j]), "y_score[0]: received '(0.5+0j)', which is not a number; "),
    "empty": (([], []), "the arrays are empty. Expected one row per example"),
    "scalar": ((1, 0.5), "y_true must have shape (n,). Received: ()"),
    "nothing": ((None, [0.5]), "y_true must have shape (n,). Received: ()"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_arrays_that_cannot_be_used_are_refused_with_the_index(name):
    arrays, message = REFUSALS[name]
    received = refusal(*arrays)
    assert received.startswith(message) and len(received.splitlines()) == 1


OPTION_REFUSALS = [
    ({"labels": ["a", "b"]}, "labels must be 3 different names, one per column of y_score. Received: ['a', 'b']"),
    (
        {"labels": ["a", "b", "a"]},
        "labels must be 3 different names, one per column of y_score. Received: ['a', 'b', 'a']",
    ),
    ({"labels": ["a", "b", "c"]}, "y_true[0]: received 'x', which is an unknown label; labels are a, b, c"),
    ({"labels": "xyz"}, "labels must be 3 different names, one per column of y_score. Received: shape ()"),
    (
        {"labels": ["x", "y", "z"], "positive": "x"},
        "positive is for two classes; the file scores 3. Leave it out, or give a file of two",
    ),
    (
        {"labels": ["x", "y", "z"], "columns": ExampleColumns(ids=["i", "i"])},
        "id[1]: received 'i', a duplicate id; first seen in id[0]. Give every example its own id",
    ),
    (
        {"labels": ["x", "y", "z"], "columns": ExampleColumns(weights=[1, -2])},
        "weight[1]: received '-2', which is out of range; expected a finite number of at least 0",
    ),
    (
        {"labels": ["x", "y", "z"], "columns": ExampleColumns(groups=["p"])},
        "group must have shape (2,), as y_true. Received: (1,)",
    ),
    (
        {"labels": ["x", "y", "z"], "columns": ExampleColumns(groups=["p", None])},
        "group[1]: received 'nan', which is no value; expected a value. Fill the cell or remove the row",
    ),
    (
        {"labels": ["x", "y", "z"], "columns": ExampleColumns(subgroups={"site": ["a"]})},
        "site must have shape (2,), as y_true. Received: (1,)",
    ),
    (
        {"labels": ["x", "y", "z"], "columns": ExampleColumns(subgroups={"id": ["a", "b"]})},
        "subgroups must not be named 'id', which has a meaning of its own. Rename it",
    ),
]


@pytest.mark.parametrize(("options", "message"), OPTION_REFUSALS)
def test_labels_and_columns_that_contradict_the_arrays_are_refused(options, message):
    assert refusal(["x", "y"], THREE, **options) == message


def test_an_unknown_positive_class_is_refused():
    message = "two classes need to know the condition looked for: received 'z'. Use positive='a' or positive='b'"
    assert refusal(["a", "b"], [0.5, 0.5], positive="z") == message
