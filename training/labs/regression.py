"""Neural-network regression: the last activation removed, squared error, beside scikit-learn's linear model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metrics.regression import regression_scores
from evaluation.plots.regression import plot_predicted
from evaluation.plots.style import BLUE, COLOURS, GREY
from training.labs.drawing import band, panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

if TYPE_CHECKING:
    import keras

    from training.datasets.dataset import Dataset

THEORY = """
A classifier ends in a sigmoid or a softmax, which squeeze every score into 0…1. To predict a number (the progression of
a disease, a price), the last activation is removed: the output is w·h + b and can take any value, and the loss is the
mean squared error, whose best constant guess is the mean of the targets. Hidden layers keep their activation; without
one the network would be linear regression, however deep.

With no hidden layer at all, gradient descent arrives where the normal equations of linear regression arrive in one go.
Hidden layers can bend the plane, which pays only where the data are bent and plenty: on 300 patients a network learns
the noise as well, and needs early stopping.
"""
CONSTANTS = {"target_mean": 150.0, "target_scale": 75.0}  # the target's rounded mean and scale, of every split
NETWORKS = {"linear": "no hidden layer", "hidden": "hidden layer", "sigmoid": "sigmoid left on"}


@dataclass(frozen=True, kw_only=True)
class RegressionParameters(Parameters):
    """Settings.

    Attributes:
        units: Units of the hidden layer.
        epochs: Passes over the training patients.
    """

    units: int = option(32, 1, 1024)
    epochs: int = option(60, 5, 2000)


def experiment(parameters: RegressionParameters, seeds: Sequence[int]) -> Findings:
    """Three networks and scikit-learn's linear model on the diabetes patients, a new split for each seed."""
    data = [_split(seed) for seed in seeds]
    found = {name: _train(name, parameters, data, seeds) for name in NETWORKS}
    reference = [_scikit_learn(one) for one in data]
    error = {name: np.array([one["rmse"] for one in runs]) for name, runs in found.items()}
    plain = np.array([one["rmse"] for one in reference])
    constant = np.array([_rmse(one, np.full(len(one.test), one.train.y.mean())) for one in data])
    gain = plain - error["hidden"]
    ends = [one["curves"] for one in found["hidden"]]
    risen = np.sqrt([one["val_loss"][-1] / one["val_loss"].min() for one in ends])
    claims = (
        claim(
            "RMSE of the network without hidden layer / of scikit-learn",
            error["linear"] / plain,
            at_least=0.95,
            at_most=1.05,
        ),
        claim("RMSE with a hidden layer / of scikit-learn", error["hidden"] / plain, at_least=0.85, at_most=1.15),
        claim("RMSE with a hidden layer / of guessing the mean", error["hidden"] / constant, at_most=0.95),
        claim(
            "largest prediction where the sigmoid is left on",
            [one["predicted"].max() for one in found["sigmoid"]],
            at_most=1,
        ),
        claim("RMSE where the sigmoid is left on / of guessing the mean", error["sigmoid"] / constant, at_least=1.5),
        claim("validation RMSE with a hidden layer, last epoch / best epoch", risen, at_least=1, of="mean"),
    )
    beyond = claim("", gain, at_least=0, of="interval").holds
    text = (
        f"On the test patients scikit-learn's linear model errs by {spread_words(plain)} (root of the mean squared "
        f"error, in units of the score), the network without hidden layer by {spread_words(error['linear'])} and the "
        f"one with {parameters.units} hidden units, stopped at its best epoch, by {spread_words(error['hidden'])}: the "
        f"hidden layer {'helps beyond noise' if beyond else 'does not help beyond noise'} ({spread_words(gain)} less "
        f"error). Guessing the mean errs by {spread_words(constant)}, and the network that kept its sigmoid, which "
        f"cannot say more than 1, by {spread_words(error['sigmoid'])}."
    )
    numbers = {"rmse": {**error, "scikit-learn": plain, "mean": constant}, "coefficient_gap": _gap(found, reference)}
    pictures = (_draw_predictions(data[0], found), _draw_curves(found["hidden"], plain, constant))
    return Findings(text, claims, pictures, numbers)


def _split(seed: int) -> Dataset:
    from training.datasets.embedded import load_diabetes
    from training.datasets.splits import Carving
    from training.labs.samples import standardized

    return standardized(load_diabetes(carving=Carving(seed=seed)))


def _builder(name: str, parameters: RegressionParameters) -> Callable[[], keras.Model]:
    """The factory's call: the last one is a classifier's network, trained on squared error all the same."""
    import models

    units = (parameters.units,)
    return {
        "linear": lambda: models.build("linear_regression", (10,), 0, **CONSTANTS),
        "hidden": lambda: models.build("mlp_regressor", (10,), 0, units=units, **CONSTANTS),
        "sigmoid": lambda: models.build("mlp_classifier", (10,), 2, units=units),
    }[name]


