"""Every kind of broken folder gives one clear line that names the file and the reason."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.datasets.dataset import DataError
from training.datasets.folder import load_folder


def truncated(root: Path) -> None:
    file = root / "cats" / "01.png"
    file.write_bytes(file.read_bytes()[:150])


def text_as_jpg(root: Path) -> None:
    (root / "cats" / "page.jpg").write_text("<html>404</html>")


def empty_file(root: Path) -> None:
    (root / "cats" / "nothing.jpg").touch()


def bomb(root: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(root / "cats" / "huge.png")


def noise(root: Path) -> None:
    (root / "dogs" / "scan.dcm").write_bytes(np.random.default_rng(0).bytes(500))


def broken_link(root: Path) -> None:
    (root / "dogs" / "gone.png").symlink_to("nowhere.png")


def pipe(root: Path) -> None:
    os.mkfifo(root / "dogs" / "pipe.png")


def newline_in_name(root: Path) -> None:
    (root / "dogs" / "two\nlines.png").touch()


def many(root: Path) -> None:
    for i in range(7):
        (root / "cats" / f"x{i}.png").touch()


def no_classes(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def one_class(root: Path) -> None:
    shutil.rmtree(root / "dogs")


def images_in_root(root: Path) -> None:
    shutil.copy(root / "cats" / "01.png", root / "01.png")
    shutil.rmtree(root / "cats")
    shutil.rmtree(root / "dogs")


def class_without_images(root: Path) -> None:
    (root / "birds").mkdir()


def too_few(root: Path) -> None:
    (root / "birds").mkdir()
    shutil.copy(root / "cats" / "01.png", root / "birds" / "a.png")


def mixed_layout(root: Path) -> None:
    (root / "train").mkdir()


def split_layout(root: Path) -> None:
    (root / "train").mkdir()
    (root / "cats").rename(root / "train" / "cats")
    (root / "dogs").rename(root / "train" / "dogs")


def classes_differ(root: Path) -> None:
    split_layout(root)
    shutil.copytree(root / "train" / "cats", root / "test" / "cats")
    shutil.copytree(root / "train" / "cats", root / "test" / "birds")


def class_only_in_test(root: Path) -> None:
    split_layout(root)
    shutil.copytree(root / "train", root / "test")
    shutil.copytree(root / "train" / "cats", root / "test" / "birds")


def class_only_in_train(root: Path) -> None:
    split_layout(root)
    shutil.copytree(root / "train", root / "test")
    shutil.rmtree(root / "test" / "dogs")


def lone_test_split(root: Path) -> None:
    split_layout(root)
    (root / "train").rename(root / "test")


def two_validations(root: Path) -> None:
    split_layout(root)
    shutil.copytree(root / "train", root / "val")
    shutil.copytree(root / "train", root / "validation")


def split_without_classes(root: Path) -> None:
    split_layout(root)
    (root / "test").mkdir()
    shutil.copy(root / "train" / "cats" / "01.png", root / "test" / "01.png")


BROKEN = [
    (truncated, "1 of 12 files", "cats/01.png (truncated)", "--on-bad skip"),
    (text_as_jpg, "cats/page.jpg (not an image (text?))", "--on-bad skip"),
    (empty_file, "cats/nothing.jpg (empty file)", "--on-bad skip"),
    (bomb, "cats/huge.png (too many pixels (20000×10000))", "--on-bad skip"),
    (noise, "dogs/scan.dcm (unknown image format)", "--on-bad skip"),
    (broken_link, "dogs/gone.png (broken link)", "--on-bad skip"),
    (pipe, "dogs/pipe.png (not a regular file)", "--on-bad skip"),
    (newline_in_name, r"dogs/two\nlines.png (empty file)", "--on-bad skip"),
    (many, "7 of 19 files", "cats/x0.png (empty file)", "cats/x4.png (empty file), and 2 more", "Remove them"),
    (no_classes, "root is empty: zero classes", "root/<class>/…"),
    (one_class, "holds one class only: cats", "Expected at least two"),
    (images_in_root, "root holds 1 file but no class folders", "Move the images"),
    (class_without_images, "birds holds no images", "remove the folder"),
    (too_few, "Too few examples to split: birds (1)", "at least 3 examples"),
    (mixed_layout, "root mixes split folders (train) with others (cats, dogs)", "Move or rename"),
    (classes_differ, "test lacks dogs; train lacks birds", "Rename, add or remove"),
    (class_only_in_test, "differ: train lacks birds.", "Expected the same class folders in every split"),
    (class_only_in_train, "differ: test lacks dogs.", "Expected the same class folders in every split"),
    (lone_test_split, "root holds test but no train folder", "Add train"),
    (two_validations, "root holds two validation folders: val, validation", "Keep one"),
    (split_without_classes, "test holds 1 file but no class folders", "Put the images"),
]


def message_of(root: Path | str | None, **settings) -> str:
    with pytest.raises(DataError) as caught:
        load_folder(root, progress=False, **settings)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize(
    ("breaks", "expected"), [(row[0], row[1:]) for row in BROKEN], ids=[r[0].__name__ for r in BROKEN]
)
def test_a_broken_folder_gives_one_line(make_folder, breaks, expected):
    root = make_folder(count=6)
    breaks(root)
    message = message_of(root)
    for part in expected:
        assert part in message
    assert message == message_of(root, image_size=(8, 8), color_mode="rgb")  # without a look at the headers first


def test_a_missing_data_dir_is_told(tmp_path):
    assert "give --data-dir" in message_of(None)
    assert message_of(tmp_path / "no").startswith(f"{tmp_path / 'no'} does not exist.")
    (tmp_path / "file").touch()
    assert message_of(tmp_path / "file").startswith(f"{tmp_path / 'file'} is a file.")


def test_an_unreadable_file_is_named(make_folder, monkeypatch):
    root = make_folder(count=6)
    real = os.open

    def refuse(path: Path | str, *arguments, **keywords) -> int:
        if Path(path).name == "02.png":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refuse)
    assert "cats/02.png (permission denied), dogs/02.png (permission denied)" in message_of(root)


def test_an_unreadable_folder_is_named(make_folder, monkeypatch):
    root = make_folder(count=6)
    real = Path.iterdir

    def refuse(path: Path):
        if path.name == "dogs":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert message_of(root).startswith(f"{root / 'dogs'} cannot be listed: permission denied.")


@pytest.mark.parametrize("name", [b"dogs/caf\xe9.png", b"dogs/caf\xe9/a.png", b"caf\xe9/a.png"])
@pytest.mark.parametrize("on_bad", ["fail", "skip"])
def test_names_that_are_not_utf8_are_refused(make_folder, name, on_bad):
    root = make_folder(count=6)
    path = root / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    try:
        shutil.copy(root / "cats" / "01.png", path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    shown = name.decode(errors="backslashreplace")
    message = message_of(root, on_bad=on_bad)
    assert message.startswith(f"{root} holds 1 file with a name or folder name that is not UTF-8: {shown}. ")
    message.encode()


@pytest.mark.parametrize("name", [" birds", "birds ", "bi\nrds", "bi\trds", "birds\x7f", "bi\u2028rds"])
def test_class_names_with_invisible_characters_are_refused(make_folder, name):
    message = message_of(make_folder("cats", "dogs", name, count=4))
    assert message.startswith(f"The class folder {name!r} in ")
    assert message.endswith("Expected plain text. Rename it.")


def test_skip_refuses_to_empty_a_class(make_folder):
    root = make_folder(count=6)
    for file in (root / "dogs").iterdir():
        file.write_bytes(b"")
    assert message_of(root, on_bad="skip").startswith("Leaving out bad files empties dogs in ")


@pytest.mark.parametrize("fractions", [(0.0, 0.2), (0.2, 1.0), (0.6, 0.5), (-0.1, 0.2)])
def test_impossible_fractions_are_refused(make_folder, fractions):
    from training.datasets.splits import Carving

    assert "_fraction" in message_of(make_folder(), carving=Carving(*fractions))
