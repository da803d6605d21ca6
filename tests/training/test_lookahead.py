"""Lookahead against its formula, and cut and resumed runs of the whole recipe against the uninterrupted one."""

import keras
import numpy as np
import pytest

from tests.training.commands import short_report
from tests.training.test_resume import interrupt_after, rows
from tests.training.test_train import config_for
from training.checkpoint import load_model
from training.checks import ConfigError
from training.config import TrainConfig
from training.lookahead import Lookahead
from training.resume import ResumeConfig, resume
from training.train import train

RECIPE = {
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.85,
    "nesterov": True,
    "schedule": "triangle",
    "weight_decay": 0.001,
    "decay": "coupled",
    "rate_multipliers": {"*_norm*/beta": 8.0},
    "freeze_after": {"whitening/bias": 2},
    "lookahead": 3,
    "label_smoothing": 0.2,
    "flip": "alternating",
    "shift": 2.0,
    "fill": "reflect",
    "hyperparameters": {"filters": [4, 4, 8]},
}


class Trace(keras.callbacks.Callback):
    """All weights before the first and after every step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_begin(self, logs=None):
        self.weights.append(self.model.get_weights())

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights())


def test_weights_after_each_step_are_those_of_the_formula(rng):
    x, y = rng.normal(size=(32, 5)).astype("float32"), rng.normal(size=(32, 1)).astype("float32")
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.BatchNormalization()(inputs)))
    model.compile("sgd", "mse")
    raw, pulled = Trace(), Trace()
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False, callbacks=[raw, Lookahead(3, 8), pulled])
    slow = pulled.weights[0]
    for step in range(1, 9):
        expected = raw.weights[step]
        if step % 3 == 0:
            hold = 0.95**5 * (step / 8) ** 3
            expected = slow = [hold * old + (1 - hold) * new for old, new in zip(slow, expected, strict=True)]
        if step == 8:
            expected = slow
        for found, wanted in zip(pulled.weights[step], expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert not np.allclose(pulled.weights[8][-2], raw.weights[8][-2])


@pytest.fixture(scope="module")
def cut_and_whole(tmp_path_factory):
    """The recipe on images that brightness tells apart: a whole run of three epochs, and one that was cut after one."""
    folder, random = tmp_path_factory.mktemp("lookahead"), np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    images = (random.integers(0, 60, (60, 25, 25, 3)) + (labels * 80)[:, None, None, None]).astype(np.uint8)
    np.savez(folder / "blobs.npz", x_train=images, y_train=labels)
    config = config_for(folder / "blobs.npz", folder, model="cifar_speed", epochs=3, batch_size=8, **RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.finish.report_run", short_report)
        whole = train(config)
        interrupt_after(patch, 1)
        cut = train(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.finish.report_run", short_report)
        return whole, resume(ResumeConfig(str(cut.run.path)))


def test_a_cut_and_resumed_recipe_ends_as_the_uninterrupted_one(cut_and_whole):
    whole, again = cut_and_whole
    assert again.ended == "finished" and rows(again.run) == rows(whole.run)
    models = [load_model(one.run.model).get_weights() for one in (whole, again)]
    for left, right in zip(*models, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_recipe_is_recorded(cut_and_whole):
    run = cut_and_whole[0].run
    resolved = run.read_record()["resolved"]
    optimizer = resolved["optimizer"]
    assert resolved["steps_per_execution"] == 1 and optimizer["learning_rate"]["class_name"] == "Triangle"
    assert optimizer["coupled_weight_decay"] == 0.001 and optimizer["rate_multipliers"] == {"*_norm*/beta": 8.0}
    assert optimizer["freeze_after"] == {"whitening/bias": 2 * resolved["steps_per_epoch"]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lookahead": 5, "ema": 0.9}, "ema and lookahead both average"),
        ({"lookahead": 0}, "lookahead must be at least 1"),
        ({"lookahead": 5, "steps_per_execution": 4}, "lookahead counts single steps"),
        ({"decay": "coupled"}, "decay coupled needs a weight decay"),
        ({"decay": "coupled", "optimizer": "adamw", "weight_decay": 0.1}, "adamw is Adam with decoupled decay"),
        ({"rate_end": 0.1}, "rate_end belong to --schedule triangle"),
        ({"schedule": "triangle", "rate_start": 1.5}, "rate_start must be between 0 and 1"),
        ({"rate_multipliers": {"*beta": "fast"}}, "rate_multipliers must give numbers"),
        ({"rate_multipliers": {"*beta": -1}}, "rate_multipliers must give numbers"),
        ({"freeze_after": {"*beta": 1.5}}, "freeze_after must give whole epochs"),
        ({"shift": 1.5}, "shift must be a fraction between 0 and 0.9, or whole pixels"),
        ({"shift": float("inf")}, "shift must be a fraction between 0 and 0.9, or whole pixels"),
        ({"fill": "reflect"}, "fill says what comes in"),
    ],
)
def test_impossible_settings_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        TrainConfig(**settings)
