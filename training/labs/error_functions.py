"""From step to sigmoid: why the number of mistakes cannot be descended, and the log-loss can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.plots.style import BLUE, DARK, GREY, VERMILLION
from training.labs.drawing import panels, plane
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words
from training.labs.logistic import log_loss, mistakes, sigmoid

THEORY = """
To learn, one must know which way is down. The number of misclassified points does not say: a small step of a weight
moves the boundary past no point, the number stays, and its slope is 0 almost everywhere; where it changes, it jumps. It
is like standing on a terrace of a stepped pyramid.

A sigmoid in place of the step makes the answer a probability, which changes with every step of a weight; and the
log-loss, the mean of −ln of the probability given to what is true, falls whenever a point moves to its right side,
also before it gets there. For a single layer it is convex: every way down ends at the lowest point.
"""


@dataclass(frozen=True, kw_only=True)
class ErrorParameters(Parameters):
    """Settings.

    Attributes:
        points: Points of two clouds that overlap.
        nudge: How far a weight is moved to look for a slope.
        rate: Learning rate of the descent.
        steps: Its steps.
    """

    points: int = option(60, 4, 2000)
    nudge: float = option(0.001, 1e-6, 10.0)
    rate: float = option(1.0, 0.001, 100.0)
    steps: int = option(100, 1, 5000)


def experiment(parameters: ErrorParameters, seeds: Sequence[int]) -> Findings:
    """Looks for slopes of both errors at random weights, and descends the log-loss."""
    flat, level, curved, slopes, paths, wrong = [], [], [], [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        x, y = _clouds(parameters.points, rng)
        places = rng.normal(0, 3, (400, 2))
        nudged = places + parameters.nudge * _directions(rng, 400)
        flat.append(float(np.mean(mistakes(nudged, x, y) == mistakes(places, x, y))))
        level.append(float(np.mean(log_loss(nudged, x, y) == log_loss(places, x, y))))
        others = rng.permutation(places)
        middle = log_loss((places + others) / 2, x, y)
        curved.append(float(np.max(middle - (log_loss(places, x, y) + log_loss(others, x, y)) / 2)))
        slopes.append(float(np.abs(gradient(places, x, y) - _differences(places, x, y)).max()))
        paths.append(_descent(parameters, rng.normal(0, 3, 2), x, y))
        wrong.append(mistakes(paths[-1][[0, -1]], x, y) / parameters.points)
    before, after = np.array(wrong).T
    z = np.linspace(-8, 8, 4001)
    steepest = float(np.max(np.gradient(sigmoid(z), z)))
    claims = (
        claim("places where a nudge leaves the number of mistakes as it is, share", flat, at_least=0.9),
        claim("places where it leaves the log-loss as it is, share", level, at_most=0),
        claim(
            "log-loss half-way between two places − mean of theirs, largest (convex: none above 0)",
            curved,
            at_most=1e-9,
        ),
        claim("|(ŷ − y)·x − finite differences|, largest", slopes, at_most=1e-6),
        claim("|largest slope of the sigmoid − 1/4|", abs(steepest - 0.25), at_most=1e-5),
        claim("mistakes before − after descending the log-loss, share", before - after, at_least=0, of="mean"),
    )
    text = (
        f"A nudge of {parameters.nudge:g} left the number of mistakes unchanged at "
        f"{spread_words(100 * np.array(flat))}% of all places, and the log-loss at "
        f"{spread_words(100 * np.array(level))}%. In {parameters.steps} steps down the log-loss the mistakes went from "
        f"{spread_words(100 * before)}% to {spread_words(100 * after)}%, though nothing ever looked at their number."
    )
    numbers = {"log_loss_first_last": [log_loss(path[[0, -1]], x, y) for path in paths]}
    x, y = _clouds(parameters.points, np.random.default_rng(seeds[0]))
    return Findings(text, claims, (_draw_line(x, y), _draw_surfaces(x, y, paths[0]), _draw_sigmoid()), numbers)


def gradient(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of the log-loss: the mean of (ŷ − y)·x, `(places, 2)`."""
    return (sigmoid(weights @ x.T) - y) @ x / len(x)


