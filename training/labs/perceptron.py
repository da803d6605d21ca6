"""The perceptron: a line that moves with every mistake, and what no line can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from evaluation.plots.style import BLUE, DARK, GREY, VERMILLION
from training.labs.drawing import classes, panels, plane
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words
from training.labs.logistic import mistakes, with_one

THEORY = """
A perceptron adds up its inputs, each times a weight, and says 1 where the sum with the bias is at least 0. The points
where the sum is exactly 0 are the boundary: of n inputs they form a flat of n − 1 dimensions, a line in the plane, a
plane in space. It learns from mistakes alone: a misclassified point pulls the boundary towards itself, the others do
nothing. If some boundary separates the classes, the rule finds one after at most (R/γ)² mistakes, where R is the
length of the longest point and γ half the width of the widest gap between the classes (Novikoff 1962).

AND and OR of two bits are separable. XOR is not: its two ones lie across from each other, and no line has both on one
side and both zeros on the other. Two layers can: XOR is (a OR b) AND NOT (a AND b), three perceptrons.
"""
BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
AREA = ((-0.5, 1.5), (-0.5, 1.5))
TABLES = {"AND": (0, 0, 0, 1), "OR": (0, 1, 1, 1), "XOR": (0, 1, 1, 0)}


@dataclass(frozen=True, kw_only=True)
class PerceptronParameters(Parameters):
    """Settings.

    Attributes:
        points: Points of the two clouds together.
        gap: Width of the empty strip between them; a narrow one takes more mistakes.
        passes: How often the rule goes through the points at most.
        units: Hidden units of the network that learns XOR.
    """

    points: int = option(60, 10, 2000)
    gap: float = option(0.4, 0.02, 3.0)
    passes: int = option(500, 10, 100_000)
    units: int = option(8, 2, 64)


def experiment(parameters: PerceptronParameters, seeds: Sequence[int]) -> Findings:
    """Lets the rule learn two clouds and three truth tables, and a network XOR."""
    clouds = [_clouds(parameters, seed) for seed in seeds]
    walks = [learn(x, y, passes=parameters.passes, seed=seed) for (x, y), seed in zip(clouds, seeds, strict=True)]
    counts = np.array([len(walk) - 1 for walk in walks])
    bounds = np.array([_novikoff(x, y) for x, y in clouds])
    gates = {
        name: [learn(BITS, np.array(bits), passes=parameters.passes, seed=seed) for seed in seeds]
        for name, bits in TABLES.items()
    }
    wrong = {name: [_fewest_wrong(walk, name) for walk in found] for name, found in gates.items()}
    surfaces, learned = _networks(parameters, seeds)
    claims = (
        claim(
            "points on the wrong side at the end",
            [_wrong(walk[-1], *cloud) for walk, cloud in zip(walks, clouds, strict=True)],
            at_most=0,
        ),
        claim("mistakes / Novikoff's bound (R/γ)²", counts / bounds, at_most=1),
        claim("wrong rows of AND", wrong["AND"], at_most=0),
        claim("wrong rows of OR", wrong["OR"], at_most=0),
        claim("wrong rows of XOR by the best line on the way", wrong["XOR"], at_least=1),
        claim("wrong rows of XOR by three perceptrons in two layers, set by hand", _by_hand(), at_most=0),
        claim("wrong rows of XOR by a network of two layers that learned it", learned, at_most=0),
    )
    text = (
        f"The rule needed {spread_words(counts)} mistakes to separate the clouds, where the bound allows "
        f"{spread_words(bounds)}. Its lines left {max(wrong['AND'])} rows of AND and {max(wrong['OR'])} of OR wrong. "
        f"On XOR it went on making mistakes through all {parameters.passes:,} passes, and its best line had "
        f"{min(wrong['XOR'])} of 4 rows wrong; the network with {parameters.units} hidden units had {max(learned)}."
    )
    numbers = {"mistakes": counts, "bounds": bounds, "xor_mistakes": [len(walk) - 1 for walk in gates["XOR"]]}
    pictures = (
        _draw_clouds(walks[0], *clouds[0]),
        _draw_gates({name: one[0] for name, one in gates.items()}, surfaces),
    )
    return Findings(text, claims, pictures, numbers)


def learn(x: np.ndarray, y: np.ndarray, *, passes: int, seed: int) -> np.ndarray:
    """The perceptron's rule, from zero; the size of a step would only scale all weights.

    Args:
        x: Points `(n, features)`.
        y: Classes `(n,)`, 0 or 1.
        passes: At most so many times through all points; it ends with the first pass without a mistake.
        seed: Of the order.

    Returns:
        `(mistakes + 1, features + 1)`: the weights and, last, the bias, after each mistake.

    Reference:
        Rosenblatt, 1958, "The perceptron", Psychological Review 65(6).
    """
    rng, inputs = np.random.default_rng(seed), with_one(x)
    weights = [np.zeros(inputs.shape[1])]
    for _ in range(passes):
        before = len(weights)
        for row in rng.permutation(len(x)):
            said = int(inputs[row] @ weights[-1] >= 0)
            if said != y[row]:
                weights.append(weights[-1] + (y[row] - said) * inputs[row])
        if len(weights) == before:
            break
    return np.array(weights)


def _wrong(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> int:
    return int(mistakes(weights, with_one(x), y))


def _fewest_wrong(walk: np.ndarray, table: str) -> int:
    """Wrong rows of a truth table by the best line on the way."""
    return min(_wrong(weights, BITS, np.array(TABLES[table])) for weights in np.unique(walk, axis=0))


def _clouds(parameters: PerceptronParameters, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on both sides of an empty strip that lies at random."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi)
    normal, along = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    y = np.arange(parameters.points) % 2
    distance = (2 * y - 1) * (parameters.gap / 2 + rng.exponential(0.8, len(y))) + rng.uniform(-0.5, 0.5)
    return distance[:, None] * normal + rng.normal(0, 1, len(y))[:, None] * along, y


def _novikoff(x: np.ndarray, y: np.ndarray) -> float:
    """The bound (R/γ)², the bias counting as a weight."""
    from sklearn.svm import LinearSVC

    inputs = with_one(x)
    widest = LinearSVC(C=1e5, loss="hinge", fit_intercept=False, max_iter=1_000_000).fit(inputs, y).coef_[0]
    gap = np.min((2 * y - 1) * (inputs @ widest)) / np.linalg.norm(widest)
    return float((np.linalg.norm(inputs, axis=1).max() / gap) ** 2)


def _by_hand() -> int:
    """Wrong rows of XOR = (a OR b) AND NOT (a AND b), by the factory's perceptrons."""
    import models

    def unit(x: np.ndarray, *weights: float) -> np.ndarray:
        perceptron = models.build("perceptron", (2,), 2)
        perceptron.set_weights([np.array(weights[:2]).reshape(2, 1), np.array(weights[2:])])
        return np.asarray(perceptron(x)).ravel()

    either, both = unit(BITS, 1, 1, -0.5), unit(BITS, 1, 1, -1.5)
    said = unit(np.column_stack([either, both]).astype(np.float32), 1, -1, -0.5)
    return int(np.sum(said != np.array(TABLES["XOR"])))


