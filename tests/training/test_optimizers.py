"""Optimizer, smoothed loss and averaged weights against computations by hand."""

import keras
import numpy as np
import pytest

import models
from tests.training.test_train import config_for
from training import datasets
from training.checkpoint import load_model
from training.checks import ConfigError
from training.config import TrainConfig
from training.optimizers import OPTIMIZERS, averaging_callbacks, build_optimizer, evaluated_weights, loss_and_metric
from training.pipeline import batches
from training.prepare import prepare
from training.train import train


def tiny() -> keras.Model:
    model = models.build("softmax_regression", (2,), 3)
    model.set_weights([np.full(weight.shape, 0.5, np.float32) for weight in model.get_weights()])
    return model


def step(config: TrainConfig, gradients: list) -> list[np.ndarray]:
    """The weights of `tiny()` after one step with the given gradients."""
    model = tiny()
    optimizer = build_optimizer(config, model, total_steps=10)
    optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], model.trainable_variables)
    return model.get_weights()


def test_weight_decay_takes_rate_times_decay_off_each_weight_and_spares_biases():
    config = TrainConfig(optimizer="sgd", learning_rate=0.1, weight_decay=0.2)
    kernel, bias = step(config, [np.zeros((2, 3), np.float32), np.zeros(3, np.float32)])
    np.testing.assert_allclose(kernel, 0.5 * (1 - 0.1 * 0.2), rtol=1e-6)
    np.testing.assert_array_equal(bias, np.full(3, 0.5, np.float32))


def test_gradients_are_scaled_down_together_to_the_largest_norm():
    gradients = [np.full((2, 3), 3.0, np.float32), np.full(3, 4.0, np.float32)]
    norm = np.sqrt(6 * 9 + 3 * 16)
    kernel, bias = step(TrainConfig(optimizer="sgd", learning_rate=1.0, gradient_clip=2.0), gradients)
    np.testing.assert_allclose(kernel, 0.5 - 3 * 2 / norm, rtol=1e-5)
    np.testing.assert_allclose(bias, 0.5 - 4 * 2 / norm, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "muon"])
def test_open_settings_are_those_of_keras(name):
    built = build_optimizer(TrainConfig(optimizer=name), tiny(), total_steps=10).get_config()
    assert built | {"name": ""} == OPTIMIZERS[name]().get_config() | {"name": ""}


def test_muon_without_a_kernel_before_the_last_is_refused():
    config = TrainConfig(optimizer="muon", momentum=0.9)
    with pytest.raises(ConfigError, match=r"muon is for kernels before the last, and .* has none. Use sgd"):
        build_optimizer(config, tiny(), total_steps=10)


def test_the_smoothed_loss_of_several_classes_equals_numpy(rng):
    scores = rng.dirichlet(np.ones(4), size=9).astype(np.float32)
    truth, weights = rng.integers(0, 4, 9), rng.uniform(0.5, 2, 9).astype(np.float32)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Identity()])
    loss, metric = loss_and_metric(4, 0.1)
    model.compile(loss=loss, metrics=[metric])
    found, accuracy = model.evaluate(scores, truth, sample_weight=weights, batch_size=9, verbose=0)
    targets = 0.9 * np.eye(4)[truth] + 0.1 / 4
    each = -(targets * np.log(scores)).sum(axis=1)
    assert found == pytest.approx(np.mean(weights * each), rel=1e-5)
    assert accuracy == pytest.approx(np.mean(scores.argmax(axis=1) == truth))


def test_the_smoothed_loss_of_two_classes_equals_numpy(rng):
    scores, truth = rng.uniform(0.01, 0.99, (9, 1)).astype(np.float32), rng.integers(0, 2, 9)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    loss, metric = loss_and_metric(2, 0.2)
    model.compile(loss=loss, metrics=[metric])
    found, accuracy = model.evaluate(scores, truth, batch_size=9, verbose=0)
    target = 0.8 * truth + 0.1
    each = -target * np.log(scores[:, 0]) - (1 - target) * np.log(1 - scores[:, 0])
    assert found == pytest.approx(each.mean(), rel=1e-5)
    assert accuracy == pytest.approx(np.mean((scores[:, 0] > 0.5) == truth))


