from __future__ import annotations

import numpy as np
import pytest

from training.datasets.dataset import DataError
from training.datasets.splits import Carving
from training.datasets.table import load_csv

COLOURS = ("red", "blue", "green")


@pytest.fixture
def write(tmp_path):
    def save(header: str, rows, name: str = "t.csv"):
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path / name

    return save


def rows(count: int = 30, **changes):
    """Rows of id, age, colour and a target that alternates; `changes` maps r7 to a replaced row."""
    for i in range(count):
        yield changes.get(f"r{i}") or (f"p{i}", 20 + i, COLOURS[i % 3], ("ill", "well")[i % 2])


HEADER = "id,age,colour,state"


def refused(path, **settings) -> str:
    with pytest.raises(DataError) as caught:
        load_csv(path, **{"target": "state", **settings})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_numbers_stay_and_categories_become_one_hot(write):
    data = load_csv(write(HEADER, rows()), target="state", positive="ill")
    assert data.feature_names == ("age", "colour=blue", "colour=green", "colour=red")
    assert data.class_names == ("well", "ill")
    for split in data.splits.values():
        for x, y, name in zip(split.x, split.y, split.ids, strict=True):
            i = int(str(name)[1:])
            expected = [20 + i, *(COLOURS[i % 3] == value for value in ("blue", "green", "red"))]
            np.testing.assert_array_equal(x, np.array(expected, np.float32))
            assert y == (i % 2 == 0)
    assert data.settings["columns"] == [
        {"name": "age", "kind": "numeric"},
        {"name": "colour", "kind": "categorical", "values": ["blue", "green", "red"]},
    ]


def test_rows_without_ids_are_named_by_their_line(write):
    path = write("a,y", [(i, i % 2) for i in range(20)])
    data = load_csv(path, target="y")
    for x, name in zip(data.train.x, data.train.ids, strict=True):
        assert str(name) == f"t.csv:{int(x[0]) + 2}"


def test_a_value_that_training_never_saw_is_zeros_and_noted(write):
    for seed in range(50):  # until the only violet row falls outside train
        path = write(HEADER, rows(r4=("p4", 24, "violet", "ill")))
        data = load_csv(path, target="state", carving=Carving(seed=seed))
        if "p4" not in data.train.ids:
            break
    split = data.test if "p4" in data.test.ids else data.validation
    np.testing.assert_array_equal(split.x[list(split.ids).index("p4")], [24, 0, 0, 0])
    assert "colour=violet" not in data.feature_names
    assert "Column colour: violet not in train, encoded as zeros in 1 row." in data.notes


def test_a_missing_category_is_a_value_of_its_own(write):
    data = load_csv(write("a,c,y", [(i, ("", "NA", "x")[i % 3], i % 2) for i in range(30)]), target="y")
    assert data.feature_names == ("a", "c=(missing)", "c=x")


