"""The verdict in words: one made-up pair of curves per outcome, and the picture."""

import math

import numpy as np
import pytest

from training.diagnostics import Clues, Verdict, baseline_loss, best_epoch, diagnose, draw_curves, loss_floor

E = np.arange(1, 31)
FALLING = 2.3 * np.exp(-E / 6) + 0.1
CURVES = {
    "overfitting": (FALLING, np.where(E <= 12, FALLING + 0.2, FALLING[11] + 0.2 + 0.03 * (E - 12)), 13),
    "collapsed": (
        np.where(E <= 11, FALLING, FALLING[10] + 0.08 * (E - 11)),
        np.where(E <= 11, FALLING + 0.1, FALLING[10] + 0.1 + 0.08 * (E - 11)),
        11,
    ),
    "unstable": (
        np.where(E <= 15, FALLING, FALLING[14] + 0.002 * (E - 15)),
        np.where(E <= 15, FALLING + 0.1, FALLING[14] + 0.1 + 0.01 * (E - 15)),
        15,
    ),
    "still improving": (2.3 - 0.06 * E, 2.4 - 0.06 * E, 30),
    "underfitting": (2.2 - 0.02 * np.minimum(E, 5), 2.2 - 0.02 * np.minimum(E, 5) + 0.001 * np.abs(E - 5), 5),
    "good fit": (FALLING, np.maximum(FALLING, FALLING[20]) + 0.0001 * np.abs(E - 21), 21),
}


@pytest.mark.parametrize("kind", CURVES)
def test_each_outcome_is_named_with_its_epoch(kind):
    train, validation, epoch = CURVES[kind]
    verdict = diagnose({"loss": train, "val_loss": validation}, baseline_loss=math.log(10))
    assert (verdict.kind, verdict.epoch) == (kind, epoch)


def test_nan_and_explosion_are_divergence():
    for bad in (math.nan, math.inf, 1e6, 7.0):
        verdict = diagnose({"loss": [2.0, 1.5, 1.2, bad], "val_loss": [2.0, 1.6, 1.4, 1.4]}, baseline_loss=2.3)
        assert verdict.kind == "diverged"


def test_two_epochs_prove_nothing():
    assert diagnose({"loss": [2, 1], "val_loss": [2, 1]}, baseline_loss=2.3).kind == "too few epochs"


def test_the_published_collapse_of_the_notes_network_is_recognised():
    train = [1.6, 1.3, 1.15, 1.05, 1.0, 0.96, 0.94, 0.92, 0.91, 0.91, 0.92, 0.95, 1.0, 1.1, 1.25, 1.45, 1.7, 1.8, 1.85]
    validation = [1.4, 1.2, 1.1, 1.0, 0.98, 0.95, 0.95, 0.93, 0.92, 0.92, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 1.8, 1.9]
    verdict = diagnose({"loss": train, "val_loss": validation}, baseline_loss=math.log(10))
    assert verdict.kind == "collapsed" and "Lower the learning rate" in verdict.text


def test_best_epoch_is_the_largest_accuracy_or_the_smallest_loss_and_never_nan():
    history = {"val_loss": [3.0, math.nan, 1.0, 2.0], "val_accuracy": [0.1, 0.9, 0.5, math.nan]}
    assert best_epoch(history, "val_loss") == 3
    assert best_epoch(history, "val_accuracy") == 2
    assert best_epoch({}, "val_loss") == 0


def test_baseline_is_the_entropy_or_the_variance():
    assert baseline_loss(np.array([0, 0, 1, 1]), 2) == pytest.approx(math.log(2))
    assert baseline_loss(np.array([1.0, 3.0]), 0) == 1.0


def test_the_picture_is_a_png_that_shows_the_best_epoch(tmp_path):
    train, validation, _ = CURVES["overfitting"]
    history = {"loss": train, "val_loss": validation, "accuracy": 1 - train / 3, "val_accuracy": 1 - validation / 3}
    path = tmp_path / "curves.png"
    draw_curves(history, Verdict("good fit", 1, "text $x$"), path, title="a_$b$", best=12)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_a_run_that_early_stopping_ended_is_no_longer_improving():
    train = 2.3 * np.exp(-np.arange(1, 215) / 30) + 0.03
    validation = train.copy()
    validation[204:] = validation[203] * 1.01
    assert diagnose({"loss": train, "val_loss": validation}, baseline_loss=0.69).kind == "good fit"


