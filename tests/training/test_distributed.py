"""Several devices and several workers end where one device ends; a lost worker ends all, and the run goes on."""

import csv
import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests.conftest import ROOT, user_environment
from training.state import read_state

# 1,222 examples in batches of 61: shares of 31 and 30, and of 1 and 1 in the last batch
FLAGS = (
    *("--dataset", "digits", "--model", "mlp_classifier", "--hyperparameters.units", "[8]", "--batch-size", "61"),
    *("--flip", "horizontal", "--precision", "float32", "--steps-per-execution", "4", "--optimizer", "adamw"),
)
TOLERANCE = 5e-6  # of weights, losses and accuracies: sums of float32 in another order


def start(folder, *arguments: str, module: str = "tests.training.worker") -> subprocess.Popen:
    environment = user_environment() | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("TF_CONFIG", None)
    command = [sys.executable, "-m", module, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)


def finish(process: subprocess.Popen) -> tuple[int, str, list[str]]:
    """Exit code, output, and the lines of stderr that are the project's own."""
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, [line for line in errors.splitlines() if line.startswith("error:")]


def run(folder, *arguments: str) -> str:
    code, output, errors = finish(start(folder, *arguments))
    assert code == 0, errors
    return output


def launch(folder, *arguments: str) -> subprocess.Popen:
    code = "import sys; from training.launch import launch; "
    code += "sys.exit(launch(2, sys.argv[1:], module='tests.training.worker'))"
    environment = user_environment() | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, env=environment, text=True, **pipes)


def result(path) -> tuple[list[np.ndarray], np.ndarray]:
    """The last state's arrays, and the history without its times."""
    state, _, _ = read_state(path / "checkpoint")
    with open(path / "history.csv", newline="") as file:
        history = [[float(value) for name, value in row.items() if name != "seconds"] for row in csv.DictReader(file)]
    return [array for name, array in sorted(state.arrays.items())], np.array(history)


def assert_same(found, expected) -> None:
    for one, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=TOLERANCE)


def path_of(folder, number: int = 1):
    return folder / f"runs/train/mlp_classifier-digits-{number:03d}"


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Two epochs on one device."""
    folder = tmp_path_factory.mktemp("one")
    run(folder, *FLAGS, "--epochs", "2", "--strategy", "one")
    return result(path_of(folder))


def test_two_devices_end_where_one_does_also_when_resumed_within_an_epoch(one, tmp_path):
    mirrored = (*FLAGS, "--checkpoint-steps", "8", "--strategy", "mirrored", "--epochs", "2")
    output = run(tmp_path, "--logical-cpus", "2", *mirrored)
    assert "devices: 2 logical CPUs, mirrored" in output
    assert_same(result(path_of(tmp_path)), one)
    devices = json.loads((path_of(tmp_path) / "run.json").read_text())["devices"]
    assert (devices["strategy"], devices["replicas"], devices["workers"]) == ("mirrored", 2, 1)
    for lost in ("checkpoint/epoch-00002.npz", "manifest.json"):
        (path_of(tmp_path) / lost).unlink()
    resumed = run(tmp_path, "--logical-cpus", "2", "--resume", str(path_of(tmp_path)))
    assert "going on after step 16 of epoch 2" in resumed
    assert_same(result(path_of(tmp_path)), one)


def test_two_workers_end_where_one_does_and_only_the_chief_writes(one, tmp_path):
    code, output, errors = finish(launch(tmp_path, *FLAGS, "--epochs", "2"))
    assert (code, errors) == (0, [])
    assert "devices: worker 0 of 2 (chief)" in output
    assert [path.name for path in (tmp_path / "runs/train").iterdir()] == ["mlp_classifier-digits-001"]
    assert_same(result(path_of(tmp_path)), one)


def kill_a_worker(folder, number: int, process: subprocess.Popen) -> None:
    """Kills a worker, found by its TF_CONFIG, when the first checkpoint is there."""
    import psutil

    while not list(folder.glob("runs/train/*/checkpoint/*.npz")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    for child in psutil.Process(process.pid).children():
        if json.loads(child.environ()["TF_CONFIG"])["task"]["index"] == number:
            os.kill(child.pid, 9)


@pytest.mark.parametrize("number", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_killed_worker_ends_all_with_one_line_and_the_run_goes_on(one, tmp_path, number):
    process = launch(tmp_path, *FLAGS, "--epochs", "300", "--patience", "0")
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path, number, process))
    killer.start()
    code, _, errors = finish(process)
    killer.join()
    way = "make train-workers RESUME=runs/train/mlp_classifier-digits-001"
    assert (code, errors) == (
        1,
        [f"error: worker {number} was killed by signal 9; the others were ended. Go on with: {way}"],
    )
    state, _, _ = read_state(path_of(tmp_path) / "checkpoint")
    epochs = str(max(state.epoch + 1, 2))
    if number == 0:
        assert finish(launch(tmp_path, "--resume", str(path_of(tmp_path)), "--epochs", epochs))[0] == 0
    else:
        run(tmp_path, "--resume", str(path_of(tmp_path)), "--epochs", epochs, "--strategy", "one")
    found = result(path_of(tmp_path))
    assert len(found[1]) == int(epochs)
    np.testing.assert_allclose(found[1][:2], one[1], rtol=0, atol=TOLERANCE)
    if int(epochs) > 2:
        run(tmp_path, *FLAGS, "--epochs", epochs, "--patience", "0", "--strategy", "one")
        assert_same(found, result(path_of(tmp_path, 2)))
