"""The vanishing gradient: what is left of the error in the first layers, for each activation function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.plots.style import BLUE, DARK, GREEN, VERMILLION
from training.labs.drawing import band, log_scale, panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words
from training.labs.logistic import sigmoid

THEORY = """
Backpropagation multiplies: on its way to the first layer the error passes every layer, and at each it is multiplied
by the slope of the activation function and by the weights. The sigmoid's slope is at most 1/4, so that k layers
shrink the error by at least 4ᵏ times what the weights make of it. The first layers then hardly learn, though they are
the ones that see the data.

The slope of tanh reaches 1, that of ReLU is 1 for everything positive and 0 for the rest: the error passes whole
through the units that are on. Then the weights decide, and so their initialiser: He's is made for ReLU, twice the
variance of Glorot's, since half of the units are off.
"""
CASES = {
    "sigmoid, Glorot": ("sigmoid", "glorot_uniform"),
    "sigmoid, He": ("sigmoid", "he_uniform"),
    "tanh, Glorot": ("tanh", "glorot_uniform"),
    "ReLU, Glorot": ("relu", "glorot_uniform"),
    "ReLU, He": ("relu", "he_uniform"),
}
COLOURS = {"sigmoid": VERMILLION, "tanh": GREEN, "relu": BLUE}


@dataclass(frozen=True, kw_only=True)
class VanishingParameters(Parameters):
    """Settings.

    Attributes:
        depth: Hidden layers.
        units: Units in each.
        epochs: Passes over the digits, in training.
    """

    depth: int = option(8, 2, 40)
    units: int = option(32, 2, 512)
    epochs: int = option(8, 1, 200)


def experiment(parameters: VanishingParameters, seeds: Sequence[int]) -> Findings:
    """Measures the gradient in every layer of fresh networks, and trains the two that differ most."""
    norms = {name: np.array([_norms(parameters, *case, seed) for seed in seeds]) for name, case in CASES.items()}
    left = {name: found[:, 0] / found[:, -1] for name, found in norms.items()}
    bounds = [_bound_used(parameters, seed) for seed in seeds]
    slopes = {name: _slopes(name) for name in COLOURS}
    trained = {name: _train(parameters, *CASES[name], seeds) for name in ("sigmoid, Glorot", "ReLU, He")}
    ends = {name: curves[:, -1] for name, curves in trained.items()}
    claims = (
        claim("|largest slope of the sigmoid − 1/4|", abs(slopes["sigmoid"].max() - 0.25), at_most=1e-4),
        claim("|largest slope of tanh − 1|", abs(slopes["tanh"].max() - 1), at_most=1e-4),
        claim(
            "gradient of the first / of the last hidden layer, sigmoid with Glorot's weights",
            left["sigmoid, Glorot"],
            at_most=0.01,
        ),
        claim("error in the first / in the last hidden layer ÷ the bound (1/4)ᵏ·Π‖W‖, sigmoid", bounds, at_most=1),
        claim(
            "gradient of the first / of the last hidden layer, ReLU with He's weights", left["ReLU, He"], at_least=0.1
        ),
        claim(
            "accuracy after training, ReLU − sigmoid",
            ends["ReLU, He"] - ends["sigmoid, Glorot"],
            at_least=0.3,
            of="interval",
        ),
    )
    text = (
        f"In networks of {parameters.depth} hidden layers the gradient of the first layer was "
        f"{spread_words(left['sigmoid, Glorot'])} times that of the last with sigmoids, "
        f"{spread_words(left['tanh, Glorot'])} "
        f"with tanh and {spread_words(left['ReLU, He'])} with ReLU and He's weights "
        f"({spread_words(left['ReLU, Glorot'])} "
        f"with Glorot's). After {parameters.epochs} epochs on the digits, the network of sigmoids was right in "
        f"{spread_words(100 * ends['sigmoid, Glorot'])}% of the validation images, that of ReLUs in "
        f"{spread_words(100 * ends['ReLU, He'])}%; chance is 10%."
    )
    numbers = {"gradient_norms": norms, "share_of_bound": bounds, "accuracies": ends}
    return Findings(
        text, claims, (_draw_norms(parameters, norms), _draw_functions(slopes), _draw_training(trained)), numbers
    )


def _build(parameters: VanishingParameters, activation: str, initializer: str) -> Any:
    import models

    widths = (parameters.units,) * parameters.depth
    options = {"units": widths, "activation": activation, "kernel_initializer": initializer}
    return models.build("mlp_classifier", (8, 8, 1), 10, **options)


def _norms(parameters: VanishingParameters, activation: str, initializer: str, seed: int) -> list[float]:
    """Length of the gradient in each hidden layer of a fresh network, on 128 digits."""
    import keras

    from training.labs.fitting import compiled
    from training.labs.samples import small_digits
    from training.tensorboard import gradient_norms

    keras.utils.set_random_seed(seed)
    model = compiled(lambda: _build(parameters, activation, initializer), keras.optimizers.Adam(), num_classes=10)
    train = small_digits(seed).train
    found = gradient_norms(model, np.asarray(train.x)[:128], train.y[:128])
    return [found[f"hidden{layer}"] for layer in range(1, parameters.depth + 1)]


def _bound_used(parameters: VanishingParameters, seed: int) -> float:
    """What part of the bound the error of the first layer reaches, the largest of 128 digits; by hand, in NumPy."""
    import keras
    from scipy import special

    from training.labs.samples import first, small_digits

    keras.utils.set_random_seed(seed)
    kernels = _build(parameters, "sigmoid", "glorot_uniform").get_weights()[::2]
    train = first(small_digits(seed).train, 128)
    values = [np.asarray(train.x, dtype=float).reshape(128, -1) / 255]
    for kernel in kernels[:-1]:
        values.append(sigmoid(values[-1] @ kernel))
    scores = values[-1] @ kernels[-1]
    wrong = special.softmax(scores, axis=1) - np.eye(10)[train.y]
    error = wrong @ kernels[-1].T * values[-1] * (1 - values[-1])
    last, bound = np.linalg.norm(error, axis=1), 1.0
    for kernel, value in zip(kernels[-2:0:-1], values[-2:0:-1], strict=True):
        error = error @ kernel.T * value * (1 - value)
        bound *= 0.25 * float(np.linalg.norm(kernel, 2))
    return float(np.max(np.linalg.norm(error, axis=1) / last / bound))


def _slopes(name: str) -> np.ndarray:
    """Derivative of an activation function of Keras at `Z`."""
    import keras
    import tensorflow as tf

    z = tf.constant(Z, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = keras.activations.get(name)(z)
    return tape.gradient(y, z).numpy()


Z = np.linspace(-5, 5, 1001)


def _train(parameters: VanishingParameters, activation: str, initializer: str, seeds: Sequence[int]) -> np.ndarray:
    """Validation accuracies `(seeds, epochs)`."""
    import keras

    from training.labs.fitting import begin, compiled, fit, steps_per_call
    from training.labs.samples import small_digits

    def build() -> keras.Model:
        return _build(parameters, activation, initializer)

    calls = steps_per_call(len(small_digits().train), 32)
    model = compiled(build, keras.optimizers.Adam(0.001), num_classes=10, steps_per_execution=calls)
    found = []
    for seed in seeds:
        data = small_digits(seed)
        begin(model, build, seed)
        curves = fit(model, data.train, epochs=parameters.epochs, batch_size=32, seed=seed, validation=data.validation)
        found.append(curves["val_accuracy"])
    return np.array(found)


def _draw_norms(parameters: VanishingParameters, norms: dict[str, np.ndarray]) -> Picture:
    """Gradient of each layer, and the sigmoid's quarter."""
    figure, (ax,) = panels(height=3.8)
    layers = np.arange(1, parameters.depth + 1)
    for name, found in norms.items():
        style = {"linestyle": "--" if (name.endswith("He")) != name.startswith("ReLU") else "-", "marker": "o"}
        band(ax, layers, found, color=COLOURS[CASES[name][0]], label=name, markersize=4, **style)
    last = norms["sigmoid, Glorot"][:, -1].mean()
    ax.plot(layers, last / 4.0 ** (parameters.depth - layers), color=DARK, linestyle=":", label="1/4 per layer")
    log_scale(ax, "y")
    ax.set(xlabel="hidden layer, 1 is next to the image", ylabel="length of the gradient in its weights", xticks=layers)
    ax.legend(ncols=2, fontsize=8)
    caption = (
        "Read from right to left, as backpropagation goes: with sigmoids every layer costs about a factor of four "
        "(dotted), "
        "and the first layers get next to nothing. Bands: least to most over the seeds."
    )
    return Picture("norms", "Gradient in each layer before training", figure, caption)