def _clouds(points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds that overlap, on both sides of the origin, through which the boundary goes."""
    y = np.arange(points) % 2
    return rng.normal(0, 1, (points, 2)) + (2 * y - 1)[:, None] * np.array([1.1, 0.7]), y


def _directions(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random directions of length 1."""
    drawn = rng.normal(size=(count, 2))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _differences(weights: np.ndarray, x: np.ndarray, y: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """The gradient by central differences."""
    rises = [log_loss(weights + h * axis, x, y) - log_loss(weights - h * axis, x, y) for axis in np.eye(2)]
    return np.stack(rises, axis=-1) / (2 * h)


def _descent(parameters: ErrorParameters, start: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The path `(steps + 1, 2)` of Keras' SGD down the log-loss."""
    from keras import ops
    from keras.optimizers import SGD

    from training.labs.surfaces import descend

    def loss(points):
        return ops.mean(ops.softplus(-(2 * y - 1) * ops.matmul(points, x.T)), axis=-1)

    return descend(loss, start[None], SGD(parameters.rate), steps=parameters.steps)[:, 0]


def _draw_line(x: np.ndarray, y: np.ndarray) -> Picture:
    """Both errors along one weight."""
    figure, (left, right) = panels(2, height=3.2, sharex=True)
    weights = np.column_stack([np.linspace(-4, 4, 2001), np.full(2001, 0.5)])
    left.plot(weights[:, 0], mistakes(weights, x, y), color=VERMILLION, linewidth=1)
    left.set(xlabel="first weight", ylabel="misclassified points")
    right.plot(weights[:, 0], log_loss(weights, x, y), color=BLUE)
    right.set(xlabel="first weight", ylabel="log-loss, nats per point")
    caption = (
        "The same points, one weight moved. Left: terraces, flat between the jumps, so that no slope says which way to "
        "go. Right: a slope everywhere but at the bottom."
    )
    return Picture("line", "The two errors along one weight", figure, caption)


def _draw_surfaces(x: np.ndarray, y: np.ndarray, path: np.ndarray) -> Picture:
    """Both errors over both weights, with the descent."""
    figure, axes = panels(2, height=3.8, sharey=True)
    a, b = plane((-6, 6), (-6, 6), 201)
    mesh = np.stack([a, b], axis=-1)
    shown = ((mistakes(mesh, x, y), "misclassified points"), (log_loss(mesh, x, y), "log-loss, nats per point"))
    for ax, (surface, name) in zip(axes, shown, strict=True):
        drawn = ax.contourf(a, b, surface, levels=14, cmap="cividis")
        figure.colorbar(drawn, ax=ax, label=name)
        ax.set(xlabel="first weight", aspect="equal", xlim=(-6, 6), ylim=(-6, 6))
    axes[0].set_ylabel("second weight")
    axes[1].contour(a, b, shown[1][0], levels=np.geomspace(shown[1][0].min(), 10, 20), colors="white", linewidths=0.3)
    axes[1].plot(*path.T, "o-", color="white", markersize=2.5, linewidth=0.8, label="descent")
    axes[1].plot(*path[-1], "*", color=VERMILLION, markersize=11, label="its end")
    axes[1].legend(loc="lower left", labelcolor="white")
    caption = (
        "Left, the number of mistakes: flat wedges around the origin, since only the boundary's direction counts. "
        "Right, the log-loss: one bowl, which gradient descent walks down."
    )
    return Picture("surfaces", "The two errors over both weights", figure, caption)


def _draw_sigmoid() -> Picture:
    """Step, sigmoid and its slope."""
    figure, (ax,) = panels(height=2.8)
    z = np.linspace(-6, 6, 601)
    ax.plot(z, z >= 0, color=GREY, linestyle="--", label="step")
    ax.plot(z, sigmoid(z), color=BLUE, label="sigmoid σ(z)")
    ax.plot(z, sigmoid(z) * (1 - sigmoid(z)), color=VERMILLION, label="its slope σ(z)·(1 − σ(z))")
    ax.axhline(0.25, color=DARK, linewidth=0.8, linestyle=":", label="1/4")
    ax.set(xlabel="z = w·x + b", ylabel="output; slope per unit of z")
    ax.legend(loc="upper left")
    caption = "The sigmoid says how sure; its slope is largest at the boundary, 1/4, and never 0."
    return Picture("sigmoid", "From step to sigmoid", figure, caption)


LAB = Lab(
    name="error_functions",
    title="From step to sigmoid: error functions",
    theory=THEORY,
    formulas=(
        "σ(z) = 1/(1 + e⁻ᶻ),  σ′ = σ·(1 − σ) ≤ 1/4",
        "E = −(1/m)·Σ [y·ln ŷ + (1 − y)·ln(1 − ŷ)],  ∇E = (1/m)·Σ (ŷ − y)·x",
    ),
    parameters=ErrorParameters,
    small=ErrorParameters(seeds=2, steps=30),
    experiment=experiment,
    try_it="--nudge 0.5",
)
