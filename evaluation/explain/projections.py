"""What in a patch a unit answers to: its gradient in the pixels, guided or as in a deconvolution network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.graph import Node, find_node
from evaluation.explain.patches import NOBODY, LayerPatches, TopPatches, uncapped
from evaluation.explain.receptive import Box, Field, crop, receptive_fields
from evaluation.explain.rules import Rule, relu_rule
from evaluation.explain.tapped import Tapped, tap

Pixels = NDArray[np.float32]
NUMBERS = tf.TensorSpec((None,), tf.int32)
PLACES = tf.TensorSpec((None, 2), tf.int32)


@dataclass(frozen=True, eq=False)
class UnitPatches:
    """The strongest patches of one unit.

    Attributes:
        layer: Path of its layer.
        unit: Its number: the channel of a feature map.
        scores: `(m,)`: what it answered, the largest first.
        ids: `(m,)`: of the images.
        boxes: `(m,)`: the pixels that it saw of each image.
        patches: `(m, h, w, channels)`: these pixels, in the images' type; mid-grey where they lie outside the image.
        projections: The same pixels' gradients of the answer, float32, 0 outside; None if none were asked for.
    """

    layer: str
    unit: int
    scores: NDArray[np.float32]
    ids: tuple[Any, ...]
    boxes: tuple[Box, ...]
    patches: NDArray[Any]
    projections: Pixels | None

    @property
    def silent(self) -> bool:
        """Whether the unit answers to no image: at most 0, and the same to all; or no image could be used."""
        return not len(self.scores) or bool(self.scores[0] <= 0 and (self.scores == self.scores[0]).all())


def unit_patches(
    model: keras.Model | Tapped,
    top: TopPatches,
    image_at: Callable[[int], Any],
    layer: str,
    units: Sequence[int],
    *,
    rule: Rule | None = "guided",
    batch_size: int = 32,
) -> list[UnitPatches]:
    """Cuts out the strongest patches of units: exactly the pixels that each unit saw.

    Args:
        model: The model that `top` was found with.
        top: Of `top_patches`.
        image_at: Gives the image of a number in the stream, `(height, width, channels)`; for an array of all images
            `images.__getitem__`.
        layer: A layer of `top`.
        units: Of this layer.
        rule: Of the projections beside them: `guided`, `deconvnet` (Zeiler's), `plain`, or None for no projections.
        batch_size: Images computed at once.

    Returns:
        One for each unit. A unit for which no image could be used has no patches.

    Raises:
        ExplainError: If there is no such layer or unit, or the model has no ReLU that the rule could change.
    """
    tapped = tap(model)
    node, found = _layer(tapped, top, layer, units)
    field = receptive_fields(tapped.nodes, top.size)[node]
    images = {number: np.asarray(image_at(number)) for number in _numbers(found, units)}
    gradients = {} if rule is None else _gradients(tapped, node, found, units, images, rule, batch_size)
    return [_unit(found, unit, top, field, images, gradients, rule is not None) for unit in units]


def project(
    model: keras.Model | Tapped,
    images: Any,
    layer: str,
    units: Any,
    places: Any = None,
    *,
    rule: Rule = "guided",
    batch_size: int = 32,
) -> Pixels:
    """The gradient of one unit's answer at one place, for each image.

    Under `guided` and `deconvnet` it is the projection that Zeiler and Fergus show: back through the pools by their
    switches, through the ReLUs by the rule, and through the transposed filters.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        layer: Name of a layer with feature maps or a row of units.
        units: Number of the unit in each image, `(n,)`.
        places: Row and column in the feature map, `(n, 2)`; None where the layer has none.
        rule: What passes a ReLU.
        batch_size: Images computed at once.

    Returns:
        `(n, height, width, channels)` float32.

    Raises:
        ExplainError: If there is no such layer, or the model has no ReLU that the rule could change.

    Reference:
        Zeiler and Fergus, 2014, arXiv:1311.2901; Springenberg et al., 2015, arXiv:1412.6806.
    """
    tapped = tap(model)
    node = find_node(tapped.model.name, tapped.nodes, layer)
    where = np.zeros((len(images), 2), np.int32) if places is None else np.asarray(places, np.int32)
    pixels, numbers = np.asarray(images), np.asarray(units, np.int32)

    def step(batch: tf.Tensor, wanted: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
        with relu_rule(rule):
            (features,), _ = tapped.read(batch, node)
            features = uncapped(features)
        features = features if len(node.shape) == 4 else features[:, None, None]
        answers = tf.gather(tf.gather_nd(features, at, batch_dims=1), wanted, batch_dims=1)
        (gradients,) = tf.gradients(answers, batch)
        return gradients

    function = tapped.function(("project", node.path, rule), step, NUMBERS, PLACES)
    parts = [slice(start, start + batch_size) for start in range(0, len(pixels), batch_size)]
    found = [function(pixels[part].astype(np.float32), numbers[part], where[part]).numpy() for part in parts]
    return np.concatenate(found)


def _layer(tapped: Tapped, top: TopPatches, layer: str, units: Sequence[int]) -> tuple[Node, LayerPatches]:
    """The node of a layer and what was found of it."""
    node = find_node(tapped.model.name, tapped.nodes, layer)
    if node.path not in top.layers:
        raise ExplainError(f"no patches of layer {node.path!r} were looked for. There are: {', '.join(top.layers)}.")
    found = top.layers[node.path]
    outside = [unit for unit in units if not 0 <= unit < len(found.scores)]
    if outside:
        raise ExplainError(f"units of {node.path!r} must lie in 0…{len(found.scores) - 1}. Received: {outside[0]}.")
    return node, found


def _numbers(found: LayerPatches, units: Sequence[int]) -> list[int]:
    """The images that are needed."""
    return [int(number) for number in np.unique(found.images[list(units)]) if number != NOBODY]


def _gradients(
    tapped: Tapped,
    node: Node,
    found: LayerPatches,
    units: Sequence[int],
    images: dict[int, NDArray[Any]],
    rule: Rule,
    batch_size: int,
) -> dict[tuple[int, int], Pixels]:
    """The projections by unit and rank, at the size of the images."""
    keys = [(unit, rank) for unit in units for rank in range(found.images.shape[1]) if found.images[unit, rank] >= 0]
    gradients: dict[tuple[int, int], Pixels] = {}
    for start in range(0, len(keys), batch_size):
        part = keys[start : start + batch_size]
        pixels = np.stack([images[int(found.images[key])] for key in part])
        places = [(found.rows[key], found.columns[key]) for key in part]
        numbers = [unit for unit, _ in part]
        made = project(tapped, pixels, node.path, numbers, places, rule=rule, batch_size=batch_size)
        gradients.update(zip(part, made, strict=True))
    return gradients


def _unit(
    found: LayerPatches,
    unit: int,
    top: TopPatches,
    field: Field,
    images: dict[int, NDArray[Any]],
    gradients: dict[tuple[int, int], Pixels],
    projected: bool,
) -> UnitPatches:
    """The patches of one unit, cut out."""
    ranks = [rank for rank in range(found.images.shape[1]) if found.images[unit, rank] != NOBODY]
    numbers = [int(found.images[unit, rank]) for rank in ranks]
    places = [(int(found.rows[unit, rank]), int(found.columns[unit, rank])) for rank in ranks]
    frames = [field.frame(*place) for place in places]
    patches = [crop(images[number], frame) for number, frame in zip(numbers, frames, strict=True)]
    shown = (
        [crop(gradients[unit, rank], frame, fill=0) for rank, frame in zip(ranks, frames, strict=True)]
        if projected
        else []
    )
    return UnitPatches(
        layer=found.layer,
        unit=int(unit),
        scores=found.scores[unit, ranks],
        ids=tuple(top.ids[number] for number in numbers),
        boxes=tuple(field.box(*place) for place in places),
        patches=np.stack(patches) if patches else np.zeros((0, 0, 0, 0)),
        projections=(np.stack(shown) if shown else np.zeros((0, 0, 0, 0), np.float32)) if projected else None,
    )
