"""The state of a Keras model and of its callbacks: taken out as arrays and plain numbers, put back exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.run import RunError
from training.state import State

REMEMBERED = {  # attributes that Keras' callbacks reset in on_train_begin, and that decide about later epochs
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch", "stopped_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}


def model_arrays(model: keras.Model, *, metrics: bool = False) -> dict[str, np.ndarray]:
    """Copies of all variables: weights, seed generators and the optimizer's (iterations and rate included).

    Args:
        model: Compiled.
        metrics: Also what the metrics have summed up, which matters in the middle of an epoch.
    """
    return {
        f"{group}/{index:05d}": np.array(tf.convert_to_tensor(variable.value))
        for group, variables in _groups(model, metrics=metrics).items()
        for index, variable in enumerate(variables)
    }


def restore_model(model: keras.Model, state: State) -> None:
    """Puts weights, seed generators and optimizer back as `model_arrays` took them.

    Raises:
        RunError: The checkpoint belongs to another model.
    """
    model.optimizer.build(model.trainable_variables)
    for group, variables in _groups(model).items():
        _assign(variables, state.group(group))


def restore_metrics(model: keras.Model, state: State) -> None:
    """Puts back what the metrics had summed up; the model has been evaluated once, which builds them."""
    _assign(model.metrics_variables, state.group("metrics"))


def _groups(model: keras.Model, *, metrics: bool = False) -> dict[str, list[Any]]:
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    return groups | ({"metrics": model.metrics_variables} if metrics else {})


def _assign(variables: Sequence[Any], arrays: Sequence[np.ndarray]) -> None:
    expected = [tuple(variable.shape) for variable in variables]
    if expected != [array.shape for array in arrays]:
        raise RunError(
            f"the checkpoint holds {len(arrays)} arrays that do not fit the {len(expected)} variables of the model: it "
            "was written by another version of this project or of Keras. Train again from the run's config.yaml."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def callback_facts(callbacks: Iterable[keras.callbacks.Callback]) -> dict[str, dict[str, Any]]:
    """What Keras' own callbacks remember, by class name; JSON."""
    return {
        type(callback).__name__: {name: _plain(getattr(callback, name)) for name in names}
        for callback in callbacks
        for kind, names in REMEMBERED.items()
        if isinstance(callback, kind)
    }


def restore_callbacks(callbacks: Iterable[keras.callbacks.Callback], facts: dict[str, dict[str, Any]]) -> None:
    """Puts back what `callback_facts` took; called after Keras has reset the callbacks."""
    for callback in callbacks:
        for name, value in facts.get(type(callback).__name__, {}).items():
            setattr(callback, name, value)


def _plain(value: Any) -> float | None:
    """JSON has no infinity; a callback without a best value has None, or infinity."""
    if value is None or isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else None
