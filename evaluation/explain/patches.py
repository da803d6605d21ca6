"""What makes each unit answer most: the strongest images of every unit of every layer, in one pass over a data set.

Only scores and places are kept while the images stream by; the patches of the units that are shown are cut out
afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.graph import Node, feature_maps, find_node
from evaluation.explain.request import Batch, Request, make_request
from evaluation.explain.tapped import Tapped, tap

NOBODY = -1
_UNCHANGED = (
    *(keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.Identity, keras.layers.Flatten),
    *(keras.layers.Reshape, keras.layers.ZeroPadding2D, keras.layers.Cropping2D),
)
_ACTIVATIONS = (keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU)


@dataclass(frozen=True, eq=False)
class LayerPatches:
    """The strongest images of each unit of a layer, the strongest first, of equals the earlier.

    Attributes:
        layer: Its path.
        scores: `(units, k)`: the largest answer of the unit anywhere in the image, of a ReLU6 without its upper bound;
            -infinity where images are missing.
        images: `(units, k)`: number of the image in the stream, from 0; -1 where there are fewer than k.
        rows: `(units, k)`: where in the feature map the unit answered most, of equals the first; 0 for dense layers.
        columns: `(units, k)`.
        mean: `(units,)`: of the largest answers over all images.
        deviation: `(units,)`: their standard deviation.
    """

    layer: str
    scores: NDArray[np.float32]
    images: NDArray[np.int64]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @property
    def selectivity(self) -> NDArray[np.float64]:
        """`(units,)`: by how many standard deviations the weakest of a unit's strongest images exceeds the mean.

        Units that answer to few images, but to those strongly, have a theme that can be seen most often; 0 for silent
        ones.
        """
        weakest = np.where(self.images == NOBODY, np.inf, self.scores).min(axis=1)
        above = np.where(np.isfinite(weakest), weakest - self.mean, 0)
        return np.divide(above, self.deviation, out=np.zeros(len(above)), where=self.deviation > 0)

    @property
    def silent(self) -> NDArray[np.bool_]:
        """`(units,)`: whether a unit answers to no image: at most 0, and to all of its strongest alike."""
        shown = np.where(self.images == NOBODY, self.scores[:, :1], self.scores)
        return (shown[:, 0] <= 0) & (shown == shown[:, :1]).all(axis=1)


@dataclass(frozen=True, eq=False)
class TopPatches:
    """What a pass over a data set found.

    Attributes:
        layers: By path, in the order of the network.
        ids: Of the images that are among the strongest of a unit, by their number in the stream.
        count: Images seen.
        skipped: Those of them that held NaN or infinity, or made every unit of a layer answer so.
        size: Height and width of the images.
    """

    layers: dict[str, LayerPatches]
    ids: dict[int, Any]
    count: int
    skipped: int
    size: tuple[int, int]


def layers_to_see(model: keras.Model | Tapped) -> list[str]:
    """The layers whose units are worth a look: features after their activation, and the logits; no copies of others."""
    return [node.path for node in _worthwhile(tap(model))]


def top_patches(
    model: keras.Model | Tapped,
    batches: Iterable[tuple[Any, Sequence[Any]]],
    *,
    layers: Sequence[str] | None = None,
    k: int = 9,
    batch_size: int = 64,
) -> TopPatches:
    """Finds the k images that each unit of each layer answers to most, in one pass and in bounded memory.

    Args:
        model: A classifier of images, or what `tap` made of it.
        batches: Pairs of images, `(b, height, width, channels)` as the model takes them, and their b ids.
        layers: Their names; by default those of `layers_to_see`.
        k: Images for each unit.
        batch_size: Images computed at once, whatever the size of a batch.

    Raises:
        ExplainError: If there is no image, no such layer, or images do not fit the model.

    Reference:
        Zeiler and Fergus, 2014, "Visualizing and understanding convolutional networks", arXiv:1311.2901.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ExplainError(f"k must be a whole number of at least 1. Received: k={k}.")
    tapped = tap(model)
    nodes = _nodes(tapped, layers)
    best = [_Best(k) for _ in nodes]
    ids: list[Any] = []
    skipped, size = 0, (0, 0)
    for request, names in _checked(tapped, batches, batch_size):
        size = request.size
        for number, batch in enumerate(request):
            answers, usable = _answers(tapped, nodes, batch)
            for one, (scores, places) in zip(best, answers, strict=True):
                one.add(scores, places, len(ids))
            skipped += int((~usable).sum())
            ids.extend(names[number * batch_size : (number + 1) * batch_size])
    if not ids:
        raise ExplainError("batches must hold at least one image. Received: none. An iterator serves one pass only.")
    found = {node.path: one.finish(node.path) for node, one in zip(nodes, best, strict=True)}
    winners = np.unique(np.concatenate([one.images.ravel() for one in found.values()]))
    return TopPatches(found, {int(n): ids[n] for n in winners if n != NOBODY}, len(ids), skipped, size)


