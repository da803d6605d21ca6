"""Random shift, flip, rotation and zoom: one draw per image, one interpolation for all of them.

Runs after every cache, so each epoch sees new pictures. The transforms of an image are composed
into one projective matrix and applied once (Keras' own layers would interpolate three times).
Shifts and flips alone go by whole pixels and interpolate nothing: a blurred training picture is
not what validation and test show.
All draws are stateless: the same seed gives the same pictures on any number of threads. An alternating flip is no
draw of its epoch: the caller says which images are mirrored, by their rows and the number of the epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

FLIP_STREAM = 1  # beside the seed, so that the coins are not those of another use of it


@dataclass(frozen=True)
class Augmentation:
    """How far an image may be changed; everything is off by default.

    Attributes:
        shift: Largest shift as a fraction of height and of width, below 1, or in pixels from 1 upwards; by whole pixels
            where neither rotation nor zoom interpolates anyway (and the fraction is a pixel at least).
        flip: `"none"`, `"horizontal"`, `"vertical"` or `"both"`; each with probability one half; or `"alternating"`:
            left and right change in every epoch, and a coin per image says how it starts (`mirrored`).
        rotation: Largest angle in degrees, 0…180, either way.
        zoom: Largest fraction by which an image is enlarged or reduced, 0…1.
        fill: What comes in from outside the picture: `"edge"` repeats its edge, `"reflect"` mirrors the picture at its
            outermost pixels (where it is interpolated, behind them, so that they stand there twice).
    """

    shift: float = 0.0
    flip: str = "none"
    rotation: float = 0.0
    zoom: float = 0.0
    fill: str = "edge"

    @property
    def is_active(self) -> bool:
        """Whether anything is switched on."""
        return bool(self.shift or self.flip != "none" or self.rotation or self.zoom)

    def apply(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Augments `(x, y, key, mirrored)` batches to `(x, y)`; the key, two integers per batch, decides every draw."""

        def change(
            images: tf.Tensor, targets: tf.Tensor, key: tf.Tensor, mirrored: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            return self(images, seed=key, mirrored=mirrored), targets

        return batches.map(change, num_parallel_calls=2, deterministic=True)

    def __call__(self, images: tf.Tensor, *, seed: tf.Tensor, mirrored: tf.Tensor | None = None) -> tf.Tensor:
        """Changes each image by its own draw.

        Args:
            images: `(n, height, width, channels)`, uint8 in 0…255.
            seed: Two integers; the same seed gives the same result.
            mirrored: `(n,)`, which images an alternating flip mirrors now; needed for that flip alone.

        Returns:
            The same shape and range; uint8 where whole pixels move, else float32. `fill` says what comes in from
            outside the picture.
        """
        across, down = self._flip_signs(tf.shape(images)[0], seed, mirrored)
        if not (self.shift or self.rotation or self.zoom):
            return _flipped(images, across, down)
        height, width = images.shape[1:3]
        whole = self._moves_whole_pixels(height, width)
        if whole and self.fill == "reflect":
            return _shifted(_flipped(images, across, down), *self._pixels(tf.shape(images)[0], height, width, seed))
        transforms = self._matrices(tf.shape(images)[0], height, width, seed, mirrored)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images if whole else tf.cast(images, tf.float32),
            transforms=transforms,
            output_shape=tf.constant([height, width]),
            interpolation="NEAREST" if whole else "BILINEAR",
            fill_mode="NEAREST" if self.fill == "edge" else "REFLECT",
            fill_value=0.0,
        )

    def _reach(self, height: int, width: int) -> tuple[float, float]:
        """Largest shift along x and along y, in pixels."""
        return (self.shift, self.shift) if self.shift >= 1 else (self.shift * width, self.shift * height)

    def _moves_whole_pixels(self, height: int, width: int) -> bool:
        return not (self.rotation or self.zoom) and min(self._reach(height, width)) >= 1.0

    def _pixels(self, n: tf.Tensor, height: int, width: int, seed: tf.Tensor) -> list[tf.Tensor]:
        """Whole pixels that each image moves along x and along y, `(n,)` each: where its content comes from."""
        draws = tf.random.stateless_uniform((4, n), seed + 1, minval=-1.0)
        reach = self._reach(height, width)
        return [_whole(draw, math.floor(most)) for draw, most in zip((draws[2], draws[3]), reach, strict=True)]

    def _flip_signs(
        self, n: tf.Tensor, seed: tf.Tensor, mirrored: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """-1 where an image is mirrored along x, and along y; shape `(n,)` each."""
        ones = tf.ones((n,))
        if self.flip == "alternating":
            if mirrored is None:
                raise ValueError("flip alternating needs mirrored: which images are mirrored in this epoch.")
            return tf.where(mirrored, -ones, ones), ones
        draws = tf.random.stateless_uniform((2, n), seed) < 0.5
        across = tf.where(draws[0], -ones, ones) if self.flip in ("horizontal", "both") else ones
        down = tf.where(draws[1], -ones, ones) if self.flip in ("vertical", "both") else ones
        return across, down

    def _matrices(
        self, n: tf.Tensor, height: int, width: int, seed: tf.Tensor, mirrored: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Output-to-input maps `(n, 8)` about the image's centre, rows (a0 a1 a2 b0 b1 b2 0 0)."""
        draws = tf.random.stateless_uniform((4, n), seed + 1, minval=-1.0)
        angle = draws[0] * self.rotation * math.pi / 180.0
        scale = 1.0 + draws[1] * self.zoom
        across, down = self._flip_signs(n, seed, mirrored)
        a0, a1 = tf.cos(angle) * scale * across, -tf.sin(angle) * scale * down
        b0, b1 = tf.sin(angle) * scale * across, tf.cos(angle) * scale * down
        centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
        reach = self._reach(height, width)
        moved = [draws[2] * reach[0], draws[3] * reach[1]]
        if self._moves_whole_pixels(height, width):
            moved = self._pixels(n, height, width, seed)
        a2 = centre_x - a0 * centre_x - a1 * centre_y + moved[0]
        b2 = centre_y - b0 * centre_x - b1 * centre_y + moved[1]
        zeros = tf.zeros_like(a0)
        return tf.stack([a0, a1, a2, b0, b1, b2, zeros, zeros], axis=1)


def first_mirrored(n: int, seed: int) -> np.ndarray:
    """A coin per row, `(n,)` booleans: which images an alternating flip mirrors in even epochs, and not in odd ones."""
    return np.random.default_rng((seed, FLIP_STREAM)).random(n) < 0.5


def _flipped(images: tf.Tensor, across: tf.Tensor, down: tf.Tensor) -> tf.Tensor:
    """Images mirrored where the signs are negative."""
    shape = (-1, 1, 1, 1)
    images = tf.where(tf.reshape(across < 0, shape), tf.reverse(images, [2]), images)
    return tf.where(tf.reshape(down < 0, shape), tf.reverse(images, [1]), images)


def _shifted(images: tf.Tensor, right: tf.Tensor, down: tf.Tensor) -> tf.Tensor:
    """Images whose pixel (row, column) comes from (row + down, column + right), reflected at the outermost pixels."""
    rows, columns = (
        _reflected(tf.range(size)[None] + tf.cast(move, tf.int32)[:, None], size)
        for size, move in zip(images.shape[1:3], (down, right), strict=True)
    )
    return tf.gather(tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def _reflected(index: tf.Tensor, size: int) -> tf.Tensor:
    """Places beyond either end mirrored back into 0…size - 1, once."""
    return (size - 1) - tf.abs((size - 1) - tf.abs(index))


def _whole(draw: tf.Tensor, most: int) -> tf.Tensor:
    """A draw from [-1, 1) as a whole number from -most to most, each as likely as another."""
    return tf.clip_by_value(tf.round(draw * (most + 0.5)), -most, most)
