"""The learning-rate range test: rule, ending, files and words."""

import csv
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ROOT
from tests.training.test_train import config_for
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.lr_find import LearningRateConfig, describe, find
from training.range_test import find_bottom, range_test, smooth
from training.train import train


def find_config(npz, tmp_path, **changes) -> LearningRateConfig:
    settings = vars(config_for(npz, tmp_path, learning_rate=None))
    return LearningRateConfig(**settings | {"steps": 60, "lowest": 1e-4} | changes)


def quadratic(curvature: float) -> tuple[keras.Model, tf.data.Dataset]:
    """A loss of curvature λ in each of four weights, with noise: gradient descent is stable below 2/λ, best at 1/λ."""
    random = np.random.default_rng(0)
    x = random.normal(size=(4096, 4)).astype(np.float32) * np.sqrt(curvature / 2)
    y = (x @ np.full(4, 3.0) + random.normal(size=4096)).astype(np.float32)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(), "mse", steps_per_execution=1)
    return model, tf.data.Dataset.from_tensor_slices((x, y)).batch(256)


@pytest.mark.parametrize("curvature", [0.2, 20.0])
def test_the_bottom_is_near_the_best_rate_of_a_quadratic_and_the_proposal_below_it(curvature):
    best = 1 / curvature
    result = range_test(*quadratic(curvature), lowest=best / 1000, highest=best * 1000, steps=100)
    assert "rose above 4 times" in result.ended and len(result.losses) < 80
    assert best / 3 < result.bottom < 2 * best and result.proposal == pytest.approx(result.bottom / 3, rel=0.05)


def test_the_bottom_is_the_middle_of_what_is_close_to_the_smallest_loss():
    rates = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert find_bottom(rates, np.array([10.0, 10.0, 5.0, 2.0, 0.0, 9.0])) == pytest.approx(16.0)
    assert find_bottom(rates, np.array([10.0, 1.2, 1.0, 1.4, 1.5, 9.0])) == pytest.approx((2 * 4 * 8) ** (1 / 3))
    assert find_bottom(rates, np.array([10.0, 9.95, 10.0, 20.0, 30.0, 40.0])) is None
    assert find_bottom(rates[:0], rates[:0]) is None


def test_smoothing_keeps_a_straight_line_and_shifts_no_minimum():
    np.testing.assert_allclose(smooth(np.full(50, 2.0), 200), 2.0)
    losses = 1 + np.abs(np.arange(101) - 50.0)
    assert smooth(losses, 200).argmin() == 50


def test_the_ends_of_a_triangle_do_not_stand_in_the_way(npz, tmp_path):
    run, _ = find(find_config(npz, tmp_path, schedule="triangle", rate_start=0.1, rate_end=0.3, warmup=0.1, steps=20))
    assert run.read_record()["settings"]["rate_end"] == 0.3 and (run.path / "lr.csv").is_file()


def test_a_proposal_comes_with_files_and_a_command_and_training_with_it_learns(npz, tmp_path):
    run, result = find(find_config(npz, tmp_path, flip="horizontal", schedule="one_cycle", learning_rate=9.0))
    with open(run.path / "lr.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx(result.rates.tolist())
    np.testing.assert_allclose(result.rates[:2], [1e-4, 1e-4 * 1e5 ** (1 / 59)])
    record = run.read_record()
    assert record["proposal"] == result.proposal and record["settings"]["learning_rate"] == 9.0
    assert run.path == tmp_path / "runs/lr-find/gap_cnn-npz-001" and run.check(run.path / "curve.png") is None
    text = describe(run, result)
    assert f"proposed learning rate: {result.proposal:g}, a third of" in text and "use it: make train CONFIG=" in text

    chosen = from_yaml(run.path / "train.yaml", epochs=6)
    assert chosen.schedule == "one_cycle" and chosen.learning_rate == result.proposal
    history = train(chosen).history
    assert history["val_loss"][-1] < 0.7 * history["val_loss"][0] and history["val_accuracy"][-1] > 0.8


def test_the_losses_are_those_of_single_steps_not_running_means():
    model, data = quadratic(2.0)
    x, y = next(iter(data))
    result = range_test(model, data.take(1), lowest=1e-9, highest=1e-8, steps=20)
    np.testing.assert_allclose(result.losses, np.mean(y.numpy() ** 2), rtol=1e-4)


def test_an_infinite_loss_ends_the_test_with_words():
    result = range_test(*quadratic(2.0), lowest=1e30, highest=1e31, steps=20)
    assert result.ended == "the loss became NaN or infinite at step 2" and len(result.losses) == 1
    assert result.proposal is None


def test_a_loss_that_never_falls_gives_no_proposal(npz, tmp_path):
    run, result = find(find_config(npz, tmp_path, optimizer="sgd", lowest=1e5, highest=1e6, steps=20))
    assert result.proposal is None and not (run.path / "train.yaml").exists()
    assert "no proposal: the loss never fell" in describe(run, result)


def test_a_loss_that_still_falls_asks_for_higher_rates(npz, tmp_path):
    run, result = find(find_config(npz, tmp_path, lowest=1e-5, highest=1e-2))
    assert result.ended == "every step was taken"
    assert "the loss was still falling at the end; a higher --highest" in describe(run, result)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"lowest": 1.0, "highest": 0.1},
            "lowest and highest must be rates between 1e-12 and 1e+06, in this order. Received: lowest=1, highest=0.1.",
        ),
        ({"steps": 3}, "steps must be at least 20, or the curve shows nothing. Received: steps=3."),
    ],
)
def test_an_impossible_range_is_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        LearningRateConfig(**changes)
    assert str(caught.value) == message


def test_the_settings_of_the_run_are_those_of_training():
    config = LearningRateConfig(batch_size=7, steps=99)
    assert type(config.training) is TrainConfig and config.training == TrainConfig(batch_size=7)


def test_help_explains_the_range_and_loads_no_tensorflow():
    code = """
import runpy, sys
sys.argv = ['x', '--help']
try:
    runpy.run_module('training.lr_find', run_name='__main__', alter_sys=True)
except SystemExit:
    pass
assert not {'tensorflow', 'keras'} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--lowest" in done.stdout and "--optimizer" in done.stdout, done.stderr
