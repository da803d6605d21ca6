"""First filters, feature maps, features on a map, and the figures of what is seen."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from evaluation.explain import ExplainError
from evaluation.explain.feature_maps import activations, embed_layer, layer_features
from evaluation.explain.figures_seen import (
    centred,
    draw_feature_maps,
    draw_filter_evolution,
    draw_filters,
    draw_patches,
    draw_pictures,
    montage,
)
from evaluation.explain.filters import filter_changes, first_filters
from evaluation.explain.projections import UnitPatches
from evaluation.explain.receptive import Box
from evaluation.plots import render
from tests.evaluation.explain import cases
from transfer.backbones import preprocess

layers = keras.layers


@pytest.mark.parametrize("mode", ["tf", "caffe", "torch"])
def test_filters_work_the_preprocessing_in_so_that_colours_are_right(mode):
    pixels = keras.Input((8, 8, 3))
    maps = layers.Conv2D(5, 3, activation="relu", name="first")(preprocess(pixels, mode))
    model = keras.Model(pixels, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(maps)))
    filters = first_filters(model)
    linear = keras.Model(pixels, layers.Conv2D(5, 3, name="plain")(preprocess(pixels, mode)))
    linear.get_layer("plain").set_weights(model.get_layer("first").get_weights())
    images = cases.images_for(model, 2)
    change = np.asarray(linear(images))[:, 2, 3] - np.asarray(linear(np.zeros_like(images)))[:, 2, 3]
    np.testing.assert_allclose(np.einsum("bhwc,nhwc->bn", images[:, 2:5, 3:6], filters), change, rtol=1e-3, atol=1e-3)


def test_depthwise_and_separable_filters_are_those_of_the_pixels():
    pixels = keras.Input((6, 6, 2))
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
    for layer in (layers.DepthwiseConv2D(3, depth_multiplier=2), layers.SeparableConv2D(4, 3)):
        outputs = layer(pixels)
        model = keras.Model(pixels, layers.Dense(2)(layers.Flatten()(outputs)))
        expected = np.asarray(layer(images))[:, 1, 2]
        found = np.einsum("bhwc,nhwc->bn", images[:, 1:4, 2:5], first_filters(model))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "layer", "message"),
    [
        ("gap_cnn", "conv9", "has no layer 'conv9'"),
        ("gap_cnn", "gap", "is no convolution, so it has no filters"),
        ("gap_cnn", "conv2", "has no filters of pixels. Take the first convolution"),
    ],
)
def test_what_has_no_filters_is_refused_in_words(kind, layer, message):
    with pytest.raises(ExplainError, match=message):
        first_filters(cases.tapped(kind), layer)
    with pytest.raises(ExplainError, match="has no convolution, so no filters"):
        first_filters(cases.linear())


def test_filters_over_epochs_are_compared_with_the_last_by_their_angle():
    last = np.random.default_rng(0).normal(size=(3, 2, 2, 3)).astype(np.float32)
    turned = last.copy()
    turned[0] *= -2
    turned[1] = 0
    np.testing.assert_allclose(filter_changes([turned, last]), [[-1, 0, 1], [1, 1, 1]], atol=1e-7)
    figure = draw_filter_evolution([("epoch 1", turned), ("epoch 2", last)])
    assert [ax.get_ylabel() for ax in figure.axes] == ["epoch 1  0.00", "epoch 2  1.00"]
    with pytest.raises(ExplainError, match="one shape"):
        draw_filter_evolution([("a", last), ("b", last[:2])])


def test_activations_are_what_keras_computes_and_features_their_means():
    model = cases.build("cifar_cnn_functional")
    images = cases.images_for(model, 5)
    expected = keras.Model(model.inputs, model.get_layer("conv2_pool").output).predict(images, verbose=0)
    tapped = cases.tapped("cifar_cnn_functional")
    np.testing.assert_allclose(activations(tapped, images, "conv2_pool", batch_size=2), expected, rtol=1e-4, atol=1e-6)
    pooled = layer_features(tapped, images, "conv2_pool")
    np.testing.assert_allclose(pooled, expected.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)
    images[1, 0, 0, 0] = np.inf
    assert np.isnan(activations(tapped, images, "hidden")).all(axis=1).tolist() == [False, True, False, False, False]


def test_features_on_a_map_know_which_images_are_predicted_wrongly():
    model = cases.build("gap_cnn")
    images = cases.images_for(model, 30)
    y = np.arange(30) % 4
    mapped, wrong = embed_layer(cases.tapped("gap_cnn"), images, y, "conv3", limit=20)
    predicted = np.argmax(np.asarray(model(images)), axis=1)
    np.testing.assert_array_equal(wrong, (predicted != y)[mapped.kept])
    assert mapped.points.shape == (20, 2) and 0 <= mapped.trustworthiness <= 1


def test_a_montage_places_pictures_in_rows_between_white_gaps():
    tiles = np.linspace(0, 0.8, 5, dtype=np.float32)[:, None, None, None] * np.ones((5, 48, 48, 1), np.float32)
    sheet = montage(tiles, 3)
    assert sheet.shape == (98, 148, 3) and (sheet[48:50] == 1).all() and (sheet[50:, 100:] == 1).all()
    np.testing.assert_allclose(sheet[[20, 20, 70], [20, 120, 20], 0], [0, 0.4, 0.6], rtol=1e-6)
    np.testing.assert_allclose(centred(np.array([-4.0, 0, 2, 1]).reshape(1, 2, 2, 1)).ravel(), [0, 0.5, 0.75, 0.625])
    assert (centred(np.zeros((2, 3, 3, 1))) == 0.5).all()


def test_figures_name_what_they_show_and_render():
    generator = np.random.default_rng(0)
    patches = generator.integers(0, 256, (4, 5, 5, 3)).astype(np.uint8)
    loud = UnitPatches("conv2", 7, np.array([3.0, 2, 1, 0.5]), tuple("abcd"), (Box(0, 0, 5, 5),) * 4, patches, None)
    silent = UnitPatches("conv2", 8, np.zeros(4), tuple("abcd"), (Box(0, 0, 5, 5),) * 4, patches, None)
    figure = draw_patches([loud, silent])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["unit 7: 3 to 0.5", "unit 8: silent"]
    assert len(figure.axes[0].images) == 1 and not figure.axes[1].images
    maps = draw_feature_maps(patches[0], generator.normal(size=(3, 3, 4)) + np.arange(4) * 9, layer="$x$", most=2)
    assert [ax.get_title() for ax in maps.axes[:3]] == ["image", "unit 3", "unit 2"]
    for one in (figure, maps, draw_filters(generator.normal(size=(4, 3, 3, 2))), draw_pictures(patches, list("abcd"))):
        assert render(one)[0].startswith(b"\x89PNG")
    with pytest.raises(ExplainError, match="a name for each picture"):
        draw_pictures(patches, ["a"])
    with pytest.raises(ExplainError, match="at least one unit"):
        draw_patches([])
