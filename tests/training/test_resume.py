"""Resuming in one process: what goes on, what is complete, what is refused, each in one line."""

import csv
import errno
import json
import os
import shutil
import signal

import numpy as np
import pytest
import yaml

from tests.training.commands import short_report
from tests.training.test_train import config_for
from training import resume as resume_module
from training.callbacks import BestModel, Checkpoints
from training.checkpoint import load_model
from training.files import write_json
from training.interrupt import Interrupt, orderly_end
from training.resume import (
    AlreadyFinished,
    ResumeConfig,
    find_start,
    refuse_other_settings,
    resume,
)
from training.run import Run, RunError
from training.state import State, write_state
from training.train import train
from training.unfinished import newest_unfinished


@pytest.fixture(scope="module", autouse=True)
def quick_report():
    """A report that takes no time; what stands in it is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.finish.report_run", short_report)
        yield


def interrupt_after(monkeypatch, epoch: int) -> None:
    """Lets a signal arrive in that epoch's last callback but one."""
    original = BestModel.on_epoch_end

    def on_epoch_end(self, index, logs=None):
        original(self, index, logs)
        if index + 1 == epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(BestModel, "on_epoch_end", on_epoch_end)


def rows(run: Run) -> list[dict[str, str]]:
    with open(run.history, newline="") as file:
        return [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def terminated(tmp_path_factory):
    """An uninterrupted run of five epochs, and one that SIGTERM ended after two."""
    folder = tmp_path_factory.mktemp("terminated")
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 32)
    images = (random.integers(0, 60, (96, 8, 8, 1)) + (labels * 80)[:, None, None, None]).astype(np.uint8)
    np.savez(folder / "blobs.npz", x_train=images, y_train=labels, class_names=["dark", "grey", "light"])
    config = config_for(folder / "blobs.npz", folder, epochs=5, shift=0.1, batch_size=8, model="cifar_cnn")
    whole = train(config)
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 2)
        cut = train(config)
    return whole, cut


def copy_of(result, tmp_path) -> Run:
    return Run(shutil.copytree(result.run.path, tmp_path / "runs/train" / result.run.path.name))


def test_sigterm_leaves_a_checkpoint_the_best_epoch_and_a_report(terminated):
    _, cut = terminated
    assert cut.ended == "terminated" and cut.run.read_record()["ended"] == "terminated"
    assert [path.name for path in sorted(cut.run.checkpoint.iterdir())] == ["epoch-00001.npz", "epoch-00002.npz"]
    assert cut.report is not None and len(rows(cut.run)) == 2


