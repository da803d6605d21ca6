"""Small models of every kind that is explained, with repeatable weights, and images for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import keras
import numpy as np

import models
from evaluation.explain import Tapped, tap
from transfer.backbones import build_backbone
from transfer.surgery import replace_head, slice_at

layers = keras.layers
SHAPE = (16, 12, 3)


def images_for(model: keras.Model, count: int = 5, seed: int = 3) -> np.ndarray:
    """Raw pixels in 0…255, float32."""
    shape = [size or 16 for size in model.inputs[0].shape[1:]]
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.float32)


def from_catalog(name: str, num_classes: int = 4) -> keras.Model:
    """One of the project's models; the biases are drawn too, for a bias of 0 would hide mistakes."""
    return _with_biases(models.build(name, SHAPE, num_classes))


def softmax_in_dense() -> keras.Model:
    """A user's Sequential model that ends in Dense(activation="softmax")."""
    return _with_biases(
        keras.Sequential(
            [
                keras.Input(SHAPE),
                layers.Rescaling(1 / 255),
                layers.Conv2D(6, 3, activation="relu", name="first"),
                layers.Conv2D(5, 3, name="second"),
                layers.ReLU(),
                layers.GlobalAveragePooling2D(),
                layers.Dropout(0.5),
                layers.Dense(4, activation="softmax"),
            ],
            name="users",
        )
    )


def nested() -> keras.Model:
    """A backbone called as a layer: no recipe that goes by `model.get_layer` sees into it."""
    inner = keras.Input((None, None, 3))
    features = layers.Conv2D(6, 3, padding="same", activation="relu", name="first")(inner)
    features = layers.Conv2D(5, 3, strides=2, padding="same", name="second")(features)
    backbone = keras.Model(inner, layers.ReLU(name="out")(features), name="backbone")
    pixels = keras.Input(SHAPE)
    head = keras.Sequential([layers.GlobalAveragePooling2D(), layers.Dense(4, activation="softmax")], name="head")
    outputs = head(backbone(layers.Rescaling(1 / 255)(pixels), training=False))
    return _with_biases(keras.Model(pixels, outputs, name="nested"))


def residual() -> keras.Model:
    """Two residual blocks, the second with `x + y` and no layer: the last convolution lies before the addition."""
    pixels = keras.Input(SHAPE)
    stem = layers.Conv2D(6, 3, padding="same", name="stem")(layers.Rescaling(1 / 255)(pixels))
    for number in (1, 2):
        branch = layers.BatchNormalization(name=f"bn{number}")(stem)
        branch = layers.Conv2D(6, 3, padding="same", name=f"conv{number}")(layers.Activation("relu")(branch))
        stem = layers.Add(name="added")([stem, branch]) if number == 1 else stem + branch
    outputs = layers.Activation("sigmoid")(layers.Dense(3)(layers.GlobalAveragePooling2D()(stem)))
    return _with_biases(keras.Model(pixels, outputs, name="residual"))


def mobilenet(*, include_top: bool = False) -> keras.Model:
    """A flat MobileNet without trained weights; with its own top it ends in a 1×1 convolution and a softmax."""
    model = build_backbone("mobilenet_0.25_128", image_size=64, weights=None, include_top=include_top)
    return model if include_top else replace_head(model, 3)


def cut_mobilenet() -> keras.Model:
    """The same cut near its beginning, as transfer's case 2 does: a graph that is traced in a second."""
    whole = build_backbone("mobilenet_0.25_128", image_size=32, weights=None)
    return replace_head(slice_at(whole, "conv_pw_3_relu"), 3)


def linear(num_classes: int = 3) -> keras.Model:
    """Logits w·x + b of every pixel."""
    pixels = keras.Input((6, 5, 2))
    logits = layers.Dense(num_classes, name="logits")(layers.Flatten()(pixels))
    return _with_biases(keras.Model(pixels, layers.Softmax()(logits), name="linear"))


def additive(num_classes: int = 3) -> keras.Model:
    """Logits that are a sum over the pixels of a function of each pixel alone, which is not linear."""
    pixels = keras.Input((6, 5, 2))
    hidden = layers.Conv2D(8, 1, activation="relu", name="hidden")(pixels)
    sums = layers.GlobalAveragePooling2D()(layers.Conv2D(num_classes, 1, name="parts")(hidden))
    return _with_biases(keras.Model(pixels, layers.Softmax()(sums), name="additive"))


KINDS: dict[str, Callable[[], keras.Model]] = {
    "gap_cnn": lambda: from_catalog("gap_cnn"),
    "gap_cnn_binary": lambda: from_catalog("gap_cnn", 2),
    "cifar_cnn": lambda: from_catalog("cifar_cnn"),
    "cifar_cnn_functional": lambda: from_catalog("cifar_cnn_functional"),
    "users": softmax_in_dense,
    "nested": nested,
    "residual": residual,
    "mobilenet": cut_mobilenet,
    "mobilenet_whole": mobilenet,
}
STATED = ("gap_cnn", "cifar_cnn", "cifar_cnn_functional", "mobilenet", "nested")  # what every identity is proved on
AVERAGED = ("gap_cnn", "gap_cnn_binary", "users", "nested", "residual", "mobilenet")


@cache
def build(kind: str) -> keras.Model:
    """A model of `KINDS`, built once: that nothing changes it is tested."""
    keras.utils.set_random_seed(7)
    return KINDS[kind]()


@cache
def tapped(kind: str) -> Tapped:
    """The same, tapped: its graphs are traced once for all tests."""
    return tap(build(kind))


def last_dense(model: keras.Model) -> keras.layers.Dense:
    """The dense layer of the logits, wherever it is nested."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, layers.Dense)][-1]


def _with_biases(model: keras.Model) -> keras.Model:
    generator = np.random.default_rng(11)
    for layer in model._flatten_layers():
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(generator.normal(0, 0.1, layer.bias.shape))
    return model
