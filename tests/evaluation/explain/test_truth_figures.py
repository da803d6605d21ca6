"""What the figures of localisation, fidelity and attacks show."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from evaluation.explain.adversarial import AdversarialExamples, AttackedAccuracy
from evaluation.explain.fidelity import Curves
from evaluation.explain.figures_adversarial import plot_adversarial, plot_attacked_accuracy
from evaluation.explain.figures_fidelity import plot_agreement, plot_fidelity_curves, plot_randomisation
from evaluation.explain.figures_localise import overlay, plot_boxes, plot_threshold_sweep, to_picture
from evaluation.explain.likeness import agreement
from evaluation.explain.localisation import threshold_sweep
from evaluation.explain.sanity import RandomisationCheck
from evaluation.plots.rendering import render
from evaluation.plots.style import report_style
from evaluation.uncertainty.intervals import proportion


@pytest.fixture(autouse=True)
def style():
    """The report's style, as the page sets it."""
    with matplotlib.rc_context(report_style()):
        yield


def test_boxes_lie_along_the_outer_edges_of_their_pixels():
    images = np.zeros((2, 6, 8, 3), np.uint8)
    shown = plot_boxes(images, np.zeros((2, 6, 8)), np.array([[1, 2, 4, 7], [0, 0, 0, 0]]), truth=[[0, 0, 2, 3]] * 2)
    assert shown.found_[0].get_bbox().bounds == (1.5, 0.5, 5, 3)
    assert shown.found_[1] is None
    assert shown.truth_[1][0].get_bbox().bounds == (-0.5, -0.5, 3, 2)
    assert render(shown.figure_)[0].startswith(b"\x89PNG")


def test_heat_colours_the_image_where_it_is_strong_and_greys_it_elsewhere():
    image = np.full((2, 2, 3), 200, np.uint8)
    image[0, 0] = (200, 100, 0)
    shown = overlay(image, np.array([[0, 0], [0, 1]]))
    grey = 0.299 * 200 + 0.587 * 100  # of which three quarters are shown
    np.testing.assert_allclose(shown[0, 0], 0.25 * image[0, 0] + 0.75 * grey, atol=0.5)
    assert shown[0, 1].tolist() == [200, 200, 200] and shown[1, 1].tolist() == [233, 80, 80]  # six tenths of red
    weak = overlay(image, np.full((2, 2), 0.2))[1, 1].astype(int)
    assert np.abs(weak - 200).max() < 30  # weak evidence leaves the picture


def test_images_of_any_range_and_number_of_channels_become_pictures():
    assert to_picture(np.array([[[-1.0], [0], [1]]]), (-1, 1))[0, :, 2].tolist() == [0, 128, 255]
    assert to_picture(np.array([[[np.nan, 10, 300, 7]]])).tolist() == [[[0, 10, 255]]]


def test_the_sweep_shows_the_share_of_right_boxes_by_threshold():
    sweep = threshold_sweep(np.random.default_rng(0).random((5, 9, 9)), [[2, 2, 8, 8]] * 5, (0.2, 0.5, 0.9))
    shown = plot_threshold_sweep({"grad_cam": sweep})
    assert shown.accuracy_["grad_cam"].get_xdata().tolist() == [20, 50, 90]
    assert shown.accuracy_["grad_cam"].get_ydata().tolist() == [one.accuracy.value for one in sweep]


def test_curves_are_means_over_the_images_with_their_area():
    scores = np.array([[1, 0.5, 0.0], [0.8, 0.3, 0.2], [np.nan] * 3])
    curves = Curves("deletion", np.array([0, 0.5, 1]), scores, np.zeros(3, np.int32))
    shown = plot_fidelity_curves({"grad_cam": curves, "edges": curves})
    np.testing.assert_allclose(shown.lines_["grad_cam"].get_ydata(), [0.9, 0.4, 0.1])
    assert shown.lines_["grad_cam"].get_label() == "grad cam, area 0.450"
    assert shown.lines_["edges"].get_color() != shown.lines_["grad_cam"].get_color()


def test_likeness_falls_by_layer_and_a_step_without_a_number_is_a_gap():
    values = np.array([[0.9, 0.7], [np.nan, np.nan], [0.1, 0.3]])
    check = RandomisationCheck("saliency", "cascading", ("logits", "conv2", "conv1"), values, values)
    shown = plot_randomisation({"saliency": check})
    np.testing.assert_allclose(shown.lines_["saliency"].get_ydata(), [0.8, np.nan, 0.2])
    assert [text.get_text() for text in shown.ax_.get_xticklabels()] == ["logits", "conv2", "conv1"]


def test_agreement_is_drawn_as_a_matrix_with_a_dash_where_undefined():
    maps = {
        "one": np.arange(16.0).reshape(1, 4, 4),
        "two": -np.arange(16.0).reshape(1, 4, 4),
        "flat": np.ones((1, 4, 4)),
    }
    shown = plot_agreement(agreement(maps))
    assert [text.get_text() for text in shown.ax_.texts][:3] == ["1.00", "−1.00", "–"]


def test_a_triptych_shows_image_enlarged_change_and_result():
    images = np.full((1, 2, 2, 3), 100.0, np.float32)
    changed = images.copy()
    changed[0, 0, 0], changed[0, 1, 1] = 104, 98
    examples = AdversarialExamples(images, changed, np.array([[0, 1]]), np.array([[0.83, 0.991]]))
    shown = plot_adversarial(examples, ["cat", "$dog$"])
    assert [ax.get_title() for ax in shown.axes_] == ["cat 83%", "change × 31.9 (ε = 4)", "$dog$ 99%"]
    middle = shown.images_[0][1].get_array()
    assert middle[0, 0].tolist() == [255] * 3 and middle[1, 1].tolist() == [64] * 3 and middle[0, 1, 0] == 128
    none = plot_adversarial(AdversarialExamples(images, images, np.array([[0, 0]]), np.ones((1, 2))), ["cat"])
    assert none.factors_ == [0] and none.axes_[1].get_title() == "no change"


def test_accuracy_is_drawn_against_epsilon_with_its_intervals():
    right = np.array([[True] * 8 + [False] * 2, [True] * 3 + [False] * 7])
    attack = AttackedAccuracy("pgd", np.array([0.0, 2]), right, (proportion(8, 10), proportion(3, 10)))
    shown = plot_attacked_accuracy([attack], chance=0.1)
    line, _, (bars,) = shown.bars_["pgd"].lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0, 2], [0.8, 0.3])
    np.testing.assert_allclose(bars.get_segments()[1][:, 1], [proportion(3, 10).low, proportion(3, 10).high])
    assert shown.bars_["pgd"].get_label() == "PGD (n = 10)"
