"""Convolution by hand: the notes' filters on a photograph, stride and padding, arithmetic, pooling, 1×1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evaluation.plots.style import BLUE, DARK, GREY, ORANGE, VERMILLION
from models.arithmetic import conv_output_shape, conv_params, pool_output_shape, same_padding
from training.labs.drawing import panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

THEORY = """
A filter is a small grid of weights. It lies on a patch of the image, each weight is multiplied by the pixel below it,
and the sum is one pixel of the result; then it moves on by the stride. The same few weights serve every place, so that
an edge is found wherever it stands. A filter whose weights sum to 0 answers nothing where the image is flat.

Padding adds zeros around the image. Without it (valid) the result shrinks, with it (same) it keeps the size divided by
the stride. Each filter spans all channels of its input and makes one channel of the output. Pooling keeps the largest
(or mean) value of each window and has no weights; a 1×1 convolution mixes the channels of each pixel, a Dense layer
applied at every place.
"""
FILTERS = {
    "vertical edges": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "horizontal edges": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "all edges": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
}
SHRINK = 4  # the photograph is shown at a quarter of its size


@dataclass(frozen=True, kw_only=True)
class ConvolutionParameters(Parameters):
    """Settings.

    Attributes:
        stride: Pixels that a filter moves between two results, in the pictures and in the comparison.
        padding: valid (none) or same (zeros around the image).
        kernel_size: Height and width of the random filters that are compared with Keras.
    """

    stride: int = option(1, 1, 8)
    padding: Literal["valid", "same"] = "same"
    kernel_size: int = option(3, 1, 11)


def experiment(parameters: ConvolutionParameters, seeds: Sequence[int]) -> Findings:
    """Computes by hand what Keras' layers compute, on random images and filters, and filters a photograph."""
    found = [_compare(parameters, seed) for seed in seeds]
    column = {name: [one[name] for one in found] for name in found[0]}
    photograph = _photograph()
    edges = {name: _filtered(photograph, grid, parameters) for name, grid in FILTERS.items()}
    claims = (
        claim("largest |by hand − Keras' Conv2D|", column["convolution"], at_most=1e-4),
        claim("wrong output shapes, of 60 random layers", column["shapes"], at_most=0),
        claim("wrong parameter counts, of 60 random layers", column["parameters"], at_most=0),
        claim("largest |pooling by hand − Keras' MaxPooling2D|", column["pooling"], at_most=1e-6),
        claim("largest |1×1 convolution − Dense at every pixel|", column["dense"], at_most=1e-4),
        claim("largest |true convolution − the layer's, filters turned by 180°|", column["turned"], at_most=1e-4),
        claim("answer of the vertical-edge filter to a horizontal edge", _answer_to_edge(0), at_most=0),
        claim("its answer to a vertical edge of height 1", _answer_to_edge(1), at_least=4, at_most=4),
    )
    shape = conv_output_shape(
        (*photograph.shape, 1), filters=16, kernel_size=3, strides=parameters.stride, padding=parameters.padding
    )
    text = (
        f"Two loops by hand and Keras' Conv2D differ by at most {max(column['convolution']):.1e} on random images "
        f"({spread_words(column['convolution'])}): rounding. 16 filters of 3×3 on the photograph of "
        f"{photograph.shape[0]}×{photograph.shape[1]} with stride {parameters.stride} and {parameters.padding} padding "
        f"give {shape[0]}×{shape[1]}×{shape[2]} numbers from {conv_params(16, 3, 1)} weights; a Dense layer of as many "
        f"outputs would need {np.prod(shape) * (photograph.size + 1):,}."
    )
    pictures = (_draw_edges(photograph, edges), _draw_windows(parameters), _draw_pooling())
    return Findings(text, claims, pictures, {"differences": found, "output_shape": shape})


def by_hand(image: np.ndarray, kernels: np.ndarray, *, stride: int = 1, padding: str = "valid") -> np.ndarray:
    """A convolution layer as the notes describe it.

    Args:
        image: `(height, width, channels)`.
        kernels: `(kernel, kernel, channels, filters)`.
        stride: Pixels between two results.
        padding: `"valid"` or `"same"`.

    Returns:
        `(rows, columns, filters)`.
    """
    size, filters = kernels.shape[0], kernels.shape[3]
    shape = conv_output_shape(image.shape, filters=filters, kernel_size=size, strides=stride, padding=padding)
    if padding == "same":
        zeros = [same_padding(length, size, stride) for length in image.shape[:2]]
        image = np.pad(image, [*zeros, (0, 0)])
    result = np.empty(shape)
    for row, column in np.ndindex(shape[:2]):
        patch = image[row * stride : row * stride + size, column * stride : column * stride + size]
        result[row, column] = np.tensordot(patch, kernels, axes=3)
    return result