class _Best:
    """The strongest images of each unit of a layer so far."""

    def __init__(self, k: int):
        self.k = k
        self.scores = np.zeros((0, k), np.float32)
        self.images = np.zeros((0, k), np.int64)
        self.places = np.zeros((0, k, 2), np.int32)
        self.sums = np.zeros((3, 0))  # images, answers and their squares

    def add(self, scores: NDArray[np.float32], places: NDArray[np.int32], start: int) -> None:
        """Takes in `(b, units)` scores and `(b, units, 2)` places of the images from number `start` on."""
        units = scores.shape[1]
        if not len(self.scores):
            self.scores = np.full((units, self.k), -np.inf, np.float32)
            self.images = np.full((units, self.k), NOBODY, np.int64)
            self.places = np.zeros((units, self.k, 2), np.int32)
            self.sums = np.zeros((3, units))
        answers = scores[scores[:, 0] > -np.inf].astype(np.float64)
        self.sums += [np.full(units, len(answers)), answers.sum(axis=0), np.square(answers).sum(axis=0)]
        better = np.flatnonzero(scores.max(axis=0) > self.scores[:, -1])  # an equal one comes later, so it loses
        together = np.concatenate([self.scores[better], scores.T[better]], axis=1)
        order = np.argsort(-together, axis=1, kind="stable")[:, : self.k]
        numbers = np.broadcast_to(np.arange(start, start + len(scores)), (len(better), len(scores)))
        images = np.concatenate([self.images[better], numbers], axis=1)
        where = np.concatenate([self.places[better], places.transpose(1, 0, 2)[better]], axis=1)
        self.scores[better] = np.take_along_axis(together, order, axis=1)
        self.images[better] = np.take_along_axis(images, order, axis=1)
        self.places[better] = np.take_along_axis(where, order[..., None], axis=1)
        self.images[self.scores == -np.inf] = NOBODY

    def finish(self, layer: str) -> LayerPatches:
        count, total, squares = self.sums
        mean = total / np.maximum(count, 1)
        deviation = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0))
        places = self.places[..., 0], self.places[..., 1]
        return LayerPatches(layer, self.scores, self.images, *places, mean, deviation)


def uncapped(features: tf.Tensor) -> tf.Tensor:
    """A ReLU6's output without its upper bound, where all strong answers would be 6; in a graph."""
    return tf.nn.relu(features.op.inputs[0]) if features.op.type == "Relu6" else features


