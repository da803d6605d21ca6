"""Feature-map-sized maps to the size of the image: bilinear, with the centres of cells where they belong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def upsample(maps: NDArray[np.floating], height: int, width: int) -> NDArray[np.float32]:
    """Interpolates maps between the centres of their cells.

    Cell i of m covers the pixels from i·H/m to (i + 1)·H/m, and its centre lies at (i + 1/2)·H/m - 1/2: at 47.5 for
    cell 1 of 7 at 224 pixels. Beyond the outermost centres a map stays constant: so the mean of the map is kept where a
    cell is a whole number of pixels.

    Args:
        maps: `(n, h, w)`.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        `(n, height, width)`.
    """
    rows = _weights(maps.shape[1], height)
    columns = _weights(maps.shape[2], width)
    return np.matmul(np.matmul(rows, maps.astype(np.float32)), columns.T)


def _weights(cells: int, pixels: int) -> NDArray[np.float32]:
    """`(pixels, cells)`: how much of each cell makes each pixel; rows sum to 1."""
    centres = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    distances = np.abs(centres[:, None] - np.arange(cells))
    return np.maximum(0, 1 - distances).astype(np.float32)