def max_pool(image: np.ndarray, size: int) -> np.ndarray:
    """The largest value of each window, channel by channel; windows stand beside each other."""
    rows, columns, channels = pool_output_shape(image.shape, pool_size=size)
    return image[: rows * size, : columns * size].reshape(rows, size, columns, size, channels).max(axis=(1, 3))


def _compare(parameters: ConvolutionParameters, seed: int) -> dict[str, float]:
    """Largest differences between the loops above and Keras' layers, and shapes or counts that disagree."""
    import keras
    from scipy.signal import convolve2d

    rng, size = np.random.default_rng(seed), parameters.kernel_size
    image, kernels = rng.normal(size=(17, 14, 3)), rng.normal(size=(size, size, 3, 4))
    layer = keras.layers.Conv2D(4, size, strides=parameters.stride, padding=parameters.padding, use_bias=False)
    mixer = keras.layers.Conv2D(4, 1, use_bias=False)
    convolved, mixed = (_of_keras(one, image, w) for one, w in ((layer, kernels), (mixer, kernels[:1, :1])))
    mine = by_hand(image, kernels, stride=parameters.stride, padding=parameters.padding)
    turned = convolve2d(image[..., 0], kernels[::-1, ::-1, 0, 0], mode="valid")
    pooled = keras.ops.convert_to_numpy(keras.layers.MaxPooling2D(2)(image[None]))[0]
    return {
        "convolution": float(np.abs(mine - convolved).max()),
        "dense": float(np.abs(mixed - image @ kernels[0, 0]).max()),
        "turned": float(np.abs(turned - by_hand(image[..., :1], kernels[:, :, :1, :1])[..., 0]).max()),
        "pooling": float(np.abs(pooled - max_pool(image, 2)).max()),
        **_arithmetic_errors(rng),
    }


