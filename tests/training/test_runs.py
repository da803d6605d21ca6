"""`make runs`: past runs as their files tell them, whatever state those are in."""

import json
import shutil
import subprocess
import sys
from dataclasses import fields

import pytest

from tests.conftest import ROOT, user_environment
from training import runs as module
from training.run import Run, RunError
from training.runs import PastRun, RunsConfig, list_runs

CONFIG = {"model": "cifar_cnn", "dataset": "digits", "monitor": "val_loss", "label_smoothing": 0.0}


def write_run(root, name, losses, *, record=None, config=None, test=None):
    """A run directory with two accuracies that fall as the losses rise."""
    run = Run(root / name)
    run.report.mkdir(parents=True)
    settings = CONFIG | (config or {})
    run.config.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items()))
    facts = {"started": "2026-01-02T03:04:05+00:00", "data": {"digest": "abc"}, "resolved": {"epochs": 9}}
    run.record.write_text(json.dumps(facts | {"ended": "finished", "seconds": 12.5} | (record or {})))
    rows = [f"{epoch},1.5,{loss},{loss},{1 - loss}" for epoch, loss in enumerate(losses, 1)]
    run.history.write_text("\n".join(["epoch,seconds,loss,val_loss,val_accuracy", *rows]) + "\n")
    if test is not None:
        (run.report / "report.json").write_text(json.dumps({"splits": {"test": {"accuracy": {"estimate": test}}}}))
        run.manifest.write_text("{}")
    return run


def command(*arguments, cwd=ROOT):
    environment = user_environment() | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "training.runs", *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_runs_are_ranked_by_validation_and_never_by_test(tmp_path):
    write_run(tmp_path, "train/a", [0.5, 0.3, 0.4], test=0.99)
    write_run(tmp_path, "train/b", [0.5, 0.1, 0.2], test=0.10)
    found, skipped = list_runs(RunsConfig(str(tmp_path)))
    assert skipped == {}
    assert [(run.name, run.rank, run.best_epoch, run.validation, run.test) for run in found] == [
        ("train/b", 1, 2, 0.1, 0.10),
        ("train/a", 2, 2, 0.3, 0.99),
    ]


def test_only_runs_that_compare_share_a_ranking(tmp_path):
    write_run(tmp_path, "train/a", [0.4])
    write_run(tmp_path, "train/b", [0.9], config={"label_smoothing": 0.1})
    write_run(tmp_path, "train/c", [0.3], config={"monitor": "val_accuracy"})
    write_run(tmp_path, "train/d", [0.2], config={"monitor": "val_accuracy"})
    write_run(tmp_path, "train/e", [0.2], record={"data": {"digest": "other"}})
    found = {run.name[-1]: (run.rank, run.validation) for run in list_runs(RunsConfig(str(tmp_path)))[0]}
    assert found == {"a": (1, 0.4), "b": (1, 0.9), "c": (2, 0.7), "d": (1, 0.8), "e": (1, 0.2)}


def test_how_a_run_ended_tells_the_killed_from_those_at_work(tmp_path):
    killed, working = (write_run(tmp_path, f"train/{name}", [0.5], record={"ended": "running"}) for name in "kw")
    write_run(tmp_path, "train/s", [0.5], record={"ended": "stopped early"})
    with working.lock():
        found = {run.name[-1]: run.ended for run in list_runs(RunsConfig(str(tmp_path)))[0]}
    assert found == {"k": "killed", "w": "running", "s": "stopped early"}
    with killed.lock():  # looking at it left it free
        pass


def test_torn_and_foreign_folders_are_named_and_do_not_hide_the_rest(tmp_path, capsys, monkeypatch):
    write_run(tmp_path, "train/good", [0.5])
    write_run(tmp_path, "train/torn", [0.5]).record.write_text('{"ended": "fin')
    write_run(tmp_path, "train/list", [0.5]).record.write_text("[]")
    write_run(tmp_path, "train/odd", [0.5]).config.write_text("model: [")
    (tmp_path / "train/foreign").mkdir()
    (tmp_path / "train/note.txt").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["runs", "--runs-dir", str(tmp_path)])
    assert module.main() == 0
    *_, good, last = capsys.readouterr().out.splitlines()
    assert "train/good" in good
    assert last == (
        "not runs: train/foreign (no run.json), train/list (cannot be read: AttributeError), "
        "train/odd (cannot be read: ParserError), train/torn (run.json is torn)"
    )


@pytest.mark.parametrize("name", ["group.json", "predict.json", "numbers.json"])
def test_folders_of_other_commands_are_passed_over(tmp_path, name):
    (tmp_path / "other" / "one").mkdir(parents=True)
    (tmp_path / "other" / "one" / name).touch()
    assert list_runs(RunsConfig(str(tmp_path))) == ([], {})


def test_a_torn_history_gives_what_is_whole(tmp_path):
    run = write_run(tmp_path, "train/a", [0.5, 0.4, float("nan"), 0.3], record={"seconds": None})
    run.history.write_text(run.history.read_text()[:-8])
    record = json.loads(run.record.read_text())
    del record["seconds"]
    run.record.write_text(json.dumps(record))
    (past,) = list_runs(RunsConfig(str(tmp_path)))[0]
    assert (past.epochs, past.best_epoch, past.validation, past.seconds) == (2, 2, 0.4, 3.0)


