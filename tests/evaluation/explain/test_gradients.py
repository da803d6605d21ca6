"""Explanations by pixel: exact on linear models, complete, and guided where a ReLU is, whatever makes it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from evaluation.explain import (
    ExplainError,
    explain,
    gradient_times_input,
    guided_backpropagation,
    integrated_gradients,
    occlusion,
    occlusion_grid,
    saliency,
    smooth_grad,
)
from evaluation.explain.gradients import input_gradients
from evaluation.explain.request import Batch
from tests.evaluation.explain import cases

layers = keras.layers


@pytest.fixture(scope="module")
def linear():
    """A linear model, its images and the weights of class 1 as an image."""
    model = cases.linear()
    return model, cases.images_for(model) / 255, model.get_layer("logits").kernel.numpy()[:, 1].reshape(6, 5, 2)


def test_of_a_linear_model_every_signed_method_gives_weight_times_pixel(linear):
    model, images, weights = linear
    parts = (images * weights).sum(-1)
    np.testing.assert_allclose(gradient_times_input(model, images, 1), parts, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(integrated_gradients(model, images, 1, steps=3), parts, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(occlusion(model, images, 1, patch=1, stride=1), parts, rtol=1e-3, atol=1e-6)


def test_of_an_additive_model_integration_and_occlusion_give_what_each_pixel_adds():
    model = cases.additive()
    images = cases.images_for(model) / 255
    (first, bias), (second, _) = (model.get_layer(name).get_weights() for name in ("hidden", "parts"))
    answers = [np.maximum(pixels @ first[0, 0] + bias, 0) @ second[0, 0][:, 1] for pixels in (images, np.zeros(2))]
    parts = (answers[0] - answers[1]) / 30
    np.testing.assert_allclose(occlusion(model, images, 1, patch=1, stride=1), parts, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(integrated_gradients(model, images, 1, steps=512), parts, rtol=0.01, atol=1e-4)


def test_of_a_linear_model_saliency_is_the_largest_absolute_weight_and_noise_changes_nothing(linear):
    model, images, weights = linear
    expected = np.broadcast_to(np.abs(weights).max(-1), (5, 6, 5))
    np.testing.assert_allclose(saliency(model, images, 1), expected, rtol=1e-6)
    np.testing.assert_allclose(smooth_grad(model, images, 1, samples=3), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", [*cases.STATED, "gap_cnn_binary"])
def test_integrated_gradients_add_up_to_the_change_of_the_logit(kind):
    images = cases.images_for(cases.build(kind), 2)
    found = explain(cases.tapped(kind), images, "integrated_gradients", 1, steps=128, baseline=20)
    start = explain(cases.tapped(kind), np.full_like(images, 20), "saliency", 1)
    change = (found.logits - start.logits)[:, 0 if kind == "gap_cnn_binary" else 1]
    np.testing.assert_allclose(found.maps.sum((1, 2)), change, rtol=0.02, atol=1e-5)
    assert found.flags == ("", "")


def test_integrated_gradients_with_too_few_steps_are_flagged():
    pixels = keras.Input((4, 4, 1))
    late = layers.Dense(2, activation="relu")(layers.Flatten()(pixels))
    model = keras.Model(pixels, layers.Dense(1, activation="sigmoid")(late))
    model.set_weights([np.ones((16, 2)), np.full(2, -15.0), np.ones((2, 1)), np.zeros(1)])
    ones = np.ones((1, 4, 4, 1))
    coarse, fine = (explain(model, ones, "integrated_gradients", 1, steps=steps) for steps in (2, 256))
    assert (coarse.flags, fine.flags) == (("incomplete",), ("constant",))  # all pixels do the same here
    np.testing.assert_allclose(fine.maps.sum(), 2, rtol=0.02)


def test_the_gradient_of_a_relu_square_taken_away_is_stopped_by_guided_backpropagation():
    pixels = keras.Input((3, 3, 1))
    positive = layers.ReLU()(pixels)
    score = -keras.ops.sum(positive * positive, axis=(1, 2))
    model = keras.Model(pixels, layers.Dense(1, use_bias=False, kernel_initializer="ones", name="logits")(score))
    images = np.random.default_rng(0).normal(size=(2, 3, 3, 1))
    np.testing.assert_allclose(saliency(model, images, 1), 2 * np.maximum(images[..., 0], 0), rtol=1e-5)
    found = explain(model, images, "guided_backpropagation", 1)
    assert not found.maps.any()
    assert found.flags == ("constant", "constant")


def by_hand(kernels, images, rule):
    """Gradient of the first of two dense units on two ReLU layers, with the rule of a ReLU applied by NumPy."""
    first = images.reshape(len(images), -1) @ kernels[0]
    second = np.maximum(first, 0) @ kernels[1]
    back = np.tile(kernels[2][:, 0], (len(images), 1))
    for values, kernel in ((second, kernels[1]), (first, kernels[0])):
        back = back if rule == "plain" else np.maximum(back, 0)
        back = (back if rule == "deconvnet" else back * (values > 0)) @ kernel.T
    return back.reshape(images.shape)


@pytest.mark.parametrize("kind", ["activation", "layer", "nested"])
def test_a_rule_holds_wherever_the_relu_stands(kind):
    generator = np.random.default_rng(4)
    kernels = [generator.normal(size=shape) for shape in ((9, 6), (6, 5), (5, 2))]
    pixels = keras.Input((3, 3, 1))
    dense = {"use_bias": False, "activation": "relu" if kind == "activation" else None}
    blocks = [layers.Dense(6, **dense), layers.Dense(5, **dense)]
    if kind != "activation":
        blocks = [layer for block in blocks for layer in (block, layers.ReLU())]
    inner = [keras.Sequential([keras.Input((9,)), *blocks])] if kind == "nested" else blocks
    model = keras.Sequential([pixels, layers.Flatten(), *inner, layers.Dense(2, use_bias=False, activation="softmax")])
    model.set_weights(kernels)
    images = generator.normal(size=(3, 3, 3, 1)).astype(np.float32)
    batch = Batch(images, np.zeros(3, np.int32), np.ones(3, bool))
    for rule in ("plain", "guided", "deconvnet"):
        gradients = input_gradients(cases.tap(model), batch, rule)[0]
        np.testing.assert_allclose(gradients, by_hand(kernels, images, rule), rtol=1e-4, atol=1e-5)
    assert not np.allclose(by_hand(kernels, images, "plain"), by_hand(kernels, images, "guided"))


@pytest.mark.parametrize("kind", [*cases.STATED, "users"])
def test_guided_backpropagation_differs_from_the_plain_gradient(kind):
    images = cases.images_for(cases.build(kind), 2)
    plain, guided = (
        explain(cases.tapped(kind), images, name, 1).maps for name in ("saliency", "guided_backpropagation")
    )
    assert np.abs(plain - guided).max() > 0.1 * plain.max()


def test_guided_backpropagation_without_a_relu_is_refused():
    model = cases.linear()
    with pytest.raises(
        ExplainError, match=r"^The model has no ReLU, so its guided gradient is the plain one\. Use saliency"
    ):
        guided_backpropagation(model, cases.images_for(model))


def test_smooth_grad_is_the_mean_gradient_of_noisy_copies_and_repeats_with_its_seed():
    images = cases.images_for(cases.build("gap_cnn"), 2)
    tapped = cases.tapped("gap_cnn")
    first, again, other = (smooth_grad(tapped, images, 1, samples=5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    np.testing.assert_allclose(smooth_grad(tapped, images, 1, noise=0), saliency(tapped, images, 1), rtol=1e-4)
    image = images[:1]
    noise = np.random.default_rng(1).standard_normal((5, *image.shape[1:]), dtype=np.float32)
    copies = Batch(image + 0.15 * np.ptp(image) * noise, np.ones(5, np.int32), np.ones(5, bool))
    expected = np.abs(input_gradients(tapped, copies)[0].mean(0)).max(-1)
    np.testing.assert_allclose(smooth_grad(tapped, image, 1, samples=5, seed=1)[0], expected, rtol=1e-4)


def test_an_occlusion_grid_is_what_the_model_answers_when_a_patch_is_covered():
    model = cases.build("cifar_cnn")
    images = cases.images_for(model, 2)
    grid = occlusion_grid(cases.tapped("cifar_cnn"), images, [1, 2], patch=5, stride=4, fill=[9, 8, 7], batch_size=4)
    assert (grid.tops.tolist(), grid.lefts.tolist()) == ([0, 4, 8, 11], [0, 4, 7])
    images[1, 8:13, 7:12] = (9, 8, 7)
    answers = np.asarray(model(images[1:]))[0]
    np.testing.assert_allclose(grid.probability[1, 2, 2], answers[2], rtol=1e-5)
    assert grid.label[1, 2, 2] == answers.argmax()


def test_an_occlusion_map_is_the_mean_fall_of_the_patches_that_cover_a_pixel():
    images = cases.images_for(cases.build("gap_cnn_binary"), 1)
    tapped = cases.tapped("gap_cnn_binary")
    found = explain(tapped, images, "occlusion", 0, patch=6, stride=4)
    grid = occlusion_grid(tapped, images, 0, patch=6, stride=4)
    falls = -grid.logits[0, 0] - grid.logit[0]
    covering = [(row, column) for row in (1, 2) for column in (0, 1)]  # pixel (9, 5): tops 4 and 8, lefts 0 and 4
    assert (grid.tops.tolist(), grid.lefts.tolist()) == ([0, 4, 8, 10], [0, 4, 6])
    np.testing.assert_allclose(found.maps[0, 9, 5], np.mean([falls[place] for place in covering]), rtol=1e-4)
