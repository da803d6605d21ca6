"""Local minima and random restart: begin again, and keep the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.plots.style import BLUE, DARK, VERMILLION
from training.labs.drawing import panels, plane
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

THEORY = """
Gradient descent walks down to the bottom of the valley in which it starts. The loss of a network has many valleys,
and their bottoms are not equally low: where descent ends is a matter of where it begins. Random restart begins at
several random places, descends from each, and keeps the lowest end. If one start finds the best valley with
probability p, then k starts find it with probability 1 − (1 − p)ᵏ.

The second example is the smallest network that can do XOR: two hidden units, nine weights. From some starts it solves
the problem, from others it stops where half of the rows are a guess, and no more training helps.
"""
BITS, XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 1, 1, 0])
CLOSE = 0.05  # a loss within this of the lowest counts as the best


@dataclass(frozen=True, kw_only=True)
class RestartParameters(Parameters):
    """Settings.

    Attributes:
        starts: Random starts for each seed.
        restarts: k, how many of them make one search.
        steps: Steps of each descent.
        momentum: Of the descent on the surface; above 0 it may roll over a hump.
    """

    starts: int = option(400, 20, 10_000)
    restarts: int = option(5, 1, 20)
    steps: int = option(400, 20, 5000)
    momentum: float = option(0.0, 0.0, 0.99)


def experiment(parameters: RestartParameters, seeds: Sequence[int]) -> Findings:
    """Descends from many places on a surface with several minima, and trains many small networks on XOR."""
    from keras.optimizers import SGD, Adam

    from training.labs.surfaces import descend

    draws = [np.random.default_rng(seed) for seed in seeds]
    places = np.concatenate([rng.uniform(-REACH, REACH, (parameters.starts, 2)) for rng in draws])
    paths = descend(_hills, places, SGD(0.05, momentum=parameters.momentum), steps=parameters.steps)[[0, -1]]
    nets = np.concatenate([rng.normal(0, 1, (parameters.starts, 9)) for rng in draws])
    nets = descend(_network_loss, nets, Adam(0.05), steps=parameters.steps)[-1]
    ends = {"surface": np.asarray(_hills(paths[1])), "network": np.asarray(_network_loss(nets))}
    ends = {name: found.reshape(len(seeds), -1) for name, found in ends.items()}
    chances = {name: (found <= found.min() + CLOSE).mean(axis=1) for name, found in ends.items()}
    searched = {name: [_searches(one, parameters.restarts) for one in found] for name, found in ends.items()}
    expected = {name: 1 - (1 - found) ** parameters.restarts for name, found in chances.items()}
    kinds = {name: [len(np.unique(np.round(one, 1))) for one in found] for name, found in ends.items()}
    apart = [abs(_factory_loss(net) - float(_network_loss(net[None])[0])) for net in nets[: len(seeds)]]
    claims = (
        claim("different depths at which descents of the surface end", kinds["surface"], at_least=3),
        claim(
            "|share of searches that find the best − 1 + (1 − p)ᵏ|, surface",
            np.abs(np.array(searched["surface"]) - expected["surface"]),
            at_most=0.15,
        ),
        claim(
            "searches that find the best − single starts that do, share, surface",
            searched["surface"] - chances["surface"],
            at_least=0,
            of="interval",
        ),
        claim("single networks that stay in a poor minimum of XOR, share", 1 - chances["network"], at_least=0.02),
        claim(
            "searches that solve XOR − single networks that do, share",
            searched["network"] - chances["network"],
            at_least=0,
            of="interval",
        ),
        claim("|loss here − loss of the factory's network with the same weights|", apart, at_most=1e-4),
    )
    text = (
        f"One start found the lowest valley of the surface in {spread_words(100 * chances['surface'])}% of all "
        f"cases; the "
        f"best of {parameters.restarts} in {spread_words(100 * np.array(searched['surface']))}%, where 1 − (1 − p)ᵏ is "
        f"{spread_words(100 * expected['surface'])}%. Of the networks, {spread_words(100 * chances['network'])}% "
        f"solved XOR "
        f"alone, and {spread_words(100 * np.array(searched['network']))}% of the groups of {parameters.restarts} had "
        f"one "
        f"that did."
    )
    numbers = {"chances": chances, "searched": searched, "expected": expected, "depths": kinds}
    ways = paths[:, : parameters.starts]
    pictures = (_draw_surface(ways, ends["surface"][0]), _draw_ends(ends), _draw_chances(parameters, chances, ends))
    return Findings(text, claims, pictures, numbers)


REACH = 6.0


def _hills(points: Any) -> Any:
    """A bowl with ripples, whose lowest valley is that of the origin; `(points, 2)` to `(points,)`."""
    from keras import ops

    ripples = 1 - ops.prod(ops.cos(1.5 * ops.convert_to_tensor(points)), axis=-1)
    return ripples + 0.03 * ops.sum(ops.square(points), axis=-1)


def _network_loss(weights: Any) -> Any:
    """Log-loss on XOR of networks with two tanh units, each a row of nine weights: 4 + 2 of the first layer, 2 + 1."""
    from keras import ops

    weights = ops.convert_to_tensor(weights)
    kernels = ops.reshape(weights[:, :4], (-1, 2, 2))
    hidden = ops.tanh(ops.einsum("ri,sij->srj", BITS, kernels) + weights[:, None, 4:6])
    logits = ops.sum(hidden * weights[:, None, 6:8], axis=-1) + weights[:, 8:]
    return ops.mean(ops.softplus(-(2 * XOR - 1) * logits), axis=-1)


def _factory_loss(weights: np.ndarray) -> float:
    """The same by the project's factory and Keras' loss."""
    import keras

    import models

    model = models.build("mlp_classifier", (2,), 2, units=(2,), activation="tanh")
    parts = (weights[:4].reshape(2, 2), weights[4:6], weights[6:8].reshape(2, 1), weights[8:])
    model.set_weights(list(parts))
    return float(np.mean(keras.losses.binary_crossentropy(XOR[:, None], model(BITS))))


def _searches(ends: np.ndarray, restarts: int) -> float:
    """Share of the groups of so many starts whose best end is the best of all."""
    groups = ends[: len(ends) // restarts * restarts].reshape(-1, restarts)
    return float(np.mean(groups.min(axis=1) <= ends.min() + CLOSE))


def _draw_surface(ways: np.ndarray, ends: np.ndarray) -> Picture:
    """Starts and ends on the surface."""
    figure, (ax,) = panels(height=4.2)
    x, y = plane((-REACH, REACH), (-REACH, REACH))
    mesh = np.stack([x, y], axis=-1)
    drawn = ax.contourf(x, y, np.asarray(_hills(mesh)), levels=16, cmap="cividis")
    figure.colorbar(drawn, ax=ax, label="loss")
    best = ends <= ends.min() + CLOSE
    for start, end in zip(ways[0][:60], ways[1][:60], strict=True):
        ax.plot(*np.stack([start, end]).T, color="white", linewidth=0.5)
    for chosen, color, label in (
        (best, BLUE, "start that finds the lowest"),
        (~best, VERMILLION, "start that does not"),
    ):
        ax.scatter(
            ways[0][chosen, 0], ways[0][chosen, 1], s=9, color=color, edgecolor="white", linewidth=0.3, label=label
        )
    ax.plot(
        *ways[1][np.argmin(ends)],
        "*",
        color=DARK,
        markeredgecolor="white",
        markersize=15,
        linestyle="",
        label="lowest point",
    )
    ax.set(xlabel="first weight", ylabel="second weight", aspect="equal")
    ax.legend(loc="upper right", bbox_to_anchor=(-0.2, 1), fontsize=8)
    caption = "Starts of the first seed, coloured by where they end; lines join some starts with their ends."
    return Picture("surface", "A loss with several minima", figure, caption)


def _draw_ends(ends: dict[str, np.ndarray]) -> Picture:
    """How the final losses are distributed."""
    figure, axes = panels(2, height=3.0)
    for ax, (name, found) in zip(axes, ends.items(), strict=True):
        ax.hist(found.ravel(), bins=40, color=BLUE)
        ax.set(
            xlabel=f"final loss, {'surface' if name == 'surface' else 'network on XOR, nats'}",
            ylabel="starts, all seeds",
        )
    caption = "Descents end at a few depths, each the bottom of a kind of valley; the leftmost bars are the best."
    return Picture("ends", "Where descents end", figure, caption)


def _draw_chances(
    parameters: RestartParameters, chances: dict[str, np.ndarray], ends: dict[str, np.ndarray]
) -> Picture:
    """Probability of the best against restarts."""
    figure, (ax,) = panels(height=3.3)
    counts = np.arange(1, 21)
    for (name, found), color in zip(chances.items(), (BLUE, VERMILLION), strict=True):
        ax.plot(
            counts, 1 - (1 - found.mean()) ** counts, color=color, label=f"{name}: 1 − (1 − p)ᵏ, p = {found.mean():.2f}"
        )
        shares = [[_searches(one, int(count)) for one in ends[name]] for count in counts]
        ax.plot(
            np.repeat(counts, len(found)),
            np.ravel(shares),
            "o",
            color=color,
            markersize=2.5,
            alpha=0.6,
            label=f"{name}: each seed",
        )
    ax.set(xlabel="restarts k", ylabel="probability of the best", xticks=range(0, 21, 5), ylim=(0, 1.03))
    ax.legend()
    caption = "Lines: the formula, p from all starts. Dots: the share of groups of k starts that held the best."
    return Picture("chances", "The best of k restarts", figure, caption)


LAB = Lab(
    name="random_restart",
    title="Local minima and random restart",
    theory=THEORY,
    formulas=("P(best of k restarts) = 1 − (1 − p)ᵏ",),
    parameters=RestartParameters,
    small=RestartParameters(seeds=2, starts=200, steps=250),
    experiment=experiment,
    try_it="--restarts 10",
)
