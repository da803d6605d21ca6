"""The door for Python: arrays in, a report out."""

import numpy as np
import pytest

from evaluation import ExampleColumns, IntervalSettings, ReportOptions, evaluate
from evaluation.predictions import PredictionsError


def test_the_example_of_the_documentation_holds(tmp_path):
    report = evaluate([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], labels=["benign", "malignant"], output_dir=tmp_path)
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
