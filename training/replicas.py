"""What makes several replicas compute the numbers of one: the loss of unequal shares, normalisation over all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


class SharedLoss(keras.losses.Loss):
    """A loss whose gradients, summed over the replicas, are those of the mean over the whole batch.

    Keras weighs each replica's mean alike, which is wrong where the shares of a batch differ in size, as those of the
    last batch do. The value stays the mean over the replica's own share, which Keras weighs by size already.

    Args:
        loss: A Keras loss, or a function of targets and predictions that returns one number per example.
    """

    def __init__(self, loss: keras.losses.Loss | Callable[[Any, Any], Any]) -> None:
        super().__init__(name=getattr(loss, "name", None) or getattr(loss, "__name__", None))
        self.pointwise = loss.call if isinstance(loss, keras.losses.Loss) else loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number per example, `(n,)`."""
        return self.pointwise(y_true, y_pred)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The share's mean loss; its gradient counts the share by its size."""
        mean = super().__call__(y_true, y_pred, sample_weight)
        value = tf.stop_gradient(mean)
        return value + _relative_size(y_pred) * (mean - value)


def _relative_size(share: Any) -> tf.Tensor:
    """Size of this replica's share over the mean size of all shares; 1 outside a replica."""
    context = tf.distribute.get_replica_context()
    if context is None:
        return tf.constant(1.0)
    size = tf.cast(tf.shape(share)[0], tf.float32)
    return size * context.num_replicas_in_sync / context.all_reduce("SUM", size)


def synchronize_normalization(model: keras.Model) -> None:
    """Lets batch normalisation see the whole batch, not the replica's share; called before the model is compiled."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
