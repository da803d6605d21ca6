"""What a layer answers to images: its feature maps, and its features as a vector for each image."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from evaluation.embedding import Embedding, embed
from evaluation.explain.errors import ExplainError
from evaluation.explain.gradients import predict
from evaluation.explain.graph import Node, find_node
from evaluation.explain.request import make_request
from evaluation.explain.tapped import Tapped, tap

Features = NDArray[np.float32]


def activations(
    model: keras.Model | Tapped, images: Any, layer: str | None = None, *, batch_size: int = 32
) -> Features:
    """What the units of a layer answer to each image.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        layer: Its name; the last feature map by default.
        batch_size: Images computed at once.

    Returns:
        `(n, h, w, units)` or `(n, units)` float32; NaN for an image that holds NaN or infinity.

    Raises:
        ExplainError: If there is no such layer, or images do not fit.
    """
    return _read(tap(model), images, layer, batch_size, pooled=False)


def layer_features(
    model: keras.Model | Tapped, images: Any, layer: str | None = None, *, batch_size: int = 32
) -> Features:
    """The same as one vector for each image, `(n, units)`: the mean over the places of a feature map."""
    return _read(tap(model), images, layer, batch_size, pooled=True)


def embed_layer(
    model: keras.Model | Tapped,
    images: Any,
    y: Any,
    layer: str | None = None,
    *,
    seed: int = 0,
    limit: int = 2000,
    batch_size: int = 32,
) -> tuple[Embedding, NDArray[np.bool_]]:
    """Maps images to a plane by a layer's features (t-SNE), and says which of them the model gets wrong.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them; not those it was trained on, which look better
            than they are.
        y: `(n,)` true classes from 0.
        layer: Its name; the last feature map by default.
        seed: Of the map.
        limit: At most so many images are mapped.
        batch_size: Images computed at once.

    Returns:
        The map with its trustworthiness, and `(m,)`: whether each mapped image is predicted wrongly.

    Raises:
        ExplainError: If there is no such layer, or images do not fit.
        evaluation.embedding.EmbeddingError: If the features cannot be mapped.
    """
    tapped = tap(model)
    mapped = embed(layer_features(tapped, images, layer, batch_size=batch_size), np.asarray(y), seed=seed, limit=limit)
    shown = np.asarray(images)[mapped.kept]
    request = make_request(shown, None, tapped.input_shape, tapped.num_logits, batch_size)
    chosen = [predict(tapped, batch.images, batch.class_index)[0] for batch in request]
    return mapped, np.concatenate(chosen) != mapped.y


def _read(tapped: Tapped, images: Any, layer: str | None, batch_size: int, *, pooled: bool) -> Features:
    """A layer's output for every image, in batches."""
    node = _node(tapped, layer)
    request = make_request(images, None, tapped.input_shape, tapped.num_logits, batch_size)

    def step(batch: tf.Tensor) -> tf.Tensor:
        features = tf.cast(tapped.read(batch, node)[0][0], tf.float32)
        return tf.reduce_mean(features, axis=(1, 2)) if pooled and features.shape.rank == 4 else features

    function = tapped.function(("activations", node.path, pooled), step)
    parts = []
    for batch in request:
        features = function(batch.images).numpy()
        features[~batch.finite] = np.nan
        parts.append(features)
    return np.concatenate(parts)


def _node(tapped: Tapped, layer: str | None) -> Node:
    """The node of a layer with feature maps or a row of units."""
    if layer is None:
        return tapped.find()
    node = find_node(tapped.model.name, tapped.nodes, layer)
    if len(node.shape) not in (2, 4):
        raise ExplainError(f"Layer {node.path!r} gives {node.shape}, neither a feature map nor a row of units.")
    return node
