"""Scores of many files: the next batches are decoded in threads while the model works on this one."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.datasets.decode import BadImage, DecodeSettings, decode_bytes, read_bytes
from training.datasets.files import thread_pool, workers
from training.datasets.imagefile import stored_in_grey

if TYPE_CHECKING:
    import keras

AHEAD = 2  # batches decoded while one is predicted
BATCH_BYTES = 64 * 2**20  # of float32 input
LAYER_BYTES = 2**30  # of float32 that one layer puts out
LARGEST_BATCH = 256


@dataclass(frozen=True)
class Scored:
    """One batch, in the order of its files.

    Attributes:
        scores: `(n, K)` float64; a row of NaN where the file cannot be read.
        bad: Position in the batch → reason.
        converted: How many images had another number of channels than the model takes.
    """

    scores: np.ndarray
    bad: dict[int, str]
    converted: int = 0


def batch_size_for(settings: DecodeSettings, largest_output: int = 1) -> int:
    """A batch that keeps the model's input within 64 MiB, and the largest output of one layer within 1 GiB.

    Args:
        settings: Size of the input.
        largest_output: Numbers that a layer puts out for one example, as `largest_output` finds them.
    """
    height, width, channels = settings.shape
    fits = min(BATCH_BYTES // (4 * height * width * channels), LAYER_BYTES // (4 * largest_output))
    return int(min(LARGEST_BATCH, max(1, fits)))


def largest_output(model: keras.Model) -> int:
    """The most numbers that a layer of the model puts out for one example."""
    shapes = [output.shape for layer in model.layers for output in _outputs(layer)]
    return max((math.prod(size or 1 for size in shape) for shape in shapes), default=1)


def _outputs(layer: keras.Layer) -> list[Any]:
    """A layer's symbolic outputs, of every call."""
    return [tensor for node in layer._inbound_nodes for tensor in node.output_tensors]


def score_files(
    paths: Sequence[Path],
    settings: DecodeSettings,
    scores: Callable[[np.ndarray], np.ndarray],
    *,
    batch_size: int,
    num_classes: int,
) -> Iterator[Scored]:
    """Scores of every file, batch after batch, in order; a file that cannot be read is no error here.

    Args:
        paths: The files.
        settings: How they are decoded.
        scores: From uint8 pixels `(n, height, width, channels)` to scores `(n, K)`.
        batch_size: Files of a batch.
        num_classes: K.
    """
    waiting: deque[_Batch] = deque()
    starts = iter(range(0, len(paths), batch_size))

    def begin() -> None:
        if (start := next(starts, None)) is not None:
            waiting.append(_Batch(paths[start : start + batch_size], settings))

    for _ in range(1 + AHEAD):
        begin()
    while waiting:
        batch = waiting.popleft()
        batch.wait()
        begin()
        yield _score(batch, scores, num_classes)


class _Batch:
    """Files that are being decoded, each worker a part of them."""

    def __init__(self, paths: Sequence[Path], settings: DecodeSettings) -> None:
        self.pixels = np.empty((len(paths), *settings.shape), dtype=np.uint8)
        self.bad: dict[int, str] = {}
        self.converted = 0
        self._paths, self._settings = paths, settings
        part = -(-len(paths) // (2 * workers()))
        pool = thread_pool()
        self._parts: list[Future[int]] = [
            pool.submit(self._decode, range(start, min(start + part, len(paths))))
            for start in range(0, len(paths), part)
        ]

    def wait(self) -> None:
        """Until all are decoded."""
        self.converted = sum(part.result() for part in self._parts)

    def _decode(self, rows: range) -> int:
        """Decodes some; returns how many were stored with another number of channels."""
        converted = 0
        for row in rows:
            try:
                data = read_bytes(self._paths[row])
                self.pixels[row] = decode_bytes(data, self._settings)
                converted += stored_in_grey(data) != (self._settings.color_mode == "grayscale")
            except BadImage as error:
                self.bad[row] = error.reason
        return converted


def _score(batch: _Batch, scores: Callable[[np.ndarray], np.ndarray], num_classes: int) -> Scored:
    """Predicts the good files of a batch."""
    good = [row for row in range(len(batch.pixels)) if row not in batch.bad]
    found = np.full((len(batch.pixels), num_classes), np.nan)
    if good:
        found[good] = scores(batch.pixels if len(good) == len(batch.pixels) else batch.pixels[good])
    return Scored(found, batch.bad, batch.converted)
