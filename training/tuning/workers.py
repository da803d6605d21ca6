"""Worker processes on this machine: cores shared out, the dead replaced, none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from training.run import RunError
from training.tuning.channel import Place

MODULE = "training.tuning.worker"
LIVES = 5  # deaths per worker without a trial finished in between, after which there is no point in another one
POLL = 0.2
PATIENCE = 15.0  # seconds to end a step and leave
DRIVER = Path("/proc/driver/nvidia")
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


@dataclass
class Workers:
    """Processes of this machine.

    Attributes:
        place: Their chief.
        count: How many there shall be.
        folder: For their temporary files, removed with them, and for what they complain of.
        flags: Of each.
        processes: Those that run.
        deaths: Since the last sign of progress.
    """

    place: Place
    count: int
    folder: Path
    flags: tuple[str, ...] = ()
    processes: dict[int, subprocess.Popen] = field(default_factory=dict)
    deaths: int = 0

    @property
    def pids(self) -> set[int]:
        """Numbers of the processes that were started last."""
        return {process.pid for process in self.processes.values()}

    def mend(self, *, failed: bool = True) -> None:
        """Starts what is missing: at first all, then those that were killed, and where `failed` those that broke off.

        Raises:
            RunError: They die one after the other.
        """
        for number in range(self.count):
            process = self.processes.get(number)
            code = None if process is None else process.poll()
            if process is not None and (code is None or code == 0 or (code > 0 and not failed)):
                continue
            self.deaths += process is not None
            if self.deaths >= LIVES * self.count:
                raise RunError(f"the workers die one after the other; the last one {self.last_words()}")
            self.processes[number] = self._start(number)

    def wait(self) -> int:
        """Keeps them alive until each has ended by itself; returns the largest exit code."""
        while any(process.poll() is None for process in self.processes.values()):
            time.sleep(POLL)
            self.mend(failed=False)
        return max(process.returncode for process in self.processes.values())

    def end(self) -> None:
        """Asks all to leave after their step, and kills those that do not."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, number: int) -> subprocess.Popen:
        with open(self._file(number), "wb") as complaints:
            return subprocess.Popen(
                [sys.executable, "-m", MODULE, *self.flags],
                env=os.environ | self.place.variables | share(number, self.count) | {"TMPDIR": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,  # Ctrl-C reaches the chief only
            )

    def last_words(self) -> str:
        """How the worker ended that complained last."""
        stats = {number: self._file(number).stat() for number in self.processes}
        number = max(stats, key=lambda one: (stats[one].st_size > 0, stats[one].st_mtime))
        code = self.processes[number].poll() or 0
        text = self._file(number).read_text(errors="replace").strip().splitlines()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{how}{': ' + text[-1] if text else ''}"

    def _file(self, number: int) -> Path:
        return self.folder / f"worker-{number}.txt"


@contextmanager
def local_workers(place: Place, count: int, *flags: str) -> Iterator[Workers]:
    """Workers that live no longer than the block; they begin with `mend`."""
    with tempfile.TemporaryDirectory(prefix="groundwork-tune-", ignore_cleanup_errors=True) as folder:
        workers = Workers(place, count, Path(folder), flags)
        try:
            yield workers
        finally:
            workers.end()


def join(place: Place, count: int, data_dir: str | None) -> int:
    """Works for the chief of another machine until it has no more trials.

    Args:
        place: Where it is.
        count: Processes.
        data_dir: Where the data is on this machine; None: where the chief has it.

    Raises:
        RunError: A worker broke off.
    """
    with local_workers(place, count, *([data_dir] if data_dir else [])) as workers:
        workers.mend()
        code = workers.wait()
        if code > 0:
            raise RunError(f"a worker {workers.last_words()}")
        return code


def share(number: int, count: int) -> dict[str, str]:
    """Threads of one of several workers, and its GPU where this machine has any: each worker gets one, in turn.

    Args:
        number: The worker's, from 0.
        count: Workers on this machine.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = dict.fromkeys(THREADS, str(max(1, cores // count)))
    gpus = _gpus()
    return given | ({"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {})


def _gpus() -> list[str]:
    """The GPUs that this process may use: those of the variable, else all that TensorFlow finds."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    if not DRIVER.exists():
        return []
    from training.startup import import_tensorflow

    import_tensorflow()
    import tensorflow as tf

    return [str(number) for number in range(len(tf.config.list_physical_devices("GPU")))]
