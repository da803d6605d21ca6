"""How alike maps are: rank correlation, structural similarity, and the overlap of their strongest pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import rankdata

from evaluation.explain.errors import ExplainError
from evaluation.explain.fidelity import ranked

WINDOW = 1.5  # standard deviation of the Gaussian window, pixels (Wang 2004)
STEADY = (0.01**2, 0.03**2)  # Wang's constants for a range of 1
FLAT = 1e-6


@dataclass(frozen=True)
class Agreement:
    """How alike the maps of several methods are.

    Attributes:
        methods: Their names, m of them.
        correlation: `(m, m)`: mean Spearman correlation over the images.
        overlap: `(m, m)`: mean intersection over union of the strongest pixels.
        share: Of the pixels that count as strongest.
        chance: The overlap of two random orders.
        count: `(m, m)`: images where both maps vary, so that the correlation is defined.
    """

    methods: tuple[str, ...]
    correlation: NDArray[np.float64]
    overlap: NDArray[np.float64]
    share: float
    chance: float
    count: NDArray[np.intp]


def rank_correlation(first: Any, second: Any) -> NDArray[np.float64]:
    """Spearman's correlation of the pixels of each pair of maps.

    Args:
        first: `(n, height, width)`.
        second: Of the same shape.

    Returns:
        `(n,)` in [-1, 1]; NaN where a map is the same everywhere or not finite.
    """
    ranks = [_centred_ranks(one) for one in _checked(first, second)]
    products = (ranks[0] * ranks[1]).sum(axis=1)
    lengths = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    return np.divide(products, lengths, out=np.full(len(products), np.nan), where=lengths > 0)


def structural_similarity(first: Any, second: Any) -> NDArray[np.float64]:
    """SSIM of each pair of maps, each brought to 0…1 first.

    Args:
        first: `(n, height, width)`.
        second: Of the same shape.

    Returns:
        `(n,)` in [-1, 1]; NaN where a map is the same everywhere or not finite.

    Reference:
        Wang et al., 2004, "Image quality assessment", IEEE Transactions on Image Processing 13.
    """
    x, y = (_to_unit(one) for one in _checked(first, second))
    mean_x, mean_y = _windowed(x), _windowed(y)
    variances = _windowed(x * x) - mean_x**2 + _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + STEADY[0]) / (mean_x**2 + mean_y**2 + STEADY[0])
    return (brightness * (2 * covariance + STEADY[1]) / (variances + STEADY[1])).mean(axis=(1, 2))


def top_overlap(first: Any, second: Any, share: float = 0.1, *, seed: int = 0) -> NDArray[np.float64]:
    """Intersection over union of the strongest pixels of each pair of maps.

    Args:
        first: `(n, height, width)`.
        second: Of the same shape.
        share: Of the pixels that count as strongest, above 0 and at most 1; at least one pixel.
        seed: Equal pixels are ranked at random, in each map by itself.

    Returns:
        `(n,)` in [0, 1].
    """
    if not 0 < share <= 1:
        raise ExplainError(f"share must be above 0 and at most 1. Received: share={share}.")
    maps = _checked(first, second)
    pixels = maps[0][0].size
    count = max(1, round(share * pixels))
    tops = [ranked(one, seed + index).reshape(-1, pixels) < count for index, one in enumerate(maps)]
    common = (tops[0] & tops[1]).sum(axis=1)
    return common / (2 * count - common)


def agreement(maps: Mapping[str, Any], *, share: float = 0.1) -> Agreement:
    """Compares the maps of every pair of methods, of the same images and classes.

    Methods that agree may all be wrong; methods that do not cannot all be right.

    Args:
        maps: `(n, height, width)` by the method's name.
        share: Of the pixels that count as strongest.

    Returns:
        Means over the images.
    """
    names = tuple(maps)
    if not names:
        raise ExplainError("maps must hold at least one method. Received: none.")
    size = (len(names), len(names))
    correlation, overlap, count = np.full(size, np.nan), np.empty(size), np.empty(size, np.intp)
    for row, column in np.ndindex(size):
        pair = maps[names[row]], maps[names[column]]
        values = rank_correlation(*pair)
        defined = np.isfinite(values)
        count[row, column] = defined.sum()
        if defined.any():
            correlation[row, column] = values[defined].mean()
        overlap[row, column] = 1.0 if row == column else top_overlap(*pair, share).mean()
    return Agreement(names, correlation, overlap, share, share / (2 - share), count)


def _checked(first: Any, second: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two sets of maps of one shape."""
    pair = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if pair[0].shape != pair[1].shape or pair[0].ndim != 3 or not pair[0].size:
        raise ExplainError(
            f"both must be maps of one shape (n, height, width). Received: {pair[0].shape} and {pair[1].shape}."
        )
    return pair


def _centred_ranks(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks less their mean, `(n, pixels)`; 0 for a map that is not finite or the same everywhere."""
    flat = maps.reshape(len(maps), -1)
    ranks = rankdata(np.nan_to_num(flat), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    ranks[~np.isfinite(flat).all(axis=1)] = 0
    return ranks


def _to_unit(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each map from 0 to 1; NaN where it is the same everywhere or not finite."""
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    with np.errstate(invalid="ignore"):
        spread = high - low
        usable = np.isfinite(spread) & (spread > FLAT * np.maximum(np.abs(low), np.abs(high)))
        return np.divide(maps - low, spread, out=np.full_like(maps, np.nan), where=usable)


def _windowed(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean in a Gaussian window around each pixel."""
    return ndimage.gaussian_filter(maps, (0, WINDOW, WINDOW), truncate=3.5)
