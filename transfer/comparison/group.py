"""The folder of several cases trained on the same data: which runs belong to it, and whether it is complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.files import write_json
from training.run import Run, RunError
from training.unfinished import is_free

FILE = "group.json"


def is_group(folder: Path) -> bool:
    """Whether a folder holds a table of cases instead of a run."""
    return (folder / FILE).is_file()


def read_group(folder: Path) -> dict[str, Any]:
    """What `group.json` says: `runs` (case → name of its folder beside), `proposal`, `ended`.

    Raises:
        RunError: It is missing or torn.
    """
    try:
        return dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{folder / FILE} cannot be read ({error}): is {folder} a group of cases?") from error


def update_group(folder: Path, **entries: Any) -> None:
    """Adds or replaces entries of `group.json`."""
    known = read_group(folder) if is_group(folder) else {}
    write_json(folder / FILE, known | entries)


def is_orphan(path: Path) -> bool:
    """Whether a run was begun for a group that does not know it: a crash came between the two, and another replaced it.

    Args:
        path: The run directory.
    """
    try:
        group = path.parent / str(Run(path).read_record().get("group"))
        return is_group(group) and path.name not in read_group(group)["runs"].values()
    except (RunError, KeyError):
        return False


def newest_unfinished_group(runs_dir: Path) -> Path | None:
    """The group under `runs_dir/transfer` that was changed last, where it is neither complete nor at work."""
    found = []
    for path in (runs_dir / "transfer").glob(f"*/{FILE}"):
        try:
            if read_group(path.parent).get("ended") != "finished" and is_free(Run(path.parent)):
                found.append(path)
        except RunError:
            continue
    return max(found, key=lambda path: path.stat().st_mtime).parent if found else None
