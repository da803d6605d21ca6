"""The state of a run on disk: one atomic file per checkpoint, verified when it is read, the one before it kept.

A file is an `.npz` archive (arrays, and `facts` as JSON; no pickle) followed by the SHA-256 of its bytes as 64 hex
digits, which zip readers ignore.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.files import sha256
from training.files import write_atomic

FACTS = "facts"
DIGEST_LENGTH = 64
NAME = re.compile(r"epoch-(\d+)(?:-step-(\d+))?\.npz")


@dataclass(frozen=True)
class State:
    """Everything that a run needs to go on as if it had never stopped.

    Attributes:
        epoch: Epochs that are finished.
        step: Steps of the next epoch that are done; 0 between epochs.
        arrays: Weights, optimizer variables, seeds, metrics and best weights, as `group/number`.
        facts: History, callbacks, plan and digests: plain JSON.
    """

    epoch: int
    step: int = 0
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its file."""
        return f"epoch-{self.epoch:05d}" + (f"-step-{self.step:07d}" if self.step else "") + ".npz"

    def group(self, name: str) -> list[np.ndarray]:
        """The arrays of one group, in order."""
        return [self.arrays[key] for key in sorted(self.arrays) if key.startswith(f"{name}/")]


class DamagedState(ValueError):
    """A file is not what was written."""


def write_state(folder: Path, state: State, *, keep: Path | None = None) -> Path:
    """Writes a checkpoint and then removes all others but `keep`.

    Args:
        folder: Created where it is missing.
        state: What is written.
        keep: The checkpoint before this one, known to be whole.

    Returns:
        The new file.

    Raises:
        OSError: Disk full or not writable; the files that were there still are.
    """
    path = folder / state.name
    try:
        folder.mkdir(exist_ok=True)
        write_atomic(path, lambda temporary: _write(temporary, state))
        _sync_folder(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    for other in _newest_first(folder):
        if other not in (path, keep):
            other.unlink(missing_ok=True)
    return path


def read_state(folder: Path) -> tuple[State | None, Path | None, list[str]]:
    """The newest checkpoint that is whole.

    Returns:
        The state and its file (None, None where no file is whole), and the names of newer files that are damaged.
    """
    damaged: list[str] = []
    for path in _newest_first(folder):
        try:
            return _read(path), path, damaged
        except (DamagedState, OSError):
            damaged.append(path.name)
    return None, None, damaged


def _newest_first(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [(match, path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(((_position(match), path) for match, path in found), reverse=True)]


def _position(match: re.Match[str]) -> tuple[int, int]:
    return int(match[1]), int(match[2] or 0)


def _write(path: Path, state: State) -> None:
    facts = {"epoch": state.epoch, "step": state.step} | dict(state.facts)
    text = json.dumps(facts, allow_nan=False).encode()
    arrays: dict[str, Any] = dict(state.arrays) | {FACTS: np.frombuffer(text, np.uint8)}
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    with open(path, "ab") as file:
        file.write(sha256(path).encode())


def _read(path: Path) -> State:
    content = path.read_bytes()
    body, digest = memoryview(content)[:-DIGEST_LENGTH], content[-DIGEST_LENGTH:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise DamagedState(f"{path} is not whole: its SHA-256 differs from the one at its end.")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    facts = json.loads(arrays.pop(FACTS).tobytes())
    return State(facts.pop("epoch"), facts.pop("step"), arrays, facts)


def _sync_folder(folder: Path) -> None:
    """Forces the folder's entries to disk, where the system can: a rename survives a power cut only then."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
