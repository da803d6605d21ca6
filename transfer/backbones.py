"""Builds a network of `keras.applications` that takes raw pixels, flat, with ImageNet's weights, a file's, or none."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras

from transfer.pretrained import weights as weight_files
from transfer.pretrained.catalog import BackboneEntry, Preprocessing, TransferError, entry, image_shape
from transfer.pretrained.flat import flatten, number_afresh

CAFFE_MEAN = {"mean": [123.68, 116.779, 103.939], "variance": [1.0, 1.0, 1.0]}
TORCH_STATISTICS = {"mean": [0.485, 0.456, 0.406], "variance": [0.229**2, 0.224**2, 0.225**2]}


def build_backbone(
    name: str,
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int = 3,
    weights: str | Path | None = "imagenet",
    include_top: bool = False,
    resized_from: tuple[int, int] | None = None,
) -> keras.Model:
    """Builds a backbone.

    Args:
        name: A key of `transfer.pretrained.catalog.BACKBONES`, such as `mobilenet_0.75_192`.
        image_size: Height and width in pixels, or one number for both; None for the size of the weights.
        channels: 3 for RGB; 1 for grey images, which are repeated three times.
        weights: `imagenet` (Keras' own file, downloaded where it is absent), a file (`.weights.h5`, `.h5`, `.keras`),
            or None for random ones.
        include_top: Whether the classifier of ImageNet's 1,000 classes follows.
        resized_from: Height and width of the images that come in, where a layer is to resize them to `image_size`;
            None where they come in that size.

    Returns:
        An uncompiled model named `name`; input `(batch, height, width, channels)`, raw pixels in 0…255; output the
        last feature map, or 1,000 probabilities. All layers stand at its top level, under names that do not depend on
        what was built before.

    Raises:
        TransferError: If there is no such backbone, the images are too small or have another number of channels, or
            the weights are absent, torn or another network's.
    """
    facts, shape = entry(name), image_shape(name, image_size)
    if channels not in (1, 3):
        raise TransferError(f"channels must be 3 (RGB) or 1 (grey). Received: channels={channels}.")
    if weights != "imagenet":
        path = None if weights is None else weight_files.check_file(Path(weights))
        return _from_file(_graph(facts, shape, channels, include_top, resized_from=resized_from), name, path)
    own = (facts.default_size, facts.default_size)
    if include_top and shape != own:
        raise TransferError(
            f"The ImageNet classifier of {name} takes images of {own[0]} × {own[1]} pixels. Received: "
            f"image_size={image_size}. Leave the size out, or build without include_top."
        )
    with weight_files.imagenet(name, include_top) as source:
        asked = (channels, resized_from) if shape == own else (3, None)
        trained = _graph(facts, own, asked[0], include_top, source, resized_from=asked[1])
    if shape == own:
        return _named(trained, name)
    # Keras chooses the file by the size of the input: another size takes over the weights of the entry's own
    model = _graph(facts, shape, channels, include_top, resized_from=resized_from)
    model.set_weights(trained.get_weights())
    return _named(model, name)


def _from_file(graph: keras.Model, name: str, path: Path | None) -> keras.Model:
    """The backbone with a file's weights, or random ones.

    Files of weights follow the graph that Keras builds, whole models the flat one.
    """
    if path is not None and path.suffix == ".h5":
        weight_files.load_weights(graph, path, name)
    model = _named(graph, name)
    if path is not None and path.suffix == ".keras":
        weight_files.copy_weights(model, path, name)
    return model


def _graph(
    facts: BackboneEntry,
    shape: tuple[int, int],
    channels: int,
    include_top: bool,
    weights: str | None = None,
    *,
    resized_from: tuple[int, int] | None = None,
) -> keras.Model:
    """Input, preprocessing and Keras' network in one graph, named as Keras names it."""
    pixels = keras.Input((*(resized_from or shape), channels), name="pixels")
    images = pixels if resized_from in (None, shape) else _resized(pixels, shape)
    constructor = getattr(keras.applications, facts.constructor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "input_shape is not 224": meant, the graph fits every size
        return constructor(
            input_tensor=preprocess(images, facts.preprocessing),
            input_shape=(*shape, 3),
            include_top=include_top,
            weights=weights,
            **facts.arguments,
        )


def _resized(pixels: keras.KerasTensor, shape: tuple[int, int]) -> keras.KerasTensor:
    """Images in the size that the network takes; antialiasing matters where they get smaller."""
    return keras.layers.Resizing(*shape, antialias=True, dtype="float32", name="resizing")(pixels)


def _named(model: keras.Model, name: str) -> keras.Model:
    """The flat network under the entry's name."""
    flat = flatten(model)
    number_afresh(flat)
    return keras.Model(flat.inputs[0], flat.output, name=name)


def preprocess(pixels: keras.KerasTensor, mode: Preprocessing) -> keras.KerasTensor:
    """Raw pixels to what a network was trained on, as plain layers in float32.

    Args:
        pixels: `(batch, height, width, 3 or 1)`, 0…255.
        mode: `tf`, `caffe` or `torch`, as in `keras.applications.imagenet_utils.preprocess_input`.

    Returns:
        `(batch, height, width, 3)`.
    """
    if pixels.shape[-1] == 1:
        pixels = keras.layers.Concatenate(dtype="float32", name="rgb")([pixels, pixels, pixels])
    if mode == "tf":
        return keras.layers.Rescaling(1 / 127.5, -1, dtype="float32", name="rescaling")(pixels)
    if mode == "torch":
        unit = keras.layers.Rescaling(1 / 255, dtype="float32", name="rescaling")(pixels)
        return keras.layers.Normalization(**TORCH_STATISTICS, dtype="float32", name="normalization")(unit)
    centred = keras.layers.Normalization(**CAFFE_MEAN, dtype="float32", name="normalization")(pixels)
    return _bgr(centred)


def _bgr(rgb: keras.KerasTensor) -> keras.KerasTensor:
    """Turns red, green, blue around.

    Cropping read as `channels_first` crops the last axis of `channels_last` data: the only layer of Keras that picks
    single channels without weights.
    """
    planes = [
        keras.layers.Cropping2D(
            ((0, 0), (index, 2 - index)), data_format="channels_first", dtype="float32", name=f"{colour}_plane"
        )(rgb)
        for index, colour in ((2, "blue"), (1, "green"), (0, "red"))
    ]
    return keras.layers.Concatenate(dtype="float32", name="bgr")(planes)
