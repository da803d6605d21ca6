"""The door for Python: arrays in, a report out."""

import numpy as np
import pytest

from evaluation import ExampleColumns, IntervalSettings, ReadOptions, ReportOptions, evaluate
from evaluation.predictions import PredictionsError


def test_the_example_of_the_documentation_holds(tmp_path):
    report = evaluate([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], labels=["benign", "malignant"]).save(tmp_path)
    split = report.data["splits"]["predictions"]
    assert (split["positive"], split["per_class"][1]["auc"]["estimate"]) == ("malignant", 0.75)
    assert report.html_path == tmp_path / "index.html" and report.html_path.exists()


def test_options_and_columns_reach_the_report():
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, 90)
    score = np.clip(0.25 * y_true + rng.random(90) * 0.75, 0, 1)
    options = ReportOptions(threshold=0.4, intervals=IntervalSettings(proportion="clopper-pearson", confidence=0.9))
    columns = ExampleColumns(subgroups={"site": np.where(np.arange(90) < 45, "north", "south")})
    data = evaluate(y_true, score, columns=columns, options=options).data
    split = data["splits"]["predictions"]
    assert (data["confidence"], split["threshold"]) == (0.9, 0.4)
    assert split["per_class"][1]["sensitivity"]["method"] == "clopper-pearson"
    assert [(row["column"], row["value"], row["n"]) for row in split["subgroups"]] == [
        ("site", "north", 45),
        ("site", "south", 45),
    ]


def test_wrong_arrays_are_refused_in_words():
    with pytest.raises(PredictionsError, match="nan|NaN"):
        evaluate([0, 1], [0.5, float("nan")])


def test_logits_and_missing_scores_are_declared():
    rows = [[2.0, -1.0], [float("nan"), 0.0], [0.0, 3.0]]
    reading = ReadOptions(logits=True, missing="worst-case")
    split = evaluate(["no", "no", "yes"], rows, reading=reading).data["splits"]["predictions"]
    assert (split["missing"]["scores"], split["accuracy"]["numerator"], split["n"]) == (1, 2, 3)


def test_scores_of_single_precision_meet_the_threshold_alike_everywhere():
    score = np.array([0.7, 0.2, 0.9], dtype=np.float32)
    options = ReportOptions(threshold=0.7)
    split = evaluate([1, 0, 1], score, options=options).data["splits"]["predictions"]
    row = next(row for row in split["threshold_table"] if row["threshold"] == 0.7)
    assert row["tp"] == split["per_class"][1]["tp"]
