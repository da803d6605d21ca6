"""The convolutional networks: Sequential against functional, dropouts, penalties, class activation maps."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import models

PIXELS = np.random.default_rng(2).integers(0, 256, (5, 32, 32, 3)).astype("float32")


def test_functional_equals_sequential_bit_for_bit_with_the_same_weights() -> None:
    sequential = models.build("cifar_cnn", (32, 32, 3), 10)
    functional = models.build("cifar_cnn_functional", (32, 32, 3), 10)
    assert isinstance(sequential, keras.Sequential) and not isinstance(functional, keras.Sequential)
    assert [layer.name for layer in functional.layers[1:]] == [layer.name for layer in sequential.layers]
    before = keras.ops.convert_to_numpy(functional(PIXELS))
    functional.set_weights(sequential.get_weights())
    expected = keras.ops.convert_to_numpy(sequential(PIXELS))
    assert not np.array_equal(before, expected)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(functional(PIXELS)), expected)
    np.testing.assert_array_equal(functional.predict(PIXELS, verbose=0), sequential.predict(PIXELS, verbose=0))


@pytest.mark.parametrize("name", ["cifar_cnn", "cifar_cnn_functional"])
def test_both_dropouts_act_in_training_and_can_be_0(name: str) -> None:
    def differs(**rates: float) -> bool:
        model = models.build(name, (32, 32, 3), 10, **rates)
        return not np.array_equal(model(PIXELS, training=True), model(PIXELS, training=False))

    assert differs(dropout_rate=0.5, head_dropout_rate=0)
    assert differs(dropout_rate=0, head_dropout_rate=0.5)
    assert not differs(dropout_rate=0, head_dropout_rate=0)


@pytest.mark.parametrize("name", ["cifar_cnn", "gap_cnn", "dog_cnn", "mnist_mlp", "mlp_classifier"])
def test_l2_is_the_sum_of_all_squared_kernels(name: str) -> None:
    model = models.build(name, (32, 32, 3), 3, l2=0.01)
    kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
    expected = 0.01 * sum(float(np.sum(np.square(kernel))) for kernel in kernels)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-4)
    assert models.build(name, (32, 32, 3), 3).losses == []


def test_l1_is_the_sum_of_all_absolute_kernels() -> None:
    model = models.build("mlp_regressor", (6,), 0, l1=0.1)
    expected = 0.1 * sum(float(np.abs(w).sum()) for w in model.trainable_weights if w.name == "kernel")
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["cifar_cnn", "cifar_cnn_functional", "gap_cnn", "dog_cnn"])
def test_hyperparameters_reach_their_layers(name: str) -> None:
    hyperparameters = {"filters": (4, 6), "kernel_size": 5, "activation": "tanh", "kernel_initializer": "zeros"}
    model = models.build(name, (32, 32, 3), 10, **hyperparameters)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.name for layer in convolutions] == ["conv1", "conv2"]
    assert [layer.filters for layer in convolutions] == [4, 6]
    assert {layer.kernel_size for layer in convolutions} == {(5, 5)}
    assert {layer.activation.__name__ for layer in convolutions} == {"tanh"}
    np.testing.assert_allclose(model(PIXELS), 0.1, rtol=1e-6)


def test_gap_cnn_average_of_the_class_activation_map_plus_bias_is_the_logit() -> None:
    model = models.build("gap_cnn", (32, 32, 3), 10)
    gap = model.layers.index(model.get_layer("gap"))
    assert isinstance(model.layers[gap - 1], keras.layers.Conv2D)
    inner = keras.Model(model.inputs[0], [model.layers[gap - 1].output, model.get_layer("logits").output])
    features, logits = (keras.ops.convert_to_numpy(tensor) for tensor in inner(PIXELS))
    kernel, bias = model.get_layer("logits").get_weights()
    maps = np.einsum("nhwk,kc->nhwc", features, kernel)
    assert maps.shape == (5, 8, 8, 10)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + bias, logits, rtol=1e-4, atol=1e-6)
