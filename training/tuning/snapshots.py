"""The state of a search on disk: one atomic file per event of a trial, the one before it kept, torn ones passed over.

keras-tuner's own `oracle.json`, `trial.json` and `tuner0.json` are written in place and one torn file loses the search:
they do not exist here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.files import write_atomically
from training.run import RunError

NEXT, NEWEST, PREVIOUS = "search.next.json", "search.json", "search.previous.json"


@dataclass(frozen=True)
class Snapshots:
    """The two newest states of a search.

    Between two renames the newest stands under a third name, so that no moment leaves fewer.

    Attributes:
        folder: The search's directory.
    """

    folder: Path

    def write(self, state: dict[str, Any]) -> None:
        """Makes `state` the newest; the newest so far becomes the previous one.

        Raises:
            OSError: Disk full or not writable; the files that were there still are.
        """
        following, newest, previous = (self.folder / name for name in (NEXT, NEWEST, PREVIOUS))
        body = json.dumps(state, allow_nan=False)
        digest = hashlib.sha256(body.encode()).hexdigest()
        write_atomically(following, f"{digest}\n{body}\n")
        with contextlib.suppress(OSError, ValueError):  # a torn file shall not take the place of a whole one
            _whole(newest)
            os.replace(newest, previous)
        os.replace(following, newest)

    def read(self) -> tuple[dict[str, Any] | None, str | None]:
        """The newest state that is whole.

        Returns:
            The state, None where a search was killed before its first; and a sentence to show where a file was torn.

        Raises:
            RunError: There are files, and all are torn.
        """
        torn: list[str] = []
        for name in (NEXT, NEWEST, PREVIOUS):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                note = f"{' and '.join(torn)} is torn: going on from {name}" if torn else None
                return _whole(path), note
            except (ValueError, OSError):
                torn.append(name)
        if torn:
            raise RunError(
                f"{' and '.join(torn)} of {self.folder} cannot be read: nothing is left to go on from. trials.csv has "
                f"the trials; start a new search: make tune CONFIG={self.folder / 'config.yaml'}"
            )
        return None, None


def _whole(path: Path) -> dict[str, Any]:
    """The content of a file whose SHA-256 is right; ValueError otherwise."""
    digest, _, body = path.read_text(encoding="utf-8").partition("\n")
    body = body.removesuffix("\n")
    if hashlib.sha256(body.encode()).hexdigest() != digest:
        raise ValueError(f"{path} is torn")
    return json.loads(body)
