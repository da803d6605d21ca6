"""Winograd's convolutions against the direct ones, and which layers take them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from tests.training.test_train import config_for
from training import datasets, winograd
from training.prepare import prepare


@pytest.mark.parametrize("outputs", range(1, winograd.MOST_OUTPUTS + 1))
def test_matrices_filter_exactly_with_as_many_products_as_they_have_rows(outputs):
    enter, kernel, leave = winograd.toom_cook(outputs)
    assert enter.shape == (outputs + 2, outputs + 2) and kernel.shape == (outputs + 2, 3)
    random = np.random.default_rng(outputs)
    x, w = random.normal(size=outputs + 2), random.normal(size=3)
    np.testing.assert_allclose(leave @ ((kernel @ w) * (enter @ x)), np.correlate(x, w), rtol=1e-12, atol=1e-12)


def test_two_outputs_have_the_matrices_of_the_paper_up_to_signs_and_scales_of_the_products():
    """Lavin & Gray (2016), equation 5: F(2, 3) with the points 0, 1, -1 and infinity."""
    enter, kernel, leave = winograd.toom_cook(2)
    theirs = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    assert (np.abs(enter) == np.abs(theirs)).all()
    assert (np.abs(kernel) == [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 0, 1]]).all()
    assert (np.abs(leave) == [[1, 1, 1, 0], [0, 1, 1, 1]]).all()


def test_too_large_tiles_are_refused():
    with pytest.raises(ValueError, match="outputs must lie between 1 and 7. Received: 8"):
        winograd.toom_cook(8)


@pytest.mark.parametrize(("size", "products"), [(1, 3), (3, 5), (7, 9), (15, 21), (16, 24), (31, 45)])
def test_tiles_are_those_with_the_fewest_products(size, products):
    assert len(winograd.axis(size, size).enter) == products


@pytest.mark.parametrize(("size", "kept", "products"), [(15, 14, 18), (7, 6, 8), (31, 30, 40)])
def test_outputs_that_nothing_reads_cost_no_products(size, kept, products):
    along = winograd.axis(size, kept)
    assert along.enter.shape == (products, size) and along.leave.shape == (kept, products)


@pytest.mark.parametrize(
    "shape", [(7, 7, 6, 5), (15, 15, 3, 4), (3, 3, 2, 7), (31, 20, 3, 2), (1, 2, 2, 3), (8, 5, 1, 1)]
)
def test_outputs_and_both_gradients_are_those_of_the_direct_convolution(shape):
    height, width, channels, filters = shape
    random = np.random.default_rng(1)
    inputs = tf.constant(random.normal(size=(4, height, width, channels)), tf.float32)
    kernel = tf.constant(random.normal(size=(3, 3, channels, filters)), tf.float32)
    upstream = tf.constant(random.normal(size=(4, height, width, filters)), tf.float32)
    found = []
    for convolve in (winograd.convolve, lambda x, w: tf.nn.conv2d(x, w, 1, "SAME")):
        with tf.GradientTape() as tape:
            tape.watch([inputs, kernel])
            outputs = convolve(inputs, kernel)
        found.append([outputs, *tape.gradient(outputs, [inputs, kernel], upstream)])
    for quick, direct in zip(*found, strict=True):
        assert np.linalg.norm(quick - direct) <= 1e-4 * np.linalg.norm(direct)


def test_the_first_rows_and_columns_are_those_of_the_whole():
    random = np.random.default_rng(1)
    inputs = tf.constant(random.normal(size=(4, 7, 5, 3)), tf.float32)
    kernel = tf.constant(random.normal(size=(3, 3, 3, 2)), tf.float32)
    part = winograd.convolve_inside(winograd.images_inside(inputs), kernel, (6, 3))
    whole = tf.nn.conv2d(inputs, kernel, 1, "SAME")
    np.testing.assert_allclose(winograd.images_first(part), whole[:, :6, :3], atol=1e-4)


def test_plain_wide_small_convolutions_take_it_and_no_others():
    inputs = keras.Input((16, 16, 64))
    wide = {"padding": "same", "use_bias": False}
    layers = {
        "fits": keras.layers.Conv2D(64, 3, name="fits", padding="same", activation="relu"),
        "narrow": keras.layers.Conv2D(16, 3, name="narrow", **wide),
        "thin": keras.layers.Conv2D(8, 3, name="thin", **wide),
        "strided": keras.layers.Conv2D(64, 3, 2, name="strided", **wide),
        "valid": keras.layers.Conv2D(64, 3, name="valid"),
        "large": keras.layers.Conv2D(64, 5, name="large", **wide),
        "dilated": keras.layers.Conv2D(64, 3, dilation_rate=2, name="dilated", **wide),
        "grouped": keras.layers.Conv2D(64, 3, groups=2, name="grouped", **wide),
        "depthwise": keras.layers.DepthwiseConv2D(3, name="depthwise", padding="same"),
        "low": keras.layers.Conv2D(64, 3, name="low", dtype="mixed_bfloat16", **wide),
    }
    model = keras.Model(inputs, [layer(inputs) for layer in layers.values()])
    outer = keras.Sequential([keras.Input((16, 16, 64)), keras.Model(inputs, model.outputs[0], name="inner")])
    pictures = np.random.default_rng(1).normal(size=(3, 16, 16, 64)).astype(np.float32)
    before = [np.array(value) for value in model(pictures)]
    assert winograd.use_winograd(outer) == ["fits"]
    assert winograd.use_winograd(keras.Model(inputs, model.outputs[1:])) == []
    after = model(pictures)
    np.testing.assert_allclose(after[0], before[0], atol=1e-3)
    assert not np.array_equal(after[0], before[0])  # other sums in another order: it was used


def test_24_channels_need_more_filters_than_24():
    inputs = keras.Input((16, 16, 24))
    layers = [keras.layers.Conv2D(filters, 3, padding="same", name=f"to{filters}") for filters in (24, 64)]
    assert winograd.use_winograd(keras.Model(inputs, [layer(inputs) for layer in layers])) == ["to64"]


def test_a_gradient_of_the_filters_that_fills_memory_is_not_taken():
    inputs = keras.Input((32, 32, 256))
    model = keras.Model(
        inputs, [keras.layers.Conv2D(depth, 3, padding="same", name=f"to{depth}")(inputs) for depth in (64, 256)]
    )
    assert winograd.use_winograd(model) == ["to64"]


def test_maps_of_unknown_size_are_left_alone():
    inputs = keras.Input((None, None, 64))
    model = keras.Model(inputs, keras.layers.Conv2D(64, 3, padding="same")(inputs))
    assert winograd.use_winograd(model) == []


def test_the_setting_changes_the_model_in_memory_and_not_its_file(npz, tmp_path):
    settings = {"model": "cifar_speed", "hyperparameters": {"filters": [64]}, "batch_size": 16}
    plans = {}
    for way in (False, True):
        config = config_for(npz, tmp_path, precision="float32", fast_math=way, **settings)
        data = datasets.load(config, progress=False)
        model, _, plans[way] = prepare(config, data)
    assert plans[False].fast_layers == ()
    assert plans[True].fast_layers[0] == "group1_conv2" and len(plans[True].fast_layers) == 7
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    assert type(again.get_layer("group1_conv2")) is keras.layers.Conv2D
    pictures = np.asarray(data.test.x[:8], np.float32)
    np.testing.assert_allclose(again.predict(pictures, verbose=0), model.predict(pictures, verbose=0), atol=1e-4)
    assert "convolution_op" not in vars(again.get_layer("group1_conv2"))


def test_networks_are_built_without_it():
    model = models.build("cifar_speed", (32, 32, 3), 10)
    assert "convolution_op" not in vars(model.get_layer("group2_conv1"))
