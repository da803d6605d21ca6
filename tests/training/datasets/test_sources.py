"""The sources that need no files of the user, and the one function in front of all of them."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.datasets

from training.datasets import LOADERS, DataError, load
from training.datasets.catalog import SOURCES
from training.datasets.embedded import load_breast_cancer, load_diabetes, load_digits
from training.datasets.splits import Carving

SETTINGS = {
    "dataset": "digits",
    "data_dir": None,
    "target": None,
    "group": None,
    "positive": None,
    "image_size": None,
    "resize": "crop",
    "color_mode": "auto",
    "on_bad": "fail",
    "memory_limit_mb": 100,
    "cache": "never",
    "cache_limit_mb": 1,
    "runs_dir": "runs",
    "validation_fraction": 0.15,
    "test_fraction": 0.2,
    "split_seed": 0,
}


def config(**changes):
    return SimpleNamespace(**{**SETTINGS, **changes})


def by_id(data) -> dict[str, tuple]:
    return {
        str(i): (x, y) for split in data.splits.values() for i, x, y in zip(split.ids, split.x, split.y, strict=True)
    }


def test_digits_are_enlarged_without_loss():
    data = load(config())
    raw = sklearn.datasets.load_digits()
    examples = by_id(data)
    assert len(examples) == 1797
    assert (data.input_shape, data.train.x.dtype) == ((32, 32, 3), np.uint8)
    for i in range(0, 1797, 100):
        pixels, label = examples[f"digits/{i:04d}"]
        np.testing.assert_array_equal(np.rint(pixels[1::4, 2::4, 1] / 255 * 16), raw.images[i])
        np.testing.assert_array_equal(pixels[::4, ::4], pixels[3::4, 3::4])
        assert data.class_names[label] == str(raw.target[i])


def test_malignant_is_the_positive_class_of_breast_cancer():
    data = load_breast_cancer()
    raw = sklearn.datasets.load_breast_cancer()
    assert data.class_names == ("benign", "malignant")
    assert sum(int(split.y.sum()) for split in data.splits.values()) == 212
    features, label = by_id(data)["breast_cancer/0000"]
    np.testing.assert_array_equal(features, raw.data[0].astype(np.float32))
    assert raw.target_names[raw.target[0]] == data.class_names[label] == "malignant"
    assert not [note for note in data.notes if "Positive" in note]
    assert load_breast_cancer(positive="benign").class_names == ("malignant", "benign")


def test_diabetes_keeps_raw_features_and_targets():
    data = load_diabetes()
    raw = sklearn.datasets.load_diabetes(scaled=False)
    features, target = by_id(data)["diabetes/0441"]
    np.testing.assert_array_equal(features, raw.data[441].astype(np.float32))
    assert (target, data.train.y.dtype, data.class_names) == (np.float32(raw.target[441]), np.float32, ())
    assert data.feature_names[:2] == ("age", "sex")


@pytest.mark.parametrize("source", [load_digits, load_breast_cancer, load_diabetes])
def test_splits_are_seeded_and_the_digest_ignores_them(source):
    first, again, other = source(), source(), source(carving=Carving(0.3, 0.1, 5))
    np.testing.assert_array_equal(first.test.ids, again.test.ids)
    np.testing.assert_array_equal(first.test.x, again.test.x)
    assert set(first.test.ids) != set(other.test.ids)
    assert first.digest == other.digest
    assert len(set(first.train.ids) & set(first.test.ids)) == 0


def test_every_source_of_the_catalog_has_a_loader():
    assert list(LOADERS) == list(SOURCES)


@pytest.mark.parametrize(
    ("changes", "task", "message"),
    [
        (
            {"dataset": "mnist"},
            None,
            "dataset must be one of digits, breast_cancer, diabetes, cifar10, folder, npz, csv.",
        ),
        (
            {"dataset": "diabetes"},
            "classification",
            "dataset=diabetes holds data for regression. Received: a model for",
        ),
        ({"image_size": (64, 64)}, None, "image_size works with dataset=folder only. Received: image_size=(64, 64)"),
        ({"color_mode": "rgb"}, None, "color_mode works with dataset=folder only."),
        ({"dataset": "diabetes", "positive": "x"}, None, "positive is for two classes, not for regression."),
        ({"positive": "3"}, None, "positive needs exactly two classes. Received: positive=3 with 10 classes."),
        ({"dataset": "csv"}, None, "The csv source needs a file"),
        ({"dataset": "npz"}, None, "The npz source needs a file"),
        ({"dataset": "folder"}, None, "The folder source needs a folder"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(changes, task, message):
    with pytest.raises(DataError) as caught:
        load(config(**changes), task=task)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_all_settings_of_the_folder_source_arrive(make_folder):
    root = make_folder("cats", "dogs", count=10)
    (root / "cats" / "00.png").write_bytes(b"")
    data = load(
        config(
            dataset="folder",
            data_dir=str(root),
            image_size=(6, 4),
            resize="stretch",
            color_mode="grayscale",
            on_bad="skip",
            memory_limit_mb=0,
            positive="cats",
            validation_fraction=0.25,
            test_fraction=0.3,
            split_seed=3,
        ),
        progress=False,
    )
    assert data.input_shape == (6, 4, 1)
    assert (data.settings["resize"], data.settings["storage"], data.positive) == ("stretch", "files", "cats")
    assert [len(split) for split in data.splits.values()] == [10, 3, 6]
    assert any("seed 3" in note for note in data.notes)


def test_importing_the_package_loads_nothing_heavy():
    heavy = "('tensorflow', 'keras', 'pandas', 'sklearn', 'PIL', 'tqdm')"
    program = f"import sys, training.datasets; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
