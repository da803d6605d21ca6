"""A picture that is changed by gradient ascent: pixel by pixel, or by its frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
_START = 0.01  # standard deviation of the first coefficients: a picture close to mid-grey
_REACH = 1.04  # a sigmoid alone never reaches black and white, which photographs hold
_DECAY, _SQUARES, _TINY = 0.9, 0.999, 1e-8  # Adam's


class Canvas:
    """Pictures in 0…1 with their coefficients, changed by Adam."""

    def __init__(
        self, shape: tuple[int, int, int, int], basis: str, learning_rate: float, generator: np.random.Generator
    ):
        """Begins with noise.

        Args:
            shape: `(n, height, width, channels)`.
            basis: `fourier` or `pixel`.
            learning_rate: Of Adam.
            generator: Of the noise.
        """
        self.shape = shape
        self._scale = _frequency_scale(*shape[1:3]) if basis == "fourier" else None
        self._generator = generator
        self._learning_rate = learning_rate
        self._values = self._noise()
        self._mean, self._square = np.zeros_like(self._values), np.zeros_like(self._values)
        self._steps = 0

    def shades(self) -> Pixels:
        """The pictures, `(n, height, width, channels)` in 0…1."""
        return np.clip(0.5 + _REACH * (self._squashed() - 0.5), 0, 1).astype(np.float32)

    def step(self, upwards: Pixels, *, stuck: NDArray[np.bool_]) -> None:
        """Takes a step of Adam.

        Args:
            upwards: The gradient of what is maximised by each shade, `(n, height, width, channels)`.
            stuck: `(n,)`: pictures without a gradient, which get more noise instead.
        """
        squashed = self._squashed()
        gradient: NDArray[Any] = upwards * squashed * (1 - squashed)
        if self._scale is not None:
            spectrum = scipy.fft.rfft2(gradient, axes=(1, 2), norm="ortho") * self._scale
            gradient = np.stack([spectrum.real, spectrum.imag], axis=-1)
        self._steps += 1
        self._mean += (1 - _DECAY) * (gradient - self._mean)
        self._square += (1 - _SQUARES) * (gradient**2 - self._square)
        mean, square = self._mean / (1 - _DECAY**self._steps), self._square / (1 - _SQUARES**self._steps)
        self._values += self._learning_rate * mean / (np.sqrt(square) + _TINY)
        if stuck.any():
            self._values[stuck] += 10 * self._noise()[stuck]

    def _squashed(self) -> NDArray[np.float64]:
        """The pictures before they are cut off."""
        values = self._values
        if self._scale is not None:
            spectrum = (values[..., 0] + 1j * values[..., 1]) * self._scale
            values = scipy.fft.irfft2(spectrum, s=self.shape[1:3], axes=(1, 2), norm="ortho")
        return 1 / (1 + np.exp(-values))

    def _noise(self) -> NDArray[np.float64]:
        """Coefficients of the start."""
        count, height, width, channels = self.shape
        shape = self.shape if self._scale is None else (count, height, width // 2 + 1, channels, 2)
        return self._generator.normal(0, _START, shape)


def total_variation_gradient(shades: Pixels) -> Pixels:
    """The gradient of Σ √(Δx² + Δy² + ε) by each shade, differences taken to the right and downwards.

    Args:
        shades: `(n, height, width, channels)` in 0…1.
    """
    right, down = np.zeros_like(shades), np.zeros_like(shades)
    right[:, :, :-1] = np.diff(shades, axis=2)
    down[:, :-1] = np.diff(shades, axis=1)
    length = np.sqrt(right**2 + down**2 + 1e-4)
    right, down = right / length, down / length
    gradient = -right - down
    gradient[:, :, 1:] += right[:, :, :-1]
    gradient[:, 1:] += down[:, :-1]
    return gradient


def _frequency_scale(height: int, width: int) -> NDArray[np.float64]:
    """`(height, width // 2 + 1, 1)`: 1 / frequency, as in photographs; that of the mean is as for one wave."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    return (0.25 / np.maximum(np.hypot(rows, columns), 1 / max(height, width)))[..., None]
