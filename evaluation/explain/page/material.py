"""What the page is made of: a model, the images of one split, and what the model answers to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.explain.api import METHODS
from evaluation.explain.class_maps import COMBINATIONS
from evaluation.explain.errors import ExplainError
from evaluation.explain.filters import Filters
from evaluation.explain.gradients import predict
from evaluation.explain.graph import Node, feature_maps, find_node
from evaluation.explain.head import average_head
from evaluation.explain.patches import TopPatches, layers_to_see, top_patches
from evaluation.explain.probability import probabilities
from evaluation.explain.receptive import Field, receptive_fields
from evaluation.explain.request import make_request
from evaluation.explain.rules import RECTIFIERS
from evaluation.explain.tapped import Tapped

Rows = NDArray[np.intp]
BATCH = 64
SMALL = 96 * 96  # pixels: of larger images fewer are computed where each costs many passes
USUAL = ("class_activation_map", "grad_cam", "layer_cam", "guided_backpropagation", "integrated_gradients")


class Images(Protocol):
    """An array of images, or what gives them out row by row from disk."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: NDArray[Any]) -> NDArray[Any]: ...


@dataclass(frozen=True)
class PageSettings:
    """What the page shows.

    Attributes:
        layer: Name of the layer that the maps and the plane of features are of; the last feature map by default.
        methods: Keys of `METHODS`; by default those of `USUAL` that suit the model.
        class_index: The class to explain; by default the one predicted for each image.
        rows: Rows of the images to explain; by default right and wrong ones are chosen.
        cases: Right ones, and as many wrong ones.
        units: Of each layer whose patches are shown.
        seed: Of every choice.
    """

    layer: str | None = None
    methods: tuple[str, ...] = ()
    class_index: int | None = None
    rows: tuple[int, ...] = ()
    cases: int = 4
    units: int = 6
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Material:
    """What the page is made of. Passes over all images are computed when they are first asked for.

    Attributes:
        tapped: The model.
        images: `(n, height, width, channels)` in 0…255.
        y: `(n,)` true classes.
        ids: `(n,)` what each image is called.
        class_names: The K names.
        split: Name of the split that the images are of.
        stages: Name and first filters of each saved epoch; empty where none were saved.
        settings: What the page shows.
    """

    tapped: Tapped
    images: Images
    y: NDArray[np.integer]
    ids: Sequence[str]
    class_names: Sequence[str]
    split: str
    stages: Sequence[tuple[str, Filters]] = ()
    settings: PageSettings = PageSettings()

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """`(n, max(2, K))`: what the model answers."""
        parts = []
        for rows, images in self.batches():
            request = make_request(images, None, self.tapped.input_shape, self.tapped.num_logits, len(rows))
            parts += [predict(self.tapped, batch.images, batch.class_index)[1] for batch in request]
        return probabilities(np.concatenate(parts))

    @property
    def predicted(self) -> NDArray[np.intp]:
        """`(n,)`: the most probable class."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def top(self) -> TopPatches:
        """The strongest images of every unit of every layer."""
        stream = ((images, [self.ids[row] for row in rows]) for rows, images in self.batches())
        return top_patches(self.tapped, stream, batch_size=BATCH)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.images.shape[1], self.images.shape[2]

    @property
    def small(self) -> bool:
        """Whether many images can be computed in a minute."""
        return self.size[0] * self.size[1] <= SMALL

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The methods that are shown; of CAM and Grad-CAM, which are one where CAM is exact, only one."""
        if self.settings.methods:
            return self.settings.methods
        unfit = {"class_activation_map", "grad_cam"} - {self.coarse}
        unfit |= set() if _rectifies(self.tapped) else {"guided_backpropagation"}
        return tuple(method for method in USUAL if method not in unfit)

    @cached_property
    def fields(self) -> dict[Node, Field]:
        """What a unit of each layer sees."""
        return receptive_fields(self.tapped.nodes, self.size)

    @cached_property
    def coarse(self) -> str:
        """The method for a map of the last layer: CAM where that is exact, else Grad-CAM."""
        exact = self.settings.layer is None and _averages(self.tapped)
        return "class_activation_map" if exact else "grad_cam"

    @cached_property
    def finer(self) -> Node:
        """The last layer whose map has at least twice the places of the last one along a side; else the last one."""
        last = self.tapped.find(self.settings.layer)
        rows = self.fields
        seen = [find_node(self.tapped.model.name, self.tapped.nodes, path) for path in layers_to_see(self.tapped)]
        fine = [node for node in seen if len(node.shape) == 4 and len(rows[node].rows) >= 2 * len(rows[last].rows)]
        return last if self.settings.layer or not fine else fine[-1]

    def layer_of(self, method: str) -> str | None:
        """The layer whose map a method draws here: LayerCAM, which can, of a finer one. None where there is no choice.

        Args:
            method: A key of `METHODS`.
        """
        if method == "layer_cam":
            return self.finer.path
        return self.tapped.find(self.settings.layer).path if method in COMBINATIONS else None

    def places(self, method: str) -> str:
        """How many places a method's map has, such as 6×6; empty for methods that work on pixels."""
        layer = None if method == "class_activation_map" else self.layer_of(method)
        if layer is None and method != "class_activation_map":
            return ""
        field = self.fields[self.tapped.find(layer)]
        return f"{len(field.rows)}×{len(field.columns)}"

    def batches(self) -> Any:
        """Pairs of rows and their images, one batch after the other."""
        for start in range(0, len(self.y), BATCH):
            rows = np.arange(start, min(start + BATCH, len(self.y)))
            yield rows, self.images[rows]

    def take(self, rows: Any) -> NDArray[Any]:
        """Some images, as an array."""
        return np.asarray(self.images[np.asarray(rows, dtype=np.intp)])

    def explained(self, rows: Rows) -> NDArray[np.int32]:
        """The class to explain in each of some images."""
        if self.settings.class_index is not None:
            return np.full(len(rows), self.settings.class_index, np.int32)
        return self.predicted[rows].astype(np.int32)

    def sample(self, count: int, *, among: NDArray[np.bool_] | None = None) -> Rows:
        """At most so many rows, drawn by the seed, ascending.

        Args:
            count: How many.
            among: `(n,)`: which may be drawn; all by default.
        """
        pool = np.arange(len(self.y)) if among is None else np.flatnonzero(among)
        drawn = np.random.default_rng(self.settings.seed).permutation(pool)[:count]
        return np.sort(drawn)

    def cases(self) -> tuple[Rows, Rows]:
        """Rows of right cases, drawn by the seed, and of wrong ones, those that the model is surest of first."""
        right = self.predicted == self.y
        if self.settings.rows:
            chosen = np.asarray(self.settings.rows, dtype=np.intp)
            return chosen[right[chosen]], chosen[~right[chosen]]
        wrong = np.flatnonzero(~right)
        surest = wrong[np.argsort(-self.probabilities[wrong].max(axis=1), kind="stable")]
        return self.sample(self.settings.cases, among=right), surest[: self.settings.cases]

    def answer(self, row: int) -> str:
        """Truth and prediction of an image, two short lines."""
        label, share = int(self.predicted[row]), float(self.probabilities[row].max())
        return f"{self.class_names[int(self.y[row])]}\n→ {self.class_names[label]} {100 * share:.0f}%"


