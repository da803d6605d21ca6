"""Muon against its rule written out in NumPy, and what it leaves to SGD."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from training.checks import ConfigError
from training.config import TrainConfig
from training.muon import Muon, orthogonalized
from training.optimizers import build_optimizer

RANDOM = np.random.default_rng(1)


def network() -> keras.Model:
    """A convolution with a bias and normalisation, and a Dense layer that answers."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((4, 4, 3)),
        keras.layers.Conv2D(5, 3, name="conv"),
        keras.layers.BatchNormalization(name="norm"),
    ]
    return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(2, name="logits")])


def settings(**changes) -> TrainConfig:
    given = {"optimizer": "muon", "learning_rate": 0.1, "momentum": 0.85, "kernel_momentum": 0.6, "nesterov": True}
    return TrainConfig(**given | changes)


@pytest.mark.parametrize("shape", [(27, 5), (5, 27), (8, 8)])
def test_singular_values_come_near_1_and_directions_stay(shape):
    matrix = RANDOM.normal(size=shape).astype(np.float32)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    found = np.asarray(orthogonalized(matrix, 6))
    assert found.shape == shape
    np.testing.assert_allclose(left.T @ found @ right.T, np.diag(np.diag(left.T @ found @ right.T)), atol=1e-3)
    assert np.abs(np.diag(left.T @ found @ right.T) - 1).max() < 0.35
    assert values.max() / values.min() > 1.5  # it was no such matrix


def test_the_iteration_is_the_published_quintic():
    matrix = RANDOM.normal(size=(6, 4)).astype(np.float32)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.linalg.norm(matrix)
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    np.testing.assert_allclose(orthogonalized(matrix, 3), left * values @ right, atol=1e-5)


@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_of_a_kernel_are_the_rule_written_out(nesterov):
    model, rate, momentum = network(), 0.1, 0.6
    optimizer = build_optimizer(settings(nesterov=nesterov), model, total_steps=10)
    weight, memory = np.array(model.get_layer("conv").kernel), np.zeros((3, 3, 3, 5))
    for _ in range(3):
        gradients = [RANDOM.normal(size=variable.shape).astype(np.float32) for variable in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
        memory = momentum * memory + gradients[0]
        direction = gradients[0] + momentum * memory if nesterov else memory
        step = np.reshape(orthogonalized(direction.reshape(-1, 5).astype(np.float32)), weight.shape)
        weight = weight * np.sqrt(5) / np.linalg.norm(weight) - rate * step
        np.testing.assert_allclose(model.get_layer("conv").kernel, weight, atol=1e-5)


def test_kernels_of_dense_and_plain_convolutions_alone_are_matrices():
    layers = [
        keras.layers.Conv2D(4, 3, padding="same", name="conv"),
        keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
        keras.layers.PReLU(name="prelu"),
        keras.layers.Conv2D(1, 1, name="single"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, name="dense"),
        keras.layers.Dense(2, name="logits"),
    ]
    model = keras.Sequential([keras.Input((4, 4, 3)), *layers])
    optimizer = Muon(spared=["logits/kernel"])
    found = [variable.path for variable in model.trainable_variables if optimizer.keeps_norm(variable)]
    assert found == [f"{model.name}/conv/kernel", f"{model.name}/dense/kernel"]


@pytest.mark.parametrize("decay", ["coupled", "decoupled"])
def test_the_rest_takes_steps_of_sgd(decay):
    given = {"learning_rate": 0.1, "momentum": 0.85, "nesterov": True, "weight_decay": 0.02, "decay": decay}
    given |= {"rate_multipliers": {"norm/beta": 3.0, "logits/*": 2.0}}
    models = network(), network()
    optimizers = [
        build_optimizer(TrainConfig(optimizer=name, **given), model, total_steps=10)
        for name, model in zip(("muon", "sgd"), models, strict=True)
    ]
    for _ in range(3):
        gradients = [
            RANDOM.normal(size=variable.shape).astype(np.float32) for variable in models[0].trainable_variables
        ]
        for optimizer, model in zip(optimizers, models, strict=True):
            optimizer.apply(gradients, model.trainable_variables)
    for own, plain in zip(*(model.trainable_variables for model in models), strict=True):
        if own.path.endswith("conv/kernel"):
            assert not np.allclose(own, plain)
        else:
            np.testing.assert_allclose(own, plain, rtol=1e-5, atol=1e-6)


def test_coupled_decay_does_not_turn_orthogonal_steps():
    found = []
    for changes in ({}, {"weight_decay": 0.5, "decay": "coupled"}):
        model = network()
        optimizer = build_optimizer(settings(**changes), model, total_steps=10)
        gradients = [np.full(variable.shape, 0.1, np.float32) for variable in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
        found.append(np.array(model.get_layer("conv").kernel))
    np.testing.assert_allclose(*found, atol=1e-6)


def test_it_survives_serialisation_and_refuses_to_do_without_momentum():
    made = Muon(0.2, kernel_momentum=0.6, spared=["logits/kernel"])
    again = keras.optimizers.deserialize(keras.optimizers.serialize(made))
    assert type(again) is Muon and again.get_config() == made.get_config()
    with pytest.raises(ValueError, match="momentum must be above 0. Received: 0"):
        Muon(momentum=0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"momentum": 0.0, "nesterov": False}, "muon needs momentum: say how much with --momentum"),
        ({"model": "saved", "start": "model.keras"}, "muon sets the norm of every kernel, which would undo what"),
        ({"kernel_momentum": 1.0}, "kernel_momentum must be at least 0 and below 1. Received: kernel_momentum=1.0"),
        ({"optimizer": "sgd"}, "kernel_momentum belongs to muon. Received: optimizer=sgd, kernel_momentum=0.6"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        settings(**changes)
