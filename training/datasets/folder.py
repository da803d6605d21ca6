"""The folder source: the user's images, one folder per class, with or without split folders.

Every file is decoded once before anything is trained; each bad one is named with its reason.

Several images of one patient must not stand in two splits: a file `groups.csv` in the root, with the
columns `file,group` (one line per file in the class folders, its path relative to the root with
forward slashes), keeps each group whole where splits are carved, and refuses given splits that
share one.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np

from training.datasets.cache import CachedImages, CacheSettings
from training.datasets.classes import order_classes, reorder
from training.datasets.dataset import SPLIT_NAMES, DataError, Dataset, Split, digest_of
from training.datasets.decode import DecodeSettings, Resize
from training.datasets.layout import Layout, check_classes, read_layout
from training.datasets.scan import Header, Scan, read_headers, scan
from training.datasets.splits import DEFAULT_CARVING, Carving, arrange, carve, carved_note, duplicates_across
from training.datasets.text import counted, printable

DEFAULT_SIZE = (128, 128)
LARGEST_OWN_SIZE = 256  # pixels; larger pictures are reduced unless the user asks for their size
SHOWN = 5


def load_folder(
    data_dir: str | Path | None,
    *,
    image_size: tuple[int, int] | None = None,
    resize: Resize = "crop",
    color_mode: Literal["auto", "rgb", "grayscale"] = "auto",
    on_bad: Literal["fail", "skip"] = "fail",
    memory_limit_mb: int = 2048,
    cache: CacheSettings | None = None,
    carving: Carving = DEFAULT_CARVING,
    positive: str | None = None,
    progress: bool = True,
) -> Dataset:
    """Loads `root/<class>/…` or `root/{train,validation,test}/<class>/…`, with groups from `root/groups.csv`.

    Args:
        data_dir: The root.
        image_size: Height and width; None: their own if all are equal and at most 256, else 128×128.
        resize: `crop`, `pad` or `stretch`.
        color_mode: `auto` is grayscale where every image is stored in grey, else rgb.
        on_bad: `fail`, or `skip` files that cannot be decoded and list them.
        memory_limit_mb: Larger sets are read from the cache, or decoded, when a batch asks for them.
        cache: Where decoded pixels are kept; None: nowhere.
        carving: How missing splits are cut from train.
        positive: Two classes: the condition looked for.
        progress: Show progress bars.

    Raises:
        DataError: The folder, its layout or a file is not usable.
    """
    layout = read_layout(data_dir)
    class_names, notes = order_classes(layout.classes, positive)
    _carve(layout, carving)  # a class too small to split is told before thousands of files are decoded
    settings, size_notes, bad = _settings(layout, image_size, resize, color_mode, on_bad, progress)
    scanned = scan(layout.paths, settings, memory_limit_mb=memory_limit_mb, cache=cache, progress=progress)
    bad += _drop_bad(layout, scanned.bad, on_bad)
    order, sizes, carved = _order(layout, carving)
    splits, twins = _splits(layout, scanned, order, sizes, reorder(layout.y, layout.classes, class_names))
    storage = _storage(scanned)
    return Dataset(
        name="folder",
        kind="image",
        task="classification",
        **splits,
        class_names=class_names,
        digest=_digest(layout, scanned),
        notes=(
            *notes,
            *layout.notes,
            *size_notes,
            *([f"Left out {counted(len(bad), 'file')} that cannot be decoded."] if bad else []),
            *([] if storage == "memory" else [_stream_note(len(layout.paths), settings, memory_limit_mb, storage)]),
            *scanned.notes,
            *carved_note(sizes, carved, carving.seed, stratified=True, grouped=layout.groups is not None),
            *twins,
        ),
        bad_files=tuple(bad),
        settings={
            **settings.as_dict(),
            "storage": storage,
            "splits_given": [name for name in SPLIT_NAMES if name not in carved],
        },
    )


def _carve(layout: Layout, carving: Carving) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (in the train part) of train, validation and test."""
    train = layout.split == 0
    return carve(
        layout.y[train],
        validation_fraction=None if "validation" in layout.given else carving.validation_fraction,
        test_fraction=None if "test" in layout.given else carving.test_fraction,
        seed=carving.seed,
        groups=None if layout.groups is None else layout.groups[train],
        class_names=layout.classes,
    )


