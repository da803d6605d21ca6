"""Missing and indeterminate results: refused, left out, or counted as mistakes, and always counted."""

import numpy as np
import pytest

from evaluation.predictions import Missing, PredictionsError, read_predictions
from evaluation.reading.options import ReadOptions

BINARY = "id,y_true,p_ill\na,ill,0.9\nb,ill,{0}\nc,well,{0}\nd,{0},0.4\ne,well,0.2\nf,{0},{0}\n"
SEVERAL = "y_true,p_a,p_b,p_c\na,0.5,0.25,0.25\nb,,0.5,0.5\nc,{0},{0},{0}\n"
WORDS = ["", " ", "nan", "NaN", "NA", "n/a", "NULL", "None", "missing", "Indeterminate"]


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, missing, **options):
        path = tmp_path / "scores.csv"
        path.write_text(text, encoding="utf-8")
        return read_predictions(path, options=ReadOptions(missing=missing, **options))

    return write_and_read


def refusal(read, text, missing):
    with pytest.raises(PredictionsError) as error:
        read(text, missing)
    return str(error.value).split("scores.csv", 1)[1]


@pytest.mark.parametrize("word", WORDS)
def test_excluded_results_are_left_out_and_counted(read, word):
    found = read(BINARY.format(word), "exclude")
    assert (found.ids.tolist(), found.labels, found.y_true.tolist()) == (["a", "e"], ("well", "ill"), [1, 0])
    assert found.y_score[:, 1].tolist() == [0.9, 0.2]
    assert found.missing == Missing("exclude", scores=2, truths=2, scores_by_class={"well": 1, "ill": 1})


@pytest.mark.parametrize("word", WORDS)
def test_the_worst_case_makes_every_missing_score_a_mistake(read, word):
    found = read(BINARY.format(word), "worst-case")
    assert (found.ids.tolist(), found.y_true.tolist()) == (["a", "b", "c", "e"], [1, 1, 0, 0])
    assert found.y_score.tolist() == [[1 - 0.9, 0.9], [1.0, 0.0], [0.0, 1.0], [0.8, 0.2]]
    assert (found.y_pred != found.y_true).tolist() == [False, True, True, False]
    assert found.missing == Missing("worst-case", scores=2, truths=2, scores_by_class={"well": 1, "ill": 1})


def test_the_worst_case_of_several_classes_spreads_the_score_over_the_others(read):
    found = read(SEVERAL.format("NA"), "worst-case")
    assert found.y_score.tolist() == [[0.5, 0.25, 0.25], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    assert found.missing.scores_by_class == {"a": 0, "b": 1, "c": 1}
    assert read(SEVERAL.format("NA"), "exclude").ids.tolist() == ["2"]


def test_missing_logits_are_missing_results(read):
    found = read("y_true,p_ill\nill,3\nwell,NA\nwell,-1\n", "worst-case", logits=True)
    assert found.y_score[1].tolist() == [0.0, 1.0] and found.missing.scores == 1


def test_nothing_missing_is_counted_as_none(read):
    assert read(BINARY.format("nan").split("b,")[0] + "z,well,0\n", "exclude").missing == Missing(
        "exclude", 0, 0, {"well": 0, "ill": 0}
    )
    assert read("y_true,p_ill\nill,1\n", "refuse").missing is None


@pytest.mark.parametrize("column", ["group", "weight", "image", "site"])
def test_columns_of_left_out_examples_go_with_them(read, column):
    text = f"y_true,p_ill,{column}\nill,0.5,1\nwell,NA,2\nwell,0.25,3\n"
    found = read(text, "exclude")
    columns = {"group": found.groups, "weight": found.weights, "image": found.images, **found.subgroups}
    assert columns[column].astype(float).tolist() == [1, 3]


def test_a_class_with_a_missing_word_for_a_name_is_a_class_where_a_column_scores_it(read, tmp_path):
    assert read("y_true,p_none,p_low,p_high\nnone,1,0,0\nlow,0,1,0\n", "exclude").missing.truths == 0
    (tmp_path / "a.csv").write_text("y_true,p_none,p_ill\nnone,1,0\nill,0,1\n")
    assert read_predictions(tmp_path / "a.csv", positive="ill").labels == ("none", "ill")
    assert refusal(read, "y_true,p_ill\nill,1\nNone,0\n", "refuse") == (
        ", row 3, column y_true: received 'None', which is a missing truth; expected a value. "
        "Fill the cell or remove the row, or set --missing exclude"
    )


def test_a_refusal_says_how_missing_results_may_be_taken(read):
    assert refusal(read, "y_true,p_ill\nill,1\nwell,N/A\n", "refuse") == (
        ", row 3, column p_ill: received 'N/A', which is missing; expected a number from 0 to 1. "
        "Give a number, or set --missing exclude or --missing worst-case"
    )
    assert refusal(read, "y_true,p_ill\nill,1\nindeterminate,0\n", "refuse") == (
        ", row 3, column y_true: received 'indeterminate', which is a missing truth; expected a value. Fill the cell "
        "or remove the row, or set --missing exclude; a class of this name needs its score column"
    )


@pytest.mark.parametrize("missing", ["exclude", "worst-case"])
def test_a_file_of_nothing_but_missing_results_is_refused(read, missing):
    assert refusal(read, "y_true,p_ill\nill,NA\nwell,\n", missing) == (
        ": every example lacks its score or its truth (2 scores, 0 truths missing). Nothing is left to evaluate"
    )
    assert refusal(read, "y_true,p_ill\nNA,1\n,0\n", missing) == (
        ": every y_true is missing. Expected the true class of each example"
    )


@pytest.mark.parametrize("missing", ["exclude", "worst-case"])
def test_what_is_present_is_still_checked(read, missing):
    assert "which is out of range" in refusal(read, "y_true,p_ill\nill,NA\nwell,2\n", missing)
    assert "a duplicate id" in refusal(read, "id,y_true,p_ill\nx,ill,NA\nx,well,0\n", missing)
    assert "the weight 0" in refusal(read, "y_true,p_ill,weight\n,1,1\nwell,0.5,0\nill,1,0\n", missing)


def test_missing_values_of_parquet_and_npz_are_missing_results(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"y_true": ["ill", "well", None], "p_ill": [0.5, None, 1.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", y_true=np.array([1, 0, np.nan]), y_score=np.array([0.5, np.nan, 1]))
    for name in ("a.parquet", "a.npz"):
        found = read_predictions(tmp_path / name, options=ReadOptions(missing="worst-case"))
        assert (found.y_true.tolist(), found.y_score[:, 1].tolist()) == ([1, 0], [0.5, 1.0])
        assert (found.missing.scores, found.missing.truths) == (1, 1)


def test_options_that_mean_nothing_are_refused():
    with pytest.raises(ValueError) as error:
        ReadOptions(missing="ignore")
    assert str(error.value) == "missing must be one of refuse, exclude, worst-case. Received: 'ignore'."
    with pytest.raises(ValueError) as error:
        ReadOptions(subgroups="site")
    assert str(error.value) == "subgroups must be a tuple of column names. Received: 'site'."
