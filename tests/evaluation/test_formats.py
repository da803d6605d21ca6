"""Predictions as CSV, Parquet and NPZ; logits; weights, groups, images and subgroups."""

import dataclasses
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from evaluation.predictions import (
    Predictions,
    PredictionsError,
    RegressionPredictions,
    read_predictions,
    write_predictions,
)
from evaluation.reading.csv_text import csv_text
from evaluation.reading.options import ReadOptions
from tests.evaluation.samples import binary, ids, regression, several
from tests.evaluation.test_predictions import assert_equal


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, positive=None, **options):
        path = tmp_path / "scores.csv"
        path.write_text(text, encoding="utf-8")
        return read_predictions(path, positive=positive, options=ReadOptions(**options))

    return write_and_read


def refusal(read, text, positive=None, **options):
    with pytest.raises(PredictionsError) as error:
        read(text, positive, **options)
    return str(error.value).split("scores.csv", 1)[1]


@pytest.mark.parametrize("make", [binary, several, regression])
def test_parquet_gives_the_predictions_of_the_csv_file(tmp_path, make):
    write_predictions(tmp_path / "a.csv", make())
    pd.read_csv(tmp_path / "a.csv").to_parquet(tmp_path / "a.parquet")
    assert_equal(read_predictions(tmp_path / "a.parquet"), make())


@pytest.mark.parametrize("kind", ["int64", "float64", "bool", "Int64", "category", "str"])
def test_parquet_labels_of_any_type_are_read(tmp_path, kind):
    frame = pd.DataFrame({"y_true": [0, 1, 1], "p_1": np.array([0.25, 0.75, 0.5], np.float32), "site": [1, None, 2]})
    frame["y_true"] = frame["y_true"].astype("int64").astype(kind)
    frame.to_parquet(tmp_path / "a.parquet")
    found = read_predictions(tmp_path / "a.parquet")
    assert (found.labels, found.y_true.tolist(), found.ids.tolist()) == (("0", "1"), [0, 1, 1], ["1", "2", "3"])
    assert found.y_score[:, 1].tolist() == [0.25, 0.75, 0.5]
    assert found.subgroups["site"].tolist() == ["1.0", "missing", "2.0"]


def test_parquet_without_pyarrow_is_refused_with_advice(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PredictionsError) as error:
        read_predictions(tmp_path / "a.parquet")
    assert str(error.value).endswith("Parquet files need pyarrow. Install it, or save the file as CSV")


def test_npz_of_several_classes_gives_the_same_predictions(tmp_path):
    expected = several()
    arrays = {"id": expected.ids.astype(str), "labels": np.array(expected.labels), "y_score": expected.y_score}
    for truth in (expected.y_true, np.array(expected.labels)[expected.y_true]):
        np.savez_compressed(tmp_path / "a.npz", y_true=truth, **arrays)
        assert_equal(read_predictions(tmp_path / "a.npz"), expected)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_npz_with_one_score_scores_the_second_label_or_the_positive_class(tmp_path, shape):
    path, score = tmp_path / "a.npz", np.array([0.25, 0.75, 1]).reshape(shape)
    np.savez(path, y_true=np.array([0, 1, 1]), y_score=score)
    assert read_predictions(path).labels == ("0", "1")
    np.savez(path, y_true=np.array(["no", "yes", "yes"]), y_score=score, labels=np.array(["no", "yes"]))
    assert read_predictions(path).y_score[:, 1].tolist() == [0.25, 0.75, 1]
    turned = read_predictions(path, positive="no")
    assert (turned.labels, turned.y_true.tolist()) == (("yes", "no"), [1, 0, 0])
    assert turned.y_score[:, 1].tolist() == [0.25, 0.75, 1]


