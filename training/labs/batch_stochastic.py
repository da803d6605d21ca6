"""Batch against stochastic: all examples, a mini-batch or a single one for each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.plots.style import COLOURS, GREY
from training.labs.drawing import band, log_scale, panels, plane
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

if TYPE_CHECKING:
    from training.datasets.dataset import Split

THEORY = """
The gradient of the loss is a mean over all training examples. Batch gradient descent computes all of it for one step.
Stochastic gradient descent takes a few examples, or a single one, and steps at once: on average its direction is right,
and in the time of one exact step it makes many rough ones. Most examples say much the same, so early on rough steps
win.

The roughness: the variance of a mini-batch's gradient is that of a single example divided by the batch size. It does
not vanish at the minimum, so that at a constant rate the weights keep shaking there: at a height proportional to the
rate where examples are drawn blindly, and to its square where, as here, each pass takes every example once. A
mini-batch is the compromise: fewer steps than single examples, computed side by side by the hardware, and less noise.
An epoch is one pass over all examples, whatever the batch.
"""
FEATURES = ("mean radius", "mean texture")
SINGLE, ALL = 1, 1_000_000
CALMER = 4.0  # the single examples' rate over this number, for the floor


@dataclass(frozen=True, kw_only=True)
class BatchParameters(Parameters):
    """Settings.

    Attributes:
        batch: Examples of a mini-batch.
        rate: Learning rate of all three.
        epochs: Passes over the training patients.
    """

    batch: int = option(32, 2, 256)
    rate: float = option(0.2, 1e-4, 10.0)
    epochs: int = option(10, 4, 1000)


def experiment(parameters: BatchParameters, seeds: Sequence[int]) -> Findings:
    """Logistic regression on two measurements of breast-cancer patients, by three sizes of a step."""
    from training.datasets.embedded import load_breast_cancer
    from training.labs.samples import standardized

    train = standardized(load_breast_cancer(), FEATURES).train
    sizes = {"all": ALL, f"mini-batch of {parameters.batch}": parameters.batch, "single": SINGLE}
    runs = {name: _train(train, size, parameters.rate, parameters.epochs, seeds) for name, size in sizes.items()}
    calm = _train(train, SINGLE, parameters.rate / CALMER, parameters.epochs, seeds)
    weights, least = _minimum(train)
    floor, lower = (_above(one["loss"], least) for one in (runs["single"], calm))
    first = {name: one["loss"][:, 0] - least for name, one in runs.items()}
    mini = list(sizes)[1]
    laws = [_noise(train, weights, seed) for seed in seeds]
    claims = (
        claim("loss above the least after one epoch, all / mini-batch", first["all"] / first[mini], at_least=1.2),
        claim("loss above the least after one epoch, all / single", first["all"] / first["single"], at_least=5),
        claim(
            "largest |mean of the mini-batches' gradients − gradient of all|",
            [one["bias"] for one in laws],
            at_most=1e-6,
        ),
        claim(
            "variance of the gradient of 4 examples / of 16", [one["ratio"] for one in laws], at_least=3.2, at_most=4.8
        ),
        claim(f"height of the shaking, single at {parameters.rate:g} / at a quarter of it", floor / lower, at_least=3),
    )
    seconds = {name: np.median(one["seconds"]) for name, one in runs.items()}
    text = (
        f"After one epoch batch descent, a single step, is {spread_words(first['all'])} above the least loss, "
        f"mini-batches of {parameters.batch} {spread_words(first[mini])} and single examples "
        f"{spread_words(first['single'])}. At the end single examples shake {spread_words(floor)} above it, and at a "
        f"quarter of the rate {spread_words(lower)}. An epoch took {seconds['all'] * 1e3:.2g} ms with all at once, "
        f"{seconds[mini] * 1e3:.2g} ms with mini-batches and {seconds['single'] * 1e3:.2g} ms with single examples. "
        f"Four times the batch divides the variance of the gradient by {spread_words([one['ratio'] for one in laws])}."
    )
    numbers = {"least_loss": least, "milliseconds_per_epoch": {name: one * 1e3 for name, one in seconds.items()}}
    numbers |= {"final_loss": {name: one["loss"][:, -1] for name, one in runs.items()}, "noise": laws}
    paths = {name: _path(train, size, parameters, seeds[0]) for name, size in sizes.items()}
    return Findings(text, claims, (_draw_paths(train, weights, paths), _draw_losses(runs, least)), numbers)


def _builder() -> Callable[[], Any]:
    import models

    return lambda: models.build("logistic_regression", (len(FEATURES),), 2)


def _train(train: Split, size: int, rate: float, epochs: int, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """The loss of all examples after each epoch `(seeds, epochs)`, and seconds of an epoch `(seeds,)`."""
    import keras

    from training.labs.fitting import begin, compiled, fit, steps_per_call

    build, calls = _builder(), steps_per_call(len(train), size)
    model = compiled(build, keras.optimizers.SGD(rate), num_classes=2, steps_per_execution=calls)
    losses, seconds = [], []
    for seed in seeds:
        begin(model, build, seed)
        started: dict[int, float] = {}
        ended: dict[int, float] = {}
        clock = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs, of=started: of.update({len(of): time.perf_counter()}),
            on_train_batch_end=lambda batch, logs, of=ended, begun=started: of.update(
                {len(begun): time.perf_counter()}
            ),
        )
        curves = fit(model, train, epochs=epochs, batch_size=size, seed=seed, validation=train, callbacks=[clock])
        losses.append(curves["val_loss"])
        seconds.append(np.median([ended[epoch + 1] - begun for epoch, begun in started.items()]))
    return {"loss": np.array(losses), "seconds": np.array(seconds)}


def _path(train: Split, size: int, parameters: BatchParameters, seed: int) -> np.ndarray:
    """Both weights after each step `(steps + 1, 2)`: of one epoch, or of as many steps where an epoch is one step."""
    import keras

    from training.labs.fitting import begin, compiled, fit

    build, path = _builder(), []
    model = compiled(build, keras.optimizers.SGD(parameters.rate), num_classes=2)
    begin(model, build, seed)
    kernel = model.get_layer("logits").kernel
    kernel.assign([[-1.5], [-1.0]])  # the same start for all
    path.append(np.array(kernel).ravel())
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: path.append(np.array(kernel).ravel()))
    epochs = parameters.epochs if size >= len(train) else 1 if size == SINGLE else 5
    fit(model, train, epochs=epochs, batch_size=size, seed=seed, callbacks=[watch])
    return np.array(path)


def _minimum(train: Split) -> tuple[np.ndarray, float]:
    """Weights (two and the bias) with the least loss, and that loss, by scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(train.x, train.y)
    return np.append(model.coef_, model.intercept_), float(log_loss(train.y, model.predict_proba(train.x)))


