"""Jobs run once, their results are kept at once, and a process that dies is said in one line."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import psutil
import pytest

from tests.conftest import ROOT, user_environment
from training.checks import ConfigError
from training.datasets.dataset import DataError
from transfer.studies.ledger import Ledger
from transfer.studies.pool import Job, Study, end_with_parent

PARENT = """
import multiprocessing, time
from tests.transfer.studies.test_pool import linger
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=linger)
    process.start()
    time.sleep(600)
"""


def linger() -> None:
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(30)
    print("left behind", flush=True)


def finish(accuracy: float) -> dict[str, float]:
    return {"accuracy": accuracy, "seconds": 1.0}


def die() -> dict[str, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def refuse() -> dict[str, float]:
    raise DataError("no such folder")


def test_only_what_the_ledger_lacks_is_run_and_the_time_left_is_said(tmp_path, at_once, capsys):
    ledger = Ledger(tmp_path / "x.jsonl")
    ledger.add("a", finish(0.25))
    Study(ledger, at_once, {"a": 1.0, "b": 1.0, "c": 2.0}).run([Job("a", die, ()), Job("b", finish, (0.5,))])
    assert {name: row["accuracy"] for name, row in Ledger(ledger.path).rows.items()} == {"a": 0.25, "b": 0.5}
    assert capsys.readouterr().err == "2/3 b: 50.0% (1 s), about 0 s left\n"


def test_an_error_of_the_data_reaches_who_asked_and_keeps_what_is_finished(tmp_path, at_once):
    study = Study(Ledger(tmp_path / "x.jsonl"), at_once, {"a": 1.0, "b": 1.0})
    study.run([Job("a", finish, (0.5,))])
    with pytest.raises(DataError, match="no such folder"):
        study.run([Job("b", refuse, ())])
    assert list(Ledger(study.ledger.path).rows) == ["a"]


def test_a_killed_process_is_one_line_and_what_was_finished_is_kept(tmp_path):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        study = Study(Ledger(tmp_path / "x.jsonl"), executor, {"a": 1.0, "b": 1.0})
        study.run([Job("a", finish, (0.5,))])
        with pytest.raises(ConfigError, match="was ended from outside.*run the same command again"):
            study.run([Job("b", die, ())])
    assert list(Ledger(study.ledger.path).rows) == ["a"]


def test_no_process_is_left_behind_when_the_one_that_started_it_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    environment = user_environment() | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert parent.stdout.read() == ""  # ends once the child's end of the pipe is closed
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    parent.stdout.close()