def test_a_run_without_an_epoch_and_one_of_another_task_are_listed_last(tmp_path):
    run = write_run(tmp_path, "train/a", [])
    run.history.unlink()
    write_run(tmp_path, "train/b", [0.5])
    other = Run(tmp_path / "lr-find/x")
    other.path.mkdir(parents=True)
    other.record.write_text(json.dumps({"settings": CONFIG, "ended": "every step was taken", "proposal": 0.1}))
    found = list_runs(RunsConfig(str(tmp_path)))[0]
    assert found[0].name == "train/b" and {run.name for run in found[1:]} == {"train/a", "lr-find/x"}
    assert {(run.rank, run.model, run.validation) for run in found[1:]} == {(None, "cifar_cnn", None)}


def test_a_report_of_before_a_resume_is_not_shown(tmp_path):
    run = write_run(tmp_path, "train/a", [0.5], test=0.9)
    run.manifest.unlink()
    assert list_runs(RunsConfig(str(tmp_path)))[0][0].test is None


def test_the_other_orders(tmp_path):
    for name, loss, day in (("a", 0.3, 2), ("b", 0.2, 3), ("c", 0.1, 1)):
        write_run(tmp_path, f"train/{name}", [loss], record={"started": f"2026-01-0{day}T00:00:00+00:00"})
    orders = {
        sort: "".join(run.name[-1] for run in list_runs(RunsConfig(str(tmp_path), sort=sort))[0])
        for sort in ("validation", "time", "name")
    }
    assert orders == {"validation": "cba", "time": "bac", "name": "abc"}


def test_one_task_and_one_run_may_be_named(tmp_path):
    run = write_run(tmp_path, "train/a", [0.5])
    for root in (tmp_path, run.path.parent, run.path):
        assert [past.validation for past in list_runs(RunsConfig(str(root)))[0]] == [0.5]


def test_an_empty_or_absent_folder_says_how_to_make_a_run(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        done = command("--runs-dir", str(folder))
        assert done.returncode == 0 and done.stdout == f"There are no runs in {folder} yet. Make one: make train\n"


def test_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="must be a folder of runs. Received a file"):
        list_runs(RunsConfig(str(tmp_path / "file")))
    done = command("--runs-dir", str(tmp_path / "file"))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_json_holds_every_field_and_no_more(tmp_path):
    write_run(tmp_path, "train/a", [0.5], test=0.9)
    (tmp_path / "train/foreign").mkdir()
    data = json.loads(command("--runs-dir", str(tmp_path), "--json").stdout)
    assert list(data) == ["schema", "runs_dir", "runs", "skipped"] and data["schema"] == 1
    assert data["skipped"] == [{"name": "train/foreign", "reason": "no run.json"}]
    assert [list(run) for run in data["runs"]] == [[field.name for field in fields(PastRun)]]
    assert data["runs"][0] == {
        "name": "train/a",
        "path": str(tmp_path / "train/a"),
        "started": "2026-01-02T03:04:05+00:00",
        "dataset": "digits",
        "data_digest": "abc",
        "model": "cifar_cnn",
        "epochs": 1,
        "epochs_planned": 9,
        "best_epoch": 1,
        "monitor": "val_loss",
        "validation": 0.5,
        "test_measure": "accuracy",
        "test": 0.9,
        "seconds": 12.5,
        "ended": "finished",
        "rank": 1,
    }


def test_the_command_loads_no_tensorflow(tmp_path):
    write_run(tmp_path, "train/a", [0.5])
    code = (
        "import sys, training.runs as r; sys.argv = ['runs', '--runs-dir', sys.argv[1]]; r.main();"
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_name_cannot_move_the_cursor(tmp_path, capsys, monkeypatch):
    shutil.move(write_run(tmp_path, "train/a", [0.5]).path, tmp_path / "train/\x1b[2J\n")
    monkeypatch.setattr(sys, "argv", ["runs", "--runs-dir", str(tmp_path)])
    module.main()
    assert "train/?[2J?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["runs", "JSON=1", "SORT=time", "RUNS_DIR=r"], "-m training.runs --runs-dir 'r' --sort 'time' --json"),
        (["train", "TENSORBOARD=1"], "-m training --tensorboard"),
        (["train", "TENSORBOARD=0", "EPOCHS=2"], "-m training --epochs '2' --no-tensorboard"),
        (["train", "DETERMINISTIC=yes"], "-m training --deterministic"),
    ],
)
def test_make_forwards_switches(tmp_path, arguments, expected):
    (tmp_path / "bin").mkdir()
    for name in ("bin/python", ".groundwork-runtime"):
        (tmp_path / name).touch()
    done = subprocess.run(
        ["make", "-n", *arguments, f"VENV={tmp_path}"],
        cwd=ROOT,
        env=user_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert " ".join(done.stdout.splitlines()[-1].split()).partition("python ")[2] == expected
