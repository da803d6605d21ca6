"""Random labels: a network that can memorise anything, and what that says about generalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.plots.style import BLUE, COLOURS, GREY
from training.labs.drawing import band, panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

THEORY = """
Shuffle the labels of the training images: nothing is left to learn, yet a network with enough weights ends with a
training accuracy of 100%. It has memorised the images one by one, and on new images it guesses. So a training accuracy
of 100% proves nothing, and the number of weights alone cannot explain why the same network, by the same optimizer,
generalises where the labels are true.

What differs is how hard it is. True labels agree with simple features and are fitted in few epochs; wrong ones have to
be memorised one by one, which takes several times as long, even where only some are wrong. And the more of them, the
lower the accuracy on new images, down to chance (one in ten here). A validation set tells learning from memorising.
"""


@dataclass(frozen=True, kw_only=True)
class RandomLabelParameters(Parameters):
    """Settings.

    Attributes:
        corruption: Shares of the training labels that are replaced by random ones; 0 and 1 among them.
        images: Training images.
        epochs: Passes at most; training stops where every label is fitted.
    """

    corruption: tuple[float, ...] = option((0.0, 0.25, 0.5, 0.75, 1.0), 0.0, 1.0)
    images: int = option(200, 50, 1000)
    epochs: int = option(120, 5, 2000)


FITTED = 0.995  # of the training labels: every one, but for a noisy last batch


def experiment(parameters: RandomLabelParameters, seeds: Sequence[int]) -> Findings:
    """The notes' CNN, small and without dropout, on digits whose labels are more and more random."""
    shares = tuple(sorted({*parameters.corruption, 0.0, 1.0}))
    runs = _runs(shares, parameters, seeds)
    table = {
        name: {share: np.array([one[name] for one in found]) for share, found in runs.items()} for name in MEASURED
    }
    fitted, test, epochs = (table[name] for name in MEASURED)
    claims = (
        claim("training accuracy, all labels random", fitted[1.0], at_least=0.98),
        claim("test accuracy, all labels random", test[1.0], at_least=0.05, at_most=0.15, of="mean"),
        claim("test accuracy, true labels", test[0.0], at_least=0.5),
        claim("epochs to fit, all random / true", epochs[1.0] / epochs[0.0], at_least=1.5),
        claim("rank correlation of test accuracy and corruption", _trends(test), at_most=-0.8),
    )
    weights = runs[1.0][0]["weights"]
    text = (
        f"With {weights:,} weights for {parameters.images} images the network fits {spread_words(fitted[1.0])} of "
        f"purely random labels, in {spread_words(epochs[1.0])} epochs; true labels take {spread_words(epochs[0.0])}. "
        f"On new images it is right for {spread_words(test[0.0])} after true labels and for {spread_words(test[1.0])} "
        f"after random ones (chance: 0.1). The training accuracies are alike; only the test tells the two apart."
    )
    numbers = {name: {f"{share:g}": values for share, values in found.items()} for name, found in table.items()}
    return Findings(text, claims, (_draw_curves(runs), _draw_shares(table)), numbers | {"weights": weights})


MEASURED = ("train", "test", "epochs")


def _runs(shares: Sequence[float], parameters: RandomLabelParameters, seeds: Sequence[int]) -> dict[float, list]:
    """For each corruption and seed: curves, epochs until the labels were fitted, accuracies."""
    import keras

    import models
    from training.labs.fitting import begin, compiled, fit, steps_per_call
    from training.labs.samples import first, small_digits
    from training.pipeline import batches

    def build() -> keras.Model:
        rates = {"dropout_rate": 0.0, "head_dropout_rate": 0.0}
        return models.build("cifar_cnn", (8, 8, 1), 10, filters=(16, 32), kernel_size=3, dense_units=64, **rates)

    data = small_digits()
    train, held_out = first(data.train, parameters.images), batches(data.test, batch_size=len(data.test))
    calls = steps_per_call(len(train), 32)
    model = compiled(build, keras.optimizers.Adam(0.005), num_classes=10, steps_per_execution=calls)
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _stop_where_fitted(model, logs))
    runs: dict[float, list] = {share: [] for share in shares}
    for share in shares:
        for seed in seeds:
            begin(model, build, seed)
            labelled = corrupted(train, share, seed)
            curves = fit(model, labelled, epochs=parameters.epochs, batch_size=32, seed=seed, callbacks=[stop])
            right = model.evaluate(held_out, verbose=0, return_dict=True)["accuracy"]
            last = {"train": curves["accuracy"][-1], "test": right, "epochs": len(curves["accuracy"])}
            runs[share].append({"curve": curves["accuracy"], **last, "weights": model.count_params()})
    return runs


