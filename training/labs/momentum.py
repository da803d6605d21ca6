"""Momentum: out of the ravine by remembering the last steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.plots.style import BLUE, COLOURS, GREY
from training.labs.drawing import band, log_scale, panels, plane
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

THEORY = """
In a ravine the loss is steep across and flat along. Plain gradient descent must keep its rate small enough for the
steep direction, where it would otherwise jump from wall to wall, and then creeps along the flat one. Momentum adds the
last steps, each weighed β times less than the one after it: across the ravine they cancel, along it they add up, to as
much as 1/(1 − β) steps. The same memory carries the weights over small humps.

On a quadratic whose curvatures lie between λ₁ and λₙ = κ·λ₁, all is known: at the best rate, plain descent shrinks the
distance to the minimum by (κ − 1)/(κ + 1) in each step, and momentum, at its best rate and β, by (√κ − 1)/(√κ + 1).
Nesterov's variant measures the slope where momentum is about to carry the weights; RMSprop and Adam divide the step of
each weight by the recent size of its own gradient instead.
"""


@dataclass(frozen=True, kw_only=True)
class MomentumParameters(Parameters):
    """Settings.

    Attributes:
        beta: How much of a step the next one keeps, in the path of your choice; 0 is plain descent.
        condition: How many times steeper the ravine is across than along.
        steps: Steps of each path.
    """

    beta: float = option(0.9, 0.0, 0.99)
    condition: float = option(100.0, 2.0, 10_000.0)
    steps: int = option(400, 50, 5000)


def experiment(parameters: MomentumParameters, seeds: Sequence[int]) -> Findings:
    """Walks down randomly turned ravines, and compares the rates with the closed forms."""
    root = np.sqrt(parameters.condition)
    best_rate, best_beta = (2 / (1 + root)) ** 2, ((root - 1) / (root + 1)) ** 2
    methods = _methods(parameters, best_rate, best_beta)
    paths = {name: _walk(make(), parameters, seeds) for name, make in methods.items()}
    distances = {name: np.linalg.norm(path, axis=-1) for name, path in paths.items()}
    chosen = list(methods)[2]
    closed = {"plain": (parameters.condition - 1) / (parameters.condition + 1), "best β": (root - 1) / (root + 1)}
    closed[chosen] = _radius(best_rate, parameters.beta, np.array([1.0, parameters.condition]))
    rates = {name: [_rate(one) for one in distances[name]] for name in closed}
    reach = {name: [_steps_to(one) for one in found] for name, found in distances.items()}
    claims = [
        claim(f"|rate − {closed[name]:.4f}| of {words}", np.abs(np.array(rates[name]) - closed[name]), at_most=0.01)
        for name, words in (("plain", "plain descent"), ("best β", "momentum at its best β"), (chosen, chosen))
    ]
    ratio = np.array(reach["plain"]) / np.array(reach["best β"])
    claims.append(claim("steps of plain descent / steps of momentum, to 1/1000 of the way", ratio, at_least=3))
    text = (
        f"In a ravine {parameters.condition:g} times steeper across than along, plain descent at its best rate shrinks "
        f"the distance by {spread_words(rates['plain'])} a step (closed form {closed['plain']:.4f}) and momentum with "
        f"β = {best_beta:.3f} by {spread_words(rates['best β'])} ({closed['best β']:.4f}). Plain descent needs "
        f"{spread_words(reach['plain'])} steps to a thousandth of the distance, momentum "
        f"{spread_words(reach['best β'])}, and your β = {parameters.beta:g} {spread_words(reach[chosen])}."
    )
    numbers = {"closed_forms": closed, "rates": rates, "steps_to_a_thousandth": reach, "best_beta": best_beta}
    pictures = (_draw_paths(parameters, paths, chosen), _draw_distances(parameters, distances))
    return Findings(text, tuple(claims), pictures, numbers)


def _methods(parameters: MomentumParameters, rate: float, beta: float) -> dict:
    """How each optimizer is made."""
    from keras import optimizers

    condition = parameters.condition
    return {
        "plain": lambda: optimizers.SGD(2 / (1 + condition)),
        "best β": lambda: optimizers.SGD(rate, momentum=beta),
        f"β = {parameters.beta:g}": lambda: optimizers.SGD(rate, momentum=parameters.beta),
        "Nesterov": lambda: optimizers.SGD(1 / condition, momentum=beta, nesterov=True),
        "RMSprop": lambda: optimizers.RMSprop(0.02),
        "Adam": lambda: optimizers.Adam(0.05),
    }


def _walk(optimizer: Any, parameters: MomentumParameters, seeds: Sequence[int]) -> np.ndarray:
    """A path for each seed in its ravine's own axes, along and across: `(seeds, steps + 1, 2)`."""
    from keras import ops

    from training.labs.surfaces import descend

    draws = [np.random.default_rng(seed) for seed in seeds]
    angles, across = np.array([(draw.uniform(0.2, 0.6), draw.uniform(0.1, 0.2)) for draw in draws]).T
    turns = np.stack([np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles])
    start = np.einsum("sij,sj->si", turns, np.stack([np.ones_like(across), across], axis=1))
    scale = np.array([1.0, parameters.condition])

    def loss(points: Any) -> Any:
        return 0.5 * ops.sum(scale * ops.einsum("sij,si->sj", turns, points) ** 2, axis=-1)

    path = descend(loss, start, optimizer, steps=parameters.steps)
    return np.einsum("sij,tsi->stj", turns, path)