def test_npz_columns_beside_the_scores_are_read(tmp_path):
    columns = {"group": np.array([7, 7, 8]), "weight": np.array([1, 2, 0.5]), "image": np.array(["a.png", "", "c"])}
    others = {"site": np.array(["x", "y", "x"]), "age": np.arange(3) * 0 + 1, "matrix": np.eye(2)}
    np.savez(tmp_path / "a.npz", y_true=np.array([0, 1, 1]), y_score=np.array([0.1, 0.2, 0.3]), **columns, **others)
    found = read_predictions(tmp_path / "a.npz")
    assert (found.groups.tolist(), found.weights.tolist()) == (["7", "7", "8"], [1, 2, 0.5])
    assert (found.images.tolist(), found.ids.tolist()) == (["a.png", "", "c"], ["0", "1", "2"])
    assert {name: values.tolist() for name, values in found.subgroups.items()} == {"site": ["x", "y", "x"]}
    assert found.notes == (
        "Arrays not used: matrix (shape (2, 2)).",
        "Each example counts as much as the column weight says.",
        "Columns not used: age (one value only).",
    )


def test_npz_regression_is_read(tmp_path):
    np.savez(tmp_path / "a.npz", y_true=np.array([1.5, 2]), y_pred=np.array([1, 3]))
    found = read_predictions(tmp_path / "a.npz")
    assert isinstance(found, RegressionPredictions) and found.y_pred.tolist() == [1.0, 3.0]


def test_declared_logits_become_probabilities_in_float64(read):
    logits = np.array([[2.5, -1, 40], [800, -800, 0]])
    rows = "\n".join(",".join(map(repr, row)) for row in logits.tolist())
    found = read("p_a,p_b,p_c,y_true\n" + rows.replace("\n", ",a\n") + ",a\n", logits=True)
    np.testing.assert_array_equal(found.y_score, softmax(logits, axis=1))
    one = read("y_true,p_ill\nwell,-40.5\nill,3\n", logits=True)
    np.testing.assert_array_equal(one.y_score, expit([[40.5, -40.5], [-3.0, 3.0]]))
    assert read("y_true,y_pred,y_score\n0,0,-2.5\n1,1,0.8\n", logits=True).y_score[:, 1].tolist() == [
        expit(-2.5),
        expit(0.8),
    ]


def test_logits_must_be_finite_and_their_columns_known(read):
    assert refusal(read, "y_true,p_a\na,inf\n", logits=True) == (
        ", row 2, column p_a: received 'inf', which is infinite; expected a finite number"
    )
    assert refusal(read, "y_true,cat,dog,pig\ncat,1,-2,0.5\ndog,1,2,-0.5\n", logits=True) == (
        ": which columns hold logits? cat, dog, pig may. Name every one of them p_<class>"
    )


SUBGROUPS = "y_true,p_ill,weight,site,sex,age,scanner\nill,1,0.5,01,0,41.5,A\nwell,0,2,02,1,3,A\nill,0.5,1,,1,7,A\n"


def test_columns_of_few_values_are_subgroups_and_others_are_named(read):
    many = SUBGROUPS + "".join(f"ill,1,1,01,0,{age},A\n" for age in range(20, 60))
    found = read(many)
    assert list(found.subgroups) == ["site", "sex"]
    assert found.subgroups["site"][:4].tolist() == ["01", "02", "missing", "01"]
    assert found.weights[:3].tolist() == [0.5, 2, 1]
    assert found.notes[1:] == ("Columns not used: age (more than 20 different values), scanner (one value only).",)


def test_numbers_that_name_something_keep_their_zeros(read):
    found = read("y_true,score,id,group,site,image\n01,1,007,01,001,1.0\n02,0,7,1,01,01\n", "01")
    assert (found.labels, found.ids.tolist(), found.groups.tolist()) == (("02", "01"), ["007", "7"], ["01", "1"])
    assert (found.subgroups["site"].tolist(), found.images.tolist()) == (["001", "01"], ["1.0", "01"])


def test_named_subgroups_are_exactly_those(read):
    found = read(SUBGROUPS, subgroups=("age", "scanner"))
    assert {name: values.tolist() for name, values in found.subgroups.items()} == {
        "age": ["41.5", "3", "7"],
        "scanner": ["A", "A", "A"],
    }
    assert read(SUBGROUPS, subgroups=()).subgroups == {}
    assert refusal(read, SUBGROUPS, subgroups=("hospital",)) == (
        ": subgroup column 'hospital' is missing. Columns to choose from: site, sex, age, scanner"
    )
    many = "y_true,p_ill,case\n" + "".join(f"ill,1,{number}\n" for number in range(101))
    assert refusal(read, many, subgroups=("case",)) == (
        ": subgroup column 'case' holds 101 different values; expected at most 100 different values. "
        "Leave it out or group its values"
    )


