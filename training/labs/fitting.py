"""How labs train: the factories' models by Keras' fit, compiled once and begun anew for every seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from training.datasets.dataset import Split
from training.optimizers import loss_and_metric
from training.pipeline import batches, num_batches
from training.prepare import default_steps_per_execution

VALIDATION_BATCH = 1024

Curves = dict[str, np.ndarray]


def split_of(x: Any, y: Any) -> Split:
    """Arrays as a split: numbers or pixels, and class indices or targets."""
    labels = np.asarray(y)
    kind = np.int64 if labels.dtype.kind in "iub" else np.float32
    return Split(np.asarray(x), labels.astype(kind), np.array([str(index) for index in range(len(labels))]))


def compiled(
    build: Callable[[], keras.Model],
    optimizer: keras.optimizers.Optimizer,
    *,
    num_classes: int,
    steps_per_execution: int = 1,
) -> keras.Model:
    """A model of a factory, compiled with the project's loss and metric.

    Args:
        build: Calls the factory.
        optimizer: One of `keras.optimizers`.
        num_classes: 0 for regression.
        steps_per_execution: Steps in one call; an epoch should be a multiple of it.
    """
    model = build()
    loss, metric = loss_and_metric(num_classes)
    model.compile(optimizer, loss, metrics=[metric], steps_per_execution=steps_per_execution, jit_compile=False)
    return model


def begin(model: keras.Model, build: Callable[[], keras.Model], seed: int) -> None:
    """Gives a compiled model the weights that its factory draws under a seed, and its optimizer's first state.

    Keras traces a model's training once for all seeds then, which takes longer than training it.

    Args:
        model: Of `compiled`; trained or not. Its optimizer begins with zeros, as SGD, RMSprop and Adam do.
        build: The same factory.
        seed: Of weights, dropout and whatever follows.
    """
    keras.utils.set_random_seed(seed)
    fresh = build()
    for mine, drawn in zip(model.variables, fresh.variables, strict=True):  # the states of dropout's seeds too
        mine.assign(drawn)
    kept = model.optimizer.learning_rate
    for variable in model.optimizer.variables:
        if variable is not kept:
            variable.assign(keras.ops.zeros_like(variable))


def fit(
    model: keras.Model,
    train: Split,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    validation: Split | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Curves:
    """Trains by Keras' fit on the project's batches; order and dropout are functions of the seed.

    Args:
        model: Compiled.
        train: What is learned.
        epochs: How often.
        batch_size: Examples per step, at most all.
        seed: Of the order.
        validation: What is measured after each epoch, or None.
        callbacks: Further ones.

    Returns:
        Each curve `(epochs,)`: `loss`, `accuracy` or `mae`, and with validation `val_loss`, ….
    """
    size = min(batch_size, len(train))
    held_out = {} if validation is None else _held_out(validation, model.steps_per_execution)
    # one iterator for all epochs: Keras would make two new ones in each, which takes longer than a small epoch
    history = model.fit(
        batches(train, batch_size=size, shuffle_seed=seed).repeat(),
        epochs=epochs,
        steps_per_epoch=num_batches(len(train), size),
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
        **held_out,
    )
    return {name: np.asarray(values, dtype=float) for name, values in history.history.items()}


def _held_out(split: Split, steps_per_execution: int) -> dict[str, Any]:
    """Keywords of Keras' fit that measure a split after each epoch.

    Several steps in one call end with the data, not with a number of batches.
    """
    held_out = batches(split, batch_size=VALIDATION_BATCH).cache()
    if steps_per_execution > 1:
        return {"validation_data": held_out}
    return {"validation_data": held_out.repeat(), "validation_steps": num_batches(len(split), VALIDATION_BATCH)}


def steps_per_call(examples: int, batch_size: int) -> int:
    """Steps that Keras may take in one call: as many as make up the epoch, at most those of 1,024 examples."""
    size = min(batch_size, examples)
    steps = -(-examples // size)
    return max(n for n in range(1, min(steps, default_steps_per_execution(size)) + 1) if steps % n == 0)
