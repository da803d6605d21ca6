"""Softmax, one-hot, maximum likelihood and cross-entropy: products turned into sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.plots.style import BLUE, COLOURS, GREY, VERMILLION
from training.labs.drawing import panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

THEORY = """
Softmax turns the scores of n classes, which may be negative, into n probabilities: exponentials, divided by their sum.
The order stays, and with two classes it is the sigmoid of the scores' difference. Classes are not numbers: a cat is not
between a dog and a bird. One-hot gives each its own column, all equally far from each other.

The better of two models is the one that makes what really happened more likely: maximum likelihood. The likelihood is a
product of probabilities, and products of many small numbers vanish. The logarithm turns the product into a sum; its
sign changed, that is the cross-entropy, small for a good model. Its gradient in the scores is just p − y: what the
model says less what is true.
"""
SLIP = (
    "They say that the logarithm of a number less than zero is negative. It is the logarithm of a number less than one "
    "(and above zero) that is negative; numbers below zero have no real logarithm. Probabilities lie between 0 and 1, "
    "so that −ln p is never negative."
)
MODELS = {"bad model": (0.6, 0.2, 0.1, 0.7), "good model": (0.7, 0.9, 0.8, 0.6)}  # the notes' four points
SCORES = (2.0, 1.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class SoftmaxParameters(Parameters):
    """Settings.

    Attributes:
        epochs: Passes over the digits.
        temperature: Divides the scores before softmax in a picture: below 1 surer, above 1 more doubtful.
    """

    epochs: int = option(15, 1, 200)
    temperature: float = option(3.0, 0.05, 100.0)


def experiment(parameters: SoftmaxParameters, seeds: Sequence[int]) -> Findings:
    """Scores digits by untrained and trained softmax regression in four ways, and learns the digits as numbers."""
    runs = _learn(parameters, seeds)
    notes = {name: (float(np.prod(p)), float(-np.sum(np.log(p)))) for name, p in MODELS.items()}
    product = [abs(np.exp(-total) / product - 1) for product, total in notes.values()]
    z = np.random.default_rng(0).normal(0, 5, (1000, 2))
    pairs = np.abs(softmax(z)[:, 1] - np.exp(-np.logaddexp(0, z[:, 0] - z[:, 1])))
    gained = [one["bad"] - one["good"] for one in runs]
    coded = [one["accuracy"] - one["as numbers"] for one in runs]
    claims = (
        claim("|e^(−sum of −ln p) / product − 1|, the notes' two models", max(product), at_most=1e-12),
        claim(
            "cross-entropy of the notes' bad model − of their good one",
            notes["bad model"][1] - notes["good model"][1],
            at_least=0,
        ),
        claim(
            "images after which the product of the untrained model's probabilities is 0",
            [one["vanished"] for one in runs],
            at_most=1000,
        ),
        claim("|this project's cross-entropy − scikit-learn's log_loss|", [one["ours"] for one in runs], at_most=1e-6),
        claim("|Keras' loss − scikit-learn's log_loss|", [one["keras"] for one in runs], at_most=1e-5),
        claim("|gradient in the scores − (p − y)|, largest", [one["gradient"] for one in runs], at_most=1e-6),
        claim("|softmax of two − sigmoid of the difference|, largest", pairs.max(), at_most=1e-12),
        claim("cross-entropy before − after training, nats per image", gained, at_least=1, of="interval"),
        claim("validation accuracy by one-hot − by the digits as numbers", coded, at_least=0.2, of="interval"),
    )
    text = (
        f"The notes' bad model has a likelihood of {notes['bad model'][0]:.4f} and a cross-entropy of "
        f"{notes['bad model'][1]:.2f}, the good one {notes['good model'][0]:.4f} and {notes['good model'][1]:.2f}. On "
        f"digits, the untrained model's product of probabilities was 0 in double precision after "
        f"{spread_words([one['vanished'] for one in runs])} images, while the sum stayed exact. Training took the "
        f"cross-entropy from {spread_words([one['bad'] for one in runs])} to "
        f"{spread_words([one['good'] for one in runs])} nats per image, at most "
        f"{max(one['ours'] for one in runs):.1g} from scikit-learn's number. Learned as numbers "
        f"instead of classes, {spread_words([100 * one['as numbers'] for one in runs])}% of the digits were right "
        f"instead of {spread_words([100 * one['accuracy'] for one in runs])}%."
    )
    pictures = (_draw_products(notes), _draw_softmax(parameters), _draw_vanishing(runs[0]["probabilities"]))
    kept = [{name: value for name, value in one.items() if name != "probabilities"} for one in runs]
    return Findings(text, claims, pictures, {"notes": notes, "runs": kept})


def softmax(scores: np.ndarray) -> np.ndarray:
    """eᶻ / Σ eᶻ over the last axis; the largest score is taken off first, which changes nothing but the overflow."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _learn(parameters: SoftmaxParameters, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One entry for each seed: losses in several ways, and accuracies."""
    import keras

    import models
    from training.labs.fitting import begin, compiled, fit, split_of, steps_per_call
    from training.labs.samples import small_digits

    def build() -> keras.Model:
        return models.build("softmax_regression", (8, 8, 1), 10)

    def line() -> keras.Model:
        return models.build("linear_regression", (8, 8, 1), 0, target_mean=4.5, target_scale=2.9)

    examples = len(small_digits().train)
    calls = steps_per_call(examples, 32)
    model = compiled(build, keras.optimizers.Adam(0.01), num_classes=10, steps_per_execution=calls)
    number = compiled(line, keras.optimizers.Adam(0.01), num_classes=0, steps_per_execution=calls)
    found = []
    for seed in seeds:
        data = small_digits(seed)
        x, y = np.asarray(data.validation.x), data.validation.y
        begin(model, build, seed)
        start = np.asarray(model(data.train.x), dtype=float)[np.arange(examples), data.train.y]
        one = {"bad": _cross_entropy(np.asarray(model(x)), y), "probabilities": start}
        one |= {"vanished": int(np.argmax(np.cumprod(start) == 0)) or examples}
        fit(model, data.train, epochs=parameters.epochs, batch_size=32, seed=seed)
        begin(number, line, seed)
        numbers = split_of(data.train.x, data.train.y.astype(np.float32))
        fit(number, numbers, epochs=parameters.epochs, batch_size=32, seed=seed)
        rounded = np.rint(np.asarray(number(x)).ravel())
        found.append(one | _compared(model, x, y) | {"as numbers": float(np.mean(rounded == y))})
    return found


