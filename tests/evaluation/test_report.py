"""What a report writes, and that every format shows the same numbers."""

import html
import json
import re

import numpy as np
import pytest

from evaluation.options import ReportOptions
from evaluation.predictions import Predictions, PredictionsError
from evaluation.report import ReportContext, build_report, write_report
from tests.evaluation.samples import binary, ids, regression, several

HOSTILE = ("<script>alert(1)</script>", "a&b", "$x$ | `y`", "_" + "n" * 59)


def numbers(predictions, name="test", **how):
    return build_report({name: predictions}, title="A title", **how).data["splits"][name]


def write(tmp_path, splits, **context):
    return write_report(splits, tmp_path / "report", title="A title", context=ReportContext(**context))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    splits = {"<b>test</b> | 1": several(labels=HOSTILE)}
    context = ReportContext(details={"<i>k</i>": "a|b"}, notes=["<u>n</u>"], verdict="<em>v</em>")
    return write_report(splits, folder, title="<script>alert(2)</script>", context=context)


def test_every_file_is_written_and_nothing_else(tmp_path):
    report = write(tmp_path, {"test": binary(), "validation": binary(seed=1)}, training_curves=b"\x89PNG")
    found = {str(path.relative_to(tmp_path / "report")) for path in (tmp_path / "report").rglob("*") if path.is_file()}
    figures = {
        f"figures/{split}-{figure}.{kind}"
        for split in ("test", "validation")
        for figure in ("confusion-matrix", "scores", "roc", "precision-recall", "calibration")
        for kind in ("png", "svg")
    }
    assert found == {"index.html", "report.json", "report.md", "figures/training-curves.png"} | figures
    assert report.html_path == tmp_path / "report" / "index.html"


def test_json_holds_the_numbers_of_the_report_strictly(tmp_path):
    report = write(tmp_path, {"test": several()})
    text = (tmp_path / "report" / "report.json").read_text(encoding="utf-8")
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text) == report.data
    assert (report.data["schema"], list(report.data["splits"]), report.data["sections"]) == (2, ["test"], [])


def test_a_missing_class_is_null_with_its_reason():
    split = numbers(several(k=3))
    absent = split["per_class"][2]
    for name in ("sensitivity", "false_negative_rate", "auc"):
        assert (absent[name]["estimate"], absent[name]["reason"]) == (None, "no positive examples")
    assert absent["specificity"]["denominator"] == 120
    assert split["averages"]["macro"]["sensitivity"]["classes"] == 2


@pytest.mark.parametrize(
    "predictions",
    [
        Predictions(ids(3), np.zeros(3, dtype=np.int64), np.array([[0.9, 0.1]] * 3), ("no", "yes"), "yes"),
        Predictions(ids(1), np.ones(1, dtype=np.int64), np.array([[0.0, 1.0]]), ("no", "yes"), "yes"),
        Predictions(ids(2), np.array([0, 1]), np.full((2, 2), 0.5), ("a", "b"), None),
        Predictions(ids(0), np.zeros(0, dtype=np.int64), np.zeros((0, 3)), ("a", "b", "c"), None),
    ],
    ids=["no positives", "one example", "no positive class", "no examples"],
)
def test_degenerate_predictions_still_give_a_report(tmp_path, predictions):
    report = write(tmp_path, {"test": predictions})
    assert report.data["splits"]["test"]["n"] == len(predictions)
    text = re.sub(r'src="[^"]*"', "", report.html_path.read_text(encoding="utf-8"))
    assert not re.search(r"\bnan\b|\binf\b|None\b(?! of)", text)


def test_mistakes_are_counted_and_the_most_confident_come_first():
    score = np.array([0.9, 0.6, 0.2, 0.99, 0.1])
    predictions = Predictions(
        ids(5), np.array([0, 0, 1, 1, 0]), np.column_stack([1 - score, score]), ("no", "yes"), "yes"
    )
    mistakes = numbers(predictions, context=ReportContext(max_mistakes=2))["mistakes"]
    assert mistakes["count"] == 3
    assert [(one["id"], one["truth"], one["predicted"], one["score"]) for one in mistakes["shown"]] == [
        ("case-0", "no", "yes", 0.9),
        ("case-2", "yes", "no", 0.8),
    ]


