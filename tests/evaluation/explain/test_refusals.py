"""Images that say nothing give zeros and a flag; what cannot be explained gives one line that says what to do."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from evaluation.explain import ExplainError, explain, grad_cam, integrated_gradients, occlusion, saliency, tap
from evaluation.explain.api import METHODS
from evaluation.explain.explanation import clean
from tests.evaluation.explain import cases

layers = keras.layers
FEW = {"smooth_grad": {"samples": 2}, "integrated_gradients": {"steps": 2}, "occlusion": {"patch": 6, "stride": 6}}


@pytest.mark.parametrize("method", METHODS)
def test_an_image_with_nan_gives_zeros_and_a_flag_and_spoils_no_other(method):
    images = cases.images_for(cases.build("gap_cnn"), 3)
    images[1, 4, 5, 0] = np.nan
    tapped = cases.tapped("gap_cnn")
    found = explain(tapped, images, method, 1, **FEW.get(method, {}))
    assert found.flags[1] == "not finite"
    assert not found.maps[1].any() and not found.heat[1].any()
    assert np.isfinite(found.maps).all()
    if method != "smooth_grad":  # whose noise goes on from image to image
        whole = explain(tapped, np.delete(images, 1, axis=0), method, 1, **FEW.get(method, {})).maps
        np.testing.assert_allclose(found.maps[[0, 2]], whole, rtol=1e-4, atol=1e-6 * np.abs(whole).max())


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("method", METHODS)
def test_a_black_and_a_white_image_give_finite_maps(method, value):
    images = np.full((2, 16, 12, 3), value, np.uint8)
    found = explain(cases.tapped("gap_cnn"), images, method, 1, **FEW.get(method, {}))
    assert np.isfinite(found.maps).all() and np.isfinite(found.heat).all()
    if value == 0 and method in (
        "gradient_times_input",
        "integrated_gradients",
        "occlusion",
    ):  # black is their baseline
        assert found.flags == ("constant", "constant") and not found.maps.any()


@pytest.mark.parametrize("kind", cases.STATED)
def test_images_of_one_colour_or_of_nan_give_zeros_and_a_flag_or_finite_maps(kind):
    tapped = cases.tapped(kind)
    images = np.stack([np.full(tapped.input_shape, value, np.float32) for value in (0, 128, np.nan)])
    for method in ("grad_cam", "saliency", "gradient_times_input"):
        found = explain(tapped, images, method, 1)
        assert np.isfinite(found.maps).all() and found.flags[2] == "not finite" and not found.maps[2].any()
        silent = [flag != "" for flag in found.flags]
        assert not found.heat[silent].any()
    assert found.flags[0] == "constant" and not found.maps[0].any()  # black times any gradient


def test_a_map_with_nothing_positive_or_nothing_different_gives_zeros_and_a_flag():
    maps = np.stack([np.full((2, 2), -1), np.full((2, 2), 3), [[-1, -2], [-3, 0]], [[-1, 2], [0, 0]]]).astype(float)
    maps = np.concatenate([maps, np.full((1, 2, 2), np.inf)])
    flags = ("constant", "constant", "no positive evidence", "", "not finite")
    found = clean(maps, np.ones(5, bool), signed=False)
    assert found[1] == flags
    assert found[0].any(axis=(1, 2)).tolist() == [False, False, False, True, False]
    kept = clean(maps, np.ones(5, bool), signed=True)
    assert kept[1] == flags
    np.testing.assert_array_equal(kept[0][:4], maps[:4])


def test_grad_cam_of_a_class_that_nothing_speaks_for_is_zero_and_flagged():
    model = cases.KINDS["gap_cnn"]()
    dense = model.get_layer("logits")
    dense.kernel.assign(-np.abs(dense.kernel))
    for method in ("grad_cam", "grad_cam_plus_plus", "layer_cam"):
        found = explain(model, cases.images_for(model, 2), method, 1)
        assert found.flags == ("no positive evidence",) * 2 or found.flags == ("constant",) * 2
        assert not found.maps.any() and not found.heat.any()
    assert np.all(explain(model, cases.images_for(model, 2), "grad_cam", 1).low_resolution <= 0)


def test_heat_lies_between_0_and_1_at_the_strongest_place():
    heat = explain(cases.tapped("gap_cnn"), cases.images_for(cases.build("gap_cnn")), "class_activation_map").heat
    assert heat.min() >= 0 and heat.max(axis=(1, 2)).tolist() == [1] * 5
    signed = explain(cases.tapped("gap_cnn"), cases.images_for(cases.build("gap_cnn")), "gradient_times_input")
    assert signed.maps.min() < 0 and signed.heat.min() == 0


def test_an_image_of_one_pixel_gives_zeros_and_a_flag():
    pixels = keras.Input((None, None, 3))
    features = layers.Conv2D(4, 3, padding="same", activation="relu", bias_initializer="ones")(pixels)
    model = keras.Model(pixels, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(features)))
    for method in ("grad_cam", "grad_cam_plus_plus", "layer_cam", "saliency"):
        found = explain(model, np.full((1, 1, 1, 3), 9), method)
        assert found.maps.shape == (1, 1, 1) and not found.maps.any() and found.flags == ("constant",)
    with pytest.raises(ExplainError, match=r"^patch must be at most the image's 1 pixels"):
        occlusion(model, np.full((1, 1, 1, 3), 9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"images": np.zeros((0, 16, 12, 3))},
            r"^images must hold at least one image\. Received: shape \(0, 16, 12, 3\)",
        ),
        (
            {"images": np.zeros((16, 12, 3))},
            r"^images must have shape \(n, 16, 12, 3\)\. .* Pass images\[np\.newaxis\]",
        ),
        (
            {"images": np.zeros((2, 12, 16, 3))},
            r"^images must have shape \(n, 16, 12, 3\), as the model takes them\. Rec",
        ),
        ({"images": np.array([["a"]])}, r"^images must be an array of numbers\. Received: dtype <U1"),
        ({"class_index": 4}, r"^class_index must lie in 0…3\. Received: 4\."),
        ({"class_index": -1}, r"^class_index must lie in 0…3\. Received: -1\."),
        ({"class_index": [0, 1, 2]}, r"^class_index must be a whole number, 2 of them \(one an image\), or None"),
        ({"class_index": 1.0}, r"^class_index must be a whole number, .* Received: float64 of shape \(\)\."),
        (
            {"layer": "conv4"},
            r"^gap_cnn has no layer 'conv4'\. Did you mean 'conv3'\? It has 9, from rescaling to probab",
        ),
        (
            {"layer": "gap"},
            r"^Layer 'gap' of gap_cnn gives \(None, 64\), not a feature map .*: conv1, conv1_pool, conv2",
        ),
        ({"batch_size": 0}, r"^batch_size must be a whole number of at least 1\. Received: batch_size=0\."),
        ({"method": "cam"}, r"^method must be one of class_activation_map, grad_cam, .* Received: method=cam\."),
        (
            {"method": "saliency", "layer": "conv1"},
            r"^saliency works on pixels and takes no layer\. Received: layer='conv",
        ),
        ({"method": "saliency", "steps": 3}, r"^saliency does not take steps\."),
        ({"method": "integrated_gradients", "steps": 0}, r"^steps must be a whole number of at least 1\."),
        (
            {"method": "integrated_gradients", "baseline": np.zeros((5, 5))},
            r"^baseline must be a number, or an array th",
        ),
        ({"method": "smooth_grad", "noise": -1}, r"^noise must be a share of at least 0\. Received: noise=-1\."),
        (
            {"method": "occlusion", "patch": 20},
            r"^patch must be at most the image's 16 pixels, and stride at most patch",
        ),
        ({"method": "occlusion", "fill": [1, 2]}, r"^fill must be a number, or one for each of 3 channels\."),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, message):
    given = {"images": np.zeros((2, 16, 12, 3)), **arguments}
    with pytest.raises(ExplainError, match=message) as caught:
        explain(cases.tapped("gap_cnn"), given.pop("images"), **given)
    assert "\n" not in str(caught.value)


def test_a_model_without_convolutions_is_explained_by_pixels_only():
    model = cases.linear()
    with pytest.raises(
        ExplainError, match=r"^linear has no convolution, so no feature map to draw\. Use a method that"
    ):
        grad_cam(model, cases.images_for(model))
    assert saliency(model, cases.images_for(model)).any()


def test_models_without_a_graph_or_with_several_ends_are_refused():
    class Subclassed(keras.Model):
        pass

    pixels = keras.Input((4, 4, 1))
    two = keras.Model(pixels, [layers.Conv2D(1, 1)(pixels), layers.Flatten()(pixels)], name="two")
    table = keras.Model(inputs := keras.Input((4,)), layers.Dense(1)(inputs), name="table")
    first = keras.Sequential([keras.Input((2, 4, 4)), layers.Conv2D(1, 1, data_format="channels_first")], name="first")
    for model, message in (
        (Subclassed(name="own"), r"^own has no graph to look into: it is a subclassed model"),
        (keras.Sequential([layers.Dense(1)], name="late"), r"^late has no graph to look into"),
        (two, r"^two must have one input and one output\. Received: 1 inputs and 2 outputs"),
        (table, r"^table must take images \(batch, height, width, channels\)\. Received: \(None, 4\)"),
        (first, r"^Layer 'conv2d.*' of first is channels_first\. Build it channels_last\.$"),
        ("model.keras", r"^model must be a keras\.Model\. Received: str\.$"),
    ):
        with pytest.raises(ExplainError, match=message):
            tap(model)


def test_an_output_whose_logits_cannot_be_told_asks_for_the_layer():
    pixels = keras.Input((4, 4, 1))
    scores = layers.Dense(2, name="scores")(layers.Flatten()(layers.Conv2D(3, 2, activation="relu")(pixels)))
    model = keras.Model(pixels, layers.Activation("tanh")(scores), name="odd")
    images = cases.images_for(model, 2)
    with pytest.raises(ExplainError, match=r"^odd ends in Tanh, and .*: tap\(model, target_layer='…'\)\.$"):
        grad_cam(model, images)
    plain = keras.Model(pixels, scores)
    np.testing.assert_array_equal(grad_cam(tap(model, target_layer="scores"), images), grad_cam(plain, images))


def test_a_layer_that_the_logits_do_not_depend_on_is_refused():
    pixels = keras.Input((4, 4, 1))
    first = layers.Conv2D(2, 1, name="first")(pixels)
    logits = layers.Dense(2, name="logits")(layers.Flatten()(first))
    later = layers.Flatten()(layers.Conv2D(2, 1, name="later")(first))
    model = keras.Model(
        pixels, layers.Dense(2, activation="softmax")(layers.Concatenate()([logits, later])), name="fork"
    )
    with pytest.raises(ExplainError, match=r"^The logits of fork do not depend on layer 'later'\.$"):
        grad_cam(tap(model, target_layer="logits"), cases.images_for(model), layer="later")


def test_a_name_that_two_nested_models_share_asks_for_the_path():
    pixels = keras.Input((4, 4, 1))
    parts = [keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(1, 1, name="conv")], name=name) for name in "ab"]
    logits = layers.Dense(2)(layers.GlobalAveragePooling2D()(parts[1](parts[0](pixels))))
    model = keras.Model(pixels, logits, name="twins")
    with pytest.raises(ExplainError, match=r"^twins has several layers named 'conv'\. Say which: a/conv, b/conv\.$"):
        tap(model, "conv")
    assert tap(model, "a/conv").find().path == "a/conv"


def test_a_model_in_mixed_precision_is_explained_in_float32():
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = cases.from_catalog("gap_cnn")
        images = cases.images_for(model)
        found = grad_cam(model, images, 1), integrated_gradients(model, images, 1, steps=2)
    finally:
        keras.config.set_dtype_policy("float32")
    full = cases.from_catalog("gap_cnn")
    full.set_weights(model.get_weights())
    np.testing.assert_array_equal(found[0], grad_cam(full, images, 1))
    np.testing.assert_array_equal(found[1], integrated_gradients(full, images, 1, steps=2))
    assert model.get_layer("conv1").compute_dtype == "bfloat16"


def test_the_float32_copy_normalises_as_the_model_does_in_nested_models_too():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = with_adapted_normalisation()
        tapped = tap(model)
    finally:
        keras.config.set_dtype_policy("float32")
    full = with_adapted_normalisation()
    full.set_weights(model.get_weights())
    images = cases.images_for(full, 4)
    logits = keras.Model(full.inputs[0], full.get_layer("logits").output)(images)
    assert np.abs(logits).max() > 0.01
    np.testing.assert_allclose(explain(tapped, images).logits, logits, rtol=1e-4, atol=1e-6)


def with_adapted_normalisation() -> keras.Model:
    """Statistics computed from data, outside and inside a nested model."""
    data = np.random.default_rng(0).normal(90, 40, (20, 8, 8, 3)).astype(np.float32)
    outer, inner = layers.Normalization(name="outer"), layers.Normalization(name="inner")
    outer.adapt(data)
    inner.adapt(data / 50)
    nested = keras.Sequential([keras.Input((8, 8, 3)), inner, layers.Conv2D(4, 3, activation="relu")], name="nested")
    pixels = keras.Input((8, 8, 3))
    vector = layers.GlobalAveragePooling2D()(nested(outer(pixels)))
    return keras.Model(pixels, layers.Dense(3, name="logits")(vector))
