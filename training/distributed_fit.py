"""Keras' `fit` on several devices and workers: two repairs of its TensorFlow trainer, to be removed when it has them.

keras#20585 (open since 2024): under `MultiWorkerMirroredStrategy` `fit` ends with "PerReplica cannot be converted".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from training.checks import ConfigError

TESTED = ("3.15.1",)  # versions of Keras that the repairs were tested with


@contextmanager
def repaired_fit(version: str = keras.__version__) -> Iterator[None]:
    """Inside, `fit` and `evaluate` work on several replicas and workers.

    Args:
        version: Keras' own. Rule: the repairs reach into private functions, so they are applied to the versions that
            they were tested with and to no other. A later Keras that works by itself needs none: delete this file.

    Raises:
        ConfigError: Another version; nothing was changed.

    Reference:
        keras#20585; ray#47464 is the same failure seen from another project.
    """
    if version not in TESTED:
        raise ConfigError(
            f"training on several devices was tested with Keras {', '.join(TESTED)}. Received: Keras {version}. "
            "Install the pinned requirements.txt, or use --strategy one."
        )
    from keras.src.backend.tensorflow import trainer

    kept = trainer.reduce_per_replica, trainer.TensorFlowTrainer._maybe_symbolic_build
    trainer.reduce_per_replica = _reduce_per_replica(trainer.reduce_per_replica)
    trainer.TensorFlowTrainer._maybe_symbolic_build = _build_from_a_local_batch
    try:
        yield
    finally:
        trainer.reduce_per_replica, trainer.TensorFlowTrainer._maybe_symbolic_build = kept


def _reduce_per_replica(original: Any) -> Any:
    """The mean of scalars over all workers; Keras asks for it along axis 0, which scalars do not have."""

    def reduce_per_replica(values: Any, strategy: tf.distribute.Strategy, reduction: str) -> Any:
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and reduction in ("auto", "mean"):
            return keras.tree.map_structure(lambda value: strategy.reduce("MEAN", value, axis=None), values)
        return original(values, strategy, reduction)

    return reduce_per_replica


def _build_from_a_local_batch(model: Any, iterator: Any = None, data_batch: Any = None) -> None:
    """Builds from the first replica's batch; Keras would average the replicas' batches, whose sizes may differ."""
    strategy = model._distribute_strategy
    if strategy is None:
        return
    if iterator is not None:
        _, _, batches = next(iter(iterator))
        data_batch = keras.tree.map_structure(lambda x: strategy.experimental_local_results(x)[0], next(batches))
    with strategy.scope():
        model._symbolic_build(data_batch=data_batch)
