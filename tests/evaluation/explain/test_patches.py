"""The strongest patches of every unit, streamed, and their projections."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from evaluation.explain import ExplainError, tap
from evaluation.explain.feature_maps import activations
from evaluation.explain.patches import layers_to_see, top_patches
from evaluation.explain.projections import project, unit_patches
from tests.evaluation.explain import cases
from tests.evaluation.explain.test_unchanged import digest

COUNT = 24


def stream(images, size=7, start=0):
    for first in range(0, len(images), size):
        part = images[first : first + size]
        yield part, [f"image{start + first + number}" for number in range(len(part))]


@pytest.mark.parametrize("kind", cases.STATED)
def test_all_units_of_all_layers_in_one_pass_equal_sorting_everything(kind):
    model, tapped = cases.build(kind), tap(cases.build(kind))
    images = cases.images_for(model, COUNT).astype(np.uint8)
    layers = ["conv1_relu", "conv_dw_2_relu", "conv_pw_3_relu", "logits"] if kind == "mobilenet" else None
    found = top_patches(tapped, stream(images), layers=layers, k=9, batch_size=3)
    assert list(found.layers) == (layers or layers_to_see(tapped)) and found.count == COUNT and tapped.traces == 1
    for layer, one in found.layers.items():
        answers = activations(tapped, images, layer, batch_size=4)
        flat = answers.reshape(COUNT, -1, answers.shape[-1])
        largest = flat.max(axis=1).T
        order = np.argsort(-largest, axis=1, kind="stable")[:, :9]
        np.testing.assert_allclose(one.scores, np.take_along_axis(largest, order, axis=1), rtol=1e-4, atol=1e-6)
        width = answers.shape[2] if answers.ndim == 4 else 1
        at = flat[one.images, one.rows * width + one.columns, np.arange(len(order))[:, None]]
        np.testing.assert_allclose(at, one.scores, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(one.mean, largest.mean(axis=1), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(one.deviation, largest.std(axis=1), rtol=1e-3, atol=1e-5)
        distinct = np.diff(np.sort(-largest, axis=1)[:, :10], axis=1).min(axis=1) > 1e-4 * largest.max(axis=1)
        np.testing.assert_array_equal(one.images[distinct], order[distinct])


def test_equal_answers_are_ordered_by_image_and_by_place():
    images = np.repeat(cases.images_for(cases.build("gap_cnn"), 3), 4, axis=0)
    images[:] = images[:1] // 64 * 64
    images[8:] = 7.0
    found = top_patches(cases.tapped("gap_cnn"), stream(images, 5), layers=["conv1"], k=6).layers["conv1"]
    plain = activations(cases.tapped("gap_cnn"), images[:1], "conv1")[0]
    flat = activations(cases.tapped("gap_cnn"), images[8:9], "conv1")[0].max(axis=(0, 1))
    stronger = plain.max(axis=(0, 1)) > flat + 1e-6
    assert stronger.any()
    assert (found.images[stronger] == np.arange(6)).all()
    first = plain.reshape(-1, plain.shape[-1]).argmax(axis=0)
    np.testing.assert_array_equal((found.rows * plain.shape[1] + found.columns)[stronger, 0], first[stronger])


def test_the_layers_shown_are_features_after_their_activation_and_the_logits():
    assert layers_to_see(cases.build("cifar_cnn")) == [
        *("conv1", "conv1_pool", "conv2", "conv2_pool", "conv3", "conv3_pool", "hidden", "logits")
    ]
    assert layers_to_see(cases.build("mobilenet"))[:3] == ["conv1_relu", "conv_dw_1_relu", "conv_pw_1_relu"]
    residual = layers_to_see(cases.build("residual"))
    assert {"stem", "conv1", "added", "conv2"} < set(residual) and not {"bn1", "bn2"} & set(residual)


def test_units_that_are_capped_are_ranked_by_what_lies_above_the_cap():
    tapped = cases.tapped("mobilenet")
    images = 20 * cases.images_for(tapped.model, 6)
    one = top_patches(tapped, stream(images), layers=["conv1_relu"], k=3).layers["conv1_relu"]
    before = activations(tapped, images, "conv1_bn").max(axis=(1, 2)).T
    order = np.argsort(-before, axis=1)[:, :3]
    loud = before.max(axis=1) > 6
    assert loud.any() and activations(tapped, images, "conv1_relu").max() == 6
    np.testing.assert_array_equal(one.images[loud], order[loud])
    np.testing.assert_allclose(one.scores[loud], np.take_along_axis(before, order, axis=1)[loud], rtol=1e-5)


def test_patches_are_the_pixels_that_the_unit_saw_and_projections_lie_inside():
    model, tapped = cases.build("cifar_cnn"), cases.tapped("cifar_cnn")
    images = cases.images_for(model, 12).astype(np.uint8)
    found = top_patches(tapped, stream(images), layers=["conv2", "hidden"], k=4)
    for layer in found.layers:
        for one in unit_patches(tapped, found, images.__getitem__, layer, [0, 3], rule="guided"):
            numbers = found.layers[layer].images[one.unit]
            assert one.ids == tuple(f"image{number}" for number in numbers) and len(one.boxes) == 4
            for number, box, patch in zip(numbers, one.boxes, one.patches, strict=True):
                inside = images[number][box.top : box.bottom, box.left : box.right]
                assert sorted(patch.ravel()) == sorted([*inside.ravel(), *[128] * (patch.size - inside.size)])
            assert one.projections.shape == one.patches.shape and (one.silent or one.projections.any())


@pytest.mark.parametrize("rule", ["plain", "guided", "deconvnet"])
def test_projections_are_the_products_of_the_rules_in_numpy(rule):
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(3, 4)), generator.normal(size=(4, 2))
    model = keras.Sequential(
        [keras.Input((2, 2, 3)), keras.layers.Conv2D(4, 1, activation="relu", name="a"),
         keras.layers.Conv2D(2, 1, activation="relu", name="b"), keras.layers.GlobalAveragePooling2D()]
    )  # fmt: skip
    model.set_weights([first[None, None], np.zeros(4), second[None, None], np.zeros(2)])
    image = generator.normal(size=(1, 2, 2, 3)).astype(np.float32)
    hidden = np.maximum(image[0, 1, 0] @ first, 0)
    outputs = np.maximum(hidden @ second, 0)
    upstream = second[:, 1] * (1 if rule == "deconvnet" else outputs[1] > 0)
    if rule != "plain":
        upstream = np.maximum(upstream, 0)
    if rule != "deconvnet":
        upstream = upstream * (hidden > 0)
    expected = np.zeros((2, 2, 3))
    expected[1, 0] = first @ upstream
    np.testing.assert_allclose(project(model, image, "b", [1], [(1, 0)], rule=rule)[0], expected, atol=1e-6)


def test_the_deconvolution_network_differs_from_guided_backpropagation():
    tapped, images = cases.tapped("nested"), cases.images_for(cases.build("nested"), 2)
    guided, plain, deconvnet = (
        project(tapped, images, "out", [0, 1], [(2, 2)] * 2, rule=rule) for rule in ("guided", "plain", "deconvnet")
    )
    assert not np.allclose(guided, plain) and not np.allclose(guided, deconvnet)


def test_nothing_of_the_model_changes():
    model = cases.KINDS["nested"]()
    images, before = cases.images_for(model, 5), digest(model)
    found = top_patches(model, stream(images), k=2)
    unit_patches(model, found, images.__getitem__, "out", [0], rule="deconvnet")
    assert digest(model) == before


def test_images_that_are_not_finite_are_left_out_and_counted():
    images = cases.images_for(cases.build("gap_cnn"), 4)
    images[1, 3, 3, 0] = np.nan
    found = top_patches(cases.tapped("gap_cnn"), stream(images, 3), layers=["conv1"], k=5)
    assert (found.count, found.skipped) == (4, 1)
    one = found.layers["conv1"]
    assert not (one.images == 1).any() and (one.images[:, 3:] == -1).all() and np.isneginf(one.scores[:, 3:]).all()
    assert sorted(found.ids) == [0, 2, 3]
    only_bad = top_patches(cases.tapped("gap_cnn"), stream(images[1:2]), layers=["conv1"])
    (empty,) = unit_patches(cases.tapped("gap_cnn"), only_bad, images.__getitem__, "conv1", [0])
    assert empty.silent and len(empty.ids) == 0 and empty.patches.size == 0


def test_a_unit_that_never_answers_is_silent_and_black_images_are_no_obstacle():
    model = cases.KINDS["gap_cnn"]()
    model.get_layer("conv1").bias.assign([-1e6] + [0.0] * 15)
    found = top_patches(model, stream(np.zeros((3, *cases.SHAPE), np.uint8)), layers=["conv1"], k=2).layers["conv1"]
    assert found.silent.all() and (found.images == [0, 1]).all() and not found.rows.any()


def test_a_unit_that_answers_to_few_images_is_the_most_selective():
    model = keras.Sequential(
        [keras.Input((4, 4, 2)), keras.layers.Conv2D(2, 1, name="a"), keras.layers.GlobalAveragePooling2D()]
    )
    model.set_weights([np.eye(2)[None, None], np.zeros(2)])
    images = np.zeros((20, 4, 4, 2), np.float32)
    images[:, 0, 0, 0] = np.arange(20)
    images[:2, 1, 1, 1] = 20
    found = top_patches(model, stream(images), layers=["a"], k=2).layers["a"]
    np.testing.assert_allclose(found.selectivity, [(18 - 9.5) / np.arange(20).std(), (20 - 2) / 6], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["conv9"]}, "has no layer 'conv9'. Did you mean 'conv"),
        ({"layers": "conv1"}, "layers must be a list of names"),
        ({"layers": []}, "layers must be a list of names"),
        ({"k": 0}, "k must be a whole number of at least 1. Received: k=0"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
    ],
)
def test_bad_requests_are_refused_in_words(options, message):
    images = cases.images_for(cases.build("gap_cnn"), 2)
    with pytest.raises(ExplainError, match=message):
        top_patches(cases.tapped("gap_cnn"), stream(images), **options)


def test_bad_streams_models_and_units_are_refused_in_words():
    images, tapped = cases.images_for(cases.build("gap_cnn"), 2), cases.tapped("gap_cnn")
    with pytest.raises(ExplainError, match="at least one image. Received: none"):
        top_patches(tapped, [])
    with pytest.raises(ExplainError, match="every image needs an id. Received: 2 images, 1 ids"):
        top_patches(tapped, [(images, ["a"])])
    with pytest.raises(ExplainError, match="images must have shape"):
        top_patches(tapped, [(images[:, :4], ["a", "b"])])
    with pytest.raises(ExplainError, match="has no convolution"):
        top_patches(cases.linear(), [(np.zeros((1, 6, 5, 2)), ["a"])])
    found = top_patches(tapped, [(images, ["a", "b"])], layers=["conv1"])
    with pytest.raises(ExplainError, match=r"units of 'conv1' must lie in 0…15. Received: 16"):
        unit_patches(tapped, found, images.__getitem__, "conv1", [16])
    with pytest.raises(ExplainError, match="no patches of layer 'conv2' were looked for. There are: conv1"):
        unit_patches(tapped, found, images.__getitem__, "conv2", [0])