def _settings(
    layout: Layout, image_size: tuple[int, int] | None, resize: Resize, color_mode: str, on_bad: str, progress: bool
) -> tuple[DecodeSettings, list[str], list[tuple[str, str]]]:
    """Resolves size and colour from the headers where they are not given; bad headers count as bad files."""
    if image_size is not None and color_mode != "auto":
        return DecodeSettings(image_size, resize, color_mode), [], []  # type: ignore[arg-type]
    headers = read_headers(layout.paths, progress=progress)
    good = [header for header in headers if not header.reason]
    if not good or on_bad == "skip":
        bad = _drop_bad(layout, {i: header.reason for i, header in enumerate(headers) if header.reason}, on_bad)
    else:
        bad = []  # the scan names them together with those whose pixels are bad
    size, notes = (image_size, []) if image_size is not None else _own_size(good, resize)
    if color_mode == "auto":
        color_mode = "grayscale" if all(header.grey for header in good) else "rgb"
    return DecodeSettings(size, resize, color_mode), notes, bad  # type: ignore[arg-type]


def _own_size(headers: list[Header], resize: str) -> tuple[tuple[int, int], list[str]]:
    """The size of all images if it is one and not large, else the default and a note."""
    sizes = Counter((header.height, header.width) for header in headers)
    if len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST_OWN_SIZE:
        return next(iter(sizes)), []
    areas = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    (low_h, low_w), (high_h, high_w) = areas[0], areas[-1]
    height, width = DEFAULT_SIZE
    found = f"{len(sizes):,} sizes, from {low_h}×{low_w} to {high_h}×{high_w}" if len(sizes) > 1 else f"{low_h}×{low_w}"
    return DEFAULT_SIZE, [
        f"The images have {found} (height×width): all become "
        f"{height}×{width} ({resize}). Choose with --image-size and --resize."
    ]


def _drop_bad(layout: Layout, bad: dict[int, str], on_bad: str) -> list[tuple[str, str]]:
    """Lists bad files and leaves them out, or fails with their names and reasons."""
    if not bad:
        return []
    ids = layout.ids()
    found = [(str(ids[position]), reason) for position, reason in sorted(bad.items())]
    if on_bad != "skip":
        shown = ", ".join(f"{printable(name)} ({reason})" for name, reason in found[:SHOWN])
        more = f", and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        them = "it" if len(found) == 1 else "them"
        raise DataError(
            f"{len(found):,} of {counted(len(ids), 'file')} in {printable(layout.root)} cannot be used: "
            f"{shown}{more}. Remove {them}, or leave {them} out with --on-bad skip."
        )
    layout.keep(np.array([i for i in range(len(ids)) if i not in bad], dtype=np.int64))
    check_classes(layout)
    return found


def _order(layout: Layout, carving: Carving) -> tuple[np.ndarray, dict[str, int], list[str]]:
    """Order of the files that puts train, validation and test one after another, their sizes, and what was carved."""
    parts = list(_carve(layout, carving))  # the train part comes first, so its positions are file positions
    carved = [name for name in SPLIT_NAMES[1:] if name not in layout.given]
    for number, name in enumerate(SPLIT_NAMES):
        if number and name in layout.given:
            parts[number] = np.flatnonzero(layout.split == number)
    sizes = {name: len(part) for name, part in zip(SPLIT_NAMES, parts, strict=True)}
    return np.concatenate(parts), sizes, carved


def _splits(
    layout: Layout, scanned: Scan, order: np.ndarray, sizes: dict[str, int], y: np.ndarray
) -> tuple[dict[str, Any], list[str]]:
    """The three splits (views of one array, or files), and a note on images that stand in two of them."""
    ids = layout.ids()
    images = scanned.images
    if isinstance(images, np.ndarray):
        arrange(images, order)
    splits, hashes, start = {}, {}, 0
    for name, size in sizes.items():
        chosen = order[start : start + size]
        x = images[start : start + size] if isinstance(images, np.ndarray) else images.subset(chosen)
        splits[name] = Split(x, y[chosen], ids[chosen], None if layout.groups is None else layout.groups[chosen])
        hashes[name] = [scanned.pixel_hashes[i] for i in chosen]
        start += size
    return splits, duplicates_across(hashes, {name: split.ids for name, split in splits.items()})


def _digest(layout: Layout, scanned: Scan) -> str:
    """Over relative names, labels, the bytes of every file, and groups where there are any."""
    labels = [layout.classes[label] for label in layout.y]
    groups = [] if layout.groups is None else [layout.groups]
    return digest_of(["folder", layout.ids(), labels, b"".join(scanned.file_hashes), *groups])


def _storage(scanned: Scan) -> str:
    if isinstance(scanned.images, np.ndarray):
        return "memory"
    return "cache" if isinstance(scanned.images, CachedImages) else "files"


def _stream_note(count: int, settings: DecodeSettings, memory_limit_mb: int, storage: str) -> str:
    needed = count * int(np.prod(settings.shape)) / 1_000_000
    return (
        f"The images need {needed:,.0f} MB, more than memory_limit_mb={memory_limit_mb}: "
        f"they are {'read from the cache' if storage == 'cache' else 'decoded from disk'} in every epoch."
    )
