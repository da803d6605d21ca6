"""What becomes of a recipe after its best epoch: runs that differ in the rate alone, the table and the figure."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from benchmarks.collapse import (
    CONSTANT,
    FALLING,
    OURS,
    CollapseConfig,
    Course,
    _text,
    draw,
    length_of,
    measure,
    recipes_of,
)
from training.checks import ConfigError
from training.config import TrainConfig

PNG = b"\x89PNG"
NOTES = "model: softmax_regression\ndataset: digits\nepochs: 9\nbatch_size: 32\nlearning_rate: 0.01\npatience: 2\n"


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.yaml"
    path.write_text(NOTES)
    return str(path)


def course(accuracy, lengths=(), test=None):
    return Course({"accuracy": accuracy, "val_accuracy": [value - 0.1 for value in accuracy]}, lengths, test)


def test_the_two_runs_of_the_notes_differ_in_the_schedule_alone_and_stop_at_nothing(notes):
    recipes = recipes_of(CollapseConfig(notes=notes, recipe=notes, epochs=3), 2)
    constant, falling = recipes[CONSTANT], recipes[FALLING]
    assert falling == dataclasses.replace(constant, schedule="cosine")
    assert (constant.patience, constant.epochs, constant.seed, constant.snapshots) == (0, 3, 2, True)
    assert (recipes[OURS].patience, recipes[OURS].epochs) == (2, 9)


def test_runs_are_trained_once_and_their_table_says_how_they_ended(notes, tmp_path, capfd):
    config = CollapseConfig(notes=notes, recipe="none", epochs=2, at_once=2, runs_dir=str(tmp_path / "runs"))
    text, figure = measure(config)
    assert "adam, rate 0.01 constant, batch 32, 2 epochs" in text and "falling along a cosine" in text
    assert figure.startswith(PNG)
    assert "constant, seed 1: epoch" in capfd.readouterr().err
    assert measure(config)[0] == text
    assert len(list((tmp_path / "runs").glob("train/*"))) == 2


def test_the_row_of_a_collapse_names_best_and_last_epoch():
    found = [course([0.4, 0.8, 0.3], [5.0, 9.0, 21.0], 0.7), course([0.4, 0.5, 0.6], [5.0, 6.0, 19.0], 0.5)]
    settings = TrainConfig(dataset="cifar10", learning_rate=0.001, batch_size=32, epochs=3)
    row = _text({CONSTANT: found}, {CONSTANT: settings}).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[2:-1]] == [
        "60.0 (50.0–70.0) (2–3)",
        "35.0 (20.0–50.0)",
        "45.0 (30.0–60.0)",
        "14 (9–19)",
        "20 (19–21)",
        "60.0 (50.0–70.0)",
    ]


def test_a_run_without_snapshots_has_no_lengths_and_is_drawn():
    settings = TrainConfig(dataset="cifar10", learning_rate=0.001, batch_size=32, epochs=2)
    courses = {CONSTANT: [course([0.4, 0.3], [5.0, 9.0])], OURS: [course([0.4, 0.5])]}
    row = _text(courses, dict.fromkeys(courses, settings)).splitlines()[3]
    assert [cell.strip() for cell in row.split("|")[5:-1]] == ["–", "–", "–"]
    assert draw(courses).startswith(PNG)


def test_the_length_is_that_of_all_weights_and_not_of_counters(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])
    model.layers[0].set_weights([np.full((3, 2), 2.0), np.full(2, -1.0)])
    model.save_weights(tmp_path / "a.weights.h5")
    assert length_of(tmp_path / "a.weights.h5") == pytest.approx(np.sqrt(6 * 4 + 2))


def test_mistakes_are_refused_before_anything_trains(notes, tmp_path):
    with pytest.raises(ConfigError, match="at_once must be at least 1. Received: at_once=0"):
        CollapseConfig(at_once=0)
    with pytest.raises(ConfigError, match="output: there is no folder .*nowhere. Create it first"):
        CollapseConfig(output=str(tmp_path / "nowhere" / "table.md"))
    number = tmp_path / "number.yaml"
    number.write_text("model: linear_regression\ndataset: diabetes\n")
    with pytest.raises(ConfigError, match="must train a classifier, .* Received: model=linear_regression"):
        recipes_of(CollapseConfig(notes=notes, recipe=str(number)), 1)
