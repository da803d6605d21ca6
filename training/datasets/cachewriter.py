"""Files of the cache, written: whole or absent, within the limit, safe beside other processes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from threading import Lock

import numpy as np

from training.datasets.cache import FORMAT, HEADER, INDEX, SUFFIXES, CacheSettings, Entry, RowFormat, pixels_at, seal_of
from training.datasets.locks import locked, try_lock

UNFINISHED = ".writing-"
MB = 1_000_000


class Writer:
    """A file of the cache as it grows, under a temporary name; safe to use from several threads.

    Args:
        cache: Where, and how much.
        settings: Of the decoder, or another format of rows.
        count: Rows at most.

    Raises:
        OSError: There is no room, or the folder cannot be written.
    """

    def __init__(self, cache: CacheSettings, settings: RowFormat, count: int) -> None:
        self.settings, self._count, self._folder = settings, count, cache.folder
        self._row_bytes = int(np.prod(settings.shape))
        self._index = np.zeros(count, INDEX)
        self._turn = Lock()
        size = pixels_at(count) + count * self._row_bytes
        cache.folder.mkdir(parents=True, exist_ok=True)
        with locked(cache.folder):
            make_room(cache, size)
            handle, name = tempfile.mkstemp(dir=cache.folder, prefix=UNFINISHED)
            self._path, self._file = Path(name), os.fdopen(handle, "r+b", buffering=0)
            try_lock(self._file)
        try:
            self._file.truncate(size)  # others count it in full from now on
        except OSError:
            self.abandon()
            raise

    def write(self, row: int, key: bytes, pixels: np.ndarray, check: bytes) -> None:
        """Puts the pixels of one image, and their `example_hash`, into its row.

        Raises:
            OSError: The disk is full.
        """
        self._put(pixels_at(self._count) + row * self._row_bytes, np.ascontiguousarray(pixels).tobytes())
        self._index[row] = (key, check)

    def finish(self) -> Entry:
        """Makes the file whole and gives it its name: a reader sees all of it or nothing.

        Raises:
            OSError: The disk is full.
        """
        head = np.array([(FORMAT, self._count, self._row_bytes, seal_of(self._index))], HEADER)
        self._put(0, head.tobytes() + self._index.tobytes())
        os.fsync(self._file.fileno())
        content = hashlib.sha256(b"".join(sorted(self._index["key"].tolist()))).hexdigest()
        path = self._folder / self.settings.file_name(content[:16])
        with locked(self._folder):
            self._path.chmod(0o644)
            os.replace(self._path, path)
        try_lock(self._file, shared=True)
        with self._file:
            self._file.seek(0)
            return Entry(path, self._file, self.settings.shape)

    def abandon(self) -> None:
        """Removes what was written."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._file.close()

    def _put(self, offset: int, data: bytes) -> None:
        """Writes until all is written: a disk that fills up takes a part first."""
        view = memoryview(data)
        with self._turn:
            self._file.seek(offset)
            while view:
                view = view[self._file.write(view) :]


def make_room(cache: CacheSettings, size: int) -> None:
    """Removes what killed processes left, and the least recently used files until `size` more bytes keep the limit.

    Args:
        cache: An existing folder, locked, and its limit.
        size: Bytes to be added.

    Raises:
        OSError: `size` is beyond the limit, or the disk, or what files in use leave.
    """
    for path in cache.folder.glob(f"{UNFINISHED}*"):
        _remove_unused(path)
    limit, free = cache.limit_mb * MB, shutil.disk_usage(cache.folder).free
    if size > limit:
        raise OSError(f"{size / MB:,.0f} MB are more than cache_limit_mb={cache.limit_mb}")
    named = (path for path in cache.folder.iterdir() if path.suffix in SUFFIXES)
    files = sorted(named, key=lambda path: path.stat().st_mtime_ns)
    sizes = {path: path.stat().st_size for path in (*files, *cache.folder.glob(f"{UNFINISHED}*"))}
    for path in files:
        if sum(sizes.values()) + size > limit and _remove_unused(path):
            free += sizes.pop(path)
    if sum(sizes.values()) + size > limit:
        raise OSError(f"{size / MB:,.0f} MB beside files in use are more than cache_limit_mb={cache.limit_mb}")
    if size > free:
        raise OSError(f"{size / MB:,.0f} MB are needed, the disk has {free / MB:,.0f} MB free")


def _remove_unused(path: Path) -> bool:
    """Whether the file could be removed: not while a process holds it."""
    try:
        with open(path, "rb") as file:
            if not try_lock(file):
                return False
            path.unlink()
    except OSError:
        return False
    return True
