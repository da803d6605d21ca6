"""GELU, pooling and normalisation in fewer passes: the numbers of Keras' layers, in training, frozen and out of it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.fastmath import use_fast_math
from training.fused import gelu, max_pool_2x2, use_fused


def network(**normalization) -> keras.Model:
    layers = [keras.Input((5, 4, 3)), keras.layers.BatchNormalization(name="norm", **normalization)]
    return keras.Sequential([*layers, keras.layers.Activation("gelu", name="activation")])


def test_gelu_and_its_gradient_are_keras_own():
    inputs = tf.constant(np.linspace(-9, 9, 2001), tf.float32)
    found = []
    for activation in (gelu, keras.activations.gelu):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = activation(inputs)
        found.append((outputs, tape.gradient(outputs, inputs, tf.cos(inputs))))
    for quick, own in zip(*found, strict=True):
        np.testing.assert_allclose(quick, own, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("shape", [(3, 8, 6, 5), (2, 7, 9, 3), (1, 2, 3, 1), (4, 3, 2, 2)])
@pytest.mark.parametrize("ties", [False, True])
def test_pooling_and_its_gradient_are_tensorflows_own(shape, ties):
    random = np.random.default_rng(1)
    values = random.integers(0, 2, shape) if ties else random.normal(size=shape)
    inputs = tf.constant(values, tf.float32)
    found = []
    for pool in (max_pool_2x2, lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID")):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = pool(inputs)
        upstream = np.random.default_rng(2).normal(size=outputs.shape).astype(np.float32)
        found.append((outputs, tape.gradient(outputs, inputs, upstream)))
    for quick, own in zip(*found, strict=True):
        np.testing.assert_array_equal(quick, own)


@pytest.mark.parametrize("normalization", [{"momentum": 0.6, "epsilon": 1e-5, "scale": False}, {}, {"center": False}])
def test_training_steps_move_weights_and_statistics_as_keras_does(normalization):
    random = np.random.default_rng(1)
    pictures = random.normal(3.0, 2.0, size=(6, 5, 4, 3)).astype(np.float32)
    targets = random.normal(size=(6, 5, 4, 3)).astype(np.float32)
    found = []
    for quick in (False, True):
        model = network(**normalization)
        assert not quick or use_fused(model) == ["norm", "activation"]
        model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
        for _ in range(3):
            model.train_on_batch(pictures, targets)
        found.append([*model.get_weights(), model.predict(pictures, verbose=0)])
    for own, quick in zip(*found, strict=True):
        np.testing.assert_allclose(quick, own, rtol=1e-4, atol=1e-5)


def test_pooling_of_maps_of_unknown_size_is_left_to_keras():
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.MaxPooling2D(name="pool")])
    assert use_fused(model) == ["pool"]
    pictures = np.random.default_rng(1).normal(size=(2, 7, 6, 3)).astype(np.float32)
    unknown = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for found in (unknown(pictures), model.predict(pictures, verbose=0), model(pictures)):
        np.testing.assert_array_equal(found, tf.nn.max_pool2d(pictures, 2, 2, "VALID"))


def test_a_frozen_layer_keeps_its_statistics():
    model = network()
    use_fused(model)
    model.get_layer("norm").trainable = False
    pictures = np.random.default_rng(1).normal(3.0, size=(6, 5, 4, 3)).astype(np.float32)
    before = model.get_weights()
    np.testing.assert_allclose(model(pictures, training=True), model(pictures, training=False), atol=1e-6)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_other_layers_and_precisions_are_left_alone():
    layers = [
        keras.layers.BatchNormalization(axis=1),
        keras.layers.BatchNormalization(synchronized=True),
        keras.layers.BatchNormalization(renorm=True),
        keras.layers.BatchNormalization(dtype="mixed_bfloat16"),
        keras.layers.Activation("relu"),
        keras.layers.MaxPooling2D(2, 1),
        keras.layers.MaxPooling2D((2, 1)),
        keras.layers.MaxPooling2D(dtype="mixed_bfloat16"),
        keras.layers.Activation("gelu", dtype="mixed_bfloat16"),
    ]
    model = keras.Sequential(
        [keras.Input((5, 4, 3)), *layers, keras.layers.Flatten(), keras.layers.BatchNormalization()]
    )
    assert use_fast_math(model) == []


def test_nested_models_are_followed_and_files_hold_keras_own_layers(tmp_path):
    inner = network()
    outer = keras.Sequential([keras.Input((5, 4, 3)), inner])
    pictures = np.random.default_rng(1).normal(3.0, size=(6, 5, 4, 3)).astype(np.float32)
    before = outer.predict(pictures, verbose=0)
    assert use_fast_math(outer) == ["norm", "activation"]
    outer.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again.predict(pictures, verbose=0), before, atol=1e-6)
