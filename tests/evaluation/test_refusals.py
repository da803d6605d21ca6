"""Every refusal of a predictions file names file, row, column, value and reason."""

# ruff: noqa: E501  (a table of exact lines)

import pytest

from evaluation.predictions import PredictionsError, read_predictions

THREE = "id,y_true,p_a,p_b,p_c\nx,a,0.5,0.25,0.25\n"

REFUSALS = {
    "nan": (
        THREE + "y,a,nan,0.5,0.5\n",
        ", row 3, column p_a: received 'nan', which is NaN; expected a number from 0 to 1. Give a number, or set --missing exclude or --missing worst-case",
    ),
    "empty cell": (
        THREE + "y,a,,0.5,0.5\n",
        ", row 3, column p_a: the cell is empty; expected a number from 0 to 1. Give a number, or set --missing exclude or --missing worst-case",
    ),
    "short row": (
        THREE + "y,a,0.5,0.5\n",
        ", row 3, column p_c: the cell is empty; expected a number from 0 to 1. Give a number, or set --missing exclude or --missing worst-case",
    ),
    "infinite": (
        THREE + "y,a,inf,0.5,0.5\n",
        ", row 3, column p_a: received 'inf', which is infinite; expected a number from 0 to 1",
    ),
    "above 1": (
        THREE + "y,a,0,0,1.5\n",
        ", row 3, column p_c: received '1.5', which is out of range; expected a number from 0 to 1. If these are logits, declare them with --logits",
    ),
    "below 0": (
        THREE + "y,a,-0.1,0.1,1\n",
        ", row 3, column p_a: received '-0.1', which is out of range; expected a number from 0 to 1. If these are logits, declare them with --logits",
    ),
    "text": (
        THREE + "y,a,0,high,1\n",
        ", row 3, column p_b: received 'high', which is not a number; expected a number from 0 to 1",
    ),
    "boolean": (
        "y_true,p_a\na,True\n",
        ", row 2, column p_a: received 'True', which is not a number; expected a number from 0 to 1",
    ),
    "sum": (
        THREE + "y,a,0.5,0.3,0.3\n",
        ", row 3, columns p_a … p_c: the scores sum to 1.1; expected 1 within 0.001. Give probabilities, not percentages; if these are logits, declare them with --logits",
    ),
    "unknown label": (
        THREE + "y,z,0,0,1\n",
        ", row 3, column y_true: received 'z', which is an unknown label; the score columns name a, b, c",
    ),
    "integer too large": (
        "y_true,p_a,p_b,p_c\n3,0,0,1\n",
        ", row 2, column y_true: received '3', which is an unknown label; the score columns name a, b, c",
    ),
    "empty truth": (
        THREE + "y,,0,0,1\n",
        ", row 3, column y_true: the cell is empty; expected a value. Fill the cell or remove the row, or set --missing exclude",
    ),
    "blank line": (
        THREE + "\ny,a,0,0,1\n",
        ", row 3, column y_true: the cell is empty; expected a value. Fill the cell or remove the row, or set --missing exclude",
    ),
    "duplicate id": (
        THREE + "y,a,0,0,1\nx,b,0,0,1\n",
        ", row 4, column id: received 'x', a duplicate id; first seen in row 2. Give every example its own id",
    ),
    "empty file": ("", ": the file is empty. Expected a header line and one row per example"),
    "blank file": ("\n \n", ": the file is empty. Expected a header line and one row per example"),
    "header only": ("id,y_true,p_a\n", ": the file has a header and no rows. Expected one row per example"),
    "semicolons": (
        "id;y_true;p_a\nx;a;1\n",
        ", row 1: columns are separated by ';'; expected commas. Save it as CSV with commas between "
        "cells and points in numbers",
    ),
    "tabs": (
        "id\ty_true\tp_a\nx\ta\t1\n",
        ", row 1: columns are separated by tabs; expected commas. Save it as CSV with commas between "
        "cells and points in numbers",
    ),
    "no truth": ("id,label,p_a\nx,a,1\n", ", row 1: column y_true is missing. Found: id, label, p_a"),
    "duplicate column": (
        "id,y_true,p_a,p_a\nx,a,1,0\n",
        ", row 1: duplicate column 'p_a'. Give every column its own name",
    ),
    "long first row": ("y_true,p_a\na,1,2\n", ", row 2: 3 cells under a header of 2 columns"),
    "long row": (
        THREE + "y,a,0,0,1,1\n",
        ": not a table: Expected 5 fields in line 3, saw 6. Give every row as many cells as the header",
    ),
    "open quote": (
        'y_true,p_a\na,1\n"b,0\nc,1\n',
        ": not a table: EOF inside string starting at row 2. Give every row as many cells as the header",
    ),
    "no scores": (
        "id,y_true\nx,a\n",
        ": no score columns. Expected y_true and one column p_<class> with values from 0 to 1 per class, or y_true,y_pred for a regression",
    ),
    "two classes": (
        "y_true,p_a,p_b\na,0,1\n",
        ": two classes need to know the condition looked for: none was given. Use --positive a or --positive b",
    ),
    "one column, three labels": (
        "y_true,p_a\na,0\nb,1\nc,1\n",
        ": the only score column scores 'a', but y_true holds a, b, c. Expected that class and one other; name the column p_<class> or add the missing columns",
    ),
    "NUL byte": ("y_true,p_a\na,\x001\n", ": holds a NUL byte, so it is not text. Save it as CSV in UTF-8"),
    "regression NaN": (
        "y_true,y_pred\n1,nan\n",
        ", row 2, column y_pred: received 'nan', which is NaN; expected a finite number. For classes, add one score column p_<class> per class",
    ),
    "regression text": (
        "y_true,y_pred\ncat,dog\n",
        ", row 2, column y_true: received 'cat', which is not a number; expected a finite number. For classes, add one score column p_<class> per class",
    ),
    "regression too large": (
        "id,y_true,y_pred\na,1,2\nb,3,-1e308\n",
        ", row 3, column y_pred: received '-1e+308', whose square overflows; expected a number from -1e+150 to 1e+150. Use another unit",
    ),
    "classes or regression": (
        "y_true,y_pred,weight\n0,0,0.2\n1,1,0.8\n",
        ": classes or a regression? Beside y_pred, weight may hold scores. For classes, rename the score column to p_<class>; for a regression, remove it",
    ),
    "decision function": (
        "y_true,y_pred,y_score\n0,0,-2.5\n1,1,0.8\n",
        ", row 2, column y_score: received '-2.5', which is out of range; expected a number from 0 to 1. If these are logits, declare them with --logits",
    ),
    "one column of a third class": (
        "y_true,p_2\n0,0.2\n1,0.8\n",
        ": the only score column scores '2', but y_true holds 0, 1. Expected that class and one other; name the column p_<class> or add the missing columns",
    ),
}