def test_groups_stay_whole_and_are_no_feature(write):
    path = write("patient,a,y", [(f"p{i // 3}", i, i // 3 % 2) for i in range(90)])
    data = load_csv(path, target="y", group="patient")
    owners = [set(split.groups) for split in data.splits.values()]
    assert sum(len(owner) for owner in owners) == len(set.union(*owners)) == 30
    assert data.feature_names == ("a",)


def test_groups_that_are_numbers_stay_whole_however_they_are_spelled(write):
    path = write("patient,a,y", [(f"{i // 4}{('', '.0')[i % 2]}", i, i // 4 % 2) for i in range(120)])
    data = load_csv(path, target="y", group="patient")
    owners = [{float(group) for group in split.groups} for split in data.splits.values()]
    assert sum(len(owner) for owner in owners) == len(set.union(*owners)) == 30
    for split in data.splits.values():
        rows_of = {float(group): sum(split.groups == group) for group in split.groups}
        assert set(rows_of.values()) == {4}


@pytest.mark.parametrize("name", ["ID", "Id", "id"])
def test_the_id_column_is_found_in_any_case_and_is_no_feature(write, name):
    data = load_csv(write(f"{name},age,colour,state", rows()), target="state")
    assert data.feature_names[0] == "age"
    assert {str(i) for split in data.splits.values() for i in split.ids} == {f"p{i}" for i in range(30)}


def test_an_id_column_that_repeats_can_be_the_group(write):
    path = write("ID,a,y", [(f"p{i // 3}", i, i // 3 % 2) for i in range(90)])
    assert "t.csv: ID 'p0' stands in line 2 and again. Expected one id per row." in refused(path, target="y")
    data = load_csv(path, target="y", group="ID")
    assert data.feature_names == ("a",)
    assert str(data.train.ids[0]).startswith("t.csv:")


def test_regression_keeps_its_numbers(write):
    path = write("a,y", [(i, i * 1.5) for i in range(20)])
    data = load_csv(path, target="y", task="regression")
    assert (data.class_names, data.train.y.dtype) == ((), np.float32)
    np.testing.assert_array_equal(data.test.y, data.test.x[:, 0] * 1.5)


def test_integer_classes_are_ordered_as_numbers(write):
    data = load_csv(write("a,y", [(i, (2, 10, 1)[i % 3]) for i in range(30)]), target="y")
    assert data.class_names == ("1", "2", "10")


def test_skip_drops_bad_rows_and_lists_them(write):
    bad = {"r3": ("p3", "", "red", "ill"), "r5": ("p5", "old", "red", "ill"), "r8": ("p8", 28, "red", "")}
    data = load_csv(write(HEADER, rows(**bad)), target="state", on_bad="skip")
    assert data.bad_files == (
        ("t.csv:5", "no value in numeric column age"),
        ("t.csv:7", "text 'old' in numeric column age"),
        ("t.csv:10", "no value in target column state"),
    )
    kept = {str(name) for split in data.splits.values() for name in split.ids}
    assert len(kept) == 27 and not kept & {"p3", "p5", "p8"}


def test_constant_columns_and_repeated_rows_are_noted(write):
    data = load_csv(write("a,b,c,y", [(i % 4, 5, "x", i % 2) for i in range(40)]), target="y")
    assert "Constant in train, so without information: b, c." in data.notes
    assert any("with the same features" in note for note in data.notes)


def test_blank_lines_and_a_byte_order_mark_do_no_harm(write, tmp_path):
    path = write("a,y", [(i, i % 2) for i in range(20)])
    expected = load_csv(path, target="y").train.x
    (tmp_path / "u.csv").write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    np.testing.assert_array_equal(load_csv(tmp_path / "u.csv", target="y").train.x, expected)


def test_the_digest_sees_every_cell_and_the_target_but_not_the_split(write):
    first = load_csv(write(HEADER, rows()), target="state").digest
    assert load_csv(write(HEADER, rows()), target="state", carving=Carving(0.3, 0.3, 5)).digest == first
    assert load_csv(write(HEADER, rows()), target="colour").digest != first
    assert load_csv(write(HEADER, rows(r4=("p4", 25, "red", "ill"))), target="state").digest != first


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("p7", "", "red", "ill"), "no value in numeric column age"),
        (("p7", "NaN", "red", "ill"), "no value in numeric column age"),
        (("p7", "inf", "red", "ill"), "inf in column age is not finite"),
        (("p7", "1e60", "red", "ill"), "1e60 in column age is not finite"),
        (("p7", "seven", "red", "ill"), "text 'seven' in numeric column age"),
        (("p7", 3, "red", ""), "no value in target column state"),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column(write, row, reason):
    message = refused(write(HEADER, rows(r7=row)))
    assert f"1 row of {write(HEADER, rows(r7=row))} cannot be used: line 9 ({reason})." in message
    assert "--on-bad skip" in message


@pytest.mark.parametrize(
    ("text", "settings", "part"),
    [
        ("", {}, "t.csv is empty"),
        ("a,state\n", {}, "has a header but no rows"),
        ("a;state\n1;2\n", {}, "is separated by ';'. Expected commas"),
        ("state\n1\n", {}, "has one column only: state"),
        ("a,a,state\n1,2,3\n", {}, "more than one column named a"),
        (",a,state\n0,2,3\n", {}, "column 1 has no name"),
        ("a,state\n1,2\n1,2,3\n", {}, "line 3 has 3 cells, expected 2"),
        ("a,state\n1,2,3\n1,2,3\n", {}, "line 2 has 3 cells, expected 2"),
        ("a,state\n1,x\n2,x\n", {}, "Column state holds one class only: x"),
        ("a,b\n1,x\n", {}, "has no column state. It has: a, b. Correct --target"),
        ("a,b\n1,x\n", {"target": None}, "give --target"),
        ("a,state\n1,x\n", {"group": "patient"}, "has no column patient. It has: a, state. Correct --group"),
        ("a,state\n1,x\n", {"group": "state"}, "target=state also names the group"),
        ("id,state\n1,x\n", {}, "has no feature beside id, state"),
        ("id,a,state\nq,1,x\nq,2,y\n", {}, "id 'q' stands in line 2 and again"),
        ("a,state\n1,0.5\n2,1.5\n", {}, "must hold classes (names or integers). Received: 0.5 in line 2"),
        ("a,state\n1,0\n2,inf\n", {}, "Column state must hold classes (names or integers). Received: inf in line 3"),
        ("a,state\n1,1e30\n2,1\n", {}, "Column state must hold classes (names or integers). Received: 1e30 in line 2"),
        ("ID,a,state\n1,2,x\n", {"target": "ID"}, "target=ID also names the rows"),
        ("a,state\n1,x\n2,y\n", {"task": "regression"}, "must hold numbers for regression. Received: 'x' in line 2"),
        ("a,state\n1,x\n2,y\n", {}, "Too few examples to split: x (1), y (1)"),
        ("a,state\n" + "".join(f"n{i},{i % 2}\n" for i in range(60)), {}, "Column a holds 60 different texts"),
    ],
)
def test_unusable_tables_are_refused_in_one_line(tmp_path, text, settings, part):
    (tmp_path / "t.csv").write_text(text)
    assert part in refused(tmp_path / "t.csv", **settings)


def test_missing_and_foreign_files_are_refused(tmp_path):
    assert "does not exist" in refused(tmp_path / "none.csv")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "latin.csv").write_bytes("a,state\nKäse,1\n".encode("latin-1"))
    assert "latin.csv is not UTF-8 text" in refused(tmp_path / "latin.csv")
