"""Does an explanation depend on what the model has learned? Weights are drawn anew, and the maps must change."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from evaluation.explain.api import Model
from evaluation.explain.baselines import check_method, maps_by
from evaluation.explain.errors import ExplainError
from evaluation.explain.fidelity import mean_over_images
from evaluation.explain.float32 import copy_weights
from evaluation.explain.gradients import predict
from evaluation.explain.graph import Node
from evaluation.explain.likeness import rank_correlation, structural_similarity
from evaluation.explain.request import make_request
from evaluation.explain.tapped import Tapped, tap
from evaluation.uncertainty.intervals import Estimate


@dataclass(frozen=True)
class RandomisationSettings:
    """How weights are drawn anew.

    Attributes:
        mode: `cascading`: from the logits down, one layer after another; `independent`: each layer by itself.
        most_steps: Maps are made at most so often: of a deep network several layers make one step.
        seed: Of the weights.
        options: Of the method.
    """

    mode: Literal["cascading", "independent"] = "cascading"
    most_steps: int = 8
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses settings that draw nothing."""
        if self.mode not in ("cascading", "independent"):
            raise ExplainError(f"mode must be cascading or independent. Received: mode={self.mode}.")
        if isinstance(self.most_steps, bool) or not isinstance(self.most_steps, int) or self.most_steps < 1:
            raise ExplainError(f"most_steps must be at least 1. Received: most_steps={self.most_steps}.")


@dataclass(frozen=True)
class RandomisationCheck:
    """How alike the maps are before and after weights were drawn anew.

    Attributes:
        method: What made the maps.
        mode: `cascading` or `independent`.
        layers: `(s,)`: the lowest layer drawn anew at each step, from the logits down.
        correlation: `(s, n)`: Spearman's of the maps before and after; NaN where one of them is the same everywhere.
        similarity: `(s, n)`: their SSIM.
    """

    method: str
    mode: str
    layers: tuple[str, ...]
    correlation: NDArray[np.float64]
    similarity: NDArray[np.float64]

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """The mean correlation at each step with its bootstrap interval over the images."""
        return tuple(mean_over_images(row) for row in self.correlation)


def randomisation_check(
    model: Model,
    images: Any,
    method: str = "grad_cam",
    class_index: Any = None,
    *,
    settings: RandomisationSettings | None = None,
    batch_size: int = 32,
) -> RandomisationCheck:
    """Compares the maps of a model with those of copies whose weights are drawn anew.

    The method runs on the copy itself (with the gradients of the copy), for the class that was explained in the model.
    A correlation that stays high shows that the method draws the image rather than the model.

    Args:
        model: A classifier of images, or what `tap` made of it; not changed.
        images: `(n, height, width, channels)`, as the model takes them.
        method: A key of `METHODS` or of `BASELINES`.
        class_index: One class, one for each image, or None for the predicted one.
        settings: Mode, steps and seed.
        batch_size: Images computed at once.

    Returns:
        Correlation and similarity for each step and image.

    Raises:
        ExplainError: If an argument does not fit, or the model cannot be copied.

    Reference:
        Adebayo et al., 2018, "Sanity checks for saliency maps", arXiv:1810.03292.
    """
    chosen = settings or RandomisationSettings()
    check_method(method)
    tapped = tap(model)
    request = make_request(images, class_index, tapped.input_shape, tapped.num_logits, batch_size)
    classes = np.concatenate([predict(tapped, batch.images, batch.class_index)[0] for batch in request])
    how: dict[str, Any] = {"options": chosen.options, "batch_size": batch_size}
    before, _ = maps_by(tapped, request.images, method, classes, **how)
    names, rows = [], []
    for number, (lowest, copy) in enumerate(_steps(tapped, chosen), start=1):
        if method == "random":  # chance is drawn anew too
            how["options"] = {"seed": number}
        after, _ = maps_by(copy, request.images, method, classes, **how)
        names.append(lowest)
        rows.append((rank_correlation(before, after), structural_similarity(before, after)))
    correlation, similarity = (np.stack(parts) for parts in zip(*rows, strict=True))
    return RandomisationCheck(method, chosen.mode, tuple(names), correlation, similarity)