def _networks(parameters: PerceptronParameters, seeds: Sequence[int]) -> tuple[np.ndarray, list[int]]:
    """What networks of two layers make of the plane after learning XOR (the first seed's), and their wrong rows."""
    import keras

    import models
    from training.labs.fitting import begin, compiled, fit, split_of

    def build() -> keras.Model:
        return models.build("mlp_classifier", (2,), 2, units=(parameters.units,), activation="tanh")

    bits = np.array(TABLES["XOR"])
    train = split_of(np.tile(BITS, (32, 1)), np.tile(bits, 32))
    model = compiled(build, keras.optimizers.Adam(0.05), num_classes=2, steps_per_execution=32)
    surfaces, wrong, mesh = [], [], np.stack(plane(*AREA), axis=-1).astype(np.float32)
    for seed in seeds:
        begin(model, build, seed)
        fit(model, train, epochs=20, batch_size=4, seed=seed)
        surfaces.append(np.asarray(model(mesh.reshape(-1, 2))).reshape(mesh.shape[:2]))
        wrong.append(int(np.sum((np.asarray(model(BITS)).ravel() > 0.5) != bits)))
    return surfaces[0], wrong


def _draw_line(ax: Axes, weights: np.ndarray, **line: Any) -> None:
    """The boundary w·x + b = 0 of two inputs."""
    if np.any(weights[:2]):
        normal = weights[:2] / np.linalg.norm(weights[:2])
        foot = -weights[2] * normal / np.linalg.norm(weights[:2])
        ends = foot + np.outer([-20, 20], [-normal[1], normal[0]])
        ax.plot(*ends.T, **line)


