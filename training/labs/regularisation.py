"""Regularisation: L1 keeps few weights, L2 keeps all of them small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.plots.style import BLUE, DARK, GREEN, GREY, VERMILLION
from training.labs.drawing import band, log_scale, panels, plane
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

THEORY = """
Two activations split the points (1, 1) and (−1, −1) equally well: x₁ + x₂ and 10x₁ + 10x₂. The second has the smaller
error, and is the worse model: it is sure of everything, its sigmoid is nearly a step, and where a point is on the
wrong side the slope that should correct it is almost 0. Large weights overfit.

So the error is made to grow with the weights. L1 adds λ·Σ|w|: however small a weight is, the penalty pulls it with
the same force, and weights that are worth less than λ become exactly 0, which selects features. L2 adds λ·Σw²: it
pulls small weights less and less, makes none of them 0, and prefers two weights of ½ to one of 1 and one of 0, where
L1 sees no difference. Gradient steps jitter around 0 by the size of a step, so that weights below 0.01 count as 0
here.
"""
REPEATS, BATCH, ZERO = 10, 128, 0.01


@dataclass(frozen=True, kw_only=True)
class RegularisationParameters(Parameters):
    """Settings.

    Attributes:
        penalty: λ, the weight of both penalties.
        epochs: Passes over the patients, each met ten times a pass.
    """

    penalty: float = option(0.03, 1e-4, 1.0)
    epochs: int = option(20, 1, 500)


def experiment(parameters: RegularisationParameters, seeds: Sequence[int]) -> Findings:
    """Trains logistic regression on 30 measurements of a tumour, and follows the penalties along λ."""
    tables = [_table(seed) for seed in seeds]
    penalties = {"none": {}, "L1": {"l1": parameters.penalty}, "L2": {"l2": parameters.penalty}}
    weights, accuracies = {}, {}
    for name, options in penalties.items():
        weights[name], accuracies[name] = _train(parameters, tables, seeds, options)
    zeros = {name: np.mean(np.abs(found) < ZERO, axis=1) for name, found in weights.items()}
    evenness = {name: _evenness(found) for name, found in weights.items()}
    kept_exactly = np.array([np.sum(np.abs(_exact(data, parameters.penalty, 1.0)) >= ZERO) for data in tables])
    kept = 30 * (1 - zeros["L1"])
    steep, flat = (float(np.linalg.norm(_slope(np.array([size, size])))) for size in (1.0, 10.0))
    lowest = _lowest(parameters.penalty)
    claims = (
        claim("weights that are 0 by L1 − by L2, share", zeros["L1"] - zeros["L2"], at_least=0.3, of="interval"),
        claim(
            "|features kept by L1 − by scikit-learn's exact solution|",
            np.abs(kept - kept_exactly),
            at_most=3,
        ),
        claim(
            "evenness of the weights by L2 − by L1 (1: all alike, 1/30: one alone)",
            evenness["L2"] - evenness["L1"],
            at_least=0.1,
            of="interval",
        ),
        claim(
            "validation accuracy by L1 − by no penalty",
            accuracies["L1"] - accuracies["none"],
            at_least=-0.05,
            of="mean",
        ),
        claim(
            "slope of the error at weights (10, 10) / at (1, 1), the notes' two activations", flat / steep, at_most=1e-6
        ),
        claim("best weights of the notes' two points under L2 (without a penalty there is no end)", lowest, at_most=10),
    )
    text = (
        f"With λ = {parameters.penalty:g}, L1 left {spread_words(kept)} of 30 features, L2 "
        f"{spread_words(30 * (1 - zeros['L2']))} "
        f"and no penalty {spread_words(30 * (1 - zeros['none']))}. Validation accuracies: "
        f"{spread_words(accuracies['L1'])}, "
        f"{spread_words(accuracies['L2'])} and {spread_words(accuracies['none'])}. Of the notes' two activations, "
        f"the large "
        f"one has an error of {_error(np.array([10.0, 10.0])):.1e} instead of {_error(np.array([1.0, 1.0])):.3f}, "
        f"and a slope "
        f"{steep / flat:.0e} times smaller; under L2 the best weights are ({lowest:.2f}, {lowest:.2f})."
    )
    numbers = {"weights": weights, "accuracies": accuracies, "kept": kept, "kept_exactly": kept_exactly}
    pictures = (_draw_weights(weights), _draw_sweep(tables, weights, parameters), _draw_surfaces(parameters, lowest))
    return Findings(text, claims, pictures, numbers)


def _table(seed: int) -> Any:
    """The patients, split by a seed, every measurement with mean 0 and variance 1."""
    from training.datasets.embedded import load_breast_cancer
    from training.datasets.splits import Carving
    from training.labs.samples import standardized

    return standardized(load_breast_cancer(carving=Carving(seed=seed)))


def _train(parameters, tables, seeds, options: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Weights `(seeds, 30)` and validation accuracies `(seeds,)` under a penalty."""
    import keras

    import models
    from training.labs.fitting import begin, compiled, fit, split_of, steps_per_call
    from training.schedules import learning_rate

    def build() -> keras.Model:
        return models.build("logistic_regression", (30,), 2, **options)

    examples = REPEATS * len(tables[0].train)
    steps = -(-examples // BATCH)
    rate = learning_rate("cosine", 0.1, total_steps=steps * parameters.epochs)
    calls = steps_per_call(examples, BATCH)
    model = compiled(build, keras.optimizers.SGD(rate, momentum=0.9), num_classes=2, steps_per_execution=calls)
    weights, accuracies = [], []
    for data, seed in zip(tables, seeds, strict=True):
        begin(model, build, seed)
        train = split_of(np.tile(data.train.x, (REPEATS, 1)), np.tile(data.train.y, REPEATS))
        fit(model, train, epochs=parameters.epochs, batch_size=BATCH, seed=seed)
        weights.append(model.get_weights()[0][:, 0])
        accuracies.append(np.mean((np.asarray(model(data.validation.x)).ravel() > 0.5) == data.validation.y))
    return np.array(weights), np.array(accuracies)


def _exact(data: Any, penalty: float, l1_ratio: float) -> np.ndarray:
    """The weights of scikit-learn's exact solution: L1 for a ratio of 1, L2 for 0 (whose λ·Σw² has no ½)."""
    from sklearn.linear_model import LogisticRegression

    strength = penalty if l1_ratio else 2 * penalty
    model = LogisticRegression(
        C=1 / (len(data.train) * strength),
        l1_ratio=l1_ratio,
        solver="saga" if l1_ratio else "lbfgs",
        max_iter=3000,
        tol=1e-3,
        random_state=0,
    )
    return model.fit(data.train.x.astype(float), data.train.y).coef_[0]


def _evenness(weights: np.ndarray) -> np.ndarray:
    """(Σ|w|)² / (n·Σw²) of each row: 1 where all are alike, 1/n where one stands alone."""
    return np.sum(np.abs(weights), axis=1) ** 2 / (weights.shape[1] * np.sum(weights**2, axis=1))


def _error(weights: np.ndarray) -> np.ndarray:
    """Log-loss of the notes' points (1, 1), blue, and (−1, −1), red: by symmetry that of one of them."""
    return np.logaddexp(0, -weights.sum(axis=-1))


def _slope(weights: np.ndarray) -> np.ndarray:
    """Its gradient."""
    return -np.full(2, np.exp(-np.logaddexp(0, weights.sum())))


def _lowest(penalty: float) -> float:
    """The weight w of the lowest point (w, w) under L2."""
    from scipy.optimize import minimize_scalar

    return float(minimize_scalar(lambda w: float(_error(np.array([w, w]))) + 2 * penalty * w * w, bounds=(0, 50)).x)


def _draw_weights(weights: dict[str, np.ndarray]) -> Picture:
    """The first seed's weights, by the size that they have without a penalty."""
    figure, axes = panels(3, height=2.9, sharey=True)
    order = np.argsort(-np.abs(weights["none"][0]))
    for ax, (name, found), color in zip(axes, weights.items(), (GREY, BLUE, VERMILLION), strict=True):
        ax.bar(np.arange(1, 31), found[0][order], color=color)
        ax.set(xlabel="feature (1: largest without penalty)", title={"none": "no penalty"}.get(name, name))
    axes[0].set_ylabel("weight, per standard deviation")
    caption = "L1: a few bars and nothing between them. L2: all bars, shorter. The same features, in the same order."
    return Picture("weights", "Weights of 30 features", figure, caption)


def _draw_sweep(tables: list[Any], weights: dict[str, np.ndarray], parameters: RegularisationParameters) -> Picture:
    """Features kept, and length of the weights, against λ."""
    figure, (left, right) = panels(2, height=3.3)
    penalties = np.geomspace(0.003, 0.5, 7)
    for name, ratio, color in (("L1", 1.0, BLUE), ("L2", 0.0, VERMILLION)):
        found = np.array([[_exact(data, one, ratio) for one in penalties] for data in tables[:2]])
        band(left, penalties, np.sum(np.abs(found) >= ZERO, axis=-1), color=color, label=f"{name}, exact solution")
        band(right, penalties, np.linalg.norm(found, axis=-1), color=color, label=f"{name}, exact solution")
        kept = np.sum(np.abs(weights[name]) >= ZERO, axis=1)
        left.plot(
            np.full(len(kept), parameters.penalty),
            kept,
            "o",
            color=color,
            markersize=4,
            label=f"{name}, trained by Keras",
        )
        length = np.linalg.norm(weights[name], axis=1)
        right.plot(np.full(len(length), parameters.penalty), length, "o", color=color, markersize=4)
    for ax, words in ((left, "features with a weight of at least 0.01"), (right, "length of the weights (L2 norm)")):
        log_scale(ax, "x")
        ax.set(xlabel="weight λ of the penalty", ylabel=words, ylim=(0, None))
    left.legend(fontsize=8)
    caption = (
        "Left, sparsity: L1 drops feature after feature as λ grows, L2 keeps them. Right: both shorten the weights. "
        "Dots: "
        "the project's logistic regression, each a seed; lines: scikit-learn's exact solution, two splits."
    )
    return Picture("sweep", "The penalty's weight λ", figure, caption)


def _draw_surfaces(parameters: RegularisationParameters, lowest: float) -> Picture:
    """The error of the notes' two points over both weights, with and without L2."""
    figure, axes = panels(2, height=3.7, sharey=True)
    a, b = plane((-2, 12), (-2, 12))
    mesh = np.stack([a, b], axis=-1)
    surfaces = (_error(mesh), _error(mesh) + parameters.penalty * np.sum(mesh**2, axis=-1))
    for ax, surface, title in zip(axes, surfaces, ("no penalty", f"L2, λ = {parameters.penalty:g}"), strict=True):
        drawn = ax.contourf(a, b, np.log10(surface), levels=14, cmap="cividis")
        figure.colorbar(drawn, ax=ax, label="log₁₀ of the error, nats")
        for size, color, marker in ((1, GREEN, "o"), (10, VERMILLION, "s")):
            ax.plot(size, size, marker, color=color, markersize=8, label=f"{size}·x₁ + {size}·x₂", linestyle="")
        ax.set(xlabel="weight of x₁", title=title, aspect="equal")
    axes[1].plot(lowest, lowest, "*", color=DARK, markeredgecolor="white", markersize=14, label="lowest point")
    axes[0].set_ylabel("weight of x₂")
    axes[1].legend(loc="lower right", fontsize=8)
    caption = (
        "Left: the error falls for ever towards large weights, on a plain that gets flatter and flatter. Right: the "
        "penalty makes it a bowl, whose lowest point lies near small weights."
    )
    return Picture("surfaces", "The notes' two activations", figure, caption)


LAB = Lab(
    name="regularisation",
    title="Regularisation",
    theory=THEORY,
    formulas=("L1:  E + λ·Σ|w|", "L2:  E + λ·Σw²"),
    parameters=RegularisationParameters,
    small=RegularisationParameters(seeds=1),
    experiment=experiment,
    try_it="--penalty 0.1",
)
