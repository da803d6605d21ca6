"""`python -m training.launch --workers 2 …`: several worker processes on this machine train one model.

Every other flag goes to `python -m training`. On several machines start that command on each of them instead, with
`TF_CONFIG` naming all workers and the one that it is: see "Several devices and machines" in README.md.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from evaluation.command import run_main
from training.results import relative
from training.run import RunError
from training.unfinished import newest_unfinished

HELP = "usage: python -m training.launch --workers N [flags of python -m training; see python -m training --help]"
PATIENCE = 20.0  # seconds that workers get to end by themselves when one of them has failed
POLL = 0.2
ORDERLY = (130, 143)  # after Ctrl-C and SIGTERM


@dataclass
class Worker:
    """A worker process; the lines of its stderr that begin with "error:" are held back, the others pass."""

    number: int
    process: subprocess.Popen
    errors: list[str] = field(default_factory=list)

    def read_stderr(self) -> None:
        for line in self.process.stderr or ():
            if line.startswith("error:"):
                self.errors.append(line.rstrip("\n"))
            elif self.number == 0:
                sys.stderr.write(line)
                sys.stderr.flush()


def launch(workers: int, arguments: Sequence[str], *, module: str = "training") -> int:
    """Starts the workers, passes signals on to them, and ends all of them when one fails.

    Args:
        workers: Processes, at least 2. They listen on free ports of the loopback interface.
        arguments: Flags of `python -m training`, the same for all.
        module: What each process runs.

    Returns:
        The exit code: 0, that of the worker that failed first (1 where a signal killed it), 130 or 143 after Ctrl-C
        or SIGTERM.
    """
    started = _start(workers, arguments, module)
    readers = [threading.Thread(target=worker.read_stderr, daemon=True) for worker in started]
    for reader in readers:
        reader.start()
    with _signals_passed_to(started):
        failed = _wait(started)
        _end(started)
    for reader in readers:
        reader.join(timeout=5)
    if failed is None:
        return max(worker.process.returncode for worker in started)
    print(_describe(failed, arguments), file=sys.stderr)
    return max(failed.process.returncode, 0) or 1


def _start(workers: int, arguments: Sequence[str], module: str) -> list[Worker]:
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers)]
    started = []
    for number in range(workers):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=os.environ | {"TF_CONFIG": json.dumps(task), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=None if number == 0 else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process only, which passes it on once
        )
        started.append(Worker(number, process))
    return started


def _free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that no process listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class _signals_passed_to:
    """Inside, Ctrl-C and SIGTERM go to all workers, which stop after the same step."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = workers

    def __call__(self, number: int, frame: FrameType | None) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.send_signal(number)

    def __enter__(self) -> None:
        self.former = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self.former.items():
            signal.signal(number, handler)


def _wait(workers: Sequence[Worker]) -> Worker | None:
    """Returns when all have ended well (None), or when one has failed and the others had time to notice."""
    failed: Worker | None = None
    deadline = float("inf")
    while any(worker.process.poll() is None for worker in workers) and time.monotonic() < deadline:
        time.sleep(POLL)
        if failed is None:
            failed = _first_failed(workers)
            deadline = time.monotonic() + PATIENCE if failed else deadline
    return failed or _first_failed(workers)


def _first_failed(workers: Sequence[Worker]) -> Worker | None:
    """A worker that a signal killed, else one that ended with an error, else None."""
    ended = [worker for worker in workers if worker.process.poll() not in (None, 0, *ORDERLY)]
    return min(ended, key=lambda worker: (worker.process.returncode > 0, worker.number), default=None)


def _end(workers: Sequence[Worker]) -> None:
    """Kills what has not ended: a worker that waits for a dead one hears no other signal."""
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()


def _describe(failed: Worker, arguments: Sequence[str]) -> str:
    """One line: who failed, why, and how to go on."""
    code = failed.process.returncode
    if failed.errors:
        return failed.errors[-1]
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"error: worker {failed.number} {how}; the others were ended. {_way_on(arguments)}"


def _way_on(arguments: Sequence[str]) -> str:
    """How to resume, where there is a checkpoint."""
    named = [value for flag, value in _pairs(arguments) if flag == "--resume"]
    folders = [value for flag, value in _pairs(arguments) if flag == "--runs-dir"] or ["runs"]
    try:
        path = named[-1] if named else relative(newest_unfinished(Path(folders[-1]).expanduser()).path)
    except (RunError, OSError):
        return "It had no checkpoint yet: start again."
    return f"Go on with: make train-workers RESUME={shlex.quote(path)}"


def _pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Flags with their values, written `--flag value` or `--flag=value`."""
    return [
        (flag, value) if equals else (flag, following)
        for argument, following in zip(arguments, [*arguments[1:], ""], strict=True)
        for flag, equals, value in [argument.partition("=")]
    ]


def _resolved(arguments: list[str]) -> list[str]:
    """`--resume auto` as the run that it means: all workers must go on with the same one."""
    pairs = dict(_pairs(arguments))
    if pairs.get("--resume") != "auto":
        return arguments
    run = str(newest_unfinished(Path(pairs.get("--runs-dir", "runs")).expanduser()).path)
    return [
        run if argument == "auto" else argument.replace("--resume=auto", f"--resume={run}") for argument in arguments
    ]


def main() -> int:
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(f"{__doc__}\n{HELP}")
        return 0
    if arguments[:1] == ["--workers"]:
        arguments[:2] = [f"--workers={arguments[1] if len(arguments) > 1 else ''}"]
    flag, _, count = (arguments or [""])[0].partition("=")
    if flag != "--workers" or not count.isdecimal() or int(count) < 2:
        raise RunError(
            f"expected --workers N first, N at least 2. Received: {' '.join(sys.argv[1:3]) or 'nothing'}. {HELP}"
        )
    return launch(int(count), _resolved(arguments[1:]))


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(RunError,)))