def check_material(material: Material) -> None:
    """Refuses what no page can be made of.

    Raises:
        ExplainError: The model has no convolution, or there is no such layer, method, class or row.
    """
    tapped, settings = material.tapped, material.settings
    if not feature_maps(tapped.nodes):
        raise ExplainError(
            f"{tapped.model.name} has no convolution; the page shows what convolutions see. Functions of "
            "evaluation.explain that need none, such as saliency and occlusion, take this model too."
        )
    tapped.find(settings.layer)
    for method in settings.methods:
        if method not in METHODS:
            raise ExplainError(f"methods must be some of {', '.join(METHODS)}. Received: {method}.")
    if settings.class_index is not None and not 0 <= settings.class_index < len(material.class_names):
        raise ExplainError(
            f"class_index must lie in 0…{len(material.class_names) - 1}. Received: {settings.class_index}."
        )
    if not len(material.y):
        raise ExplainError(f"the {material.split} split holds no image.")


def _averages(tapped: Tapped) -> bool:
    """Whether a class activation map by weights is defined."""
    try:
        average_head(tapped.model.name, tapped.target)
    except ExplainError:
        return False
    return True


def _rectifies(tapped: Tapped) -> bool:
    """Whether a layer of the model is a ReLU, of whatever kind."""
    names = {name.lower() for name in RECTIFIERS}
    for node in tapped.nodes:
        activation = getattr(getattr(node.operation, "activation", None), "__name__", "")
        if activation.lower() in names or type(node.operation).__name__ == "ReLU":
            return True
    return False
