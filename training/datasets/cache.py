"""Decoded pixels on disk: a second run, and every epoch of data too large for memory, need not decode again.

A file of the cache holds rows of bytes: pixels here, features of a network in `transfer.features`. Pixels are found by
the SHA-256 of their image file's bytes and of the decode settings, and every row carries a checksum, so that a changed
image, other settings or a flipped byte can never give wrong pixels.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import PIL

from training.datasets.decode import DecodeSettings
from training.datasets.locks import try_lock
from training.datasets.splits import example_hash

FORMAT = b"groundwork cache 1"  # change it whenever `decode` gives other pixels
HEADER = np.dtype([("format", "S24"), ("rows", "<i8"), ("row_bytes", "<i8"), ("seal", "V32")])
INDEX = np.dtype([("key", "V32"), ("check", "V16")])
SUFFIXES = (".pixels", ".features")  # all count towards one limit


class RowFormat(Protocol):
    """What a file holds: `DecodeSettings` (pixels) is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row, uint8."""

    def file_name(self, content: str) -> str:
        """A name that ends in one of `SUFFIXES`; with `"*"`, the pattern that finds all files of this format."""


@dataclass(frozen=True)
class CacheSettings:
    """Where decoded pixels are kept, and how many.

    Attributes:
        folder: Made where it is missing; all in it may be removed at any time.
        limit_mb: MB (10⁶ bytes) that all files in it take together.
        always: Also keep images that fit in memory.
    """

    folder: Path
    limit_mb: int = 20_000
    always: bool = False


def row_key(file_hash: bytes, settings: DecodeSettings) -> bytes:
    """What finds the pixels of a file: 32 bytes over its content, the settings and the version of the decoder."""
    decoder = json.dumps([PIL.__version__, settings.as_dict()], sort_keys=True)
    return hashlib.sha256(FORMAT + decoder.encode() + file_hash).digest()


def pixels_at(rows: int) -> int:
    """Bytes before the first pixel, a multiple of a page."""
    return -(-(HEADER.itemsize + rows * INDEX.itemsize) // 4096) * 4096


class Entry:
    """One whole file of the cache, in use, and so never removed, while this object lives.

    Attributes:
        path: The file.
        rows: Key → row number.
        pixels: uint8 `(n, height, width, channels)`, read from disk on access.
    """

    def __init__(self, path: Path, file: IO[bytes], shape: tuple[int, ...]) -> None:
        self.path = path
        start = file.read(HEADER.itemsize)
        if len(start) < HEADER.itemsize:
            raise ValueError("torn")
        head = np.frombuffer(start, HEADER)[0]
        count, row_bytes = int(head["rows"]), int(np.prod(shape))
        whole = os.fstat(file.fileno()).st_size == pixels_at(count) + count * row_bytes
        if bytes(head["format"]) != FORMAT or head["row_bytes"] != row_bytes or not whole:
            raise ValueError("torn, or written by another program")
        index = np.frombuffer(file.read(count * INDEX.itemsize), INDEX)
        if seal_of(index) != bytes(head["seal"]):
            raise ValueError("damaged")
        self.rows = {key: row for row, key in enumerate(index["key"].tolist()) if key.strip(b"\0")}
        self._checks = index["check"]
        # The map holds a descriptor of its own, and with it the lock of `file`, which may be closed.
        self.pixels = np.memmap(file, np.uint8, "r", pixels_at(count), (count, *shape))
        self._plain = np.asarray(self.pixels)  # the same, without what a memmap does for each row that is reached

    def find(self, key: bytes) -> tuple[int, np.ndarray, bytes] | None:
        """Row number, pixels and checksum of `key`, compared; None where it is absent.

        Raises:
            ValueError: The pixels are not those that were written.
        """
        row = self.rows.get(key)
        if row is None:
            return None
        pixels = self._plain[row]
        check = example_hash(pixels)
        if check != bytes(self._checks[row]):
            raise ValueError("damaged")
        return row, pixels, check


class CachedImages:
    """An `ImageSource` over rows of an `Entry`.

    Args:
        entry: Verified pixels on disk.
        rows: Row number of each image.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, entry: Entry, rows: np.ndarray) -> None:
        self.entry, self.rows = entry, rows

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, height, width, channels)`."""
        return (len(self.rows), *self.entry.pixels.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: np.ndarray | slice | int) -> np.ndarray:
        """uint8 images of `index`, in that order; a single integer gives one image."""
        return np.array(self.entry.pixels[self.rows[index]])

    def subset(self, index: np.ndarray) -> CachedImages:
        """The images of `index`."""
        return CachedImages(self.entry, self.rows[index])


def open_entry(cache: CacheSettings, settings: DecodeSettings, sample: Sequence[bytes]) -> tuple[Entry | None, str]:
    """The file of the cache that holds most of `sample`.

    Args:
        cache: Where.
        settings: Of the decoder.
        sample: Keys of some images of the data set.

    Returns:
        It, or None where no file holds any of them; and a sentence about a file that was no good, or "".
    """
    best, most, note = None, 0, ""
    for path in sorted(cache.folder.glob(settings.file_name("*"))):
        try:
            entry = open_file(path, settings.shape)
        except (OSError, ValueError) as error:
            note = f"{path} is {error}: its images are decoded again."
            continue
        held = sum(key in entry.rows for key in sample)
        if held > most:
            best, most = entry, held
    if best is not None:
        with contextlib.suppress(OSError):
            os.utime(best.path)  # the least recently used file is removed first
    return best, note


def open_file(path: Path, shape: tuple[int, ...]) -> Entry:
    """The file, whole, with rows of `shape`.

    Raises:
        ValueError: It is torn, damaged or foreign, or is being removed; the message continues `<path> is …`.
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        if not try_lock(file, shared=True):
            raise ValueError("being removed by another process")
        return Entry(path, file, shape)


def seal_of(index: np.ndarray) -> bytes:
    """32 bytes over all keys and checksums."""
    return hashlib.sha256(index.tobytes()).digest()