TEXT = """A title: test, n = 4

Positive class: yes, the condition looked for; present in 2 of 4 (50.0%).

An example is called yes where its score is at least 0.5. 0.5 is the default; it was not chosen on any examples.
"""


def test_the_text_of_a_small_case_states_class_operating_point_and_numbers():
    score = np.array([0.9, 0.6, 0.2, 0.5])
    predictions = Predictions(ids(4), np.array([1, 0, 0, 1]), np.column_stack([1 - score, score]), ("no", "yes"), "yes")
    text = build_report({"test": predictions}, title="A title").text
    assert text.startswith(TEXT)
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert rows["Sensitivity (recall)"][2:] == ["100.0%", "34.2", "to", "100.0%", "2", "of", "2", "Wilson"]
    assert rows["Specificity"][1:] == ["50.0%", "9.5", "to", "90.5%", "1", "of", "2", "Wilson"]
    assert rows["Precision (PPV)"][2:] == ["66.7%", "20.8", "to", "93.9%", "2", "of", "3", "Wilson"]
    assert text.rstrip().endswith("1 of 4 examples was classified wrongly.")


def test_regression_reports_its_errors(tmp_path):
    report = write(tmp_path, {"test": regression()})
    split = report.data["splits"]["test"]
    errors = [abs(one["error"]) for one in split["largest_errors"]]
    assert errors == sorted(errors, reverse=True) and len(errors) == 24
    assert (tmp_path / "report" / "figures" / "test-residuals.svg").exists()
    assert "Root mean squared error (RMSE)" in report.text


def test_names_are_shown_as_text_everywhere(hostile):
    page = hostile.html_path.read_text(encoding="utf-8")
    markdown = (hostile.html_path.parent / "report.md").read_text(encoding="utf-8")
    for tag in ("<script>alert", "<b>test", "<i>k", "<u>n", "<em>v"):
        assert tag not in page and tag not in markdown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "a&amp;b" in page
    assert r"\$x\$ \| \`y\`" in markdown
    for figure in (hostile.html_path.parent / "figures").glob("*.svg"):
        assert "<script" not in figure.read_text(encoding="utf-8")


def test_the_page_refers_to_nothing_outside_itself(hostile):
    page = hostile.html_path.read_text(encoding="utf-8")
    assert "http:" not in page and "https:" not in page and "<link" not in page and "url(" not in page
    assert set(re.findall(r'src="([^",;]*)', page)) <= {"data:image/svg+xml", "data:image/png"}
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-")


def test_figures_are_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        write_report({"test": several(k=3)}, tmp_path / name, title="A title")
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


def test_the_page_states_the_positive_class_and_the_context(tmp_path):
    context = {"verdict": "Overfitting from epoch 7.", "notes": ["A note."], "details": {"Model": "cnn"}}
    page = write(tmp_path, {"test": binary()}, training_curves=b"\x89PNG", **context).html_path.read_text(
        encoding="utf-8"
    )
    assert "Positive class: malignant, the condition looked for" in page
    assert "is called malignant where its score is at least 0.5" in page
    for part in ("Overfitting from epoch 7.", "<li>A note.</li>", ">cnn</td>", 'src="data:image/png;base64,iVBORw=="'):
        assert part in page


def test_an_unwritable_folder_leaves_no_half_report(tmp_path):
    (tmp_path / "report").write_text("a file in the way")
    with pytest.raises(OSError):
        write(tmp_path, {"test": regression(n=3)})
    assert (tmp_path / "report").read_text() == "a file in the way"


def test_no_splits_are_refused(tmp_path):
    with pytest.raises(ValueError, match="^splits must hold at least one split. Received: none.$"):
        write_report({}, tmp_path, title="x")


