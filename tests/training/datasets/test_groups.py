"""`groups.csv` in a folder of images: every group stays in one split."""

from __future__ import annotations

import numpy as np
import pytest

from training.datasets.dataset import DataError
from training.datasets.folder import load_folder
from training.datasets.groups import one_spelling
from training.datasets.splits import Carving


def load(root, **settings):
    return load_folder(root, progress=False, **settings)


def images(root) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))


def patient(name: str) -> str:
    """Three images of a class show one patient: cats/04.png shows cats-1."""
    folder, file = name.rsplit("/", 1)
    return f"{folder}-{int(file[:2]) // 3}"


def write_groups(root, rows=None, header: str = "file,group", name: str = "groups.csv"):
    rows = [(image, patient(image)) for image in images(root)] if rows is None else rows
    lines = [header, *(",".join(row) for row in rows)]
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def refused(root, **settings) -> str:
    with pytest.raises(DataError) as caught:
        load(root, **settings)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    return str(caught.value)


@pytest.mark.parametrize("memory_limit_mb", [100, 0])
def test_groups_stay_whole_and_name_every_image(make_folder, memory_limit_mb):
    data = load(write_groups(make_folder(count=30)), memory_limit_mb=memory_limit_mb)
    for split in data.splits.values():
        assert split.groups.tolist() == [patient(str(name)) for name in split.ids]
    owners = [set(split.groups) for split in data.splits.values()]
    assert sum(len(owner) for owner in owners) == len(set.union(*owners)) == 20
    assert all(owners)
    assert "groups.csv names 20 groups; none stands in two splits." in data.notes
    assert any("stratified, whole groups, seed 0" in note for note in data.notes)
    assert not any("Ignored" in note for note in data.notes)


def test_without_groups_csv_there_are_no_groups(make_folder):
    data = load(make_folder())
    assert [split.groups for split in data.splits.values()] == [None, None, None]


def test_groups_that_are_numbers_are_compared_as_numbers(make_folder):
    root = make_folder(count=24)
    numbers = [f"{i // 4}{('', '.0')[i % 2]}" for i in range(48)]
    data = load(write_groups(root, list(zip(images(root), numbers, strict=True)), name="Groups.CSV"))
    owners = [{float(group) for group in split.groups} for split in data.splits.values()]
    assert sum(len(owner) for owner in owners) == len(set.union(*owners)) == 12


def test_one_spelling_keeps_texts_and_long_numbers_apart():
    assert one_spelling(["7.0", "07", "8", "7e0"]).tolist() == ["7.0", "7.0", "8", "7.0"]
    assert one_spelling(["7", "7.0", "p1"]).tolist() == ["7", "7.0", "p1"]
    assert one_spelling(["1_2", "12", "inf"]).tolist() == ["1_2", "12", "inf"]
    long = ["123456789012345678901234567890123", "123456789012345678901234567890124"]
    assert one_spelling(long).tolist() == long


def test_given_splits_keep_their_groups_and_carve_the_rest(make_folder):
    data = load(write_groups(make_folder("train/a", "train/b", "test/a", "test/b", count=18)))
    assert data.settings["splits_given"] == ["train", "test"]
    assert set(data.test.groups) == {f"test/{name}-{i}" for name in "ab" for i in range(6)}
    assert not set(data.train.groups) & set(data.validation.groups)


def test_given_splits_that_share_a_group_are_refused(make_folder):
    root = make_folder("train/a", "train/b", "test/a", "test/b", count=6)
    rows = [(name, patient(name).split("/")[1]) for name in images(root)]
    assert refused(write_groups(root, rows)) == (
        "Group a-0 of groups.csv stands in train and in test (3 groups more in two splits). "
        "Expected every group in one split. Move its images into one, or correct groups.csv."
    )


