"""What the processes of the decoding benchmark do, and the files that they read."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

BATCH_SIZE = 32
COMPARED = 64
CLASSES = ("a", "b")


def decoders() -> tuple[str, ...]:
    """Decoding packages beside Pillow that are in use."""
    from training.datasets import jpeg

    return () if jpeg.simplejpeg is None else ("simplejpeg",)


def make_photographs(folder: Path, count: int, side: int, data_dir: str | None, *, square: bool = False) -> float:
    """Writes `count` JPEGs of quality 90 in two class folders, each another cut of a photograph.

    Args:
        folder: Where.
        count: How many.
        side: Longer side in pixels.
        data_dir: Photographs; None makes textures.
        square: Both sides equal.

    Returns:
        Mean size of a file in bytes.
    """
    from PIL import Image

    from training.datasets.files import thread_pool

    photographs = list(itertools.islice(_photographs(data_dir), 200))
    for name in CLASSES:
        (folder / name).mkdir(parents=True)

    def write(number: int) -> int:
        random = np.random.default_rng(number)
        photograph = Image.open(io.BytesIO(photographs[number % len(photographs)])).convert("RGB")
        share = random.uniform(0.8, 1, 2)
        width, height = photograph.width * share[0], photograph.height * (share[0] if not square else share[1])
        left, top = random.uniform(0, photograph.width - width), random.uniform(0, photograph.height - height)
        scale = side / max(width, height)
        wanted = (side, side) if square else (round(width * scale), round(height * scale))
        cut = photograph.resize(wanted, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
        path = folder / CLASSES[number % 2] / f"{number:06d}.jpg"
        cut.save(path, quality=90)
        return path.stat().st_size

    return float(np.mean(list(thread_pool().map(write, range(count)))))


def _photographs(data_dir: str | None) -> Iterator[bytes]:
    """Bytes of image files, in a fixed order; textures of several scales where there are none."""
    if data_dir is not None:
        from training.datasets.decode import BadImage, decode
        from training.datasets.scan import list_files

        for path in list_files(Path(data_dir).expanduser()):
            try:
                decode(path, image_size=(8, 8))
            except BadImage:
                continue
            yield path.read_bytes()
        return
    from PIL import Image

    for seed in range(40):
        random = np.random.default_rng(seed)
        texture = np.zeros((375, 500, 3))
        for cells in (4, 16, 64, 256):
            noise = Image.fromarray(random.integers(0, 256, (cells * 3 // 4, cells, 3)).astype(np.uint8))
            texture += np.asarray(noise.resize((500, 375), Image.Resampling.BICUBIC), np.float64) / 4
        buffer = io.BytesIO()
        Image.fromarray(texture.astype(np.uint8)).save(buffer, "PNG")
        yield buffer.getvalue()


def prepare_stock(root: str, size: int) -> tuple[dict[str, Any], Callable[[], float]]:
    """Keras' own pipeline, and its pixels of the first files."""
    keras = _keras()

    def dataset(shuffle: bool) -> Iterable:
        return keras.utils.image_dataset_from_directory(
            root,
            image_size=(size, size),
            crop_to_aspect_ratio=True,
            batch_size=BATCH_SIZE,
            shuffle=shuffle,
            seed=1,
            verbose=False,
        )

    rows = itertools.islice(dataset(shuffle=False), COMPARED // BATCH_SIZE)
    shuffled = dataset(shuffle=True)
    return {"pixels": np.concatenate([np.asarray(x) for x, _ in rows])}, lambda: _rate(shuffled)


def prepare_files(root: str, size: int) -> tuple[dict[str, Any], Callable[[], float]]:
    """This project's pipeline without a cache, and its pixels of the first files."""
    _keras()
    from training.datasets.decode import DecodeSettings
    from training.datasets.files import ImageFiles

    paths = _paths(root)
    images = ImageFiles(paths, DecodeSettings((size, size)))
    pixels = images[np.arange(COMPARED)].astype(np.float32)
    return {"pixels": pixels}, _epoch(images)


def prepare_cache(root: str, size: int) -> tuple[dict[str, Any], Callable[[], float]]:
    """This project's pipeline from the cache, pixels decoded at full scale, and the rates of the scan."""
    _keras()
    from training.datasets import jpeg
    from training.datasets.cache import CachedImages, CacheSettings
    from training.datasets.decode import DecodeSettings, decode
    from training.datasets.scan import scan

    paths, settings = _paths(root), DecodeSettings((size, size))
    cache = CacheSettings(Path(root).parent / f"cache-{Path(root).name}", limit_mb=1_000_000)
    rates = {}
    for name in ("cold", "warm"):
        start = time.perf_counter()
        images = scan(paths, settings, memory_limit_mb=0, cache=cache, progress=False).images
        rates[name] = len(paths) / (time.perf_counter() - start)
    if not isinstance(images, CachedImages):
        raise OSError(f"there is no room for the cache in {cache.folder}")
    scales, jpeg.SCALES = jpeg.SCALES, (1,)
    full = np.stack([decode(path, image_size=(size, size)) for path in paths[:COMPARED]]).astype(np.float32)
    jpeg.SCALES = scales
    return {"pixels": full, "scan": rates}, _epoch(images)


def _keras() -> Any:
    from training.startup import import_tensorflow

    import_tensorflow()
    import keras

    return keras


def _paths(root: str) -> list[Path]:
    return [path for name in CLASSES for path in sorted((Path(root) / name).iterdir())]


def _epoch(images: Any) -> Callable[[], float]:
    from training.datasets.dataset import Split
    from training.pipeline import batches

    split = Split(images, np.zeros(len(images), np.int64), np.arange(len(images)).astype(str))
    dataset = batches(split, batch_size=BATCH_SIZE, shuffle_seed=1)
    return lambda: _rate(dataset)


def _rate(dataset: Iterable) -> float:
    """Images per second of one pass."""
    start = time.perf_counter()
    count = sum(len(y) for _, y in dataset)
    return count / (time.perf_counter() - start)
