"""Killed at chosen and at random moments, a search that goes on has the trials and scores of one that never stopped."""

import csv
import json
import random
import subprocess
import sys

import pytest

from tests.conftest import ROOT, user_environment
from tests.training.commands import Commands

FLAGS = (
    *("--model", "logistic_regression", "--dataset", "breast_cancer", "--space", "space.yaml", "--algorithm", "random"),
    *("--epochs", "2", "--batch-size", "128", "--max-trials", "4", "--final-seeds", "0", "--keep", "1"),
    *("--deterministic", "--verbose", "line"),
)
SPACE = "learning_rate: {low: 0.001, high: 0.1, sampling: log}\nl2: [0.0, 0.001]\n"
RUN = "runs/tune/logistic_regression-breast_cancer-{:03d}"
MODULE = "training.tune"
SHORT = "tests.training.tuning.short"  # the same command without the page


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """A folder with a space, and the process that runs commands in it."""
    folder = tmp_path_factory.mktemp("crashes")
    (folder / "space.yaml").write_text(SPACE)
    commands = Commands(folder)
    yield commands
    commands.close()


def result_of(folder, number: int) -> dict:
    """All that must be the same: the table, the oracle's state, the model that is kept."""
    from training.checkpoint import load_model
    from training.tuning.snapshots import Snapshots

    run = folder / RUN.format(number)
    with open(run / "trials.csv", newline="") as file:
        rows = [{name: value for name, value in row.items() if "seconds" not in name} for row in csv.DictReader(file)]
    state, torn = Snapshots(run).read()
    assert torn is None and not list(run.rglob(".*"))
    oracle = {name: state["oracle"][name] for name in ("start_order", "end_order", "seed_state", "retry_queue")}
    kept = {path.parent.name: load_model(path).get_weights() for path in run.glob("checkpoints/*/model.keras")}
    weights = {name: [array.tobytes() for array in arrays] for name, arrays in kept.items()}
    return {"rows": rows, "oracle": oracle, "weights": weights}


def search_with_kills(commands: Commands, kills) -> tuple[int, int]:
    """Searches, dying by each of `kills` in turn, then goes on to the end.

    Returns:
        The number of the search, and how often it died. One that died before its settings were written is begun anew.
    """
    arguments = FLAGS
    for died, kill in enumerate([*kills, {}]):
        done = commands.train(*arguments, module=SHORT, **kill)
        assert done.code in (0, -9), done.stderr
        newest = max((commands.folder / "runs/tune").glob("*-[0-9][0-9][0-9]"))
        if not done.code:
            return int(newest.name[-3:]), died
        if (newest / "space.yaml").exists():
            arguments = ("--resume", f"runs/tune/{newest.name}")
    raise AssertionError("the last sitting is not killed")


@pytest.fixture(scope="module")
def uninterrupted(commands):
    assert search_with_kills(commands, []) == (1, 0)
    return result_of(commands.folder, 1)


def test_three_kills_change_nothing(commands, uninterrupted):
    kills = [{"event": ["batch", 3]}, {"event": ["rename", 8]}, {"event": ["fsync", 12]}]
    number, died = search_with_kills(commands, kills)
    assert died == 3
    assert result_of(commands.folder, number) == uninterrupted


def test_sigterm_says_how_to_go_on_and_a_torn_snapshot_is_passed_over(commands, uninterrupted):
    done = commands.train(*FLAGS, module=SHORT, signal=["batch", 5, 15])
    assert done.code == 143
    run = done.stderr.strip().rpartition("RESUME=")[2]
    assert f"terminated. Finished trials are kept; go on with: make tune RESUME={run}\n" in done.stderr
    number = int(run[-3:])
    newest = commands.folder / run / "search.json"
    newest.write_bytes(newest.read_bytes()[:100])
    done = commands.train("--resume", run, module=SHORT)
    assert done.code == 0 and "search.json is torn: going on from search.previous.json" in done.stdout
    assert result_of(commands.folder, number) == uninterrupted


def test_errors_are_one_line(commands):
    done = commands.train("--resume", "runs/tune/nowhere", module=MODULE)
    assert done.code == 2 and len(done.stderr.splitlines()) == 1 and "There is no run at" in done.stderr
    done = commands.train("--resume", RUN.format(1), "--epochs", "5", module=MODULE)
    assert done.code == 2 and "so --epochs cannot stand beside --resume" in done.stderr
    done = commands.train(*FLAGS, "--runs-dir", "limited", limit=3000, module=MODULE)
    assert done.code == 1 and len(done.stderr.splitlines()) == 1 and "File too large" in done.stderr


def test_help_loads_no_tensorflow():
    code = f"""
import runpy, sys
sys.argv = ['x', '--help']
try:
    runpy.run_module({MODULE!r}, run_name='__main__', alter_sys=True)
except SystemExit:
    pass
assert not {{'tensorflow', 'keras', 'keras_tuner'}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=user_environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "--max-trials" in done.stdout, done.stderr


@pytest.mark.slow
def test_twenty_random_kills_change_nothing(commands, uninterrupted):
    draw, total = random.Random(6), 0
    while total < 20:
        moments = [{"event": ["any", draw.randrange(1, 90)]} for _ in range(3)] + [{"seconds": draw.uniform(0, 2)}]
        number, died = search_with_kills(commands, moments)
        total += died
        assert result_of(commands.folder, number) == uninterrupted, f"search {number}, moments {json.dumps(moments)}"
    print(f"{total} kills")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_trials(commands):
    """50 tiny trials: the resident memory of the second half rises by less than 1 MB a trial."""
    code = """
import os, sys, psutil
from training.tuning import session, trials
from training.tuning.config import TuneConfig
seen, after = [], trials.after
def counted(*given):
    seen.append(psutil.Process().memory_info().rss / 1e6)
    after(*given)
trials.after = counted
session.tune(TuneConfig(model='logistic_regression', dataset='breast_cancer', epochs=2, max_trials=50, final_seeds=0,
                        verbose='silent', stop_hopeless=False))
import numpy as np
print('slope', np.polyfit(np.arange(25), seen[25:], 1)[0])
"""
    environment = user_environment() | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=commands.folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert float(done.stdout.split("slope")[1]) < 1.0
