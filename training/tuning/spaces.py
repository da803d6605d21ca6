"""Search spaces of all factories: plain functions from keras-tuner's hyperparameters to settings.

`space(hp)` returns keywords of the factory and settings of `TrainConfig` under their own names. The first value of a
choice, or the default of a range, is the factory's or the training's own wherever that lies in the space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

Settings = dict[str, Any]
Space = Callable[["HyperParameters"], Settings]

ACTIVATIONS = ["relu", "elu", "gelu", "silu"]
INITIALIZERS = ["glorot_uniform", "he_normal", "he_uniform", "lecun_normal"]
WITH_MOMENTUM = ["sgd", "rmsprop"]


def optimization(hp: HyperParameters) -> Settings:
    """Optimizer, learning rate, momentum where there is one, batch size and weight decay."""
    optimizer = hp.Choice("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
    found: Settings = {"optimizer": optimizer}
    with hp.conditional_scope("optimizer", ["sgd"]):
        rate = hp.Float("sgd_learning_rate", 1e-3, 0.3, sampling="log", default=0.01)
    with hp.conditional_scope("optimizer", ["adam", "adamw", "rmsprop"]):
        adaptive = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", WITH_MOMENTUM):
        momentum = hp.Choice("momentum", [0.0, 0.5, 0.9])
    if optimizer in WITH_MOMENTUM:
        found["momentum"] = momentum
    found["learning_rate"] = rate if optimizer == "sgd" else adaptive
    found["batch_size"] = hp.Choice("batch_size", [32, 64, 128, 256])
    found["weight_decay"] = hp.Choice("weight_decay", [0.0, 1e-4, 1e-3, 1e-2])
    return found


def smoothing(hp: HyperParameters) -> Settings:
    """Label smoothing, for classes."""
    return {"label_smoothing": hp.Choice("label_smoothing", [0.0, 0.05, 0.1])}


def augmentation(hp: HyperParameters) -> Settings:
    """Random changes of images."""
    return {
        "shift": hp.Choice("shift", [0.0, 0.05, 0.1]),
        "flip": hp.Choice("flip", ["none", "horizontal"]),
        "rotation": hp.Choice("rotation", [0.0, 10.0]),
    }


def penalties(hp: HyperParameters, *names: str) -> Settings:
    """Weights of the penalties on the kernels, such as `l2`."""
    return {name: hp.Choice(name, [0.0, 1e-5, 1e-4, 1e-3]) for name in names}


def convolutions(hp: HyperParameters) -> Settings:
    """Number and width of the convolutions, each twice as wide as the one before, and what they compute."""
    first = hp.Choice("first_filters", [16, 8, 32])
    return {
        "filters": [first * 2**block for block in range(hp.Int("blocks", 2, 3, default=3))],
        "activation": hp.Choice("activation", ACTIVATIONS),
        "kernel_initializer": hp.Choice("kernel_initializer", INITIALIZERS),
        **penalties(hp, "l2"),
    }


def cifar_cnn(hp: HyperParameters) -> Settings:
    """Space of `cifar_cnn` and `cifar_cnn_functional`."""
    return {
        **convolutions(hp),
        "kernel_size": hp.Choice("kernel_size", [2, 3, 5]),
        "dense_units": hp.Choice("dense_units", [500, 64, 128, 256]),
        "dropout_rate": hp.Float("dropout_rate", 0.0, 0.5, step=0.1, default=0.3),
        "head_dropout_rate": hp.Float("head_dropout_rate", 0.0, 0.6, step=0.1, default=0.4),
        **optimization(hp),
        **smoothing(hp),
        **augmentation(hp),
    }


def gap_cnn(hp: HyperParameters) -> Settings:
    """Space of `gap_cnn`."""
    size = {"kernel_size": hp.Choice("kernel_size", [3, 2, 5])}
    return {**convolutions(hp), **size, **optimization(hp), **smoothing(hp), **augmentation(hp)}


def dog_cnn(hp: HyperParameters) -> Settings:
    """Space of `dog_cnn`."""
    size = {"kernel_size": hp.Choice("kernel_size", [2, 3])}
    return {**convolutions(hp), **size, **optimization(hp), **smoothing(hp), **augmentation(hp)}


def cifar_speed(hp: HyperParameters) -> Settings:
    """Space of `cifar_speed`: width of the groups, and what they compute."""
    width = hp.Choice("group_filters", [256, 64, 128])
    return {
        "filters": [width // 4, width, width],
        "activation": hp.Choice("activation", ["gelu", "relu", "elu", "silu"]),
        "normalization_momentum": hp.Choice("normalization_momentum", [0.6, 0.9, 0.99]),
        **optimization(hp),
        **smoothing(hp),
        **augmentation(hp),
    }


def saved(hp: HyperParameters) -> Settings:
    """Space of `saved`, which goes on with a network that was trained before, at a low rate."""
    return {
        "learning_rate": hp.Float("learning_rate", 1e-5, 1e-3, sampling="log", default=1e-4),
        "batch_size": hp.Choice("batch_size", [32, 16, 64, 128]),
        "weight_decay": hp.Choice("weight_decay", [0.0, 1e-4, 1e-2]),
        **smoothing(hp),
    }


def image_mlp(hp: HyperParameters) -> Settings:
    """Space of `mnist_mlp` and `cifar_mlp`, whose widths are fixed."""
    rate = {"dropout_rate": hp.Float("dropout_rate", 0.0, 0.6, step=0.1, default=0.2)}
    return {**rate, **penalties(hp, "l1", "l2"), **optimization(hp), **smoothing(hp), **augmentation(hp)}


def hidden_layers(hp: HyperParameters) -> Settings:
    """Space of `mlp_regressor`: number and width of hidden layers, each half as wide as the one before."""
    first = hp.Choice("first_units", [64, 16, 32, 128, 256])
    return {
        "units": [first // 2**layer for layer in range(hp.Int("layers", 1, 3, default=2))],
        "activation": hp.Choice("activation", ACTIVATIONS),
        "kernel_initializer": hp.Choice("kernel_initializer", INITIALIZERS),
        "dropout_rate": hp.Float("dropout_rate", 0.0, 0.5, step=0.1, default=0.0),
        "batch_normalization": hp.Boolean("batch_normalization"),
        **penalties(hp, "l1", "l2"),
        **optimization(hp),
    }


def mlp_classifier(hp: HyperParameters) -> Settings:
    """Space of `mlp_classifier`."""
    return {**hidden_layers(hp), **smoothing(hp)}


def linear(hp: HyperParameters) -> Settings:
    """Space of `linear_regression`."""
    return {**penalties(hp, "l1", "l2"), **optimization(hp)}


def linear_classes(hp: HyperParameters) -> Settings:
    """Space of `logistic_regression` and `softmax_regression`."""
    return {**linear(hp), **smoothing(hp)}


SPACES: dict[str, Space] = {
    "logistic_regression": linear_classes,
    "softmax_regression": linear_classes,
    "linear_regression": linear,
    "mlp_classifier": mlp_classifier,
    "mlp_regressor": hidden_layers,
    "mnist_mlp": image_mlp,
    "cifar_mlp": image_mlp,
    "cifar_cnn": cifar_cnn,
    "cifar_cnn_functional": cifar_cnn,
    "gap_cnn": gap_cnn,
    "dog_cnn": dog_cnn,
    "cifar_speed": cifar_speed,
    "saved": saved,
}
"""The space of every factory that a gradient can train; the perceptron has nothing to search."""
