"""The speed records' network: what is frozen, what it starts as, and that its arithmetic is the published one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import models
from models.speed import standardized

SHAPE = (25, 25, 3)
SMALL = {"filters": (4, 8, 8)}


def test_only_the_whitening_kernel_is_frozen() -> None:
    model = models.build("cifar_speed", (32, 32, 3), 10)
    frozen = [weight.path for weight in model.non_trainable_weights if "moving" not in weight.path]
    assert frozen == ["whitening/kernel"]
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 1_973_944 - 288 - 2 * 1_152
    assert "whitening/bias" in [weight.path for weight in model.trainable_weights]


def test_the_kernel_that_is_given_is_the_first_convolution_on_standardised_pixels(rng) -> None:
    kernel = rng.normal(size=(2, 2, 3, 5)).astype("float32")
    model = models.build("cifar_speed", SHAPE, 3, whitening=kernel.tolist(), **SMALL)
    pixels = rng.integers(0, 256, (2, *SHAPE)).astype("float32")
    found = keras.Model(model.inputs[0], model.get_layer("whitening").output).predict(pixels, verbose=0)
    corner = np.einsum("nijc,ijck->nk", standardized(pixels)[:, 3:5, 7:9], kernel)
    np.testing.assert_allclose(found[:, 3, 7], corner, rtol=1e-4, atol=1e-4)
    assert standardized(np.array([0.0, 128.0, 255.0])).tolist() == [-2.0, 0.0, 127 / 64]


def test_without_filters_the_first_convolution_is_orthogonal_with_its_negatives() -> None:
    kernel = models.build("cifar_speed", SHAPE, 3, **SMALL).get_layer("whitening").get_weights()[0].reshape(12, 24)
    np.testing.assert_allclose(kernel[:, :12].T @ kernel[:, :12], np.eye(12), atol=1e-5)
    np.testing.assert_array_equal(kernel[:, 12:], -kernel[:, :12])


def test_the_first_filters_start_as_copies_of_their_input(rng) -> None:
    layer = models.build("cifar_speed", SHAPE, 3, filters=(4, 8)).get_layer("group2_conv1")
    maps = rng.normal(size=(1, 6, 6, 4)).astype("float32")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(maps))[..., :4], maps)
    other = models.build("cifar_speed", SHAPE, 3, identity_start=False, filters=(4, 8)).get_layer("group2_conv1")
    assert np.abs(other.get_weights()[0]).max() <= 1 / np.sqrt(9 * 4)


def test_logits_are_a_ninth_of_the_last_layers_product(rng) -> None:
    model = models.build("cifar_speed", (32, 32, 3), 10, **SMALL)
    pixels = rng.integers(0, 256, (2, 32, 32, 3)).astype("float32")
    taps = keras.Model(model.inputs[0], [model.get_layer(name).output for name in ("flatten", "logits")])
    features, logits = taps.predict(pixels, verbose=0)
    np.testing.assert_allclose(logits, features @ model.get_layer("logits").get_weights()[0] / 9, rtol=1e-4, atol=1e-6)


def test_two_classes_share_one_unit_and_hyperparameters_reach_their_layers() -> None:
    model = models.build("cifar_speed", SHAPE, 2, activation="relu", normalization_momentum=0.9, **SMALL)
    assert model.output_shape == (None, 1)
    norm = model.get_layer("group3_norm2")
    assert (norm.momentum, norm.epsilon, norm.scale, norm.center) == (0.9, 1e-5, False, True)
    assert model.get_layer("group1_activation2").activation is keras.activations.relu


@pytest.mark.parametrize(
    ("hyperparameters", "words"),
    [
        ({"whitening": [[1.0]]}, "whitening must be a kernel"),
        ({"whitening": np.zeros((3, 3, 3, 4))}, "whitening must be a kernel"),
        ({"normalization_epsilon": 0}, "normalization_epsilon must be finite and above 0"),
        ({"normalization_momentum": 1.0}, "normalization_momentum must be at least 0 and below 1"),
        ({"logit_scale": -1.0}, "logit_scale must be finite and above 0"),
    ],
)
def test_impossible_hyperparameters_are_refused(hyperparameters, words) -> None:
    with pytest.raises(ValueError, match=words):
        models.build("cifar_speed", SHAPE, 3, **hyperparameters)


def test_without_a_bias_the_whitening_layer_has_nothing_to_learn() -> None:
    model = models.build("cifar_speed", (32, 32, 3), 10, whitening_bias=False)
    assert model.count_params() == 1_973_944 - 24
    assert not model.get_layer("whitening").trainable_weights
