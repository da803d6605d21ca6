"""What tf2onnx 1.17 lacks for the networks of this project: two operations, and constants that are tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

STATISTICS = ("mean", "variance")


@contextmanager
def constants_in_graph(model: keras.Model) -> Iterator[None]:
    """Keeps the statistics of Normalization layers within the graph that is traced meanwhile.

    Keras holds them as tensors of its own, which a trace only refers to; tf2onnx makes further inputs of those.
    """
    import keras

    from training.layers import innermost

    normalizations = [layer for layer in innermost(model) if isinstance(layer, keras.layers.Normalization)]
    held = [(layer, name, getattr(layer, name)) for layer in normalizations for name in STATISTICS]
    try:
        for layer, name, value in held:
            setattr(layer, name, np.asarray(value))
        yield
    finally:
        for layer, name, value in held:
            setattr(layer, name, value)


@cache
def teach_tf2onnx() -> None:
    """Adds them to tf2onnx's table of this process; a version that knows them keeps its own."""
    import tf2onnx.onnx_opset  # noqa: F401 — fills the table
    from tf2onnx.handler import tf_op

    known = {name for domain in tf_op.get_opsets().values() for version in domain for name in version}
    for name, handler in {"Erfc": _erfc, "Bucketize": _bucketize}.items():
        if name not in known:
            tf_op.register_handler(handler, 13, [name], "", {})


def _erfc(graph: Any, node: Any, **_: Any) -> None:
    """`1 − erf(x)`, of the exact GELU."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    one = graph.make_const(f"{node.name}_one", np.array(1, np.float32))
    erf = graph.make_node("Erf", [node.input[0]], op_name_scope=node.name)
    graph.make_node(
        "Sub", [one.output[0], erf.output[0]], name=node.name, outputs=node.output, shapes=shapes, dtypes=dtypes
    )


def _bucketize(graph: Any, node: Any, **_: Any) -> None:
    """How many boundaries are at most x, of the perceptron's step."""
    from onnx import TensorProto

    shapes, dtypes = node.output_shapes, node.output_dtypes
    boundaries = node.get_attr_value("boundaries")
    graph.remove_node(node.name)
    column = np.array(boundaries, np.float32)
    last = graph.make_const(f"{node.name}_last", np.array([-1], np.int64))
    bounds = graph.make_const(f"{node.name}_boundaries", column)
    wide = graph.make_node("Unsqueeze", [node.input[0], last.output[0]], op_name_scope=node.name)
    reached = graph.make_node("GreaterOrEqual", [wide.output[0], bounds.output[0]], op_name_scope=node.name)
    counted = graph.make_node("Cast", [reached.output[0]], attr={"to": TensorProto.INT32}, op_name_scope=node.name)
    graph.make_node(
        "ReduceSum", [counted.output[0], last.output[0]], attr={"keepdims": 0}, name=node.name, outputs=node.output,
        shapes=shapes, dtypes=dtypes,
    )  # fmt: skip
