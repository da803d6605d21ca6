"""The check by drawing weights anew runs on the drawn model, and tells methods that ignore it."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from scipy.stats import spearmanr

from evaluation.explain import ExplainError, explain, tap
from evaluation.explain.likeness import agreement, rank_correlation, structural_similarity, top_overlap
from evaluation.explain.sanity import RandomisationSettings, randomisation_check, randomised
from tests.evaluation.explain import cases
from tests.evaluation.explain.test_unchanged import digest

LAYERS = {
    "gap_cnn": ("logits", "conv3", "conv2", "conv1"),
    "cifar_cnn": ("logits", "hidden", "conv3", "conv2", "conv1"),
    "cifar_cnn_functional": ("logits", "hidden", "conv3", "conv2", "conv1"),
    "mobilenet": ("logits", *(f"conv_{kind}_{block}" for block in (3, 2, 1) for kind in ("pw", "dw")), "conv1"),
    "nested": ("head/dense", "backbone/second", "backbone/first"),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_weights_are_drawn_anew_from_the_logits_down_without_touching_the_model(kind):
    model = cases.build(kind)
    images = cases.images_for(model, 3)
    before = digest(model), random.getstate(), np.random.get_state()[1].tobytes()
    found = randomisation_check(cases.tapped(kind), images, "saliency", 1)
    assert all(name.startswith(start) for name, start in zip(found.layers, LAYERS[kind], strict=True))
    assert before == (digest(model), random.getstate(), np.random.get_state()[1].tobytes())
    again = randomisation_check(cases.tapped(kind), images, "saliency", 1)
    np.testing.assert_allclose(found.correlation, again.correlation, atol=1e-4)


def test_the_explainer_runs_on_the_drawn_model():
    """Against a copy made by hand and explained from its file's point of view: as if nothing were shared."""
    model = cases.build("gap_cnn")
    images = cases.images_for(model, 3)
    copy = randomised(cases.tapped("gap_cnn"), ("logits", "conv3"))
    own = cases.KINDS["gap_cnn"]()
    own.set_weights(copy.model.get_weights())
    first, second = (model.get_layer(name).get_weights()[0] for name in ("conv2", "conv3"))
    np.testing.assert_array_equal(own.get_layer("conv2").get_weights()[0], first)
    assert np.abs(own.get_layer("conv3").get_weights()[0] - second).mean() > 0.01
    classes = explain(model, images).class_index
    expected = rank_correlation(explain(model, images).maps, explain(own, images, "grad_cam", classes).maps)
    found = randomisation_check(model, images, "grad_cam")
    np.testing.assert_allclose(found.correlation[1], expected, atol=1e-4)
    assert np.nanmax(found.correlation[-1]) < 0.9


def test_independent_randomisation_draws_one_layer_and_keeps_the_others():
    model = cases.build("gap_cnn")
    images = cases.images_for(model, 2)
    alone = randomisation_check(model, images, "saliency", 1, settings=RandomisationSettings("independent"))
    copy = randomised(model, ("conv2",))
    for name in ("conv1", "conv3", "logits"):
        np.testing.assert_array_equal(copy.model.get_layer(name).get_weights()[0], model.get_layer(name).kernel)
    maps = [explain(one, images, "saliency", 1).maps for one in (model, copy)]
    np.testing.assert_allclose(alone.correlation[2], rank_correlation(*maps), atol=1e-4)


def test_a_method_that_ignores_the_model_is_told_by_a_correlation_of_1_and_chance_by_0():
    images = cases.images_for(cases.build("gap_cnn"), 8)
    edges, chance = (randomisation_check(cases.tapped("gap_cnn"), images, name) for name in ("edges", "random"))
    np.testing.assert_allclose(edges.correlation, 1)
    np.testing.assert_allclose(edges.similarity, 1)
    assert np.abs(chance.correlation.mean()) < 0.1
    assert all(estimate.denominator == 8 for estimate in chance.estimates)


def test_deep_networks_are_drawn_in_steps_with_their_normalisation():
    tapped = cases.tapped("mobilenet")
    images = cases.images_for(tapped.model, 2)
    settings = RandomisationSettings(most_steps=3)
    found = randomisation_check(tapped, images, "grad_cam", settings=settings)
    assert len(found.layers) == 3 and found.layers[-1] == "conv1"
    copy = randomised(tapped)
    assert (copy.model.get_layer("conv1_bn").moving_mean.numpy() == 0).all()


