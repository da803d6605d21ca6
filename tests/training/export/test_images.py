"""Which images prove an export."""

import numpy as np

from training.export.images import Counts, draw

Y = np.arange(400)
X = (Y % 256).astype(np.uint8)[:, None, None, None]


def test_images_to_calibrate_with_are_others_where_there_are_enough():
    proof = draw(X, Y, "validation images", Counts(256, 100))
    calibrated = {int(value) for value in proof.calibration.ravel()}
    assert (
        len(proof.images) == len(set(proof.y.tolist())) == 256 and len(proof.calibration) == 100 and proof.shared == 0
    )
    assert proof.words == "256 of 400 validation images"
    assert (proof.images.ravel() == proof.y % 256).all() and len(calibrated) > 70


def test_few_images_serve_both_and_that_is_counted():
    proof = draw(X[:300], Y[:300], "validation images", Counts(256, 100))
    assert len(proof.calibration) == 100 and proof.shared == 56


def test_the_draw_is_the_same_each_time_and_no_run_of_the_first():
    one, two = (draw(X, Y, "x", Counts()) for _ in range(2))
    assert (one.y == two.y).all() and (one.y != np.arange(256)).any()
    assert (one.y != draw(X, Y, "x", Counts(seed=1)).y).any()


def test_training_images_fill_up_without_a_class():
    proof = draw(X[:10], Y[:10], "validation images", Counts(256, 5), more=X[100:200])
    assert len(proof.images) == 110 and len(proof.y) == 10 and set(proof.images[10:].ravel()) == set(range(100, 200))
    assert "10 of 10 validation images and 100 training images" in proof.words
