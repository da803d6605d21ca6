"""The arithmetic on paper against Keras' own layers and against the gradients and outputs of real graphs."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from models.arithmetic import (
    ReceptiveField,
    Window,
    conv_output_shape,
    conv_params,
    pool_output_shape,
    receptive_field,
    same_padding,
)

SHAPES = [(11, 16, 3), (9, 9, 1), (10, 7, 4)]
PADDINGS = ["valid", "same"]
STEPS: list[Any] = [1, 2, 3, (1, 2), (3, 2)]
KERNELS: list[Any] = [1, 2, 3, (2, 3), (3, 1)]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", KERNELS)
def test_conv_output_shape_is_that_of_keras(padding: str, kernel_size: int | tuple[int, int]) -> None:
    # Keras takes strides or dilation, not both.
    settings: list[dict[str, Any]] = [{"strides": steps} for steps in STEPS] + [
        {"dilation_rate": steps} for steps in STEPS
    ]
    for shape, setting in itertools.product(SHAPES, settings):
        layer = keras.layers.Conv2D(5, kernel_size, padding=padding, **setting)
        expected = layer.compute_output_shape((None, *shape))[1:]
        found = conv_output_shape(shape, filters=5, kernel_size=kernel_size, padding=padding, **setting)
        assert found == expected, (shape, setting)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("pool_size", KERNELS)
def test_pool_output_shape_is_that_of_keras(padding: str, pool_size: int | tuple[int, int]) -> None:
    for shape, strides in itertools.product(SHAPES, [None, *STEPS]):
        layer = keras.layers.MaxPooling2D(pool_size, strides=strides, padding=padding)
        expected = layer.compute_output_shape((None, *shape))[1:]
        assert pool_output_shape(shape, pool_size=pool_size, strides=strides, padding=padding) == expected


@pytest.mark.parametrize(
    ("filters", "kernel_size", "depth", "use_bias"), list(itertools.product([1, 7], KERNELS, [1, 3], [True, False]))
)
def test_conv_params_are_those_of_keras(
    filters: int, kernel_size: int | tuple[int, int], depth: int, use_bias: bool
) -> None:
    layer = keras.layers.Conv2D(filters, kernel_size, use_bias=use_bias)
    layer.build((None, 9, 9, depth))
    assert conv_params(filters, kernel_size, depth, use_bias) == layer.count_params()


def test_shapes_and_parameters_of_cifar_cnn_by_hand_are_those_of_the_model() -> None:
    model, shape, parameters = models.build("cifar_cnn", (32, 32, 3), 10), (32, 32, 3), 0
    for number, filters in enumerate((16, 32, 64), start=1):
        parameters += conv_params(filters, 2, shape[2])
        shape = conv_output_shape(shape, filters=filters, kernel_size=2, padding="same")
        shape = pool_output_shape(shape, pool_size=2)
        assert model.get_layer(f"conv{number}_pool").output.shape == (None, *shape)
    dense = (np.prod(shape) + 1) * 500 + 501 * 10
    assert parameters + dense == 528_054 == model.count_params()


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "dilation"), list(itertools.product([9, 10], [2, 3], [1, 2, 3], [1, 2]))
)
def test_same_padding_is_where_keras_puts_its_zeros(size: int, kernel: int, strides: int, dilation: int) -> None:
    if strides > 1 and dilation > 1:
        strides = 1
    before, after = same_padding(size, kernel, strides, dilation)
    conv = {"strides": strides, "dilation_rate": dilation, "use_bias": False}
    x = np.random.default_rng(0).normal(size=(1, size, 2)).astype("float32")
    same = keras.layers.Conv1D(3, kernel, padding="same", **conv)
    expected = keras.ops.convert_to_numpy(same(x))
    valid = keras.layers.Conv1D(3, kernel, padding="valid", **conv)
    valid.build(x.shape)
    valid.set_weights(same.get_weights())
    np.testing.assert_allclose(valid(np.pad(x, ((0, 0), (before, after), (0, 0)))), expected, rtol=1e-5, atol=1e-6)


STACKS = [
    [(3, 1, 1)],
    [(3, 1, 1), (3, 1, 1)],
    [(3, 2, 1), (2, 2, 1)],
    [(2, 1, 1), (2, 2, 1), (3, 1, 2)],
    [(3, 1, 2), (5, 2, 1), (3, 1, 3)],
    [(4, 3, 1), (3, 1, 1)],
]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("stack", STACKS)
def test_receptive_field_is_where_the_gradient_of_a_unit_lives(stack: list[tuple[int, int, int]], padding: str) -> None:
    x = tf.ones((1, 40, 1))
    windows = []
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x
        for kernel, strides, dilation in stack:
            pad = same_padding(y.shape[1], kernel, strides, dilation)[0] if padding == "same" else 0
            windows.append(Window(kernel, strides, dilation, pad))
            conv = {"strides": strides, "dilation_rate": dilation, "padding": padding}
            y = keras.layers.Conv1D(1, kernel, kernel_initializer="ones", **conv)(y)
        units = [y[0, unit, 0] for unit in range(y.shape[1])]
    for unit, value in enumerate(units):
        reached = np.flatnonzero(tape.gradient(value, x)[0, :, 0])
        first, last = receptive_field(windows).pixels(unit)
        assert len(reached) > 0 and max(first, 0) <= reached[0] and reached[-1] <= min(last, 39)
        if first >= 0 and last < 40:
            assert (reached[0], reached[-1]) == (first, last)


def test_pixels_outside_the_field_never_change_a_unit_of_gap_cnn_and_inside_they_do() -> None:
    windows = [Window(3, padding=1), Window(2, 2), Window(3, padding=1), Window(2, 2), Window(3, padding=1)]
    field = receptive_field(windows)
    first, last = field.pixels(3)
    assert (field.size, field.jump, first, last) == (18, 4, 5, 22)
    model = models.build("gap_cnn", (32, 32, 3), 10)
    unit = keras.Model(model.inputs[0], model.get_layer("conv3").output)
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    outside = generator.uniform(0, 255, x.shape).astype("float32")
    outside[:, first : last + 1, first : last + 1] = x[:, first : last + 1, first : last + 1]
    inside = x.copy()
    inside[:, first : last + 1, first : last + 1] = 255 - inside[:, first : last + 1, first : last + 1]
    expected = np.array(unit(x))[0, 3, 3]
    np.testing.assert_allclose(np.array(unit(outside))[0, 3, 3], expected, rtol=1e-5, atol=1e-6)
    assert np.abs(np.array(unit(inside))[0, 3, 3] - expected).max() > 1e-3


def test_receptive_field_has_the_published_values() -> None:
    # AlexNet's and VGG-16's fields before the Dense layers, Araujo, Norris and Sim, 2019, table 1.
    alexnet = [
        Window(11, 4),
        Window(3, 2),
        Window(5, padding=2),
        Window(3, 2),
        *[Window(3, padding=1)] * 3,
        Window(3, 2),
    ]
    vgg16 = [layer for convs in (2, 2, 3, 3, 3) for layer in [*[Window(3, padding=1)] * convs, Window(2, 2)]]
    assert (receptive_field(alexnet).size, receptive_field(alexnet).jump) == (195, 32)
    assert (receptive_field(vgg16).size, receptive_field(vgg16).jump) == (212, 32)
    assert receptive_field([]) == ReceptiveField(size=1, jump=1, start=0.0)


def test_bad_numbers_say_the_rule_and_the_value() -> None:
    cases = [
        (lambda: conv_params(0, 2, 3), "filters must be a positive integer. Received: filters=0."),
        (lambda: conv_params(4, 2, -3), "input_depth must be a positive integer. Received: input_depth=-3."),
        (
            lambda: conv_params(4, (2, 2, 2), 3),  # type: ignore[arg-type]
            "kernel_size must be a positive integer or a pair of them. Received: kernel_size=(2, 2, 2).",
        ),
        (
            lambda: conv_output_shape((8, 8), filters=4, kernel_size=2),
            "input_shape must be (height, width, channels). Received: input_shape=(8, 8).",
        ),
        (
            lambda: conv_output_shape((8, 8, 3), filters=4, kernel_size=2, padding="full"),
            "padding must be 'valid' or 'same'. Received: padding='full'.",
        ),
        (
            lambda: conv_output_shape((8, 4, 3), filters=4, kernel_size=3, dilation_rate=2),
            "kernel_size must not reach beyond the input without padding: it spans 5×5. "
            "Received: input_shape=(8, 4, 3).",
        ),
        (
            lambda: pool_output_shape((8, 8, 3), pool_size=2, strides=0),
            "strides must be a positive integer or a pair of them. Received: strides=0.",
        ),
        (
            lambda: pool_output_shape((1, 8, 3), pool_size=2),
            "pool_size must not reach beyond the input without padding: it spans 2×2. Received: input_shape=(1, 8, 3).",
        ),
        (lambda: same_padding(8, 0), "kernel_size must be a positive integer. Received: kernel_size=0."),
        (lambda: Window(3, strides=0), "strides must be a positive integer. Received: strides=0."),
        (lambda: Window(3, padding=-1), "padding must be at least 0. Received: padding=-1."),
    ]
    for call, message in cases:
        with pytest.raises(ValueError) as error:
            call()
        assert str(error.value) == message
