"""Maps that know nothing of the model, beside which every explanation has to be seen: chance, and edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from evaluation.explain.api import METHODS, explain
from evaluation.explain.errors import ExplainError
from evaluation.explain.tapped import Tapped

Maps = NDArray[np.float32]


def random_maps(images: Any, seed: int = 0) -> Maps:
    """Maps drawn from a uniform distribution, each pixel by itself: `(n, height, width)` float32."""
    return np.random.default_rng(seed).random(np.asarray(images).shape[:3], dtype=np.float32)


def edge_maps(images: Any) -> Maps:
    """Sobel's edges: the largest gradient magnitude of the channels of each pixel.

    Many explanations look convincing because they look like this (Adebayo 2018).

    Args:
        images: `(n, height, width, channels)`; NaN and infinity count as 0.

    Returns:
        `(n, height, width)`, at least 0.
    """
    pixels = np.nan_to_num(np.asarray(images, dtype=np.float32), posinf=0, neginf=0)
    slopes = []
    for along, across in ((1, 2), (2, 1)):  # ndimage.sobel would smooth over images and channels too
        slope = ndimage.correlate1d(pixels, (-1, 0, 1), axis=along, mode="nearest")
        slopes.append(ndimage.correlate1d(slope, (1, 2, 1), axis=across, mode="nearest"))
    return np.hypot(*slopes).max(axis=-1)


BASELINES: dict[str, Callable[..., Maps]] = {"random": random_maps, "edges": edge_maps}


def maps_by(
    tapped: Tapped,
    images: Any,
    method: str,
    class_index: Any,
    *,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 32,
) -> tuple[Maps, tuple[str, ...]]:
    """The maps of a method of `explain` or of a baseline.

    Args:
        tapped: The model.
        images: `(n, height, width, channels)`.
        method: A key of `METHODS` or of `BASELINES`.
        class_index: The class explained in each image.
        options: Of the method.
        batch_size: Images computed at once.

    Returns:
        `(n, height, width)` and a flag for each, as in `Explanation`.

    Raises:
        ExplainError: If there is no such method, or an argument does not fit.
    """
    if method in BASELINES:
        return BASELINES[method](images, **(options or {})), ("",) * len(images)
    check_method(method)
    found = explain(tapped, images, method, class_index, batch_size=batch_size, **(options or {}))
    return found.maps, found.flags


def check_method(method: str) -> None:
    """Refuses what is neither a method nor a baseline."""
    if method not in METHODS and method not in BASELINES:
        raise ExplainError(f"method must be one of {', '.join((*METHODS, *BASELINES))}. Received: method={method}.")
