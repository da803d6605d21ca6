"""Dropout: with and without, and how it treats the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.plots.style import BLUE, VERMILLION
from training.labs.drawing import band, panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

THEORY = """
In training, one part of a network may get large weights and do all the work, while the rest hardly learns. Dropout
turns off each node of a layer at random, with a probability p, at every step, so that the others must step in: no
node can rely on another one. What is left is scaled up by 1/(1 − p), so that the next layer receives as much as
before, and at prediction nothing is dropped. It is as if many thinner networks were trained and asked together.

It makes training harder on purpose: the training loss is higher, and overfitting later. Whether that helps depends on
how much there was to overfit; with few examples, many nodes and some wrong labels there is most.
"""
REPEATS, BATCH = 4, 32


@dataclass(frozen=True, kw_only=True)
class DropoutParameters(Parameters):
    """Settings.

    Attributes:
        rate: Share of the nodes that is dropped at each step.
        images: Training images; with more of them there is less to gain.
        noise: Share of the training labels that are replaced at random: something wrong to learn by heart.
        units: Nodes in each of the two hidden layers.
        epochs: Passes over the images, each met four times a pass.
    """

    seeds: int = option(8, 1, 1000)
    rate: float = option(0.5, 0.0, 0.95)
    images: int = option(300, 20, 1200)
    noise: float = option(0.2, 0.0, 1.0)
    units: int = option(128, 2, 1024)
    epochs: int = option(25, 2, 500)


def experiment(parameters: DropoutParameters, seeds: Sequence[int]) -> Findings:
    """Trains a network on few digits, some with a wrong label, with and without dropout, from the same weights."""
    without, with_dropout = (_train(parameters, rate, seeds) for rate in (0.0, parameters.rate))
    ends = {
        name: np.array([[one[name][-1] for one in runs] for runs in (without, with_dropout)])
        for name in ("loss", "val_loss", "val_accuracy")
    }
    gains = {
        "loss": ends["val_loss"][0] - ends["val_loss"][1],
        "accuracy": 100 * (ends["val_accuracy"][1] - ends["val_accuracy"][0]),
    }
    uneven = np.array([[_unevenness(one["moved"]) for one in runs] for runs in (without, with_dropout)])
    claims = (
        claim("validation loss without − with dropout, nats", gains["loss"], at_least=0, of="interval"),
        claim(
            "training loss with dropout − without, nats", ends["loss"][1] - ends["loss"][0], at_least=0, of="interval"
        ),
        claim("validation accuracy with dropout − without, points", gains["accuracy"], at_least=0, of="interval"),
        claim(
            "unevenness of the nodes' weights without − with dropout (sd / mean of what they moved)",
            uneven[0] - uneven[1],
            at_least=0,
            of="interval",
        ),
        claim("|mean of a dropped layer's output / of the layer itself − 1|", _scaling(parameters.rate), at_most=0.02),
    )
    beyond = "beyond" if _beyond_noise(gains["accuracy"]) else "within"
    text = (
        f"With {parameters.images} images, {parameters.noise:.0%} of the labels random, and a rate of "
        f"{parameters.rate:g}, the validation loss was "
        f"{spread_words(ends['val_loss'][1])} nats instead of {spread_words(ends['val_loss'][0])}, the accuracy "
        f"{spread_words(100 * ends['val_accuracy'][1])}% instead of {spread_words(100 * ends['val_accuracy'][0])}%: a "
        f"difference of {spread_words(gains['accuracy'])} points, {beyond} noise over {len(seeds)} seeds. How far "
        f"training moved the weights of a node varied among the nodes by {spread_words(uneven[1])} of its mean with "
        f"dropout and by {spread_words(uneven[0])} without."
    )
    numbers = {"gains": gains, "unevenness": {"without": uneven[0], "with": uneven[1]}, "ends": ends}
    return Findings(text, claims, (_draw_curves(without, with_dropout), _draw_nodes(without, with_dropout)), numbers)


def _train(parameters: DropoutParameters, rate: float, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Curves, and how far each node of the second layer moved, for each seed."""
    import keras

    import models
    from training.labs.fitting import begin, compiled, fit, split_of, steps_per_call
    from training.labs.samples import first, small_digits

    def build() -> keras.Model:
        widths = (parameters.units, parameters.units)
        return models.build("mlp_classifier", (8, 8, 1), 10, units=widths, dropout_rate=rate)

    calls = steps_per_call(REPEATS * parameters.images, BATCH)
    model = compiled(build, keras.optimizers.Adam(0.003), num_classes=10, steps_per_execution=calls)
    found = []
    for seed in seeds:
        data = small_digits(seed)
        few = first(data.train, parameters.images)
        rng = np.random.default_rng(seed)
        labels = np.where(rng.random(len(few)) < parameters.noise, rng.integers(0, 10, len(few)), few.y)
        train = split_of(np.tile(np.asarray(few.x), (REPEATS, 1, 1, 1)), np.tile(labels, REPEATS))
        begin(model, build, seed)
        before = model.get_layer("hidden2").get_weights()[0]
        curves = fit(model, train, epochs=parameters.epochs, batch_size=BATCH, seed=seed, validation=data.validation)
        moved = np.linalg.norm(model.get_layer("hidden2").get_weights()[0] - before, axis=0)
        found.append(curves | {"moved": moved})
    return found


