"""After every call the model is what it was, and a graph is traced once."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys

import keras
import numpy as np
import pytest

from evaluation.explain import explain, tap
from evaluation.explain.api import METHODS
from tests.conftest import ROOT
from tests.evaluation.explain import cases

OPTIONS = {"smooth_grad": {"samples": 2}, "integrated_gradients": {"steps": 2}, "occlusion": {"patch": 8, "stride": 8}}


def digest(model: keras.Model) -> str:
    """A SHA-256 over weights, configuration, trainable switches, activations, names and graph nodes."""
    sums = hashlib.sha256(json.dumps(keras.saving.serialize_keras_object(model), default=str).encode())
    for layer in model._flatten_layers():
        state = (layer.name, layer.trainable, str(getattr(layer, "activation", None)), len(layer._inbound_nodes))
        sums.update(repr((state, id(getattr(layer, "activation", None)), len(layer._outbound_nodes))).encode())
    for weights in model.get_weights():
        sums.update(weights.tobytes())
    return sums.hexdigest()


@pytest.mark.parametrize("kind", [*cases.STATED, "residual", "users"])
def test_no_method_changes_the_model_or_the_random_state(kind):
    model = cases.KINDS[kind]()
    images = cases.images_for(model, 3)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.layers[1].trainable = False
    keras.utils.set_random_seed(5)
    before = digest(model), random.getstate(), np.random.get_state()[1].tobytes(), automatic_names()
    answers = np.asarray(model(images))
    tapped = tap(model)
    for method in METHODS:
        if method != "class_activation_map" or kind in cases.AVERAGED:
            explain(tapped, images, method, 1, **OPTIONS.get(method, {}))
    after = digest(model), random.getstate(), np.random.get_state()[1].tobytes(), automatic_names()
    assert before[:3] == after[:3]
    assert after[3] == [number + 1 for number in before[3]]
    np.testing.assert_array_equal(np.asarray(model(images)), answers)
    assert model.compiled and model.optimizer.iterations == 0


def automatic_names() -> list[int]:
    """How far Keras has counted the names that it gives: each call takes one of each kind."""
    inputs = keras.Input((1,), name="inputs")
    layer = keras.layers.ReLU()
    made = (layer, keras.Sequential(), keras.Model(inputs, layer(inputs)))
    return [int("0" + item.name.rpartition("_")[2].strip("abcdefghijklmnopqrstuvwxyz")) for item in made]


def test_a_graph_is_traced_once_for_all_batches_and_calls():
    tapped = tap(cases.build("gap_cnn"))
    images = cases.images_for(tapped.model, 7)
    for count in (7, 1, 5):
        for _ in range(2):
            explain(tapped, images[:count], "grad_cam", batch_size=3)
    assert tapped.traces == 1
    explain(tapped, images, "saliency")
    explain(tapped, images, "smooth_grad", samples=3)  # the gradient of saliency again, and the prediction
    explain(tapped, images, "integrated_gradients", steps=5, batch_size=2)
    assert tapped.traces == 3


@pytest.mark.parametrize("method", METHODS)
def test_the_size_of_a_batch_changes_nothing(method):
    images = cases.images_for(cases.build("gap_cnn"), 4)
    first, second = (
        explain(cases.tapped("gap_cnn"), images, method, batch_size=size, **OPTIONS.get(method, {})).maps
        for size in (3, 32)
    )
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6 * np.abs(second).max())


def test_what_was_tapped_sees_the_weights_of_now():
    model = cases.KINDS["gap_cnn"]()
    tapped, images = tap(model), cases.images_for(model)
    before = explain(tapped, images, "class_activation_map", 1).low_resolution
    dense = model.get_layer("logits")
    dense.kernel.assign(2 * dense.kernel)
    np.testing.assert_allclose(explain(tapped, images, "class_activation_map", 1).low_resolution, 2 * before, rtol=1e-5)


def test_bytes_and_whole_numbers_explain_as_floats_do():
    model, images = cases.tapped("gap_cnn"), cases.images_for(cases.build("gap_cnn"))
    for kind in (np.uint8, np.int64, np.float64, list):
        others = images.tolist() if kind is list else images.astype(kind)
        np.testing.assert_array_equal(explain(model, others).maps, explain(model, images).maps)


def test_augmentation_dropout_and_batch_norm_are_those_of_prediction():
    pixels = keras.Input((6, 6, 3))
    features = keras.layers.Conv2D(4, 3)(keras.layers.RandomFlip()(keras.layers.RandomRotation(0.5)(pixels)))
    vector = keras.layers.Flatten()(keras.layers.BatchNormalization()(features))
    model = keras.Model(pixels, keras.layers.Dense(3, name="logits")(keras.layers.Dropout(0.9)(vector)))
    images = cases.images_for(model)
    np.testing.assert_allclose(explain(model, images).logits, model(images, training=False), rtol=1e-5)


def test_importing_the_room_loads_no_tensorflow():
    code = "import sys, evaluation.explain; print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
