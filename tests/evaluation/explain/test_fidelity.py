"""Deletion and insertion on an additive model, where the right order is known, and the table of all measures."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from evaluation.explain import ExplainError, explain, tap
from evaluation.explain.baselines import edge_maps, random_maps
from evaluation.explain.fidelity import CurveSettings, deletion_curves, insertion_curves, ranked, replacements
from evaluation.explain.fidelitytable import TableSettings, fidelity_table
from tests.evaluation.explain import cases

EACH_PIXEL = CurveSettings(steps=30, baseline=0, score="logit")


@pytest.fixture(scope="module", params=["linear", "additive"])
def additive(request):
    """A model that adds up a function of each pixel, its images, and each pixel's part of the logit of class 1."""
    if request.param == "linear":
        model = cases.linear()
        images = cases.images_for(model) / 255
        weights = model.get_layer("logits").kernel.numpy()[:, 1].reshape(6, 5, 2)
        return tap(model), images, (images * weights).sum(-1)
    model = cases.additive()
    images = cases.images_for(model) / 255
    (first, bias), (second, _) = (model.get_layer(name).get_weights() for name in ("hidden", "parts"))
    answers = [np.maximum(pixels @ first[0, 0] + bias, 0) @ second[0, 0][:, 1] for pixels in (images, np.zeros(2))]
    return tap(model), images, (answers[0] - answers[1]) / 30


def test_the_oracles_curve_is_the_exact_mirror_of_its_reverse_and_chance_lies_between(additive):
    model, images, parts = additive
    for curves, sign in ((deletion_curves, 1), (insertion_curves, -1)):
        oracle, reverse = (curves(model, images, order, 1, settings=EACH_PIXEL) for order in (parts, -parts))
        ends = oracle.scores[:, :1] + oracle.scores[:, -1:]
        np.testing.assert_allclose(oracle.scores + reverse.scores[:, ::-1], np.broadcast_to(ends, (5, 31)), atol=1e-5)
        chance = [curves(model, images, random_maps(images, seed), 1, settings=EACH_PIXEL).areas for seed in range(9)]
        assert np.all(sign * oracle.areas < sign * np.array(chance))
        assert np.all(sign * np.array(chance) < sign * reverse.areas)


def test_a_deletion_curve_takes_the_parts_away_one_by_one(additive):
    model, images, parts = additive
    found = deletion_curves(model, images, parts, 1, settings=EACH_PIXEL)
    logits = explain(model, images, "saliency", 1).logits[:, 1:2]
    taken = np.cumsum(-np.sort(-parts.reshape(5, 30), axis=1), axis=1)
    np.testing.assert_allclose(found.scores, np.concatenate([logits, logits - taken], axis=1), atol=1e-5)
    heights = (found.scores[:, 1:] + found.scores[:, :-1]) / 2
    np.testing.assert_allclose(found.areas, heights.mean(axis=1), rtol=1e-6)
    assert found.area.value == pytest.approx(found.areas.mean()) and found.area.denominator == 5
    assert found.area.low < found.area.value < found.area.high


def test_insertion_is_deletion_from_the_other_side(additive):
    model, images, parts = additive
    put = insertion_curves(model, images, parts, 1, settings=EACH_PIXEL)
    taken = deletion_curves(model, images, -parts, 1, settings=EACH_PIXEL)
    np.testing.assert_allclose(put.scores, taken.scores[:, ::-1], atol=1e-5)


@pytest.mark.parametrize("kind", ["gap_cnn", "gap_cnn_binary", "nested", "cifar_cnn"])
def test_a_curve_goes_from_the_models_own_probability_to_that_of_the_baseline(kind):
    model = cases.build(kind)
    images = cases.images_for(model, 3)
    maps = random_maps(images)
    settings = CurveSettings(steps=3)
    tapped = tap(model)
    found = deletion_curves(tapped, images, maps, 1, settings=settings, batch_size=2)
    mean = np.broadcast_to(images.mean((1, 2), keepdims=True), images.shape)
    for column, pixels in ((0, images), (-1, mean)):
        np.testing.assert_allclose(found.scores[:, column], np.asarray(model(pixels))[:, -1 if "bin" in kind else 1],
                                   rtol=1e-4)  # fmt: skip
    whole = deletion_curves(tapped, images, maps, 1, settings=settings)
    np.testing.assert_allclose(found.scores, whole.scores, rtol=1e-4)
    assert tapped.traces <= 2  # the logits and the prediction, whatever the batch


