"""Models of one linear layer: perceptron, logistic and softmax regression, linear regression.

Images are flattened. They are the baselines that every deeper network has to beat.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from models import blocks, checks


def perceptron(
    input_shape: Sequence[int],
    num_classes: int = 2,
    *,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
) -> keras.Model:
    """Builds Rosenblatt's perceptron: 1 where w·x + b ≥ 0, else 0.

    A step has no gradient, so `fit` cannot train it; the perceptron's own rule can. The layer `scores` keeps
    the signed margin w·x + b, which ranks what the step only separates.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255, or `(features,)`.
        num_classes: 2.
        mean: Mean of each feature, `(features,)`; tables only.
        variance: Variance of each feature, `(features,)`; tables only.

    Returns:
        A model with integer outputs 0 or 1, `(batch, 1)`, from the layer `step`.

    Raises:
        ValueError: If there are not two classes, or the shape or the statistics do not fit.

    Reference:
        Rosenblatt, 1958, "The perceptron", Psychological Review 65(6).
    """
    checks.check_two_classes("perceptron", num_classes)
    inputs, layers = blocks.input_layers(input_shape, mean, variance)
    layers += blocks.flatten_layers(input_shape)
    layers += [
        keras.layers.Dense(1, dtype="float32", name="scores"),
        # A plain Keras layer equal to the step: bin 1 holds every x >= 0, bin 0 the rest.
        keras.layers.Discretization(bin_boundaries=[0.0], dtype="float32", name="step"),
    ]
    return blocks.functional(inputs, layers, name="perceptron")


def logistic_regression(
    input_shape: Sequence[int],
    num_classes: int = 2,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
) -> keras.Model:
    """Builds logistic regression: the sigmoid of w·x + b, the probability of the positive class.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255, or `(features,)`.
        num_classes: 2; `softmax_regression` takes more.
        l1: Weight of the penalty Σ|w|, at least 0.
        l2: Weight of the penalty Σw², at least 0.
        mean: Mean of each feature, `(features,)`; tables only.
        variance: Variance of each feature, `(features,)`; tables only.

    Returns:
        A model with outputs `(batch, 1)` in [0, 1].

    Raises:
        ValueError: If there are not two classes, or another argument is out of its range.

    Reference:
        Cox, 1958, "The regression analysis of binary sequences", JRSS B 20(2).
    """
    checks.check_two_classes("logistic_regression", num_classes)
    inputs, layers = blocks.input_layers(input_shape, mean, variance)
    layers += blocks.flatten_layers(input_shape)
    layers += blocks.head_layers(num_classes, kernel_regularizer=blocks.penalty(l1, l2))
    return blocks.functional(inputs, layers, name="logistic_regression")


def softmax_regression(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
) -> keras.Model:
    """Builds softmax (multinomial logistic) regression: one linear unit per class and a softmax.

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255, or `(features,)`.
        num_classes: At least 2. With 2 it is logistic regression, one unit: two units and a softmax describe
            the same probabilities with twice the weights.
        l1: Weight of the penalty Σ|w|, at least 0.
        l2: Weight of the penalty Σw², at least 0.
        mean: Mean of each feature, `(features,)`; tables only.
        variance: Variance of each feature, `(features,)`; tables only.

    Returns:
        A model with outputs `(batch, num_classes)` in [0, 1] that sum to 1, or `(batch, 1)` for two classes.

    Raises:
        ValueError: If an argument is out of its range.

    Reference:
        Bishop, 2006, "Pattern recognition and machine learning", section 4.3.4.
    """
    checks.check_num_classes(num_classes)
    inputs, layers = blocks.input_layers(input_shape, mean, variance)
    layers += blocks.flatten_layers(input_shape)
    layers += blocks.head_layers(num_classes, kernel_regularizer=blocks.penalty(l1, l2))
    return blocks.functional(inputs, layers, name="softmax_regression")


def linear_regression(
    input_shape: Sequence[int],
    num_classes: int = 0,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
    target_mean: float = 0.0,
    target_scale: float = 1.0,
) -> keras.Model:
    """Builds linear regression: target_mean + target_scale · (w·x + b).

    Args:
        input_shape: `(height, width, channels)`, pixels in 0…255, or `(features,)`.
        num_classes: 0 or 1; there is one output.
        l1: Weight of the penalty Σ|w| (lasso), at least 0.
        l2: Weight of the penalty Σw² (ridge), at least 0.
        mean: Mean of each feature, `(features,)`; tables only.
        variance: Variance of each feature, `(features,)`; tables only.
        target_mean: Mean of the target in the training split.
        target_scale: Standard deviation of the target there, above 0.

    Returns:
        A model with outputs `(batch, 1)` in the target's units, from the layer `output`.

    Raises:
        ValueError: If an argument is out of its range.

    Reference:
        Hastie, Tibshirani and Friedman, 2009, "The elements of statistical learning", chapter 3.
    """
    checks.check_one_output(num_classes)
    inputs, layers = blocks.input_layers(input_shape, mean, variance)
    layers += blocks.flatten_layers(input_shape)
    layers += blocks.regression_layers(target_mean, target_scale, kernel_regularizer=blocks.penalty(l1, l2))
    return blocks.functional(inputs, layers, name="linear_regression")
