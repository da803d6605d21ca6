"""Pictures made by gradient ascent: activation maximisation, class images, DeepDream."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from evaluation.explain import ExplainError, tap
from evaluation.explain.canvas import Canvas, total_variation_gradient
from evaluation.explain.dream import deep_dream
from evaluation.explain.feature_maps import activations
from evaluation.explain.maximisation import Recipe, class_images, maximise
from evaluation.explain.patches import top_patches
from tests.evaluation.explain import cases
from tests.evaluation.explain.test_unchanged import digest

QUICK = Recipe(steps=40, learning_rate=0.15)


@pytest.fixture(scope="module")
def tapped():
    return cases.tapped("cifar_cnn")


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        *(("cifar_cnn", layer) for layer in ("conv1", "conv2_pool", "hidden")),
        *(
            ("gap_cnn", "conv3"),
            ("cifar_cnn_functional", "conv3"),
            ("mobilenet", "conv_pw_2_relu"),
            ("nested", "backbone/out"),
        ),
    ],
)
def test_pictures_end_above_the_best_image_of_a_data_set(kind, layer):
    tapped = cases.tapped(kind)
    images = cases.images_for(tapped.model, 200)
    best = top_patches(tapped, [(images, range(200))], layers=[layer], k=1).layers[layer]
    units = np.flatnonzero(~best.silent)[:4]
    made = maximise(tapped, layer, units, recipe=QUICK)
    assert (made.answers > best.scores[units, 0]).all() and (made.answers > made.starts).all()
    assert made.images.min() >= 0 and made.images.max() <= 255
    found = activations(tapped, made.images, layer)
    largest = found.reshape(len(units), -1, found.shape[-1]).max(axis=1)
    np.testing.assert_allclose(made.answers, largest[np.arange(len(units)), units], rtol=1e-4)


def test_class_images_raise_the_logit_of_their_class_above_every_image(tapped):
    images = cases.images_for(tapped.model, 200)
    made = class_images(tapped, [0, 3], recipe=QUICK)
    logits = activations(tapped, images, "logits")
    assert (made.answers > logits[:, [0, 3]].max(axis=0)).all()
    np.testing.assert_allclose(made.answers, activations(tapped, made.images, "logits")[[0, 1], [0, 3]], rtol=1e-4)
    binary = cases.tapped("gap_cnn_binary")
    both = class_images(binary, [0, 1], recipe=QUICK)
    signs = activations(binary, both.images, "logits")[:, 0]
    np.testing.assert_allclose(both.answers, [-signs[0], signs[1]], rtol=1e-4)


def test_the_same_seed_gives_the_same_pictures_whatever_the_global_state_and_changes_no_model():
    model = cases.KINDS["nested"]()
    before = digest(model)
    one = maximise(model, "out", [0], recipe=replace(QUICK, steps=4))
    keras.utils.set_random_seed(123)
    again = maximise(model, "out", [0], recipe=replace(QUICK, steps=4))
    other = maximise(model, "out", [0], recipe=replace(QUICK, steps=4, seed=1))
    np.testing.assert_array_equal(one.images, again.images)
    assert not np.array_equal(one.images, other.images) and digest(model) == before


def test_no_steps_give_the_noise_and_the_unit_in_the_centre_has_its_box(tapped):
    made = maximise(tapped, "conv2", [1], recipe=Recipe(steps=0))
    np.testing.assert_array_equal(made.answers, made.starts)
    assert made.history.shape == (0, 1) and np.abs(made.images - 127.5).max() < 20
    assert made.box == (8, 6, 13, 11)  # conv2's place (4, 3) sees 5×5 pixels from twice its place on


@pytest.mark.parametrize("basis", ["fourier", "pixel"])
def test_a_step_upwards_raises_what_is_maximised(basis):
    target = np.random.default_rng(1).random((2, 9, 8, 3)).astype(np.float32)
    canvas = Canvas(target.shape, basis, 0.1, np.random.default_rng(0))
    start = np.square(canvas.shades() - target).mean()
    for _ in range(60):
        canvas.step(target - canvas.shades(), stuck=np.zeros(2, bool))
    assert np.square(canvas.shades() - target).mean() < 0.3 * start


def test_total_variation_has_the_gradient_of_its_definition():
    shades = np.random.default_rng(0).random((1, 4, 5, 2))

    def variation(values):
        padded = np.pad(values, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge")
        down, right = np.diff(padded, axis=1)[:, :, :-1], np.diff(padded, axis=2)[:, :-1]
        return np.sqrt(down**2 + right**2 + 1e-4).sum()

    expected = np.zeros_like(shades)
    for index in np.ndindex(shades.shape):
        step = np.zeros_like(shades)
        step[index] = 1e-5
        expected[index] = (variation(shades + step) - variation(shades - step)) / 2e-5
    np.testing.assert_allclose(total_variation_gradient(shades), expected, atol=1e-5)


@pytest.mark.parametrize("kind", cases.STATED)
def test_a_dream_of_no_steps_is_the_image(kind):
    image = cases.images_for(cases.build(kind), 1)[0]
    np.testing.assert_array_equal(deep_dream(cases.tapped(kind), image, steps=0), image)


def test_a_dream_of_some_steps_excites_the_layer(tapped):
    image = cases.images_for(tapped.model, 1)[0]
    dreamt = deep_dream(tapped, image, "conv2", steps=3)
    before, after = activations(tapped, np.stack([image, dreamt]), "conv2")
    assert np.square(after).mean() > 1.1 * np.square(before).mean()
    assert dreamt.min() >= 0 and dreamt.max() <= 255
    np.testing.assert_array_equal(deep_dream(tapped, image, "conv2", steps=3), dreamt)


def test_a_dream_takes_images_of_any_size_and_octaves(tapped):
    image = np.random.default_rng(0).integers(0, 256, (40, 52, 3)).astype(np.uint8)
    assert deep_dream(tapped, image, "conv3", steps=1, octaves=3).shape == (40, 52, 3)
    constant = deep_dream(tapped, np.full((16, 16, 3), 128.0), "conv1", steps=1)
    assert np.isfinite(constant).all() and constant.shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: maximise(model, "conv9", [0]), "has no layer 'conv9'"),
        (lambda model: maximise(model, "conv1", [16]), r"units must lie in 0…15. Received: 16"),
        (lambda model: maximise(model, "conv1", []), "units must be a list of whole numbers"),
        (lambda model: class_images(model, [4]), r"class_index must lie in 0…3. Received: 4"),
        (lambda model: maximise(model, "conv1", [0], recipe=Recipe(steps=-1)), "steps and jitter must be at least 0"),
        (lambda model: maximise(model, "conv1", [0], recipe=Recipe(basis="wave")), "basis must be fourier or pixel"),
        (lambda model: maximise(model, "conv1", [0], size=(8, 8)), r"size must be what .* takes, \(16, 12\)"),
        (lambda model: deep_dream(model, np.zeros((4, 4))), "image must have shape"),
        (lambda model: deep_dream(model, np.full((16, 12, 3), np.nan)), "image must be finite"),
        (lambda model: deep_dream(model, np.zeros((16, 12, 3)), octaves=0), "octaves at least 1"),
        (lambda model: deep_dream(model, np.zeros((16, 12, 3)), "hidden"), "not a feature map"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(tapped, call, message):
    with pytest.raises(ExplainError, match=message):
        call(tapped)


def test_a_model_without_convolutions_has_class_images_but_no_dream():
    tapped = tap(cases.linear())
    made = class_images(tapped, [0], recipe=replace(QUICK, steps=5))
    assert made.answers[0] > made.starts[0] and made.images.shape == (1, 6, 5, 2)
    with pytest.raises(ExplainError, match="has no convolution"):
        deep_dream(tapped, np.zeros((6, 5, 2)))
