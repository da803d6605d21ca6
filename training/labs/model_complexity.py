"""The model complexity graph: training and validation error against size and against epochs; early stopping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.metrics.calibration import log_loss
from evaluation.plots.style import BLUE, DARK, GREY, VERMILLION
from training.diagnostics import best_epoch, diagnose
from training.labs.drawing import band, classes, log_scale, panels, plane
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

THEORY = """
A network that is too small, or has trained too little, errs on what it has learned from as well as on new data:
underfitting. One that is too large, or has trained too long, knows its training data by heart, noise included, and
errs on new ones: overfitting. Training error alone cannot tell, for it falls and falls. The model complexity graph
draws both errors: they fall together, and where the validation error turns and rises again lies the best model.

Early stopping reads the same graph along epochs: train, watch the validation error, keep the weights of its lowest
point. Validation has then been used to choose; how good the choice is, only a test set says that no choice has seen.
"""
VALIDATION, TEST = 500, 2000
REPEATS, BATCH, END = 5, 8, 3
AREA = ((-1.9, 1.9), (-1.9, 1.9))


@dataclass(frozen=True, kw_only=True)
class ComplexityParameters(Parameters):
    """Settings.

    Attributes:
        sizes: Numbers of hidden units to compare, growing.
        epochs: Passes over the training points, each met five times a pass.
        points: Training points; with more of them it takes a larger network to overfit.
        noise: How far two rings, one inside the other, are smeared into each other.
    """

    sizes: tuple[int, ...] = option((1, 2, 8, 32, 128), 1, 512)
    epochs: int = option(25, 5, 1000)
    points: int = option(80, 10, 5000)
    noise: float = option(0.25, 0.0, 2.0)


def experiment(parameters: ComplexityParameters, seeds: Sequence[int]) -> Findings:
    """Trains networks of growing size on noisy rings, all for the same time."""
    runs = {size: _train(parameters, size, seeds) for size in parameters.sizes}
    ends = {
        name: np.array([[one[name][-END:].mean() for one in found] for found in runs.values()])
        for name in ("loss", "val_loss", "test_loss")
    }
    best = int(np.argmin(ends["val_loss"].mean(axis=1)))
    widest = runs[parameters.sizes[-1]]
    stops = [best_epoch(one, "val_loss") for one in widest]
    stopped = np.array([one["test_loss"][stop - 1] for one, stop in zip(widest, stops, strict=True)])
    verdicts = [diagnose(one, baseline_loss=float(np.log(2))).kind for one in widest]
    claims = (
        claim(
            "training loss of the smallest − of the largest network, nats",
            ends["loss"][0] - ends["loss"][-1],
            at_least=0,
            of="interval",
        ),
        claim(
            "test loss of the largest network − of the size that validation chose",
            ends["test_loss"][-1] - ends["test_loss"][best],
            at_least=0,
            of="interval",
        ),
        claim(
            "test loss of the smallest network − of the size that validation chose",
            ends["test_loss"][0] - ends["test_loss"][best],
            at_least=0,
            of="interval",
        ),
        claim(
            "test loss of the largest network at the end − where early stopping stops",
            ends["test_loss"][-1] - stopped,
            at_least=0,
            of="interval",
        ),
        claim(
            "curves of the largest network that the project's diagnosis calls overfitting, share",
            [float(kind == "overfitting") for kind in verdicts],
            at_least=0.8,
            of="mean",
        ),
    )
    size, last = parameters.sizes[best], parameters.sizes[-1]
    text = (
        f"Validation chooses {size} hidden units: test loss {spread_words(ends['test_loss'][best])} nats, beside "
        f"{spread_words(ends['test_loss'][0])} with {parameters.sizes[0]} and {spread_words(ends['test_loss'][-1])} "
        f"with {last}, whose training loss is {spread_words(ends['loss'][-1])}. Stopped at its best "
        f"validation epoch ({spread_words(stops)} of {parameters.epochs}), the largest network has a test loss of "
        f"{spread_words(stopped)}. The verdicts on its curves: {', '.join(sorted(set(verdicts)))}."
    )
    numbers = {"sizes": parameters.sizes, "ends": ends, "best_size": size, "best_epochs": stops, "verdicts": verdicts}
    shown = {one: runs[one][0]["surface"] for one in dict.fromkeys((parameters.sizes[0], size, last))}
    pictures = (
        _draw_sizes(parameters, ends, best),
        _draw_epochs(widest, last, stops),
        _draw_regions(parameters, shown, seeds[0]),
    )
    return Findings(text, claims, pictures, numbers)


def _rings(parameters: ComplexityParameters, seed: int, part: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points `(n, 2)` and classes; part 0 trains, 1 validates, 2 tests."""
    from sklearn.datasets import make_circles

    x, y = make_circles(count, factor=0.4, noise=parameters.noise, random_state=3 * seed + part)
    return x.astype(np.float32), y


