"""Backpropagation by hand: every derivative of a two-layer network, beside TensorFlow's and finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.plots.style import BLUE, DARK, VERMILLION
from training.labs.drawing import band, log_scale, panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option
from training.labs.logistic import sigmoid

THEORY = """
Feedforward: the inputs are multiplied by the first weights, pass the sigmoid, are multiplied by the second weights,
and pass the sigmoid again. The error depends on a first weight only through this chain, so its derivative is the
product of the derivatives along the chain, and where several paths lead to the output, their sum.

Backpropagation computes these products from the end, each once. The output's error is ŷ − y (the slope of the sigmoid
cancels with that of the log-loss). A hidden unit's error is the output's, times the weight between them, times the
sigmoid's slope there, h·(1 − h). A weight's derivative is the error of the unit that it leads to, times the value
that comes through it. Finite differences ask the network twice for every weight instead, and are never exact.
"""

Weights = list[np.ndarray]


@dataclass(frozen=True, kw_only=True)
class BackpropagationParameters(Parameters):
    """Settings.

    Attributes:
        units: Hidden units.
        points: Random points whose mean log-loss is differentiated.
        step: How far finite differences move a weight.
    """

    units: int = option(3, 1, 100)
    points: int = option(20, 1, 1000)
    step: float = option(1e-5, 1e-12, 1.0)


def experiment(parameters: BackpropagationParameters, seeds: Sequence[int]) -> Findings:
    """Differentiates random networks in three ways."""
    widths = np.geomspace(1e-12, 1.0, 25)
    by_tape, by_differences, courses, pairs = [], [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(parameters.points, 2)), rng.integers(0, 2, parameters.points).astype(float)
        weights, tape = _tape(parameters.units, seed, x, y)
        mine = _flat(backpropagate(weights, x, y))
        pairs.append((mine, tape))
        by_tape.append(float(np.abs(mine - tape).max()))
        by_differences.append(float(np.abs(mine - differences(weights, x, y, parameters.step)).max()))
        courses.append([float(np.abs(mine - differences(weights, x, y, width)).max()) for width in widths])
    best = widths[np.argmin(np.mean(courses, axis=0))]
    claims = (
        claim("|by hand − tf.GradientTape|, largest over all weights", by_tape, at_most=1e-6),
        claim(f"|by hand − finite differences of {parameters.step:g}|, largest", by_differences, at_most=1e-8),
        claim("error of differences of 1e-12 / of the best step", [one[0] / min(one) for one in courses], at_least=10),
        claim("error of differences of 1 / of the best step", [one[-1] / min(one) for one in courses], at_least=10),
    )
    text = (
        f"The {len(pairs[0][0])} derivatives by hand and TensorFlow's differ by at most {max(by_tape):.1g}, the "
        f"rounding of single precision. Finite differences with steps of {parameters.step:g} come within "
        f"{max(by_differences):.1g}; they are closest with {best:.0e}, where the formula's error, which grows with the "
        f"step, meets that of rounding, which grows as it shrinks."
    )
    numbers = {"by_hand": [pair[0] for pair in pairs], "by_tape": [pair[1] for pair in pairs], "best_step": best}
    return Findings(text, claims, (_draw_agreement(pairs), _draw_steps(widths, courses)), numbers)


def forward(weights: Weights, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden values `(n, units)` and outputs `(n,)`."""
    hidden = sigmoid(x @ weights[0] + weights[1])
    return hidden, sigmoid((hidden @ weights[2] + weights[3])[:, 0])


def log_loss(weights: Weights, x: np.ndarray, y: np.ndarray) -> float:
    """Mean over the points."""
    _, y_hat = forward(weights, x)
    return float(-np.mean(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)))


def backpropagate(weights: Weights, x: np.ndarray, y: np.ndarray) -> Weights:
    """Derivatives of the mean log-loss.

    Args:
        weights: First kernel `(2, units)` and bias `(units,)`, second kernel `(units, 1)` and bias `(1,)`.
        x: Points `(n, 2)`.
        y: Classes `(n,)`.

    Returns:
        One array for each of the weights, of its shape.
    """
    hidden, y_hat = forward(weights, x)
    output_error = (y_hat - y)[:, None] / len(y)
    hidden_error = output_error @ weights[2].T * hidden * (1 - hidden)
    return [x.T @ hidden_error, hidden_error.sum(axis=0), hidden.T @ output_error, output_error.sum(axis=0)]


def differences(weights: Weights, x: np.ndarray, y: np.ndarray, step: float) -> np.ndarray:
    """The same by central differences, `(weights,)`: two questions for each weight."""
    found = []
    for place, array in enumerate(weights):
        for index in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = [one.copy() for one in weights]
                moved[place][index] += sign * step
                ends.append(log_loss(moved, x, y))
            found.append((ends[0] - ends[1]) / (2 * step))
    return np.array(found)


def _tape(units: int, seed: int, x: np.ndarray, y: np.ndarray) -> tuple[Weights, np.ndarray]:
    """A network of the factory with random weights, in double precision, and TensorFlow's derivatives."""
    import keras
    import tensorflow as tf

    import models

    keras.utils.set_random_seed(seed)
    model = models.build(
        "mlp_classifier", (2,), 2, units=(units,), activation="sigmoid", kernel_initializer="random_normal"
    )
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=one.shape) for one in model.get_weights()])
    with tf.GradientTape() as tape:
        y_hat = model(x.astype(np.float32))
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(y[:, None].astype(np.float32), y_hat))
    gradients = tape.gradient(loss, [one.value for one in model.trainable_variables])
    return [one.astype(float) for one in model.get_weights()], _flat([one.numpy() for one in gradients])


def _flat(arrays: Weights) -> np.ndarray:
    return np.concatenate([np.asarray(one, dtype=float).ravel() for one in arrays])


def _draw_agreement(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Picture:
    """Every derivative by hand against TensorFlow's."""
    figure, (ax,) = panels(height=3.6)
    mine, tape = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    reach = 1.1 * np.abs(mine).max()
    ax.plot([-reach, reach], [-reach, reach], color=DARK, linewidth=0.8, linestyle=":", label="equal")
    ax.scatter(mine, tape, s=22, color=BLUE, label="one weight or bias")
    ax.set(xlabel="derivative by hand, nats per unit of weight", ylabel="derivative by tf.GradientTape", aspect="equal")
    ax.legend()
    caption = "Every weight and bias of every seed is a point: all lie on the line."
    return Picture("agreement", "Backpropagation by hand and by TensorFlow", figure, caption)


def _draw_steps(widths: np.ndarray, courses: list[list[float]]) -> Picture:
    """Error of finite differences against their step."""
    figure, (ax,) = panels(height=3.2)
    band(ax, widths, courses, color=VERMILLION, label="finite differences")
    log_scale(ax, "x", "y")
    ax.set(xlabel="step of the differences, units of weight", ylabel="largest error of a derivative")
    ax.legend()
    caption = (
        "To the right the step is too long for the curve, to the left too short for the digits of a number. "
        "Backpropagation has neither error. Band: least to most over the seeds."
    )
    return Picture("steps", "How well finite differences can do", figure, caption)


LAB = Lab(
    name="backpropagation",
    title="Backpropagation",
    theory=THEORY,
    formulas=(
        "δ(output) = ŷ − y,  δ(hidden) = δ(output)·W₂·h·(1 − h)",
        "∂E/∂W₂ = h·δ(output),  ∂E/∂W₁ = x·δ(hidden)",
    ),
    parameters=BackpropagationParameters,
    small=BackpropagationParameters(seeds=2),
    experiment=experiment,
    try_it="--units 20",
)
