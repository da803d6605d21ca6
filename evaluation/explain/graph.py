"""A model as a flat list of operations, whether it is Sequential, functional or nests other models.

Nothing is built, cloned or renamed: values are passed through the graph that Keras keeps.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from evaluation.explain.errors import ExplainError

Visit = Callable[[str, Any, tuple[Any, ...], dict[str, Any]], Any]
CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


@dataclass(frozen=True, eq=False)
class Node:
    """One operation of a flat graph.

    Attributes:
        path: Name of the layer, after the names of the models that it is nested in: `conv1`, `backbone/conv1`.
        operation: The layer, or an operation such as `x + y`; None for the images.
        inputs: The nodes whose outputs it takes.
        shape: Of its (first) output as it was built, with None for what varies, the batch among it.
    """

    path: str
    operation: Any
    inputs: tuple[Node, ...]
    shape: tuple[int | None, ...]


def walk(model: keras.Model, value: Any, visit: Visit, prefix: str = "") -> Any:
    """Passes a value from a model's input to its output, through every operation, nested models included.

    Args:
        model: A Sequential or functional model.
        value: What stands for the images: a tensor, a `Node`, a receptive field, ….
        visit: Called as `visit(path, operation, arguments, keywords)` in the order of computation, with what it
            returned before in place of the tensors; returns what stands for the operation's output (a list for
            several).
        prefix: Put before every path.

    Returns:
        What stands for the model's output; a list for several.
    """

    def reach(operation: Any) -> Callable[..., Any]:
        path = prefix + operation.name
        if has_graph(operation):
            return lambda *arguments, **_: walk(operation, arguments[0], visit, f"{path}/")
        return lambda *arguments, **keywords: visit(path, operation, arguments, keywords)

    graph = model
    if isinstance(model, keras.Sequential):  # with a name given, for Keras would count up its automatic names
        graph = keras.Model(model.inputs, model.outputs, name=model.name)
    outputs = keras.tree.flatten(graph._run_through_graph(value, operation_fn=reach))
    return outputs[0] if len(outputs) == 1 else outputs


def has_graph(operation: Any) -> bool:
    """Whether an operation is a Sequential or functional model that was built: its inner layers can be seen."""
    if isinstance(operation, keras.Sequential):
        return operation.built and bool(operation.layers)
    return isinstance(operation, keras.Model) and hasattr(operation, "_run_through_graph")


def flat_graph(model: keras.Model) -> tuple[Node, ...]:
    """Lists a model's operations in the order of computation; the last one is the output.

    Args:
        model: A Sequential or functional model with one input and one output.

    Returns:
        The nodes. The first is the images, with path `""`.

    Raises:
        ExplainError: If the model has no graph, or not one input and one output.
    """
    _check_graph(model)
    nodes = [Node("", None, (), tuple(model.inputs[0].shape))]

    def visit(path: str, operation: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        inputs = tuple(value for value in keras.tree.flatten((arguments, keywords)) if isinstance(value, Node))
        outputs = keras.tree.flatten(operation.output)
        nodes.append(Node(path, operation, inputs, tuple(outputs[0].shape)))
        return nodes[-1:] * len(outputs)

    final = walk(model, nodes[0], visit)
    nodes.append(nodes.pop(nodes.index(final)))
    return tuple(nodes)


def _check_graph(model: Any) -> None:
    """Refuses what is no model with a graph from one input to one output."""
    if not isinstance(model, keras.Model):
        raise ExplainError(f"model must be a keras.Model. Received: {type(model).__name__}.")
    if not has_graph(model):
        raise ExplainError(
            f"{model.name} has no graph to look into: it is a subclassed model, or a Sequential one that was never "
            "built. Build it with the functional API, or start the Sequential model with keras.Input."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ExplainError(
            f"{model.name} must have one input and one output. Received: {len(model.inputs)} inputs and "
            f"{len(model.outputs)} outputs. Pass keras.Model(inputs, one_output)."
        )


def feature_maps(nodes: Sequence[Node]) -> list[Node]:
    """The nodes with feature maps, `(batch, height, width, channels)`, from the first convolution on."""
    seen: set[Node] = set()
    for node in nodes:
        if _convolves(node.operation) or any(source in seen for source in node.inputs):
            seen.add(node)
    return [node for node in nodes if node in seen and len(node.shape) == 4]


def default_layer(model_name: str, nodes: Sequence[Node]) -> Node:
    """The last feature map: of a residual network that after the addition, not the last convolution.

    A map of one position (an average that keeps its axes) is passed over where there is a larger one.

    Raises:
        ExplainError: If the model has no convolution.
    """
    maps = feature_maps(nodes)
    if not maps:
        raise ExplainError(
            f"{model_name} has no convolution, so no feature map to draw. Use a method that needs none: saliency, "
            "integrated_gradients, smooth_grad, gradient_times_input or occlusion."
        )
    large = [node for node in maps if node.shape[1:3] != (1, 1)]
    return (large or maps)[-1]


def find_node(model_name: str, nodes: Sequence[Node], name: str, *, rank: int | None = None) -> Node:
    """The node of a layer.

    Args:
        model_name: For the message.
        nodes: Of `flat_graph`.
        name: The layer's name, or its whole path where several nested models have a layer of that name.
        rank: Number of axes that its output must have, with the batch; None for any.

    Returns:
        The last node of that layer, should the model use it several times.

    Raises:
        ExplainError: If there is no such layer, several are called so, or its output has another rank.
    """
    layers = [node for node in nodes if node.path]
    found = [node for node in layers if node.path == name]
    found = found or [node for node in layers if node.path.rsplit("/", 1)[-1] == name]
    if not found:
        raise ExplainError(_unknown(model_name, layers, name))
    paths = sorted({node.path for node in found})
    if len(paths) > 1:
        raise ExplainError(f"{model_name} has several layers named {name!r}. Say which: {', '.join(paths)}.")
    if rank is not None and len(found[-1].shape) != rank:
        raise ExplainError(
            f"Layer {name!r} of {model_name} gives {found[-1].shape}, not a feature map (batch, height, width, "
            f"channels). Layers that do: {', '.join(node.path for node in feature_maps(nodes)) or 'none'}."
        )
    return found[-1]


def _unknown(model_name: str, nodes: Sequence[Node], name: Any) -> str:
    """The message about a layer that does not exist."""
    paths = [node.path for node in nodes]
    closest = difflib.get_close_matches(str(name), paths, n=1)
    guess = f" Did you mean {closest[0]!r}?" if closest else ""
    return f"{model_name} has no layer {name!r}.{guess} It has {len(paths)}, from {paths[0]} to {paths[-1]}."


def _convolves(operation: Any) -> bool:
    """Whether an operation is a convolution, or a layer that contains one."""
    if isinstance(operation, CONVOLUTIONS):
        return True
    inner = operation._flatten_layers() if isinstance(operation, keras.Layer) else ()
    return any(isinstance(layer, CONVOLUTIONS) for layer in inner)
