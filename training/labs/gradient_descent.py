"""Gradient descent and logistic regression, written out in NumPy as the notes' algorithm, beside Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.plots.style import BLUE, DARK, GREEN, VERMILLION
from training.labs.drawing import band, classes, log_scale, panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words
from training.labs.logistic import log_loss, sigmoid, with_one
from training.labs.logistic import mistakes as wrong

THEORY = """
Logistic regression is one unit with a sigmoid and the log-loss. Gradient descent moves each weight against its slope:
begin with random weights; for every point, whose answer is ŷ and whose truth is y, change each weight by the rate
times (y − ŷ) times its input, and the bias by the rate times (y − ŷ); repeat.

It looks like the perceptron's rule, and differs in one thing: ŷ is a number between 0 and 1. So a misclassified point
pulls the line towards itself, and a well classified one gently pushes it away, less and less the surer the answer.
After each point, this is stochastic gradient descent; with the mean over all points, plain gradient descent.
"""


@dataclass(frozen=True, kw_only=True)
class DescentParameters(Parameters):
    """Settings.

    Attributes:
        rate: Learning rate.
        epochs: Passes over the points.
        points: Points of two clouds.
    """

    rate: float = option(0.1, 1e-4, 10.0)
    epochs: int = option(6, 1, 200)
    points: int = option(60, 4, 1000)


def experiment(parameters: DescentParameters, seeds: Sequence[int]) -> Findings:
    """Runs the algorithm after each point and on the mean of all, by hand and by Keras, from the same weights."""
    clouds = [_clouds(parameters.points, seed) for seed in seeds]
    apart, mine, losses, mistakes = {}, {}, {}, {}
    for name, size in (("each point", 1), ("all points", parameters.points)):
        theirs, starts = _keras(parameters, clouds, seeds, size)
        mine[name] = [
            descend(x, y, start, rate=parameters.rate, epochs=parameters.epochs, batch_size=size)
            for (x, y), start in zip(clouds, starts, strict=True)
        ]
        apart[name] = [np.abs(a - b).max(axis=1) for a, b in zip(mine[name], theirs, strict=True)]
        losses[name] = [log_loss(path, with_one(x), y) for path, (x, y) in zip(mine[name], clouds, strict=True)]
        mistakes[name] = [int(wrong(path[-1], with_one(x), y)) for path, (x, y) in zip(mine[name], clouds, strict=True)]
    steps = {name: len(found[0]) - 1 for name, found in apart.items()}
    fallen = [one[0] - one[-1] for one in losses["each point"]]
    claims = tuple(
        claim(
            f"|weights by hand − Keras' SGD|, largest over {steps[name]} steps, update after {name}",
            [one.max() for one in found],
            at_most=1e-6,
        )
        for name, found in apart.items()
    ) + (claim("log-loss before − after, update after each point, nats", fallen, at_least=0),)
    largest = {name: max(float(one.max()) for one in found) for name, found in apart.items()}
    text = (
        f"In {steps['each point']} updates after each point, no weight was ever further than "
        f"{largest['each point']:.1g} from Keras' SGD; in {steps['all points']} updates by all points together, "
        f"{largest['all points']:.1g}. "
        f"After {parameters.epochs} passes {spread_words(mistakes['each point'])} of {parameters.points} points were "
        f"misclassified by the first and {spread_words(mistakes['all points'])} by the second, which had taken "
        f"{parameters.points} times fewer steps of the same rate."
    )
    pictures = (_draw_lines(mine["each point"][0], *clouds[0], parameters), _draw_course(losses, apart, parameters))
    numbers = {
        "mistakes": mistakes,
        "log_loss_at_the_end": {name: [o[-1] for o in one] for name, one in losses.items()},
    }
    return Findings(text, claims, pictures, numbers)


def descend(
    x: np.ndarray, y: np.ndarray, start: np.ndarray, *, rate: float, epochs: int, batch_size: int
) -> np.ndarray:
    """The notes' algorithm.

    Args:
        x: Points `(n, 2)`, float32.
        y: Classes `(n,)`, 0 or 1.
        start: Weights w₁ and w₂ and the bias, `(3,)`.
        rate: Learning rate α.
        epochs: Passes over the points.
        batch_size: 1: after each point; n: by the mean of all.

    Returns:
        `(steps + 1, 3)`: weights and bias after each step, in single precision as Keras computes.
    """
    w, b = start[:2].astype(np.float32), np.float32(start[2])
    path = [np.array([*w, b])]
    for _ in range(epochs):
        for first in range(0, len(x), batch_size):
            rows = slice(first, first + batch_size)
            y_hat = sigmoid(x[rows] @ w + b)
            error = (y_hat - y[rows]).astype(np.float32)
            w = w - np.float32(rate) * (error @ x[rows]) / np.float32(len(error))
            b = b - np.float32(rate) * error.mean()
            path.append(np.array([*w, b]))
    return np.array(path)


def _clouds(points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds that touch, in a random order."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(points) % 2)
    x = rng.normal(0, 0.6, (points, 2)) + np.where(y[:, None], [1.0, 0.6], [-0.4, -0.8])
    return x.astype(np.float32), y


def _keras(parameters, clouds, seeds, batch_size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The same by Keras' SGD: weights after each step, and those of the start, for each seed."""
    import keras

    import models
    from training.labs.fitting import begin, compiled, split_of
    from training.pipeline import batches

    def build() -> keras.Model:
        return models.build("logistic_regression", (2,), 2)

    def weights() -> np.ndarray:
        return np.concatenate([one.ravel() for one in model.get_weights()])

    model = compiled(build, keras.optimizers.SGD(parameters.rate), num_classes=2)
    paths = []
    for (x, y), seed in zip(clouds, seeds, strict=True):
        begin(model, build, seed)
        path = [weights()]
        watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs, path=path: path.append(weights()))
        model.fit(
            batches(split_of(x, y), batch_size=batch_size),
            epochs=parameters.epochs,
            callbacks=[watch],
            shuffle=False,
            verbose=0,
        )
        paths.append(np.array(path))
    return paths, [path[0] for path in paths]


