"""The run directory: one folder per run, never overwritten, every file whole and listed by checksum."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from evaluation.files import sha256
from training.files import write_json
from training.startup import routines

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "scipy", "pandas", "pillow", "matplotlib")
UNLISTED = ("manifest.json", ".")  # the manifest itself; hidden temporary files


class RunError(ValueError):
    """A run directory cannot be used. The message names it, the reason and the cure."""


@dataclass(frozen=True)
class Run:
    """A run's folder and its files by name.

    Attributes:
        path: `runs/<task>/<model>-<dataset>-<NNN>`.
    """

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def training_settings(self) -> Path:
        """The settings that `training` reads: `config.yaml`, or `training.yaml` beside that of another command."""
        own = self.path / "training.yaml"
        return own if own.is_file() else self.config

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    @property
    def model(self) -> Path:
        return self.path / "model.keras"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    def read_record(self) -> dict[str, Any]:
        """`run.json`.

        Raises:
            RunError: It is missing or torn.
        """
        try:
            return json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.record} cannot be read ({error}): is {self.path} a run of this project?") from error

    def update_record(self, **entries: Any) -> None:
        """Adds or replaces entries of `run.json`."""
        record = self.read_record() if self.record.exists() else {}
        write_json(self.record, record | entries)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second process from training the same run; a process that dies, however, gives it back.

        Raises:
            RunError: Another process trains this run.
        """
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        handle = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"{self.path} is being trained by another process: let it end, or stop it.") from None
            yield
        finally:
            os.close(handle)

    def remove_leftovers(self) -> None:
        """Removes the temporary files of a process that was killed while it wrote; the caller holds the lock."""
        for pattern in (".writing-*", ".*.tmp"):
            for path in self.path.rglob(pattern):
                path.unlink(missing_ok=True)

    def write_manifest(self) -> None:
        """Lists the SHA-256 of every file of the run; called whenever files have changed."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file() and not path.name.startswith(UNLISTED))
        write_json(self.manifest, {path.relative_to(self.path).as_posix(): sha256(path) for path in files})

    def check(self, path: Path) -> str | None:
        """Compares one file with the manifest.

        Returns:
            A sentence to show where the run has no manifest to compare with, else None.

        Raises:
            RunError: The file is missing, or its bytes are not those that the run wrote.
        """
        if not path.is_file():
            raise RunError(f"{path} is missing: the run ended before it was written, or it was removed.")
        name = path.relative_to(self.path).as_posix()
        try:
            expected = json.loads(self.manifest.read_text(encoding="utf-8")).get(name)
        except (OSError, ValueError):
            expected = None
        if expected is None:
            return f"{name} is not listed in {self.manifest}: its origin was not verified."
        if sha256(path) != expected:
            raise RunError(
                f"{path} is not the file that the run wrote (its SHA-256 differs from manifest.json). "
                "It was changed or damaged: restore it, or train again."
            )
        return None


def new_run(runs_dir: Path | str, task: str, model: str, dataset: str) -> Run:
    """Creates the next free `runs_dir/task/model-dataset-NNN`; safe where several processes start at once."""
    parent = Path(runs_dir).expanduser() / task
    parent.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(re.escape(f"{model}-{dataset}-") + r"(\d+)$")
    taken = [int(match[1]) for path in parent.iterdir() if (match := pattern.match(path.name))]
    number = max(taken, default=0) + 1
    while True:
        path = parent / f"{model}-{dataset}-{number:03d}"
        try:
            path.mkdir()
            return Run(path)
        except FileExistsError:
            number += 1


def open_run(path: Path | str) -> Run:
    """An existing run.

    Raises:
        RunError: The folder does not exist or holds no `config.yaml`.
    """
    run = Run(Path(path).expanduser())
    if not run.path.is_dir():
        raise RunError(f"There is no run at {path}. Runs stand in runs/<task>/<model>-<dataset>-<NNN>.")
    if not run.config.is_file():
        raise RunError(f"{path} is not a run: it holds no config.yaml.")
    return run


def environment() -> dict[str, Any]:
    """Versions and hardware, as they stand in `run.json` and the report."""
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "versions": package_versions(),
        "routines": routines(),
        "hardware": {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "gpus": gpus,
            "system": platform.platform(),
        },
        "command": ["python", *sys.orig_argv[1:]],
    }


def package_versions() -> dict[str, str]:
    """Python and what decides about the numbers."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