def _unevenness(moved: np.ndarray) -> float:
    """Standard deviation of the nodes' lengths over their mean."""
    return float(moved.std() / moved.mean())


def _beyond_noise(values: np.ndarray) -> bool:
    """Whether the 95 % interval of the mean leaves out 0."""
    return any(claim("", values * sign, at_least=0, of="interval").holds for sign in (1, -1))


def _scaling(rate: float) -> float:
    """How far dropout changes the mean of a large layer."""
    import keras

    ones = np.ones((1000, 100), np.float32)
    dropped = keras.layers.Dropout(rate, seed=1)(ones, training=True)
    return abs(float(np.mean(keras.ops.convert_to_numpy(dropped))) - 1)


def _draw_curves(without: list[dict[str, Any]], with_dropout: list[dict[str, Any]]) -> Picture:
    """Losses and accuracies against epochs."""
    figure, (left, right) = panels(2, height=3.5)
    for runs, color, name in ((without, VERMILLION, "without"), (with_dropout, BLUE, "with dropout")):
        epochs = np.arange(1, len(runs[0]["loss"]) + 1)
        band(left, epochs, [one["loss"] for one in runs], color=color, label=f"{name}: training", linestyle="--")
        band(left, epochs, [one["val_loss"] for one in runs], color=color, label=f"{name}: validation")
        band(right, epochs, [100 * one["val_accuracy"] for one in runs], color=color, label=name)
    left.set(xlabel="epoch", ylabel="loss, nats per image", ylim=(0, None))
    right.set(xlabel="epoch", ylabel="validation accuracy, %")
    left.legend(fontsize=8)
    right.legend(loc="lower right")
    caption = (
        "Dashed, the training loss, measured while nodes are dropped: dropout keeps it up. Solid, the validation "
        "loss: the "
        "gap between the two is what dropout closes. Bands: least to most over the seeds."
    )
    return Picture("curves", "Training with and without dropout", figure, caption)


def _draw_nodes(without: list[dict[str, Any]], with_dropout: list[dict[str, Any]]) -> Picture:
    """How far each node's weights moved, sorted, relative to the mean node."""
    figure, (ax,) = panels(height=3.2)
    for runs, color, name in ((without, VERMILLION, "without"), (with_dropout, BLUE, "with dropout")):
        curves = [np.sort(one["moved"])[::-1] / one["moved"].mean() for one in runs]
        band(ax, np.arange(1, len(curves[0]) + 1), curves, color=color, label=name)
    ax.axhline(1, color="black", linewidth=0.8, linestyle=":", label="all nodes alike")
    ax.set(xlabel="node of the second layer, sorted", ylabel="weights moved by, mean node = 1", ylim=(0, None))
    ax.legend()
    caption = (
        "Equal treatment is a flat line: all nodes learn as much. Where the line falls from left to right, a part of "
        "the "
        "nodes does most of the learning. Bands: least to most over the seeds."
    )
    return Picture("nodes", "How much each node learns", figure, caption)


LAB = Lab(
    name="dropout",
    title="Dropout",
    theory=THEORY,
    formulas=("in training:  h ← h·m/(1 − p),  m = 1 with probability 1 − p, else 0", "at prediction:  h"),
    parameters=DropoutParameters,
    small=DropoutParameters(seeds=3, epochs=12, units=64),
    experiment=experiment,
    try_it="--noise 0",
)
