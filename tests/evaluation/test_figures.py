"""The figures of a report: drawn from report.json, described in words, the same bytes each time."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from evaluation import plots
from evaluation.report.figures import comparison_figures, split_figures
from evaluation.uncertainty.intervals import proportion
from tests.evaluation.samples import binary, regression, several


@pytest.fixture
def unrendered(monkeypatch):
    """Leaves out the pictures, for tests of names and words."""
    monkeypatch.setattr(plots, "render", lambda figure: (b"", b""))


def estimate(value, low=None, high=None, denominator=None):
    found = {"estimate": value, "low": low, "high": high, "denominator": denominator}
    return found | {"method": None, "numerator": None, "reason": None if value is not None else "none", "note": None}


def share(count, total):
    rate = proportion(count, total)
    return estimate(rate.value, rate.low, rate.high, total)


def rates(label, tp, fp, fn, tn):
    one = {"label": label, "support": tp + fn, "sensitivity": share(tp, tp + fn), "specificity": share(tn, tn + fp)}
    one |= {"precision": share(tp, tp + fp), "false_positive_rate": share(fp, fp + tn)}
    return one | {"auc": estimate(0.875, 0.8, 0.95), "average_precision": estimate(0.8)}


def binary_split(**changes):
    split = {
        "kind": "classification", "n": 100, "labels": ["benign", "malignant"], "positive": "malignant",
        "threshold": 0.5, "prevalence": share(40, 100), "accuracy": share(80, 100),
        "confusion_matrix": [[50, 10], [10, 30]],
        "per_class": [rates("benign", 50, 10, 10, 30), rates("malignant", 30, 10, 10, 50)],
        "roc": {"threshold": [None, 0.7, 0.5, 0.1], "tp": [0, 20, 30, 40], "fp": [0, 2, 10, 60], "positives": 40,
                "negatives": 60, "band": {"false_positive_rate": [0, 1], "low": [0, 0.9], "high": [0.5, 1]}},
        "precision_recall": {"recall": [0.5, 0.75, 1], "precision": [0.9, 0.75, 0.4], "threshold": [0.7, 0.5, 0.1]},
        "calibration_curve": [{"low": 0.0, "high": 0.5, "n": 60, "mean_score": 0.2, "observed": share(10, 60)},
                              {"low": 0.5, "high": 1.0, "n": 40, "mean_score": 0.8, "observed": share(30, 40)}],
        "calibration_slope": estimate(0.9, 0.7, 1.1), "calibration_intercept": None,
        "score_histogram": {"edges": [0, 0.5, 1], "counts": {"benign": [50, 10], "malignant": [10, 30]}},
        "subgroups": [], "readers": None,
    }  # fmt: skip
    return split | changes


def several_split(p):
    k = len(p.labels)
    matrix = np.zeros((k, k), dtype=int)
    np.add.at(matrix, (p.y_true, p.y_pred), 1)
    per_class = [rates(label, *np.full(4, 10)) for label in p.labels]
    per_class[-1]["auc"] = estimate(None)
    macro = {name: estimate(0.8, 0.7, 0.9) for name in ("sensitivity", "specificity", "auc")}
    split = {"labels": list(p.labels), "n": len(p), "positive": None, "confusion_matrix": matrix.tolist()}
    absent = dict.fromkeys(("roc", "precision_recall", "calibration_curve", "score_histogram", "readers", "threshold"))
    return binary_split(**absent, **split, per_class=per_class, averages={"macro": macro})


def subgroup(column, value):
    one = {"column": column, "value": value, "n": 50, "positives": 20, "accuracy": share(40, 50), "warning": None}
    return one | {"sensitivity": share(15, 20), "specificity": share(25, 30), "auc": None}


def readers(count, **changes):
    one = {"n": 100, "sensitivity": share(28, 40), "specificity": share(45, 60), "auc": None} | changes
    rows = [one | {"name": f"r{index}"} for index in range(count)]
    return {"kind": "decision", "readers": rows, "mean": {"sensitivity": estimate(0.7), "specificity": estimate(0.75)}}


def names(figures):
    return [figure.name for figure in figures]


def alt(figures, name):
    return next(figure.alt for figure in figures if figure.name == name)


def test_everything_that_report_json_holds_is_drawn_in_the_order_of_the_page():
    figures = split_figures("Test A", binary_split(subgroups=[subgroup("site", "x"), subgroup("site", "y")]))
    keys = ("confusion-matrix", "roc", "precision-recall", "calibration", "scores", "subgroups")
    assert names(figures) == [f"test-a-{key}" for key in keys]
    assert [figure.wide for figure in figures] == [False] * 5 + [True]
    for figure in figures:
        assert Image.open(io.BytesIO(figure.png)).format == "PNG"
        assert ET.fromstring(figure.svg).tag.endswith("svg") and len(figure.svg) < 150_000


def test_alternative_texts_state_the_main_numbers(unrendered):
    figures = split_figures("test", binary_split(readers=readers(3)))
    assert "80.0% of 100 examples lie on the diagonal" in alt(figures, "test-confusion-matrix")
    assert alt(figures, "test-roc") == (
        "ROC curve of malignant. The area under it is 0.875 (0.800 to 0.950). At the operating point, sensitivity is "
        "75.0% (59.8% to 85.8%) and specificity 83.3% (72.0% to 90.7%). 3 readers are points; the mean reader has "
        "sensitivity 70.0%, specificity 75.0%."
    )
    assert "mean score 0.200, observed 16.7% of 60" in alt(figures, "test-calibration")
    assert "75.0% (59.8% to 85.8%) of malignant and 16.7% (9.3% to 28.0%) of benign" in alt(figures, "test-scores")


@pytest.mark.parametrize(
    ("study", "title"),
    [
        (None, "ROC curve"),
        (readers(1), "ROC curve with readers"),
        (readers(2, sensitivity=None, specificity=None), "ROC curve"),
    ],
)
def test_readers_without_decisions_are_no_points(study, title, unrendered):
    figure = split_figures("test", binary_split(readers=study))[1]
    assert figure.title == title and ("mean reader" not in figure.alt)


@pytest.mark.parametrize("key", ["roc", "precision_recall", "calibration_curve", "score_histogram"])
def test_what_is_undefined_is_left_out(key, unrendered):
    assert len(split_figures("test", binary_split(**{key: None}))) == 4
    assert split_figures("test", binary_split(n=0)) == []


def test_classes_are_drawn_from_the_predictions_and_the_absent_one_is_left_out(unrendered):
    p = several(k=4)
    assert names(split_figures("test", several_split(p))) == ["test-confusion-matrix"]
    figures = split_figures("test", several_split(p), predictions=p)
    assert names(figures) == ["test-confusion-matrix", "test-roc"]
    assert alt(figures, "test-roc").startswith("ROC curves of 3 classes, each against the rest; the macro AUC is 0.800")


def test_of_very_many_classes_a_hundred_curves_are_drawn_within_the_size_of_a_page():
    rng = np.random.default_rng(0)
    p = several(n=400, k=130, labels=tuple(f"class {i}" for i in range(130)))
    split = several_split(p)
    for index, one in enumerate(split["per_class"]):
        one["auc"] = estimate(float(rng.random()) if index in p.y_true else None)
    figures = split_figures("test", split, predictions=p)
    assert figures[1].alt.startswith("ROC curves of 100 of ")
    assert all(len(figure.svg) < 150_000 for figure in figures) and figures[0].wide


def test_names_of_any_kind_give_valid_svg_without_a_warning():
    labels = ["<script>-->$x$\x00", "_悪性 " + "n" * 80]
    split = binary_split(labels=labels, positive=labels[1], score_histogram={
        "edges": [0, 0.5, 1], "counts": dict.fromkeys(labels, [1, 2])})  # fmt: skip
    for figure in split_figures("悪性", split):
        assert figure.name.startswith("split-") and b"<script" not in figure.svg
        ET.fromstring(figure.svg)


def test_regression_needs_its_predictions_and_says_how_much_is_drawn(unrendered):
    split = {"kind": "regression", "n": 6000, "mae": estimate(0.25)}
    assert split_figures("test", split) == []
    figures = split_figures("test", split, predictions=regression(6000))
    assert names(figures) == ["test-predicted", "test-residuals"]
    assert figures[0].title == "Predicted against true value (5,000 of 6,000 drawn)"
    assert "0.25 over 6,000 examples" in figures[1].alt


def comparison():
    model = {"n": 60, "auc": estimate(0.8, 0.7, 0.9), "sensitivity": share(20, 30), "specificity": share(20, 30)}
    tests = [{"measure": "auc", "difference": estimate(-0.05, -0.1, 0.01)},
             {"measure": "sensitivity", "difference": estimate(None)}]  # fmt: skip
    models = [model | {"name": name} for name in ("cnn", "vgg")]
    return {"comparison": {"models": models, "pairs": [{"first": "cnn", "second": "vgg", "tests": tests}]}}


def test_a_comparison_shows_the_curves_and_the_differences(unrendered):
    models = {"cnn": binary(seed=0), "vgg": binary(seed=1)}
    figures = comparison_figures(comparison(), models)
    assert names(figures) == ["comparison-roc", "comparison-differences"]
    assert "cnn 0.800 (0.700 to 0.900); vgg" in figures[0].alt
    assert figures[1].alt == "Differences with intervals. AUC of cnn less that of vgg: −0.050 (−0.100 to 0.010)."
    assert names(comparison_figures(comparison())) == ["comparison-differences"]
    assert comparison_figures({"comparison": None}) == []


def test_figures_are_the_same_bytes_each_time():
    split = binary_split(readers=readers(2), precision_recall=None, calibration_curve=None)
    one, two = (split_figures("test", split) for _ in range(2))
    assert [(f.png, f.svg) for f in one] == [(f.png, f.svg) for f in two]


def test_of_very_many_subgroups_the_first_fifty_are_drawn_and_the_title_says_so(unrendered):
    figure = split_figures("test", binary_split(subgroups=[subgroup("site", str(i)) for i in range(60)]))[-1]
    assert figure.title == "Subgroups (50 of 60 drawn)" and figure.alt.endswith("The first 50 subgroups are drawn.")
