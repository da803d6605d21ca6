"""schema.json: it describes a report, and refuses what is none."""

import copy
import json
from importlib import resources

import pytest

from tests.evaluation import report_data

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
SCHEMA = json.loads(resources.files("evaluation.report").joinpath("schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def first_problem(data):
    problem = jsonschema.exceptions.best_match(VALIDATOR.iter_errors(data))
    return None if problem is None else problem.message


@pytest.fixture(scope="module")
def binary():
    return report_data.binary_report()


def test_the_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "build",
    [report_data.binary_report, report_data.several_report, report_data.regression_report, report_data.hostile_report],
)
def test_every_kind_of_report_is_accepted(build):
    assert first_problem(json.loads(json.dumps(build()))) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 1),
        (("confidence",), 95),
        (("splits",), {}),
        (("unknown",), 1),
        (("checklist", 0, "status"), "done"),
        (("splits", "test", "accuracy"), 0.9),
        (("splits", "test", "accuracy", "estimate"), "0.9"),
        (("splits", "test", "accuracy", "estimate"), None),
        (("splits", "test", "accuracy", "method"), None),
        (("splits", "test", "per_class", 0, "tp"), -1),
        (("splits", "test", "operating_point", "rule"), "lucky"),
        (("splits", "test", "missing", "policy"), "ignore"),
        (("splits", "test", "readers", "analysis", 0, "p"), 1.2),
        (("comparison", "pairs", 0, "tests", 0, "discordant"), [1]),
    ],
)
def test_what_is_no_report_is_refused(binary, path, value):
    data = copy.deepcopy(binary)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert first_problem(data) is not None


@pytest.mark.parametrize("key", ["comparison", "methods", "checklist", "seed"])
def test_a_missing_part_is_refused(binary, key):
    assert first_problem({name: value for name, value in binary.items() if name != key}) is not None


def test_an_undefined_number_needs_a_reason(binary):
    data = copy.deepcopy(binary)
    data["splits"]["test"]["mcc"] = report_data.estimate(None, reason="one class only")
    assert first_problem(data) is None
    data["splits"]["test"]["mcc"]["reason"] = None
    assert first_problem(data) is not None