def test_preprocessing_is_never_drawn_anew():
    pixels = keras.Input((8, 8, 3))
    normal = keras.layers.Normalization(mean=[1.0, 2, 3], variance=[4.0, 5, 6], name="normal")
    adapted = keras.layers.Normalization(name="adapted")
    adapted.adapt(np.random.default_rng(0).normal(5, 2, (10, 8, 8, 3)))
    features = keras.layers.Conv2D(2, 3)(adapted(normal(pixels)))
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(features))
    model = keras.Model(pixels, outputs)
    copy = randomised(model).model
    np.testing.assert_array_equal(copy.get_layer("adapted").mean, adapted.mean)
    np.testing.assert_array_equal(copy.get_layer("normal").mean, normal.mean)
    images = cases.images_for(model)
    np.testing.assert_allclose(randomised(model, ()).model(images), model(images), rtol=1e-5)


def test_likeness_equals_scipys_and_scikit_images():
    generator = np.random.default_rng(0)
    first, second = generator.random((3, 14, 12)), generator.random((3, 14, 12)).round(1)
    second[2] += 3 * first[2]
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_correlation(first, second), expected)
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image, a test's oracle, is absent")
    unit = [(one - one.min((1, 2), keepdims=True)) / np.ptp(one, axis=(1, 2), keepdims=True) for one in (first, second)]
    options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 1.0, "full": True}
    expected = [metrics.structural_similarity(a, b, **options)[1].mean() for a, b in zip(*unit, strict=True)]
    np.testing.assert_allclose(structural_similarity(first, second), expected, rtol=1e-6)


def test_overlap_counts_the_strongest_pixels_of_both():
    first = np.arange(20.0).reshape(1, 4, 5)
    assert top_overlap(first, first, 0.2).tolist() == [1]
    assert top_overlap(first, -first, 0.2).tolist() == [0]
    shifted = np.roll(first.reshape(-1), 2).reshape(1, 4, 5)
    assert top_overlap(first, shifted, 0.2).tolist() == [2 / 6]  # the last four against the last two and the first two
    found = agreement({"one": first, "two": shifted, "none": np.zeros((1, 4, 5))}, share=0.2)
    assert found.correlation[0, 1] == pytest.approx(spearmanr(first.ravel(), shifted.ravel()).statistic)
    assert np.isnan(found.correlation[0, 2]) and found.count[0].tolist() == [1, 1, 0]
    assert found.chance == pytest.approx(0.2 / 1.8)


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan, np.inf])
def test_maps_that_say_nothing_have_no_likeness(value):
    nothing, something = np.full((1, 12, 12), value), np.random.default_rng(0).random((1, 12, 12))
    for measure in (rank_correlation, structural_similarity):
        assert np.isnan(measure(nothing, something)).all() and np.isnan(measure(something, nothing)).all()
    assert 0 <= top_overlap(nothing, something)[0] <= 1


def test_what_does_not_fit_is_refused():
    model = cases.tapped("gap_cnn")
    images = cases.images_for(model.model, 1)
    with pytest.raises(ExplainError, match=r"^gap_cnn has no layer with weights 'conv9'\. It has: \['conv1', "):
        randomised(model, ("conv9",))
    with pytest.raises(ExplainError, match=r"^method must be one of .*, random, edges\. Received: method=cam\.$"):
        randomisation_check(model, images, "cam")
    with pytest.raises(ExplainError, match=r"^mode must be cascading or independent\. Received: mode=all\.$"):
        RandomisationSettings("all")
    with pytest.raises(ExplainError, match=r"^most_steps must be at least 1\. Received: most_steps=0\.$"):
        RandomisationSettings(most_steps=0)
    with pytest.raises(ExplainError, match=r"^both must be maps of one shape"):
        rank_correlation(np.zeros((1, 2, 3)), np.zeros((1, 3, 2)))
    flat = keras.layers.Flatten(name="flatten")
    plain = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.AveragePooling2D(4), flat])
    with pytest.raises(ExplainError, match=r" has no weights to draw anew\.$"):
        randomisation_check(tap(plain, target_layer="flatten"), np.zeros((1, 4, 4, 1)), "edges")
