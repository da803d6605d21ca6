"""Images that stay on disk: decoded when a batch asks for them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from training.datasets.dataset import DataError
from training.datasets.decode import BadImage, DecodeSettings, decode_bytes, read_bytes
from training.datasets.text import printable

LARGEST_CHUNK = 16  # files that one thread takes at a time: small ones cost more in the queue than in decoding


class ImageFiles:
    """An `ImageSource` over files: indexing decodes them, in threads, through the one decoder.

    Args:
        paths: One file per image.
        settings: Size, resizing and colour of every image.
        hashes: SHA-256 (32 bytes) of each file when it was first read: one that was changed since is refused, because
            digests, caches and splits speak of the old one. None: not compared.

    Example:
        >>> images = ImageFiles(paths, DecodeSettings((224, 224)))
        >>> images[np.array([3, 0])].shape
        (2, 224, 224, 3)

    Raises:
        BadImage: On access, where a file cannot be read.
        DataError: On access, where it was changed.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, paths: Sequence[Path | str], settings: DecodeSettings, hashes: Sequence[bytes] | None = None
    ) -> None:
        self.paths = np.array([str(path) for path in paths], dtype=object)
        self.settings = settings
        self.hashes = None if hashes is None else np.array(hashes, dtype=object)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, height, width, channels)`."""
        return (len(self.paths), *self.settings.shape)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: np.ndarray | slice | int) -> np.ndarray:
        """uint8 images of `index`, in that order; a single integer gives one image."""
        chosen = np.arange(len(self.paths))[index]
        if chosen.ndim == 0:
            return self._one(int(chosen))
        images = np.empty((len(chosen), *self.settings.shape), dtype=np.uint8)
        size = max(1, min(LARGEST_CHUNK, -(-len(chosen) // workers())))

        def fill(start: int) -> None:
            for row in range(start, min(start + size, len(chosen))):
                images[row] = self._one(chosen[row])

        list(thread_pool().map(fill, range(0, len(chosen), size)))
        return images

    def subset(self, index: np.ndarray) -> ImageFiles:
        """The files of `index`, still undecoded."""
        return ImageFiles(self.paths[index], self.settings, None if self.hashes is None else list(self.hashes[index]))

    def _one(self, position: int) -> np.ndarray:
        path = self.paths[position]
        try:
            data = read_bytes(path)
            if self.hashes is None or hashlib.sha256(data).digest() == self.hashes[position]:
                return decode_bytes(data, self.settings)
        except BadImage as error:
            raise BadImage(error.reason, path) from error
        raise DataError(
            f"{printable(path)} was changed while it was in use: its SHA-256 is not that of the file that was read "
            "first. Restore it and go on, or run the command again from the start."
        )


@cache
def thread_pool() -> ThreadPoolExecutor:
    """One pool for the process: decoding releases the interpreter lock, so threads do run at once."""
    return ThreadPoolExecutor(max_workers=workers(), thread_name_prefix="decode")


def workers() -> int:
    """Number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
