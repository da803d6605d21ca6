"""Local connectivity: an MLP against a CNN with as many weights, on digits, shifted digits and shuffled pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.plots.style import BLUE, VERMILLION
from training.labs.drawing import panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

if TYPE_CHECKING:
    import keras

    from training.datasets.dataset import Split

THEORY = """
An MLP connects every pixel with every unit: it does not know which pixels are neighbours, and what it learns in one
corner it has to learn again in the next. A CNN connects a unit with a small patch and shares its weights over all
places. That is knowledge about images, built in: neighbouring pixels belong together, and a digit stays a digit where
it moves.

It is measured at equal numbers of weights. Where every digit stands in the middle, an MLP does well: each pixel means
the same in all images. Where digits stand anywhere, the CNN, whose filters answer at every place and whose pooling
forgives small moves, should be ahead. Then shuffle the pixels, of all images in the same way: for the MLP nothing
changes, since it never knew an order; the CNN loses the neighbourhoods that it relies on.
"""
MARGIN = 2  # empty pixels around the 8×8 digits: a shift up to it cuts nothing off
SIZE = 8 + 2 * MARGIN
NETWORKS = {"MLP": VERMILLION, "CNN": BLUE}


@dataclass(frozen=True, kw_only=True)
class ConnectivityParameters(Parameters):
    """Settings.

    Attributes:
        shift: Largest distance of the digits from the middle, in pixels, either way.
        images: Training images.
        epochs: Passes over them.
    """

    shift: int = option(2, 1, MARGIN)
    images: int = option(600, 50, 1200)
    epochs: int = option(12, 1, 500)


def experiment(parameters: ConnectivityParameters, seeds: Sequence[int]) -> Findings:
    """Both networks on centred digits and on digits whose pixels are shuffled, with equal numbers of weights."""
    from training.labs.samples import first, small_digits

    data = small_digits()
    train, test = _framed(first(data.train, parameters.images)), _framed(data.test)
    accuracy: dict[str, dict[str, np.ndarray]] = {}
    weights = {}
    for name in NETWORKS:
        found, weights[name] = _accuracies(name, train, test, parameters, seeds)
        accuracy[name] = {case: np.array([one[case] for one in found]) for case in CASES}
    gap = {case: accuracy["CNN"][case] - accuracy["MLP"][case] for case in CASES}
    lost = {name: accuracy[name][ANYWHERE] - accuracy[name][SHUFFLED] for name in NETWORKS}
    claims = (
        claim("weights of the MLP / of the CNN", weights["MLP"] / weights["CNN"], at_least=0.98, at_most=1.02),
        claim("accuracy on centred digits, CNN − MLP", gap[CENTRED], at_least=-0.1, of="mean"),
        claim("accuracy on digits moved after training, CNN − MLP", gap[MOVED], at_least=0, of="interval"),
        claim("accuracy on digits anywhere, CNN − MLP", gap[ANYWHERE], at_least=0, of="interval"),
        claim("accuracy that shuffling the pixels costs the CNN", lost["CNN"], at_least=0, of="interval"),
        claim("accuracy that shuffling the pixels costs the MLP", lost["MLP"], at_least=-0.05, at_most=0.05, of="mean"),
    )
    text = (
        f"With {weights['MLP']:,} and {weights['CNN']:,} weights, the MLP is right for "
        f"{spread_words(accuracy['MLP'][CENTRED])} and the CNN for {spread_words(accuracy['CNN'][CENTRED])} of centred "
        f"test digits. Where digits stand anywhere within {parameters.shift} pixels, in training too, it is "
        f"{spread_words(accuracy['MLP'][ANYWHERE])} against {spread_words(accuracy['CNN'][ANYWHERE])}; where only the "
        f"test digits are moved, {spread_words(accuracy['MLP'][MOVED])} against "
        f"{spread_words(accuracy['CNN'][MOVED])}. Shuffling the pixels costs the MLP {spread_words(lost['MLP'])} and "
        f"the CNN {spread_words(lost['CNN'])}."
    )
    pictures = (_draw_cases(test, parameters), _draw_accuracies(accuracy))
    return Findings(text, claims, pictures, {"accuracy": accuracy, "weights": weights})


CENTRED, MOVED, ANYWHERE, SHUFFLED = CASES = (
    "centred",
    "moved after training",
    "anywhere",
    "anywhere, pixels shuffled",
)


def _framed(split: Split) -> Split:
    """The digits in the middle of an empty frame."""
    return dataclasses.replace(
        split, x=np.pad(np.asarray(split.x), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    )


def shifted(images: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Each image moved by whole pixels, up to `most` either way, but not left where it was; the frame is empty."""
    rng = np.random.default_rng(seed)
    moves = [
        (down, right) for down in range(-most, most + 1) for right in range(-most, most + 1) if (down, right) != (0, 0)
    ]
    chosen = rng.integers(0, len(moves), len(images))
    return np.stack([np.roll(image, moves[index], axis=(0, 1)) for image, index in zip(images, chosen, strict=True)])


def shuffled(images: np.ndarray, seed: int) -> np.ndarray:
    """All images with their pixels in the same new order."""
    order = np.random.default_rng(seed).permutation(SIZE * SIZE)
    return images.reshape(len(images), -1)[:, order].reshape(images.shape)