def _draw_functions(slopes: dict[str, np.ndarray]) -> Picture:
    """Activation functions and their slopes."""
    import keras

    figure, (left, right) = panels(2, height=3.0)
    for name, color in COLOURS.items():
        values = keras.ops.convert_to_numpy(keras.activations.get(name)(Z.astype(np.float32)))
        label = {"relu": "ReLU"}.get(name, name)
        left.plot(Z, values, color=color, label=label)
        right.plot(Z, slopes[name], color=color, label=label)
    right.axhline(0.25, color=DARK, linestyle=":", label="1/4")
    left.set(xlabel="input z", ylabel="output", ylim=(-1.2, 2.5))
    right.set(xlabel="input z", ylabel="slope, output per input", ylim=(-0.05, 1.1))
    left.legend()
    right.legend(fontsize=8)
    caption = "Sigmoid and tanh are flat far from 0: a unit there passes nothing back. ReLU, above 0, never is."
    return Picture("functions", "Activation functions and their slopes", figure, caption)


def _draw_training(trained: dict[str, np.ndarray]) -> Picture:
    """Validation accuracy against epochs."""
    figure, (ax,) = panels(height=3.0)
    for name, curves in trained.items():
        band(ax, np.arange(1, curves.shape[1] + 1), 100 * curves, color=COLOURS[CASES[name][0]], label=name)
    ax.axhline(10, color=DARK, linestyle=":", label="chance")
    ax.set(xlabel="epoch", ylabel="validation accuracy, %", ylim=(0, 100))
    ax.legend(loc="center right")
    caption = "The same depth, width, data and optimizer; only the activation function and its initialiser differ."
    return Picture("training", "Whether the deep network learns", figure, caption)


LAB = Lab(
    name="vanishing_gradient",
    title="Vanishing gradient and activation functions",
    theory=THEORY,
    formulas=(
        "∂E/∂z₁ = σ′(z₁)·W₂ᵀ·σ′(z₂)·W₃ᵀ·…·∂E/∂zₖ",
        "σ′ ≤ 1/4,  tanh′ ≤ 1,  ReLU′ = 0 or 1",
    ),
    parameters=VanishingParameters,
    small=VanishingParameters(seeds=1, epochs=6),
    experiment=experiment,
    try_it="--depth 3",
)
