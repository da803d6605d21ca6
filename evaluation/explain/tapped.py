"""A model read at one layer: its feature map and its logits for each batch, from one traced graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import keras
import tensorflow as tf

from evaluation.explain.errors import ExplainError
from evaluation.explain.float32 import in_float32
from evaluation.explain.graph import CONVOLUTIONS, Node, default_layer, find_node, flat_graph, walk
from evaluation.explain.target import logits_of

Step = Callable[..., Any]


class Tapped:
    """A model whose feature maps, logits and gradients can be read. The model is not changed.

    Every graph is traced once and kept, so one `Tapped` serves many calls; weights are read when it is called.

    Attributes:
        model: The model, or its float32 copy.
        nodes: Its operations, `evaluation.explain.graph.flat_graph`.
        layer: The node that was named to be tapped, or None.
        target: The node whose logits are explained.
        num_logits: K; 1 for a model with one logit.
        input_shape: `(height, width, channels)` of the images, None where any size is taken.
        traces: How often a graph was traced.
    """

    def __init__(self, model: keras.Model, layer: str | None = None, *, target_layer: str | None = None):
        self.nodes = flat_graph(model)
        self.model = in_float32(model)
        if self.model is not model:
            self.nodes = flat_graph(self.model)
        self.input_shape = _image_shape(model)
        _check_channels_last(model.name, self.nodes)
        self.target = self.nodes[-1] if target_layer is None else find_node(model.name, self.nodes, target_layer)
        self.num_logits = _num_logits(model.name, self.target)
        self._explicit = target_layer is not None
        self.layer = None if layer is None else find_node(model.name, self.nodes, layer, rank=4)
        self._functions: dict[Any, Any] = {}

    def find(self, layer: str | None = None) -> Node:
        """The node of a layer with a feature map; the one tapped, or the last feature map, by default.

        Raises:
            ExplainError: If there is no such layer, or it has no feature map.
        """
        if layer is not None:
            return find_node(self.model.name, self.nodes, layer, rank=4)
        return self.layer or default_layer(self.model.name, self.nodes)

    def read(self, images: tf.Tensor, *nodes: Node) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Computes feature maps and logits; to be called while a function is traced.

        Args:
            images: `(batch, height, width, channels)` float32.
            *nodes: Where to read.

        Returns:
            The output of each node, and the logits, `(batch, K)` float32.
        """
        wanted = {node.path for node in nodes} | {self.target.path}
        seen: dict[str, tf.Tensor] = {}

        def visit(path: str, operation: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
            if isinstance(operation, keras.Layer) and "training" in signature(operation.call).parameters:
                keywords = {**keywords, "training": False}  # augmentation layers take True by default
            outputs = operation(*arguments, **keywords)
            if path in wanted:
                seen[path] = keras.tree.flatten(outputs)[0]
            return outputs

        walk(self.model, images, visit)
        logits = logits_of(seen[self.target.path], model_name=self.model.name, explicit=self._explicit)
        return [seen[node.path] for node in nodes], logits

    def function(self, key: Any, step: Step, *others: tf.TensorSpec) -> Step:
        """The traced function of a step, made at the first call and kept under its key.

        Args:
            key: Tells the step from the others of this model.
            step: Takes images, then one tensor for each of `others`.
            *others: What else the step takes.
        """
        if key not in self._functions:
            images = tf.TensorSpec((None, *self.input_shape), tf.float32)
            own = partial(step)  # TensorFlow takes steps of one definition for one function, and warns of retracing
            self._functions[key] = tf.function(own, input_signature=[images, *others], autograph=False)
        return self._functions[key]

    @property
    def traces(self) -> int:
        return sum(function.experimental_get_tracing_count() for function in self._functions.values())


def tap(model: keras.Model | Tapped, layer: str | None = None, *, target_layer: str | None = None) -> Tapped:
    """Prepares a model for all the functions of `evaluation.explain`, which also take it in place of a model.

    Args:
        model: A Sequential, functional or nested classifier of images, in any state of training or compilation. One
            that computes in bfloat16 or float16 is copied to float32, with the weights of now. A `Tapped` is
            returned as it is, unless another layer or target is named.
        layer: Name of the layer whose feature map is looked at; the last feature map by default.
        target_layer: Name of the layer with the logits; by default they are what the last softmax or sigmoid takes, or
            the output itself where it is linear.

    Returns:
        The model, read at that layer.

    Raises:
        ExplainError: If the model has no graph, not one input of images, or no such layer.

    Example:
        >>> tapped = tap(model)
        >>> maps = grad_cam(tapped, images)
        >>> others = saliency(tapped, images)
    """
    if isinstance(model, Tapped):
        if layer is None and target_layer is None:
            return model
        return Tapped(model.model, layer, target_layer=target_layer)
    return Tapped(model, layer, target_layer=target_layer)


def _image_shape(model: keras.Model) -> tuple[int | None, ...]:
    """Height, width and channels that a model takes."""
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4:
        raise ExplainError(f"{model.name} must take images (batch, height, width, channels). Received: {shape}.")
    return shape[1:]


def _num_logits(model_name: str, target: Node) -> int:
    """The size of the last axis of what is explained."""
    if len(target.shape) < 2 or target.shape[-1] is None:
        raise ExplainError(
            f"{model_name} must give one row of logits an image. Received: {target.shape}. Name the layer whose output "
            "is to be explained: tap(model, target_layer='…')."
        )
    return int(target.shape[-1])


def _check_channels_last(model_name: str, nodes: tuple[Node, ...]) -> None:
    """Refuses convolutions whose channels come first: rows and columns of a map would be mistaken."""
    for node in nodes:
        if isinstance(node.operation, CONVOLUTIONS) and node.operation.data_format == "channels_first":
            raise ExplainError(f"Layer {node.path!r} of {model_name} is channels_first. Build it channels_last.")
