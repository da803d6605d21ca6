"""Learning rate: too small, right, too large, decreasing; the limit of a quadratic; the range test."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.plots.style import BLUE, COLOURS, GREY
from training.labs.drawing import band, log_scale, panels
from training.labs.lab import Claim, Findings, Lab, Parameters, Picture, claim, option, spread_words

if TYPE_CHECKING:
    from training.range_test import RangeTest

THEORY = """
Each step goes against the gradient, as far as the learning rate α says. Too small a rate arrives late; a larger one
arrives sooner, until steps leap over the minimum; too large a one lands higher on the other side each time.

On a parabola of curvature λ a step multiplies the distance to the minimum by 1 − αλ: it shrinks exactly where
0 < α < 2/λ, fastest at 1/λ. Of many weights the steepest direction sets the limit, 2 over the largest curvature. A
network's curvature changes on the way, so its limit is found by trying.

With mini-batches the gradient is noisy, and a constant rate keeps the weights shaking around the minimum. A rate that
decreases gets both, long steps first and calm at the end. The range test raises the rate from step to step and looks
where the loss falls and where it explodes: minutes instead of a search.
"""


@dataclass(frozen=True, kw_only=True)
class LearningRateParameters(Parameters):
    """Settings.

    Attributes:
        rates: Constant learning rates to compare, from too small to too large.
        peak: Rate that is compared constant and decreasing (half a cosine, to 0).
        epochs: Passes over the training images.
    """

    rates: tuple[float, ...] = option((0.001, 0.01, 0.1, 0.7, 4.0), 1e-6, 100.0)
    peak: float = option(0.7, 1e-6, 100.0)
    epochs: int = option(6, 2, 500)


BATCH, STEPS = 16, 20
LIMITS = (0.9, 1.1)  # times the exact limit


def experiment(parameters: LearningRateParameters, seeds: Sequence[int]) -> Findings:
    """A network on the digits at several rates, and linear regression right at the edge of divergence."""
    rates = tuple(sorted({*parameters.rates, parameters.peak}))
    network, stepwise = _network(), _network(steps_per_execution=1)
    constant = {rate: [_run(network, rate, parameters, seed) for seed in seeds] for rate in rates}
    decreasing = [_run(network, parameters.peak, parameters, seed, decreasing=True) for seed in seeds]
    tests = [_range_test(stepwise, seed) for seed in seeds]
    proposed = [
        _run(network, one.proposal or rates[0], parameters, seed) for one, seed in zip(tests, seeds, strict=True)
    ]
    edge = _factors_at_limit(seeds)
    accuracy = {rate: np.array([one["val_accuracy"][-1] for one in runs]) for rate, runs in constant.items()}
    pairs = zip(constant[parameters.peak], decreasing, strict=True)
    ratio = np.array([one["loss"][-1] / other["loss"][-1] for one, other in pairs])
    gained = np.array([one["val_accuracy"][-1] for one in proposed])
    numbers = {
        "validation_accuracy": {f"{rate:g}": values for rate, values in accuracy.items()},
        "proposals": [one.proposal for one in tests],
        "factors": {f"{share:g}": values for share, values in edge.items()},
    }
    pictures = (_draw_parabola(), _draw_curves(constant, decreasing, parameters), _draw_range(tests[0], accuracy))
    text, claims = _told(parameters, accuracy, ratio, gained, edge)
    text += f" The range test proposes {spread_words([one.proposal or np.nan for one in tests])}."
    return Findings(text, claims, pictures, numbers)


def _told(
    parameters: LearningRateParameters,
    accuracy: dict[float, np.ndarray],
    ratio: np.ndarray,
    gained: np.ndarray,
    edge: dict[float, np.ndarray],
) -> tuple[str, tuple[Claim, ...]]:
    """The paragraph and the claims."""
    low, high, peak = min(accuracy), max(accuracy), parameters.peak
    best = max(accuracy, key=lambda rate: accuracy[rate].mean())
    top, near = accuracy[best], "validation accuracy at the best rate − at"
    off = {share: np.abs(found - _closed(share)) for share, found in edge.items()}
    claims = (
        claim(f"{near} {low:g}", top - accuracy[low], at_least=0.2),
        claim(f"{near} {high:g}", top - accuracy[high], at_least=0.2),
        claim(f"last training loss, constant {peak:g} / decreasing from it", ratio, at_least=1, of="interval"),
        claim("validation accuracy at the proposed rate / at the best of the list", gained / top, at_least=0.9),
        *(claim(f"|factor a step at {one:g}·2/λ − {_closed(one):.1f}|", off[one], at_most=0.01) for one in LIMITS),
    )
    text = (
        f"After {parameters.epochs} epochs the validation accuracy is {spread_words(accuracy[low])} at {low:g}, "
        f"{spread_words(top)} at {best:g}, the best of the list, {spread_words(accuracy[high])} at {high:g} and "
        f"{spread_words(gained)} at what the range test proposes. From {peak:g}, the constant rate ends with "
        f"{spread_words(ratio)} times the training loss of the decreasing one. At {LIMITS[0]:g} and {LIMITS[1]:g} "
        f"times the limit 2/λ of linear regression, the distance along the steepest direction changes by "
        f"{spread_words(edge[LIMITS[0]])} and {spread_words(edge[LIMITS[1]])} a step."
    )
    return text, claims


def _closed(share: float) -> float:
    """What the distance to the minimum is multiplied by at α = share·2/λ, in size."""
    return abs(1 - 2 * share)


def _network(steps_per_execution: int | None = None) -> tuple[Any, Any, Any]:
    """A compiled network for the digits, how it is built, and the digits."""
    import keras

    import models
    from training.labs.fitting import compiled, steps_per_call
    from training.labs.samples import small_digits

    def build() -> keras.Model:
        return models.build("mlp_classifier", (8, 8, 1), 10, units=(32,))

    data = small_digits()
    steps = steps_per_execution or steps_per_call(len(data.train), BATCH)
    return compiled(build, keras.optimizers.SGD(0.1), num_classes=10, steps_per_execution=steps), build, data


def _run(
    network: tuple[Any, Any, Any],
    rate: float,
    parameters: LearningRateParameters,
    seed: int,
    *,
    decreasing: bool = False,
) -> dict[str, np.ndarray]:
    """Curves of one training."""
    import keras

    from training.labs.fitting import begin, fit
    from training.schedules import learning_rate

    model, build, data = network
    begin(model, build, seed)
    model.optimizer.learning_rate = rate
    callbacks = []
    if decreasing:
        schedule: Any = learning_rate("cosine", rate, total_steps=parameters.epochs)
        callbacks.append(keras.callbacks.LearningRateScheduler(lambda epoch: float(schedule(epoch))))
    held_out, epochs = data.validation, parameters.epochs
    return fit(model, data.train, epochs=epochs, batch_size=BATCH, seed=seed, validation=held_out, callbacks=callbacks)


def _range_test(network: tuple[Any, Any, Any], seed: int) -> RangeTest:
    """The project's own, over five powers of ten."""
    from training.labs.fitting import begin
    from training.pipeline import batches
    from training.range_test import range_test

    model, build, data = network
    begin(model, build, seed)
    training = batches(data.train, batch_size=BATCH, shuffle_seed=seed)
    return range_test(model, training, lowest=1e-3, highest=100.0, steps=150)


