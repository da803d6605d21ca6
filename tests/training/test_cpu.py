"""Training without waste on a processor: the numbers stay those of TensorFlow."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism

import models
from training import cpu
from training.startup import ONEDNN


@pytest.fixture(autouse=True)
def _without_onednn(monkeypatch):
    """Layers are changed where TensorFlow's own routines compute."""
    monkeypatch.setenv(ONEDNN, "0")


def gradients(pool, inputs, upstream):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = pool(inputs)
    return outputs, tape.gradient(outputs, inputs, upstream)


@pytest.mark.parametrize("shape", [(3, 8, 8, 5), (2, 4, 10, 1), (1, 2, 2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradient_of_pooling_is_tensorflow_s_bit_for_bit_with_many_ties(shape, dtype):
    rng = np.random.default_rng(1)
    inputs = tf.constant(rng.integers(-1, 2, shape), dtype)
    upstream = tf.constant(rng.normal(size=(shape[0], shape[1] // 2, shape[2] // 2, shape[3])), dtype)
    outputs, gradient = gradients(cpu.max_pool_2x2, inputs, upstream)
    expected, expected_gradient = gradients(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), inputs, upstream)
    np.testing.assert_array_equal(outputs, expected)
    np.testing.assert_array_equal(gradient, expected_gradient)


def trained(quick: bool) -> list[np.ndarray]:
    keras.utils.set_random_seed(3)
    model = models.build("cifar_cnn", (32, 32, 3), 10)
    if quick:
        assert cpu.quicken(model) == 3
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    rng = np.random.default_rng(1)
    images = np.repeat(rng.integers(0, 256, (48, 16, 16, 3)), 2, axis=1).repeat(2, axis=2)  # flat patches tie
    model.fit(images.astype(np.uint8), rng.integers(0, 10, 48), batch_size=20, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.usefixtures("_one_thread_order")
def test_training_ends_with_the_same_weights_bit_for_bit():
    for quick, own in zip(trained(True), trained(False), strict=True):
        np.testing.assert_array_equal(quick, own)


@pytest.fixture
def _one_thread_order():
    """Sums in a fixed order, so that two trainings can be equal at all."""
    tf.config.experimental.enable_op_determinism()
    yield
    disable_op_determinism()


def test_nothing_changes_where_onednn_computes(monkeypatch):
    monkeypatch.setenv(ONEDNN, "1")
    assert cpu.quicken(models.build("cifar_cnn", (32, 32, 3), 10)) == 0


def test_saved_model_holds_keras_own_pooling(tmp_path):
    model = models.build("cifar_cnn", (32, 32, 3), 10)
    cpu.quicken(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded.get_layer("conv1_pool")) is keras.layers.MaxPooling2D
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model.predict(images, verbose=0), loaded.predict(images, verbose=0))


@pytest.mark.parametrize("options", [{"pool_size": 3}, {"strides": 1}, {"padding": "same", "pool_size": 3}])
def test_other_poolings_stay_as_they_are(options):
    model = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.MaxPooling2D(**options)])
    assert cpu.quicken(model) == 0


def test_odd_or_unknown_sizes_stay_as_they_are():
    for shape in ((9, 8, 2), (None, None, 2)):
        model = keras.Sequential([keras.Input(shape), keras.layers.MaxPooling2D()])
        assert cpu.quicken(model) == 0


def test_pooling_of_a_nested_model_is_followed():
    inner = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.MaxPooling2D()])
    outer = keras.Sequential([keras.Input((8, 8, 2)), inner, keras.layers.MaxPooling2D()])
    assert cpu.quicken(outer) == 2


def test_keeping_freed_memory_is_refused_where_the_c_library_has_no_such_option(monkeypatch):
    monkeypatch.setattr(cpu.sys, "platform", "darwin")
    assert cpu.keep_freed_memory() is False