def test_the_floor_is_the_loss_of_perfect_predictions(rng):
    targets = np.full((4, 10), 0.2 / 10) + 0.8 * np.eye(10)[:4]
    assert loss_floor(10, 0.2) == pytest.approx(-np.mean(np.sum(targets * np.log(targets), axis=1)))
    guesses = rng.dirichlet(np.ones(10), size=4)
    assert loss_floor(10, 0.2) < -np.mean(np.sum(targets * np.log(guesses), axis=1))
    assert loss_floor(2, 0.2) == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert loss_floor(10, 0.0) == loss_floor(0, 0.0) == 0


def test_smoothed_targets_bring_the_constant_guess_nearer_to_equal_shares():
    targets = np.array([0, 0, 0, 1])
    share = 0.8 * 0.75 + 0.1
    expected = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert baseline_loss(targets, 2, 0.2) == pytest.approx(expected)


def test_a_smoothed_run_that_fits_is_not_called_underfitting():
    train = FALLING + loss_floor(10, 0.4)  # the floor alone is above half of what a constant guess reaches
    history = {"loss": train, "val_loss": np.maximum(train, train[20]) + 0.0001 * np.abs(E - 21)}
    assert train.min() > 0.5 * math.log(10)
    assert diagnose(history, baseline_loss=math.log(10), floor=loss_floor(10, 0.4)).kind == "good fit"
    assert diagnose(history, baseline_loss=math.log(10)).kind == "underfitting"


FLAT = {"loss": np.full(12, 2.31), "val_loss": np.full(12, 2.32), "accuracy": np.full(12, 0.1)}
RARE = {"loss": 0.6 * np.exp(-E / 4) + 0.15, "val_loss": 0.6 * np.exp(-E / 4) + 0.16, "accuracy": np.full(30, 0.961)}


def test_a_loss_that_stays_at_the_constant_guess_is_not_learning_and_dead_units_are_named_where_they_are_known():
    assert diagnose(FLAT, baseline_loss=math.log(10)).kind == "not learning"
    assert diagnose(FLAT, baseline_loss=math.log(10), clues=Clues(inactive=0.4)).kind == "not learning"
    verdict = diagnose(FLAT, baseline_loss=math.log(10), clues=Clues(inactive=0.9))
    assert verdict.kind == "dead units" and "90% of the hidden units" in verdict.text
    guesses = {"loss": [1.02, 1.0, 1.0, 1.0], "val_loss": [1.0, 1.0, 1.0, 1.0]}  # a regression, without accuracy
    assert diagnose(guesses, baseline_loss=1.0).kind == "not learning"


def test_a_high_loss_beside_an_accuracy_above_chance_is_a_penalty_and_no_want_of_learning():
    history = FLAT | {"accuracy": np.linspace(0.2, 0.8, 12)}
    assert diagnose(history, baseline_loss=math.log(10)).kind == "underfitting"
    barely = FLAT | {"accuracy": np.full(12, 0.75)}
    assert diagnose(barely, baseline_loss=2.3, clues=Clues(majority=0.69)).kind == "not learning"


def test_a_classifier_far_worse_than_a_constant_guess_is_saturated_and_a_regressor_is_not():
    history = {"loss": [90.0, 50.0, 70.0, 40.0, 60.0], "val_loss": [80.0, 40.0, 60.0, 55.0, 58.0]}
    verdict = diagnose(history | {"accuracy": [0.6] * 5}, baseline_loss=math.log(2))
    assert verdict.kind == "saturated" and "Scale the inputs" in verdict.text
    assert diagnose(history, baseline_loss=100.0).kind != "saturated"


def test_shared_examples_are_a_leak_whatever_the_curves_say():
    train, validation, _ = CURVES["good fit"]
    history = {"loss": train, "val_loss": validation}
    verdict = diagnose(history, baseline_loss=math.log(10), clues=Clues(shared=0.25))
    assert verdict.kind == "leaked validation" and verdict.text.startswith("25% of the validation examples")
    assert diagnose(history, baseline_loss=math.log(10), clues=Clues(shared=0.004)).kind == "good fit"


def test_accuracy_at_the_share_of_a_frequent_class_is_that_class_only():
    assert diagnose(RARE, baseline_loss=0.168, clues=Clues(majority=0.96)).kind == "majority class only"
    for clues in (Clues(majority=0.9), Clues()):
        assert diagnose(RARE, baseline_loss=0.168, clues=clues).kind != "majority class only"