def test_a_resumed_run_ends_as_the_uninterrupted_one(terminated, tmp_path):
    whole, cut = terminated
    run = copy_of(cut, tmp_path)
    with open(run.history, "a") as file:
        file.write("3,0.1,0.01,0,0,0,0\r\n")  # an epoch that was finished after the checkpoint, and is done again
    result = resume(ResumeConfig(str(run.path)))
    assert result.ended == "finished" and rows(run) == rows(whole.run)
    for left, right in zip(load_model(run.model).get_weights(), load_model(whole.run.model).get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (run.predictions / "test.csv").read_bytes() == (whole.run.predictions / "test.csv").read_bytes()
    (entry,) = run.read_record()["resumed"]
    assert (entry["from_epoch"], entry["to_epoch"]) == (2, 5) and entry["time"].endswith("+00:00")


def test_muon_and_fast_math_go_on_as_if_nothing_had_been(npz, tmp_path, monkeypatch):
    recipe = {"model": "cifar_speed", "optimizer": "muon", "momentum": 0.85, "kernel_momentum": 0.6, "batch_size": 16}
    recipe |= {"fast_math": True, "precision": "float32", "hyperparameters": {"filters": [64]}}
    config = config_for(npz, tmp_path, epochs=3, schedule="triangle", **recipe)
    whole = train(config)
    assert whole.run.read_record()["resolved"]["fast_layers"][0] == "group1_conv2"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        cut = train(config)
    result = resume(ResumeConfig(str(cut.run.path)))
    assert result.ended == "finished" and rows(cut.run) == rows(whole.run)
    for left, right in zip(*(load_model(run.model).get_weights() for run in (cut.run, whole.run)), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_torn_newest_checkpoint_falls_back_and_says_so(terminated, tmp_path):
    run = copy_of(terminated[1], tmp_path)
    newest = run.checkpoint / "epoch-00002.npz"
    newest.write_bytes(newest.read_bytes()[:-9])
    start = find_start(run, ResumeConfig(str(run.path)))
    assert start.state.epoch == 1
    assert "the newest checkpoint is damaged (epoch-00002.npz): going on from the one before it" in start.notes


def test_only_torn_checkpoints_are_refused_with_what_to_do(terminated, tmp_path):
    run = copy_of(terminated[1], tmp_path)
    for path in run.checkpoint.iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(RunError, match="every checkpoint of .* is damaged .*python -m training --config"):
        find_start(run, ResumeConfig(str(run.path)))


def test_a_changed_config_is_refused(terminated, tmp_path):
    run = copy_of(terminated[1], tmp_path)
    settings = yaml.safe_load(run.config.read_text())
    run.config.write_text(yaml.safe_dump(settings | {"verbose": "line", "runs_dir": "elsewhere"}))
    assert find_start(run, ResumeConfig(str(run.path))).state.epoch == 2
    run.config.write_text(yaml.safe_dump(settings | {"learning_rate": 0.5}))
    with pytest.raises(RunError, match="config.yaml was changed since the last checkpoint"):
        find_start(run, ResumeConfig(str(run.path)))


def test_changed_data_is_refused_and_the_run_stays_as_it_was(terminated, tmp_path):
    run = copy_of(terminated[1], tmp_path)
    np.savez(tmp_path / "other.npz", x_train=np.zeros((60, 8, 8, 1), np.uint8), y_train=np.arange(60) % 3)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    with pytest.raises(RunError, match="the data is not what cifar_cnn-npz-002 was trained on"):
        resume(ResumeConfig(str(run.path), data_dir=str(tmp_path / "other.npz")))
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


@pytest.mark.parametrize(
    ("argv", "flag"),
    [
        (["--seed", "3"], "--seed"),
        (["--config=a.yaml"], "--config"),
        (["--hyperparameters.l2", "1"], "--hyperparameters"),
    ],
)
def test_settings_beside_resume_are_refused(argv, flag):
    with pytest.raises(RunError, match=f"so {flag} cannot stand beside --resume. Allowed: --epochs, --verbose, --data"):
        refuse_other_settings(["--resume", "auto", *argv])


def test_epochs_data_and_verbosity_may_stand_beside_resume():
    refuse_other_settings(["--resume=auto", "--epochs", "9", "--data-dir", "x", "--verbose", "line", "--runs-dir", "r"])


def test_a_complete_run_says_so_and_a_missing_report_is_written_again(terminated, tmp_path):
    run = copy_of(terminated[0], tmp_path)
    with pytest.raises(AlreadyFinished, match="is complete: finished after epoch 5, best epoch .*EPOCHS=10"):
        resume(ResumeConfig(str(run.path)))
    before = (run.predictions / "test.csv").read_bytes()
    (run.predictions / "test.csv").unlink()
    assert resume(ResumeConfig(str(run.path))).ended == "finished"
    assert (run.predictions / "test.csv").read_bytes() == before and len(rows(run)) == 5


def test_fewer_epochs_than_are_done_are_refused(terminated, tmp_path):
    run = copy_of(terminated[0], tmp_path)
    with pytest.raises(RunError, match="has finished 5 epochs already. Expected more. Received: epochs=4"):
        resume(ResumeConfig(str(run.path), epochs=4))


def test_a_run_that_stopped_early_is_complete_and_goes_on_for_more_epochs(npz, tmp_path):
    result = train(config_for(npz, tmp_path, epochs=30, patience=2, learning_rate=0.3))
    done = len(result.history["loss"])
    assert result.ended == "stopped early"
    with pytest.raises(AlreadyFinished, match=f"stopped early after epoch {done}"):
        resume(ResumeConfig(str(result.run.path)))
    longer = resume(ResumeConfig(str(result.run.path), epochs=done + 2, verbose="silent"))
    assert [int(row["epoch"]) for row in rows(result.run)] == list(range(1, done + 3))
    assert longer.ended == "finished"


def test_a_run_that_never_wrote_a_checkpoint_starts_from_the_beginning_in_its_directory(npz, tmp_path, monkeypatch):
    def fail(self, batch, logs=None):
        raise ValueError("lost")

    monkeypatch.setattr(Checkpoints, "on_train_batch_end", fail)
    with pytest.raises(ValueError, match="lost"):
        train(config_for(npz, tmp_path))
    monkeypatch.undo()
    run = newest_unfinished(tmp_path / "runs")
    assert run.read_record()["ended"] == "failed" and not run.checkpoint.exists()
    assert resume(ResumeConfig("auto", runs_dir=str(tmp_path / "runs"))).ended == "finished"
    assert len(rows(run)) == 3 and len(list((tmp_path / "runs/train").iterdir())) == 1


def test_a_run_that_would_lose_epochs_is_not_started_from_the_beginning(terminated, tmp_path):
    run = copy_of(terminated[1], tmp_path)
    for path in run.checkpoint.iterdir():
        path.unlink()
    with pytest.raises(RunError, match="has trained 2 epochs and holds no checkpoint to go on from"):
        find_start(run, ResumeConfig(str(run.path)))


def test_auto_takes_the_newest_unfinished_run_and_leaves_runs_at_work_alone(terminated, tmp_path):
    copy_of(terminated[0], tmp_path)
    cut = copy_of(terminated[1], tmp_path)
    assert newest_unfinished(tmp_path / "runs").path == cut.path
    with cut.lock():
        with pytest.raises(RunError, match="there is no unfinished run in .*Start one without --resume"):
            newest_unfinished(tmp_path / "runs")
        with pytest.raises(RunError, match="is being trained by another process"):
            resume(ResumeConfig(str(cut.path)))


def test_a_diverged_run_is_not_resumed(terminated, tmp_path):
    run = copy_of(terminated[1], tmp_path)
    write_json(run.record, run.read_record() | {"ended": "diverged"})
    with pytest.raises(RunError, match="diverged: .*and would again. Train anew with a lower rate"):
        find_start(run, ResumeConfig(str(run.path)))


def test_a_checkpoint_of_another_model_is_refused(terminated, tmp_path):
    run = copy_of(terminated[1], tmp_path)
    start = find_start(run, ResumeConfig(str(run.path)))
    arrays = dict(start.state.arrays) | {"model/00000": np.zeros(3, np.float32)}
    write_state(run.checkpoint, State(2, 0, arrays, start.state.facts))
    with pytest.raises(RunError, match="do not fit the .* variables of the model"):
        resume(ResumeConfig(str(run.path)))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_checkpoint_keeps_the_last_one_and_says_how_to_go_on(npz, tmp_path, monkeypatch, number):
    write, calls = np.savez, []

    def failing(file, **arrays):
        calls.append(file)
        if len(calls) > 2:
            raise OSError(number, os.strerror(number))
        write(file, **arrays)

    monkeypatch.setattr("training.state.np.savez", failing)
    with pytest.raises(OSError) as caught:
        train(config_for(npz, tmp_path, epochs=9))
    run = Run(tmp_path / "runs/train/gap_cnn-npz-001")
    assert "epoch-00003.npz" in str(caught.value) and "make train RESUME=" in caught.value.__notes__[0]
    assert find_start(run, ResumeConfig(str(run.path))).state.epoch == 2
    assert run.read_record()["ended"] == "failed"


def test_the_best_model_of_a_lost_epoch_is_put_back(terminated, tmp_path):
    run = copy_of(terminated[1], tmp_path)
    run.model.write_bytes(b"of an epoch that was never checkpointed")
    start = find_start(run, ResumeConfig(str(run.path), epochs=2))
    assert start.state.facts["best"]["epoch"] in (1, 2)
    resume(ResumeConfig(str(run.path), epochs=2))
    for left, right in zip(load_model(run.model).get_weights(), start.state.group("best"), strict=True):
        np.testing.assert_array_equal(left, right)


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    left = [tmp_path / "checkpoint/.writing-a.npz", tmp_path / ".run.json.1234.tmp"]
    for path in left:
        path.write_text("half")
    (tmp_path / "history.csv").write_text("kept")
    Run(tmp_path).remove_leftovers()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["history.csv"]


def test_the_first_signal_waits_and_the_second_ends_at_once():
    with pytest.raises(KeyboardInterrupt), orderly_end() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.received == signal.SIGINT and interrupt.ended == "interrupted"
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert Interrupt().ended == "interrupted"


def test_the_digest_of_a_config_ignores_what_changes_no_number(npz, tmp_path):
    digest = resume_module.config_digest
    config = config_for(npz, tmp_path)
    assert digest(config) == digest(config_for(npz, tmp_path / "x", epochs=9, verbose="line", snapshots=True))
    assert digest(config) != digest(config_for(npz, tmp_path, seed=2))
    assert len(json.dumps(digest(config))) == 66
