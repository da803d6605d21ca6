"""Local connectivity: what shifting and shuffling do, and the claims."""

import numpy as np

from tests.training.labs.small import small
from training.labs.local_connectivity import LAB, shifted, shuffled


def test_the_claims_hold_in_the_small_form():
    assert small(LAB).numbers["weights"] == {"MLP": 6210, "CNN": 6218}


def test_a_shift_moves_every_image_and_cuts_nothing_off(rng):
    images = np.zeros((50, 12, 12, 1), np.uint8)
    images[:, 2:10, 2:10] = rng.integers(1, 256, (50, 8, 8, 1))
    moved = shifted(images, 2, 1)
    np.testing.assert_array_equal(np.sort(moved.reshape(50, -1)), np.sort(images.reshape(50, -1)))
    assert (moved != images).any(axis=(1, 2, 3)).all()


def test_shuffling_gives_all_images_one_order(rng):
    images = rng.permutation(144).reshape(1, 12, 12, 1).repeat(2, axis=0)
    first, second = shuffled(images, 3)
    np.testing.assert_array_equal(first, second)
    assert sorted(first.ravel()) == list(range(144)) and (first != images[0]).any()
