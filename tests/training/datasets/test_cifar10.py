from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from training.datasets import cifar10
from training.datasets.dataset import DataError
from training.datasets.splits import Carving

PER_FILE = 40


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The official layout with 40 images a file; image i of a file has label i % 10."""
    monkeypatch.setattr(cifar10, "IMAGES_PER_FILE", PER_FILE)
    root = tmp_path / cifar10.FOLDER
    root.mkdir()
    (root / "batches.meta.txt").write_text("\n".join(cifar10.NAMES) + "\n\n")
    rng = np.random.default_rng(0)
    for name in (*cifar10.TRAIN_FILES, cifar10.TEST_FILE):
        records = rng.integers(0, 256, (PER_FILE, cifar10.RECORD)).astype(np.uint8)
        records[:, 0] = np.arange(PER_FILE) % 10
        records.tofile(root / name)
    return root


def test_planes_become_pixels_and_the_official_test_stays(folder):
    data = cifar10.load_cifar10(folder.parent, carving=Carving(validation_fraction=0.1))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 180, "validation": 20, "test": 40}
    raw = np.fromfile(folder / "test_batch.bin", np.uint8).reshape(PER_FILE, -1)
    row = list(data.test.ids).index("test/00007")
    assert data.test.y[row] == raw[7, 0]
    np.testing.assert_array_equal(data.test.x[row, 2, 5], raw[7, 1:].reshape(3, 32, 32)[:, 2, 5])
    assert set(np.bincount(data.validation.y)) == {2}


def test_carved_rows_keep_their_images_and_labels(folder):
    data = cifar10.load_cifar10(folder)
    raw = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(PER_FILE, -1) for name in cifar10.TRAIN_FILES])
    for split in (data.train, data.validation):
        for x, y, name in zip(split.x, split.y, split.ids, strict=True):
            record = raw[int(str(name).split("/")[1])]
            assert y == record[0]
            np.testing.assert_array_equal(x.transpose(2, 0, 1).ravel(), record[1:])


def test_one_changed_byte_changes_the_digest_and_the_seed_does_not(folder):
    first = cifar10.load_cifar10(folder).digest
    assert cifar10.load_cifar10(folder, carving=Carving(seed=9)).digest == first
    raw = bytearray((folder / "test_batch.bin").read_bytes())
    raw[-1] ^= 1
    (folder / "test_batch.bin").write_bytes(raw)
    assert cifar10.load_cifar10(folder).digest != first


def torn(root):
    path = root / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-5])


def missing(root):
    (root / "data_batch_2.bin").unlink()


def wrong_label(root):
    raw = bytearray((root / "data_batch_1.bin").read_bytes())
    raw[0] = 77
    (root / "data_batch_1.bin").write_bytes(raw)


def no_names(root):
    (root / "batches.meta.txt").write_text("cat\ndog\n")


def everything_gone(root):
    for path in root.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (torn, "data_batch_3.bin is torn. Expected 122,920 bytes. Received: 122,915. Unpack it again."),
        (missing, "data_batch_2.bin is missing."),
        (wrong_label, "data_batch_1.bin holds label 77. Expected 0 to 9."),
        (no_names, "batches.meta.txt must hold ten class names. Received: 2."),
        (everything_gone, "does not hold cifar-10-batches-bin/."),
    ],
)
def test_damaged_files_are_named(folder, breaks, message):
    breaks(folder)
    with pytest.raises(DataError) as caught:
        cifar10.load_cifar10(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_failed_download_becomes_one_line(monkeypatch):
    def fail():
        raise OSError("URL fetch failure:\n timed out")

    source = ModuleType("keras.datasets")
    source.cifar10 = ModuleType("cifar10")  # type: ignore[attr-defined]
    source.cifar10.load_data = fail
    monkeypatch.setitem(sys.modules, "keras", ModuleType("keras"))
    monkeypatch.setitem(sys.modules, "keras.datasets", source)
    with pytest.raises(DataError) as caught:
        cifar10.load_cifar10(None)
    assert str(caught.value) == (
        "CIFAR-10 could not be downloaded (URL fetch failure: timed out). "
        "Give --data-dir with a folder that holds cifar-10-batches-bin/, the official binary version."
    )


def test_keras_arrays_become_the_same_data_set(folder, monkeypatch):
    def arrays(names):
        raw = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(PER_FILE, -1) for name in names])
        return raw[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), raw[:, :1]

    source = ModuleType("keras.datasets")
    source.cifar10 = ModuleType("cifar10")  # type: ignore[attr-defined]
    source.cifar10.load_data = lambda: (arrays(cifar10.TRAIN_FILES), arrays([cifar10.TEST_FILE]))
    monkeypatch.setitem(sys.modules, "keras", ModuleType("keras"))
    monkeypatch.setitem(sys.modules, "keras.datasets", source)
    downloaded, read = cifar10.load_cifar10(None), cifar10.load_cifar10(folder)
    assert downloaded.digest == read.digest
    np.testing.assert_array_equal(downloaded.train.x, read.train.x)
