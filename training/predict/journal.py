"""What a prediction has found so far, on disk: a killed one goes on where it was."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.files import write_json
from training.run import RunError

SCORES = ".scores.bin"
BAD = ".bad.jsonl"
BEGUN = "predict.json"


@dataclass(frozen=True)
class Begun:
    """What must be the same when a prediction goes on.

    Attributes:
        settings: Of the command, by name.
        model_digest: SHA-256 of the `.keras` file.
        inputs_digest: Of names, order and sizes of the files.
        num_files, num_classes: How many.
    """

    settings: dict[str, Any]
    model_digest: str
    inputs_digest: str
    num_files: int
    num_classes: int


class Journal:
    """Scores and bad files in the order of the inputs, appended batch by batch.

    Args:
        folder: The prediction's own folder.
        begun: What is predicted. Where the folder holds a journal already, it must be of the same.

    Raises:
        RunError: The journal is of another model or other files.
    """

    def __init__(self, folder: Path, begun: Begun) -> None:
        self.folder, self._classes = folder, begun.num_classes
        if (folder / BEGUN).exists():
            _check_same(read_begun(folder), begun, folder)
        else:
            write_json(folder / BEGUN, asdict(begun))
        self.done = self._whole_rows()
        self.bad = {position: reason for position, reason in self._read_bad() if position < self.done}
        os.truncate(self._open(SCORES), self.done * 8 * self._classes)
        (folder / BAD).write_text("".join(map(_line, self.bad.items())), encoding="utf-8")

    def append(self, scores: np.ndarray, bad: dict[int, str]) -> None:
        """Adds one batch: float64 `(n, K)`, and position in the batch → reason."""
        found = {self.done + row: reason for row, reason in sorted(bad.items())}
        with open(self.folder / BAD, "a", encoding="utf-8") as file:
            file.write("".join(map(_line, found.items())))
        with open(self.folder / SCORES, "ab") as file:
            file.write(np.ascontiguousarray(scores, dtype=np.float64).tobytes())
        self.bad |= found
        self.done += len(scores)

    def scores(self) -> np.ndarray:
        """All scores, `(done, K)`, rows of NaN for bad files; they stay on disk until they are read."""
        if not self.done:
            return np.empty((0, self._classes))
        return np.memmap(self.folder / SCORES, dtype=np.float64, mode="r", shape=(self.done, self._classes))

    def close(self) -> None:
        """The results are written: the journal is no longer needed."""
        for name in (SCORES, BAD):
            (self.folder / name).unlink(missing_ok=True)

    def _open(self, name: str) -> Path:
        path = self.folder / name
        path.touch()
        return path

    def _whole_rows(self) -> int:
        path = self.folder / SCORES
        return path.stat().st_size // (8 * self._classes) if path.exists() else 0

    def _read_bad(self) -> list[tuple[int, str]]:
        """Whole lines only: the last may be torn. Reasons are written before scores, so none is missing."""
        path = self.folder / BAD
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        return [(int(position), str(reason)) for position, reason in map(json.loads, lines)]


def read_begun(folder: Path) -> Begun:
    """What a prediction was begun with.

    Raises:
        RunError: The folder holds no prediction.
    """
    try:
        return Begun(**json.loads((folder / BEGUN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{folder} holds no prediction that could go on ({BEGUN}: {error}). Begin a new one.") from error


def _line(item: tuple[int, str]) -> str:
    return json.dumps(item, ensure_ascii=False) + "\n"


def _check_same(old: Begun, new: Begun, folder: Path) -> None:
    if old.model_digest != new.model_digest:
        raise RunError(f"{folder} was begun with another model: it was trained on since. Begin a new prediction.")
    if old.inputs_digest != new.inputs_digest or old.num_files != new.num_files:
        raise RunError(
            f"{folder} was begun with other files ({old.num_files:,} then, {new.num_files:,} now, or of other sizes or "
            "names). Begin a new prediction."
        )
