"""Receptive fields: exactly which pixels a unit of any layer can see, for chains and branching graphs alike.

Every layer is followed place by place, so that paddings, borders and strides that leave pixels out need no formula. For
a chain of layers the boxes are those of j' = j·s, r' = r + (k - 1)·j, start' = start + ((k - 1)/2 - p)·j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluation.explain.graph import Node
from evaluation.explain.steps import Steps, steps_of

Span = NDArray[np.int64]
_FAR = np.iinfo(np.int64).max


class Box(NamedTuple):
    """Pixels from `top` to before `bottom` and from `left` to before `right`."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, eq=False)
class Field:
    """Which pixels the units of one layer can see.

    Attributes:
        rows: `(h, 2)`: for each row of the feature map the first row of pixels and the one after the last; `(1, 2)` for
            a layer without places, such as a dense one.
        columns: `(w, 2)`: the same for columns.
        exact: False where a layer on the way is not known, and was taken to mix the whole image: then the units see no
            pixel outside, but perhaps not all inside.
    """

    rows: Span
    columns: Span
    exact: bool = True

    def box(self, row: int = 0, column: int = 0) -> Box:
        """The pixels that a unit can see; clipped at the borders, and empty where it sees padding only."""
        (top, bottom), (left, right) = _place(self.rows, row), _place(self.columns, column)
        return Box(top, left, bottom, right) if bottom > top and right > left else Box(0, 0, 0, 0)

    def frame(self, row: int = 0, column: int = 0) -> Box:
        """The box as large as that of any unit of the layer: it sticks out of the image where `box` is clipped."""
        (top, bottom), (left, right) = _frame(self.rows, row), _frame(self.columns, column)
        return Box(top, left, bottom, right)


def receptive_fields(nodes: Sequence[Node], size: tuple[int, int]) -> dict[Node, Field]:
    """The receptive fields of all layers.

    Args:
        nodes: Of `evaluation.explain.graph.flat_graph`, or `Tapped.nodes`.
        size: Height and width of the images, pixels.

    Returns:
        A field for each node, at the size that its feature map has for such images.

    Reference:
        Araujo et al., 2019, "Computing receptive fields of convolutional neural networks", Distill.
    """
    rows, columns = (np.arange(count)[:, None] + np.array([0, 1]) for count in size)
    fields = {nodes[0]: Field(rows, columns)}
    for node in nodes[1:]:
        fields[node] = _field(node, [fields[source] for source in node.inputs])
    return fields


def crop(image: NDArray[Any], box: Box, *, fill: float = 128) -> NDArray[Any]:
    """A part of an image; what lies outside the image is filled.

    Args:
        image: `(height, width, channels)`.
        box: May stick out of the image.
        fill: Value outside: mid-grey of pixels in 0…255.

    Returns:
        `(bottom - top, right - left, channels)`, of the image's type.
    """
    height, width = image.shape[:2]
    part = np.full((box.bottom - box.top, box.right - box.left, image.shape[2]), fill, image.dtype)
    top, left, bottom, right = max(box.top, 0), max(box.left, 0), min(box.bottom, height), min(box.right, width)
    if bottom > top and right > left:
        part[top - box.top : bottom - box.top, left - box.left : right - box.left] = image[top:bottom, left:right]
    return part


def _field(node: Node, before: Sequence[Field]) -> Field:
    """The field of a layer's units, from those of its inputs."""
    steps = steps_of(node)
    if steps is None:
        rows = _whole([field.rows for field in before], _count(node, 0))
        return Field(rows, _whole([field.columns for field in before], _count(node, 1)), exact=False)
    rows = _union([_follow(field.rows, steps[0]) for field in before])
    columns = _union([_follow(field.columns, steps[1]) for field in before])
    return Field(rows, columns, all(field.exact for field in before))


def _follow(span: Span, steps: Steps) -> Span:
    """What places of an output see, from what the places of the input see."""
    places = steps(len(span))
    valid = (places >= 0) & (places < len(span))
    known = span[np.clip(places, 0, len(span) - 1)]
    first = np.where(valid, known[..., 0], _FAR).min(axis=1)
    return np.stack([first, np.where(valid, known[..., 1], 0).max(axis=1)], axis=1)


def _union(spans: Sequence[Span]) -> Span:
    """The boxes around those of several inputs; an input with one place goes with every place of the others."""
    count = max(len(span) for span in spans)
    wide = np.stack([np.broadcast_to(span, (count, 2)) if len(span) == 1 else span for span in spans])
    return np.stack([wide[..., 0].min(axis=0), wide[..., 1].max(axis=0)], axis=1)


def _whole(spans: Sequence[Span], count: int) -> Span:
    """Every place sees what all places of the inputs see together."""
    every = np.concatenate(spans)
    return np.broadcast_to([every[:, 0].min(), every[:, 1].max()], (count, 2)).astype(np.int64)


def _count(node: Node, axis: int) -> int:
    """Places of a node along rows (0) or columns (1); 1 where it has none, or its size is not fixed."""
    return int(node.shape[1 + axis] or 1) if len(node.shape) == 4 else 1


def _place(span: Span, index: int) -> tuple[int, int]:
    """First pixel and the one after the last."""
    first, after = span[min(index, len(span) - 1)]
    return int(first), int(after)


def _frame(span: Span, index: int) -> tuple[int, int]:
    """The same, as long as that of the place that sees most."""
    seen = span[span[:, 1] > span[:, 0]]
    length = int((seen[:, 1] - seen[:, 0]).max()) if len(seen) else 0
    first, after = _place(span, index)
    if after <= first:
        return 0, length
    start = after - length if first == 0 else first
    return start, start + length
