"""Class activation maps: exact on averaged networks, equal to Grad-CAM there, and at the layer that is meant."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from evaluation.explain import ExplainError, class_activation_map, explain, grad_cam, tap
from evaluation.explain.class_maps import weighted_by_place, weighted_by_shares
from tests.evaluation.explain import cases


def class_score(found) -> np.ndarray:
    """The logit of the class explained."""
    if found.logits.shape[1] == 1:
        return np.where(found.class_index == 1, 1, -1) * found.logits[:, 0]
    return found.logits[np.arange(len(found.logits)), found.class_index]


@pytest.mark.parametrize("kind", cases.AVERAGED)
@pytest.mark.parametrize("class_index", [None, 0, 1])
def test_the_mean_of_a_class_activation_map_plus_the_bias_is_the_logit(kind, class_index):
    model = cases.build(kind)
    found = explain(cases.tapped(kind), cases.images_for(model), "class_activation_map", class_index)
    bias = cases.last_dense(model).bias.numpy()
    bias = bias[found.class_index] if len(bias) > 1 else np.where(found.class_index == 1, 1, -1) * bias
    np.testing.assert_allclose(found.low_resolution.mean((1, 2)) + bias, class_score(found), atol=3e-7)


def test_the_mean_is_kept_at_the_images_size_where_cells_are_whole_pixels():
    model = cases.build("gap_cnn")
    maps = class_activation_map(cases.tapped("gap_cnn"), cases.images_for(model), 2)
    bias = float(model.get_layer("logits").bias[2])
    logits = keras.Model(model.inputs[0], model.get_layer("logits").output)(cases.images_for(model))
    np.testing.assert_allclose(maps.mean((1, 2)) + bias, logits[:, 2], atol=3e-7)


@pytest.mark.parametrize("kind", cases.AVERAGED)
def test_grad_cam_without_its_relu_times_the_places_is_the_class_activation_map(kind):
    model = cases.build(kind)
    images = cases.images_for(model)
    cam, gradient = (explain(cases.tapped(kind), images, name, 1) for name in ("class_activation_map", "grad_cam"))
    places = np.prod(cam.low_resolution.shape[1:])
    largest = np.abs(cam.low_resolution).max()
    assert largest > 0 and np.all(gradient.maps >= 0)
    np.testing.assert_allclose(places * gradient.low_resolution, cam.low_resolution, rtol=0, atol=3e-6 * largest)


def test_the_convolution_of_a_mobilenets_own_top_counts_as_its_dense_layer():
    model = cases.mobilenet(include_top=True)
    found = explain(model, cases.images_for(model, 2), "class_activation_map", 7)
    bias = float(model.get_layer("conv_preds").bias[7])
    np.testing.assert_allclose(found.low_resolution.mean((1, 2)) + bias, found.logits[:, 7], atol=3e-7)
    assert tap(model).find().path == "conv_pw_13_relu"  # not the average that keeps its axes


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("gap_cnn", "conv3"),
        ("cifar_cnn", "conv_dropout"),
        ("cifar_cnn_functional", "conv_dropout"),
        ("users", "re_lu"),
        ("nested", "backbone/out"),
        ("residual", "add"),
        ("mobilenet", "conv_pw_3_relu"),
        ("mobilenet_whole", "conv_pw_13_relu"),
    ],
)
def test_the_default_layer_is_the_last_feature_map(kind, path):
    assert cases.tapped(kind).find().path.startswith(path)  # Keras numbers what has no name


def test_a_layer_inside_a_nested_model_goes_by_its_name_or_path():
    model = cases.build("nested")
    images = cases.images_for(model)
    tapped = cases.tapped("nested")
    np.testing.assert_array_equal(
        grad_cam(tapped, images, layer="first"), grad_cam(tap(model, "backbone/first"), images)
    )
    assert explain(tapped, images, layer="first").low_resolution.shape == (5, 16, 12)


def test_grad_cam_equals_a_gradient_by_the_features_with_the_activation_taken_away():
    """Against finite differences of a head that is computed by hand."""
    pixels = keras.Input((4, 4, 2))
    features = keras.layers.Conv2D(3, 1, name="features")(pixels)
    hidden = keras.layers.Dense(5, activation="tanh")(keras.layers.Flatten()(features))
    model = keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(hidden))
    images = cases.images_for(model, 1) / 255
    maps = keras.Model(pixels, features)(images).numpy().astype(np.float64)
    kernels = [layer.get_weights() for layer in model.layers if isinstance(layer, keras.layers.Dense)]

    def logit(values):
        (kernel, bias), (last, last_bias) = kernels
        return (np.tanh(values.reshape(1, -1) @ kernel + bias) @ last + last_bias)[0, 2]

    steps = np.eye(maps.size).reshape(-1, *maps.shape) * 1e-5
    slopes = np.array([(logit(maps + step) - logit(maps - step)) / 2e-5 for step in steps]).reshape(maps.shape)
    expected = (maps * slopes.mean((1, 2), keepdims=True)).sum(-1)
    np.testing.assert_allclose(explain(model, images, "grad_cam", 2).low_resolution, expected, rtol=1e-4, atol=1e-6)


def test_grad_cam_plus_plus_and_layer_cam_follow_their_papers():
    generator = np.random.default_rng(0)
    activations = generator.uniform(0, 2, (2, 3, 4, 5)).astype(np.float32)
    gradients = generator.normal(0, 1, (2, 3, 4, 5)).astype(np.float32)
    gradients[0, 0] = 0
    expected = np.zeros((2, 3, 4))
    for image, channel in np.ndindex(2, 5):
        a, g = activations[image, ..., channel].astype(float), gradients[image, ..., channel].astype(float)
        with np.errstate(invalid="ignore"):
            alpha = np.nan_to_num(g**2 / (2 * g**2 + a.sum() * g**3))
        expected[image] += a * (alpha * np.maximum(g, 0)).sum()
    np.testing.assert_allclose(weighted_by_shares(activations, gradients), expected, rtol=1e-4)
    places = (activations * np.maximum(gradients, 0)).sum(-1)
    np.testing.assert_allclose(weighted_by_place(activations, gradients), places, rtol=1e-5)


def test_class_activation_maps_are_refused_where_they_would_not_be_exact():
    with pytest.raises(
        ExplainError, match=r"^cifar_cnn does not end in GlobalAveragePooling2D and one Dense layer, .* Use"
    ):
        class_activation_map(cases.build("cifar_cnn"), cases.images_for(cases.build("cifar_cnn")))
    model = cases.build("gap_cnn")
    with pytest.raises(
        ExplainError, match=r"that is averaged, 'conv3'\. Received: layer='conv2'\. Leave it out, or use"
    ):
        class_activation_map(model, cases.images_for(model), layer="conv2")


def test_the_target_of_a_model_with_one_logit_is_its_negative_for_class_0():
    model = cases.build("gap_cnn_binary")
    images = cases.images_for(model)
    tapped = cases.tapped("gap_cnn_binary")
    for method in ("class_activation_map", "grad_cam"):
        against, towards = (explain(tapped, images, method, index).low_resolution for index in (0, 1))
        np.testing.assert_allclose(against, -towards, atol=1e-7)
    chosen = explain(tapped, images).class_index
    np.testing.assert_array_equal(chosen, (np.asarray(model(images))[:, 0] > 0.5).astype(int))
