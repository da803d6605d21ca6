"""Every rule on a factory's arguments, with its exact text."""

from __future__ import annotations

from typing import Any

import pytest

import models

IMAGE, TABLE = (32, 32, 3), (4,)
SMALL = "pixels high and wide for this many poolings: use larger images or fewer filters. Received: input_shape="
SHAPE = "input_shape must be (height, width, channels)"

ERRORS: list[tuple[str, tuple, int, dict[str, Any], str]] = [
    ("softmax_regression", IMAGE, 1, {}, "num_classes must be at least 2. Received: num_classes=1."),
    ("mlp_classifier", TABLE, 1, {}, "num_classes must be at least 2. Received: num_classes=1."),
    ("mnist_mlp", IMAGE, 0, {}, "num_classes must be at least 2. Received: num_classes=0."),
    ("cifar_mlp", IMAGE, -1, {}, "num_classes must be at least 2. Received: num_classes=-1."),
    ("cifar_cnn", IMAGE, 1, {}, "num_classes must be at least 2. Received: num_classes=1."),
    ("cifar_cnn_functional", IMAGE, 1, {}, "num_classes must be at least 2. Received: num_classes=1."),
    ("gap_cnn", IMAGE, 1, {}, "num_classes must be at least 2. Received: num_classes=1."),
    ("dog_cnn", IMAGE, 1, {}, "num_classes must be at least 2. Received: num_classes=1."),
    (
        "perceptron",
        TABLE,
        3,
        {},
        "num_classes must be 2: perceptron separates two classes. Received: num_classes=3.",
    ),
    (
        "logistic_regression",
        TABLE,
        3,
        {},
        "num_classes must be 2: logistic_regression separates two classes. Received: num_classes=3.",
    ),
    (
        "linear_regression",
        TABLE,
        2,
        {},
        "num_classes must be 0 or 1: a regressor has one output. Received: num_classes=2.",
    ),
    ("mlp_regressor", TABLE, 3, {}, "num_classes must be 0 or 1: a regressor has one output. Received: num_classes=3."),
    ("mlp_classifier", (28, 28), 2, {}, f"{SHAPE} or (features,). Received: input_shape=(28, 28)."),
    ("perceptron", (0,), 2, {}, "input_shape must hold positive integers. Received: input_shape=(0,)."),
    (
        "cifar_cnn",
        (32, 32, None),
        2,
        {},
        "input_shape must hold positive integers. Received: input_shape=(32, 32, None).",
    ),
    ("cifar_cnn", TABLE, 2, {}, f"{SHAPE}. Received: input_shape=(4,)."),
    ("mnist_mlp", TABLE, 2, {}, f"{SHAPE}. Received: input_shape=(4,)."),
    ("gap_cnn", TABLE, 2, {}, f"{SHAPE}. Received: input_shape=(4,)."),
    ("cifar_cnn", (7, 32, 3), 2, {}, f"input_shape must be at least 8 {SMALL}(7, 32, 3)."),
    ("gap_cnn", (32, 3, 3), 2, {}, f"input_shape must be at least 4 {SMALL}(32, 3, 3)."),
    ("dog_cnn", (14, 14, 3), 2, {}, f"input_shape must be at least 15 {SMALL}(14, 14, 3)."),
    (
        "dog_cnn",
        (9, 9, 3),
        2,
        {"filters": (8, 8), "kernel_size": 3},
        f"input_shape must be at least 10 {SMALL}(9, 9, 3).",
    ),
    ("cifar_cnn", IMAGE, 2, {"filters": ()}, "filters must hold one or more positive integers. Received: filters=()."),
    (
        "dog_cnn",
        IMAGE,
        2,
        {"filters": (8, 0)},
        "filters must hold one or more positive integers. Received: filters=(8, 0).",
    ),
    ("gap_cnn", IMAGE, 2, {"kernel_size": 0}, "kernel_size must be a positive integer. Received: kernel_size=0."),
    ("cifar_cnn", IMAGE, 2, {"kernel_size": 2.5}, "kernel_size must be a positive integer. Received: kernel_size=2.5."),
    ("cifar_cnn", IMAGE, 2, {"dense_units": 0}, "dense_units must be a positive integer. Received: dense_units=0."),
    (
        "mlp_classifier",
        TABLE,
        2,
        {"units": [64, -1]},
        "units must hold one or more positive integers. Received: units=(64, -1).",
    ),
    ("mlp_regressor", TABLE, 0, {"units": ()}, "units must hold one or more positive integers. Received: units=()."),
    (
        "mlp_classifier",
        TABLE,
        2,
        {"dropout_rate": 1.0},
        "dropout_rate must be at least 0 and below 1. Received: dropout_rate=1.0.",
    ),
    (
        "cifar_cnn",
        IMAGE,
        2,
        {"dropout_rate": -0.1},
        "dropout_rate must be at least 0 and below 1. Received: dropout_rate=-0.1.",
    ),
    (
        "cifar_cnn",
        IMAGE,
        2,
        {"head_dropout_rate": 2},
        "head_dropout_rate must be at least 0 and below 1. Received: head_dropout_rate=2.",
    ),
    ("logistic_regression", TABLE, 2, {"l1": -1.0}, "l1 must be finite and at least 0. Received: l1=-1.0."),
    ("gap_cnn", IMAGE, 2, {"l2": float("inf")}, "l2 must be finite and at least 0. Received: l2=inf."),
    (
        "mlp_regressor",
        TABLE,
        0,
        {"target_scale": 0.0},
        "target_scale must be finite and above 0. Received: target_scale=0.0.",
    ),
    (
        "linear_regression",
        TABLE,
        0,
        {"target_mean": float("nan")},
        "target_mean must be finite. Received: target_mean=nan.",
    ),
    ("perceptron", TABLE, 2, {"mean": [0.0] * 4}, "mean and variance must be given together. Received: variance=None."),
    ("perceptron", TABLE, 2, {"variance": [0.0] * 4}, "mean and variance must be given together. Received: mean=None."),
    (
        "mlp_classifier",
        IMAGE,
        2,
        {"mean": [0.0] * 3, "variance": [1.0] * 3},
        "mean and variance are for tables; images are rescaled by 1/255. Received: input_shape=(32, 32, 3).",
    ),
    (
        "mlp_regressor",
        TABLE,
        0,
        {"mean": [0.0] * 3, "variance": [1.0] * 4},
        "mean must hold one number per feature, 4. Received: 3.",
    ),
    (
        "linear_regression",
        TABLE,
        0,
        {"mean": [0.0] * 4, "variance": [1.0] * 5},
        "variance must hold one number per feature, 4. Received: 5.",
    ),
    (
        "softmax_regression",
        (2,),
        2,
        {"mean": [float("nan"), 0.0], "variance": [1.0, 1.0]},
        "mean must be finite. Received: mean=[nan, 0.0].",
    ),
    (
        "logistic_regression",
        (2,),
        2,
        {"mean": [0.0, 0.0], "variance": [1.0, -1.0]},
        "variance must be at least 0. Received: variance=[1.0, -1.0].",
    ),
    (
        "dog_cnn",
        IMAGE,
        2,
        {"filter": (8,)},
        "dog_cnn does not take the keyword 'filter'. Did you mean 'filters'? "
        "Accepted: filters, kernel_size, activation, kernel_initializer, l2.",
    ),
    (
        "cifar_speed",
        (32, 32, 3),
        2,
        {"whitening": [[1.0, 2.0]]},
        "whitening must be a kernel (size, size, 3, count) with a size of 1 or 2. Received: an array of shape (1, 2).",
    ),
    (
        "perceptron",
        TABLE,
        2,
        {"units": (8,)},
        "perceptron does not take the keyword 'units'. Accepted: mean, variance.",
    ),
    (
        "cifar_cn",
        IMAGE,
        2,
        {},
        "Unknown model. Did you mean 'cifar_cnn'? Available: perceptron, logistic_regression, softmax_regression, "
        "linear_regression, mlp_classifier, mlp_regressor, mnist_mlp, cifar_mlp, cifar_cnn, cifar_cnn_functional, "
        "gap_cnn, dog_cnn, cifar_speed, saved. Received: name='cifar_cn'.",
    ),
    (
        "saved",
        IMAGE,
        2,
        {},
        "saved goes on with a network that was trained before: name its file with --start FILE.keras.",
    ),
]


@pytest.mark.parametrize(("name", "input_shape", "num_classes", "hyperparameters", "message"), ERRORS)
def test_bad_argument_says_the_rule_and_the_value(
    name: str, input_shape: tuple, num_classes: int, hyperparameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError) as error:
        models.build(name, input_shape, num_classes, **hyperparameters)
    assert str(error.value) == message


def test_every_factory_has_an_error_test() -> None:
    assert {case[0] for case in ERRORS} >= set(models.FACTORIES)


def test_unknown_model_without_a_close_name_suggests_none() -> None:
    with pytest.raises(ValueError, match=r"^Unknown model\. Available: perceptron, "):
        models.build("transformer", IMAGE, 2)