def overlapping(n=200, seed=0, **columns):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, n)
    score = 1 / (1 + np.exp(-rng.normal(size=n) - 1.5 * y_true + 1))
    return Predictions(ids(n), y_true, np.column_stack([1 - score, score]), ("no", "yes"), "yes", **columns)


def test_a_rule_chooses_on_validation_and_the_test_split_is_not_exploratory():
    options = ReportOptions(rule="sensitivity", required=0.9)
    splits = {"test": overlapping(), "validation": overlapping(seed=1)}
    data = build_report(splits, title="A title", options=options).data["splits"]
    points = {name: split["operating_point"] for name, split in data.items()}
    assert points["test"]["threshold"] == points["validation"]["threshold"] != 0.5
    assert (points["test"]["exploratory"], points["validation"]["exploratory"]) == (False, True)
    assert data["validation"]["per_class"][1]["sensitivity"]["estimate"] >= 0.9


def test_a_rule_without_validation_is_exploratory():
    point = numbers(overlapping(), options=ReportOptions(rule="youden"))["operating_point"]
    assert point["exploratory"] and "STARD" in point["why"]


def test_a_requirement_that_no_threshold_fulfils_is_refused_in_words():
    same = Predictions(ids(4), np.array([0, 1, 0, 1]), np.full((4, 2), 0.5), ("no", "yes"), "yes")
    with pytest.raises(PredictionsError, match="^test: .*specificity"):
        build_report({"test": same}, title="x", options=ReportOptions(rule="specificity", required=0.9))


def test_a_given_threshold_and_prevalence_reach_the_numbers():
    split = numbers(overlapping(), options=ReportOptions(threshold=0.3, prevalence=0.01))
    rates, p = split["per_class"][1], 0.01
    found, left = rates["sensitivity"]["estimate"], rates["specificity"]["estimate"]
    assert (split["threshold"], split["operating_point"]["rule"]) == (0.3, "given")
    expected = p * found / (p * found + (1 - p) * (1 - left))
    assert split["at_prevalence"]["precision"]["estimate"] == pytest.approx(expected)


def test_groups_widen_the_intervals_and_name_their_method():
    alone = overlapping(100)
    repeated = np.repeat(np.arange(100), 5)
    five = Predictions(
        ids(500), alone.y_true[repeated], alone.y_score[repeated], ("no", "yes"), "yes", groups=repeated.astype(str)
    )
    one, many = numbers(alone), numbers(five)
    for name in ("sensitivity", "auc"):
        narrow, wide = one["per_class"][1][name], many["per_class"][1][name]
        assert wide["estimate"] == pytest.approx(narrow["estimate"]) and wide["method"] == "cluster-bootstrap"
        assert wide["high"] - wide["low"] == pytest.approx(narrow["high"] - narrow["low"], rel=0.25)
    assert many["groups"] == 100


def test_rivals_take_the_given_threshold_and_their_differences_are_reported():
    given = overlapping()
    rival = Predictions(given.ids, given.y_true, overlapping(seed=3).y_score, ("no", "yes"), "yes")
    data = build_report(
        {"test": given}, title="mine", compared={"theirs": rival}, options=ReportOptions(threshold=0.3)
    ).data
    mine, theirs = data["comparison"]["models"]
    assert (mine["name"], theirs["name"]) == ("mine", "theirs")
    assert theirs["sensitivity"]["numerator"] == int((rival.y_score[rival.y_true == 1, 1] >= 0.3).sum())
    tests = {one["measure"]: one for one in data["comparison"]["pairs"][0]["tests"]}
    expected = mine["auc"]["estimate"] - theirs["auc"]["estimate"]
    assert tests["auc"]["difference"]["estimate"] == pytest.approx(expected) and tests["auc"]["p"] < 0.001


def test_a_report_is_built_without_writing_and_saved_later(tmp_path):
    report = build_report({"test": overlapping(60)}, title="x")
    with pytest.raises(ValueError, match="has not been saved"):
        report.html_path  # noqa: B018
    assert "<iframe srcdoc=" in report._repr_html_()
    assert report.save(tmp_path / "r").html_path.read_text(encoding="utf-8") == report.files["index.html"]
