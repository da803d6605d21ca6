"""Which layers alone read what a convolution gives."""

from __future__ import annotations

from functools import partial
from itertools import repeat

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.chains import chains, covered, pooled
from training.fastmath import use_fast_math
from training.winograd import use_winograd

SIZE = 7


def wide(name: str, **more) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(64, 3, padding="same", use_bias=False, name=name, **more)


def between(*layers: keras.layers.Layer, start: keras.layers.Conv2D | None = None) -> keras.Model:
    return keras.Sequential([keras.Input((SIZE, SIZE, 64)), start or wide("first"), *layers, wide("second")])


def names(model: keras.Model) -> list[list[str]]:
    wide_ones = [layer for layer in model.layers if layer.name in ("first", "second", "third")]
    return [[one.start.name, *(layer.name for layer in one.between), one.end.name] for one in chains(model, wide_ones)]


def test_layers_that_take_each_channel_of_each_place_by_itself_make_a_chain():
    layers = [keras.layers.MaxPooling2D(name="pool"), keras.layers.BatchNormalization(name="norm")]
    model = between(*layers, keras.layers.Activation("gelu", name="gelu"), keras.layers.ReLU(name="relu"))
    assert names(model) == [["first", "pool", "norm", "gelu", "relu", "second"]]
    assert names(between()) == [["first", "second"]]


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Activation("softmax"),
        keras.layers.Activation(lambda x: x / keras.ops.max(x)),
        keras.layers.BatchNormalization(axis=1),
        keras.layers.BatchNormalization(synchronized=True),
        keras.layers.MaxPooling2D(3, 2),
        keras.layers.MaxPooling2D(padding="same"),
        keras.layers.AveragePooling2D(2),
        keras.layers.Dropout(0.5),
        keras.layers.Conv2D(64, 1),
        keras.layers.Activation("relu", activity_regularizer="l2"),
    ],
)
def test_other_layers_end_it(layer):
    assert names(between(layer)) == []


@pytest.mark.parametrize("settings", [{"activation": "softmax"}, {"activity_regularizer": "l2"}])
def test_what_the_first_convolution_adds_itself_counts(settings):
    assert names(between(start=wide("first", **settings))) == []
    pooling = between(keras.layers.MaxPooling2D(), start=wide("first", **settings))
    assert pooled(pooling, [pooling.get_layer("first")]) == {}


def forked(way: str) -> keras.Model:
    """Two convolutions with a pooling between them, and another reader of one of the maps."""
    inputs = keras.Input((SIZE, SIZE, 64))
    first, pool = wide("first"), keras.layers.MaxPooling2D(name="pool")
    maps = first(inputs)
    small = pool(maps)
    outputs = [wide("second")(small)]
    if way == "returned":
        outputs.append(maps)
    elif way == "a layer":
        outputs.append(keras.layers.GlobalMaxPooling2D()(maps))
    elif way == "an operation":
        outputs.append(keras.ops.mean(maps))
    elif way == "called again":
        outputs.append(first(inputs))
    elif way == "a reader called again":
        outputs.append(pool(keras.ops.square(inputs)))
    elif way == "both of one":
        outputs = [wide("third")(keras.layers.Add()([maps, maps]))]
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize(
    "way", ["returned", "a layer", "an operation", "called again", "a reader called again", "both of one"]
)
def test_maps_that_something_else_reads_stay_as_they_are(way):
    keras.utils.set_random_seed(1)
    model = forked(way)
    assert names(model) == [] and pooled(model, [model.get_layer("first")]) == {}
    pictures = np.random.default_rng(1).normal(size=(3, SIZE, SIZE, 64)).astype(np.float32)
    before = model(pictures)
    assert "first" in use_winograd(model)
    for old, new in zip(tf.nest.flatten(before), tf.nest.flatten(model(pictures)), strict=True):
        assert np.linalg.norm(new - old) <= 1e-3 * np.linalg.norm(old)


