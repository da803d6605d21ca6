"""Several cuts of a network in one pass: the globally pooled features of each, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import keras

POOLING = {3: keras.layers.GlobalAveragePooling1D, 4: keras.layers.GlobalAveragePooling2D}


def taps(model: keras.Model, cuts: Mapping[str, str]) -> tuple[keras.Model, dict[str, int]]:
    """Builds a model from the same input to the mean of every feature map at every cut.

    Args:
        model: A flat network; it is not changed, and shares its layers with the result.
        cuts: Name of each cut, such as `early`, → name of the layer whose output is taken.

    Returns:
        A model with one output `(batch, sum of widths)`, float32; and the width of each cut, in the order of `cuts`.

    Raises:
        ValueError: There is no cut, or no layer of that name.
    """
    if not cuts:
        raise ValueError("cuts must name at least one layer. Received: none.")
    pooled = [_pooled(name, model.get_layer(layer).output) for name, layer in cuts.items()]
    outputs = pooled[0]
    if len(pooled) > 1:
        outputs = keras.layers.Concatenate(dtype="float32", name=f"taps_{'_'.join(cuts)}")(pooled)
    widths = {name: int(tensor.shape[-1]) for name, tensor in zip(cuts, pooled, strict=True)}
    return keras.Model(model.inputs[0], outputs, name="taps"), widths


def _pooled(name: str, features: keras.KerasTensor) -> keras.KerasTensor:
    """The mean over positions; features without positions stay as they are."""
    if len(features.shape) not in POOLING:
        return keras.layers.Activation("linear", dtype="float32", name=f"tap_{name}")(features)
    return POOLING[len(features.shape)](dtype="float32", name=f"tap_{name}")(features)
