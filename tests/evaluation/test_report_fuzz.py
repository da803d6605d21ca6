"""No predictions, however degenerate, break a report: it is valid against its schema, strict JSON, and whole."""

import json
import warnings
from importlib import resources

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.options import ReportOptions
from evaluation.predictions import Predictions
from evaluation.report import ReportContext, build_report
from evaluation.report.numbers import ReportInput, report_numbers
from evaluation.report.text import render_text
from evaluation.uncertainty.intervals import IntervalSettings
from tests.evaluation.samples import ids, regression, several

SCHEMA = json.loads(resources.files("evaluation.report").joinpath("schema.json").read_text(encoding="utf-8"))
FEW = IntervalSettings(replicates=100)


def check(data):
    """The data are strict JSON and what the schema says."""
    jsonschema.validate(json.loads(json.dumps(data, allow_nan=False)), SCHEMA)


@st.composite
def predictions(draw):
    """Few examples with tied, extreme or constant scores, missing classes, and any optional column."""
    n, k = draw(st.integers(1, 12)), draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    decimals = draw(st.sampled_from([0, 1, 15]))
    present = draw(st.integers(1, k))
    score = np.round(rng.random((n, k)), decimals) + 1e-9 * draw(st.booleans())
    score[score.sum(axis=1) == 0] = 1
    y_true = rng.integers(0, present, n)
    columns = {}
    if draw(st.booleans()):
        columns["groups"] = rng.integers(0, draw(st.integers(1, n)), n).astype(str).astype(object)
    if draw(st.booleans()):
        weights = rng.integers(0, 3, n) * rng.random()
        columns["weights"] = weights if weights.any() else np.ones(n)
    if draw(st.booleans()):
        columns["subgroups"] = {"site": rng.integers(0, 3, n).astype(str).astype(object)}
    labels = tuple("abcdefg"[:k])
    positive = labels[1] if k == 2 and draw(st.booleans()) else None
    return Predictions(ids(n), y_true, score / score.sum(axis=1, keepdims=True), labels, positive, **columns)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sample=predictions(), most=st.sampled_from([0, 100_000]), prevalence=st.sampled_from([None, 0.01]))
def test_degenerate_predictions_give_numbers_of_the_schema(sample, most, prevalence):
    intervals = IntervalSettings(replicates=100, most_resampled=most)
    options = ReportOptions(prevalence=prevalence, intervals=intervals)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = report_numbers(
            ReportInput({"test": sample}, {}, None), title="x", context=ReportContext(), options=options
        )
    check(data)
    assert " nan" not in render_text(data)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sample=predictions(), rule=st.sampled_from(["youden", "sensitivity", "specificity", "cost"]))
def test_every_rule_finds_a_point_or_refuses_in_words(sample, rule):
    if sample.positive is None:
        return
    needs = {"sensitivity": {"required": 0.9}, "specificity": {"required": 0.9}, "cost": {"cost_ratio": 5.0}}
    options = ReportOptions(rule=rule, intervals=FEW, **needs.get(rule, {}))
    try:
        data = report_numbers(
            ReportInput({"test": sample}, {}, None), title="x", context=ReportContext(), options=options
        )
    except ValueError as error:
        assert str(error).startswith("test: ") and len(str(error).splitlines()) == 1
        return
    check(data)
    assert data["splits"]["test"]["operating_point"]["exploratory"]


@pytest.mark.parametrize("name", ["many classes", "regression", "one example", "two classes alike"])
def test_whole_reports_are_valid_too(name):
    sample = {
        "many classes": several(n=300, k=8),
        "regression": regression(),
        "one example": Predictions(ids(1), np.zeros(1, np.int64), np.array([[1.0, 0.0]]), ("no", "yes"), "yes"),
        "two classes alike": Predictions(ids(2), np.array([0, 1]), np.full((2, 2), 0.5), ("a", "b"), None),
    }[name]
    report = build_report({"test": sample}, title="x", options=ReportOptions(intervals=FEW))
    check(report.data)
    assert "index.html" in report.files
