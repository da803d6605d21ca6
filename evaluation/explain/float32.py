"""A float32 copy of a model that computes in bfloat16 or float16: 8 bits are too few for a gradient."""

from __future__ import annotations

import random
from typing import Any

import keras

from evaluation.explain.errors import ExplainError

FULL = ("float32", "float64")


def in_float32(model: keras.Model) -> keras.Model:
    """The model itself where it computes in float32, else a copy that does, with the same weights.

    Args:
        model: A Sequential or functional model; not changed.

    Raises:
        ExplainError: If a layer cannot be made anew from its configuration.
    """
    if not _narrow(model):
        return model
    state = random.getstate()  # initialisers draw their seeds from it
    try:
        copy = keras.models.clone_model(model, clone_function=_float32_layer, recursive=True)
        copy_weights(model, copy)
    except (TypeError, ValueError) as error:
        raise ExplainError(f"{model.name} cannot be copied to float32: {error} Load it in float32.") from error
    finally:
        random.setstate(state)
    if _narrow(copy):
        raise ExplainError(f"{model.name} computes in {', '.join(_narrow(copy))}. Load it in float32.")
    return copy


def copy_weights(model: keras.Model, copy: keras.Model) -> None:
    """Gives a clone of a model the model's weights, so that both compute the same.

    `set_weights` alone leaves behind what a Normalization layer computes with: it derives that from its weights when it
    is adapted or loaded, and a clone would go on with the statistics of none.
    """
    copy.set_weights(model.get_weights())
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _narrow(model: keras.Model) -> list[str]:
    """The formats of fewer than 32 bits that a model computes in."""
    layers = [
        layer for layer in model._flatten_layers() if not isinstance(layer, (keras.Model, keras.layers.InputLayer))
    ]
    formats = {str(layer.compute_dtype) for layer in layers}
    return sorted(name for name in formats if "float" in name and name not in FULL)


def _float32_layer(layer: Any) -> Any:
    """The same layer, in float32."""
    config = layer.get_config()
    if "dtype" in config:
        config["dtype"] = "float32"
    return type(layer).from_config(config)
