"""Batches for Keras: shuffled indices gather uint8 rows from one tensor; augmentation comes last.

Measured on two cores, this feeds a small CNN two to six times as fast as `fit` on arrays, because
images travel as uint8 and no array is copied or converted between Python and TensorFlow. Image
files that do not fit in memory stream through the same steps. Order and augmentation are functions
of seed, epoch and step alone, so that a run that is resumed sees what it would have seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from training.augmentation import Augmentation, first_mirrored
from training.checks import ConfigError
from training.datasets.dataset import DataError, Split
from training.datasets.files import ImageFiles


def num_batches(num_examples: int, batch_size: int) -> int:
    """Batches of one epoch, the last one possibly smaller."""
    return -(-num_examples // batch_size)


def batches(
    split: Split,
    *,
    batch_size: int,
    shuffle_seed: int | None = None,
    augmentation: Augmentation | None = None,
    class_weights: Mapping[int, float] | None = None,
    clock: tf.Variable | None = None,
) -> tf.data.Dataset:
    """One epoch of a split as `(x, y)` or `(x, y, weight)` batches, with a known number of batches.

    Args:
        split: Images (uint8) or features (float32) with their targets.
        batch_size: Examples per batch; the last batch holds the rest, nothing is dropped.
        shuffle_seed: Seed of the order, new in every epoch; None keeps the split's own order.
        augmentation: Random changes per image, applied last; needs `shuffle_seed`.
        class_weights: Weight of each class index in the loss, as a third element of each batch;
            training and validation get the same, so that their losses compare.
        clock: Which epoch comes next, as `new_clock` makes it; each pass over the batches moves it on by one.

    Returns:
        A `tf.data.Dataset` whose cardinality is asserted: an unknown one makes Keras 3.15 run a
        phantom step per epoch (keras#23084).
    """
    n, read, calls = len(split), _reader(split), _calls(split)
    if shuffle_seed is None:
        indices = tf.data.Dataset.range(n).batch(batch_size)
        rows = indices.map(read, num_parallel_calls=calls, deterministic=True)
    else:
        keyed = _shuffled(n, batch_size, shuffle_seed, new_clock() if clock is None else clock)
        if augmentation is not None and augmentation.is_active:
            is_mirrored = _mirrored(n, shuffle_seed)
            rows = keyed.map(
                lambda index, key, epoch: (*read(index), key, is_mirrored(index, epoch)),
                num_parallel_calls=calls,
                deterministic=True,
            )
            rows = augmentation.apply(rows)
        else:
            rows = keyed.map(lambda index, key, epoch: read(index), num_parallel_calls=calls, deterministic=True)
    if class_weights is not None:
        weights = tf.constant([class_weights[index] for index in range(len(class_weights))], tf.float32)
        rows = rows.map(lambda x, y: (x, y, tf.gather(weights, y)))
    rows = rows.apply(tf.data.experimental.assert_cardinality(num_batches(n, batch_size)))
    return rows.prefetch(2).with_options(_options())


def new_clock(epoch: int = 0, step: int = 0) -> tf.Variable:
    """Two integers: the epoch, from 0, that the next pass over training batches gives, and its first step."""
    with tf.device("CPU:0"):
        return tf.Variable([epoch, step], dtype=tf.int64, trainable=False)


def _shuffled(n: int, batch_size: int, seed: int, clock: tf.Variable) -> tf.data.Dataset:
    """Batches of shuffled indices, each with a key of two integers for its augmentation, and the epoch.

    The clock is read when a pass asks for its first batch, not when Keras makes the iterator. Batches before the
    clock's step are empty: their number must stay what Keras was told.
    """

    def one_epoch(_: tf.Tensor) -> tf.data.Dataset:
        epoch, first = tf.unstack(clock.read_value())
        clock.assign(tf.stack([epoch + 1, 0]))
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(n, dtype=tf.int64), seed=key)

        def part(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            start = step * batch_size
            rows = order[start : tf.where(step < first, start, start + batch_size)]
            return rows, tf.random.fold_in(key, step), epoch

        return tf.data.Dataset.range(num_batches(n, batch_size)).map(part)

    return tf.data.Dataset.range(1).flat_map(one_epoch)


def _mirrored(n: int, seed: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A function of rows and epoch: which of them an alternating flip mirrors; each changes from epoch to epoch."""
    with tf.device("CPU:0"):
        coins = tf.constant(first_mirrored(n, seed))
    return lambda index, epoch: tf.gather(coins, index) ^ (epoch % 2 == 1)


def _options() -> tf.data.Options:
    """No autotuning: on few cores its threads take more from the model than they give the pipeline (measured)."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _calls(split: Split) -> int:
    """Batches in the making: of decoded files two, so that no core waits for the last images of a batch."""
    return 2 if isinstance(split.x, ImageFiles) else 1


def _reader(split: Split):
    """A function from a batch of indices to `(x, y)`: a gather in memory or from the cache, or a decode from files."""
    with tf.device("CPU:0"):
        targets = tf.constant(split.y)
        if isinstance(split.x, np.ndarray):
            table = tf.Variable(split.x, trainable=False)  # one copy; tf.constant holds two for a while (measured)
            return lambda index: (tf.gather(table, index), tf.gather(targets, index))
    shape, images = split.x.shape[1:], split.x

    def read(rows: np.ndarray) -> np.ndarray:
        return images[rows] if len(rows) else np.empty((0, *shape), np.uint8)

    def fetch(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.numpy_function(read, [index], tf.uint8)
        return tf.ensure_shape(rows, (None, *shape)), tf.gather(targets, index)

    return fetch


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Turns what TensorFlow says of a bad file or of too little memory into one line.

    Raises:
        DataError: A file of a streamed data set vanished or broke after it was checked.
        ConfigError: The memory does not suffice for the batch.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise ConfigError(
            "the memory does not suffice for a training step. Lower --batch-size, or choose smaller images or a "
            f"smaller model. TensorFlow says: {str(error).splitlines()[0][:200]}"
        ) from error
    except tf.errors.OpError as error:
        found = re.search(r"(?:BadImage|DataError): (.*)", str(error))
        if found is None:
            raise
        raise DataError(f"{found[1]} It was readable when the run started.") from error
