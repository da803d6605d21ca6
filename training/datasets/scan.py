"""Lists a folder of images and decodes every file once, before training sees any of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from training.datasets.cache import CachedImages, CacheSettings
from training.datasets.decode import BadImage, DecodeSettings, probe, read_bytes
from training.datasets.files import ImageFiles, thread_pool
from training.datasets.shelf import Shelf

IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
CHUNK = 32


@dataclass(frozen=True)
class Header:
    """What the header of a file says: height, width, grey; or `reason` why it cannot be read."""

    height: int = 0
    width: int = 0
    grey: bool = False
    reason: str = ""


@dataclass
class Scan:
    """What reading and decoding every file found.

    Attributes:
        images: uint8 array of the good files in order, or, where memory is short, `CachedImages` or `ImageFiles`.
        good: Positions of the good files in the list that was scanned.
        bad: Position → reason.
        pixel_hashes: Of each good file's decoded pixels.
        file_hashes: SHA-256 of each good file's bytes.
        notes: What the cache has to say.
    """

    images: np.ndarray | CachedImages | ImageFiles
    good: np.ndarray
    bad: dict[int, str]
    pixel_hashes: list[bytes]
    file_hashes: list[bytes]
    notes: list[str]


def visible(folder: Path) -> tuple[list[Path], list[Path]]:
    """Subfolders (links followed) and files of `folder`, sorted, hidden and system files left out."""
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    entries = [path for path in entries if path.name[0] != "." and path.name.lower() not in IGNORED]
    return [path for path in entries if path.is_dir()], [path for path in entries if not path.is_dir()]


def list_files(folder: Path) -> list[Path]:
    """Every visible file below `folder`, at any depth, in a fixed order."""
    return list(_walk(folder, ()))


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:  # a link that leads back up
        return
    folders, files = visible(folder)
    yield from files
    for child in folders:
        yield from _walk(child, (*above, real))


def read_headers(paths: Sequence[Path], *, progress: bool) -> list[Header]:
    """The header of every file."""
    return _in_threads(_header, paths, progress, "Reading headers")


def _header(item: tuple[int, Path]) -> Header:
    try:
        return Header(*probe(item[1]))
    except BadImage as error:
        return Header(reason=error.reason)


def scan(
    paths: Sequence[Path],
    settings: DecodeSettings,
    *,
    memory_limit_mb: int,
    cache: CacheSettings | None = None,
    progress: bool = True,
) -> Scan:
    """Reads every file once, and decodes it unless the cache holds the pixels of these very bytes.

    Args:
        paths: Files to decode.
        settings: Size, resizing and colour.
        memory_limit_mb: Up to this many MB (10⁶ bytes) of pixels stand in memory; more are read from the cache or
            decoded on access.
        cache: Keeps decoded pixels on disk where they do not fit in memory, or always; None: never.
        progress: Show a progress bar.
    """
    fits = fits_memory(len(paths), settings, memory_limit_mb)
    images = np.empty((len(paths) if fits else 0, *settings.shape), dtype=np.uint8)
    shelf = Shelf(cache if cache and (cache.always or not fits) else None, settings, paths)

    def check(item: tuple[int, Path]) -> tuple[bytes, bytes, str]:
        position, path = item
        try:
            data = read_bytes(path)
            file_hash = hashlib.sha256(data).digest()
            pixels, pixel_hash = shelf.pixels(position, data, file_hash)
        except BadImage as error:
            return b"", b"", error.reason
        if fits:
            images[position] = pixels
        return pixel_hash, file_hash, ""

    try:
        results = _in_threads(check, paths, progress, "Checking images")
    except BaseException:
        shelf.abandon()
        raise
    bad = {position: result[2] for position, result in enumerate(results) if result[2]}
    good = np.array([position for position in range(len(paths)) if position not in bad], dtype=np.int64)
    kept = shelf.finish(good)
    file_hashes = [results[i][1] for i in good]
    return Scan(
        images=_keep(images, good) if fits else kept or ImageFiles([paths[i] for i in good], settings, file_hashes),
        good=good,
        bad=bad,
        pixel_hashes=[results[i][0] for i in good],
        file_hashes=file_hashes,
        notes=shelf.notes,
    )


def fits_memory(count: int, settings: DecodeSettings, memory_limit_mb: int) -> bool:
    """Whether `count` decoded images need at most `memory_limit_mb`."""
    return count * int(np.prod(settings.shape)) <= memory_limit_mb * 1_000_000


def _keep(images: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Moves the good rows to the front, without a second array."""
    if len(good) < len(images):
        for to, source in enumerate(good):
            images[to] = images[source]
    return images[: len(good)]


def _in_threads(work: Callable[[tuple[int, Path]], Any], paths: Sequence[Path], progress: bool, title: str) -> list:
    """`work((position, path))` for every path, in order, in chunks: a future per file would cost memory."""
    items = list(enumerate(paths))
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    results: list = []
    hidden = None if progress else True  # None: a bar on a terminal, nothing in a log file
    with tqdm(total=len(items), desc=title, unit="image", disable=hidden, leave=False) as bar:
        for done in thread_pool().map(lambda chunk: [work(item) for item in chunk], chunks):
            results += done
            bar.update(len(done))
    return results
