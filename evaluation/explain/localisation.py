"""Where an explanation points: its box, the overlap with a true box, and the pointing game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from evaluation.explain.errors import ExplainError
from evaluation.uncertainty.intervals import Estimate, IntervalSettings, proportion
from evaluation.uncertainty.means import mean_estimate

Boxes = NDArray[np.intp]
SHARE = 0.2  # Zhou 2016, section 3.2
LEAST_OVERLAP = 0.5  # a box counts as right from here on, as in ILSVRC and PASCAL VOC
SHARES = tuple(round(0.05 * step, 2) for step in range(1, 20))
TOUCHING = np.ones((3, 3))  # places that touch at a corner belong together, as in OpenCV's contours


@dataclass(frozen=True)
class Localisation:
    """Boxes of maps against true boxes.

    Attributes:
        boxes: `(n, 4)`: top, left, bottom, right of the box found, as in `find_boxes`.
        overlaps: `(n,)`: intersection over union with the nearest true box; 0 where no box was found.
        share: The threshold, a share of each map's maximum.
        least: From which overlap on a box is right.
        accuracy: Share of images whose box is right, with Wilson's interval.
        overlap: Mean overlap, with a bootstrap interval.
    """

    boxes: Boxes
    overlaps: NDArray[np.float64]
    share: float
    least: float
    accuracy: Estimate
    overlap: Estimate


@dataclass(frozen=True)
class PointingGame:
    """Whether the strongest place of each map lies on the object.

    Attributes:
        points: `(n, 2)`: row and column of the strongest place; -1 where the map shows none.
        hits: `(n,)`: whether it lies in a true box, or within `tolerance` pixels of one.
        tolerance: Pixels.
        accuracy: Share of hits, with Wilson's interval.
        chance: Share of hits of a random pixel, the mean over the images.
        centre: Share of hits of the image's centre: what photographers alone achieve.
    """

    points: NDArray[np.intp]
    hits: NDArray[np.bool_]
    tolerance: float
    accuracy: Estimate
    chance: float
    centre: float


def find_boxes(maps: Any, share: float = SHARE) -> Boxes:
    """The box around the largest connected part of each map above a share of its maximum.

    Args:
        maps: `(n, height, width)`; evidence for the class is positive.
        share: Of the maximum, in [0, 1).

    Returns:
        `(n, 4)` pixels: top, left, bottom, right, the last two just outside, so that the height is bottom - top. All 0
        where a map has nothing positive. Of parts of one size the first one in reading order is taken.

    Raises:
        ExplainError: If share or maps do not fit.

    Reference:
        Zhou et al., 2016, "Learning deep features for discriminative localization", arXiv:1512.04150.
    """
    if not 0 <= share < 1:
        raise ExplainError(f"share must be at least 0 and below 1. Received: share={share}.")
    return np.array([_box(map_, share) for map_ in _checked_maps(maps)], dtype=np.intp)


def overlaps(boxes: Any, truth: Any) -> NDArray[np.float64]:
    """Intersection over union of each box with the true box of its image that it fits best.

    Args:
        boxes: `(n, 4)` as `find_boxes` returns them.
        truth: `(n, 4)`, or `(m, 4)` for each image where it has m objects.

    Returns:
        `(n,)` in [0, 1].
    """
    found = np.asarray(boxes)
    return np.array([_overlap(box, objects) for box, objects in zip(found, _objects(truth, len(found)), strict=True)])


def localise(maps: Any, truth: Any, *, share: float = SHARE, least: float = LEAST_OVERLAP) -> Localisation:
    """Finds the boxes of maps and compares them with the true ones.

    Args:
        maps: `(n, height, width)`.
        truth: `(n, 4)`, or `(m, 4)` for each image: top, left, bottom, right, the last two just outside.
        share: The threshold, a share of each map's maximum. Choose it on other images than those reported.
        least: From which overlap on a box is right.

    Returns:
        Boxes, overlaps and their means with intervals.

    Raises:
        ExplainError: If an argument does not fit.
    """
    if not 0 < least <= 1:
        raise ExplainError(f"least must be above 0 and at most 1. Received: least={least}.")
    boxes = find_boxes(maps, share)
    values = overlaps(boxes, truth)
    accuracy = proportion(int((values >= least).sum()), len(values))
    mean = mean_estimate(values, weights=None, groups=None, settings=IntervalSettings())
    return Localisation(boxes, values, share, least, accuracy, mean)


def threshold_sweep(
    maps: Any, truth: Any, shares: Sequence[float] = SHARES, *, least: float = LEAST_OVERLAP
) -> tuple[Localisation, ...]:
    """Localisation at every threshold: how far a result hangs on the usual 20 %.

    Args and Raises are those of `localise`.

    Returns:
        One for each of `shares`. The best of them is no result: choose the threshold on other images.

    Reference:
        Choe et al., 2020, "Evaluating weakly supervised object localization methods right", arXiv:2001.07437.
    """
    return tuple(localise(maps, truth, share=share, least=least) for share in shares)


def pointing_game(maps: Any, truth: Any, *, tolerance: float = 0) -> PointingGame:
    """Counts the images where the map's strongest place lies on the object.

    Args:
        maps: `(n, height, width)`. A map without a strongest place (all the same, or not finite) is a miss.
        truth: `(n, 4)`, or `(m, 4)` for each image: top, left, bottom, right, the last two just outside.
        tolerance: Distance from a box in pixels that still counts; 0 by default (the paper takes 15).

    Returns:
        Hits, their share with its interval, and the shares that chance and the centre reach.

    Raises:
        ExplainError: If an argument does not fit.

    Reference:
        Zhang et al., 2018, "Top-down neural attention by excitation backprop", arXiv:1608.00507.
    """
    if not 0 <= tolerance < np.inf:
        raise ExplainError(f"tolerance must be at least 0 pixels. Received: tolerance={tolerance}.")
    values = _checked_maps(maps)
    points = np.array([_strongest(map_) for map_ in values], dtype=np.intp)
    hits, areas, centres = [], [], []
    for point, objects in zip(points, _objects(truth, len(values)), strict=True):
        near = _near(objects, values.shape[1:], tolerance)
        hits.append(bool(point[0] >= 0 and near[tuple(point)]))
        areas.append(near.mean())
        centres.append(near[values.shape[1] // 2, values.shape[2] // 2])
    accuracy = proportion(sum(hits), len(hits))
    return PointingGame(points, np.array(hits), tolerance, accuracy, float(np.mean(areas)), float(np.mean(centres)))


def _checked_maps(maps: Any) -> NDArray[np.floating]:
    """Maps with three axes, at least one of them; NaN and infinity as they are."""
    values = np.asarray(maps)
    if values.dtype.kind not in "uif" or values.ndim != 3 or values.size == 0:
        raise ExplainError(
            f"maps must be numbers of shape (n, height, width). Received: {values.dtype} of shape {values.shape}."
        )
    return values


def _objects(truth: Any, count: int) -> list[Boxes]:
    """The true boxes of each image, `(m, 4)`."""
    objects = [np.atleast_2d(np.asarray(one)) for one in truth]
    if len(objects) != count:
        raise ExplainError(f"truth must hold boxes for each of the {count} images. Received: {len(objects)}.")
    for index, one in enumerate(objects):
        if one.ndim != 2 or one.shape[1] != 4 or one.dtype.kind not in "ui" or not one.size:
            raise ExplainError(
                "a box must be four whole numbers: top, left, bottom, right. Received for image "
                f"{index}: {one.dtype} of shape {one.shape}."
            )
        if (one[:, :2] < 0).any() or (one[:, 2:] <= one[:, :2]).any():
            raise ExplainError(f"a box must end below and right of where it starts. Received: {one.tolist()}.")
    return [one.astype(np.intp) for one in objects]


def _box(map_: NDArray[np.floating], share: float) -> tuple[int, int, int, int]:
    """The box of one map."""
    if not np.isfinite(map_).all() or map_.max() <= 0:
        return 0, 0, 0, 0
    labels, _ = ndimage.label(map_ > share * map_.max(), structure=TOUCHING)
    largest = 1 + int(np.bincount(labels.ravel())[1:].argmax())
    rows, columns = ndimage.find_objects(labels)[largest - 1]
    return rows.start, columns.start, rows.stop, columns.stop


def _overlap(box: NDArray[Any], objects: Boxes) -> float:
    """The largest intersection over union."""
    starts, ends = np.maximum(box[:2], objects[:, :2]), np.minimum(box[2:], objects[:, 2:])
    common = np.prod(np.maximum(ends - starts, 0), axis=1)
    areas = np.prod(objects[:, 2:] - objects[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return float((common / (areas - common)).max())


def _strongest(map_: NDArray[np.floating]) -> tuple[int, int]:
    """The place of the maximum; where several share it, the one nearest to their middle. -1 where there is none."""
    if not np.isfinite(map_).all() or map_.max() == map_.min():
        return -1, -1
    places = np.argwhere(map_ == map_.max())
    distances = ((places - places.mean(axis=0)) ** 2).sum(axis=1)
    row, column = places[distances.argmin()]
    return int(row), int(column)


def _near(objects: Boxes, size: tuple[int, ...], tolerance: float) -> NDArray[np.bool_]:
    """`(height, width)`: the pixels within a distance of a box."""
    near = np.zeros(size, bool)
    rows, columns = np.arange(size[0])[:, None], np.arange(size[1])
    for top, left, bottom, right in objects:
        below = np.maximum(np.maximum(top - rows, rows - (bottom - 1)), 0)
        beside = np.maximum(np.maximum(left - columns, columns - (right - 1)), 0)
        near |= below**2 + beside**2 <= tolerance**2
    return near
