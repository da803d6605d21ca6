"""Class activation maps: which places of a feature map speak for a class (CAM, Grad-CAM, Grad-CAM++, LayerCAM)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from evaluation.explain.errors import ExplainError
from evaluation.explain.explanation import Explanation, clean
from evaluation.explain.graph import Node
from evaluation.explain.head import average_head
from evaluation.explain.request import Request
from evaluation.explain.tapped import Step, Tapped
from evaluation.explain.target import choose, sign_of
from evaluation.explain.upsample import upsample

Combine = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
CLASSES = tf.TensorSpec((None,), tf.int32)


def weighted_by_mean(activations: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Grad-CAM: every channel weighs as much as the mean of its gradient (Selvaraju 2017, equations 1 and 2)."""
    return tf.einsum("nhwc,nc->nhw", activations, tf.reduce_mean(gradients, (1, 2)))


def weighted_by_shares(activations: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Grad-CAM++: positive gradients weigh by the share of each place (Chattopadhay 2018, equation 19).

    The derivatives are those of exp(logit); its own factor, exp(logit), is left out: it scales the whole map of an
    image, and overflows.
    """
    squares = gradients**2
    divisors = 2 * squares + tf.reduce_sum(activations, (1, 2), keepdims=True) * gradients**3
    shares = tf.math.divide_no_nan(squares, divisors)
    return tf.einsum("nhwc,nc->nhw", activations, tf.reduce_sum(shares * tf.nn.relu(gradients), (1, 2)))


def weighted_by_place(activations: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """LayerCAM: every place of every channel weighs as much as its positive gradient (Jiang 2021, equation 4)."""
    return tf.einsum("nhwc,nhwc->nhw", activations, tf.nn.relu(gradients))


COMBINATIONS: dict[str, Combine] = {
    "grad_cam": weighted_by_mean,
    "grad_cam_plus_plus": weighted_by_shares,
    "layer_cam": weighted_by_place,
}


def explain_by_gradient(tapped: Tapped, request: Request, method: str, layer: str | None = None) -> Explanation:
    """Maps whose channels weigh by the gradient of the class's logit.

    Args:
        tapped: The model.
        request: Images and classes.
        method: A key of `COMBINATIONS`.
        layer: Name of the layer; the one tapped, or the last feature map, by default.
    """
    node = tapped.find(layer)
    step = _gradient_step(tapped, node, COMBINATIONS[method])
    return _explanation(method, tapped.function((method, node.path), step, CLASSES), request, signed=False)


def explain_by_weights(tapped: Tapped, request: Request, layer: str | None = None) -> Explanation:
    """Maps whose channels weigh by the weights of the dense layer after a global average: exact.

    Args:
        tapped: A model that ends in an average over all places and one dense layer.
        request: Images and classes.
        layer: Name of the layer that is averaged; that is also the default.

    Raises:
        ExplainError: If the model ends otherwise, or another layer is named.
    """
    head = average_head(tapped.model.name, tapped.target)
    named = tapped.layer if layer is None else tapped.find(layer)
    if named is not None and named.path not in head.same:
        raise ExplainError(
            f"Class activation maps are exact only for the layer that is averaged, {head.averaged.path!r}. Received: "
            f"layer={named.path!r}. Leave it out, or use grad_cam."
        )

    def step(images: tf.Tensor, wanted: tf.Tensor) -> tuple[tf.Tensor, ...]:
        (activations,), logits = tapped.read(images, head.averaged)
        chosen, _ = choose(logits, wanted)
        weights = tf.reshape(tf.convert_to_tensor(head.dense.kernel), (-1, tapped.num_logits))
        if tapped.num_logits == 1:
            columns = sign_of(chosen)[:, None] * weights[:, 0]
        else:
            columns = tf.gather(tf.transpose(weights), chosen)
        return tf.einsum("nhwc,nc->nhw", activations, columns), chosen, logits

    return _explanation("class_activation_map", tapped.function("cam", step, CLASSES), request, signed=True)


def _gradient_step(tapped: Tapped, node: Node, combine: Combine) -> Step:
    """Images to maps: the gradient goes from the logit down to the layer and no further."""

    def step(images: tf.Tensor, wanted: tf.Tensor) -> tuple[tf.Tensor, ...]:
        (activations,), logits = tapped.read(images, node)
        chosen, score = choose(logits, wanted)
        (gradients,) = tf.gradients(score, activations)
        if gradients is None:
            raise ExplainError(f"The logits of {tapped.model.name} do not depend on layer {node.path!r}.")
        return combine(tf.cast(activations, tf.float32), tf.cast(gradients, tf.float32)), chosen, logits

    return step


def _explanation(method: str, function: Step, request: Request, *, signed: bool) -> Explanation:
    """Runs a step on every batch and brings its maps to the size of the images."""
    outputs, finite = [], []
    for batch in request:
        outputs.append([output.numpy() for output in function(batch.images, batch.class_index)])
        finite.append(batch.finite)
    low, chosen, logits = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    usable = np.concatenate(finite)
    kept, flags = clean(low if signed else np.maximum(low, 0), usable, signed=signed)
    return Explanation(
        method=method,
        maps=upsample(kept, *request.size),
        flags=flags,
        class_index=chosen,
        logits=logits,
        low_resolution=clean(low, usable, signed=True)[0],
    )