def _of_keras(layer: Any, image: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """What a convolution layer of Keras makes of an image with given weights."""
    import keras

    layer.build((None, *image.shape))
    layer.set_weights([kernels])
    return keras.ops.convert_to_numpy(layer(image[None].astype(np.float32)))[0]


def _arithmetic_errors(rng: np.random.Generator, cases: int = 60) -> dict[str, float]:
    """How many of the formulas' shapes and parameter counts Keras contradicts."""
    import keras

    shapes = parameters = 0
    for _ in range(cases):
        shape = (int(rng.integers(11, 64)), int(rng.integers(11, 64)), int(rng.integers(1, 9)))
        filters, size, stride = (int(rng.integers(1, high)) for high in (33, 8, 5))
        padding = "same" if rng.random() < 0.5 else "valid"
        layer = keras.layers.Conv2D(filters, size, strides=stride, padding=padding)
        layer.build((None, *shape))
        expected = conv_output_shape(shape, filters=filters, kernel_size=size, strides=stride, padding=padding)
        shapes += layer.compute_output_shape((None, *shape))[1:] != expected
        parameters += layer.count_params() != conv_params(filters, size, shape[2])
    return {"shapes": shapes, "parameters": parameters}


def _answer_to_edge(axis: int) -> float:
    """Strongest answer of the vertical-edge filter to a step along an axis: 0 down the image, 1 across it."""
    step = np.repeat([0.0, 1.0], 5)
    image = np.broadcast_to(step[:, None] if axis == 0 else step, (10, 10))[..., None]
    return float(np.abs(by_hand(image, np.array(FILTERS["vertical edges"], float)[..., None, None])).max())


def _photograph() -> np.ndarray:
    """A photograph that comes with scikit-learn, grey, 0…1, `(106, 160)`."""
    from sklearn.datasets import load_sample_image

    grey = load_sample_image("china.jpg").mean(axis=2) / 255
    rows, columns = grey.shape[0] // SHRINK, grey.shape[1] // SHRINK
    return grey[: rows * SHRINK, : columns * SHRINK].reshape(rows, SHRINK, columns, SHRINK).mean(axis=(1, 3))


def _filtered(image: np.ndarray, grid: list[list[int]], parameters: ConvolutionParameters) -> np.ndarray:
    kernels = np.array(grid, dtype=float)[..., None, None]
    return by_hand(image[..., None], kernels, stride=parameters.stride, padding=parameters.padding)[..., 0]


def _draw_edges(photograph: np.ndarray, edges: dict[str, np.ndarray]) -> Picture:
    """The photograph and what each filter makes of it."""
    figure, axes = panels(2, 2, height=3.0)
    for ax, (name, picture) in zip(axes, {"photograph": photograph, **edges}.items(), strict=True):
        ax.grid(False)
        if name == "photograph":
            ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        else:
            most = np.quantile(np.abs(picture), 0.995)  # a frame of zeros would outshine all else
            ax.imshow(picture, cmap="RdBu_r", vmin=-most, vmax=most)
        weights = "" if name == "photograph" else "  " + "  ".join(" ".join(map(str, row)) for row in FILTERS[name])
        ax.set_title((name + weights.replace("-", "−")).strip(), fontsize=9)
        ax.set(xlabel="column (pixels)", ylabel="row (pixels)")
    caption = (
        "Red where the sum is positive, blue where it is negative, white where it is 0: flat sky and flat walls "
        "vanish, edges stay; the zeros of same padding make an edge of the frame. The filter for vertical edges is "
        "blind to horizontal ones, and the other way round; its numbers are above each picture, row by row."
    )
    return Picture("edges", "Three filters on a photograph", figure, caption)


def _draw_windows(parameters: ConvolutionParameters) -> Picture:
    """Where a 3×3 filter stands on a 5×5 image, for each padding and for strides 1 and 2."""
    from matplotlib.patches import Rectangle

    figure, axes = panels(4, height=2.9)
    for ax, (padding, stride) in zip(axes, (("valid", 1), ("same", 1), ("valid", 2), ("same", 2)), strict=True):
        zeros = same_padding(5, 3, stride)[0] if padding == "same" else 0
        shape = conv_output_shape((5, 5, 1), filters=1, kernel_size=3, strides=stride, padding=padding)
        ax.grid(False)
        for row, column in np.ndindex(5 + 2 * zeros, 5 + 2 * zeros):
            inside = zeros <= row < 5 + zeros and zeros <= column < 5 + zeros
            color = "#cfe3f2" if inside else "white"
            ax.add_patch(Rectangle((column - zeros, row - zeros), 1, 1, facecolor=color, edgecolor=GREY, linewidth=0.6))
        places = np.array([(c * stride - zeros, r * stride - zeros) for r, c in np.ndindex(shape[:2])])
        ax.plot(*(places + 1.5).T, "o", color=BLUE, markersize=4, label="centre of each place")
        for place, color in ((places[0], VERMILLION), (places[1], ORANGE)):
            ax.add_patch(Rectangle(place, 3, 3, fill=False, edgecolor=color, linewidth=2))
        ax.set_title(f"{padding}, stride {stride}\n5×5 → {shape[0]}×{shape[1]}", fontsize=9)
        ax.set(xlim=(-1.2, 6.2), ylim=(6.2, -1.2), aspect="equal", xlabel="column (pixels)")
    axes[0].set_ylabel("row (pixels)")
    axes[0].legend(fontsize=7, loc="lower left")
    caption = (
        "A 3×3 filter on a 5×5 image: its first place in red, its second in orange, dots at the centres of all. White "
        "cells are the zeros of padding. Result: ⌊(5 − 3)/stride⌋ + 1 without padding, ⌈5/stride⌉ with it."
    )
    return Picture("windows", "Stride and padding", figure, caption)


def _draw_pooling() -> Picture:
    """Numbers before and after pooling."""
    image = np.array([[1, 9, 6, 4], [5, 4, 7, 8], [5, 1, 2, 9], [6, 7, 6, 0]], dtype=float)
    means = image.reshape(2, 2, 2, 2).mean(axis=(1, 3))
    tables = {"4×4": image, "largest of each 2×2 window": max_pool(image[..., None], 2)[..., 0], "mean of each": means}
    figure, axes = panels(3, height=2.7)
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        ax.grid(False)
        ax.imshow(table, cmap="Blues", vmin=0, vmax=14)
        for row, column in np.ndindex(table.shape):
            ax.text(column, row, f"{table[row, column]:g}", ha="center", va="center", color=DARK, fontsize=12)
        ticks = range(len(table))
        ax.set(xticks=ticks, yticks=ticks, xlabel="column (pixels)", ylabel="row (pixels)")
        ax.set_title(title, fontsize=9)
    for line in (axes[0].axvline, axes[0].axhline):
        line(1.5, color=VERMILLION, linewidth=1.5)
    caption = "Pooling has nothing to learn: a quarter of the numbers stays, and a shift by a pixel often changes none."
    return Picture("pooling", "Pooling", figure, caption)


LAB = Lab(
    name="convolution",
    title="Convolution by hand",
    theory=THEORY,
    formulas=(
        "output(r, c, k) = bias(k) + Σᵢ Σⱼ Σ_d  image(r·S + i − P, c·S + j − P, d) · filter_k(i, j, d)",
        "size: ⌊(N − F)/S⌋ + 1 (valid), ⌈N/S⌉ (same);  parameters: K·F·F·D + K",
    ),
    parameters=ConvolutionParameters,
    small=ConvolutionParameters(seeds=2),
    experiment=experiment,
    try_it="--stride 2 --padding valid",
    slip="What the notes and every library call convolution is cross-correlation: mathematics turns the filter by 180° "
    "first. A network learns its filters, so that nothing depends on it; the lab shows that both agree once turned.",
)
