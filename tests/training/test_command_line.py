"""`python -m training` and `python -m training.evaluate` as a user meets them."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, user_environment
from tests.training.commands import Commands


def run(*arguments: str, module: str = "training", cwd=None) -> subprocess.CompletedProcess:
    environment = user_environment() | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=cwd or ROOT, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    """As `run`, without importing TensorFlow each time."""
    commands = Commands(tmp_path_factory.mktemp("forked"))
    yield lambda *arguments, **job: commands.train(*arguments, report=True, **job)
    commands.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One run of the command on the embedded patients, in a folder of its own."""
    folder = tmp_path_factory.mktemp("command")
    done = run("--model", "logistic_regression", "--dataset", "breast_cancer", "--epochs", "3", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_command_ends_with_a_table_and_the_path_of_the_report(trained):
    folder, done = trained
    assert "malignant" in done.stdout and "Sensitivity" in done.stdout and "Specificity" in done.stdout
    last = done.stdout.strip().splitlines()[-1]
    assert last == "report: runs/train/logistic_regression-breast_cancer-001/report/index.html"
    assert (folder / last.removeprefix("report: ")).is_file()


def test_the_command_is_quiet_on_stderr(trained):
    assert trained[1].stderr == ""


@pytest.mark.parametrize("module", ["training", "training.evaluate", "evaluation"])
def test_help_loads_no_tensorflow(module):
    code = f"""
import runpy, sys
sys.argv = ['x', '--help']
try:
    runpy.run_module({module!r}, run_name='__main__', alter_sys=True)
except SystemExit:
    pass
assert not {{'tensorflow', 'keras'}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--" in done.stdout, done.stderr


def test_help_names_every_model_and_every_data_set():
    from models.catalog import CATALOG
    from training.datasets.catalog import SOURCES

    shown = run("--help").stdout
    assert all(f"\n  {name} " in shown for name in [*CATALOG, *SOURCES])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus", "1"], "--bogus: no such flag"),
        (["--epochs", "many"], "--epochs: expected a whole number"),
        (["--model", "mlp_regressor"], "mlp_regressor does regression, but digits holds classification"),
        (["--dataset", "folder", "--data-dir", "/no/such"], "data_dir does not exist: /no/such"),
        (["--config", "/no/such.yaml"], "/no/such.yaml"),
    ],
)
def test_a_mistake_gives_one_line_and_no_traceback(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_rerun_from_the_recorded_config_has_the_same_config(trained, forked):
    folder, _ = trained
    first = folder / "runs/train/logistic_regression-breast_cancer-001/config.yaml"
    done = forked("--config", str(first), cwd=str(folder))
    assert done.code == 0, done.stderr
    second = folder / "runs/train/logistic_regression-breast_cancer-002"
    assert (second / "config.yaml").read_text() == first.read_text()
    histories = [
        [row.split(",")[3:] for row in (path.parent / "history.csv").read_text().splitlines()]
        for path in (first, second / "config.yaml")
    ]
    assert histories[0] == histories[1]


def test_evaluate_writes_the_report_again_and_renews_the_manifest(trained, forked):
    folder, _ = trained
    path = folder / "runs/train/logistic_regression-breast_cancer-001"
    before = json.loads((path / "report/report.json").read_text())
    shutil.rmtree(path / "report")
    done = forked(str(path), module="training.evaluate", cwd=str(folder))
    assert done.code == 0 and done.stdout.strip().endswith("report/index.html"), done.stderr
    assert json.loads((path / "report/report.json").read_text())["splits"] == before["splits"]
    from training.run import Run

    assert Run(path).check(path / "report/index.html") is None


def test_evaluate_predicts_where_predictions_are_missing(trained, forked):
    folder, _ = trained
    path = folder / "runs/train/logistic_regression-breast_cancer-001"
    before = (path / "predictions/test.csv").read_bytes()
    shutil.rmtree(path / "predictions")
    assert forked(str(path), module="training.evaluate", cwd=str(folder)).code == 0
    assert (path / "predictions/test.csv").read_bytes() == before


def test_evaluate_reports_on_a_run_that_was_killed(trained, tmp_path, forked):
    path = tmp_path / "run"
    shutil.copytree(trained[0] / "runs/train/logistic_regression-breast_cancer-001", path)
    for name in ("predictions", "report"):
        shutil.rmtree(path / name)
    for name in ("manifest.json", "curves.png"):
        (path / name).unlink()
    record = json.loads((path / "run.json").read_text())
    for name in ("epochs", "best_epoch", "verdict", "seconds"):
        record.pop(name)
    (path / "run.json").write_text(json.dumps(record | {"ended": "running"}))
    done = forked(str(path), module="training.evaluate")
    assert done.code == 0 and "its origin was not verified" in done.stderr
    assert "the run was cut before it could end" in (path / "report/index.html").read_text()


def test_evaluate_finds_data_that_moved(npz, forked):
    flags = ["--dataset", "npz", "--data-dir", npz.name, "--model", "softmax_regression", "--epochs", "1"]
    assert forked(*flags, cwd=str(npz.parent)).code == 0
    path = npz.parent / "runs/train/softmax_regression-npz-001"
    assert forked(str(path), module="training.evaluate", cwd=str(ROOT)).code == 0
    moved = npz.rename(npz.with_name("moved.npz"))
    assert "data_dir does not exist" in forked(str(path), module="training.evaluate").stderr
    done = forked(str(path), "--data-dir", str(moved), module="training.evaluate")
    assert done.code == 0, done.stderr


def test_evaluate_refuses_a_changed_model_changed_data_and_no_run(trained, tmp_path, forked):
    folder, _ = trained
    path = tmp_path / "run"
    shutil.copytree(folder / "runs/train/logistic_regression-breast_cancer-001", path)
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | {"data": record["data"] | {"digest": "0" * 64}}))
    assert "the data is not what" in forked(str(path), module="training.evaluate").stderr
    (path / "run.json").write_text(json.dumps(record))
    shutil.rmtree(path / "predictions")
    (path / "model.keras").write_bytes(b"other")
    assert "is not the file that the run wrote" in forked(str(path), module="training.evaluate").stderr
    done = forked(str(tmp_path / "absent"), module="training.evaluate")
    assert done.code != 0 and "There is no run at" in done.stderr and len(done.stderr.splitlines()) == 1


def test_make_evaluate_without_a_run_says_what_to_give():
    done = subprocess.run(
        ["make", "-s", "evaluate", f"VENV={sys.prefix}"],
        cwd=ROOT,
        env=user_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "say what to evaluate" in done.stderr
