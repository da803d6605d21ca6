"""Augmentation: a gallery of changes that keep the label, and whether they help where images are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.plots.style import BLUE, GREY, VERMILLION
from training.labs.drawing import panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

if TYPE_CHECKING:
    from training.datasets.dataset import Split

THEORY = """
A shifted cat is a cat. Augmentation shows the network each training image a little changed, anew in every epoch:
shifted, mirrored, turned, enlarged. It teaches what the label does not depend on, and it is worth as much as that
knowledge is true: mirroring is right for cats and wrong for digits, whose mirror images are other signs.

Two more transforms change all images alike, training and test. Standardisation gives each pixel mean 0 and variance 1.
ZCA whitening also removes the correlations between pixels, by the turn that changes the images least; what is left are
edges. Their statistics come from the training images alone.

Whether augmentation helps is a question for paired measurements: the same images, the same first weights, with and
without, over several draws of the few training images; a single pair may show anything.
"""
BATCH, STEPS_AT_ONCE = 25, 20
WITHOUT, WITH, MIRRORED = "without", "with your changes", "mirrored"


@dataclass(frozen=True, kw_only=True)
class AugmentationParameters(Parameters):
    """Settings.

    Attributes:
        images: Training images; other ones for each seed.
        shift: Largest shift, as a share of height and width.
        rotation: Largest angle in degrees.
        zoom: Largest enlargement or reduction, as a share.
        steps: Steps of each training, rounded up to a multiple of 20.
    """

    images: int = option(50, 25, 1000)
    shift: float = option(0.125, 0.0, 0.5)
    rotation: float = option(0.0, 0.0, 180.0)
    zoom: float = option(0.0, 0.0, 0.5)
    steps: int = option(300, 20, 10_000)


def experiment(parameters: AugmentationParameters, seeds: Sequence[int]) -> Findings:
    """A small CNN on few digits, as they are, with the changes chosen, and mirrored; and the gallery."""
    from training.augmentation import Augmentation
    from training.labs.samples import small_digits

    data = small_digits()
    chosen = Augmentation(shift=parameters.shift, rotation=parameters.rotation, zoom=parameters.zoom)
    kinds = {WITHOUT: Augmentation(), WITH: chosen, MIRRORED: Augmentation(flip="both")}
    found = _accuracies(data.train, data.test, kinds, parameters, seeds)
    gain, harm = found[WITH] - found[WITHOUT], found[MIRRORED] - found[WITHOUT]
    pixels = np.asarray(data.train.x, dtype=float).reshape(len(data.train), -1) / 255
    standard, white = standardised(pixels), whitened(pixels)
    claims = (
        claim("test accuracy, with your changes − without", gain, at_least=-0.1, of="mean"),
        claim("test accuracy, mirrored − without", harm, at_most=0, of="interval"),
        claim("largest |variance − 1| of a pixel that varies, standardised", _off_one(standard), at_most=1e-6),
        claim(
            "largest |covariance − identity| where images vary, whitened", _off_identity(pixels, white), at_most=1e-6
        ),
    )
    helps = claim("", gain, at_least=0, of="interval").holds
    hurts = claim("", gain, at_most=0, of="interval").holds
    words = "helps beyond noise" if helps else "hurts beyond noise" if hurts else "makes no difference beyond noise"
    text = (
        f"With {parameters.images} training images the CNN is right for {spread_words(found[WITHOUT])} of the test "
        f"digits without augmentation and for {spread_words(found[WITH])} with shifts up to {parameters.shift:.1%}, "
        f"turns up to {parameters.rotation:g}° and zooms up to {parameters.zoom:.0%}: a gain of {spread_words(gain)}, "
        f"which over {len(gain)} draws of the images {words} (95% interval of the mean). Mirroring, which turns digits "
        f"into signs that are none, costs {spread_words(-harm)}."
    )
    numbers = {"accuracy": found, "gain": gain}
    pictures = (_draw_gallery(), _draw_whitening(pixels, standard, white), _draw_effect(found))
    return Findings(text, claims, pictures, numbers)


def _accuracies(
    train: Split, test: Split, kinds: dict[str, Any], parameters: AugmentationParameters, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    """Test accuracy of each kind of augmentation and seed, after as many steps."""
    import keras

    import models
    from training.labs.fitting import begin, compiled
    from training.pipeline import batches

    def build() -> keras.Model:
        rates = {"dropout_rate": 0.0, "head_dropout_rate": 0.0}
        return models.build("cifar_cnn", (8, 8, 1), 10, filters=(16, 32), kernel_size=3, dense_units=64, **rates)

    model = compiled(build, keras.optimizers.Adam(0.003), num_classes=10, steps_per_execution=STEPS_AT_ONCE)
    steps = -(-parameters.steps // STEPS_AT_ONCE) * STEPS_AT_ONCE
    held_out = batches(test, batch_size=len(test))
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for seed in seeds:
        few = np.random.default_rng(seed).permutation(len(train))[: parameters.images]
        split = replace(train, x=np.asarray(train.x)[few], y=train.y[few], ids=train.ids[few])
        for name, kind in kinds.items():
            begin(model, build, seed)
            # `training.labs.fitting.fit` leaves images as they are; these batches change them
            shown = batches(split, batch_size=BATCH, shuffle_seed=seed, augmentation=kind).repeat()
            model.fit(shown, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
            found[name].append(model.evaluate(held_out, verbose=0, return_dict=True)["accuracy"])
    return {name: np.array(values) for name, values in found.items()}


def standardised(pixels: np.ndarray) -> np.ndarray:
    """Each pixel with mean 0 and variance 1, those that never vary with 0; `(n, pixels)`."""
    scale = pixels.std(axis=0)
    return (pixels - pixels.mean(axis=0)) / np.where(scale > 0, scale, np.inf)


def whitened(pixels: np.ndarray) -> np.ndarray:
    """ZCA: uncorrelated pixels of variance 1 that stay as near to the images as can be; `(n, pixels)`."""
    centred = pixels - pixels.mean(axis=0)
    return centred @ (_varying(pixels, -0.5))


def _varying(pixels: np.ndarray, power: float) -> np.ndarray:
    """The covariance to a power, in the directions in which images vary at all."""
    values, directions = np.linalg.eigh(np.cov(pixels.T, bias=True))
    kept = values > 1e-6 * values[-1]
    return (directions[:, kept] * values[kept] ** power) @ directions[:, kept].T


def _off_one(standard: np.ndarray) -> float:
    variance = standard.var(axis=0)
    return float(np.abs(variance[variance > 0] - 1).max())


def _off_identity(pixels: np.ndarray, white: np.ndarray) -> float:
    return float(np.abs(np.cov(white.T, bias=True) - _varying(pixels, 0.0)).max())


def _draw_gallery() -> Picture:
    """A photograph and two draws of each change."""
    from sklearn.datasets import load_sample_image

    from training.augmentation import Augmentation

    photograph = load_sample_image("flower.jpg")[60:380:3, 130:450:3]
    kinds = {
        "shift ±20%": Augmentation(shift=0.2),
        "flip": Augmentation(flip="horizontal"),
        "rotation ±30°": Augmentation(rotation=30),
        "zoom ±30%": Augmentation(zoom=0.3),
    }
    figure, axes = panels(5, 2, height=1.9)
    for row, seed in enumerate((3, 8)):
        shown = {"photograph": photograph} | {name: _changed(photograph, kind, seed) for name, kind in kinds.items()}
        for ax, (name, picture) in zip(axes[5 * row : 5 * row + 5], shown.items(), strict=True):
            ax.grid(False)
            ax.imshow(picture)
            ax.set_title(name, fontsize=9)
            ax.set(xticks=[0, 50, 100], yticks=[0, 50, 100], xlabel="pixels")
    for ax in (axes[0], axes[5]):
        ax.set_ylabel("pixels")
    caption = (
        "Two draws of each change (rows), by the very code that trains; a flip happens or not. What comes in from "
        "outside repeats the edge. Ask of each: would the label still be right?"
    )
    return Picture("gallery", "Changes that keep the label of a flower", figure, caption)


def _changed(image: np.ndarray, kind: Any, seed: int) -> np.ndarray:
    """One draw of a change, uint8."""
    import tensorflow as tf

    changed = kind(tf.constant(image[None]), seed=tf.constant([seed, 0]))
    return np.clip(np.rint(changed.numpy()[0]), 0, 255).astype(np.uint8)


def _draw_whitening(pixels: np.ndarray, standard: np.ndarray, white: np.ndarray) -> Picture:
    """Digits raw, standardised and whitened, and how their pixels correlate."""
    figure, axes = panels(3, 2, height=2.6)
    for column, (name, table) in enumerate({"raw": pixels, "standardised": standard, "ZCA-whitened": white}.items()):
        top, bottom = axes[column], axes[3 + column]
        images = table[:8].reshape(2, 4, 8, 8).transpose(0, 2, 1, 3).reshape(16, 32)
        most = np.abs(images).max()
        top.imshow(images, cmap="gray_r" if name == "raw" else "RdBu_r", vmin=0 if name == "raw" else -most, vmax=most)
        covariance = np.cov(table.T, bias=True)
        most = np.abs(covariance).max()
        bottom.imshow(covariance, cmap="RdBu_r", vmin=-most, vmax=most)
        top.set_title(name, fontsize=9)
        top.set(xlabel="column (pixels)", ylabel="row (pixels)" if column == 0 else "")
        bottom.set(xlabel="pixel", ylabel="pixel" if column == 0 else "")
        top.grid(False)
        bottom.grid(False)
    caption = (
        "Above, eight digits; below, the covariance of their 64 pixels (red positive, blue negative). Standardising "
        "evens the diagonal, whitening leaves nothing else: pixels that never vary stay 0."
    )
    return Picture("whitening", "Standardisation and ZCA whitening", figure, caption)


def _draw_effect(found: dict[str, np.ndarray]) -> Picture:
    """Accuracies, a line for each seed."""
    figure, (left, right) = panels(2, height=3.3)
    for values in zip(*found.values(), strict=True):
        left.plot(range(3), values, "o-", color=GREY, markersize=4, linewidth=0.8)
    left.plot(range(3), [values.mean() for values in found.values()], "D-", color=BLUE, label="mean", linewidth=2)
    left.set_xticks(range(3), list(found))
    left.set(ylabel="test accuracy (share)", xlabel="training images", xlim=(-0.3, 2.3))
    left.legend(fontsize=8)
    for place, name in enumerate((WITH, MIRRORED)):
        gain = found[name] - found[WITHOUT]
        right.plot(place + np.linspace(-0.06, 0.06, len(gain)), gain, "o", color=VERMILLION, markersize=5)
        right.hlines(gain.mean(), place - 0.15, place + 0.15, color=VERMILLION, linewidth=2.5)
    right.axhline(0, color=GREY, linestyle="--", linewidth=1)
    right.set_xticks(range(2), [WITH, MIRRORED])
    right.set(ylabel="change of test accuracy", xlabel="beside the same images without", xlim=(-0.5, 1.5))
    caption = (
        "Left: each grey line is one draw of the training images, the diamonds their mean. Right: the paired "
        "differences and their mean; where the points lie on both sides of 0, augmentation is not shown to matter."
    )
    return Picture("effect", "Does it help where images are few?", figure, caption)


LAB = Lab(
    name="augmentation",
    title="Augmentation, standardisation and whitening",
    theory=THEORY,
    formulas=(
        "standardised: (x − mean)/standard deviation",
        "ZCA: (x − mean)·C^(−1/2),  C the covariance of the pixels",
    ),
    parameters=AugmentationParameters,
    small=AugmentationParameters(seeds=1, steps=160),
    experiment=experiment,
    try_it="--shift 0 --rotation 15",
)
