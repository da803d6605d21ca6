"""What is finished: a line of JSON for each network, on the disk before the next one begins."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluation.files import sha256, write_atomically
from training.checks import ConfigError
from training.datasets.locks import try_lock

Row = dict[str, Any]


class Ledger:
    """Finished networks by name; made by `open_ledger`.

    Args:
        path: The file; it exists or can be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = _read(path)

    def add(self, name: str, row: Row) -> None:
        """Keeps a finished network.

        Raises:
            OSError: The disk is full or not writable.
        """
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"name": name, "row": row}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.rows[name] = row

    def forget_without_file(self, name: str, path: Path) -> None:
        """Leaves out a network whose kept weights are gone or damaged: it is trained again."""
        row = self.rows.get(name)
        if row is not None and not (path.is_file() and sha256(path) == row.get("sha256")):
            del self.rows[name]


@contextmanager
def open_ledger(folder: Path, key: Mapping[str, Any]) -> Iterator[Ledger]:
    """The ledger of one study under one set of settings: others have files of their own.

    Args:
        folder: Made where it is missing.
        key: Whatever decides the results.

    Raises:
        ConfigError: The file is damaged, or another process is at this very study.
        OSError: The folder cannot be written.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key['study']}-{digest}.jsonl"
    with open(path.with_suffix(".lock"), "ab") as lock:
        if not try_lock(lock):
            raise ConfigError(f"state: another process is at this study ({path}). Wait for it, or give another folder.")
        yield Ledger(path)


def _read(path: Path) -> dict[str, Row]:
    """The finished networks; a last line that was cut by a crash is dropped, and will be trained again.

    Raises:
        ConfigError: A line is none of a ledger.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"state: {path} cannot be read: {error}. Remove it.") from error
    *lines, torn = text.split("\n")
    rows = dict(_entry(line, f"line {number} of {path}") for number, line in enumerate(lines, start=1))
    if torn:
        write_atomically(path, "".join(line + "\n" for line in lines))
    return rows


def _entry(line: str, where: str) -> tuple[str, Row]:
    """Name and row of one line."""
    try:
        entry = json.loads(line)
        return str(entry["name"]), dict(entry["row"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"state: {where} is no finished network of a study. Remove the file, or the line.") from error