def _factors_at_limit(seeds: Sequence[int]) -> dict[float, np.ndarray]:
    """Full-batch steps of linear regression: the mean factor a step along its steepest direction, for each limit."""
    import keras

    import models
    from training.datasets.embedded import load_diabetes
    from training.labs.fitting import begin, compiled, fit
    from training.labs.samples import standardized

    train = standardized(load_diabetes()).train
    inputs = np.asarray(train.x)
    target = ((train.y - train.y.mean()) / train.y.std()).astype(np.float32)
    values, directions = np.linalg.eigh(2 * inputs.T @ inputs / len(train))
    minimum, steepest = np.linalg.lstsq(inputs, target, rcond=None)[0], directions[:, -1]

    def build() -> keras.Model:
        return models.build("linear_regression", (inputs.shape[1],), 0)

    model, found = compiled(build, keras.optimizers.SGD(0.1), num_classes=0), {}
    for share in LIMITS:
        factors = []
        for seed in seeds:
            begin(model, build, seed)
            model.optimizer.learning_rate = share * 2 / float(values[-1])
            before = steepest @ (model.get_weights()[0].ravel() - minimum)
            fit(model, dataclasses.replace(train, y=target), epochs=STEPS, batch_size=len(train), seed=seed)
            after = steepest @ (model.get_weights()[0].ravel() - minimum)
            factors.append(float(abs(after / before) ** (1 / STEPS)))
        found[share] = np.array(factors)
    return found