def strongest(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The largest answer of each unit and where it is; in a graph.

    Args:
        features: `(batch, height, width, units)` or `(batch, units)`.

    Returns:
        `(batch, units)` float32, of a ReLU6 without its upper bound; and `(batch, units, 2)` int32: row and column, of
        equals the first.
    """
    values = tf.cast(uncapped(features), tf.float32)
    if values.shape.rank == 2:
        return values, tf.zeros((*_dynamic(values), 2), tf.int32)
    batch, height, width, units = _dynamic(values)
    flat = tf.reshape(values, (batch, height * width, units))
    largest = tf.reduce_max(flat, axis=1)
    numbers = tf.range(height * width)[None, :, None]
    first = tf.reduce_min(tf.where(flat == largest[:, None], numbers, height * width - 1), axis=1)  # 9 times argmax
    return largest, tf.stack([first // width, first % width], axis=-1)


def _dynamic(tensor: tf.Tensor) -> list[Any]:
    """The sizes of a tensor, numbers where they are fixed."""
    sizes = tf.shape(tensor)
    return [sizes[axis] if size is None else size for axis, size in enumerate(tensor.shape)]


def _worthwhile(tapped: Tapped) -> list[Node]:
    """The nodes of `layers_to_see`."""
    seen = set(feature_maps(tapped.nodes))
    if not seen:
        raise ExplainError(f"{tapped.model.name} has no convolution, so no patches to show.")
    for node in tapped.nodes:
        if any(source in seen for source in node.inputs):
            seen.add(node)
    shown = [node for node in tapped.nodes if node in seen and len(node.shape) in (2, 4) and not _makes_scores(node)]
    consumers: dict[Node, list[Node]] = {node: [] for node in tapped.nodes}
    for node in shown:
        for source in node.inputs:
            consumers[source].append(node)
    return [node for node in shown if not isinstance(node.operation, _UNCHANGED) and not _is_stage(consumers[node])]


def _makes_scores(node: Node) -> bool:
    """Whether a node makes probabilities of the logits."""
    name = getattr(getattr(node.operation, "activation", None), "__name__", "")
    activation = isinstance(node.operation, keras.layers.Activation) and name in ("softmax", "sigmoid", "log_softmax")
    return isinstance(node.operation, keras.layers.Softmax) or (activation and len(node.shape) == 2)


def _is_stage(consumers: Sequence[Node]) -> bool:
    """Whether only a normalisation or an activation takes what a node gives."""
    stages = (keras.layers.BatchNormalization, *_ACTIVATIONS)
    return bool(consumers) and all(isinstance(node.operation, stages) for node in consumers)


def _nodes(tapped: Tapped, layers: Sequence[str] | None) -> list[Node]:
    """The nodes of layers by name."""
    if layers is None:
        return _worthwhile(tapped)
    if isinstance(layers, str) or not layers:
        raise ExplainError(f"layers must be a list of names, at least one. Received: layers={layers!r}.")
    nodes = [find_node(tapped.model.name, tapped.nodes, name) for name in dict.fromkeys(layers)]
    for node in nodes:
        if len(node.shape) not in (2, 4):
            raise ExplainError(f"Layer {node.path!r} gives {node.shape}, neither a feature map nor a row of units.")
    return nodes


def _checked(
    tapped: Tapped, batches: Iterable[tuple[Any, Sequence[Any]]], batch_size: int
) -> Iterator[tuple[Request, Sequence[Any]]]:
    """The batches of a stream, each checked against the model and the first."""
    first: tuple[int, int] | None = None
    for images, names in batches:
        request = make_request(images, None, tapped.input_shape, tapped.num_logits, batch_size)
        if len(names) != len(request.images):
            raise ExplainError(f"every image needs an id. Received: {len(request.images)} images, {len(names)} ids.")
        first = first or request.size
        if request.size != first:
            raise ExplainError(f"all images must have one size. Received: {first} and then {request.size}.")
        yield request, names


def _answers(
    tapped: Tapped, nodes: Sequence[Node], batch: Batch
) -> tuple[list[tuple[NDArray[np.float32], NDArray[np.int32]]], NDArray[np.bool_]]:
    """Scores and places of each layer, and which images could be used; the others answer -infinity."""

    def step(images: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        return [strongest(features) for features in tapped.read(images, *nodes)[0]]

    function = tapped.function(("strongest", *(node.path for node in nodes)), step)
    found = [(scores.numpy(), places.numpy()) for scores, places in function(batch.images)]
    usable = batch.finite.copy()
    for scores, _ in found:
        usable &= np.isfinite(scores).all(axis=1)
    return [(np.where(usable[:, None], scores, -np.inf).astype(np.float32), places) for scores, places in found], usable