def test_pixels_are_ranked_from_the_largest_and_equal_ones_at_random():
    maps = np.array([[[3.0, 1.0], [np.nan, 2.0]]])
    assert ranked(maps).tolist() == [[[0, 2], [3, 1]]]
    same = np.zeros((1, 20, 20))
    first, second = ranked(same, 0), ranked(same, 1)
    assert sorted(first.ravel()) == list(range(400)) and (first != second).any()
    assert abs(np.corrcoef(first.ravel(), np.arange(400))[0, 1]) < 0.2  # not in reading order


def test_what_stands_for_a_pixel_is_the_mean_a_blur_a_number_or_an_image():
    images = cases.images_for(cases.build("gap_cnn"), 2)
    assert replacements(images, "mean")[1, 3, 4].tolist() == pytest.approx(images[1].mean((0, 1)).tolist())
    blurred = replacements(images, "blur")
    assert blurred.std() < 0.3 * images.std() and abs(blurred.mean() - images.mean()) < 3
    assert (replacements(images, 7) == 7).all() and (replacements(images, [1, 2, 3])[..., 2] == 3).all()


def test_an_image_with_nan_has_no_curve_and_is_not_counted():
    images = cases.images_for(cases.build("gap_cnn"), 3)
    images[1, 0, 0] = np.nan
    found = deletion_curves(cases.tapped("gap_cnn"), images, random_maps(images), settings=CurveSettings(steps=2))
    assert np.isnan(found.scores[1]).all() and np.isfinite(found.mean).all()
    assert found.area.denominator == 2 and found.area.value == pytest.approx(np.nanmean(found.areas))


def test_edges_are_sobels_and_random_maps_repeat_with_their_seed():
    images = np.zeros((1, 5, 6, 2))
    images[..., 3:, 1] = 10
    expected = np.zeros((1, 5, 6))
    expected[..., 2:4] = 40
    np.testing.assert_array_equal(edge_maps(images), expected)
    assert not edge_maps(np.full((1, 1, 1, 3), np.nan)).any()
    np.testing.assert_array_equal(random_maps(images, 3), random_maps(images, 3))


def test_the_table_measures_every_method_and_both_baselines():
    images = cases.images_for(cases.build("gap_cnn"), 4)
    boxes = np.tile([0, 0, 8, 6], (4, 1))
    settings = TableSettings(steps=4, boxes=boxes, options={"integrated_gradients": {"steps": 3}})
    rows = fidelity_table(cases.tapped("gap_cnn"), images, ("grad_cam", "integrated_gradients"), settings=settings)
    assert [row.method for row in rows] == ["grad_cam", "integrated_gradients", "random", "edges"]
    assert [row.baseline for row in rows] == [False, False, True, True]
    first = rows[0]
    maps = explain(cases.tapped("gap_cnn"), images).maps
    curves = deletion_curves(cases.tapped("gap_cnn"), images, maps, settings=CurveSettings(steps=4))
    assert first.deletion.value == pytest.approx(curves.areas.mean(), rel=1e-4) and first.deletion.denominator == 4
    assert (first.pointing.chance, first.pointing.accuracy.denominator) == (0.25, 4)
    assert rows[3].randomisation.value == 1 and rows[2].randomisation.value < 0.5
    assert first.randomisation.value < 0.9 and first.seconds > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"maps": np.zeros((2, 3, 3))}, r"^maps must be numbers of shape \(2, 16, 12\), one map an image\. Received: "),
        ({"class_index": 4}, r"^class_index must lie in 0…3\. Received: 4\."),
        ({"settings": CurveSettings(baseline="grey")}, r"^baseline must be mean, blur, a number or an image\. Rec"),
        ({"settings": CurveSettings(baseline=[1, 2])}, r"^baseline must be mean, blur, a number, or an array that "),
        ({"settings": CurveSettings(baseline=np.nan)}, r"^baseline must be finite\."),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, message):
    given = {"maps": np.zeros((2, 16, 12)), **arguments}
    with pytest.raises(ExplainError, match=message) as caught:
        deletion_curves(cases.tapped("gap_cnn"), np.zeros((2, 16, 12, 3)), **given)
    assert "\n" not in str(caught.value)
    with pytest.raises(ExplainError, match=r"^steps must be a whole number of at least 1\. Received: steps=0\."):
        CurveSettings(steps=0)
    with pytest.raises(ExplainError, match=r"^method must be one of class_activation_map, .* Received: method=cam\."):
        fidelity_table(cases.tapped("gap_cnn"), np.zeros((2, 16, 12, 3)), ("cam",))


def test_a_black_and_a_one_pixel_image_have_curves():
    pixels = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 1)(pixels))
    model = keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(pooled))
    for shape in ((1, 1, 1, 3), (1, 8, 8, 3)):
        found = insertion_curves(model, np.zeros(shape), np.zeros(shape[:3]))
        np.testing.assert_allclose(found.scores, found.scores[0, 0], rtol=1e-5)