def _draw_lines(path: np.ndarray, x: np.ndarray, y: np.ndarray, parameters: DescentParameters) -> Picture:
    """The boundary after each pass."""
    figure, (ax,) = panels(height=3.8)
    ends = np.array([x[:, 0].min() - 0.4, x[:, 0].max() + 0.4])
    for epoch in range(parameters.epochs + 1):
        w1, w2, b = path[epoch * (len(path) - 1) // parameters.epochs]
        last = epoch == parameters.epochs
        style, color, width = ("-", DARK, 2.0) if last else ("--", GREEN, 0.9)
        name = "last" if last else ""
        ax.plot(ends, -(w1 * ends + b) / w2, linestyle=style, color=color, linewidth=width, label=name)
    classes(ax, x, y)
    ax.set(xlabel="first input", ylabel="second input", xlim=ends, ylim=(x[:, 1].min() - 0.4, x[:, 1].max() + 0.4))
    ax.legend()
    caption = (
        "The line before the first pass and after each one (green), and at the end (black): it turns, then settles."
    )
    return Picture("lines", "The boundary, pass by pass", figure, caption)


def _draw_course(losses, apart, parameters: DescentParameters) -> Picture:
    """Loss against passes, and how far hand and Keras are apart."""
    figure, (left, right) = panels(2, height=3.3)
    for (name, found), color in zip(losses.items(), (BLUE, VERMILLION), strict=True):
        passes = np.linspace(0, parameters.epochs, len(found[0]))
        band(left, passes, found, color=color, label=f"update after {name}")
        band(right, passes, np.maximum(apart[name], 1e-9), color=color, label=f"update after {name}")
    log_scale(right, "y")
    right.axhline(1e-6, color=DARK, linestyle=":", label="1e-6")
    left.set(xlabel="passes over the points", ylabel="log-loss, nats per point", ylim=(0, None))
    right.set(xlabel="passes over the points", ylabel="largest difference of a weight", ylim=(5e-10, 1e-5))
    left.legend()
    right.legend()
    caption = (
        "Left: the same rate moves further when it is applied after each point. Right: the algorithm by hand and "
        "Keras' SGD differ by the rounding of single precision. Bands: least to most over the seeds."
    )
    return Picture("course", "Loss, and the difference from Keras", figure, caption)


LAB = Lab(
    name="gradient_descent",
    title="Gradient descent and logistic regression",
    theory=THEORY,
    formulas=("ŷ = σ(w·x + b)", "w ← w − α·(ŷ − y)·x,  b ← b − α·(ŷ − y)"),
    parameters=DescentParameters,
    small=DescentParameters(seeds=2, epochs=2, points=30),
    experiment=experiment,
    try_it="--rate 1",
)
