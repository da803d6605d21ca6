"""Run directories: never overwritten, checked by their manifest, files whole or absent."""

import json

import pytest

from training.files import write_atomic, write_json
from training.run import Run, RunError, new_run, open_run


def test_runs_are_numbered_and_never_overwritten(tmp_path):
    first = new_run(tmp_path, "train", "cifar_cnn", "digits")
    second = new_run(tmp_path, "train", "cifar_cnn", "digits")
    other = new_run(tmp_path, "train", "gap_cnn", "digits")
    assert [run.path.name for run in (first, second, other)] == [
        "cifar_cnn-digits-001",
        "cifar_cnn-digits-002",
        "gap_cnn-digits-001",
    ]


def test_a_removed_run_does_not_lend_its_number_to_a_new_one(tmp_path):
    runs = [new_run(tmp_path, "train", "a", "b") for _ in range(3)]
    runs[0].path.rmdir()
    assert new_run(tmp_path, "train", "a", "b").path.name == "a-b-004"


def test_a_name_that_another_process_takes_meanwhile_is_left_to_it(tmp_path, monkeypatch):
    (tmp_path / "train" / "a-b-001").mkdir(parents=True)
    monkeypatch.setattr("pathlib.Path.iterdir", lambda self: iter(()))
    assert new_run(tmp_path, "train", "a", "b").path.name == "a-b-002"


def test_the_manifest_finds_a_changed_a_missing_and_an_unlisted_file(tmp_path):
    run = Run(tmp_path)
    run.config.write_text("x")
    run.write_manifest()
    assert run.check(run.config) is None
    run.history.write_text("new")
    assert "not listed" in run.check(run.history)
    run.config.write_text("y")
    with pytest.raises(RunError, match="SHA-256 differs"):
        run.check(run.config)
    with pytest.raises(RunError, match="is missing"):
        run.check(run.model)


def test_the_manifest_lists_every_file_but_itself(tmp_path):
    run = Run(tmp_path)
    (tmp_path / "report").mkdir()
    for path in (run.config, run.report / "index.html"):
        path.write_text("x")
    run.write_manifest()
    run.write_manifest()
    assert sorted(json.loads(run.manifest.read_text())) == ["config.yaml", "report/index.html"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "absent", "There is no run at"),
        (lambda path: path, "holds no config.yaml"),
    ],
)
def test_what_is_not_a_run_is_refused_in_words(tmp_path, make, message):
    with pytest.raises(RunError, match=message):
        open_run(make(tmp_path))


def test_a_torn_record_is_refused_in_words(tmp_path):
    run = Run(tmp_path)
    run.record.write_text('{"a": ')
    with pytest.raises(RunError, match="a run of this project"):
        run.read_record()


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})

    def fail(temporary):
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomic(path, fail)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]