POSITIVE_REFUSALS = {
    "unknown": (
        "y_true,p_a,p_b\na,0,1\n",
        ": two classes need to know the condition looked for: received 'z'. Use --positive a or --positive b",
    ),
    "contradiction": (
        "y_true,p_a\na,0\nz,1\n",
        ": --positive z contradicts the only score column, which scores 'a'. Use --positive a or add a column p_z",
    ),
    "three classes": (
        "y_true,p_a,p_b,p_c\na,0,1,0\n",
        ": --positive is for two classes; the file scores 3. Leave it out, or give a file of two",
    ),
    "regression": ("y_true,y_pred\n1,2\n", ": --positive z needs class scores; y_true,y_pred is a regression"),
}


def refusal(path, **options):
    with pytest.raises(PredictionsError) as error:
        read_predictions(path, **options)
    return str(error.value)


@pytest.mark.parametrize("name", REFUSALS)
def test_a_broken_file_is_refused_in_one_exact_line(tmp_path, name):
    text, message = REFUSALS[name]
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    assert refusal(path) == f"{path}{message}"


@pytest.mark.parametrize("name", POSITIVE_REFUSALS)
def test_an_impossible_positive_class_is_refused(tmp_path, name):
    text, message = POSITIVE_REFUSALS[name]
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    assert refusal(path, positive="z") == f"{path}{message}"


def test_other_encodings_are_refused_with_the_row(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_bytes("y_true,p_a\na,1\nä,0\n".encode("latin-1"))
    assert refusal(path) == f"{path}, row 3: not UTF-8 (byte 0xe4). Save the file as CSV in UTF-8"


def test_a_missing_file_a_folder_and_another_format_are_refused(tmp_path):
    missing = tmp_path / "missing.csv"
    assert (
        refusal(missing)
        == f"{missing}: no such file. Expected a CSV, Parquet or NPZ file of predictions; check the path"
    )
    assert refusal(tmp_path) == f"{tmp_path}: is a folder. Expected a CSV, Parquet or NPZ file of predictions"
    other = tmp_path / "a.xlsx"
    other.write_bytes(b"PK")
    message = "expected a CSV, Parquet or NPZ file, received '.xlsx'. Save it as CSV in UTF-8"
    assert refusal(other) == f"{other}: {message}"
