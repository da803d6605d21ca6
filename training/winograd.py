"""3×3 convolutions with fewer multiplications: Winograd's minimal filtering, as matrix products over whole maps.

Along an axis, m outputs of a filter of 3 taps need m + 2 products instead of 3·m, once inputs, filter and outputs are
multiplied by constant matrices (Toom and Cook's evaluation and interpolation of polynomials). In two dimensions a map
of 7×7 takes 81 products instead of 441. Here each step is one matrix product with the images and their channels in the
last axes, so that nothing is gathered, and gradients are the same products backwards. Measured: `make bench
BENCH=convolutions`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

import keras
import numpy as np
from keras import ops

from training.chains import chains, covered, pooled
from training.layers import innermost

TAPS = 3
MOST_OUTPUTS = 7  # of a tile: its 9 points leave a relative error of about 1e-4 in float32, 5 outputs one of 5e-6
FEWEST_CHANNELS = 24  # of inputs and of outputs: below, the products are too thin to pay for the transforms
FEWEST_FILTERS = 32 * 32  # inputs times outputs: 24 to 24 channels gain nothing
SMALLEST_SIZE = 3  # of a map's sides: below, there is nothing to save
LARGEST_SIZE = 32  # transforms of whole maps grow with it: no more was measured
MOST_WEIGHTS = 2**26  # of a gradient of the filters before its tiles are summed: 256 MB
POINTS = tuple(Fraction(point) for point in ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "4"))


@dataclass(frozen=True)
class Axis:
    """Constant matrices of one axis of a map, whose tiles stand side by side.

    Attributes:
        enter: `(tiles · points, size)`, inputs to tiles; the padding with zeros is in it.
        leave: `(kept, tiles · points)`, products to outputs; what the last tile has too much is left out.
        kernel: `(points, 3)`, filter to products.
        tiles: How many.
    """

    enter: np.ndarray
    leave: np.ndarray
    kernel: np.ndarray
    tiles: int

    @property
    def points(self) -> int:
        """Products of a tile."""
        return len(self.kernel)


def toom_cook(outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices B, G and A of the minimal algorithm F(m, 3): y = A ((G w) · (B x)), products taken one by one.

    Args:
        outputs: m, from 1 to 7.

    Returns:
        B `(m + 2, m + 2)`, G `(m + 2, 3)` and A `(m, m + 2)`, float64; y_i = Σ_k x_{i+k} w_k. Points of evaluation are
        0, ±1, ±2, ±1/2, 4 as far as needed, and infinity.

    Reference:
        Winograd, 1980, "Arithmetic complexity of computations", SIAM.
        Lavin & Gray, 2016, "Fast algorithms for convolutional neural networks", CVPR, arXiv:1509.09308.
    """
    if not 1 <= outputs <= MOST_OUTPUTS:
        raise ValueError(f"outputs must lie between 1 and {MOST_OUTPUTS}. Received: {outputs}.")
    finite = POINTS[: outputs + TAPS - 2]
    enter, kernel = [], []
    for point in finite:
        others = [other for other in finite if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        enter.append([*_product(others), Fraction(0)])
        kernel.append([point**power / scale for power in range(TAPS)])
    enter.append(_product(finite))
    kernel.append([Fraction(0)] * (TAPS - 1) + [Fraction(1)])
    leave = [[*(point**row for point in finite), Fraction(row == outputs - 1)] for row in range(outputs)]
    return np.array(enter, np.float64), np.array(kernel, np.float64), np.array(leave, np.float64)


def _product(roots: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients of Π (x - root), from that of 1 upwards."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def best_outputs(size: int) -> int:
    """Outputs of a tile that need the fewest products along an axis; of equals the smaller, which is more exact."""
    return min(range(1, MOST_OUTPUTS + 1), key=lambda outputs: (-(-size // outputs) * (outputs + TAPS - 1), outputs))


@lru_cache
def axis(size: int, kept: int) -> Axis:
    """Matrices of an axis of `size` values, padded by one zero at either end, of whose outputs the first are `kept`."""
    outputs = best_outputs(kept)
    enter, kernel, leave = toom_cook(outputs)
    points, tiles = len(enter), -(-kept // outputs)
    entering, leaving = np.zeros((tiles * points, size)), np.zeros((kept, tiles * points))
    for tile in range(tiles):
        rows, first = slice(tile * points, (tile + 1) * points), tile * outputs
        for place in range(points):
            if 0 <= (source := first + place - 1) < size:
                entering[rows, source] = enter[:, place]
        some = min(outputs, kept - first)
        leaving[first : first + some, rows] = leave[:some]
    return Axis(entering.astype(np.float32), leaving.astype(np.float32), kernel.astype(np.float32), tiles)


def convolve(inputs: Any, kernel: Any) -> Any:
    """A convolution with stride 1 that keeps the size of the map (zeros outside), as `keras.ops.conv` computes it.

    Args:
        inputs: `(n, height, width, channels)`, float32, height and width known.
        kernel: `(3, 3, channels, filters)`.

    Returns:
        `(n, height, width, filters)`, as the direct convolution gives it within about 1e-4 of its norm. Errors follow
        the largest value of a tile: one that is 1,000 times the others' takes two digits more from its neighbours.
    """
    return images_first(convolve_inside(images_inside(inputs), kernel, inputs.shape[1:3]))


def convolve_inside(inputs: Any, kernel: Any, kept: Sequence[int]) -> Any:
    """`convolve` of maps that hold the images inside, as the products need them.

    Args:
        inputs: `(height, width, n, channels)`, float32, height and width known.
        kernel: `(3, 3, channels, filters)`.
        kept: Rows and columns of the result, from the first; less than all where nothing reads the last ones.

    Returns:
        `(*kept, n, filters)`.
    """
    height, width = inputs.shape[:2]
    channels, filters = kernel.shape[2:]
    down, across = axis(height, kept[0]), axis(width, kept[1])
    maps = ops.reshape(inputs, (height, -1))
    maps = ops.matmul(across.enter, ops.reshape(ops.matmul(down.enter, maps), (len(down.enter), width, -1)))
    maps = ops.reshape(maps, (down.tiles, down.points, across.tiles, across.points, -1, channels))
    weights = ops.matmul(down.kernel, ops.reshape(kernel, (TAPS, -1)))
    weights = ops.matmul(across.kernel, ops.reshape(weights, (down.points, TAPS, -1)))
    weights = ops.reshape(weights, (1, down.points, 1, across.points, channels, filters))
    if down.tiles == across.tiles == 1:  # fewer axes: nothing is broadcast
        maps, weights = (ops.squeeze(value, (0, 2)) for value in (maps, weights))
    products = ops.reshape(ops.matmul(maps, weights), (len(down.enter), len(across.enter), -1))
    found = ops.reshape(ops.matmul(across.leave, products), (len(down.enter), -1))
    return ops.reshape(ops.matmul(down.leave, found), (*kept, -1, filters))


def images_inside(maps: Any) -> Any:
    """`(n, height, width, channels)` as `(height, width, n, channels)`."""
    return ops.transpose(maps, (1, 2, 0, 3))


def images_first(maps: Any) -> Any:
    """`(height, width, n, channels)` as `(n, height, width, channels)`."""
    return ops.transpose(maps, (2, 0, 1, 3))


def use_winograd(model: keras.Model, *, chained: bool = True) -> list[str]:
    """Lets the model's fitting convolutions compute so; on a processor, in float32.

    Those fit that are plain `Conv2D`, 3×3, with stride 1 and same padding, 32 or more channels in and out (or 24 and at
    least 1,024 filters in all), and maps of known sides from 3 to 32, unless the gradient of their filters would take
    256 MB. Between two of them, maps hold their images inside, unless something else reads them (`training.chains`);
    and what a max pooling behind one leaves over is not computed. Only the model in memory changes: what is saved of it
    is Keras' own. Make no other models of its layers: one that returns a map from between two convolutions would get it
    laid out so, or cut.

    Args:
        model: Nested models are followed.
        chained: False lets each convolution give and take maps as Keras does (to measure what that costs).

    Returns:
        Names of the convolutions that were changed.
    """
    fitting = [layer for layer in innermost(model) if _fits(layer) and "convolution_op" not in vars(layer)]
    found = chains(model, fitting) if chained else []
    starts, ends = {chain.start for chain in found}, {chain.end for chain in found}
    poolings = pooled(model, fitting) if chained else {}
    for layer in fitting:
        size = layer.input.shape[1:3]
        read = covered(poolings[layer], size) if layer in poolings else size
        layer.convolution_op = partial(_op, layer.convolution_op, _Way(size, read, layer in ends, layer in starts))
    for pooling in (layer for chain in found for layer in chain.poolings):
        pooling.call = partial(_pool_inside, pooling.call)
    return [layer.name for layer in fitting]


@dataclass(frozen=True)
class _Way:
    """Size of a layer's maps, what of its outputs is read, and whether images are inside before and behind it."""

    size: tuple[int, int]
    read: tuple[int, int]
    inside_before: bool
    inside_behind: bool

    @property
    def plain(self) -> bool:
        """Whether the layer returns what it would by itself."""
        return self.read == self.size and not (self.inside_before or self.inside_behind)


def _op(direct: Any, way: _Way, inputs: Any, kernel: Any) -> Any:
    """The layer's convolution; its own where a layer is called with maps of unknown size."""
    if way.plain:
        return direct(inputs, kernel) if None in tuple(inputs.shape[1:3]) else convolve(inputs, kernel)
    if not way.inside_before:
        inputs = images_inside(ops.reshape(inputs, (ops.shape(inputs)[0], *way.size, inputs.shape[-1])))
    outputs = convolve_inside(inputs, kernel, way.read)
    return outputs if way.inside_behind else images_first(outputs)


def _pool_inside(own: Any, inputs: Any) -> Any:
    """A pooling's own computation on maps with images inside: each of their values is a channel of one image."""
    height, width, _, channels = inputs.shape
    outputs = own(ops.reshape(inputs, (1, height, width, -1)))
    return ops.reshape(outputs, (*outputs.shape[1:3], -1, channels))


def _fits(layer: keras.Layer) -> bool:
    if type(layer) is not keras.layers.Conv2D or layer.compute_dtype != "float32":
        return False
    height, width, channels = layer.input.shape[1:]
    plain = (layer.kernel_size, layer.strides, layer.dilation_rate) == ((3, 3), (1, 1), (1, 1))
    plain = plain and (layer.padding, layer.groups, layer.data_format) == ("same", 1, "channels_last")
    sized = None not in (height, width) and SMALLEST_SIZE <= min(height, width) <= max(height, width) <= LARGEST_SIZE
    wide = min(channels, layer.filters) >= FEWEST_CHANNELS and channels * layer.filters >= FEWEST_FILTERS
    if not plain or not sized or not wide:
        return False
    products = [len(axis(side, side).enter) for side in (height, width)]
    return channels * layer.filters * math.prod(products) <= MOST_WEIGHTS