def _above(losses: np.ndarray, least: float) -> np.ndarray:
    """Mean height above the least loss over the last half of the epochs, for each seed."""
    return np.asarray(losses[:, losses.shape[1] // 2 :].mean(axis=1) - least)


def _noise(train: Split, weights: np.ndarray, seed: int) -> dict[str, float]:
    """The gradient (ŷ − y)·x of each example at the minimum: means over batches, and their variance by batch size."""
    inputs = np.column_stack([np.asarray(train.x), np.ones(len(train))]).astype(float)
    each = (1 / (1 + np.exp(-inputs @ weights)) - train.y)[:, None] * inputs
    rng = np.random.default_rng(seed)
    parts = np.array_split(rng.permutation(len(each)), len(each) // 32)
    whole = sum(len(part) * each[part].mean(axis=0) for part in parts) / len(each)
    variance = {size: each[rng.integers(0, len(each), (4000, size))].mean(axis=1).var(axis=0).sum() for size in (4, 16)}
    return {"bias": float(np.abs(whole - each.mean(axis=0)).max()), "ratio": float(variance[4] / variance[16])}


def _draw_paths(train: Split, weights: np.ndarray, paths: dict[str, np.ndarray]) -> Picture:
    """Steps on the surface of the loss, the bias held at its best."""
    figure, axes = panels(3, height=3.2, sharey=True)
    x, y = plane((-2.2, 6.0), (-1.6, 2.6), 81)
    scores = np.tensordot(np.stack([x, y], axis=-1), np.asarray(train.x, dtype=float).T, axes=1) + weights[2]
    surface = (np.logaddexp(0, scores) - scores * train.y).mean(axis=-1)
    for ax, (name, path), color in zip(axes, paths.items(), COLOURS, strict=False):
        ax.contour(
            x, y, surface, levels=np.geomspace(surface.min() * 1.01, surface.max(), 14), colors=GREY, linewidths=0.5
        )
        ax.plot(*path.T, "o-", markersize=1.8, linewidth=0.7, color=color)
        ax.plot(*weights[:2], "k*", markersize=8, label="minimum")
        ax.set(xlabel="weight of the mean radius", xlim=(-2.2, 6.0), ylim=(-1.6, 2.6))
        ax.set_title(f"{name}: {len(path) - 1} steps", fontsize=9)
    axes[0].set_ylabel("weight of the mean texture")
    axes[0].legend(fontsize=8, loc="lower right")
    caption = (
        "Each dot is a step, on contours of the loss. All examples: smooth, straight across the contours, one step for "
        "each pass over the data. Mini-batches: the same way with a little noise. Single examples: they stagger, and "
        "their drift is right, within few passes."
    )
    return Picture("paths", "Paths on the surface of the loss (first seed)", figure, caption)


def _draw_losses(runs: dict[str, dict[str, np.ndarray]], least: float) -> Picture:
    """Height above the least loss against epochs, and against seconds."""
    figure, (left, right) = panels(2, height=3.6, sharey=True)
    for (name, one), color in zip(runs.items(), COLOURS, strict=False):
        heights = np.maximum(one["loss"] - least, 1e-6)
        epochs = np.arange(1, heights.shape[1] + 1)
        band(left, epochs, heights, label=name, color=color)
        band(right, epochs * np.median(one["seconds"]), heights, label=name, color=color)
    log_scale(left, "y")
    log_scale(right, "x", "y")
    left.set(xlabel="epoch", ylabel="loss above the least (nats, logarithmic)")
    right.set(xlabel="seconds of training (logarithmic)")
    left.legend(fontsize=8)
    caption = (
        "Left: for each pass over the data, the smaller the batch the faster the first fall, and the sooner it ends in "
        "shaking. Right: by the clock, single examples pay for their many steps. Bands: least to most over the seeds."
    )
    return Picture("losses", "Loss against epochs and against seconds", figure, caption)


LAB = Lab(
    name="batch_stochastic",
    title="Batch against stochastic gradient descent",
    theory=THEORY,
    formulas=(
        "batch: w ← w − α · 1/m · Σᵢ ∇Eᵢ(w)   mini-batch B: w ← w − α · 1/|B| · Σ_{i∈B} ∇Eᵢ(w)",
        "mean over batches = ∇E,   variance = Var(∇Eᵢ)/|B|",
    ),
    parameters=BatchParameters,
    small=BatchParameters(seeds=1),
    experiment=experiment,
    try_it="--batch 8",
)
