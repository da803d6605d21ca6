"""Pictures that a unit or a class answers to most: found by gradient ascent from noise, not taken from any data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from evaluation.explain.canvas import Canvas, total_variation_gradient
from evaluation.explain.errors import ExplainError
from evaluation.explain.graph import Node, find_node
from evaluation.explain.patches import strongest
from evaluation.explain.receptive import Box, receptive_fields
from evaluation.explain.tapped import Tapped, tap
from evaluation.explain.target import choose

Pixels = NDArray[np.float32]
NUMBERS = tf.TensorSpec((None,), tf.int32)


@dataclass(frozen=True)
class Recipe:
    """How pictures are made. The last quarter of the steps goes without jitter and penalties.

    Attributes:
        steps: Of gradient ascent (Adam).
        learning_rate: Of Adam.
        jitter: The picture moves by up to so many pixels before each step; None for a sixteenth of its smaller side,
            and at most a quarter of what the unit sees.
        total_variation: Weight against differences of neighbours, relative to the gradient of what is maximised.
        l2: Weight against distance from mid-grey, relative to the same.
        basis: `fourier`: the picture begins as noise with equal energy at every scale and is changed by its
            frequencies, so that no fine pattern wins by its number of pixels alone. `pixel`: each pixel by itself.
        objective: `unit`: its answer in the centre of the feature map, so that the picture is of one patch; `channel`:
            its mean over the feature map, which gives a texture.
        low: Smallest value of a pixel.
        high: Largest value.
        seed: Of noise and jitter.
    """

    steps: int = 128
    learning_rate: float = 0.05
    jitter: int | None = None
    total_variation: float = 0.1
    l2: float = 0.01
    basis: Literal["fourier", "pixel"] = "fourier"
    objective: Literal["unit", "channel"] = "unit"
    low: float = 0.0
    high: float = 255.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Maximised:
    """The pictures.

    Attributes:
        images: `(n, height, width, channels)` float32, between the recipe's bounds.
        answers: `(n,)`: the largest answer of the unit anywhere in the picture, as in `top_patches`; of a class its
            logit.
        starts: `(n,)`: the same of the noise.
        history: `(steps, n)`: what was maximised, before each step.
        box: The pixels that the unit in the centre sees, for `evaluation.explain.receptive.crop`; the whole picture for
            classes and for channels.
    """

    images: Pixels
    answers: Pixels
    starts: Pixels
    history: Pixels
    box: Box


def maximise(
    model: keras.Model | Tapped,
    layer: str,
    units: Sequence[int],
    *,
    recipe: Recipe | None = None,
    size: tuple[int, int] | None = None,
    batch_size: int = 16,
) -> Maximised:
    """Makes a picture for each unit that it answers to as much as possible.

    Args:
        model: A classifier of images, or what `tap` made of it.
        layer: Name of a layer with feature maps or a row of units.
        units: Their numbers.
        recipe: How; the default suits pixels in 0…255.
        size: Height and width of the pictures; by default what the model takes, or 224 where it takes any.
        batch_size: Pictures made at once.

    Raises:
        ExplainError: If there is no such layer or unit, or the recipe cannot be followed.

    Reference:
        Erhan et al., 2009, "Visualizing higher-layer features of a deep network"; Olah et al., 2017, "Feature
        visualization", Distill.
    """
    tapped = tap(model)
    node = find_node(tapped.model.name, tapped.nodes, layer)
    if len(node.shape) not in (2, 4):
        raise ExplainError(f"Layer {node.path!r} gives {node.shape}, neither a feature map nor a row of units.")
    return _make(tapped, node, _numbers("units", units, int(node.shape[-1] or 0)), recipe or Recipe(), size, batch_size)


def class_images(
    model: keras.Model | Tapped,
    class_index: Sequence[int],
    *,
    recipe: Recipe | None = None,
    size: tuple[int, int] | None = None,
    batch_size: int = 16,
) -> Maximised:
    """Makes a picture for each class whose logit is as large as possible.

    Args and Raises are those of `maximise`; `class_index` holds the classes.

    Reference:
        Simonyan et al., 2014, "Deep inside convolutional networks", arXiv:1312.6034.
    """
    tapped = tap(model)
    classes = _numbers("class_index", class_index, max(2, tapped.num_logits))
    return _make(tapped, None, classes, recipe or Recipe(), size, batch_size)


def _make(
    tapped: Tapped,
    node: Node | None,
    numbers: NDArray[np.int32],
    recipe: Recipe,
    size: tuple[int, int] | None,
    batch_size: int,
) -> Maximised:
    """The pictures of units, or of classes where there is no node."""
    _check(recipe)
    shape = _shape(tapped, size)
    parts = [numbers[start : start + batch_size] for start in range(0, len(numbers), batch_size)]
    made = [_ascend(tapped, node, part, shape, recipe, number) for number, part in enumerate(parts)]
    images, answers, starts, history = zip(*made, strict=True)
    return Maximised(
        np.concatenate(images),
        np.concatenate(answers),
        np.concatenate(starts),
        np.concatenate(history, axis=1),
        _box(tapped, node if recipe.objective == "unit" else None, shape[:2]),
    )


def _box(tapped: Tapped, node: Node | None, size: tuple[int, int]) -> Box:
    """What the unit in the centre of a feature map sees; the whole picture where there is none."""
    if node is None:
        return Box(0, 0, *size)
    field = receptive_fields(tapped.nodes, size)[node]
    return field.box(len(field.rows) // 2, len(field.columns) // 2)


def _ascend(
    tapped: Tapped,
    node: Node | None,
    numbers: NDArray[np.int32],
    shape: tuple[int, int, int],
    recipe: Recipe,
    part: int,
) -> tuple[Pixels, Pixels, Pixels, Pixels]:
    """Gradient ascent of one batch: images, answers, answers of the noise, and the way."""
    generator = np.random.default_rng([recipe.seed, part])
    canvas = Canvas((len(numbers), *shape), recipe.basis, recipe.learning_rate, generator)
    reach = _reach(tapped, node, shape[:2], recipe)
    history = np.zeros((recipe.steps, len(numbers)), np.float32)
    starts = _answers(tapped, node, _scaled(canvas.shades(), recipe), numbers)
    for step in range(recipe.steps):
        shades = canvas.shades()
        free = 4 * step >= 3 * recipe.steps
        shift = generator.integers(-reach, reach, size=2, endpoint=True) * (not free)
        moved = np.roll(_scaled(shades, recipe), shift, axis=(1, 2))
        gradients, history[step] = _gradients(tapped, node, moved, numbers, recipe.objective)
        upwards = _normalised(np.roll(gradients, -shift, axis=(1, 2)))
        aim = upwards if free else upwards - _penalty(shades, recipe)
        stuck = np.asarray(~upwards.any(axis=(1, 2, 3)))
        canvas.step(aim, stuck=stuck)
    images = _scaled(canvas.shades(), recipe)
    return images, _answers(tapped, node, images, numbers), starts, history


def _gradients(
    tapped: Tapped, node: Node | None, images: Pixels, numbers: NDArray[np.int32], objective: str
) -> tuple[Pixels, Pixels]:
    """How to change the pixels, and what is maximised."""

    def step(batch: tf.Tensor, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        maps, logits = tapped.read(batch, *([] if node is None else [node]))
        if not maps:
            values = choose(logits, wanted)[1]
        else:
            values = tf.gather(_summary(_before_rectifier(maps[0]), objective), wanted, batch_dims=1)
        (gradients,) = tf.gradients(values, batch)
        if gradients is None:
            raise ExplainError(f"What is to be maximised in {tapped.model.name} does not depend on the pixels.")
        return gradients, values

    key = ("maximise", node.path if node else None, objective if node else None)
    gradients, values = tapped.function(key, step, NUMBERS)(images, numbers)
    return gradients.numpy(), values.numpy()


def _before_rectifier(features: tf.Tensor) -> tf.Tensor:
    """What a ReLU takes, perhaps under a maximum: there a unit that answers 0 still shows the way up."""
    tensor = features
    while tensor.op.type in ("MaxPool", "Identity"):
        tensor = tensor.op.inputs[0]
    return tensor.op.inputs[0] if tensor.op.type in ("Relu", "Relu6") else features


def _summary(features: tf.Tensor, objective: str) -> tf.Tensor:
    """One number for each unit: the mean over its map, or the answer in the centre."""
    values = tf.cast(features, tf.float32)
    if values.shape.rank == 2:
        return values
    if objective == "channel":
        return tf.reduce_mean(values, axis=(1, 2))
    sizes = tf.shape(values)
    return values[:, sizes[1] // 2, sizes[2] // 2]


def _answers(tapped: Tapped, node: Node | None, images: Pixels, numbers: NDArray[np.int32]) -> Pixels:
    """`(n,)`: the largest answer of each picture's own unit, or its class's logit."""

    def step(batch: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
        maps, logits = tapped.read(batch, *([] if node is None else [node]))
        if not maps:
            return choose(logits, wanted)[1]
        return tf.gather(strongest(maps[0])[0], wanted, batch_dims=1)

    key = ("answers", node.path if node else None)
    return tapped.function(key, step, NUMBERS)(images, numbers).numpy()


def _normalised(gradients: Pixels) -> Pixels:
    """Gradients whose root mean square is 1 in each picture, so that the weights of a recipe mean the same anywhere."""
    finite = np.nan_to_num(gradients, nan=0.0, posinf=0.0, neginf=0.0)
    size = np.sqrt(np.square(finite, dtype=np.float64).mean(axis=(1, 2, 3), keepdims=True)).astype(np.float32)
    return np.divide(finite, size, out=np.zeros_like(finite), where=size > 0)


def _reach(tapped: Tapped, node: Node | None, size: tuple[int, int], recipe: Recipe) -> int:
    """By how many pixels a picture moves."""
    if recipe.jitter is not None:
        return recipe.jitter
    top, left, bottom, right = _box(tapped, node if recipe.objective == "unit" else None, size)
    return min(min(size) // 16, min(bottom - top, right - left) // 4)


def _penalty(shades: Pixels, recipe: Recipe) -> Pixels:
    """The gradient of the penalties on differences of neighbours and on distance from mid-grey."""
    return recipe.total_variation * total_variation_gradient(shades) + recipe.l2 * (2 * shades - 1)


def _scaled(shades: Pixels, recipe: Recipe) -> Pixels:
    """Shades in 0…1 as pixels."""
    return (recipe.low + (recipe.high - recipe.low) * shades).astype(np.float32)


def _shape(tapped: Tapped, size: tuple[int, int] | None) -> tuple[int, int, int]:
    """Height, width and channels of the pictures."""
    height, width, channels = tapped.input_shape
    if channels is None:
        raise ExplainError(f"{tapped.model.name} must take images of a fixed number of channels.")
    wanted = size or (height or 224, width or 224)
    if any(fixed not in (None, given) for fixed, given in zip((height, width), wanted, strict=True)) or min(wanted) < 2:
        raise ExplainError(f"size must be what {tapped.model.name} takes, {(height, width)}. Received: {size}.")
    return (*wanted, channels)


def _numbers(name: str, values: Sequence[int], count: int) -> NDArray[np.int32]:
    """Numbers of units or classes, checked."""
    numbers = np.asarray(values)
    if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "ui":
        raise ExplainError(f"{name} must be a list of whole numbers, at least one. Received: {values!r}.")
    outside = numbers[(numbers < 0) | (numbers >= count)]
    if len(outside):
        raise ExplainError(f"{name} must lie in 0…{count - 1}. Received: {outside[0]}.")
    return numbers.astype(np.int32)


def _check(recipe: Recipe) -> None:
    """Refuses a recipe that cannot be followed."""
    if recipe.steps < 0 or (recipe.jitter or 0) < 0 or not recipe.high > recipe.low:
        raise ExplainError(
            f"steps and jitter must be at least 0, and high above low. Received: steps={recipe.steps}, "
            f"jitter={recipe.jitter}, low={recipe.low}, high={recipe.high}."
        )
    if recipe.basis not in ("fourier", "pixel") or recipe.objective not in ("channel", "unit"):
        raise ExplainError(
            "basis must be fourier or pixel, and objective channel or unit. Received: "
            f"basis={recipe.basis}, objective={recipe.objective}."
        )
