from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from training.datasets.dataset import DataError
from training.datasets.decode import decode
from training.datasets.folder import load_folder
from training.datasets.splits import Carving


def load(root, **settings):
    return load_folder(root, progress=False, **settings)


def test_a_folder_without_splits_is_carved_completely(make_folder):
    data = load(make_folder(count=20))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 27, "validation": 5, "test": 8}
    assert data.class_names == ("cats", "dogs")
    ids = np.concatenate([split.ids for split in data.splits.values()])
    assert sorted(ids) == sorted(f"{name}/{i:02d}.png" for name in ("cats", "dogs") for i in range(20))
    assert "Carved from train: validation (5) and test (8), stratified, seed 0; train keeps 27." in data.notes


def test_every_row_is_the_image_that_its_id_names(make_folder):
    root = make_folder(count=9)
    data = load(root)
    for split in data.splits.values():
        for i, name in enumerate(split.ids):
            expected = decode(root / str(name), image_size=(12, 10))
            np.testing.assert_array_equal(split.x[np.array([i])][0], expected)
            assert data.class_names[split.y[i]] == str(name).split("/")[0]


@pytest.mark.parametrize("name", ["validation", "val", "valid", "Validation"])
def test_given_splits_stay_as_they_are(make_folder, name):
    data = load(make_folder("train/a", "train/b", f"{name}/a", f"{name}/b", "test/a", "test/b", count=4))
    assert {len(split) for split in data.splits.values()} == {8}
    assert all(str(i).startswith(name) for i in data.validation.ids)
    assert not [note for note in data.notes if "Carved" in note]


def test_only_the_missing_split_is_carved(make_folder):
    data = load(make_folder("train/a", "train/b", "test/a", "test/b", count=10))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 17, "validation": 3, "test": 20}
    assert data.settings["splits_given"] == ["train", "test"]


def test_streaming_gives_the_same_data_as_memory(make_folder):
    root = make_folder(count=10, size=(40, 50))
    settings = {"image_size": (24, 20), "color_mode": "grayscale"}
    memory, stream = load(root, **settings), load(root, memory_limit_mb=0, **settings)
    assert (memory.settings["storage"], stream.settings["storage"]) == ("memory", "files")
    assert memory.digest == stream.digest
    for name, split in memory.splits.items():
        other = stream.splits[name]
        assert other.x.shape == split.x.shape == (len(split), 24, 20, 1)
        order = np.random.default_rng(0).permutation(len(split))
        np.testing.assert_array_equal(other.x[order], split.x[order])
        np.testing.assert_array_equal(other.ids, split.ids)
    assert any("decoded from disk in every epoch" in note for note in stream.notes)


def test_a_streamed_file_that_vanishes_is_named(make_folder):
    root = make_folder()
    data = load(root, memory_limit_mb=0)
    (root / str(data.train.ids[0])).unlink()
    with pytest.raises(DataError, match=rf"{data.train.ids[0]} cannot be read as an image: file not found"):
        data.train.x[np.array([0])]


def test_equal_sizes_are_kept_and_unequal_ones_noted(make_folder, write_image):
    root = make_folder(size=(12, 10))
    assert load(root).input_shape == (12, 10, 3)
    write_image(root / "cats" / "large.png", size=(40, 30))
    data = load(root)
    assert data.input_shape == (128, 128, 3)
    assert data.settings["image_size"] == [128, 128]
    assert any(note.startswith("The images have 2 sizes, from 12×10 to 40×30") for note in data.notes)


def test_large_equal_sizes_are_reduced_unless_asked_for(make_folder):
    root = make_folder(size=(260, 260), count=3)
    data = load(root)
    assert data.input_shape == (128, 128, 3)
    assert any(note.startswith("The images have 260×260 (height×width): all become 128×128") for note in data.notes)
    assert load(root, image_size=(260, 260)).input_shape == (260, 260, 3)


def test_grey_images_have_one_channel_unless_one_is_coloured(make_folder, write_image):
    root = make_folder(grey=True)
    assert load(root).settings["color_mode"] == "grayscale"
    assert load(root, color_mode="rgb").input_shape == (12, 10, 3)
    write_image(root / "cats" / "colour.png")
    assert load(root).settings["color_mode"] == "rgb"


def test_hidden_and_system_files_are_ignored_and_suffixes_do_not_matter(make_folder):
    root = make_folder(count=5)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (root / "cats" / name).write_text("no image")
    (root / ".cache").mkdir()
    (root / "cats" / "00.png").rename(root / "cats" / "00.txt")
    (root / "cats" / "2024").mkdir()
    (root / "cats" / "01.png").rename(root / "cats" / "2024" / "01")
    (root / "README.md").write_text("about")
    data = load(root)
    ids = {str(name) for split in data.splits.values() for name in split.ids}
    assert len(ids) == 10
    assert {"cats/00.txt", "cats/2024/01"} <= ids
    assert "Ignored, because they stand outside the class folders: README.md." in data.notes


def test_linked_class_folders_are_followed_and_loops_end(make_folder, tmp_path):
    root = make_folder(count=6)
    (root / "cats").rename(tmp_path / "elsewhere")
    (root / "cats").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere")
    data = load(root)
    assert sum(len(split) for split in data.splits.values()) == 12


def test_skip_drops_bad_files_and_lists_them(make_folder):
    root = make_folder(count=6)
    (root / "cats" / "00.png").write_bytes(b"")
    whole = (root / "dogs" / "03.png").read_bytes()
    (root / "dogs" / "03.png").write_bytes(whole[:200])
    data = load(root, on_bad="skip")
    assert data.bad_files == (("cats/00.png", "empty file"), ("dogs/03.png", "truncated"))
    assert sum(len(split) for split in data.splits.values()) == 10
    assert "Left out 2 files that cannot be decoded." in data.notes
    for split in data.splits.values():
        for i, name in enumerate(split.ids):
            np.testing.assert_array_equal(split.x[i], decode(root / str(name), image_size=(12, 10)))


def test_the_same_pixels_in_two_splits_are_noted(make_folder):
    root = make_folder("train/a", "train/b", "test/a", "test/b", count=8)
    Image.open(root / "train/a/00.png").save(root / "test/b/00.bmp")  # other bytes, same pixels
    for limit in (100, 0):
        notes = load(root, memory_limit_mb=limit, carving=Carving(0.3, 0.2, 4)).notes
        found = [note for note in notes if "same pixels" in note]
        assert len(found) == 1
        assert found[0].startswith("1 image of test stands in ")
        assert "test/b/00.bmp = train/a/00.png" in found[0]


def test_the_digest_sees_pixels_labels_and_names_but_not_the_split(make_folder, write_image):
    root = make_folder()
    first = load(root).digest
    assert load(root, carving=Carving(0.3, 0.3, 7), positive="cats").digest == first
    (root / "cats" / "00.png").rename(root / "dogs" / "00b.png")
    moved = load(root).digest
    write_image(root / "dogs" / "00b.png", seed=999)
    assert len({first, moved, load(root).digest}) == 3


def test_the_positive_class_is_second(make_folder):
    root = make_folder()
    chosen = load(root, positive="cats")
    assert chosen.class_names == ("dogs", "cats")
    assert {str(i).split("/")[0] for i in chosen.train.ids[chosen.train.y == 1]} == {"cats"}
    default = load(root)
    assert default.positive == "dogs"
    assert "Positive class: dogs (second in alphabetical order); choose with --positive." in default.notes
    with pytest.raises(DataError, match="positive must be one of the classes cats, dogs. Received: positive=ill"):
        load(root, positive="ill")
