"""Whether a model ends in a global average and one dense layer, for which class activation maps are exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from evaluation.explain.errors import ExplainError
from evaluation.explain.graph import Node

PROBABILITIES = ("softmax", "sigmoid", "log_softmax")


@dataclass(frozen=True)
class AverageHead:
    """The end of such a model.

    Attributes:
        averaged: The node whose mean over all places is taken.
        dense: The layer with the weights of each class: Dense, or a 1×1 convolution.
        same: Paths of the layers with the same output as `averaged`.
    """

    averaged: Node
    dense: Any
    same: tuple[str, ...]


def average_head(model_name: str, output: Node) -> AverageHead:
    """Reads a model's last layers.

    Args:
        model_name: For the message.
        output: The node that is explained.

    Raises:
        ExplainError: If the logits are not one dense layer on a global average.
    """
    last = _skip(output, probabilities=True)
    dense = last[-1]
    done = any(not _passes(node.operation, probabilities=False) for node in last[:-1])  # softmax, sigmoid
    pooling = _skip(dense.inputs[0])[-1] if _is_dense(dense.operation, linear=done) else None
    if pooling is None or not isinstance(pooling.operation, keras.layers.GlobalAveragePooling2D):
        raise ExplainError(
            f"{model_name} does not end in GlobalAveragePooling2D and one Dense layer, so it has no exact class "
            "activation map. Use grad_cam, which needs neither."
        )
    chain = _skip(pooling.inputs[0])
    return AverageHead(chain[0], dense.operation, tuple(node.path for node in chain))


def _skip(node: Node, *, probabilities: bool = False) -> list[Node]:
    """A node and those before it, back through layers that change nothing in inference."""
    chain = [node]
    while chain[-1].inputs and _passes(chain[-1].operation, probabilities=probabilities):
        chain.append(chain[-1].inputs[0])
    return chain


def _passes(operation: Any, *, probabilities: bool) -> bool:
    """Whether a layer only hands on its input in inference, or, for the output, makes probabilities of it."""
    if isinstance(operation, (keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.Identity)):
        return True
    if isinstance(operation, (keras.layers.Flatten, keras.layers.Reshape)):
        return len([size for size in operation.output.shape[1:] if size != 1]) == 1
    if isinstance(operation, keras.layers.Softmax):
        return probabilities
    names = ("linear", *(PROBABILITIES if probabilities else ()))
    return isinstance(operation, keras.layers.Activation) and _activation(operation) in names


def _is_dense(operation: Any, *, linear: bool) -> bool:
    """Whether a layer weighs channels for classes, Dense or a 1×1 convolution: `linear`, or with probabilities."""
    if isinstance(operation, keras.layers.Conv2D):
        plain = operation.kernel_size == (1, 1) and operation.groups == 1
    else:
        plain = isinstance(operation, keras.layers.Dense)
    return plain and _activation(operation) in (("linear",) if linear else ("linear", *PROBABILITIES))


def _activation(operation: Any) -> str:
    """The name of a layer's activation."""
    return getattr(operation.activation, "__name__", "")
