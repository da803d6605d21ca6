"""Graph surgery: cut a network at a layer, freeze it up to a layer, give it a new head.

All of it goes by layer name on flat functional models. Slices and models with a new head share their layers, and so the
weights and what is frozen, with the model that they came from; its graph is never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras

from models import blocks, checks
from training.results import trainable_count
from transfer.pretrained.catalog import TransferError, closest

BatchNorms = Literal["inference", "training"]
_POOLINGS = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)


def slice_at(model: keras.Model, layer_name: str) -> keras.Model:
    """The part of a network up to and including a layer.

    Args:
        model: A flat functional or `Sequential` model with one input.
        layer_name: Name of the last layer that stays.

    Returns:
        A model from the same input to that layer's output, named `<model>_<layer>`, with the same layers.

    Raises:
        TransferError: If there is no such layer, or it does not lie on the way from the input.
    """
    output = _layer(model, layer_name).output
    try:
        return keras.Model(_input(model), output, name=f"{model.name}_{layer_name}")
    except ValueError as error:
        raise TransferError(f"Layer {layer_name} of {model.name} is not fed by the model's input.") from error


def freeze(model: keras.Model, *, up_to: str | None, batch_norms: BatchNorms = "inference") -> int:
    """Freezes a layer and all that it depends on, and makes every other layer trainable.

    Batch norms that are frozen use, and keep, their moving statistics, also while the rest is trained.

    Args:
        model: A flat model, not compiled yet; its layers are changed in place.
        up_to: Name of the last frozen layer; None freezes nothing.
        batch_norms: What becomes of the batch norms after `up_to`: `inference` (frozen too: right for pre-trained
            networks, and needed where their statistics are not those of the data, such as de-quantised weights) or
            `training` (right for a network that starts from random weights).

    Returns:
        Number of layers with weights that are frozen.

    Raises:
        TransferError: If there is no such layer, or the model is compiled already: it would go on training the layers
            of before.
    """
    if model.compiled:
        raise TransferError(f"{model.name} is compiled: what is frozen now would still be trained. Use compile_frozen.")
    return _freeze(model, up_to, batch_norms)


def compile_frozen(
    model: keras.Model, *, up_to: str | None, batch_norms: BatchNorms = "inference", **arguments: Any
) -> int:
    """Freezes as `freeze` does, compiles anew, and checks that the optimizer trains just the rest.

    Args:
        model: A flat model, compiled or not; changed in place.
        up_to: Name of the last frozen layer; None freezes nothing.
        batch_norms: `inference` or `training`, as in `freeze`.
        **arguments: Of `keras.Model.compile`; the optimizer must be a new one.

    Returns:
        Number of parameters that are trained.

    Raises:
        TransferError: If there is no such layer, or nothing is left to train.
        RuntimeError: If the optimizer was used before, or other weights than those left would be trained.
    """
    _freeze(model, up_to, batch_norms)
    model.compile(**arguments)
    expected = [variable for layer in model.layers if layer.trainable for variable in layer.trainable_variables]
    if not expected:
        raise TransferError(f"Nothing is left to train in {model.name} when it is frozen up to {up_to}: add a head.")
    if model.optimizer.built:
        raise RuntimeError("The optimizer was used before, with the state of other weights. Give a new optimizer.")
    if {id(variable) for variable in model.trainable_variables} != {id(variable) for variable in expected}:
        raise RuntimeError(f"{model.name} would train {len(model.trainable_variables)} weights, not {len(expected)}.")
    return trainable_count(model)


def replace_head(
    model: keras.Model,
    num_classes: int,
    *,
    pooling: Literal["average", "max", "flatten"] = "average",
    units: Sequence[int] = (),
    dropout_rate: float = 0.0,
    name: str | None = None,
) -> keras.Model:
    """Puts a new classifier on a network's last feature map.

    Args:
        model: A backbone, a slice of one, or a whole classifier, whose head (all from its global pooling or flattening
            on) is left out.
        num_classes: At least 2. Two classes share one sigmoid unit.
        pooling: How a feature map becomes a vector: `average` or `max` over height and width, or `flatten`.
        units: Units of hidden layers with ReLU, `head_dense1`, …; none as default.
        dropout_rate: Fraction of the features dropped in training before each dense layer, in [0, 1).
        name: Of the new model; the given model's by default.

    Returns:
        A model that ends in `logits` and `probabilities`, uncompiled. It shares all layers but the head.

    Raises:
        ValueError: If `num_classes`, `units` or `dropout_rate` is impossible.
        TransferError: If the model has no feature map, or a layer of it bears the name of one of the head.
    """
    checks.check_num_classes(num_classes)
    if units:
        checks.check_sizes("units", units)
    checks.check_rate("dropout_rate", dropout_rate)
    features = _features(model)
    head = [_pooling(pooling)] if len(features.shape) == 4 else []
    head += _hidden_layers(units, dropout_rate) + blocks.head_layers(num_classes)
    body = keras.Model(_input(model), features)
    taken = {layer.name for layer in body.layers} & {layer.name for layer in head}
    if taken:
        raise TransferError(f"{model.name} has layers named {', '.join(sorted(taken))} already. Cut it before them.")
    outputs = features
    for layer in head:
        outputs = layer(outputs)
    return keras.Model(_input(model), outputs, name=name or model.name)


def _input(model: keras.Model) -> keras.KerasTensor:
    """The model's one input: Keras' own networks keep it in a list, which then every call would have to be."""
    return model.inputs[0]


def _layer(model: keras.Model, name: str) -> keras.Layer:
    """The layer of that name."""
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise TransferError(
            f"{model.name} has no layer {name!r} to cut at.{closest(name, names)} It has {len(names)} layers, from "
            f"{names[0]} to {names[-1]}; transfer/pretrained/catalog.py lists the cuts of each backbone."
        )
    return model.get_layer(name)


def _freeze(model: keras.Model, up_to: str | None, batch_norms: BatchNorms) -> int:
    """Sets every layer's `trainable`; returns how many layers with weights are frozen."""
    frozen = set() if up_to is None else {id(layer) for layer in slice_at(model, up_to).layers}
    model.trainable = True  # the model's own switch hides those of its layers
    for layer in model.layers:
        held = batch_norms == "inference" and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not (held or id(layer) in frozen)
    return sum(1 for layer in model.layers if layer.weights and not layer.trainable)


