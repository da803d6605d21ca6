"""A network that goes on: copied with weights and frozen parts, and refused where it does not fit."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import models
from training.precision import policy

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A convolution with a frozen batch norm, as `transfer` leaves it, and one that learns."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(SHAPE, name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(inputs)
    x = keras.layers.Conv2D(4, 3, name="conv1")(x)
    x = keras.layers.BatchNormalization(name="norm1", trainable=False)(x)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv2", trainable=False)(x)
    x = keras.layers.BatchNormalization(name="norm2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = keras.layers.Activation("softmax", name="probabilities")(keras.layers.Dense(3, name="logits")(x))
    model = keras.Model(inputs, x, name="little")
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    return model


def trained(model: keras.Model) -> set[str]:
    return {variable.path.split("/")[0] for variable in model.trainable_variables}


def test_the_copy_answers_alike_and_shares_nothing(network):
    before = network.get_weights()
    copy = models.build("saved", SHAPE, 3, network=network)
    images = np.random.default_rng(1).uniform(0, 255, (4, *SHAPE)).astype("float32")
    np.testing.assert_array_equal(copy(images), network(images))
    copy.compile("sgd", "sparse_categorical_crossentropy")
    copy.fit(images, np.array([0, 1, 2, 0]), verbose=0)
    for left, right in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, right)
    assert any(not np.array_equal(a, b) for a, b in zip(copy.get_weights(), before, strict=True))


@pytest.mark.parametrize(
    ("frozen_up_to", "expected"),
    [
        (None, {"conv1", "norm2", "logits"}),
        ("nothing", {"conv1", "conv2", "norm2", "logits"}),
        ("norm1", {"conv2", "norm2", "logits"}),
        ("head_pool", {"logits"}),
    ],
)
def test_what_learns_is_what_was_asked_for_and_frozen_batch_norms_stay_so(network, frozen_up_to, expected):
    assert trained(models.build("saved", SHAPE, 3, network=network, frozen_up_to=frozen_up_to)) == expected


def test_a_network_that_is_frozen_as_a_whole_can_learn_again(network):
    network.trainable = False
    try:
        assert trained(models.build("saved", SHAPE, 3, network=network, frozen_up_to="nothing")) == {
            *("conv1", "conv2", "logits"),  # its batch norms were frozen with it
        }
    finally:
        network.trainable = True
        network.get_layer("norm1").trainable = network.get_layer("conv2").trainable = False


def test_the_inner_layers_follow_the_policy_and_the_ends_stay_exact(network):
    with policy("mixed_bfloat16"):
        copy = models.build("saved", SHAPE, 3, network=network)
    computed = {layer.name: layer.compute_dtype for layer in copy.layers}
    assert computed["conv1"] == computed["norm2"] == computed["head_pool"] == "bfloat16"
    assert computed["rescaling"] == computed["logits"] == computed["probabilities"] == "float32"
    assert {variable.dtype for variable in copy.variables} == {"float32"}
    images = np.random.default_rng(1).uniform(0, 255, (4, *SHAPE)).astype("float32")
    np.testing.assert_allclose(copy(images), network(images), atol=0.05)


def test_a_sequential_network_and_a_table_go_on_too():
    start = models.build("mlp_classifier", (5,), 2, units=(4,))
    copy = models.build("saved", (5,), 2, network=start)
    features = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    np.testing.assert_array_equal(copy(features), start(features))


@pytest.mark.parametrize(
    ("shape", "classes", "keywords", "message"),
    [
        ((9, 9, 1), 3, {}, r"takes \(8, 8, 1\), the data has \(9, 9, 1\). Images of a folder .* by image_size"),
        ((64,), 3, {}, r"takes \(8, 8, 1\), the data has \(64,\)\."),
        (SHAPE, 4, {}, "ends in 3 units, 4 classes need 4. For other classes it needs a new head: make transfer"),
        (SHAPE, 2, {}, "ends in 3 units, 2 classes need 1"),
        (SHAPE, 3, {"frozen_up_to": "conv9"}, r"nothing or the name of a layer. .*has \d+, .*Received: .*conv9"),
        (SHAPE, 3, {"frozen_up_to": "probabilities"}, "has nothing left to train"),
    ],
)
def test_what_does_not_fit_is_refused(network, shape, classes, keywords, message):
    with pytest.raises(ValueError, match=message):
        models.build("saved", shape, classes, network=network, **keywords)


def ending(*layers: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), *layers])


def two_outputs() -> keras.Model:
    inputs = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, [keras.layers.Dense(3)(flat), keras.layers.Dense(3)(flat)])


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (two_outputs, "must have one input and one output"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "copies Sequential and functional networks"),
        (lambda: ending(keras.layers.Dense(3, name="logits")), "must end as classifiers of this project do"),
        (
            lambda: ending(
                keras.layers.Dense(3, activation="softmax", name="logits"), keras.layers.Activation("softmax")
            ),
            "a linear Dense named logits, then an Activation with sigmoid or softmax. Received: logits, activation",
        ),
        (lambda: ending(keras.layers.Dense(3), keras.layers.Activation("softmax")), "Received: dense"),
        (lambda: models.build("mlp_regressor", (5,), 0), "Received: standardized_output, output"),
        (
            lambda: keras.Sequential(
                [keras.Input(SHAPE), keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten()], name="inner")]
            ),
            r"holds networks inside \(inner\)",
        ),
    ],
)
def test_a_network_that_does_not_end_in_logits_and_probabilities_is_refused(network, message):
    with pytest.raises(ValueError, match=message):
        models.build("saved", SHAPE, 3, network=network())


def test_statistics_that_a_layer_learned_by_itself_go_with_it():
    features = np.random.default_rng(0).normal(5, 3, (50, 4)).astype("float32")
    normalization = keras.layers.Normalization()
    normalization.adapt(features)
    start = keras.Sequential(
        [
            keras.Input((4,)),
            normalization,
            keras.layers.Dense(1, name="logits"),
            keras.layers.Activation("sigmoid", name="probabilities"),
        ]
    )
    np.testing.assert_array_equal(models.build("saved", (4,), 2, network=start)(features), start(features))


def test_a_file_of_another_number_format_is_copied_in_float32(network):
    with policy("mixed_bfloat16"):
        mixed = models.build("saved", SHAPE, 3, network=network)
    assert {layer.compute_dtype for layer in models.build("saved", SHAPE, 3, network=mixed).layers} == {"float32"}
