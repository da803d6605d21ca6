"""Augmentation: exact where it can be, different for every image, off by default."""

import numpy as np
import pytest
import tensorflow as tf

from training.augmentation import Augmentation
from training.datasets.dataset import Split
from training.pipeline import batches, new_clock

SEED = tf.constant([3, 4], tf.int64)


def images(rng, n=16, size=12):
    return rng.integers(0, 256, (n, size, size, 3)).astype(np.uint8)


def test_nothing_is_on_by_default():
    assert not Augmentation().is_active


def test_flips_are_exact_and_drawn_per_image(rng):
    x = images(rng, n=64)
    out = Augmentation(flip="horizontal")(tf.constant(x), seed=SEED).numpy()
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(out, x, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(out, x, strict=True)]
    assert all(m or k for m, k in zip(mirrored, kept, strict=True))
    assert 16 < sum(mirrored) < 48
    assert out.dtype == np.uint8


def test_flip_through_the_warp_equals_the_exact_flip(rng):
    x = tf.constant(images(rng))
    exact = Augmentation(flip="both")(x, seed=SEED).numpy()
    warped = Augmentation(flip="both", rotation=1e-6)(x, seed=SEED).numpy()
    np.testing.assert_allclose(warped, exact, atol=1e-2)


def test_shift_moves_a_picture_by_at_most_its_fraction(rng):
    x = np.zeros((200, 20, 20, 1), np.uint8)
    x[:, 10, 10] = 200
    out = Augmentation(shift=0.1)(tf.constant(x), seed=SEED).numpy()[..., 0]
    total = out.sum(axis=(1, 2))
    rows = (out * np.arange(20)[:, None]).sum(axis=(1, 2)) / total - 10
    columns = (out * np.arange(20)).sum(axis=(1, 2)) / total - 10
    assert np.abs(rows).max() <= 2.001 and np.abs(columns).max() <= 2.001
    assert np.abs(rows).max() > 1.8 and rows.min() < -1 < 1 < rows.max()
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.2


def test_shifts_and_flips_alone_move_whole_pixels_and_blur_nothing(rng):
    x = images(rng, n=200, size=20)
    out = Augmentation(shift=0.1, flip="horizontal")(tf.constant(x), seed=SEED).numpy()
    assert out.dtype == np.uint8
    moves = []
    for before, after in zip(x, out, strict=True):
        for mirrored in (False, True):
            padded = np.pad(before[:, ::-1] if mirrored else before, ((2, 2), (2, 2), (0, 0)), mode="edge")
            crops = [(mirrored, i, j) for i in range(5) for j in range(5)]
            moves += [crop for crop in crops if np.array_equal(after, padded[crop[1] :, crop[2] :][:20, :20])]
    assert len(moves) == 200
    counts = np.bincount([5 * i + j for _, i, j in moves], minlength=25)
    assert counts.min() >= 1 and counts.max() <= 24  # 8 expected of each


