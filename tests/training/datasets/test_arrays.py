from __future__ import annotations

import numpy as np
import pytest

from training.datasets.arrays import load_npz
from training.datasets.dataset import DataError
from training.datasets.splits import Carving

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 6, 5, 3)).astype(np.uint8)
LABELS = np.arange(40) % 2
TABLE = RNG.normal(size=(40, 4))


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return write


def refused(path, **settings) -> str:
    with pytest.raises(DataError) as caught:
        load_npz(path, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_with_all_splits_stay_as_they_are(save):
    parts = {"train": slice(0, 20), "validation": slice(20, 30), "test": slice(30, 40)}
    arrays = {f"{kind}_{n}": v[s] for n, s in parts.items() for kind, v in (("x", IMAGES), ("y", LABELS))}
    data = load_npz(save(**arrays, class_names=["well", "ill"]), positive="ill")
    assert (data.kind, data.class_names) == ("image", ("well", "ill"))
    for name, rows in parts.items():
        np.testing.assert_array_equal(data.splits[name].x, IMAGES[rows])
        np.testing.assert_array_equal(data.splits[name].y, LABELS[rows])


def test_grey_images_get_a_channel_and_integers_become_uint8(save):
    data = load_npz(save(x_train=IMAGES[..., 0].astype(np.int32), y_train=LABELS[:, None]))
    assert data.input_shape == (6, 5, 1)
    for x, name in zip(data.train.x, data.train.ids, strict=True):
        np.testing.assert_array_equal(x[..., 0], IMAGES[int(str(name).split("/")[1]), ..., 0])
    assert data.train.x.dtype == np.uint8


def test_string_labels_name_the_classes(save):
    data = load_npz(save(x_train=IMAGES, y_train=np.array(["dog", "cat"])[LABELS]), positive="cat")
    assert data.class_names == ("dog", "cat")
    for y, name in zip(data.train.y, data.train.ids, strict=True):
        assert y == LABELS[int(str(name).split("/")[1])]


def test_a_table_for_regression(save):
    data = load_npz(save(x_train=TABLE, y_train=TABLE[:, 0]), task="regression")
    assert (data.kind, data.train.x.dtype, data.class_names) == ("table", np.float32, ())
    np.testing.assert_array_equal(data.test.x[:, 0], data.test.y)
    assert data.feature_names == ("x0", "x1", "x2", "x3")


def test_groups_stay_whole(save):
    groups = np.arange(40) // 4
    data = load_npz(save(x_train=IMAGES, y_train=np.tile([0, 1, 1, 0], 10), group_train=groups))
    owners = [set(split.groups) for split in data.splits.values()]
    assert sum(len(owner) for owner in owners) == len(set.union(*owners)) == 10


def test_a_group_that_the_user_put_in_two_splits_is_noted(save):
    arrays = {"x_train": IMAGES, "y_train": LABELS, "group_train": np.arange(40)}
    path = save(**arrays, x_test=IMAGES[:4], y_test=LABELS[:4], group_test=np.array([7, 100, 101, 102]))
    notes = load_npz(path).notes
    assert any(note.startswith("1 group of test also in ") and note.endswith(": 7.") for note in notes)
    assert any("same pixels" in note for note in notes)


def test_a_group_is_the_same_as_integer_and_as_float(save):
    arrays = {"x_train": IMAGES, "y_train": LABELS, "group_train": np.arange(40)}
    path = save(**arrays, x_test=IMAGES[:4], y_test=LABELS[:4], group_test=np.array([7.0, 100, 101, 102]))
    assert any(note.endswith("1 group of test also in train: 7.") for note in load_npz(path).notes)


@pytest.mark.parametrize(("first", "second"), [("test", "train"), ("train", "test")])
def test_groups_are_given_for_every_split_or_for_none(save, first, second):
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS}
    message = refused(save(**arrays, **{f"group_{first}": np.arange(40)}))
    assert message.startswith(f"group_{first} needs group_{second} as well, so that no group stands in two splits.")


def test_texts_saved_as_bytes_are_decoded(save):
    names = ["Käfer".encode(), b"cat"]
    as_names = load_npz(save(x_train=IMAGES, y_train=LABELS, class_names=np.array(names)))
    as_labels = load_npz(save(x_train=IMAGES, y_train=np.array(names)[LABELS]), positive="Käfer")
    assert as_names.class_names == ("Käfer", "cat")
    assert as_labels.class_names == ("cat", "Käfer")
    message = refused(save(x_train=IMAGES, y_train=LABELS, class_names=np.array([b"caf\xe9", b"cat"])))
    assert message.startswith(r"class_names holds bytes that are not UTF-8: b'caf\xe9'. Expected texts.")


def test_the_digest_sees_pixels_and_labels_only(save):
    first = load_npz(save(x_train=IMAGES, y_train=LABELS)).digest
    assert load_npz(save(x_train=IMAGES, y_train=LABELS), carving=Carving(0.4, 0.1, 3), positive="0").digest == first
    changed, swapped = IMAGES.copy(), LABELS.copy()
    changed[3, 2, 1, 0] ^= 1
    swapped[[0, 1]] = swapped[[1, 0]]
    assert load_npz(save(x_train=changed, y_train=LABELS)).digest != first
    assert load_npz(save(x_train=IMAGES, y_train=swapped)).digest != first


NAN = TABLE.copy()
NAN[7, 2] = np.nan


