"""Batches: everything once per epoch, a known length, the same numbers that NumPy gives."""

import keras
import numpy as np
import pytest

import models
from training.augmentation import Augmentation
from training.datasets.dataset import Split
from training.datasets.files import ImageFiles
from training.pipeline import batches, new_clock, num_batches


def split_of(n: int, shape=(4, 4, 1)) -> Split:
    images = (np.arange(n)[:, None, None, None] * np.ones(shape)).astype(np.uint8)
    return Split(x=images, y=np.arange(n) % 3, ids=np.arange(n).astype(str))


def test_every_example_comes_once_per_epoch_and_images_keep_their_labels():
    seen = [
        (int(x), int(y))
        for xs, ys in batches(split_of(23), batch_size=5, shuffle_seed=1)
        for x, y in zip(xs[:, 0, 0, 0], ys, strict=True)
    ]
    assert sorted(seen) == [(i, i % 3) for i in range(23)]


def test_the_order_is_new_in_each_epoch_and_repeats_with_the_seed():
    dataset = batches(split_of(50), batch_size=50, shuffle_seed=7)
    first, second = (next(iter(dataset))[1].numpy().tolist() for _ in range(2))
    again = next(iter(batches(split_of(50), batch_size=50, shuffle_seed=7)))[1].numpy().tolist()
    assert first != second
    assert first == again


def test_order_and_augmentation_are_functions_of_seed_and_epoch():
    settings = {"batch_size": 4, "shuffle_seed": 7, "augmentation": Augmentation(shift=0.3)}
    passes = batches(split_of(10), **settings)
    third = [list(passes.as_numpy_iterator()) for _ in range(3)][2]
    again = list(batches(split_of(10), **settings, clock=new_clock(epoch=2)).as_numpy_iterator())
    for (x, y), (other_x, other_y) in zip(third, again, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)


@pytest.mark.parametrize("augmentation", [None, Augmentation(shift=0.3)])
def test_a_pass_that_begins_at_a_step_gives_the_rest_and_empty_batches_before(augmentation):
    settings = {"batch_size": 4, "shuffle_seed": 7, "augmentation": augmentation}
    whole = list(batches(split_of(14), **settings).as_numpy_iterator())
    clock = new_clock(step=2)
    rest = list(batches(split_of(14), **settings, clock=clock).as_numpy_iterator())
    assert [len(y) for _, y in rest] == [0, 0, 4, 2] and clock.numpy().tolist() == [1, 0]
    for (x, y), (other_x, other_y) in zip(whole[2:], rest[2:], strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)


def test_without_a_seed_the_order_is_the_splits_own():
    order = np.concatenate([ys for _, ys in batches(split_of(10), batch_size=4).as_numpy_iterator()])
    np.testing.assert_array_equal(order, np.arange(10) % 3)


@pytest.mark.parametrize(("n", "batch_size"), [(10, 5), (11, 5), (3, 5), (1, 1)])
@pytest.mark.parametrize("augmentation", [None, Augmentation(flip="horizontal"), Augmentation(shift=0.1)])
def test_the_number_of_batches_is_known_and_right(n, batch_size, augmentation):
    dataset = batches(split_of(n), batch_size=batch_size, shuffle_seed=0, augmentation=augmentation)
    assert int(dataset.cardinality()) == len(list(dataset)) == num_batches(n, batch_size)


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_fit_runs_exactly_epochs_times_steps(steps_per_execution):
    model = models.build("softmax_regression", (4, 4, 1), 3)
    model.compile("sgd", "sparse_categorical_crossentropy", steps_per_execution=steps_per_execution)
    model.fit(batches(split_of(23), batch_size=5, shuffle_seed=1), epochs=3, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 3 * num_batches(23, 5)


def test_files_and_cache_give_the_same_batches_as_an_array(tmp_path, rng):
    from PIL import Image

    from training.datasets.cache import CachedImages, CacheSettings
    from training.datasets.decode import DecodeSettings
    from training.datasets.scan import scan

    images = rng.integers(0, 256, (7, 6, 6, 3)).astype(np.uint8)
    paths = []
    for index, image in enumerate(images):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(image).save(paths[-1])
    files = ImageFiles(paths, DecodeSettings(image_size=(6, 6), resize="crop", color_mode="rgb"))
    cached = scan(paths, files.settings, memory_limit_mb=0, cache=CacheSettings(tmp_path / "cache"), progress=False)
    assert isinstance(cached.images, CachedImages)
    for source in (images, files, cached.images):
        split = Split(x=source, y=np.arange(7), ids=np.arange(7).astype(str))
        got = [x for x, _ in batches(split, batch_size=3, shuffle_seed=5).as_numpy_iterator()]
        streamed = np.concatenate(got)
        assert streamed.dtype == np.uint8
        if source is images:
            expected = streamed
        np.testing.assert_array_equal(streamed, expected)


def test_many_batches_of_files_keep_their_order_and_labels(tmp_path, rng):
    from PIL import Image

    from training.datasets.decode import DecodeSettings

    images = rng.integers(0, 256, (60, 5, 5, 3)).astype(np.uint8)
    paths = [tmp_path / f"{index}.png" for index in range(60)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    split = Split(x=ImageFiles(paths, DecodeSettings((5, 5))), y=np.arange(60), ids=np.arange(60).astype(str))
    dataset = batches(split, batch_size=4, shuffle_seed=3)
    passes = [list(dataset.as_numpy_iterator()) for _ in range(2)]
    for xs, ys in passes[0] + passes[1]:
        np.testing.assert_array_equal(xs, images[ys])
    array = batches(Split(images, split.y, split.ids), batch_size=4, shuffle_seed=3)
    for batch in passes:
        expected = np.concatenate([ys for _, ys in array.as_numpy_iterator()])
        np.testing.assert_array_equal(np.concatenate([ys for _, ys in batch]), expected)


def test_evaluate_on_batches_equals_numpy(rng):
    split = Split(x=rng.integers(0, 256, (37, 8, 8, 1)).astype(np.uint8), y=rng.integers(0, 3, 37), ids=np.arange(37))
    model = models.build("cifar_cnn", (8, 8, 1), 3)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = model.evaluate(batches(split, batch_size=10), verbose=0)
    scores = keras.ops.convert_to_numpy(model(split.x)).astype(np.float64)
    np.testing.assert_allclose(accuracy, np.mean(scores.argmax(axis=1) == split.y), rtol=1e-6)
    np.testing.assert_allclose(loss, -np.log(scores[np.arange(37), split.y]).mean(), rtol=1e-5)