def randomised(model: Model, layers: Sequence[str] | None = None, *, seed: int = 0) -> Tapped:
    """A copy of a model with the weights of some layers drawn anew from their own initialisers.

    Args:
        model: A classifier of images, or what `tap` made of it; neither it nor the random state changes.
        layers: Paths as in `Tapped.nodes`; all layers with weights by default.
        seed: Of the weights.

    Returns:
        The copy, tapped at the same layer and with the same target.

    Raises:
        ExplainError: If there is no such layer with weights, or the model cannot be copied.
    """
    tapped = tap(model)
    weighted = [node.path for node in _weighted(tapped)]
    wanted = weighted if layers is None else list(layers)
    unknown = [path for path in wanted if path not in weighted]
    if unknown:
        raise ExplainError(f"{tapped.model.name} has no layer with weights {unknown[0]!r}. It has: {weighted}.")
    copy, fresh = _fresh_copy(tapped, seed)
    _assign(tapped, copy, {path: fresh[path] for path in wanted})
    return copy


def _steps(tapped: Tapped, settings: RandomisationSettings) -> Iterator[tuple[str, Tapped]]:
    """The lowest layer drawn anew and the copy, at each step; it is one copy, so its graph is traced once."""
    groups = _groups(tapped)
    if not groups:
        raise ExplainError(f"{tapped.model.name} has no weights to draw anew.")
    copy, fresh = _fresh_copy(tapped, settings.seed)
    ends = np.unique(np.linspace(0, len(groups), min(settings.most_steps, len(groups)) + 1).astype(int))
    for start, end in zip(ends[:-1], ends[1:], strict=True):
        drawn = groups[:end] if settings.mode == "cascading" else groups[start:end]
        _assign(tapped, copy, {path: fresh[path] for group in drawn for path in group})
        yield drawn[-1][0], copy


def _weighted(tapped: Tapped) -> list[Node]:
    """The nodes of layers that hold learned weights, each layer once; statistics of the pixels are none."""
    nodes: dict[int, Node] = {}
    for node in tapped.nodes:
        layer = node.operation
        if isinstance(layer, keras.Layer) and layer.weights and not isinstance(layer, keras.layers.Normalization):
            nodes[id(layer)] = node
    return list(nodes.values())


def _groups(tapped: Tapped) -> list[list[str]]:
    """Paths of layers that are drawn anew together, from the logits down: a kernel with the normalisation after it."""
    groups: list[list[str]] = []
    for node in _weighted(tapped):
        if not groups or any(len(weight.shape) > 1 for weight in node.operation.weights):
            groups.append([])
        groups[-1].append(node.path)
    return groups[::-1]


def _fresh_copy(tapped: Tapped, seed: int) -> tuple[Tapped, dict[str, list[NDArray[Any]]]]:
    """A copy of a model, and the weights of each layer as its initialisers draw them."""
    state = random.getstate()  # initialisers without a seed draw theirs from it
    random.seed(seed)
    try:
        model = keras.models.clone_model(tapped.model)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ExplainError(f"{tapped.model.name} cannot be copied to draw its weights anew: {error}") from error
    finally:
        random.setstate(state)
    layer = None if tapped.layer is None else tapped.layer.path
    copy = tap(model, layer, target_layer=tapped.target.path)
    return copy, {node.path: node.operation.get_weights() for node in _weighted(copy)}


def _assign(tapped: Tapped, copy: Tapped, drawn: Mapping[str, list[NDArray[Any]]]) -> None:
    """Gives the copy the weights of the model, but for the layers drawn anew."""
    copy_weights(tapped.model, copy.model)
    for node in _weighted(copy):
        if node.path in drawn:
            node.operation.set_weights(drawn[node.path])
