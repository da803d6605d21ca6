"""Predictions files: what is read, how classes are named, and what is written back."""

import dataclasses

import numpy as np
import pytest

from evaluation.predictions import (
    Predictions,
    PredictionsError,
    RegressionPredictions,
    read_predictions,
    write_predictions,
)
from tests.evaluation.samples import binary, ids, regression, several


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, **options):
        path = tmp_path / "scores.csv"
        path.write_text(text, encoding="utf-8")
        return read_predictions(path, **options)

    return write_and_read


def assert_equal(found, expected):
    assert type(found) is type(expected)
    for field in dataclasses.fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        else:
            assert one == other, field.name


@pytest.mark.parametrize("make", [binary, several, regression])
def test_written_predictions_read_back_bit_for_bit(tmp_path, make):
    expected = make()
    write_predictions(tmp_path / "predictions.csv", expected)
    assert_equal(read_predictions(tmp_path / "predictions.csv"), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


def test_two_scores_that_do_not_complement_are_both_written(tmp_path):
    score = np.array([[0.1, 0.9000001], [0.7, 0.3]])
    expected = Predictions(ids(2), np.array([1, 0]), score, ("no", "yes"), "yes", np.array(["p", "q"], dtype=object))
    write_predictions(tmp_path / "a.csv", expected)
    assert (tmp_path / "a.csv").read_text().startswith("id,y_true,group,p_no,p_yes\n")
    assert_equal(read_predictions(tmp_path / "a.csv", positive="yes"), expected)


def test_hostile_names_survive_the_round_trip(tmp_path):
    labels = ('a,"b"', "<script>", "ü|ö", "p_q")
    expected = several(labels=labels)
    write_predictions(tmp_path / "a.csv", expected)
    assert read_predictions(tmp_path / "a.csv").labels == labels


def test_prefixed_columns_are_the_scores_in_their_order(read):
    found = read("id,y_true,p_dog,age,p_cat,p_pig\nx,cat,0.2,50,0.5,0.3\ny,dog,1,60,0,0\n")
    assert (found.labels, found.positive, found.groups) == (("dog", "cat", "pig"), None, None)
    assert found.y_true.tolist() == [1, 0]
    assert found.y_score.tolist() == [[0.2, 0.5, 0.3], [1, 0, 0]]
    assert found.ids.tolist() == ["x", "y"]


def test_columns_named_as_labels_are_scores_and_others_complete_them(read):
    found = read("y_true,cat,dog,pig,age\ncat,0.5,0.2,0.3,50\ndog,0.25,0.25,0.5,60\n")
    assert found.labels == ("cat", "dog", "pig")
    assert read("y_true,cat,dog,weight\ncat,0.5,0.5,0.9\ndog,0,1,0.1\n", positive="cat").labels == ("dog", "cat")


def test_integers_count_the_score_columns(read):
    found = read("y_true,p_cat,p_dog,p_pig\n2,0.5,0.2,0.3\n0.0,0.25,0.25,0.5\n")
    assert found.y_true.tolist() == [2, 0]


def test_integer_names_win_over_integer_positions(read):
    found = read("y_true,p_2,p_1,p_0\n2,0.5,0.2,0.3\n0,0.25,0.25,0.5\n")
    assert found.y_true.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("y_true,p_ill\nwell,0.25\nill,0.75\n", ("well", "ill")),
        ("y_true,ill\nwell,0.25\nill,0.75\n", ("well", "ill")),
        ("y_true,p_ill\n0,0.25\n1,0.75\n", ("not ill", "ill")),
        ("y_true,p_1\n0,0.25\n1,0.75\n", ("0", "1")),
        ("y_true,score\n0,0.25\n1,0.75\n", ("not score", "score")),
    ],
)
def test_a_single_score_column_is_the_positive_class(read, text, labels):
    found = read(text)
    assert (found.labels, found.positive) == (labels, labels[1])
    assert found.y_true.tolist() == [0, 1]
    assert found.y_score.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_a_generic_score_column_takes_the_name_of_the_positive_class(read):
    assert read("y_true,score\nwell,0.2\nill,0.8\n", positive="ill").labels == ("well", "ill")


def test_a_missing_class_is_no_error(read):
    assert read("y_true,p_ill\nill,0.75\n").labels == ("not ill", "ill")
    assert read("y_true,p_ill\nwell,0.75\n").labels == ("well", "ill")
    assert read("y_true,p_a,p_b,p_c\na,0.5,0.25,0.25\n").labels == ("a", "b", "c")


def test_two_score_columns_are_ordered_negative_positive(read):
    found = read("y_true,p_ill,p_well\nill,0.9,0.1\n", positive="ill")
    assert (found.labels, found.y_true.tolist(), found.y_score.tolist()) == (("well", "ill"), [1], [[0.1, 0.9]])


def test_examples_without_id_are_named_by_their_row(read):
    found = read("y_true,p_ill,group\nill,0.9,patient 1\nwell,0.2,patient 1\n")
    assert found.ids.tolist() == ["2", "3"]
    assert found.groups.tolist() == ["patient 1", "patient 1"]


def test_numbers_without_scores_are_a_regression(read):
    found = read("\ufeffid,y_true,y_pred\na,1.5,2\nb,-3,1e-3\n\n\n")
    assert isinstance(found, RegressionPredictions)
    assert (found.y_true.tolist(), found.y_pred.tolist()) == ([1.5, -3.0], [2.0, 0.001])


def test_positive_is_called_at_the_threshold_itself():
    score = np.array([0.5, 0.4999])
    found = Predictions(ids(2), np.array([1, 1]), np.column_stack([1 - score, score]), ("no", "yes"), "yes")
    assert found.y_pred.tolist() == [1, 0]
    assert dataclasses.replace(found, threshold=0.3).y_pred.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("a",)}, "labels must be two or more different names. Received: ('a',)."),
        ({"y_true": np.array([0, 2])}, "y_true must hold indices from 0 to 1. Received: 2."),
        (
            {"y_true": np.array([0])},
            "y_true must be (2,) and y_score (2, 2), as ids and labels. Received: y_true (1,), y_score (2, 2).",
        ),
        ({"positive": "no"}, "positive must be the second of two labels. Received: 'no', labels ('no', 'yes')."),
        ({"groups": np.array(["a"])}, "groups must have shape (2,), as ids. Received: (1,)."),
        (
            {"y_score": np.array([[0.5, 0.5], [np.nan, 1]])},
            "scores must be numbers from 0 to 1. Received: nan for example 'case-1', class 'no'.",
        ),
        (
            {"y_score": np.array([[0.5, 0.6], [0, 1]])},
            "the scores of an example must sum to 1. Received: 1.1 for 'case-0'.",
        ),
    ],
)
def test_arrays_that_contradict_one_another_are_refused(change, message):
    fields = {
        "ids": ids(2),
        "y_true": np.array([0, 1]),
        "y_score": np.eye(2),
        "labels": ("no", "yes"),
        "positive": "yes",
    }
    with pytest.raises(PredictionsError) as error:
        Predictions(**(fields | change))
    assert str(error.value) == message


@pytest.mark.parametrize("column", ["y_true", "y_pred"])
def test_numbers_whose_squares_overflow_are_refused_by_example(column):
    values = {"y_true": np.zeros(2), "y_pred": np.ones(2)} | {column: np.array([1e150, -1e151])}
    with pytest.raises(PredictionsError) as error:
        RegressionPredictions(ids(2), **values)
    message = f"{column} must hold numbers from -1e+150 to 1e+150. Received: -1e+151 for example 'case-1'."
    assert str(error.value) == message
