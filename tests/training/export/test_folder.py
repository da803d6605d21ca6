"""An export's folder: whole or absent, never in the place of another."""

import json
from pathlib import Path

import pytest

from training.checks import ConfigError
from training.export import folder as files


def test_a_folder_has_no_name_until_it_is_settled(tmp_path):
    with files.unfinished(tmp_path / "export") as work:
        (work / "model.onnx").write_bytes(b"x")
        assert work.name.startswith(".") and not list((tmp_path / "export").glob("run*"))
        place = files.settle(work, None, tmp_path / "export", "run")
    assert place == tmp_path / "export" / "run-001" and (place / "model.onnx").read_bytes() == b"x"
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["run-001"]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.unfinished(tmp_path) as work:
        (work / "half").write_bytes(b"x")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_numbers_go_on_and_a_name_that_another_process_took_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "run-007" / "x").mkdir(parents=True)
    (tmp_path / "run-008" / "x").mkdir(parents=True)
    listed = [tmp_path / "run-007"]  # as if 008 had appeared after the list was read
    monkeypatch.setattr(type(tmp_path), "iterdir", lambda self: iter(listed))
    with files.unfinished(tmp_path) as work:
        assert files.settle(work, None, tmp_path, "run").name == "run-009"


def test_an_output_folder_must_be_new_or_empty(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    files.check_free(tmp_path / "empty")
    files.check_free(tmp_path / "new")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for path in (tmp_path, tmp_path / "file", tmp_path / "link", Path(".")):
        with pytest.raises(ConfigError, match="output must be a new or an empty folder"):
            files.check_free(path)
    with files.unfinished(tmp_path) as work:
        (work / "card").touch()
        assert list(files.settle(work, tmp_path / "empty", tmp_path, "run").iterdir()) == [tmp_path / "empty" / "card"]


def test_hostile_names_keep_to_their_line(tmp_path):
    files.write_labels(tmp_path / "labels.txt", ["a\nb", "c|d", "\x1b[31m", "ü"])
    assert (tmp_path / "labels.txt").read_text(encoding="utf-8").split("\n") == ["a\\nb", "c|d", "\\x1b[31m", "ü", ""]


def test_the_newest_export_of_a_run_comes_first(tmp_path):
    import os

    for name, of, when in (
        ("a-001", "a", 10),
        ("a-002", "a", 30),
        (".exporting-1", "a", 50),
        ("b-001", "b", 20),
        ("torn", None, 40),
    ):
        (tmp_path / "export" / name).mkdir(parents=True)
        file = tmp_path / "export" / name / "export.json"
        file.write_text(json.dumps({"name": of}) if of else "{")
        os.utime(file, (when, when))
    assert [path.name for path, _ in files.exports_of("a", tmp_path)] == ["a-002", "a-001"]
