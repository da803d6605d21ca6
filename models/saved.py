"""A network that was trained before, as the start of a new training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

NOTHING = "nothing"


def saved(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    network: keras.Model | None = None,
    frozen_up_to: str | None = None,
) -> keras.Model:
    """Copies a trained network, weights and all, so that it can be trained further.

    Batch norms that are frozen in the network (and so use, and keep, their moving statistics) stay frozen: those of a
    network that `transfer` adapted.

    Args:
        input_shape: `(height, width, channels)` or `(features,)` of the data; it must be the network's own.
        num_classes: At least 2; it must be what the network tells apart.
        network: A flat functional or `Sequential` classifier with one input that ends in `logits` and an activation, as
            those of this project do; it stays as it is.
            `training` fills it in from the file that the setting `start` names.
        frozen_up_to: None: what is frozen in the network stays so. A layer's name: that layer and all that it depends
            on are frozen, the rest is trained. `"nothing"`: all is trained.

    Returns:
        A new, uncompiled model of the same name, under the current precision policy; what prepares the input and what
        ends in probabilities stays in float32.

    Raises:
        ValueError: If there is no such network, it does not fit the data, there is no such layer, or nothing would be
            trained.
    """
    if network is None:
        raise ValueError("saved goes on with a network that was trained before: name its file with --start FILE.keras.")
    _check_kind(network)
    _check_fit(network, tuple(input_shape), num_classes)
    model = _copy(network)
    if frozen_up_to is not None:
        _freeze(model, frozen_up_to)
    if not model.trainable_variables:
        raise ValueError(
            f"{_told(network)} has nothing left to train. Give frozen_up_to: {NOTHING}, or a layer's name."
        )
    return model


def _told(network: keras.Model) -> str:
    return f"The network of the file ({network.name})"


def _check_kind(network: keras.Model) -> None:
    """Refuses what cannot be copied layer by layer, or does not end as this project's classifiers do."""
    if not network.built or not hasattr(network, "inputs"):  # which a network has that is a graph of layers
        raise ValueError(f"saved copies Sequential and functional networks. Received: {type(network).__name__}.")
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise ValueError(f"{_told(network)} must have one input and one output.")
    nested = [layer.name for layer in network.layers if isinstance(layer, keras.Model)]
    if nested:
        raise ValueError(f"{_told(network)} holds networks inside ({', '.join(nested)}); saved copies flat ones.")
    logits, last = [None, *network.layers][-2:]
    linear = isinstance(logits, keras.layers.Dense) and logits.activation is keras.activations.linear
    ends = (keras.activations.sigmoid, keras.activations.softmax)
    if not (
        linear and logits.name == "logits" and isinstance(last, keras.layers.Activation) and last.activation in ends
    ):
        raise ValueError(
            f"{_told(network)} must end as classifiers of this project do: a linear Dense named logits, then an "
            f"Activation with sigmoid or softmax. Received: {', '.join(layer.name for layer in network.layers[-2:])}."
        )


def _check_fit(network: keras.Model, input_shape: tuple[int, ...], num_classes: int) -> None:
    """Refuses data that the network was not built for."""
    own, units = tuple(network.inputs[0].shape[1:]), network.outputs[0].shape[-1]
    if own != input_shape:
        raise ValueError(
            f"{_told(network)} takes {own}, the data has {input_shape}. Images of a folder are brought to its size by "
            "image_size, and to its channels by color_mode."
        )
    expected = 1 if num_classes == 2 else num_classes
    if units != expected:
        raise ValueError(
            f"{_told(network)} ends in {units} units, {num_classes} classes need {expected}. For other classes it "
            "needs a new head: make transfer."
        )


def _copy(network: keras.Model) -> keras.Model:
    """The same layers, weights and frozen parts, under the current policy between the ends."""
    exact = (keras.layers.Normalization, keras.layers.Rescaling)
    weighted = [place for place, layer in enumerate(network.layers) if layer.weights and not isinstance(layer, exact)]
    inner = {id(layer) for layer in network.layers[weighted[0] : weighted[-1]] if not isinstance(layer, exact)}
    policy = keras.config.dtype_policy().name

    def again(layer: Any) -> Any:
        if not isinstance(layer, keras.Layer):  # an operation, such as the sum in MobileNetV3's hard sigmoid
            return layer.__class__.from_config(layer.get_config())
        dtype = policy if id(layer) in inner else "float32"
        return layer.__class__.from_config(layer.get_config() | {"dtype": dtype})

    model = keras.models.clone_model(network, clone_function=again)
    model.trainable = True  # the model's own switch hides those of its layers
    for layer, original in zip(model.layers, network.layers, strict=True):
        layer.trainable = original.trainable
    model.set_weights(network.get_weights())
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # what it divides by follows from its weights, but not by itself
    return model


def _freeze(model: keras.Model, up_to: str) -> None:
    """Freezes a layer and what it depends on, and lets the rest learn but for batch norms that are frozen."""
    names = [layer.name for layer in model.layers]
    if up_to != NOTHING and up_to not in names:
        raise ValueError(
            f"frozen_up_to must be {NOTHING} or the name of a layer. The network has {len(names)}, from {names[0]} to "
            f"{names[-1]}. Received: frozen_up_to={up_to!r}."
        )
    frozen: set[int] = set()
    if up_to != NOTHING:
        frozen = {id(layer) for layer in keras.Model(model.inputs, model.get_layer(up_to).output).layers}
    for layer in model.layers:
        kept = isinstance(layer, keras.layers.BatchNormalization) and not layer.trainable
        layer.trainable = not kept and id(layer) not in frozen
