"""Against other libraries where they are right: tf-keras-vis with the layer named, and saliency's own integration."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from evaluation.explain import explain, integrated_gradients, saliency
from evaluation.explain.gradients import input_gradients
from evaluation.explain.request import Batch
from tests.evaluation.explain import cases

LAYERS = {"gap_cnn": "conv2", "cifar_cnn_functional": "conv3", "mobilenet_whole": "conv_pw_12_relu"}


@pytest.fixture(scope="module")
def vis():
    """The two explainers of tf-keras-vis, whose imports warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("tf_keras_vis", reason="tf-keras-vis, a test's oracle, is absent")
        from tf_keras_vis.gradcam import Gradcam
        from tf_keras_vis.saliency import Saliency
    return Gradcam, Saliency


def to_logits(model: keras.Model) -> keras.Model:
    """The model up to its logits, built by Keras alone."""
    return keras.Model(model.inputs, model.get_layer("logits").output)  # a list, as the library calls it


@pytest.mark.parametrize("kind", LAYERS)
def test_grad_cam_equals_that_of_tf_keras_vis_in_the_layers_own_size(kind, vis):
    model, classes = cases.build(kind), [1, 0, 2]
    images = cases.images_for(model, 3)
    oracle = vis[0](to_logits(model), clone=False)
    options = {"penultimate_layer": LAYERS[kind], "expand_cam": False, "normalize_cam": False}
    expected = oracle(lambda outputs: tf.gather(outputs, classes, batch_dims=1), images, **options)
    found = explain(cases.tapped(kind), images, "grad_cam", classes, layer=LAYERS[kind]).low_resolution
    np.testing.assert_allclose(
        np.maximum(found, 0), expected[0] if isinstance(expected, list) else expected, rtol=1e-3, atol=1e-7
    )
    assert found.any()


def test_saliency_equals_that_of_tf_keras_vis(vis):
    model, classes = cases.build("cifar_cnn_functional"), [1, 0, 2]
    images = cases.images_for(model, 3)
    oracle = vis[1](to_logits(model), clone=False)
    expected = oracle(
        lambda outputs: tf.gather(outputs, classes, batch_dims=1), images, gradient_modifier=abs, normalize_map=False
    )
    np.testing.assert_allclose(saliency(cases.tapped("cifar_cnn_functional"), images, classes), expected, rtol=1e-4)


def test_integrated_gradients_equal_those_of_the_saliency_library():
    core = pytest.importorskip("saliency.core", reason="saliency, a test's oracle, is absent")
    tapped = cases.tapped("gap_cnn")
    image = cases.images_for(cases.build("gap_cnn"), 1)

    def call(points, call_model_args=None, expected_keys=None):
        count = len(points)
        batch = Batch(points.astype(np.float32), np.full(count, 2, np.int32), np.ones(count, bool))
        return {core.INPUT_OUTPUT_GRADIENTS: input_gradients(tapped, batch)[0]}

    expected = core.IntegratedGradients().GetMask(image[0], call, x_steps=400, batch_size=50).sum(-1)
    found = integrated_gradients(tapped, image, 2, steps=400)[0]
    np.testing.assert_allclose(found, expected, atol=0.01 * np.abs(expected).max())
