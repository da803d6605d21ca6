"""Learning-rate schedules against their formulas, step by step."""

import math

import keras
import numpy as np
import pytest

from training import datasets
from training.config import TrainConfig
from training.pipeline import batches
from training.prepare import prepare, resolved_patience
from training.schedules import learning_rate


def values(schedule, steps) -> np.ndarray:
    return np.array([float(schedule(step)) for step in range(steps + 1)])


def test_one_cycle_rises_linearly_from_a_25th_and_falls_along_half_a_cosine_to_0():
    found = values(learning_rate("one_cycle", 0.5, total_steps=100), 100)
    rising = 0.02 + (0.5 - 0.02) * np.arange(30) / 30
    falling = 0.25 * (1 + np.cos(math.pi * np.arange(71) / 70))
    np.testing.assert_allclose(found, np.concatenate([rising, falling]), rtol=1e-5, atol=1e-7)
    assert found[0] == pytest.approx(0.02) and found.argmax() == 30 and found[30] == 0.5 and found[100] == 0


def test_cosine_starts_at_the_peak_unless_it_is_warmed_up():
    plain = values(learning_rate("cosine", 0.1, total_steps=40), 40)
    np.testing.assert_allclose(plain, 0.05 * (1 + np.cos(math.pi * np.arange(41) / 40)), rtol=1e-5, atol=1e-8)
    warm = values(learning_rate("cosine", 0.1, total_steps=40, warmup=0.25), 40)
    assert warm[0] == pytest.approx(0.004) and warm.argmax() == 10 and warm[40] == 0


def test_a_triangle_is_linear_between_its_three_points():
    found = values(learning_rate("triangle", 1.5, total_steps=490, ends=(0.2, 0.07)), 490)
    expected = 1.5 * np.interp(np.arange(491), [0, 113, 490], [0.2, 1.0, 0.07])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    early = values(learning_rate("triangle", 1.0, total_steps=10, warmup=0.0, ends=(0.2, 0.5)), 12)
    np.testing.assert_allclose(early, [*np.linspace(1, 0.5, 11), 0.5, 0.5], rtol=1e-6)


def test_a_constant_rate_is_a_number():
    assert learning_rate("constant", 0.1, total_steps=5) == 0.1


@pytest.mark.parametrize("warmup", [None, 0.0, 0.999])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_have_finite_positive_rates(steps, warmup):
    found = values(learning_rate("one_cycle", 1.0, total_steps=steps, warmup=warmup), steps)
    assert np.isfinite(found).all() and (found[:steps] > 0).all() and found[steps] == 0


@pytest.mark.parametrize("name", ["one_cycle", "triangle"])
def test_a_schedule_survives_serialisation(name):
    schedule = learning_rate(name, 0.5, total_steps=100, ends=(0.2, 0.1))
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    np.testing.assert_array_equal(values(again, 100), values(schedule, 100))


def test_the_rate_is_0_after_exactly_the_steps_of_the_run(npz):
    settings = {"model": "softmax_regression", "dataset": "npz", "data_dir": str(npz), "precision": "float32"}
    config = TrainConfig(**settings, epochs=3, batch_size=10, schedule="one_cycle", learning_rate=0.2)
    data = datasets.load(config, progress=False)
    model, _, plan = prepare(config, data)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2 / 25)
    training = batches(data.train, batch_size=10, shuffle_seed=1)
    model.fit(training, epochs=2, shuffle=False, verbose=0)
    assert float(model.optimizer.learning_rate) > 0.001
    model.fit(training, initial_epoch=2, epochs=3, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 3 * plan.steps and float(model.optimizer.learning_rate) == 0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, 10), ({"schedule": "one_cycle"}, 0), ({"schedule": "cosine"}, 0), ({"schedule": "cosine", "patience": 4}, 4)],
)
def test_a_schedule_is_not_cut_short_unless_asked(settings, expected):
    assert resolved_patience(TrainConfig(**settings)) == expected