def _builder(name: str) -> Callable[[], keras.Model]:
    import models

    rates = {"dropout_rate": 0.0, "head_dropout_rate": 0.0}
    return {
        "MLP": lambda: models.build("mlp_classifier", (SIZE, SIZE, 1), 10, units=(40,)),
        "CNN": lambda: models.build(
            "cifar_cnn", (SIZE, SIZE, 1), 10, filters=(8, 16), kernel_size=3, dense_units=32, **rates
        ),
    }[name]


def _accuracies(
    name: str, train: Split, test: Split, parameters: ConnectivityParameters, seeds: Sequence[int]
) -> tuple[list[dict[str, float]], int]:
    """Test accuracies in each case, for each seed, and the number of weights."""
    import keras

    from training.labs.fitting import begin, compiled, fit, steps_per_call
    from training.pipeline import batches

    build, calls = _builder(name), steps_per_call(len(train), 32)
    model = compiled(build, keras.optimizers.Adam(0.005), num_classes=10, steps_per_execution=calls)

    def right(images: np.ndarray) -> float:
        held_out = batches(dataclasses.replace(test, x=images), batch_size=len(test))
        return float(model.evaluate(held_out, verbose=0, return_dict=True)["accuracy"])

    def trained(images: np.ndarray, seed: int) -> None:
        begin(model, build, seed)
        fit(model, dataclasses.replace(train, x=images), epochs=parameters.epochs, batch_size=32, seed=seed)

    found: list[dict[str, float]] = []
    centred, untouched = np.asarray(train.x), np.asarray(test.x)
    for seed in seeds:
        anywhere, moved = shifted(centred, parameters.shift, seed), shifted(untouched, parameters.shift, seed + 1)
        trained(centred, seed)
        one = {CENTRED: right(untouched), MOVED: right(moved)}
        trained(anywhere, seed)
        one[ANYWHERE] = right(moved)
        trained(shuffled(anywhere, seed), seed)
        found.append(one | {SHUFFLED: right(shuffled(moved, seed))})
    return found, model.count_params()


def _draw_cases(test: Any, parameters: ConnectivityParameters) -> Picture:
    """A few test digits in each case."""
    figure, axes = panels(3, height=2.6)
    moved = shifted(test.x, parameters.shift, 1)
    cases = {CENTRED: test.x, ANYWHERE: moved, SHUFFLED: shuffled(moved, 1)}
    for ax, (case, images) in zip(axes, cases.items(), strict=True):
        ax.grid(False)
        rows = [np.concatenate(list(images[start : start + 4, ..., 0]), axis=1) for start in (0, 4)]
        ax.imshow(np.concatenate(rows), cmap="gray_r", vmin=0, vmax=255)
        ticks = np.arange(0, 4 * SIZE + 1, SIZE) - 0.5
        ax.set_xticks(ticks, [str(round(tick + 0.5)) for tick in ticks])
        ax.set_yticks(ticks[:3], [str(round(tick + 0.5)) for tick in ticks[:3]])
        ax.set(xlabel="column (pixels)", ylabel="row (pixels)")
        ax.set_title(case, fontsize=9)
    caption = (
        f"Eight test digits, {SIZE}×{SIZE} pixels each. Shuffling puts the pixels of every image in the same new "
        "order: nothing is lost, and no eye can read it."
    )
    return Picture("cases", "Digits in the middle, anywhere, and with their pixels shuffled", figure, caption)


def _draw_accuracies(accuracy: dict[str, dict[str, np.ndarray]]) -> Picture:
    """Every seed's accuracy, by network and case."""
    figure, (ax,) = panels(1, height=3.3)
    for offset, (name, color) in zip((-0.12, 0.12), NETWORKS.items(), strict=True):
        for place, case in enumerate(CASES):
            values = accuracy[name][case]
            label = name if place == 0 else "_"
            spread = np.linspace(-0.04, 0.04, len(values))
            ax.plot(place + offset + spread, values, "o", color=color, markersize=4, alpha=0.7)
            ax.hlines(
                values.mean(), place + offset - 0.09, place + offset + 0.09, color=color, linewidth=2.5, label=label
            )
    ax.set_xticks(range(len(CASES)), CASES)
    ax.set(ylabel="test accuracy (share)", xlabel="where the digits stand", xlim=(-0.5, len(CASES) - 0.5))
    ax.legend(fontsize=8)
    caption = (
        "Dots are seeds, lines their means. Compare red with blue in each group, then the last two groups: does the "
        "order of the pixels matter to a network that connects everything with everything, and to one that looks at "
        "patches? Moved after training: both were trained on centred digits only."
    )
    return Picture("accuracies", "Test accuracy at equal numbers of weights", figure, caption)


LAB = Lab(
    name="local_connectivity",
    title="Local connectivity: MLP against CNN",
    theory=THEORY,
    formulas=(
        "Dense: inputs × units weights;   convolution: F·F·D weights for each filter, wherever it looks",
        "moving an image moves a convolution's answer: conv(shift(x)) = shift(conv(x))",
    ),
    parameters=ConnectivityParameters,
    small=ConnectivityParameters(seeds=1),
    experiment=experiment,
    try_it="--images 150",
)