def test_skip_leaves_out_bad_files_and_keeps_the_groups_of_the_others(make_folder):
    root = make_folder(count=30)
    for name in ("cats/00.png", "dogs/10.png"):
        (root / name).write_bytes(b"")
    data = load(write_groups(root), on_bad="skip")
    assert [name for name, _ in data.bad_files] == ["cats/00.png", "dogs/10.png"]
    for split in data.splits.values():
        assert split.groups.tolist() == [patient(str(name)) for name in split.ids]
    assert sum(len(split) for split in data.splits.values()) == 58
    owners = [set(split.groups) for split in data.splits.values()]
    assert sum(len(owner) for owner in owners) == len(set.union(*owners)) == 20


def test_the_digest_sees_the_groups_but_not_the_split(make_folder):
    root = make_folder(count=30)
    without, first = load(root).digest, load(write_groups(root)).digest
    assert load(root, carving=Carving(0.2, 0.3, 5)).digest == first
    rows = [(name, patient(name)) for name in images(root)]
    assert load(write_groups(root, rows[::-1])).digest == first
    moved = load(write_groups(root, [(rows[0][0], "cats-1"), *rows[1:]])).digest
    assert len({without, first, moved}) == 3


def test_too_few_groups_to_split_are_named(make_folder):
    root = make_folder(count=6)
    assert "Too few groups to split: cats (2), dogs (2)." in refused(write_groups(root))


EVERY = [(f"{folder}/{i:02d}.png", f"{folder}{i}") for folder in ("cats", "dogs") for i in range(8)]


@pytest.mark.parametrize(
    ("rows", "header", "part"),
    [
        (
            EVERY[:-7],
            "file,group",
            "groups.csv lacks 7 files of 16: dogs/01.png, dogs/02.png, dogs/03.png, dogs/04.png,",
        ),
        (EVERY[:-1], "file,group", "groups.csv lacks 1 file of 16: dogs/07.png. Expected one line per image"),
        ([*EVERY, ("cats/99.png", "c")], "file,group", "lists 1 file that the class folders do not hold: cats/99.png."),
        ([*EVERY, EVERY[2]], "file,group", "groups.csv lists cats/02.png in lines 4, 18. Expected one line per image."),
        ([*EVERY[1:], (EVERY[0][0], "")], "file,group", "groups.csv has no group in line 17 (1 line in all)."),
        ([*EVERY[1:], ("", "c")], "file,group", "groups.csv has no file in line 17 (1 line in all)."),
        (EVERY, "file,patient", "must have the columns file, group. Received: file, patient."),
        (
            [(*row, "x") for row in EVERY],
            "file,group,note",
            "must have the columns file, group. Received: file, group,",
        ),
        ([(name,) for name, _ in EVERY], "file", "groups.csv has one column only: file. Expected at least two."),
        ([], "file,group", "groups.csv has a header but no rows."),
        ([(";".join(row),) for row in EVERY], "file;group", "groups.csv is separated by ';'. Expected commas."),
    ],
)
def test_an_unusable_groups_csv_is_refused_in_one_line(make_folder, rows, header, part):
    root = write_groups(make_folder(), rows, header)
    assert part in refused(root)
    assert part in refused(root, on_bad="skip")


def test_a_groups_csv_in_the_wrong_place_is_refused(make_folder, tmp_path):
    root = make_folder("train/a", "train/b", count=6)
    write_groups(root / "train")
    assert f"train holds groups.csv. Expected it in {root}, for all splits. Move it there." in refused(root)
    (root / "train" / "groups.csv").unlink()
    (root / "groups.csv").symlink_to("nowhere.csv")
    assert f"{root / 'groups.csv'} does not exist." in refused(root)
    write_groups(root, name="Groups.csv")
    assert "holds Groups.csv, groups.csv. Expected one groups.csv. Keep one of them." in refused(root)


def test_streamed_images_belong_to_their_groups(make_folder):
    root = write_groups(make_folder(count=30))
    memory, stream = load(root), load(root, memory_limit_mb=0)
    assert memory.digest == stream.digest
    for name, split in memory.splits.items():
        np.testing.assert_array_equal(split.groups, stream.splits[name].groups)
        np.testing.assert_array_equal(split.x[np.array([0])], stream.splits[name].x[np.array([0])])
