"""A map for each image, what it was made of, and a flag where it says nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOT_FINITE = "not finite"
CONSTANT = "constant"
NO_EVIDENCE = "no positive evidence"
INCOMPLETE = "incomplete"
FLAT = 1e-6  # a map that varies by less than this share of its largest value is constant


@dataclass(frozen=True)
class Explanation:
    """The maps of one method.

    Attributes:
        method: Such as `grad_cam`.
        maps: `(n, height, width)` float32, at the size of the images, in the method's own units; never NaN.
        flags: One for each image: empty; `not finite` (the image or the map held NaN or infinity; the map is 0);
            `constant` (the map is the same everywhere, so it shows no place); `no positive evidence` (nowhere above 0);
            or `incomplete` (integrated gradients whose sum misses the change of the logit: take more steps).
            A method whose maps have no sign gives 0 where flagged; one whose maps add up to a logit keeps its values.
        class_index: `(n,)`: the class explained in each image.
        logits: `(n, K)` float32.
        low_resolution: `(n, h, w)` float32: the map in the layer's own size, signed, before any rectification; None for
            methods that work on pixels.
    """

    method: str
    maps: NDArray[np.float32]
    flags: tuple[str, ...]
    class_index: NDArray[np.int32]
    logits: NDArray[np.float32]
    low_resolution: NDArray[np.float32] | None = None

    @property
    def heat(self) -> NDArray[np.float32]:
        """The maps as pictures: `(n, height, width)` in [0, 1], 1 at the strongest evidence for the class.

        Evidence against it is 0; a map that is flagged (but for `incomplete`) is 0 everywhere.
        """
        shown = np.array([flag in ("", INCOMPLETE) for flag in self.flags])[:, None, None]
        positive = np.where(shown, np.maximum(self.maps, 0), 0)
        largest = positive.max(axis=(1, 2), keepdims=True)
        return np.divide(positive, largest, out=np.zeros_like(positive), where=largest > 0)


def clean(
    maps: NDArray[np.floating], finite: NDArray[np.bool_], *, signed: bool
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Flags the maps that say nothing, and makes 0 of them as far as the method allows.

    Args:
        maps: `(n, h, w)`.
        finite: `(n,)`: whether the image was finite.
        signed: Whether the maps add up to a number, so that a flagged one keeps its values. NaN becomes 0 anyway.

    Returns:
        The maps, float32, and a flag for each.
    """
    usable = finite & np.isfinite(maps).all(axis=(1, 2))
    values = np.where(usable[:, None, None], maps, 0).astype(np.float32)
    lowest, highest = values.min(axis=(1, 2)), values.max(axis=(1, 2))
    constant = highest - lowest <= FLAT * np.maximum(np.abs(lowest), np.abs(highest))
    conditions = [~usable, constant, highest <= 0]
    flags = np.select(conditions, [NOT_FINITE, CONSTANT, NO_EVIDENCE], "")
    if not signed:
        values[flags != ""] = 0
    return values, tuple(str(flag) for flag in flags)
