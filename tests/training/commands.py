"""Runs `python -m training` many times, each in a process of its own that can be killed at a chosen moment.

TensorFlow is imported once and every command is a fork of that process, which saves five seconds a command. As a
script it reads one JSON job a line and answers with one JSON line.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from tests.conftest import ROOT, user_environment


@dataclass(frozen=True)
class Done:
    """What a command ended with; a code below 0 is the signal that killed it."""

    code: int
    stdout: str
    stderr: str
    events: int


class Commands:
    """The forking process, seen from a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = user_environment() | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "tests.training.commands"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)

    def train(self, *arguments: str, **job) -> Done:
        """One command.

        Args:
            *arguments: As after `python -m training`.
            **job: `event` (name, n): SIGKILL at the n-th of these; `signal` (name, n, number): that signal instead;
                `seconds`: SIGKILL that long after training began; `limit`: largest file in bytes; `module`; `cwd`;
                `report`: whether to draw the report, which takes longer than all else.
        """
        self.process.stdin.write(json.dumps({"argv": arguments, **job}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        texts = [(self.folder / name).read_text() for name in ("stdout.txt", "stderr.txt")]
        return Done(answer["code"], *texts, answer["events"])

    def close(self) -> None:
        with self.process:
            self.process.stdin.close()


class Events:
    """Counts what the training does to the disk and to the model, and ends the process at the chosen moment."""

    def __init__(self, job: dict) -> None:
        self.name, self.at, self.number = [*job.get("signal", [*job.get("event", ["", 0]), signal.SIGKILL])]
        self.count = 0
        self.seconds = job.get("seconds")

    def happen(self, name: str) -> None:
        if self.seconds is not None and name == "batch":
            threading.Timer(self.seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
            self.seconds = None
        if self.name in (name, "any"):
            self.count += 1
            if self.count == self.at:
                os.kill(os.getpid(), self.number)

    def watch(self, owner, attribute: str, name: str, when=lambda *_: True) -> None:
        """Lets every call of a function count before it happens, or those whose first argument is meant."""
        original = getattr(owner, attribute)

        def counted(*arguments, **keywords):
            if when(arguments[0]):
                self.happen(name)
            return original(*arguments, **keywords)

        setattr(owner, attribute, counted)


def run_child(job: dict) -> None:
    """Becomes the command."""
    import resource
    import zipfile

    import training.finish
    from training.callbacks import Checkpoints

    for name, number in (("stdout.txt", 1), ("stderr.txt", 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    events = Events(job)
    events.watch(zipfile._ZipWriteFile, "write", "array", when=lambda file: str(file._zipfile.filename).endswith("npz"))
    events.watch(Checkpoints, "on_train_batch_end", "batch")
    events.watch(os, "fsync", "fsync")
    events.watch(os, "replace", "rename")
    if "limit" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
    if not job.get("report"):
        training.finish.report_run = short_report
    sys.argv = ["training", *job["argv"]]
    events_file = Path("events.txt").absolute()
    os.chdir(job.get("cwd", "."))
    code = run_module(job.get("module", "training.__main__"))
    sys.stdout.flush()
    sys.stderr.flush()
    with open(events_file, "w") as file:
        file.write(str(events.count))
    os._exit(code)


def short_report(run, *_):
    """Stands in for the report."""
    page = run.report / "index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("report")
    return SimpleNamespace(text="report", html_path=page)


def run_module(name: str) -> int:
    try:
        runpy.run_module(name, run_name="__main__")
        return 0
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 70


def serve() -> None:
    import tensorflow  # noqa: F401

    import training.train  # noqa: F401

    for line in sys.stdin:
        Path("events.txt").unlink(missing_ok=True)
        child = os.fork()
        if not child:
            run_child(json.loads(line))
        _, status = os.waitpid(child, 0)
        events = int(Path("events.txt").read_text()) if Path("events.txt").exists() else 0
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "events": events}), flush=True)


if __name__ == "__main__":
    serve()
