"""An export's folder: made under another name, it takes its own when everything in it is proved."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.checks import ConfigError
from training.datasets.text import printable
from training.run import Run

CARD = "model-card.md"
FACTS = "export.json"
LABELS = "labels.txt"
REQUEST = "request.json"
TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


@contextmanager
def unfinished(parent: Path) -> Iterator[Path]:
    """A hidden folder in `parent`, which is made where it is missing; what is left of it in the end is removed."""
    parent.mkdir(parents=True, exist_ok=True)
    path = parent / f".exporting-{secrets.token_hex(4)}"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def check_free(output: Path) -> None:
    """Refuses an output folder that holds something, before anything is computed; and one that a rename cannot replace.

    Raises:
        ConfigError: It does.
    """
    if os.path.lexists(output):
        replaceable = output.is_dir() and not output.is_symlink() and not output.samefile(os.curdir)
        if replaceable and not any(output.iterdir()):
            return
        raise ConfigError(
            f"output must be a new or an empty folder, since an export replaces none. Received: {printable(output)}, "
            "which exists."
        )


def settle(work: Path, output: Path | None, parent: Path, name: str) -> Path:
    """Gives a finished folder its name: `output`, or the next free `parent/name-NNN`. Every byte is on the disk before.

    Raises:
        ConfigError: `output` was filled meanwhile.
        OSError: It cannot be written.
    """
    for path in sorted(work.rglob("*")):
        if path.is_file():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
    if output is not None:
        check_free(output)
        return work.rename(output)
    pattern = re.compile(re.escape(name) + r"-(\d+)$")
    number = max((int(match[1]) for path in parent.iterdir() if (match := pattern.match(path.name))), default=0) + 1
    while True:
        try:
            return work.rename(parent / f"{name}-{number:03d}")
        except OSError as error:  # another process was faster
            if error.errno not in TAKEN:
                raise
            number += 1


def write_labels(path: Path, class_names: Sequence[str]) -> None:
    """One class a line, in the order of the scores; a name with a line break in it keeps to its line."""
    path.write_text("".join(f"{printable(name)}\n" for name in class_names), encoding="utf-8")


def write_manifest(folder: Path) -> None:
    """Lists the SHA-256 of every file."""
    Run(folder).write_manifest()


def read_facts(folder: Path) -> dict[str, Any]:
    """`export.json` of an export; empty where the folder is none."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def exports_of(name: str, runs_dir: Path | str) -> list[tuple[Path, dict[str, Any]]]:
    """The exports of a run in `runs_dir/export`, newest first, each with its `export.json`; none that is unfinished."""
    parent = Path(runs_dir).expanduser() / "export"
    folders = sorted(parent.glob(f"*/{FACTS}"), key=lambda path: path.stat().st_mtime, reverse=True)
    found = [(path.parent, read_facts(path.parent)) for path in folders if not path.parent.name.startswith(".")]
    return [(folder, facts) for folder, facts in found if facts.get("name") == name]


def passed(facts: Mapping[str, Any]) -> list[str]:
    """Keys of the formats that an export proved."""
    return [row["format"] for row in facts.get("formats", ()) if row.get("passed")]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def remove(path: Path) -> None:
    """A file or a folder; nothing happens where there is none."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
