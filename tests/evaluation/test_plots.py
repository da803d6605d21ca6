"""Matplotlib functions: what is drawn is what was given, on the axes that were given, without pyplot."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from evaluation import plots
from evaluation.plots.style import described, font_families, shorten
from evaluation.uncertainty.intervals import Estimate

FPR, TPR = [0.0, 0.1, 0.4, 1.0], [0.0, 0.6, 0.9, 1.0]
HALF = Estimate(0.5, 0.4, 0.65)


def subgroup(column, value, sensitivity=HALF, warning=None):
    row = {"column": column, "value": value, "n": 1200, "sensitivity": sensitivity, "warning": warning}
    return row | {"specificity": Estimate(0.8, 0.7, 0.9), "auc": Estimate(0.7, 0.6, 0.8)}


def bins():
    rates = ((0.1, Estimate(0.2, 0.1, 0.4)), (0.7, Estimate(0.6, 0.5, 0.9)), (0.9, Estimate(None, reason="none")))
    return [
        {"low": mean - 0.1, "high": mean + 0.1, "n": 10 * index, "mean_score": mean, "observed": observed}
        for index, (mean, observed) in enumerate(rates)
    ]


DRAWERS = {
    "roc": lambda ax: plots.plot_roc(FPR, TPR, ax=ax),
    "overlay": lambda ax: plots.plot_roc_overlay({"a": (FPR, TPR)}, ax=ax),
    "precision_recall": lambda ax: plots.plot_precision_recall([0, 1], [1, 0.5], ax=ax),
    "calibration": lambda ax: plots.plot_calibration(bins(), ax=ax),
    "histogram": lambda ax: plots.plot_score_histogram([0, 0.5, 1], {"a": [1, 2]}, ax=ax),
    "matrix": lambda ax: plots.plot_confusion_matrix([[3, 1], [2, 4]], ["a", "b"], ax=ax),
    "forest": lambda ax: plots.plot_forest([subgroup("site", "A")], measures={"auc": "AUC"}, ax=ax),
    "difference": lambda ax: plots.plot_difference({"a − b": {"auc": HALF}}, measures={"auc": "AUC"}, ax=ax),
    "predicted": lambda ax: plots.plot_predicted(np.arange(3.0), np.ones(3), ax=ax),
    "residuals": lambda ax: plots.plot_residuals(np.arange(3.0), np.ones(3), ax=ax),
}


@pytest.mark.parametrize("name", DRAWERS)
def test_figures_are_drawn_on_the_axes_given_or_on_new_ones(name):
    given = Figure().add_subplot()
    display = DRAWERS[name](given)
    assert given is (display.axes_[0] if hasattr(display, "axes_") else display.ax_)
    assert display.figure_ is given.figure and given.has_data()
    assert DRAWERS[name](None).figure_ is not given.figure


def test_pyplot_is_never_imported():
    code = "import sys, evaluation.plots, evaluation.report.figures as f; print('matplotlib.pyplot' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_the_roc_line_is_scikit_learns_curve():
    rng = np.random.default_rng(0)
    y_true, y_score = rng.integers(0, 2, 50), rng.random(50)
    fpr, tpr, _ = roc_curve(y_true, y_score)
    display = plots.plot_roc(fpr, tpr, band=(fpr, tpr / 2, tpr), auc=Estimate(0.9996, 0.9, 1.0), name="ill")
    np.testing.assert_array_equal(display.line_.get_xydata(), np.column_stack([fpr, tpr]))
    assert display.line_.get_label() == "ill: AUC >0.999 (0.900 to 1.000)"
    drawn = {tuple(point) for point in display.band_.get_paths()[0].vertices}
    assert {*zip(fpr, tpr / 2, strict=True), *zip(fpr, tpr, strict=True)} <= drawn


def test_readers_are_points_with_bars_in_both_directions():
    readers = [plots.RocPoint(f"r{i}", Estimate(0.6 + i / 10, 0.5, 0.9), Estimate(0.8, 0.7, 0.85), "reader")
               for i in range(3)]  # fmt: skip
    unread = plots.RocPoint("none", Estimate(None), Estimate(0.8), "reader")
    mean = plots.RocPoint("mean", Estimate(0.7), Estimate(0.8), "mean reader")
    display = plots.plot_roc(FPR, TPR, points=[*readers, unread, mean])
    marks, _, (across, along) = display.points_["reader"].lines
    np.testing.assert_allclose(marks.get_xydata(), [[0.2, 0.6], [0.2, 0.7], [0.2, 0.8]])
    np.testing.assert_allclose(across.get_segments()[0], [[0.15, 0.6], [0.3, 0.6]])
    np.testing.assert_allclose(along.get_segments()[2], [[0.2, 0.5], [0.2, 0.9]])
    assert display.points_["mean reader"].lines[0].get_markersize() >= 1.5 * marks.get_markersize()
    assert list(display.points_) == ["reader", "mean reader"]
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["ROC curve", "3 readers", "mean of the readers"]


def test_up_to_ten_curves_differ_in_colour_and_in_line_or_marker():
    points = {str(i): plots.RocPoint(str(i), HALF, HALF) for i in range(10)}
    display = plots.plot_roc_overlay({str(i): (FPR, TPR) for i in range(10)}, points=points)
    looks = {(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in display.lines_.values()}
    assert len(looks) == 10 and display.faint_ is None and list(display.points_) == list(points)
    assert len({line.get_color() for line in list(display.lines_.values())[:7]}) == 7


def test_many_curves_are_faint_beside_their_vertical_mean():
    curves = {str(i): ([0, 1], [0, 1]) if i % 2 else ([0, 0, 1], [0, 1, 1]) for i in range(22)}
    display = plots.plot_roc_overlay(curves, mean_area=Estimate(0.75), of=40)
    x, y = display.mean_.get_data()
    np.testing.assert_allclose(y[2:], 0.5 * x[2:] + 0.5)
    assert len(display.faint_.get_segments()) == 22 and display.lines_ == {}
    assert display.faint_.get_label() == "22 of 40 classes, spread by AUC"
    with pytest.raises(ValueError, match="curves must hold at least one curve"):
        plots.plot_roc_overlay({})


@pytest.mark.parametrize("descending", [False, True])
def test_the_area_under_the_precision_recall_steps_is_the_average_precision(descending):
    y_true, y_score = [0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.5, 0.9]
    precision, recall, _ = precision_recall_curve(y_true, y_score)
    step = 1 if descending else -1
    display = plots.plot_precision_recall(recall[::step], precision[::step], prevalence=Estimate(0.5))
    np.testing.assert_array_equal(display.line_.get_xydata(), np.column_stack([recall, precision])[::step])
    assert display.line_.get_drawstyle() == ("steps-post" if descending else "steps-pre")
    assert display.baseline_.get_ydata() == [0.5, 0.5] and display.point_ is None


def test_calibration_shows_every_defined_bin_with_its_interval_and_every_bins_size():
    display = plots.plot_calibration(bins(), slope=Estimate(0.9, 0.8, 1.0), intercept=Estimate(-0.1))
    np.testing.assert_allclose(display.points_.lines[0].get_xydata(), [[0.1, 0.2], [0.7, 0.6]])
    np.testing.assert_allclose(display.points_.lines[2][0].get_segments()[1], [[0.7, 0.5], [0.7, 0.9]])
    assert [bar.get_height() for bar in display.strip_] == [0, 10, 20]
    assert display.points_.get_label() == "slope 0.90 (0.80 to 1.00); intercept −0.10"


def test_the_score_histogram_shows_shares_so_that_a_rare_class_is_seen():
    display = plots.plot_score_histogram(
        [0, 0.5, 1], {"well": [900, 100], "ill": [1, 3], "none": [0, 0]}, threshold=0.4
    )
    assert display.steps_["well"].get_data().values.tolist() == [0.9, 0.1]
    assert display.steps_["ill"].get_data().values.tolist() == [0.25, 0.75]
    assert display.steps_["none"].get_data().values.tolist() == [0, 0]
    assert list(display.threshold_.get_xdata()) == [0.4, 0.4]


def test_the_matrix_shows_counts_and_shares_of_the_row():
    display = plots.plot_confusion_matrix([[999, 1], [0, 0]], ["a", "$b$"])
    np.testing.assert_array_equal(display.image_.get_array(), [[0.999, 0.001], [0, 0]])
    assert [text.get_text() for text in display.texts_.ravel()] == ["999\n>99%", "1\n<1%", "0\n0%", "0\n0%"]
    assert not any(text.get_parse_math() for text in display.ax_.get_xticklabels())
    with pytest.raises(ValueError, match=r"matrix must have shape \(1, 1\)"):
        plots.plot_confusion_matrix([[1, 2], [3, 4]], ["a"])


def test_large_matrices_name_only_some_classes():
    display = plots.plot_confusion_matrix(np.eye(100), [f"class {i}" for i in range(100)])
    assert [text.get_text() for text in display.ax_.get_yticklabels()][:2] == ["class 0", "class 3"]
    assert all(text is None for text in display.texts_.ravel())


def test_the_forest_groups_rows_by_column_and_says_what_is_undefined():
    rows = [subgroup("site", "A"), subgroup("site", "B", Estimate(None, reason="none")),
            subgroup("sex", "f", Estimate(0.9), "few")]  # fmt: skip
    display = plots.plot_forest(rows, overall={"sensitivity": HALF, "auc": Estimate(None)})
    labels = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert labels == ["site", "A", "B", "sex", "f"] and len(display.axes_) == 3
    np.testing.assert_allclose(display.intervals_["sensitivity"].lines[2][0].get_segments()[0], [[0.4, 1], [0.65, 1]])
    assert [text.get_position()[1] for text in display.axes_[0].texts] == [2]
    assert list(display.overall_["sensitivity"].get_xdata()) == [0.5, 0.5] and "auc" not in display.overall_
    hollow = [line for line in display.axes_[0].lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xydata().tolist() for line in hollow] == [[[0.9, 4.0]]]


def test_panels_need_one_axes_for_each_measure():
    with pytest.raises(ValueError, match="ax must hold one axes for each of the 3 panels. Received: 1"):
        plots.plot_forest([subgroup("site", "A")], ax=Figure().add_subplot())
    with pytest.raises(ValueError, match="at least one panel and one row"):
        plots.plot_forest([])


def test_differences_lie_around_a_zero_line_in_the_middle():
    estimates = {"auc": Estimate(-0.05, -0.1, 0.02), "sensitivity": Estimate(None)}
    display = plots.plot_difference({"a − b": estimates}, measures={"auc": "AUC", "sensitivity": "sensitivity"})
    np.testing.assert_allclose(display.intervals_["auc"].lines[2][0].get_segments()[0], [[-0.1, 0], [0.02, 0]])
    low, high = display.axes_[0].get_xlim()
    assert low == -high and low < -0.1 and list(display.zeros_["auc"].get_xdata()) == [0, 0]
    assert [text.get_text() for text in display.axes_[1].texts] == ["undefined"]


def test_residuals_are_predicted_less_true():
    display = plots.plot_residuals(np.array([1.0, 2.0]), np.array([3.0, 1.5]))
    np.testing.assert_array_equal(display.points_.get_offsets(), [[3.0, 2.0], [1.5, -0.5]])
    many = plots.plot_predicted(np.arange(20_000.0), np.zeros(20_000))
    assert len(many.points_.get_offsets()) == 5000 and many.points_.get_rasterized()


def test_names_keep_both_ends_and_lose_what_no_svg_may_hold():
    assert shorten("a\x00b\ud800\n c") == "a\ufffdb\ufffd c"
    assert shorten("abcdefghij", 5) == "ab…ij"
    assert described("AUC", Estimate(None, reason="none")) == ""


def test_fonts_are_those_that_the_machine_has():
    from matplotlib.font_manager import fontManager

    assert font_families()[0] == "DejaVu Sans"
    assert set(font_families()) <= set(fontManager.get_font_names())


@pytest.mark.parametrize(("name", "as_text"), [("benign", False), ("黒色腫 --> <script>", True)])
def test_an_svg_keeps_as_text_only_what_no_font_here_has(name, as_text):
    if as_text and len(font_families()) > 1:
        pytest.skip("this machine has further fonts")
    with matplotlib.rc_context(plots.report_style()):
        _, svg = plots.render(plots.plot_roc(FPR, TPR, name=name).figure_)
    assert (b"<text" in svg) is as_text and b"<script" not in svg
