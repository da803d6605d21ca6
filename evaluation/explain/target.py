"""What is explained: the logit of a class, read before the softmax or sigmoid wherever that stands.

These functions work on the tensors of a traced graph, so a softmax inside a Dense layer is no obstacle, and no model is
changed.
"""

from __future__ import annotations

import tensorflow as tf

from evaluation.explain.errors import ExplainError

PASSING = ("Identity", "Cast", "Reshape", "Squeeze")
PROBABILITIES = ("Softmax", "Sigmoid", "LogSoftmax")
LINEAR = (
    *("BiasAdd", "Add", "AddV2", "Sub", "Mul", "MatMul", "BatchMatMulV2", "Einsum", "Conv2D"),
    *("Mean", "Sum", "Max", "ConcatV2", "Placeholder"),
)


def logits_of(outputs: tf.Tensor, *, model_name: str, explicit: bool = False) -> tf.Tensor:
    """The numbers that a classifier's probabilities are made from.

    Args:
        outputs: A model's output, or that of the layer that was named, in a graph.
        model_name: For the message.
        explicit: Whether the layer was named by the user: then a function other than softmax and sigmoid is kept.

    Returns:
        `(batch, K)` float32.

    Raises:
        ExplainError: If the output is neither a probability nor linear in the last features.
    """
    tensor = outputs
    while tensor.op.type in PASSING and tensor.dtype.is_floating:
        tensor = tensor.op.inputs[0]
    if tensor.op.type in PROBABILITIES:
        tensor = tensor.op.inputs[0]
    elif explicit:
        tensor = outputs
    elif tensor.op.type not in LINEAR:
        raise ExplainError(
            f"{model_name} ends in {tensor.op.type}, and what its logits are cannot be told from that. Name the layer "
            "whose output is to be explained: tap(model, target_layer='…')."
        )
    if not tensor.dtype.is_floating:
        raise ExplainError(f"{model_name} ends in whole numbers, which have no gradient: tap(model, target_layer='…').")
    if any(size != 1 for size in tensor.shape[1:-1]):
        raise ExplainError(f"The logits must have shape (batch, K), one row an image. Received: {tensor.shape}.")
    return tf.cast(tf.reshape(tensor, (-1, tensor.shape[-1])), tf.float32)


def choose(logits: tf.Tensor, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The class that is explained, and its logit.

    Args:
        logits: `(batch, K)`; with K = 1 the logit of class 1, whose negative is that of class 0.
        wanted: `(batch,)` int32; -1 for the predicted class.

    Returns:
        Classes, `(batch,)` int32, and logits, `(batch,)`.
    """
    single = logits.shape[-1] == 1
    predicted = tf.cast(logits[:, 0] > 0, tf.int32) if single else tf.argmax(logits, axis=1, output_type=tf.int32)
    chosen = tf.where(wanted < 0, predicted, wanted)
    if single:
        return chosen, logits[:, 0] * sign_of(chosen)
    return chosen, tf.gather(logits, chosen, batch_dims=1)


def sign_of(chosen: tf.Tensor) -> tf.Tensor:
    """+1 for class 1 and -1 for class 0 of a model with one logit."""
    return tf.where(chosen == 1, 1.0, -1.0)
