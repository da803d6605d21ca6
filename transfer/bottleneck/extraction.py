"""Images through the frozen part of a network, batch after batch: one trace, and the next batch is read meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.augmentation import Augmentation
from training.checks import ConfigError
from training.datasets.dataset import DataError, Split
from training.datasets.text import listed, printable
from training.pipeline import errors_in_words
from transfer.bottleneck.store import LARGEST


@dataclass(frozen=True)
class AugmentedPass:
    """One random view of every image, a function of seed, number and the image's row alone.

    Attributes:
        augmentation: How far an image may be changed.
        seed: Of all passes.
        number: Which pass, from 1.
    """

    augmentation: Augmentation
    seed: int
    number: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, which decide every pixel."""
        return {**asdict(self.augmentation), "seed": self.seed, "number": self.number}

    def __call__(self, images: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        """Changes each image by a draw of its own, so that the size of a batch does not matter.

        Args:
            images: `(n, height, width, channels)`, uint8.
            first: Row of the first image in its split.
        """
        key = tf.constant([self.seed, self.number], tf.int64)
        rows = first + tf.range(tf.shape(images, tf.int64)[0])

        def change(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            changed = self.augmentation(pair[0][None], seed=tf.random.fold_in(key, pair[1]))
            return tf.cast(changed[0], tf.float32)

        return tf.map_fn(change, (images, rows), fn_output_signature=tf.float32)


class Extractor:
    """A network that ends in features, traced once for all splits and batches.

    Args:
        model: From raw pixels to the features.
        view: Changes the images first; None takes them as they are.

    Raises:
        ConfigError: The model has several inputs or outputs, or features without a fixed shape.
    """

    def __init__(self, model: keras.Model, view: AugmentedPass | None = None) -> None:
        single = len(model.inputs) == 1 and len(model.outputs) == 1
        if not single or None in model.outputs[0].shape[1:] or None in model.inputs[0].shape[1:]:
            raise ConfigError(
                "features need a model with one input and one output, both of fixed shape. Received: inputs "
                f"{listed(x.shape for x in model.inputs)}, outputs {listed(x.shape for x in model.outputs)}."
            )
        self.model, self.view = model, view
        self.cut = model.output_names[0]
        self.shape = tuple(int(size) for size in model.outputs[0].shape[1:])

    @cached_property
    def step(self) -> tf.types.experimental.PolymorphicFunction:
        """`step(images, first_row)` gives float32 features; any number of images, one trace."""
        size = self.model.inputs[0].shape[1:]

        def run(images: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
            images = images if self.view is None else self.view(images, first)
            outputs = self.model(tf.cast(images, self.model.inputs[0].dtype), training=False)
            return tf.cast(outputs, tf.float32)

        signature = [tf.TensorSpec((None, *size), tf.uint8), tf.TensorSpec((), tf.int64)]
        return tf.function(run, input_signature=signature, autograph=False)

    def check(self, split: Split) -> None:
        """Refuses images that the model does not take.

        Raises:
            DataError: There are none, or they have another size.
        """
        expected, received = tuple(self.model.inputs[0].shape[1:]), tuple(split.x.shape[1:])
        if not len(split):
            raise DataError("Features need at least one image. Received: an empty split.")
        if expected != received:
            raise DataError(f"The network takes images of {expected}. Received: {received}. Set --image-size to fit.")

    def batches(self, split: Split, *, batch_size: int, dtype: str) -> Iterator[tuple[int, np.ndarray]]:
        """First row and features, `(n, *shape)` of `dtype`, of batch after batch, in the order of the split.

        Raises:
            DataError: An image vanished, or its features are not finite.
            ConfigError: The memory does not suffice, or a feature is beyond the range of `dtype`.
        """
        starts = range(0, len(split), batch_size)

        def load(start: int) -> np.ndarray:
            return np.asarray(split.x[np.arange(start, min(start + batch_size, len(split)))])

        with ThreadPoolExecutor(1, thread_name_prefix="features") as reader, errors_in_words():
            ahead = reader.submit(load, 0)
            for start in starts:
                images = ahead.result()
                if start + batch_size < len(split):
                    ahead = reader.submit(load, start + batch_size)
                values = self.step(tf.constant(images), tf.constant(start, tf.int64)).numpy()
                self._check_values(values, split.ids[start : start + batch_size], dtype)
                yield start, values.astype(dtype, copy=False)

    def _check_values(self, values: np.ndarray, ids: np.ndarray, dtype: str) -> None:
        largest = np.abs(values).reshape(len(values), -1).max(axis=1)
        wrong = ~np.isfinite(largest)
        if wrong.any():
            raise DataError(
                f"The features of {printable(ids[wrong][0])} at {self.cut} are not finite ({wrong.sum()} of the "
                f"{len(ids)} images of its batch). Expected finite numbers: the weights are damaged or do not fit."
            )
        if largest.max() > LARGEST[dtype]:
            raise ConfigError(
                f"features at {self.cut} reach {largest.max():.3g}, {dtype} ends at {LARGEST[dtype]:.3g}. "
                "Store them as float32."
            )