def _cross_entropy(p: np.ndarray, y: np.ndarray) -> float:
    """As this project's reports compute it."""
    from evaluation.metrics.calibration import log_loss

    return float(log_loss(y, p).value or 0.0)


def _compared(model: Any, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The cross-entropy of a trained model beside scikit-learn's and Keras', and its gradient in the scores."""
    import tensorflow as tf
    from sklearn.metrics import log_loss

    p = np.asarray(model(x), dtype=float)
    p /= p.sum(axis=1, keepdims=True)
    ours, theirs = _cross_entropy(p, y), float(log_loss(y, p, labels=range(10)))
    scores = tf.Variable(np.log(p), dtype=tf.float64)
    with tf.GradientTape() as tape:
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=scores)
    gradient = tape.gradient(loss, scores).numpy() - (p - np.eye(10)[y])
    errors = {"ours": abs(ours - theirs), "keras": abs(float(model.evaluate(x, y, verbose=0)[0]) - theirs)}
    right = {"accuracy": float(np.mean(p.argmax(axis=1) == y)), "good": ours}
    return errors | right | {"gradient": float(np.abs(gradient).max())}


def _draw_products(notes: dict[str, tuple[float, float]]) -> Picture:
    """The notes' two models: probabilities of what happened, and −ln of them, stacked."""
    figure, (left, right) = panels(2, height=3.3)
    for place, (name, p) in enumerate(MODELS.items()):
        left.bar(np.arange(4) + 0.4 * place - 0.2, p, 0.38, color=(VERMILLION, BLUE)[place], label=name)
        ends = np.concatenate([[0], np.cumsum(-np.log(p))])
        for point in range(4):
            color = COLOURS[point]
            right.bar(place, ends[point + 1] - ends[point], 0.6, bottom=ends[point], color=color, edgecolor="white")
            if -np.log(p[point]) > 0.3:
                middle = ends[point : point + 2].mean()
                right.text(place, middle, f"−ln {p[point]:g}", ha="center", va="center", fontsize=8)
        right.text(place, ends[-1] + 0.08, f"{notes[name][1]:.2f}", ha="center", fontsize=10)
        left.text(1.5, 1.09 - 0.09 * place, f"{name}: product {notes[name][0]:.4f}", ha="center", fontsize=9)
    left.set(xlabel="point", ylabel="probability given to what is true", xticks=range(4), ylim=(0, 1.2))
    left.set_xticklabels(["1", "2", "3", "4"])
    right.set(ylabel="cross-entropy, nats", xticks=[0, 1], ylim=(0, 5.5))
    right.set_xticklabels(list(MODELS))
    left.legend(loc="upper left", bbox_to_anchor=(0, -0.15), ncols=2)
    caption = "Left, what is multiplied; right, what is added: a small probability is a tall block, and one is enough."
    return Picture("products", "Products turned into sums", figure, caption)


def _draw_softmax(parameters: SoftmaxParameters) -> Picture:
    """Probabilities of three scores at three temperatures."""
    figure, (ax,) = panels(height=2.8)
    for place, temperature in enumerate((0.3, 1.0, parameters.temperature)):
        p = softmax(np.array(SCORES) / temperature)
        bars = ax.bar(
            np.arange(3) + 0.27 * place - 0.27, p, 0.25, color=COLOURS[place], label=f"temperature {temperature:g}"
        )
        ax.bar_label(bars, fmt="%.2f", fontsize=8)
    ax.set(xlabel="class, with its score", ylabel="probability", xticks=range(3), ylim=(0, 1.12))
    ax.set_xticklabels([f"{'ABC'[i]}: score {score:g}" for i, score in enumerate(SCORES)])
    ax.legend()
    caption = "The same three scores, divided by a temperature: the order never changes, the certainty does."
    return Picture("softmax", "Softmax of three scores", figure, caption)


def _draw_vanishing(p: np.ndarray) -> Picture:
    """Likelihood as a product and as a sum against the number of images."""
    figure, (ax,) = panels(height=3.0)
    images = np.arange(1, len(p) + 1)
    with np.errstate(divide="ignore"):
        product = np.log10(np.cumprod(p))
    ax.plot(images, np.cumsum(np.log10(p)), color=BLUE, label="sum of logarithms")
    ax.plot(images, product, color=VERMILLION, linewidth=3, alpha=0.6, label="logarithm of the product")
    ax.axhline(-323.3, color=GREY, linestyle=":", label="smallest number in double precision")
    ax.set(xlabel="images", ylabel="log₁₀ of the likelihood")
    ax.legend()
    caption = "The product of the untrained model's probabilities ends where no smaller number exists; the sum goes on."
    return Picture("vanishing", "Why sums", figure, caption)


LAB = Lab(
    name="softmax_cross_entropy",
    title="Softmax, one-hot, maximum likelihood and cross-entropy",
    theory=THEORY,
    formulas=(
        "pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ)",
        "−ln(p₁·p₂·…·pₘ) = −ln p₁ − ln p₂ − … − ln pₘ;  ∂/∂z = p − y",
    ),
    parameters=SoftmaxParameters,
    small=SoftmaxParameters(seeds=2, epochs=8),
    experiment=experiment,
    try_it="--temperature 0.1",
    slip=SLIP,
)
