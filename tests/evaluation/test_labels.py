"""Labels and columns as other programs write them, and class names that are hard to write."""

import itertools

import numpy as np
import pytest

from evaluation.predictions import Predictions, RegressionPredictions, read_predictions, write_predictions
from tests.evaluation.samples import ids

ODD = (
    " lead",
    "trail ",
    "lead",
    "a,b",
    "a\nb",
    "a\rb",
    'a"b',
    "p_x",
    "id",
    "y_true",
    "y_pred",
    "group",
    "score",
    "1.0",
)


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, positive=None):
        path = tmp_path / "scores.csv"
        path.write_text(text, encoding="utf-8")
        return read_predictions(path, positive=positive)

    return write_and_read


@pytest.mark.parametrize("labels", [*itertools.pairwise(ODD), *itertools.pairwise(ODD[::-1]), ODD])
def test_odd_class_names_read_back_exactly(tmp_path, labels):
    k = len(labels)
    score = np.eye(k) * 0.5 + 0.5 / k
    expected = Predictions(ids(k), np.arange(k), score, labels, labels[1] if k == 2 else None)
    write_predictions(tmp_path / "scores.csv", expected)
    found = read_predictions(tmp_path / "scores.csv")
    assert (found.labels, found.positive) == (expected.labels, expected.positive)
    assert found.y_true.tolist() == expected.y_true.tolist()
    assert found.y_score.tolist() == expected.y_score.tolist()


@pytest.mark.parametrize("labels", [(" a", "a"), ("0.0", "1.0"), ("1", "1.0"), (" a", "score"), (" a", "b")])
@pytest.mark.parametrize("index", [0, 1])
def test_a_class_that_never_occurs_changes_no_odd_name(tmp_path, labels, index):
    expected = Predictions(ids(1), np.array([index]), np.array([[0.25, 0.75]]), labels, labels[1])
    write_predictions(tmp_path / "scores.csv", expected)
    found = read_predictions(tmp_path / "scores.csv", positive=labels[1])
    name = found.labels[found.y_true[0]]
    assert (name, found.positive, found.y_score.tolist()) == (labels[index], labels[1], [[0.25, 0.75]])


def test_spaces_after_commas_belong_to_no_label(read):
    found = read("id, y_true, p_ill , p_well \n1, ill,0.75,0.25\n2, well,0.25,0.75\n", positive="ill")
    assert (found.labels, found.y_true.tolist()) == (("well", "ill"), [1, 0])
    assert read("id, y_true, p_ill\n1, ill,0.75\n").y_true.tolist() == [1]


@pytest.mark.parametrize(("zero", "one"), [("0", "1"), ("0.0", "1.0"), ("0.", "1e+00"), ("0", "1.0")])
@pytest.mark.parametrize(
    ("header", "scores", "labels"),
    [
        ("p_1", ("0.25", "0.75"), ("0", "1")),
        ("p_0", ("0.75", "0.25"), ("1", "0")),
        ("p_0,p_1", ("0.75,0.25", "0.25,0.75"), ("0", "1")),
        ("p_1,p_0", ("0.25,0.75", "0.75,0.25"), ("0", "1")),
        ("1,0", ("0.25,0.75", "0.75,0.25"), ("0", "1")),
        ("p_no,p_yes", ("0.75,0.25", "0.25,0.75"), ("no", "yes")),
        ("score", ("0.25", "0.75"), ("0", "1")),
    ],
)
def test_whole_numbers_and_floats_name_the_same_class(read, zero, one, header, scores, labels):
    positive = None if header in ("p_0", "p_1") else labels[1]
    found = read(f"y_true,{header}\n{zero},{scores[0]}\n{one},{scores[1]}\n", positive)
    assert (found.labels, found.positive) == (labels, labels[1])
    names = [found.labels[index] for index in found.y_true]
    assert names == (["no", "yes"] if "yes" in labels else ["0", "1"])
    assert (
        found.y_score.max(axis=1).tolist() == [0.75, 0.75] and found.y_score.argmax(1).tolist() == found.y_true.tolist()
    )


def test_the_positive_class_may_be_written_as_the_file_writes_it(read):
    assert read("y_true,score\n0.0,0.25\n1.0,0.75\n", positive="1.0").labels == ("0", "1")
    assert read("y_true,p_0,p_1\n0.0,1,0\n", positive="1.0").labels == ("0", "1")


@pytest.mark.parametrize(
    ("text", "positive"),
    [
        ("y_true,y_pred,y_score\n0,1,0.25\n1,1,0.75\n", "1"),
        ("y_true,y_pred,y_score,age\n0.0,1.0,0.25,0.5\n1.0,1.0,0.75,0.9\n", "1"),
        ("y_true,y_pred,y_proba\nwell,ill,0.25\nill,ill,0.75\n", "ill"),
        ("y_true,pred,score\n0,1,0.25\n1,1,0.75\n", "1"),
        ("y_true,y_pred,well,ill\n0,1,0.75,0.25\n1,1,0.25,0.75\n", "ill"),
        ("y_true,y_pred,0,1\n0,1,0.75,0.25\n1,1,0.25,0.75\n", "1"),
    ],
)
def test_predicted_labels_beside_scores_are_ignored(read, text, positive):
    found = read(text, positive)
    assert isinstance(found, Predictions) and found.positive == positive
    assert (found.y_true.tolist(), found.y_score[:, 1].tolist()) == ([0, 1], [0.25, 0.75])


@pytest.mark.parametrize(
    "text",
    [
        "y_true,y_pred\n0,1\n1,1\n",
        "y_true,y_pred,age\n0,0,50\n1,1,60\n",
        "y_true,y_pred,score\n1.5,1,0.25\n2,2,0.75\n",
        "y_true,y_pred,sex\n31,30.5,0\n22,25.5,1\n",
    ],
)
def test_numbers_that_can_be_no_classes_are_a_regression(read, text):
    assert isinstance(read(text), RegressionPredictions)