def _train(parameters: ComplexityParameters, size: int, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """For each seed the curves of training, validation and test loss, and the network's answer over the plane."""
    import keras

    import models
    from training.labs.fitting import begin, compiled, fit, split_of, steps_per_call

    def build() -> keras.Model:
        return models.build("mlp_classifier", (2,), 2, units=(size,), activation="relu")

    calls = steps_per_call(REPEATS * parameters.points, BATCH)
    model = compiled(build, keras.optimizers.Adam(0.01), num_classes=2, steps_per_execution=calls)
    mesh, found = np.stack(plane(*AREA), axis=-1).astype(np.float32), []
    for seed in seeds:
        (x, y), (test_x, test_y) = _rings(parameters, seed, 0, parameters.points), _rings(parameters, seed, 2, TEST)
        tested: list[float] = []

        def test(epoch: int, logs: Any, tested=tested, x=test_x, y=test_y) -> None:
            if size < parameters.sizes[-1] and epoch < parameters.epochs - END:
                return  # only the largest network shows its course
            p = np.asarray(model(x), dtype=float).ravel()
            tested.append(float(log_loss(y, np.column_stack([1 - p, p])).value or 0.0))

        begin(model, build, seed)
        curves = fit(
            model,
            split_of(np.tile(x, (REPEATS, 1)), np.tile(y, REPEATS)),
            epochs=parameters.epochs,
            batch_size=BATCH,
            seed=seed,
            validation=split_of(*_rings(parameters, seed, 1, VALIDATION)),
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=test)],
        )
        surface = np.asarray(model(mesh.reshape(-1, 2))).reshape(mesh.shape[:2])
        found.append(curves | {"test_loss": np.array(tested), "surface": surface})
    return found


def _draw_sizes(parameters: ComplexityParameters, ends: dict[str, np.ndarray], best: int) -> Picture:
    """Losses at the end against size."""
    figure, (ax,) = panels(height=3.4)
    for name, label, color in (
        ("loss", "training", BLUE),
        ("val_loss", "validation", VERMILLION),
        ("test_loss", "test", GREY),
    ):
        band(ax, parameters.sizes, ends[name].T, color=color, label=label, marker="o", markersize=4)
    ax.axvline(
        parameters.sizes[best],
        color=DARK,
        linestyle="--",
        linewidth=1,
        label=f"best on validation: {parameters.sizes[best]}",
    )
    log_scale(ax, "x")
    ax.set(xlabel="hidden units", ylabel="log-loss at the end, nats per point", xticks=parameters.sizes)
    ax.legend()
    caption = (
        "Where both losses are high, the network underfits; where they part, training down and validation up, it "
        "overfits. Bands: least to most over the seeds."
    )
    return Picture("sizes", "Error against size", figure, caption)


def _draw_epochs(runs: list[dict[str, Any]], size: int, stops: list[int]) -> Picture:
    """Losses of the largest network against epochs."""
    figure, (ax,) = panels(height=3.4)
    for name, label, color in (("loss", "training", BLUE), ("val_loss", "validation", VERMILLION)):
        curves = np.array([one[name] for one in runs])
        band(ax, np.arange(1, curves.shape[1] + 1), curves, color=color, label=label)
    for index, (one, stop) in enumerate(zip(runs, stops, strict=True)):
        ax.plot(
            stop,
            one["val_loss"][stop - 1],
            "*",
            color=DARK,
            markersize=9,
            label="" if index else "lowest validation loss",
        )
    ax.set(xlabel="epoch", ylabel="log-loss, nats per point", ylim=(0, None))
    ax.legend()
    caption = (
        f"{size} hidden units. Early stopping keeps the weights of the stars, one for each seed; what comes after is "
        "learned by heart."
    )
    return Picture("epochs", "Error against epochs, of the largest network", figure, caption)


def _draw_regions(parameters: ComplexityParameters, surfaces: dict[int, np.ndarray], seed: int) -> Picture:
    """What three sizes make of the plane."""
    figure, axes = panels(len(surfaces), height=2.9, sharey=True)
    x, y = _rings(parameters, seed, 0, parameters.points)
    for ax, (size, surface) in zip(axes, surfaces.items(), strict=True):
        ax.contourf(*plane(*AREA), surface, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.6)
        ax.contour(*plane(*AREA), surface, levels=[0.5], colors=DARK)
        classes(ax, x, y, size=12)
        ax.set(xlabel="first input", title=f"{size} hidden unit{'s' * (size > 1)}")
    axes[0].set_ylabel("second input")
    caption = (
        "Training points and the network's answer, sure where the colour is strong: too small, chosen by validation, "
        "and "
        "drawn around single points."
    )
    return Picture("regions", "What they learned", figure, caption)


LAB = Lab(
    name="model_complexity",
    title="The model complexity graph",
    theory=THEORY,
    formulas=("best model = the one with the lowest validation error",),
    parameters=ComplexityParameters,
    small=ComplexityParameters(seeds=1, sizes=(1, 8, 128), epochs=25),
    experiment=experiment,
    try_it="--points 1000",
)
