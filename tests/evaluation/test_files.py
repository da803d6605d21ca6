"""Files appear whole or not at all."""

import errno
import os

import pytest

from evaluation.files import sha256, write_all, write_atomically


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, "ä")
    assert path.read_bytes() == "ä".encode()
    write_atomically(path, b"b")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("a.txt", b"b")]


def test_a_full_disk_keeps_the_old_file_and_names_it(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as error:
        write_atomically(path, "new")
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("a.txt", "old")]


def test_of_several_files_a_full_disk_changes_none(tmp_path, monkeypatch):
    write_all(tmp_path / "a", {"one.txt": "old", "b/two.txt": "old"})
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as error:
        write_all(tmp_path / "a", {"one.txt": "new", "b/two.txt": "new"})
    assert error.value.filename == str(tmp_path / "a" / "b" / "two.txt")
    left = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"a/one.txt": "old", "a/b/two.txt": "old"}


def test_a_folder_in_the_way_of_a_file_changes_none(tmp_path):
    (tmp_path / "two.txt").mkdir()
    with pytest.raises(IsADirectoryError):
        write_all(tmp_path, {"one.txt": "new", "two.txt": "new"})
    assert [path.name for path in tmp_path.iterdir()] == ["two.txt"]


def test_the_digest_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
