"""The planted patch alone tells the class, and CAM and Grad-CAM point at it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import models
from evaluation.explain import ExplainError, explain, tap
from evaluation.explain.localisation import pointing_game, threshold_sweep
from evaluation.explain.planted import planted_patches


def test_images_of_one_seed_and_different_classes_differ_inside_the_patch_alone():
    first, second = (planted_patches(6, y=np.full(6, index), seed=4) for index in (0, 3))
    np.testing.assert_array_equal(first.boxes, second.boxes)
    for before, after, (top, left, bottom, right) in zip(first.images, second.images, first.boxes, strict=True):
        differs = (before != after).any(axis=-1)
        assert differs[top:bottom, left:right].mean() > 0.3
        differs[top:bottom, left:right] = False
        assert not differs.any()


def test_the_set_repeats_with_its_seed_and_is_balanced():
    first, again, other = (planted_patches(20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.images, again.images)
    assert (first.images != other.images).any()
    assert np.bincount(first.y).tolist() == [5, 5, 5, 5]
    assert first.class_names == ("columns", "rows", "chequers", "diagonals")
    assert (first.boxes[:, 2:] - first.boxes[:, :2] == 12).all() and first.boxes.min() >= 0 and first.boxes.max() <= 32


def test_distractors_are_drawn_and_differ_from_image_to_image():
    plain, busy = (planted_patches(4, distractors=count, seed=3) for count in (0, 3))
    assert (plain.images != busy.images).mean() > 0.2


def test_cam_and_grad_cam_point_at_the_patch():
    keras.utils.set_random_seed(0)
    train, test = planted_patches(800, seed=1), planted_patches(200, seed=2)
    model = models.build("gap_cnn", (32, 32, 3), 4, filters=(8, 16, 32))
    model.compile(keras.optimizers.Adam(0.006), "sparse_categorical_crossentropy")
    model.fit(train.images.astype(np.float32), train.y, epochs=6, batch_size=32, verbose=0)
    tapped = tap(model)
    for method in ("class_activation_map", "grad_cam"):
        found = explain(tapped, test.images, method, test.y)
        assert (found.logits.argmax(axis=1) == test.y).mean() >= 0.95
        game = pointing_game(found.maps, test.boxes)
        assert game.chance == pytest.approx((12 / 32) ** 2)
        assert game.accuracy.value >= 0.95 and game.accuracy.low > 0.9, game.accuracy
        at_20, at_60 = threshold_sweep(found.maps, test.boxes, (0.2, 0.6))
        assert at_60.overlap.value > at_20.overlap.value  # a coarse map is wider than the patch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, r"^count must be at least 1, distractors 0\. Received: 0 and 3\."),
        ({"count": 2, "num_classes": 6}, r"^num_classes must be 2 to 5\. Received: num_classes=6\."),
        ({"count": 2, "patch": 40}, r"^patch must be at least 8 pixels and at most size=32\. Received: patch=40\."),
        ({"count": 2, "y": [0, 4]}, r"^y must hold 2 classes in 0…3\."),
    ],
)
def test_a_set_that_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(ExplainError, match=message):
        planted_patches(**arguments)
