"""Features on disk: right or computed again, whatever happened to the folder, the file or the process.

The files, the lock, the limit and the checksums are those of the pixel cache (`training.datasets.cache`). No TensorFlow
is imported here.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from training.checks import ConfigError
from training.datasets.cache import CacheSettings, Entry, open_file
from training.datasets.cachewriter import MB, Writer
from training.datasets.dataset import DataError
from training.datasets.files import thread_pool
from training.datasets.shelf import reason_of
from training.datasets.splits import example_hash
from training.words import in_words
from transfer.bottleneck.keys import row_keys

VERIFY_CHUNK = 256
LARGEST = {"float32": float(np.finfo(np.float32).max), "float16": float(np.finfo(np.float16).max)}
Batches = Iterator[tuple[int, np.ndarray]]


@dataclass(frozen=True)
class FeatureSettings:
    """How features are computed and kept.

    Attributes:
        folder: Of the cache, made where it is missing; None keeps nothing on disk.
        limit_mb: MB (10⁶ bytes) that all files in it take together; what was not used for longest goes first.
        dtype: How features are stored. `float16` takes half the room; a feature then differs from float32 by at most
            2⁻¹¹ of itself (0.05 %), or by 2⁻²⁵ (3e-8) where it is below 2⁻¹⁴; beyond 65,504 it is refused.
        batch_size: Images at a time.
        memory_limit_mb: Features that cannot be kept on disk stand in memory up to this size.
        progress: Show a progress bar.
    """

    folder: Path | None = None
    limit_mb: int = 20_000
    dtype: Literal["float32", "float16"] = "float32"
    batch_size: int = 64
    memory_limit_mb: int = 2048
    progress: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in LARGEST:
            raise ConfigError(f"dtype must be float32 or float16. Received: dtype={self.dtype}.")
        for name in ("limit_mb", "batch_size", "memory_limit_mb"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1. Received: {name}={getattr(self, name)}.")


@dataclass(frozen=True)
class Features:
    """What a network makes of every image of a split.

    Attributes:
        array: `(n, …)`, float32 or float16, in the order of the split; a read-only map of `path`, or in memory.
        key: SHA-256 (hex) over all that decides it.
        seconds: What it took to compute, or to find and check.
        from_cache: Whether nothing had to be computed.
        note: Sentences that say what happened.
        path: Its file; None where it could not be kept.
    """

    array: np.ndarray
    key: str
    seconds: float
    from_cache: bool
    note: str
    path: Path | None = None


@dataclass(frozen=True)
class FeatureTable:
    """What a file of features holds; a `RowFormat`.

    Attributes:
        cut: Name of the layer that gives the features.
        key: SHA-256 (hex) over all that decides them.
        array_shape: `(n, …)`.
        dtype: `float32` or `float16`.
    """

    cut: str
    key: str
    array_shape: tuple[int, ...]
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]:
        """`(bytes of a row,)`."""
        return (int(np.prod(self.array_shape[1:])) * np.dtype(self.dtype).itemsize,)

    @property
    def megabytes(self) -> float:
        """MB (10⁶ bytes) of all rows."""
        return self.array_shape[0] * self.shape[0] / MB

    def file_name(self, content: str = "") -> str:
        """The content of a file follows from its key, so there is one file per key."""
        return f"{re.sub(r'[^A-Za-z0-9_]', '_', self.cut)[:60]}-{self.dtype}-{self.key[:32]}.features"

    def array(self, entry: Entry) -> np.ndarray:
        """The features in a file, not copied."""
        return entry.pixels.view(self.dtype).reshape(self.array_shape)


def obtain(table: FeatureTable, settings: FeatureSettings, compute: Callable[[], Batches], *, named: str) -> Features:
    """Features from their file, or computed straight into it, or, where it cannot be kept, into memory.

    Args:
        table: Which.
        settings: Where, and how much.
        compute: Gives first row and features of batch after batch; called again where the disk fills up meanwhile.
        named: What the images are called in the note.

    Raises:
        DataError: Neither disk nor memory suffices.
    """
    start = time.perf_counter()
    keys, about = (
        row_keys(table.key, table.array_shape[0]),
        f"Features of {table.array_shape[0]:,} {named} at {table.cut}",
    )
    entry, damage = _find(table, keys, settings.folder)
    if entry is not None:
        note = f"{about} stand in {_sized(entry)}, checked: nothing was computed."
        return Features(table.array(entry), table.key, time.perf_counter() - start, True, note, entry.path)
    entry, reason = _store(table, keys, settings, compute)
    array = table.array(entry) if entry is not None else _in_memory(table, settings, compute, reason)
    seconds = time.perf_counter() - start
    kept = f"are kept in {_sized(entry)}; it may be removed at any time" if entry else f"stand in memory: {reason}"
    note = f"{damage}{about} were computed in {in_words(seconds)} and {kept}."
    return Features(array, table.key, seconds, False, note, entry.path if entry else None)


def _find(table: FeatureTable, keys: Sequence[bytes], folder: Path | None) -> tuple[Entry | None, str]:
    """The file of these features, every row compared with its checksum; and a sentence if it was no good, or ""."""
    path = folder / table.file_name() if folder else None
    try:
        if path is None or not path.is_file():
            return None, ""
        entry = open_file(path, table.shape)
        _verify(entry, keys)
    except (OSError, ValueError) as error:
        return None, f"{path} is not used ({reason_of(error)}): its features are computed again. "
    with suppress(OSError):
        os.utime(path)  # the least recently used file is removed first
    return entry, ""


def _verify(entry: Entry, keys: Sequence[bytes]) -> None:
    """Raises ValueError unless `entry` holds exactly the rows of `keys`, in order and undamaged."""

    def check(start: int) -> None:
        for row in range(start, min(start + VERIFY_CHUNK, len(keys))):
            found = entry.find(keys[row])
            if found is None or found[0] != row:
                raise ValueError("of other images, or another network")

    if len(entry.pixels) != len(keys):
        raise ValueError("of other images, or another network")
    list(thread_pool().map(check, range(0, len(keys), VERIFY_CHUNK)))


def _store(
    table: FeatureTable, keys: Sequence[bytes], settings: FeatureSettings, compute: Callable[[], Batches]
) -> tuple[Entry | None, str]:
    """Computes features straight into a file; None, and the reason, where they cannot be kept."""
    if settings.folder is None:
        return None, "no folder keeps them"
    try:
        writer = Writer(CacheSettings(settings.folder, settings.limit_mb), table, len(keys))
    except OSError as error:
        return None, reason_of(error)
    try:
        for start, rows in compute():
            for row, values in enumerate(rows, start):
                writer.write(row, keys[row], values, example_hash(values))
        return _finished(writer), ""
    except OSError as error:
        writer.abandon()
        return None, reason_of(error)
    except BaseException:
        writer.abandon()
        raise


def _finished(writer: Writer) -> Entry:
    """The whole file; OSError also where it is damaged when it is opened again."""
    try:
        return writer.finish()
    except ValueError as error:
        raise OSError(f"the file is {error}") from error


def _in_memory(
    table: FeatureTable, settings: FeatureSettings, compute: Callable[[], Batches], reason: str
) -> np.ndarray:
    """Features in an array, as far as the memory allows."""
    if table.megabytes > settings.memory_limit_mb:
        raise DataError(
            f"Features at {table.cut} need {table.megabytes:,.0f} MB. They cannot be kept on disk ({reason}) and are "
            f"more than memory_limit_mb={settings.memory_limit_mb}. Make room, raise --cache-limit-mb or "
            "--memory-limit-mb, or choose a later cut."
        )
    array = np.empty(table.array_shape, table.dtype)
    for start, rows in compute():
        array[start : start + len(rows)] = rows
    array.flags.writeable = False
    return array


def _sized(entry: Entry) -> str:
    """`runs/.cache/x.features (12.3 MB)`."""
    return f"{entry.path} ({entry.pixels.nbytes / MB:,.1f} MB)"
