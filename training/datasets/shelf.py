"""The cache during one scan: gives the pixels that it holds, takes those that had to be decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

import numpy as np

from training.datasets.cache import CachedImages, CacheSettings, open_entry, row_key
from training.datasets.cachewriter import Writer
from training.datasets.decode import BadImage, DecodeSettings, decode_bytes, read_bytes
from training.datasets.splits import example_hash
from training.datasets.text import counted

SAMPLE = 8


class Shelf:
    """Pixels by the content of their files; safe to use from several threads.

    Args:
        cache: Where; None keeps nothing.
        settings: Of the decoder.
        paths: The files that will be asked for.
    """

    def __init__(self, cache: CacheSettings | None, settings: DecodeSettings, paths: Sequence[Path]) -> None:
        self._cache, self._settings, self._count = cache, settings, len(paths)
        self._writer: Writer | None = None
        self._turn = Lock()
        self._found: dict[int, tuple[int, bytes, bytes]] = {}  # position → row of the file that stands, key, checksum
        self._added, self._damaged = 0, 0
        self.notes: list[str] = []
        self._entry = None
        if cache is not None:
            self._entry, note = open_entry(cache, settings, _sample(paths, settings))
            self.notes += [note] if note else []

    def pixels(self, position: int, data: bytes, file_hash: bytes) -> tuple[np.ndarray, bytes]:
        """The image in a file of these bytes, from the cache or decoded, and its `example_hash`.

        Raises:
            BadImage: It cannot be decoded.
        """
        if self._cache is None:
            pixels = decode_bytes(data, self._settings)
            return pixels, example_hash(pixels)
        key = row_key(file_hash, self._settings)
        found = self._find(key)
        if found is not None:
            self._found[position] = (found[0], key, found[2])
            return found[1], found[2]
        pixels = decode_bytes(data, self._settings)
        check = example_hash(pixels)
        self._add(position, key, pixels, check)
        return pixels, check

    def finish(self, good: np.ndarray) -> CachedImages | None:
        """The images at positions `good`, in that order; None where not all of them could be kept."""
        if self._damaged:
            verb = "was" if self._damaged == 1 else "were"
            self.notes.append(f"{counted(self._damaged, 'image')} of the cache {verb} damaged and decoded again.")
        if self._cache is None:
            return None
        if not self._added and self._entry is not None:
            self.notes.append(f"No file had to be decoded: its pixels stand in {self._entry.path} (checked).")
            return CachedImages(self._entry, np.array([self._found[i][0] for i in good], dtype=np.int64))
        if self._writer is None:
            return None
        try:
            for position, (row, key, check) in self._found.items():
                self._writer.write(position, key, self._entry.pixels[row], check)  # type: ignore[union-attr]
            entry = self._writer.finish()
        except (OSError, ValueError) as error:
            self._give_up(error)
            return None
        size = entry.path.stat().st_size / 1_000_000
        self.notes.append(
            f"Decoded pixels are kept in {entry.path} ({size:,.0f} MB) for every epoch and later runs; it may be "
            "removed at any time. --cache never keeps none."
        )
        return CachedImages(entry, good)

    def abandon(self) -> None:
        """Removes what was written so far: the scan was broken off."""
        if self._writer is not None:
            self._writer.abandon()

    def _find(self, key: bytes) -> tuple[int, np.ndarray, bytes] | None:
        try:
            return self._entry.find(key) if self._entry is not None else None
        except ValueError:
            self._damaged += 1
            return None

    def _add(self, position: int, key: bytes, pixels: np.ndarray, check: bytes) -> None:
        """Keeps decoded pixels, or says once why not; training goes on without."""
        with self._turn:
            self._added += 1
            if self._cache is None:
                return
            try:
                if self._writer is None:
                    self._writer = Writer(self._cache, self._settings, self._count)
            except OSError as error:
                self._give_up(error)
                return
        try:
            self._writer.write(position, key, pixels, check)
        except (OSError, ValueError) as error:  # ValueError: another thread gave up and closed the file
            with self._turn:
                if self._cache is not None:
                    self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if self._writer is not None:
            self._writer.abandon()
        self.notes.append(f"Decoded pixels are not kept on disk: {reason_of(error)}.")
        self._cache = None


def reason_of(error: Exception) -> str:
    """`No space left on device (runs/.cache)`."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f" ({error.filename})" if error.filename else "")
    return str(error)


def _sample(paths: Sequence[Path], settings: DecodeSettings) -> list[bytes]:
    """Keys of a few files, which find the data set in the cache."""
    keys = []
    for place in np.linspace(0, len(paths) - 1, min(SAMPLE, len(paths))).astype(int):
        with suppress(BadImage):
            keys.append(row_key(hashlib.sha256(read_bytes(paths[place])).digest(), settings))
    return keys
