"""Real worker processes: one of two killed, their chief killed, all of them asked to end."""

import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import ROOT, user_environment
from tests.training.tuning.searches import table
from training.run import Run
from training.tuning.channel import ADDRESS, KEY, ROLE

SPACE = "learning_rate: {low: 0.001, high: 0.1, sampling: log}\nl2: [0.0, 0.001]\n"
FLAGS = (
    *("--model", "logistic_regression", "--dataset", "breast_cancer", "--space", "space.yaml", "--epochs", "10"),
    *("--batch-size", "128", "--max-trials", "8", "--final-seeds", "0", "--deterministic", "--verbose", "line"),
)
RUN = "runs/tune/logistic_regression-breast_cancer-{:03d}"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    (folder / "space.yaml").write_text(SPACE)
    return folder


def begin(folder, *flags: str, **variables: str) -> subprocess.Popen:
    """A search in a process of its own."""
    environment = user_environment() | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    command = [sys.executable, "-m", "training.tune", *flags]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def next_run(folder) -> Run:
    """The directory that the next search will take."""
    return Run(folder / RUN.format(1 + len(list((folder / "runs/tune").glob("*")))))


def finish(process: subprocess.Popen, *, code: int = 0) -> str:
    """What it printed, once it has ended as it should."""
    output = process.communicate()[0]
    assert process.returncode == code, output
    return output


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children()
    return [one for one in children if "training.tuning.worker" in one.cmdline()]


def wait_for_trials(run: Run, count: int) -> None:
    """Returns when so many trials have ended."""
    while True:
        rows = table(run) if (run.path / "trials.csv").exists() else []
        if sum(row["status"] == "completed" for row in rows) >= count:
            return
        time.sleep(0.05)


@pytest.fixture(scope="module")
def alone(folder):
    """The search by one process."""
    run = next_run(folder)
    finish(begin(folder, *FLAGS))
    return run


@pytest.fixture(scope="module")
def whole(folder, alone):
    """The search by two workers that live, and its seconds."""
    run = next_run(folder)
    finish(begin(folder, *FLAGS, "--workers", "2"))
    assert table(run) == table(alone)
    return run


def test_one_worker_of_two_killed_costs_no_trial(folder, whole):
    run, process = next_run(folder), begin(folder, *FLAGS, "--workers", "2")
    wait_for_trials(run, 3)
    victim = workers_of(process)[0]
    victim.kill()
    assert "begins again" in finish(process)
    assert table(run) == table(whole)
    seconds = [one.read_record()["seconds"] for one in (whole, run)]
    print(f"one of two workers killed: {seconds[1]:.0f} s for {seconds[0]:.0f} s, ratio {seconds[1] / seconds[0]:.2f}")


def test_workers_end_with_their_chief_and_the_search_goes_on(folder, whole):
    run, process = next_run(folder), begin(folder, *FLAGS, "--workers", "2")
    wait_for_trials(run, 4)
    orphans = workers_of(process)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(orphans, timeout=60)
    assert len(orphans) == 2 and not alive
    assert "going on after" in finish(begin(folder, "--resume", str(run.path), "--workers", "2"))
    assert table(run) == table(whole)


def test_sigterm_ends_all_and_says_how_to_go_on(folder):
    run, process = next_run(folder), begin(folder, *FLAGS, "--workers", "2")
    wait_for_trials(run, 1)
    workers = workers_of(process)
    process.terminate()
    assert "go on with: make tune RESUME=" in finish(process, code=143)
    assert not any(one.is_running() for one in workers)
    assert list(run.path.glob("report/index.html"))


def test_a_worker_of_another_machine_takes_all_from_its_chief(folder, alone):
    place = {ADDRESS: "127.0.0.1:17077", KEY: "a secret of many letters"}
    run = next_run(folder)
    worker = begin(folder, *FLAGS, **place, **{ROLE: "worker"})
    chief = begin(folder, *FLAGS, "--workers", "0", **place, **{ROLE: "chief"})
    finish(chief)
    finish(worker)
    assert table(run) == table(alone)