def _features(model: keras.Model) -> keras.KerasTensor:
    """The model's last feature map (rank 4), or its output where that is a vector of features without a head.

    Goes back from the output, layer by layer, to the global pooling or flattening of a head, while there is one way.
    """
    if len(model.outputs[0].shape) == 4:
        return model.outputs[0]
    producers = {id(layer.output): layer for layer in model.layers}
    tensor, flattened = model.outputs[0], None
    while not isinstance(tensor, list) and id(tensor) in producers:
        layer = producers[id(tensor)]
        if isinstance(layer, keras.layers.InputLayer):
            break
        if isinstance(layer, _POOLINGS):
            return layer.input
        if isinstance(layer, keras.layers.Flatten) and len(layer.input.shape) == 4 and flattened is None:
            flattened = layer.input
        tensor = layer.input
    if flattened is None:
        raise TransferError(f"{model.name} has no feature map before its output: cut it with slice_at first.")
    return flattened


def _pooling(kind: str) -> keras.Layer:
    """The layer that turns a feature map into a vector."""
    poolings = {
        "average": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
        "flatten": keras.layers.Flatten,
    }
    if kind not in poolings:
        raise TransferError(f"pooling must be one of {', '.join(poolings)}. Received: pooling={kind}.")
    return poolings[kind](name="head_pool")


def _hidden_layers(units: Sequence[int], dropout_rate: float) -> list[keras.Layer]:
    """Dense layers with ReLU, a dropout before each and before the logits."""
    layers: list[keras.Layer] = []
    for index, width in enumerate(units, start=1):
        layers += _dropout(f"head_dropout{index}", dropout_rate)
        layers.append(keras.layers.Dense(width, activation="relu", name=f"head_dense{index}"))
    return layers + _dropout("head_dropout", dropout_rate)


def _dropout(name: str, rate: float) -> list[keras.Layer]:
    return [keras.layers.Dropout(rate, name=name)] if rate else []