def _draw_clouds(walk: np.ndarray, x: np.ndarray, y: np.ndarray) -> Picture:
    """The boundary after each mistake, and the points on the wrong side then."""
    figure, (left, right) = panels(2, height=3.8)
    for index, weights in enumerate(walk[1:], start=1):
        last = index == len(walk) - 1
        strength = 0.15 + 0.5 * index / len(walk)
        _draw_line(
            left, weights, color=DARK if last else GREY, linewidth=2 if last else 0.8, alpha=1 if last else strength
        )
    classes(left, x, y, size=16)
    limits = {"xlim": (x[:, 0].min() - 0.3, x[:, 0].max() + 0.3), "ylim": (x[:, 1].min() - 0.3, x[:, 1].max() + 0.3)}
    left.set(xlabel="first input", ylabel="second input", **limits)
    left.legend(loc="best")
    right.plot([_wrong(weights, x, y) for weights in walk], color=BLUE, drawstyle="steps-post")
    right.set(xlabel="mistakes so far", ylabel="points on the wrong side")
    caption = (
        "Left: the boundary after each mistake, later ones darker, the last one black. Right: a mistake corrects one "
        "point and may spoil others, so that the count does not fall steadily, but it ends at 0."
    )
    return Picture("clouds", "The boundary moves with each mistake", figure, caption)


def _draw_gates(walks: dict[str, np.ndarray], surface: np.ndarray) -> Picture:
    """The last lines of the three truth tables, and the network's answer to XOR."""
    figure, axes = panels(4, height=2.9, sharey=True)
    for ax, (name, walk) in zip(axes, walks.items(), strict=False):
        for weights in walk[-6:-1]:
            _draw_line(ax, weights, color=GREY, linewidth=0.8)
        _draw_line(ax, walk[-1], color=DARK, linewidth=2)
        ax.set_title(f"{name}, one perceptron", fontsize=10)
    axes[3].contourf(*plane(*AREA), surface, levels=[0, 0.5, 1], colors=[VERMILLION, BLUE], alpha=0.25)
    axes[3].set_title("XOR, two layers", fontsize=10)
    for ax, name in zip(axes, (*TABLES, "XOR"), strict=True):
        classes(ax, BITS, np.array(TABLES[name]), size=60)
        ax.set(xlabel="first bit", xlim=AREA[0], ylim=AREA[1], xticks=[0, 1], yticks=[0, 1], aspect="equal")
    axes[0].set_ylabel("second bit")
    caption = (
        "Blue discs are the ones of the table, red squares the zeros. Black is the last line, grey those before: "
        "of XOR every line has a point on the wrong side, so the rule never ends. Two layers bend the boundary."
    )
    return Picture("gates", "AND, OR and XOR", figure, caption)


LAB = Lab(
    name="perceptron",
    title="The perceptron",
    theory=THEORY,
    formulas=(
        "ŷ = 1 if w·x + b ≥ 0, else 0",
        "after a mistake:  w ← w + (y − ŷ)·x,  b ← b + (y − ŷ)",
    ),
    parameters=PerceptronParameters,
    small=PerceptronParameters(seeds=2, passes=50),
    experiment=experiment,
    try_it="--gap 0.05",
)
