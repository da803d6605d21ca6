"""`python -m transfer` as a user meets it: several cases, one line for each mistake, killed and gone on with."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.command import run_main
from tests.conftest import ROOT, user_environment
from tests.training.commands import Commands
from tests.transfer.runs import blobs, config_for, quick_report, rows, use_short_mobilenet
from training.resume import AlreadyFinished
from training.run import Run, RunError
from training.runs import RunsConfig, list_runs
from transfer import __main__ as command
from transfer.choice import proposed
from transfer.comparison import allcases
from transfer.comparison.allcases import go_on_with_cases, transfer_cases
from transfer.comparison.group import update_group
from transfer.config import from_yaml
from transfer.resume import ResumeConfig, resume

SMALL = ("--backbone", "mobilenet_0.25_128", "--weights", "none", "--dataset", "npz", "--data-dir", "blobs.npz")
QUICK = ("--image-size", "32", "--batch-size", "16", "--precision", "float32", "--no-tsne", "--verbose", "line")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "1"], "error: transfer needs a folder of images: --data-dir FOLDER"),
        (["--dataset", "digits", "--backbone", "vgg"], "error: Unknown backbone. Did you mean 'vgg19'?"),
        (["--dataset", "digits", "--case", "7"], "error: case must be one of auto, all"),
        (["--resume", "runs/transfer/x-001"], "error: There is no run at runs/transfer/x-001."),
        (["--resume", "auto", "--epochs", "3"], "error: a resumed run keeps the settings of its config.yaml"),
        (["--resume", "auto"], "error: there is no unfinished run in runs/transfer to resume."),
    ],
)
def test_a_mistake_gives_one_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["transfer", *arguments])
    try:
        code = run_main(command.main, user_errors=command.USER_ERRORS)
    except SystemExit as end:
        code = end.code
    shown = capsys.readouterr().err
    assert code == 2 and shown.startswith(message) and shown.count("\n") == 1


def test_make_forwards_its_variables_as_flags():
    line = ["make", "-n", "transfer", "DATA_DIR=my photos", "CASE=all", "IMAGE_SIZE=96", "TSNE=0", "VENV=x"]
    shown = subprocess.run(line, cwd=ROOT, env=user_environment(), capture_output=True, text=True).stdout
    found = re.search(r"-m transfer .*", shown)
    assert found is not None
    flags = set(re.findall(r"--[a-z-]+(?: '[^']*')?", found[0]))
    assert flags == {"--data-dir 'my photos'", "--case 'all'", "--image-size '96'", "--no-tsne"}


def test_of_case_4_the_option_with_the_pre_trained_weights_is_proposed():
    choice = proposed({"case": 4, "why": "because"})
    assert choice.case.name == "4b" and choice.is_proposed
    assert choice.text.startswith("case 4b chosen (--case 4 trains both of its options): fine-tune from pre-trained")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Both options of case 4, cut after the first and gone on with."""
    folder = tmp_path_factory.mktemp("cases")
    blobs(folder, count=12)
    original = allcases.complete

    def die(*arguments, **keywords):
        if keywords["choice"].case.name == "4b":
            raise KeyboardInterrupt
        return original(*arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        quick_report(patch)
        use_short_mobilenet(patch)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(allcases, "complete", die)
            with pytest.raises(KeyboardInterrupt):
                transfer_cases(config_for(folder, case="4", epochs=1, head_epochs=1))
        first = (folder / "runs/transfer/mobilenet_0.25_128-npz-001/run.json").read_bytes()
        result = resume(ResumeConfig("auto", runs_dir=str(folder / "runs")))
        yield SimpleNamespace(result=result, first=first, runs=folder / "runs")


def test_cases_are_ranked_on_validation_and_only_the_best_is_tested(both):
    assert [one.case for one in both.result.results] == ["4a", "4b"] and both.result.ended == "finished"
    best = max(both.result.results, key=lambda one: one.accuracy)
    for one in both.result.results:
        run = Run(both.runs / "transfer" / one.run)
        tested = (run.predictions / "test.csv").exists()
        assert tested == (one.run == both.result.best.run.path.name)
        assert run.read_record()["validation"] == {"correct": one.correct, "total": one.total}
    assert both.result.best.accuracy == best.accuracy


def test_a_case_that_was_complete_is_not_trained_again(both):
    again = json.loads((both.runs / "transfer/mobilenet_0.25_128-npz-001/run.json").read_text())
    first = json.loads(both.first)
    assert again["started"] == first["started"] and "resumed" not in again
    assert (first["transfer"]["case"], again["transfer"]["case"]) == ("4a", "4a")
    with pytest.raises(AlreadyFinished, match=r"is complete; the best case on validation is 4[ab]\."):
        resume(ResumeConfig(str(both.result.folder)))


def test_the_groups_folder_holds_figure_tables_and_links_and_is_no_run(both):
    folder = both.result.folder
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.yaml", "group.json", "quadrant.png", "cases.csv", "cases.json", "cases.md", "index.html"}
    with open(folder / "cases.csv", newline="") as file:
        assert [row["case"] for row in csv.DictReader(file)] == ["4a", "4b"]
    page = (folder / "index.html").read_text()
    links = re.findall(r'href="([^"]+)"', page)
    assert links and all((folder / link).resolve().is_relative_to(both.runs.resolve()) for link in links)
    found, skipped = list_runs(RunsConfig(runs_dir=str(both.runs)))
    assert len(found) == 2 and not skipped


def test_auto_leaves_complete_groups_those_at_work_and_what_a_group_replaced_alone(both, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(both.runs / "transfer", runs / "transfer")
    group = runs / "transfer" / both.result.folder.name

    def refused() -> None:
        with pytest.raises(RunError, match="there is no unfinished run"):
            resume(ResumeConfig("auto", runs_dir=str(runs)))

    refused()
    orphan = runs / "transfer/orphan-001"
    orphan.mkdir()
    shutil.copy(group / "config.yaml", orphan)
    (orphan / "run.json").write_text(json.dumps({"group": group.name, "ended": "running"}))
    refused()
    update_group(group, ended="running")
    with Run(group).lock():
        refused()


def test_cases_on_other_data_do_not_compare(both, tmp_path):
    folder = tmp_path / "group"
    shutil.copytree(both.result.folder, folder)
    update_group(folder, data_digest="0" * 64)
    with pytest.raises(RunError, match=r"^the data of group changed: SHA-256 .* cases on different data do not"):
        go_on_with_cases(folder, from_yaml(folder / "config.yaml"))


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing(tmp_path):
    """Also while features, checkpoints or the model are being written."""
    blobs(tmp_path)
    commands = Commands(tmp_path)
    flags = [*SMALL, *QUICK, "--case", "3", "--epochs", "2", "--head-epochs", "2", "--deterministic"]
    module = {"module": "transfer.__main__"}
    try:
        assert commands.train(*flags, **module).code == 0
        whole = Run(tmp_path / "runs/transfer/mobilenet_0.25_128-npz-001")
        arguments = flags
        for kill in [("batch", 3), ("fsync", 9), ("rename", 4), ("batch", 8), ("rename", 12)]:
            done = commands.train(*arguments, event=kill, **module)
            assert done.code in (0, -9), done.stderr
            if (tmp_path / "runs/transfer/mobilenet_0.25_128-npz-002/config.yaml").exists():
                arguments = ["--resume", "runs/transfer/mobilenet_0.25_128-npz-002"]
        assert commands.train(*arguments, **module).code == 0
    finally:
        commands.close()
    cut = Run(tmp_path / "runs/transfer/mobilenet_0.25_128-npz-002")
    assert rows(cut) == rows(whole)
    for name in ("test", "validation"):
        assert (cut.predictions / f"{name}.csv").read_bytes() == (whole.predictions / f"{name}.csv").read_bytes()


@pytest.mark.slow
def test_ants_and_bees_are_a_small_and_similar_data_set(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(shared / "keras_home"))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(shared / "keras_home"))  # read when Keras was loaded
    from transfer.config import TransferConfig
    from transfer.finetune import transfer

    folder = str(shared / "data/hymenoptera")
    config = TransferConfig("mobilenet_0.75_192", data_dir=folder, runs_dir=str(tmp_path), verbose="silent", tsne=False)
    result = transfer(config)
    assert result.choice.case.name == "1" and result.accuracy is not None and result.accuracy >= 0.9
    assert np.isclose(result.accuracy, result.correct / result.total)