def test_shifts_in_pixels_reflect_at_the_edge_as_numpy_does(rng):
    x = images(rng, n=200)
    out = Augmentation(shift=2, fill="reflect")(tf.constant(x), seed=SEED).numpy()
    moves = []
    for before, after in zip(x, out, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        crops = [(i, j) for i in range(5) for j in range(5)]
        moves += [crop for crop in crops if np.array_equal(after, padded[crop[0] :, crop[1] :][:12, :12])]
    assert len(moves) == 200 and out.dtype == np.uint8
    counts = np.bincount([5 * i + j for i, j in moves], minlength=25)
    assert counts.min() >= 1 and counts.max() <= 24  # 8 expected of each


def test_a_shift_of_pixels_is_the_fraction_that_gives_them(rng):
    x = tf.constant(images(rng))
    pixels = Augmentation(shift=3)(x, seed=SEED).numpy()
    np.testing.assert_array_equal(pixels, Augmentation(shift=0.25)(x, seed=SEED).numpy())


def by_row(dataset):
    """Images of one pass in the order of their targets, which are their rows."""
    pairs = [(x.numpy(), y.numpy()) for x, y in dataset]
    x, y = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return x[np.argsort(y)]


@pytest.mark.parametrize("rotation", [0.0, 1e-6])
def test_an_alternating_flip_shows_each_image_both_ways_in_two_epochs(rng, rotation):
    x = images(rng, n=64)
    split = Split(x=x, y=np.arange(64), ids=np.arange(64))
    augmentation = Augmentation(flip="alternating", rotation=rotation)
    dataset = batches(split, batch_size=10, shuffle_seed=5, augmentation=augmentation)
    first, second, third = (np.rint(by_row(dataset)) for _ in range(3))
    mirrored = (first == x[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 16 < mirrored.sum() < 48
    np.testing.assert_array_equal(first[~mirrored], x[~mirrored])
    np.testing.assert_array_equal(second, first[:, :, ::-1])
    np.testing.assert_array_equal(third, first)


def test_an_alternating_flip_depends_on_seed_and_epoch_alone(rng):
    split = Split(x=images(rng, n=20), y=np.arange(20), ids=np.arange(20))
    changes = Augmentation(flip="alternating", shift=2, fill="reflect")

    def second_epoch(clock=None, passes=1, seed=5):
        dataset = batches(split, batch_size=6, shuffle_seed=seed, augmentation=changes, clock=clock)
        return [by_row(dataset) for _ in range(passes)][-1]

    np.testing.assert_array_equal(second_epoch(passes=2), second_epoch(new_clock(1)))
    assert not np.array_equal(second_epoch(passes=2), second_epoch(passes=2, seed=6))


def test_a_shift_below_one_pixel_interpolates(rng):
    x = images(rng)
    out = Augmentation(shift=0.05)(tf.constant(x), seed=SEED).numpy()
    assert out.dtype == np.float32
    assert not np.array_equal(out, x)


def test_a_quarter_turn_equals_rot90(rng):
    x = images(rng, n=1)
    augmentation = Augmentation(rotation=90.0)
    matrix = augmentation._matrices(tf.constant(1), 12, 12, SEED).numpy()[0]
    angle = np.arctan2(matrix[3], matrix[0])
    assert abs(angle) <= np.pi / 2
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(x, tf.float32),
        transforms=[[0.0, -1, 11, 1, 0, 0, 0, 0]],
        output_shape=[12, 12],
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )
    assert any(np.allclose(turned[0], np.rot90(x[0], k), atol=1e-3) for k in (1, 3))


def test_zoom_keeps_the_centre_and_changes_the_scale():
    matrices = Augmentation(zoom=0.2)._matrices(tf.constant(500), 21, 21, SEED).numpy()
    scales = matrices[:, 0]
    np.testing.assert_allclose(matrices[:, 0] * 10 + matrices[:, 2], 10, atol=1e-4)
    assert 0.8 <= scales.min() < 0.85 and 1.15 < scales.max() <= 1.2


def test_each_epoch_sees_new_pictures_and_the_seed_repeats_them(rng):
    split = Split(x=images(rng, n=8), y=np.arange(8), ids=np.arange(8))
    make = lambda: batches(split, batch_size=8, shuffle_seed=2, augmentation=Augmentation(shift=0.2))  # noqa: E731
    by_label = lambda pair: pair[0].numpy()[np.argsort(pair[1].numpy())]  # noqa: E731
    dataset = make()
    first, second, again = by_label(next(iter(dataset))), by_label(next(iter(dataset))), by_label(next(iter(make())))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("settings", [{"shift": 0.3}, {"rotation": 40.0}, {"zoom": 0.3}])
def test_pixels_stay_in_range_and_shape(rng, settings):
    x = images(rng)
    out = Augmentation(**settings)(tf.constant(x), seed=SEED).numpy()
    assert out.shape == x.shape and out.min() >= 0 and out.max() <= 255
    assert not np.allclose(out, x)