@pytest.mark.parametrize(
    ("arrays", "task", "parts"),
    [
        ({}, None, ["x_train and y_train are both needed. Received: no arrays"]),
        ({"x_train": IMAGES}, None, ["x_train and y_train are both needed. Received: x_train"]),
        ({"x_train": IMAGES, "y_train": LABELS, "x_val": IMAGES}, None, ["Unknown arrays: x_val", "x_validation"]),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, None, ["x_test and y_test are both needed"]),
        ({"x_train": IMAGES / 255, "y_train": LABELS}, None, ["x_train must hold raw", "float64", "Multiply by 255"]),
        ({"x_train": IMAGES * 1.5, "y_train": LABELS}, None, ["Scale to 0…255, save as uint8"]),
        ({"x_train": IMAGES.astype(int) * 2, "y_train": LABELS}, None, ["x_train must lie in 0…255. Received: 0…510"]),
        ({"x_train": IMAGES.transpose(0, 3, 1, 2), "y_train": LABELS}, None, ["channels, last", "Move the channels"]),
        ({"x_train": IMAGES[:, :0], "y_train": LABELS}, None, ["images without pixels. Received shape: (40, 0, 5, 3)"]),
        ({"x_train": IMAGES[:, :0, :, 0], "y_train": LABELS}, None, ["Received shape: (40, 0, 5, 1)"]),
        ({"x_train": IMAGES.astype(int)[:, :, :0], "y_train": LABELS}, None, ["Received shape: (40, 6, 0, 3)"]),
        ({"x_train": IMAGES.ravel(), "y_train": LABELS}, None, ["x_train must have shape", "Received: (3600,)"]),
        (
            {"x_train": IMAGES, "y_train": LABELS[:-1]},
            None,
            ["y_train must have one entry per example, 40. Received: 39"],
        ),
        ({"x_train": IMAGES, "y_train": np.eye(2)[LABELS]}, None, ["one dimension", "argmax"]),
        (
            {"x_train": IMAGES, "y_train": LABELS * 1.0},
            None,
            ["y_train must hold integers or strings. Received: float64"],
        ),
        ({"x_train": IMAGES, "y_train": LABELS * 0}, None, ["at least two classes. Received: 0"]),
        (
            {"x_train": IMAGES, "y_train": LABELS, "class_names": ["a"]},
            None,
            ["no class: 1. Expected 0 to 0 (class_names)"],
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "class_names": ["a", "b", "c"]},
            None,
            ["y_train holds no example of 2"],
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS + 1},
            None,
            ["y_test holds labels that are no class: 2. Expected 0, 1"],
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:, :4], "y_test": LABELS},
            None,
            ["x_test must have examples of the shape of x_train, (6, 5, 3). Received: (4, 5, 3)"],
        ),
        ({"x_train": NAN, "y_train": LABELS}, None, ["Received: nan in row 7, column 2", "0 more"]),
        ({"x_train": TABLE.astype(str), "y_train": LABELS}, None, ["x_train must hold numbers"]),
        (
            {"x_train": TABLE, "y_train": np.array(["a"] * 40)},
            "regression",
            ["y_train must hold numbers for regression"],
        ),
        ({"x_train": TABLE, "y_train": NAN[:, 2]}, "regression", ["y_train must be finite. Received: nan in row 7"]),
        ({"x_train": TABLE, "y_train": LABELS, "group_test": LABELS}, None, ["group_test stands without x_test"]),
    ],
)
def test_unusable_arrays_are_refused_in_one_line(save, arrays, task, parts):
    message = refused(save(**arrays), task=task or "classification")
    for part in parts:
        assert part in message


def test_pickled_objects_are_never_loaded(save):
    path = save(x_train=IMAGES, y_train=np.array([{}] * 40, dtype=object))
    assert "y_train holds Python objects, which are not loaded for safety" in refused(path)


def test_torn_and_foreign_files_are_refused(save, tmp_path):
    whole = save(x_train=IMAGES, y_train=LABELS).read_bytes()
    (tmp_path / "torn.npz").write_bytes(whole[: len(whole) // 2])
    assert "torn.npz is torn" in refused(tmp_path / "torn.npz")
    (tmp_path / "flipped.npz").write_bytes(whole[:600] + b"\0" * 50 + whole[650:])
    assert "flipped.npz is torn at x_train" in refused(tmp_path / "flipped.npz")
    (tmp_path / "text.npz").write_text("a,b\n1,2\n")
    assert "text.npz is not an .npz file" in refused(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", IMAGES)
    assert "one.npy is not an .npz file" in refused(tmp_path / "one.npy")
    assert "does not exist" in refused(tmp_path / "none.npz")
    assert "is a folder" in refused(tmp_path)


def test_examples_keep_the_names_that_their_owner_gave_them(save):
    names = np.array([f"patient {i}" for i in range(40)])
    data = load_npz(save(x_train=IMAGES, y_train=LABELS, id_train=names))
    found = {
        name: (np.asarray(x), y)
        for split in data.splits.values()
        for name, x, y in zip(split.ids, split.x, split.y, strict=True)
    }
    assert set(found) == set(names)
    for number, name in enumerate(names):
        np.testing.assert_array_equal(np.squeeze(found[name][0]), np.squeeze(IMAGES[number]))
    assert data.digest != load_npz(save(x_train=IMAGES, y_train=LABELS)).digest


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"id_train": np.arange(40) // 2}, r"every id must stand for one example, .* Received more than once: '?0'?, "),
        ({"id_train": np.arange(39)}, "id_train must have one entry per example, 40. Received: 39."),
        ({"id_test": np.arange(3)}, "id_test stands without x_test and y_test."),
    ],
)
def test_ids_that_name_nothing_or_two_are_refused(save, arrays, message):
    with pytest.raises(DataError, match=message):
        load_npz(save(x_train=IMAGES, y_train=LABELS, **arrays))
