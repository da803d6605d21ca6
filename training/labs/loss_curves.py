"""Pathological loss curves, made on purpose: each with its cause, its cure and what the diagnostics call it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.plots.style import BLUE, VERMILLION
from training.diagnostics import Clues, Verdict, baseline_loss, diagnose
from training.labs.drawing import log_scale, panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

if TYPE_CHECKING:
    from training.datasets.dataset import Split

THEORY = """
Two curves, the loss on training and on validation examples, are the first thing to look at when a network does not
learn. Compare them with each other, and with what a constant guess reaches: the entropy of the classes, ln K for K
equally frequent ones, or the variance of a target.

Here six things go wrong on purpose. A rate that is too large lets the loss explode; one that keeps growing lets a
trained network collapse; one that is too large at the first steps kills ReLU units, which then answer 0 for ever and
get no gradient. Features in the thousands saturate the softmax, sure and wrong. Training examples that stand in the
validation split make memorising look like learning, and where one class is rare, always naming the other looks good.
The last two cannot be seen in curves alone: who diagnoses them has to count examples.
"""


@dataclass(frozen=True, kw_only=True)
class LossCurveParameters(Parameters):
    """Settings.

    Attributes:
        rate: The learning rate that is too large for the explosion.
        rare: Share of the rare class where classes are unbalanced.
        epochs: Passes over the training examples.
    """

    rate: float = option(0.4, 1e-4, 100.0)
    rare: float = option(0.03, 0.02, 0.5)
    epochs: int = option(15, 8, 200)


NOTICE = {  # by the first case of a picture
    "explosion": "The regression's loss is in units of the target's variance, where a constant guess has 1; that of "
    "the "
    "digits in nats, where it has ln 10 = 2.3: there a dead network ends, calm and flat.",
    "saturated outputs": "Loss in nats. Tell the scale of the first from that of its cure. The other two look harmless "
    "above: validation that follows training closely, and a loss that falls; only counting examples gives them away.",
}
OPTIMISM = "−|validation − test accuracy|"


@dataclass(frozen=True)
class Outcome:
    """One training: its curves, what the diagnostics say, and a score that the cure should lift."""

    curves: dict[str, np.ndarray]
    verdict: Verdict
    score: float


@dataclass(frozen=True)
class Case:
    """A pathology: its name, the verdict that names it, its cause, its cure, and what `score` measures."""

    name: str
    kind: str
    cause: str
    cure: str
    score: str
    run: Callable[[LossCurveParameters, int, bool], Outcome]


def experiment(parameters: LossCurveParameters, seeds: Sequence[int]) -> Findings:
    """Makes each pathology and cures it, and compares the verdicts with the causes."""
    cases = _cases(parameters)
    sick = {one.name: [one.run(parameters, seed, False) for seed in seeds] for one in cases}
    cured = {one.name: [one.run(parameters, seed, True) for seed in seeds] for one in cases}
    claims = []
    for one in cases:
        named = [float(found.verdict.kind == one.kind) for found in sick[one.name]]
        claims.append(claim(f"{one.name}: named “{one.kind}” (1 yes, 0 no)", named, at_least=1))
    for one in cases:
        still = [float(found.verdict.kind == one.kind) for found in cured[one.name]]
        claims.append(claim(f"{one.name}, cured: still named so (1 yes, 0 no)", still, at_most=0))
    for one in cases:
        pairs = zip(sick[one.name], cured[one.name], strict=True)
        claims.append(
            claim(
                f"{one.name}: {one.score}, cured − sick", [b.score - a.score for a, b in pairs], at_least=0, of="mean"
            )
        )
    right = sum(found.verdict.kind == one.kind for one in cases for found in sick[one.name])
    lifts = (
        f"{one.name}, {one.score} {spread_words([found.score for found in sick[one.name]])} → "
        f"{spread_words([found.score for found in cured[one.name]])}"
        for one in cases
    )
    text = (
        f"The diagnostics name {right} of {len(cases) * len(seeds)} made-up pathologies by their cause. What the cures "
        f"do: {'; '.join(lifts)}."
    )
    numbers = {
        one.name: {
            "cause": one.cause,
            "cure": one.cure,
            "verdicts": [str(found.verdict) for found in sick[one.name]],
            "verdicts_cured": [str(found.verdict) for found in cured[one.name]],
        }
        for one in cases
    }
    pictures = tuple(_draw(part, sick, cured) for part in (cases[:3], cases[3:]))
    return Findings(text, tuple(claims), pictures, numbers)


def _cases(parameters: LossCurveParameters) -> list[Case]:
    """The gallery; networks are compiled once and shared by the seeds."""
    digits, regressor, table = _digits_network(), _regressor(), _table_network()
    return [
        Case("explosion", "diverged", "learning rate too large", "a tenth of the rate", "R² (−1 at worst)", regressor),
        Case(
            "collapse", "collapsed", "rate rises to 30 times the first", "rate falls", "test accuracy", digits("rises")
        ),
        Case("dead ReLU", "dead units", "rate 5 at the first steps", "rate 0.1", "test accuracy", digits("kills")),
        Case("saturated outputs", "saturated", "features in the thousands", "standardise", "−test loss", table("raw")),
        Case("leak", "leaked validation", "validation from training", "other examples", OPTIMISM, digits("leaks")),
        Case("imbalance", "majority class only", "a rare class", "repeat the rare", "sensitivity", table("rare")),
    ]


def _regressor() -> Callable[[LossCurveParameters, int, bool], Outcome]:
    """Linear regression on the diabetes patients, a step for each epoch; its exact limit is near a rate of 0.25."""
    import keras

    import models
    from training.datasets.embedded import load_diabetes
    from training.labs.fitting import begin, compiled, fit
    from training.labs.samples import standardized

    data = standardized(load_diabetes())
    train, validation, test = (
        dataclasses.replace(one, y=((one.y - 150) / 75).astype(np.float32)) for one in data.splits.values()
    )

    def build() -> keras.Model:
        return models.build("linear_regression", (10,), 0)

    model = compiled(build, keras.optimizers.SGD(0.1), num_classes=0)

    def run(parameters: LossCurveParameters, seed: int, cured: bool) -> Outcome:
        begin(model, build, seed)
        model.optimizer.learning_rate = parameters.rate / (10 if cured else 1)
        curves = fit(model, train, epochs=parameters.epochs, batch_size=len(train), seed=seed, validation=validation)
        verdict = diagnose(curves, baseline_loss=baseline_loss(train.y, 0))
        error = float(np.mean((model.predict(test.x, verbose=0).ravel() - test.y) ** 2))
        return Outcome(curves, verdict, max(1 - error / float(np.var(test.y)), -1.0) if np.isfinite(error) else -1.0)

    return run


def _digits_network() -> Callable[[str], Callable[[LossCurveParameters, int, bool], Outcome]]:
    """A network for the digits whose rate rises, whose units die, or whose validation leaks."""
    import keras

    import models
    from training.labs.fitting import begin, compiled, fit, steps_per_call
    from training.labs.samples import first, small_digits
    from training.pipeline import batches

    data = small_digits()

    def build() -> keras.Model:
        return models.build("mlp_classifier", (8, 8, 1), 10, units=(32,))

    train = first(data.train, 800)
    model = compiled(build, keras.optimizers.SGD(0.1), num_classes=10, steps_per_execution=steps_per_call(800, 32))
    hidden = keras.Model(model.inputs, model.get_layer("hidden1").output)

    def run(how: str, parameters: LossCurveParameters, seed: int, cured: bool) -> Outcome:
        begin(model, build, seed)
        rates = _rates(how, parameters.epochs, cured)
        schedule = keras.callbacks.LearningRateScheduler(lambda epoch: float(rates[epoch]))
        taught, held_out = train, data.validation
        if how == "leaks":
            taught = _mislabelled(first(train, 300), seed)
            held_out = held_out if cured else first(taught, 150)
        curves = fit(
            model, taught, epochs=parameters.epochs, batch_size=32, seed=seed, validation=held_out, callbacks=[schedule]
        )
        answers = hidden.predict(taught.x, batch_size=len(taught), verbose=0)
        clues = Clues(shared=_shared(taught, held_out), inactive=float((answers.max(axis=0) == 0).mean()))
        verdict = diagnose(curves, baseline_loss=baseline_loss(taught.y, 10), clues=clues)
        tested = model.evaluate(batches(data.test, batch_size=len(data.test)), verbose=0, return_dict=True)["accuracy"]
        score = -abs(curves["val_accuracy"][-1] - tested) if how == "leaks" else tested
        return Outcome(curves, verdict, float(score))

    return lambda how: lambda parameters, seed, cured: run(how, parameters, seed, cured)


def _rates(how: str, epochs: int, cured: bool) -> np.ndarray:
    """The learning rate of each epoch."""
    if how == "rises":
        rising = np.geomspace(0.1, 3.0, epochs)
        return rising[::-1] / 3 if cured else rising
    if how == "kills":
        return np.full(epochs, 0.1) if cured else np.append([5.0, 5.0], np.full(epochs - 2, 0.1))
    return np.full(epochs, 0.5)


def _table_network() -> Callable[[str], Callable[[LossCurveParameters, int, bool], Outcome]]:
    """Logistic regression on the breast-cancer patients: raw features, or a rare class."""
    import keras

    import models
    from training.datasets.embedded import load_breast_cancer
    from training.labs.fitting import begin, compiled, fit, steps_per_call
    from training.labs.samples import standardized
    from training.pipeline import batches

    raw = load_breast_cancer()
    scaled = standardized(raw)
    weak = standardized(raw, ("mean smoothness", "mean symmetry"))

    def network(features: int) -> tuple[Any, Callable[[], Any]]:
        def build() -> keras.Model:
            return models.build("logistic_regression", (features,), 2)

        calls = steps_per_call(320, 32)
        return compiled(build, keras.optimizers.SGD(0.1), num_classes=2, steps_per_execution=calls), build

    networks = {"raw": network(30), "rare": network(2)}

    def run(how: str, parameters: LossCurveParameters, seed: int, cured: bool) -> Outcome:
        model, build = networks[how]
        begin(model, build, seed)
        data = weak if how == "rare" else scaled if cured else raw
        train, held_out, test = data.splits.values()
        if how == "rare":
            train, held_out = (_rarer(one, parameters.rare, seed) for one in (train, held_out))
        taught = _repeated(train) if how == "rare" and cured else train
        curves = fit(model, taught, epochs=parameters.epochs, batch_size=32, seed=seed, validation=held_out)
        majority = float(np.bincount(taught.y).max() / len(taught))
        verdict = diagnose(curves, baseline_loss=baseline_loss(taught.y, 2), clues=Clues(majority=majority))
        if how == "raw":
            loss = model.evaluate(batches(test, batch_size=len(test)), verbose=0, return_dict=True)["loss"]
            return Outcome(curves, verdict, -float(loss))
        called = model.predict(np.asarray(test.x), verbose=0).ravel() >= 0.5
        return Outcome(curves, verdict, float(called[test.y == 1].mean()))

    return lambda how: lambda parameters, seed, cured: run(how, parameters, seed, cured)


def _mislabelled(split: Split, seed: int) -> Split:
    """A third of the labels wrong: what is memorised of them helps on no other image."""
    from training.labs.random_labels import corrupted

    return corrupted(split, 1 / 3, seed)


def _shared(train: Split, held_out: Split) -> float:
    """Share of the held-out examples whose pixels stand in training too."""
    from training.datasets.splits import example_hash

    known = {example_hash(one) for one in np.asarray(train.x)}
    return float(np.mean([example_hash(one) in known for one in np.asarray(held_out.x)]))


def _rarer(split: Split, share: float, seed: int) -> Split:
    """All healthy patients, and so few ill ones that they make up a share."""
    rng = np.random.default_rng(seed)
    healthy, ill = np.flatnonzero(split.y == 0), rng.permutation(np.flatnonzero(split.y == 1))
    kept = np.concatenate([healthy, ill[: max(1, round(len(healthy) * share / (1 - share)))]])
    return dataclasses.replace(split, x=np.asarray(split.x)[kept], y=split.y[kept], ids=split.ids[kept])


def _repeated(split: Split) -> Split:
    """The rare class repeated until both are as frequent."""
    ill = np.flatnonzero(split.y == 1)
    kept = np.concatenate([np.arange(len(split)), np.resize(ill, len(split) - 2 * len(ill))])
    return dataclasses.replace(split, x=np.asarray(split.x)[kept], y=split.y[kept], ids=split.ids[kept])


def _draw(cases: Sequence[Case], sick: dict[str, list[Outcome]], cured: dict[str, list[Outcome]]) -> Picture:
    """Curves of the first seed: above what went wrong, below the cure."""
    figure, axes = panels(len(cases), 2, height=2.7)
    rows = ((sick, [one.cause for one in cases]), (cured, [one.cure for one in cases]))
    for row, (found, words) in enumerate(rows):
        for column, one in enumerate(cases):
            ax, outcome = axes[row * len(cases) + column], found[one.name][0]
            for name, label, color in (("loss", "training", BLUE), ("val_loss", "validation", VERMILLION)):
                values = np.where(np.isfinite(outcome.curves[name]), outcome.curves[name], np.nan)
                ax.plot(np.arange(1, len(values) + 1), values, color=color, label=label)
            finite = outcome.curves["loss"][np.isfinite(outcome.curves["loss"])]
            if len(finite) and finite.max() > 20 * finite.min():
                log_scale(ax, "y")
            ax.set(xlabel="epoch", ylabel="loss" if column == 0 else "")
            title = one.name if row == 0 else "cured"
            ax.set_title(f"{title}: {words[column]}\n“{outcome.verdict.kind}”", fontsize=9)
    axes[0].legend(fontsize=8)
    caption = (
        "Above, what was done wrong; below, the cure; in quotation marks what the diagnostics say (first seed). "
        f"{NOTICE[cases[0].name]}"
    )
    names = ", ".join(one.name for one in cases)
    return Picture(cases[0].name.split()[0], f"Gone wrong on purpose: {names}", figure, caption)


LAB = Lab(
    name="loss_curves",
    title="Pathological loss curves",
    theory=THEORY,
    formulas=("constant guess: E = −Σ pₖ·ln pₖ  (= ln K for equal shares), or the variance of the target",),
    parameters=LossCurveParameters,
    small=LossCurveParameters(seeds=1),
    experiment=experiment,
    try_it="--rate 0.05",
)
