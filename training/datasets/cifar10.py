"""CIFAR-10: the official binary files, else Keras' download.

Reference:
    A. Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.datasets.assemble import assemble
from training.datasets.classes import order_classes, reorder
from training.datasets.dataset import DataError, Dataset, Split, digest_of
from training.datasets.splits import DEFAULT_CARVING, Carving
from training.datasets.text import printable

FOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
IMAGES_PER_FILE = 10_000
RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue planes
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load_cifar10(
    data_dir: str | Path | None, *, carving: Carving = DEFAULT_CARVING, positive: str | None = None
) -> Dataset:
    """60,000 photographs, 32×32×3, 10 classes; the test set is the official one.

    Args:
        data_dir: Folder that holds `cifar-10-batches-bin/`, or is it; None downloads through Keras.
        carving: How validation is cut from the 50,000 training images.
        positive: Refused: there are ten classes.

    Raises:
        DataError: A file is missing or torn, or the download failed.
    """
    x, y, names = _read_binary(_find(Path(data_dir).expanduser())) if data_dir else _download()
    digest = digest_of(["cifar10", x, y, list(names)])
    class_names, class_notes = order_classes(names, positive)
    y = reorder(y, names, class_names)
    start = len(x) - IMAGES_PER_FILE
    ids = np.array([f"train/{i:05d}" for i in range(start)] + [f"test/{i:05d}" for i in range(IMAGES_PER_FILE)])
    given = {"train": Split(x[:start], y[:start], ids[:start]), "test": Split(x[start:], y[start:], ids[start:])}
    splits, notes = assemble(given, carving=carving, class_names=class_names)
    return Dataset(
        name="cifar10",
        kind="image",
        task="classification",
        **splits,
        class_names=class_names,
        digest=digest,
        notes=(*class_notes, *notes),
        settings={"splits_given": ["train", "test"]},
    )


def _find(root: Path) -> Path:
    """The folder with the binary files."""
    for folder in (root / FOLDER, root):
        if (folder / TEST_FILE).exists() or (folder / TRAIN_FILES[0]).exists():
            return folder
    raise DataError(
        f"{printable(root)} does not hold {FOLDER}/. Expected the official binary version of CIFAR-10, unpacked. "
        "Give the folder that holds it as --data-dir, or no --data-dir to download."
    )


def _read_binary(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """All images in one array, test last, filled file by file so that little else is held."""
    files = (*TRAIN_FILES, TEST_FILE)
    names = _names(folder / "batches.meta.txt")
    for name in files:
        _check_size(folder / name)
    x = np.empty((len(files) * IMAGES_PER_FILE, 32, 32, 3), dtype=np.uint8)
    y = np.empty(len(x), dtype=np.int64)
    for number, name in enumerate(files):
        rows = slice(number * IMAGES_PER_FILE, (number + 1) * IMAGES_PER_FILE)
        records = np.fromfile(folder / name, dtype=np.uint8).reshape(-1, RECORD)
        y[rows] = records[:, 0]
        x[rows] = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        if y[rows].max() >= len(names):
            raise DataError(
                f"{printable(folder / name)} holds label {y[rows].max()}. Expected 0 to {len(names) - 1}. "
                "The file is damaged: unpack it again."
            )
    return x, y, names


def _check_size(path: Path) -> None:
    expected = IMAGES_PER_FILE * RECORD
    if not path.is_file():
        raise DataError(f"{printable(path)} is missing. Expected the six .bin files of CIFAR-10. Unpack them again.")
    received = path.stat().st_size
    if received != expected:
        raise DataError(
            f"{printable(path)} is torn. Expected {expected:,} bytes. Received: {received:,}. Unpack it again."
        )


def _names(path: Path) -> tuple[str, ...]:
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{printable(path)} cannot be read. Expected ten class names. Unpack it again.") from error
    if len(names) != 10 or len(set(names)) != 10:
        raise DataError(f"{printable(path)} must hold ten class names. Received: {len(names)}. Unpack it again.")
    return names


def _download() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Keras' copy, cached in its home folder."""
    try:
        from keras.datasets import cifar10

        (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    except Exception as error:  # network, disk, checksum: Keras raises many types
        reason = printable(" ".join(str(error).split()))[:200]
        raise DataError(
            f"CIFAR-10 could not be downloaded ({reason}). "
            f"Give --data-dir with a folder that holds {FOLDER}/, the official binary version."
        ) from error
    x = np.empty((len(x_train) + len(x_test), 32, 32, 3), dtype=np.uint8)
    x[: len(x_train)] = x_train
    del x_train
    x[-len(x_test) :] = x_test
    return x, np.concatenate([y_train, y_test]).ravel().astype(np.int64), NAMES