def test_columns_that_may_or_may_not_be_scores_are_refused_and_predicted_labels_are_no_subgroup(read):
    assert refusal(read, "y_true,malignancy,sex\n0,0.2,0\n1,0.9,1\n") == (
        ": which columns hold scores? malignancy, sex may, but their rows do not sum to 1. "
        "Name every score column p_<class>"
    )
    found = read("y_true,score,sex,pred\n0,0.2,0,0\n1,0.9,1,1\n")
    assert (list(found.subgroups), found.notes) == (["sex"], ("Columns not used: pred (the scores decide).",))
    message = refusal(read, "y_true,cat,dog,pig\n0,0.5,0.5,0\n1,0,1,0\n2,0,0.25,1\n")
    assert message.startswith(", row 4, columns cat … pig: the scores sum to 1.25; expected 1 within 0.001. ")


def test_weights_do_not_pass_for_scores(read):
    found = read("y_true,cat,dog,sample_weight\ncat,0.5,0.5,0.9\ndog,0,1,0.1\n", "cat")
    assert (found.labels, found.weights.tolist(), found.subgroups) == (("dog", "cat"), [0.9, 0.1], {})
    assert read("y_true,score,weight\n0,0.25,0.5\n1,1,0.5\n").y_score[:, 1].tolist() == [0.25, 1]
    message = ", row 3, column weight: received '-1', which is out of range; expected a finite number of at least 0"
    assert refusal(read, "y_true,p_ill,weight\nill,1,1\nill,1,-1\n") == message
    message = ": column weight: a regression takes no weights. Remove the column or rename it"
    assert refusal(read, "y_true,y_pred,weight\n1.5,2,70\n2.5,2,80\n") == message


def test_all_columns_are_written_and_read_back(tmp_path):
    expected = dataclasses.replace(
        binary(),
        groups=np.array(["p,1", "p 2", "ü"] * 20, dtype=object),
        weights=np.linspace(0.1, 3, 60) / 3,
        subgroups={"site": np.array(["01", "1", 'a"b'] * 20, dtype=object), "q,x": np.array(["\r", "n"] * 30, object)},
        images=np.array(["a b.png", "", "c,d.png"] * 20, dtype=object),
        notes=("Each example counts as much as the column weight says.",),
    )
    expected = dataclasses.replace(expected, subgroups={"site": expected.subgroups["site"]})
    write_predictions(tmp_path / "a.csv", expected)
    found = read_predictions(tmp_path / "a.csv")
    assert found.subgroups["site"].tolist() == expected.subgroups["site"].tolist()
    assert_equal(dataclasses.replace(found, subgroups={}), dataclasses.replace(expected, subgroups={}))


def test_a_subgroup_that_would_read_as_another_column_is_not_written(tmp_path):
    wrong = dataclasses.replace(binary(), subgroups={"p_stage": binary().ids})
    with pytest.raises(PredictionsError) as error:
        write_predictions(tmp_path / "a.csv", wrong)
    assert str(error.value) == "subgroup 'p_stage' has the name of another column. Rename it"
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_reads_as_missing_keeps_its_own_column(tmp_path):
    expected = Predictions(ids(2), np.array([0, 1]), np.array([[0.75, 0.25], [0, 1]]), ("none", "ill"), "ill")
    write_predictions(tmp_path / "a.csv", expected)
    assert_equal(read_predictions(tmp_path / "a.csv", positive="ill"), expected)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 1), min_size=1, max_size=30))
def test_written_numbers_are_python_s_and_read_back_bit_for_bit(numbers):
    column = np.array(numbers)
    text = csv_text({"p_a": column})
    assert text.splitlines() == ["p_a", *map(repr, numbers)]
    assert [float(line).hex() for line in text.splitlines()[1:]] == [number.hex() for number in numbers]


def test_the_text_does_not_depend_on_pyarrow(monkeypatch):
    columns = {"id": several().ids, "p_a": several().y_score[:, 0], "odd": np.array([0, 1, 1e-5, -0.0] * 30)}
    with_arrow = csv_text(columns)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert csv_text(columns) == with_arrow
