"""The plain dictionary of all factories, name → function; `models.catalog` says what they are without Keras."""

from __future__ import annotations

from collections.abc import Callable

import keras

from models.cnn import cifar_cnn, cifar_cnn_functional, dog_cnn, gap_cnn
from models.linear import linear_regression, logistic_regression, perceptron, softmax_regression
from models.mlp import cifar_mlp, mlp_classifier, mlp_regressor, mnist_mlp
from models.saved import saved
from models.speed import cifar_speed

FACTORIES: dict[str, Callable[..., keras.Model]] = {
    "perceptron": perceptron,
    "logistic_regression": logistic_regression,
    "softmax_regression": softmax_regression,
    "linear_regression": linear_regression,
    "mlp_classifier": mlp_classifier,
    "mlp_regressor": mlp_regressor,
    "mnist_mlp": mnist_mlp,
    "cifar_mlp": cifar_mlp,
    "cifar_cnn": cifar_cnn,
    "cifar_cnn_functional": cifar_cnn_functional,
    "gap_cnn": gap_cnn,
    "dog_cnn": dog_cnn,
    "cifar_speed": cifar_speed,
    "saved": saved,
}
