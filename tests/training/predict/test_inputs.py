"""Which files are meant, and what their folders say."""

import pytest

from tests.training.predict.conftest import write_images
from training.datasets.dataset import DataError
from training.predict.inputs import find_inputs

CLASSES = ("ants", "bees")


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_class_folders_are_the_truth(tmp_path):
    touch(tmp_path, "bees/1.jpg", "ants/1.jpg", "ants/deep/2.jpg")
    found = find_inputs([str(tmp_path)], CLASSES)
    assert found.ids == ["ants/1.jpg", "ants/deep/2.jpg", "bees/1.jpg"]
    assert found.y_true.tolist() == [0, 0, 1] and "all 3 files" in found.notes[0]


def test_split_folders_above_the_classes_are_passed_over(tmp_path):
    touch(tmp_path, "val/bees/1.jpg", "train/ants/1.jpg")
    assert find_inputs([str(tmp_path)], CLASSES).y_true.tolist() == [0, 1]


def test_one_foreign_folder_leaves_all_without_truth_and_is_named(tmp_path):
    touch(tmp_path, "bees/1.jpg", "ants/1.jpg", "moths/1.jpg", "loose.jpg")
    found = find_inputs([str(tmp_path)], CLASSES)
    assert found.y_true is None and len(found) == 4
    assert "moths is no class of the model; 1 file outside class folders" in found.notes[0]


def test_a_plain_folder_has_no_truth_and_no_note(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg")
    found = find_inputs([str(tmp_path)], CLASSES)
    assert found.y_true is None and found.notes == () and found.name == tmp_path.name


def test_labels_can_be_ignored(tmp_path):
    touch(tmp_path, "bees/1.jpg", "ants/1.jpg")
    assert find_inputs([str(tmp_path)], CLASSES, labels=False).y_true is None


def test_files_patterns_and_folders_mix(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/2.png", "b/3.jpg", "4.jpg")
    found = find_inputs([str(tmp_path / "a" / "*.jpg"), str(tmp_path / "b"), str(tmp_path / "4.jpg")], CLASSES)
    assert [path.name for path in found.paths] == ["1.jpg", "3.jpg", "4.jpg"] and found.y_true is None


def test_files_of_one_name_in_two_folders_keep_their_whole_paths(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    found = find_inputs([str(tmp_path / "a"), str(tmp_path / "b")], CLASSES)
    assert found.ids == [(tmp_path / "a/1.jpg").as_posix(), (tmp_path / "b/1.jpg").as_posix()]


def test_groups_of_the_folder_are_read(tmp_path):
    touch(tmp_path, "bees/1.jpg", "ants/1.jpg")
    (tmp_path / "groups.csv").write_text("file,group\nants/1.jpg,p7\nbees/1.jpg,p9\n")
    found = find_inputs([str(tmp_path)], CLASSES)
    assert found.ids == ["ants/1.jpg", "bees/1.jpg"] and found.groups.tolist() == ["p7", "p9"]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (["{0}/nothing"], "does not exist, and no file matches it"),
        (["{0}/*.gif"], "does not exist, and no file matches it"),
        (["{0}/empty"], "holds no files"),
        (["{0}/a.png", "{0}/a.png"], "was named twice"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path, images, words):
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "a.png")
    with pytest.raises(DataError, match=words):
        find_inputs([item.format(tmp_path) for item in images], CLASSES)


def test_the_digest_tells_other_files_and_other_sizes_apart(tmp_path):
    write_images(tmp_path, 3)
    first = find_inputs([str(tmp_path)], CLASSES).digest
    assert find_inputs([str(tmp_path)], CLASSES).digest == first
    (tmp_path / "01.png").write_bytes(b"shorter")
    assert find_inputs([str(tmp_path)], CLASSES).digest != first