def corrupted(train: Any, share: float, seed: int) -> Any:
    """The split with a share of its labels drawn anew, each class as likely as another."""
    import dataclasses

    rng, y = np.random.default_rng(seed), train.y.copy()
    chosen = rng.permutation(len(y))[: round(share * len(y))]
    y[chosen] = rng.integers(0, 10, len(chosen))
    return dataclasses.replace(train, y=y)


def _stop_where_fitted(model: Any, logs: dict[str, float]) -> None:
    model.stop_training = logs["accuracy"] >= FITTED


def _trends(test: dict[float, np.ndarray]) -> list[float]:
    """For each seed, whether more corruption means a lower test accuracy: Spearman's correlation."""
    from scipy.stats import spearmanr

    columns = np.array(list(test.values()))
    return [float(spearmanr(list(test), column).statistic) for column in columns.T]


def _draw_curves(runs: dict[float, list]) -> Picture:
    """Training accuracy against epochs, by corruption."""
    figure, (ax,) = panels(1, height=3.5)
    for (share, found), color in zip(runs.items(), (*COLOURS, *COLOURS), strict=False):
        longest = max(len(one["curve"]) for one in found)
        curves = [np.append(one["curve"], np.repeat(one["curve"][-1], longest - len(one["curve"]))) for one in found]
        band(ax, np.arange(1, longest + 1), curves, label=f"{share:.0%} random", color=color)
    ax.axhline(0.1, color=GREY, linestyle=":", linewidth=1, label="chance")
    ax.set(xlabel="epoch", ylabel="training accuracy", ylim=(0, 1.03))
    ax.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.12))
    caption = (
        "The same network, the same images, labels that are more and more random. All curves aim at 1: what cannot be "
        "learned is memorised, only later. Bands: least to most over the seeds; a curve ends where its labels are "
        "fitted."
    )
    return Picture("curves", "Fitting labels, true and random", figure, caption)


def _draw_shares(table: dict[str, dict[float, np.ndarray]]) -> Picture:
    """Accuracies and epochs against corruption."""
    figure, (left, right) = panels(2, height=3.3)
    shares = np.array(list(table["test"])) * 100
    for name, color in (("train", COLOURS[1]), ("test", BLUE)):
        band(left, shares, np.array(list(table[name].values())).T, label=name, color=color, marker="o", markersize=4)
    left.axhline(0.1, color=GREY, linestyle=":", linewidth=1, label="chance")
    left.set(ylabel="accuracy", ylim=(0, 1.03))
    left.legend(fontsize=8)
    band(
        right, shares, np.array(list(table["epochs"].values())).T, label="epochs", color=BLUE, marker="o", markersize=4
    )
    right.set(ylabel="epochs until the labels are fitted", ylim=(0, None))
    for ax in (left, right):
        ax.set(xlabel="random labels (%)")
    caption = (
        "Left: the training accuracy (red) does not see how much of it is memorised; the test accuracy (blue) does. "
        "Right: random labels are harder work."
    )
    return Picture("shares", "What training sees, and what a test sees", figure, caption)


LAB = Lab(
    name="random_labels",
    title="Random labels: memorising is not learning",
    theory=THEORY,
    formulas=("random labels: best accuracy on new images = 1/K,  reachable training accuracy = 1",),
    parameters=RandomLabelParameters,
    small=RandomLabelParameters(seeds=1, images=100, corruption=(0.0, 0.5, 1.0)),
    experiment=experiment,
    try_it="--images 600",
)