def _train(
    name: str, parameters: RegressionParameters, data: Sequence[Dataset], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Curves of each seed, and what the weights of the best epoch predict for the test patients."""
    import keras

    from training.labs.fitting import begin, compiled, fit, steps_per_call

    build, size = _builder(name, parameters), 32
    optimizer = keras.optimizers.Adam(0.05 if name == "linear" else 0.01)
    calls = steps_per_call(len(data[0].train), size)
    model, runs = compiled(build, optimizer, num_classes=0, steps_per_execution=calls), []
    for seed, one in zip(seeds, data, strict=True):
        begin(model, build, seed)
        best = keras.callbacks.EarlyStopping("val_loss", patience=parameters.epochs, restore_best_weights=True)
        curves = fit(
            model,
            one.train,
            epochs=parameters.epochs,
            batch_size=size,
            seed=seed,
            validation=one.validation,
            callbacks=[best],
        )
        predicted = model.predict(np.asarray(one.test.x), batch_size=len(one.test), verbose=0).ravel()
        runs.append(
            {"curves": curves, "predicted": predicted, "rmse": _rmse(one, predicted), "weights": model.get_weights()}
        )
    return runs


def _scikit_learn(data: Dataset) -> dict[str, Any]:
    """Ordinary least squares on train and its error on test."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(np.asarray(data.train.x), data.train.y)
    return {"rmse": _rmse(data, model.predict(np.asarray(data.test.x))), "coefficients": model.coef_}


def _rmse(data: Dataset, predicted: np.ndarray) -> float:
    """Root of the mean squared error on the test patients, in the target's units."""
    return float(regression_scores(data.test.y.astype(float), predicted.astype(float)).rmse.value or 0.0)


def _gap(found: dict, reference: Sequence[dict[str, Any]]) -> list[float]:
    """Largest distance between a weight of the network without hidden layer and scikit-learn's coefficient."""
    weights = [one["weights"][0].ravel() * CONSTANTS["target_scale"] for one in found["linear"]]
    return [float(np.abs(w - one["coefficients"]).max()) for w, one in zip(weights, reference, strict=True)]


def _draw_predictions(data: Dataset, found: dict[str, list[dict[str, Any]]]) -> Picture:
    """Predicted against true values, for each network."""
    figure, axes = panels(3, height=3.6)
    for ax, (name, words) in zip(axes, NETWORKS.items(), strict=True):
        plot_predicted(data.test.y, found[name][0]["predicted"], ax=ax)
        ax.legend(loc="upper left", fontsize=8)  # the report's own, below the axes, would meet the label
        ax.set_title(f"{words}, RMSE {found[name][0]['rmse']:.0f}", fontsize=9)
        ax.set(xlabel="true score after a year", ylabel="predicted score")
    caption = (
        "Each point is a test patient of the first split; on the dashed line a prediction is right. Points flatter "
        "than the line are cautious guesses, near the mean. Where the sigmoid is left on, all lie at the bottom: no "
        "network that ends in one reaches targets above 1."
    )
    return Picture("predictions", "Predicted against true progression", figure, caption)


def _draw_curves(runs: Sequence[dict[str, Any]], plain: np.ndarray, constant: np.ndarray) -> Picture:
    """Training and validation error of the hidden layer, beside linear model and mean."""
    figure, (ax,) = panels(1, height=3.4)
    epochs = np.arange(1, len(runs[0]["curves"]["loss"]) + 1)
    for name, label, color in (("loss", "training", BLUE), ("val_loss", "validation", COLOURS[1])):
        band(ax, epochs, np.sqrt([one["curves"][name] for one in runs]), label=label, color=color)
    ax.axhline(plain.mean(), color=GREY, linestyle="--", linewidth=1, label="scikit-learn's linear model (test)")
    ax.axhline(constant.mean(), color=GREY, linestyle=":", linewidth=1, label="guessing the mean (test)")
    ax.set(xlabel="epoch", ylabel="root of the mean squared error (score)", ylim=(0, 1.1 * float(constant.max())))
    ax.legend(fontsize=8, loc="lower left")
    caption = (
        "The network with a hidden layer: where training error falls on and validation error no longer does, the gap "
        "between them is what it learns of the noise. Bands: least to most over the seeds."
    )
    return Picture("curves", "Error against epochs, with a hidden layer", figure, caption)


LAB = Lab(
    name="regression",
    title="Neural-network regression",
    theory=THEORY,
    formulas=("output = w·h + b  (no activation)", "E = 1/m · Σᵢ (yᵢ − ŷᵢ)²,  ∂E/∂ŷᵢ = −2/m · (yᵢ − ŷᵢ)"),
    parameters=RegressionParameters,
    small=RegressionParameters(seeds=1, epochs=40),
    experiment=experiment,
    try_it="--units 256",
)