def test_what_a_nested_model_returns_is_read_outside():
    inputs = keras.Input((SIZE, SIZE, 64))
    maps = wide("first")(inputs)
    inner = keras.Model(inputs, [maps, wide("second")(keras.layers.MaxPooling2D()(maps))])
    outer = keras.Model(inputs, inner(inputs)[1])
    first, second = (inner.get_layer(name) for name in ("first", "second"))
    assert chains(outer, [first, second]) == [] and pooled(outer, [first]) == {}


def test_a_model_that_stands_in_another_twice_is_changed_once():
    inner = between(keras.layers.MaxPooling2D(name="pool"))
    inputs = keras.Input((SIZE, SIZE, 64))
    other = keras.Sequential([keras.Input((SIZE, SIZE, 64)), inner, keras.layers.Flatten()])
    outer = keras.Model(inputs, [inner(inputs), other(inputs)])
    pictures = np.random.default_rng(1).normal(size=(3, SIZE, SIZE, 64)).astype(np.float32)
    before = outer(pictures)
    assert use_fast_math(outer) == ["first", "second", "pool"] and use_fast_math(outer) == []
    for old, new in zip(before, outer(pictures), strict=True):
        assert np.linalg.norm(new - old) <= 1e-3 * np.linalg.norm(old)


def test_a_wrapper_that_calls_a_layer_reads_it():
    inputs, films = keras.Input((SIZE, SIZE, 64)), keras.Input((2, SIZE, SIZE, 64))
    first = wide("first")
    outputs = [wide("second")(keras.layers.MaxPooling2D()(first(inputs))), keras.layers.TimeDistributed(first)(films)]
    model = keras.Model([inputs, films], outputs)
    assert names(model) == [] and pooled(model, [first]) == {}


@pytest.mark.filterwarnings("ignore:Layer 'second'")
def test_a_mask_of_maps_ends_a_chain():
    inputs, mask = keras.Input((SIZE, SIZE, 64)), keras.Input((SIZE, SIZE), dtype="bool")
    maps = keras.layers.BatchNormalization()(wide("first")(inputs), mask=mask)
    model = keras.Model([inputs, mask], wide("second")(maps))
    assert names(model) == [] and use_fast_math(model) == ["first", "second"]


def test_maps_of_another_size_are_refused_and_not_read_as_more_images():
    model = between(keras.layers.MaxPooling2D())
    use_winograd(model)
    unknown = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 64))])
    assert unknown(tf.zeros((2, SIZE, SIZE, 64))).shape == (2, 3, 3, 64)
    with pytest.raises(tf.errors.InvalidArgumentError, match="reshape"):
        unknown(tf.zeros((2, 2 * SIZE, 2 * SIZE, 64)))


def test_windows_cover_whole_multiples_of_their_sides():
    assert covered(keras.layers.MaxPooling2D((2, 3)), (7, 9)) == (6, 9)


@pytest.mark.parametrize("size", [(7, 7), (15, 6), (31, 14)])
@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("use", [use_winograd, use_fast_math])
def test_outputs_gradients_and_statistics_of_a_chain_are_those_of_keras(size, unknown, use):
    random = np.random.default_rng(1)
    pictures = random.normal(size=(5, *size, 64)).astype(np.float32)
    labels = random.integers(0, 3, 5)
    found = []
    for quick in (False, True):
        keras.utils.set_random_seed(1)
        layers = [wide("first", activation="relu"), keras.layers.MaxPooling2D(name="pool")]
        layers += [keras.layers.BatchNormalization(momentum=0.6), keras.layers.Activation("gelu"), wide("second")]
        head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax")]
        model = keras.Sequential([keras.Input((*size, 64)), *layers, *head])
        changed = use(model) if quick else []
        assert not quick or changed[:2] == ["first", "second"]
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
        shapes = (tf.TensorSpec((None, *((None, None) if unknown else size), 64)), tf.TensorSpec((None,), tf.int64))
        endless = partial(repeat, (pictures, labels))
        data = tf.data.Dataset.from_generator(endless, output_signature=shapes)
        model.fit(data, steps_per_epoch=3, verbose=0, shuffle=False)
        found.append([*model.get_weights(), model.predict(pictures, verbose=0)])
    for own, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, own, rtol=1e-3, atol=1e-4)
