"""A network of `keras.applications` made flat: every layer at the top level, under a name that is always the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import keras


def flatten(model: keras.Model) -> keras.Model:
    """Lifts the layers of nested `Sequential` parts to the top level and makes `x + y` a layer.

    Args:
        model: A functional network whose only nesting is `Sequential`, such as ConvNeXt.

    Returns:
        A copy with the same weights in which every layer can be addressed by name; `model` itself where nothing is
        nested.
    """
    if not any(isinstance(layer, keras.Sequential) for layer in model.layers):
        return model
    pairs: list[tuple[keras.Layer, keras.Layer]] = []

    def copy(layer: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            return layer
        if not isinstance(layer, keras.Layer):
            return keras.layers.Add() if type(layer).__name__ == "Add" else layer
        pairs.append((layer, type(layer).from_config(layer.get_config())))
        return pairs[-1][1]

    flat = keras.models.clone_model(model, clone_function=copy, call_function=_caller(copy))
    for original, clone in pairs:
        clone.set_weights(original.get_weights())
    return flat


def _caller(copy: Callable[[Any], Any]) -> Callable[..., Any]:
    """Calls copies: a nested part layer by layer, an addition with the list that a layer takes."""

    def call(layer: Any, *tensors: Any, **keywords: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            for inner in layer.layers:
                tensors = (copy(inner)(*tensors),)
            return tensors[0]
        if isinstance(layer, keras.layers.Add) and len(tensors) == 2:
            return layer(list(tensors), **keywords)
        return layer(*tensors, **keywords)

    return call


def number_afresh(model: keras.Model) -> None:
    """Renames what Keras named by itself as if this were the session's first model: `conv2d`, `conv2d_1`, ….

    Keras counts through a whole process: the second InceptionV3 has no layer of the first one's names, so cuts by name
    would depend on what was built before.

    Args:
        model: A flat network; its layers are renamed in place.
    """
    groups: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for operation in model.operations:
        automatic = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", type(operation).__name__).lower()
        found = re.fullmatch(re.escape(automatic) + r"(?:_(\d+))?", operation.name)
        if found:
            groups[automatic].append((int(found.group(1) or 0), operation))
    for automatic, members in groups.items():
        for index, (_, operation) in enumerate(sorted(members, key=lambda member: member[0])):
            operation.name = f"{automatic}_{index}" if index else automatic