def test_no_smoothing_is_the_plain_cross_entropy(rng):
    scores, truth = rng.dirichlet(np.ones(3), size=5).astype(np.float32), rng.integers(0, 3, 5)
    plain = float(loss_and_metric(3)[0](truth, scores))
    assert plain == pytest.approx(-np.log(scores[np.arange(5), truth]).mean(), rel=1e-5)


class Trajectory(keras.callbacks.Callback):
    """The raw weights after every step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights())


@pytest.fixture
def averaged(npz, tmp_path):
    """A model after two epochs of training with averaging, its data, its raw weights per step and its history."""
    config = config_for(npz, tmp_path, ema=0.8, steps_per_execution=1)
    data = datasets.load(config, progress=False)
    model, _, plan = prepare(config, data)
    trajectory, judged = Trajectory(), []
    judge = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: judged.append(evaluated_weights(model)))
    history = model.fit(
        batches(data.train, batch_size=plan.batch_size, shuffle_seed=1),
        validation_data=batches(data.validation, batch_size=256),
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[*averaging_callbacks(config), trajectory, judge],
    ).history
    return model, data, trajectory.weights, judged, history


def test_averaged_weights_equal_the_average_by_hand(averaged):
    _, _, steps, judged, _ = averaged
    mean = steps[0]
    for weights in steps[1:]:
        mean = [0.8 * old + 0.2 * new for old, new in zip(mean, weights, strict=True)]
    for left, right in zip(judged[-1], mean, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
    assert max(np.abs(left - right).max() for left, right in zip(judged[-1], steps[-1], strict=True)) > 1e-3


def test_validation_judges_the_averaged_weights(averaged):
    model, data, _, judged, history = averaged
    model.set_weights(judged[-1])
    loss = model.evaluate(batches(data.validation, batch_size=256), verbose=0)[0]
    assert loss == pytest.approx(history["val_loss"][-1], rel=1e-5)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A finished run with every part of a recipe switched on."""
    folder = tmp_path_factory.mktemp("recipe")
    labels = np.repeat(np.arange(3), 32)
    images = np.random.default_rng(0).integers(0, 60, (96, 8, 8, 1)) + (labels * 80)[:, None, None, None]
    np.savez(folder / "blobs.npz", x_train=images.astype(np.uint8), y_train=labels)
    settings = {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "one_cycle", "label_smoothing": 0.1}
    settings |= {"ema": 0.5, "gradient_clip": 1.0, "epochs": 12, "flip": "horizontal"}
    config = config_for(folder / "blobs.npz", folder, **settings)
    return config, train(config)


def test_the_saved_model_holds_the_averaged_weights(recipe):
    config, result = recipe
    model = load_model(result.run.model)
    model.compile(loss=loss_and_metric(3, 0.1)[0])
    data = datasets.load(config, progress=False)
    loss = model.evaluate(batches(data.validation, batch_size=256), verbose=0)
    assert loss == pytest.approx(result.history["val_loss"][result.best_epoch - 1], rel=1e-5)


def test_a_recipe_learns_and_is_recorded_with_its_schedule(recipe):
    _, result = recipe
    optimizer = result.run.read_record()["resolved"]["optimizer"]
    assert optimizer["learning_rate"]["class_name"] == "CosineDecay"
    assert optimizer["learning_rate"]["config"]["warmup_target"] == 0.01 and optimizer["global_clipnorm"] == 1.0
    assert optimizer["ema_momentum"] == 0.5 and optimizer["weight_decay"] == 0.01
    assert result.history["learning_rate"][-1] == 0 and len(result.history["loss"]) == 12
    assert result.history["val_loss"][-1] < 0.8 * result.history["val_loss"][0]
