"""The race on CIFAR-10: its own input pipeline, its count of operations, its table, and a small run."""

import dataclasses

import numpy as np
import pytest

import models
from benchmarks import cifar_speed
from benchmarks import cifar_speed_work as work
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.views import view_of


def recipe(**changes) -> TrainConfig:
    settings = from_yaml(cifar_speed.SpeedBenchConfig().recipe, precision="float32", batch_size=16, epochs=2)
    return dataclasses.replace(settings, hyperparameters={"filters": [4, 4, 4]}, **changes)


def test_an_epoch_flips_what_the_one_before_did_not(rng):
    x, y = rng.integers(0, 256, (40, 6, 6, 3)).astype(np.uint8), np.arange(40)
    first, second = (work.epoch_of(recipe(shift=0, fill="edge"), x, y, epoch) for epoch in (0, 1))
    by_row = [images[np.argsort(labels)] for images, labels in (first, second)]
    np.testing.assert_array_equal(by_row[0], by_row[1][:, :, ::-1])
    mirrored = (by_row[0] == x[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 8 < mirrored.sum() < 32 and not np.array_equal(first[1], second[1])


def test_images_move_by_whole_pixels_and_reflect(rng):
    x, y = rng.integers(0, 256, (60, 8, 8, 3)).astype(np.uint8), np.arange(60)
    images, labels = work.epoch_of(recipe(flip="none", shift=1), x, y, 0)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    places = [(i, j) for i in range(3) for j in range(3)]
    found = [
        [place for place in places if np.array_equal(image, padded[row, place[0] :, place[1] :][:8, :8])]
        for image, row in zip(images, labels, strict=True)
    ]
    assert all(len(place) == 1 for place in found) and len({place[0] for place in found}) == 9
    assert view_of(x, 1, False)[0].tolist() == padded[0, :8, :8].tolist()


def test_operations_of_the_record_are_its_published_third_of_a_petaflop():
    model = models.build("cifar_speed", (32, 32, 3), 10)
    assert 9.9 * 50_000 * work.training_flops(model) == pytest.approx(0.35e15, rel=0.03)


def test_a_small_run_trains_and_judges(rng):
    y = np.arange(64) % 3
    x = (rng.integers(0, 60, (64, 26, 26, 3)) + 90 * y[:, None, None, None]).astype(np.uint8)
    row = work.run(recipe(epochs=4, learning_rate=0.05), (x, y), (x, y))
    again = work.run(recipe(epochs=4, learning_rate=0.05), (x, y), (x, y))
    assert row["accuracy"] > 0.6 and row["accuracy_views"] > 0.6 and row["accuracy"] == again["accuracy"]
    assert 0 < row["first_step"] < row["seconds"] < row["whole"] and row["flop"] > 0


def test_the_table_says_n_spread_and_which_images():
    rows = [{"accuracy": a, "accuracy_views": a + 0.01, "seconds": 10.0, "whole": 12.0} for a in (0.9, 0.92)]
    rows = [row | {"flop": 2e12, "peak": 1e12} for row in rows]
    text = cifar_speed.table(rows, recipe(), {"images": 45_000, "judged": 5_000, "final_fit": False, "where": "here"})
    assert "| 45,000" in text and "91.00 ± 1.41 %" in text and "92.00 ± 1.41 %" in text
    assert "validation split (5,000 images)" in text and "20% (20%–20%)" in text


def test_a_recipe_that_leaves_the_length_open_is_refused():
    with pytest.raises(ConfigError, match="must say epochs, batch_size and a precision"):
        work.length(recipe(batch_size=None))


@pytest.mark.parametrize("changes", [{"flip": "horizontal"}, {"fill": "edge"}, {"zoom": 0.1}, {"shift": 0.1}])
def test_what_the_race_would_leave_out_is_refused(changes):
    name = next(iter(changes))
    with pytest.raises(ConfigError, match=f"no more. Received: {name}={changes[name]}. Use make seeds"):
        work.length(recipe(**changes))