def _draw_parabola() -> Picture:
    """Four rates on a parabola of curvature 1."""
    figure, axes = panels(4, height=2.8, sharey=True)
    w = np.linspace(-3, 3, 121)
    for ax, (rate, words) in zip(
        axes, ((0.1, "too small"), (0.6, "right"), (1.9, "large"), (2.1, "too large")), strict=True
    ):
        path = 2.2 * (1 - rate) ** np.arange(9)
        ax.plot(w, w**2 / 2, color=GREY, linewidth=1)
        ax.plot(path, path**2 / 2, "o-", color=BLUE, markersize=3, linewidth=0.9)
        ax.set(xlim=(-3.2, 3.2), ylim=(-0.2, 5), xlabel="weight")
        ax.set_title(f"α = {rate:g}/λ: {words}", fontsize=9)
    axes[0].set_ylabel("loss")
    caption = (
        "Eight steps from the right, on a parabola of curvature λ = 1. Below 1/λ the weight creeps in from one side, "
        "above it jumps over the minimum and back; at 2/λ jumps stop shrinking, and beyond it every step makes things "
        "worse."
    )
    return Picture("parabola", "Four rates on a parabola", figure, caption)


def _draw_curves(constant: dict, decreasing: Sequence[dict], parameters: LearningRateParameters) -> Picture:
    """Training loss by rate, and the shaking of a constant rate beside the decreasing one."""
    figure, (left, right) = panels(2, height=3.8)
    epochs = np.arange(1, parameters.epochs + 1)
    for (rate, runs), color in zip(constant.items(), (*COLOURS, *COLOURS), strict=False):
        band(left, epochs, [one["loss"] for one in runs], label=f"α = {rate:g}", color=color)
    band(right, epochs, [one["loss"] for one in constant[parameters.peak]], label="constant", color=COLOURS[1])
    band(right, epochs, [one["loss"] for one in decreasing], label="decreasing to 0", color=BLUE)
    for ax, title in ((left, "constant rates"), (right, f"from α = {parameters.peak:g}")):
        log_scale(ax, "y")
        ax.set(xlabel="epoch", ylabel="training loss (nats, logarithmic)")
        ax.set_title(title, fontsize=9)
        ax.legend(fontsize=8)
    caption = (
        "A network on the digits. A loss that stays at ln 10 = 2.3, what guessing gives, can mean a rate that is far "
        "too small (flat and calm) or too large (flat and broken). Bands: least to most over the seeds."
    )
    return Picture("curves", "Loss against epochs", figure, caption)


def _draw_range(test: RangeTest, accuracy: dict[float, np.ndarray]) -> Picture:
    """The range test's losses, and what training at constant rates reached, over the same axis."""
    figure, (top, bottom) = panels(1, 2, height=2.5, sharex=True)
    top.plot(test.rates, test.losses, color="0.75", linewidth=0.8, label="each step")
    top.plot(test.rates, test.smoothed, color=BLUE, label="smoothed")
    top.set(ylabel="training loss (nats)", ylim=(0, 5))
    reached = np.array(list(accuracy.values()))
    bottom.errorbar(list(accuracy), reached.mean(axis=1), yerr=np.ptp(reached, axis=1) / 2, fmt="o", color=BLUE)
    bottom.set(xlabel="learning rate (logarithmic)", ylabel="validation accuracy", ylim=(0, 1.03))
    for ax in (top, bottom):
        log_scale(ax, "x")
        if test.proposal:
            ax.axvline(test.proposal, color=COLOURS[1], linestyle="--", label=f"proposed: {test.proposal:g}")
    top.legend(fontsize=8)
    caption = (
        "Above: one pass of 150 steps in which the rate grows a hundred-thousandfold; the proposal is a third of the "
        "rate at the bottom. Below: what whole trainings at constant rates reached, bars half the range over the "
        "seeds. The short test is meant to point at the plateau of the long ones."
    )
    return Picture("range_test", "The range test (seed 1) beside whole trainings", figure, caption)


LAB = Lab(
    name="learning_rate",
    title="Learning rate",
    theory=THEORY,
    formulas=("w ← w − α·∇E(w)", "parabola E = λ·w²/2:  w after n steps = (1 − αλ)ⁿ·w,  stable for 0 < α < 2/λ"),
    parameters=LearningRateParameters,
    small=LearningRateParameters(seeds=1, epochs=5, rates=(0.001, 0.1, 4.0)),
    experiment=experiment,
    try_it="--peak 0.3",
)
