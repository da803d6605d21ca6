"""Rates by variable, freezing and coupled decay, against NumPy and against PyTorch's rule written out."""

import keras
import numpy as np
import pytest

from tests.training.test_train import config_for
from training import datasets
from training.checks import ConfigError
from training.config import TrainConfig
from training.optimizers import WITH_RATES, build_optimizer
from training.pipeline import batches
from training.prepare import prepare

GRADIENTS = [[1.0, -2.0, 0.5], [0.25, 1.0, -1.0], [2.0, 0.5, 0.5], [-1.0, 1.0, 0.0]]


def two_variables() -> keras.Model:
    """A Dense layer whose kernel `(1, 3)` and bias `(3,)` are all 1."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, name="last")])
    model.set_weights([np.ones((1, 3), np.float32), np.ones(3, np.float32)])
    return model


def trained(steps=4, steps_per_epoch=1, **settings):
    """Kernel and bias after each step with `GRADIENTS` for both."""
    model = two_variables()
    settings = {"optimizer": "sgd", "learning_rate": 0.1} | settings
    optimizer = build_optimizer(TrainConfig(**settings), model, total_steps=10, steps_per_epoch=steps_per_epoch)
    found = []
    for values in GRADIENTS[:steps]:
        gradient = np.array(values, np.float32)
        optimizer.apply([keras.ops.reshape(gradient, (1, 3)), gradient], model.trainable_variables)
        found.append([weight.copy() for weight in model.get_weights()])
    return found


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "lion"])
def test_a_factor_is_a_rate_of_its_own(name):
    whole = trained(optimizer=name, rate_multipliers={"*/bias": 3.0})
    slow, fast = trained(optimizer=name), trained(optimizer=name, learning_rate=0.3)
    for found, kernel, bias in zip(whole, slow, fast, strict=True):
        np.testing.assert_array_equal(found[0], kernel[0])
        np.testing.assert_allclose(found[1], bias[1], rtol=1e-6)


def test_factor_0_keeps_a_variable_whatever_momentum_and_decay_say():
    settings = {"optimizer": "adamw", "weight_decay": 0.5, "rate_multipliers": {"last/kernel": 0}}
    for kernel, bias in trained(**settings):
        assert (kernel == 1).all() and (bias != 1).all()


@pytest.mark.parametrize("decay", ["decoupled", "coupled"])
def test_a_variable_stops_after_its_epochs(decay):
    settings = {"momentum": 0.9, "weight_decay": 0.2, "decay": decay}
    free = trained(**settings)
    frozen = trained(**settings, freeze_after={"*kernel": 1}, steps_per_epoch=2)
    for step in range(4):
        np.testing.assert_allclose(frozen[step][0], free[min(step, 1)][0], rtol=1e-6)
        np.testing.assert_allclose(frozen[step][1], free[step][1], rtol=1e-6)
    assert not np.allclose(free[1][0], free[3][0])


def test_coupled_decay_and_nesterov_are_pytorchs_with_a_decay_per_group():
    rate, factor, decay, momentum = 0.1, 64.0, 0.01, 0.85
    settings = {"momentum": momentum, "nesterov": True, "weight_decay": decay, "decay": "coupled"}
    found = trained(**settings, rate_multipliers={"*/bias": factor})
    for place, scale in ((0, 1.0), (1, factor)):
        weight, velocity = np.ones(3), np.zeros(3)
        for step, values in enumerate(GRADIENTS):
            gradient = np.array(values) + decay / scale * weight  # PyTorch: weight_decay of the group is wd / lr of it
            velocity = momentum * velocity + gradient
            weight = weight - rate * scale * (gradient + momentum * velocity)
            np.testing.assert_allclose(np.ravel(found[step][place]), weight, rtol=1e-4, atol=1e-4)


def test_decoupled_decay_is_not_scaled_by_the_factor():
    model = two_variables()
    config = TrainConfig(optimizer="sgd", learning_rate=0.1, weight_decay=0.2, rate_multipliers={"*kernel": 7.0})
    optimizer = build_optimizer(config, model, total_steps=10)
    optimizer.apply([np.zeros((1, 3), np.float32), np.zeros(3, np.float32)], model.trainable_variables)
    np.testing.assert_allclose(model.get_weights()[0], 1 - 0.1 * 0.2, rtol=1e-6)


@pytest.mark.parametrize("name", WITH_RATES)
def test_every_optimizer_with_rates_survives_serialisation(name):
    kind = WITH_RATES[name]
    made = kind(rate_multipliers={"*bias": 2.0}, freeze_after={"*kernel": 5}, coupled_weight_decay=0.1)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(made))
    assert type(again) is kind and again.get_config() == made.get_config()
    assert again.get_config()["freeze_after"] == {"*kernel": 5}


def test_a_pattern_that_matches_nothing_is_refused_with_the_names():
    config = TrainConfig(optimizer="sgd", rate_multipliers={"*beta": 64.0})
    with pytest.raises(ConfigError, match=r"rate_multipliers: '\*beta' fits no weight of .*/last/kernel, .*/last/bias"):
        build_optimizer(config, two_variables(), total_steps=10)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_fit_moves_what_has_a_rate_until_it_is_frozen(npz, tmp_path, precision):
    settings = {"rate_multipliers": {"conv1/kernel": 0.0}, "freeze_after": {"conv2/*": 1}, "batch_size": 16}
    config = config_for(npz, tmp_path, model="cifar_cnn", precision=precision, epochs=2, **settings)
    data = datasets.load(config, progress=False)
    model, _, _ = prepare(config, data)
    training, seen = batches(data.train, batch_size=16, shuffle_seed=1), [model.get_weights()]
    for epoch in (0, 1):
        model.fit(training, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0)
        seen.append(model.get_weights())
    names = [weight.path for weight in model.weights]
    moved = [{name for name, a, b in zip(names, *pair, strict=True) if (a != b).any()} for pair in (seen[:2], seen[1:])]
    assert moved[0] == set(names) - {"cifar_cnn/conv1/kernel"}
    assert moved[1] == moved[0] - {"cifar_cnn/conv2/kernel", "cifar_cnn/conv2/bias"}