def _rate(distance: np.ndarray) -> float:
    """Factor a step: the slope of the logarithm over the last half, while numbers are exact."""
    logarithms = np.log(np.maximum(distance, 1e-150))
    half = len(distance) // 2
    return float(np.exp(np.polyfit(np.arange(half, len(distance)), logarithms[half:], 1)[0]))


def _radius(rate: float, beta: float, curvatures: np.ndarray) -> float:
    """What momentum's recursion x″ = (1 + β − αλ)x′ − βx shrinks by in the long run: its largest root."""
    roots = [np.abs(np.roots([1, -(1 + beta - rate * one), beta])).max() for one in curvatures]
    return float(max(roots))


def _steps_to(distance: np.ndarray, share: float = 1e-3) -> int:
    """Steps until the distance stays below a share of the first."""
    above = np.flatnonzero(distance > share * distance[0])
    return int(above[-1]) + 1


def _draw_paths(parameters: MomentumParameters, paths: dict, chosen: str) -> Picture:
    """The first steps on the surface, of the first seed."""
    figure, axes = panels(3, height=3.1, sharey=True)
    x, y = plane((-0.7, 1.1), (-0.7, 0.7))
    for ax, name, color in zip(axes, ("plain", "best β", chosen), (COLOURS[1], BLUE, COLOURS[2]), strict=True):
        ax.contour(x, y, x**2 + parameters.condition * y**2, levels=np.geomspace(0.05, 100, 9), colors=GREY, alpha=0.5)
        ax.plot(*paths[name][0, :40].T, "o-", markersize=2.5, linewidth=0.8, color=color)
        ax.plot(0, 0, "k*", markersize=9)
        ax.set(xlabel="weight along the ravine", xlim=(-0.7, 1.1), ylim=(-0.7, 0.7), title=name)
    axes[0].set_ylabel("weight across it")
    caption = (
        "40 steps to the minimum (star) on the same surface. Plain descent zigzags from wall to wall and creeps along. "
        "Momentum swings wider at first, then the swings cancel while the steps along the ravine add up."
    )
    return Picture("paths", "Paths in a ravine", figure, caption)


def _draw_distances(parameters: MomentumParameters, distances: dict) -> Picture:
    """Distance to the minimum against steps."""
    figure, (ax,) = panels(height=3.6)
    for (name, found), color in zip(distances.items(), (COLOURS[1], BLUE, *COLOURS[2:]), strict=False):
        band(ax, np.arange(found.shape[1]), np.maximum(found, 1e-12), label=name, color=color)
    log_scale(ax, "y")
    ax.set(xlabel="step", ylabel="distance to the minimum", ylim=(1e-9, 3), xlim=(0, parameters.steps))
    ax.legend(ncols=2)
    caption = (
        "A straight line is a constant factor a step: momentum's is steeper because its formula has √κ where plain "
        "descent has κ. A β above the best one swings on and on; RMSprop at a constant rate stops a step's width away "
        "from the minimum. Bands: least to most over the seeds."
    )
    return Picture("distances", "The distance left", figure, caption)


LAB = Lab(
    name="momentum",
    title="Momentum",
    theory=THEORY,
    formulas=(
        "step(n) = −α·∇E(n) + β·step(n − 1) = −α·(∇E(n) + β·∇E(n − 1) + β²·∇E(n − 2) + …)",
        "best: α = (2/(√λ₁ + √λₙ))²,  β = ((√κ − 1)/(√κ + 1))²",
    ),
    parameters=MomentumParameters,
    small=MomentumParameters(seeds=2, steps=200),
    experiment=experiment,
    try_it="--beta 0.5",
)
