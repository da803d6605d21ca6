"""How a gradient passes a ReLU: plainly, guided, or as in a deconvolution network.

The rule is set for the ReLU operations of the graph that is being traced, so that it holds for `activation="relu"`, for
ReLU layers and inside nested models alike, and no layer is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import tensorflow as tf

from evaluation.explain.errors import ExplainError

Rule = Literal["plain", "guided", "deconvnet"]
RECTIFIERS = ("Relu", "Relu6")
_NAMES = {"guided": "GroundworkGuided", "deconvnet": "GroundworkDeconvnet"}


@contextmanager
def relu_rule(rule: Rule) -> Iterator[None]:
    """ReLUs that are traced inside pass gradients by a rule.

    Args:
        rule: `plain`: the derivative. `guided`: nothing negative passes, and nothing where the ReLU was 0 (Springenberg
            2015, arXiv:1412.6806). `deconvnet`: nothing negative passes (Zeiler & Fergus 2014, arXiv:1311.2901).

    Raises:
        ExplainError: If there is no such rule, or no ReLU was traced inside, so that the rule would change nothing.
    """
    if rule == "plain":
        yield
        return
    if rule not in _NAMES:
        raise ExplainError(f"rule must be plain, guided or deconvnet. Received: {rule}.")
    _register()
    graph = tf.compat.v1.get_default_graph()
    before = len(graph.get_operations())
    with graph.gradient_override_map({name: _NAMES[rule] + name for name in RECTIFIERS}):
        yield
    if not any(operation.type in RECTIFIERS for operation in graph.get_operations()[before:]):
        raise ExplainError(f"The model has no ReLU, so its {rule} gradient is the plain one. Use saliency.")


def _register() -> None:
    """Makes the rules known to TensorFlow, once."""
    for name in RECTIFIERS:
        for rule in _NAMES.values():
            try:
                tf.RegisterGradient(rule + name)(_gradient(rule, name))
            except KeyError:  # known already
                return


def _gradient(rule: str, name: str) -> Any:
    """The gradient of a kind of ReLU under a rule."""

    def gradient(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
        positive = tf.nn.relu(upstream)
        if rule == _NAMES["deconvnet"]:
            return positive
        outputs = operation.outputs[0]
        open_ = (outputs > 0) & (outputs < 6) if name == "Relu6" else outputs > 0
        return tf.where(open_, positive, tf.zeros_like(positive))

    return gradient
