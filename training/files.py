"""Files that are whole or absent: temporary file, fsync, rename."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluation.files import write_atomically


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Calls `write(temporary_path)` and moves the result over `path`, so that readers see old or new, never half.

    Args:
        path: Where the file shall stand; its folder exists.
        write: Writes the whole file to the path that it is given (same folder, same suffixes).

    Raises:
        OSError: Disk full or not writable; `path` is then as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix="".join(path.suffixes))
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    """Writes JSON atomically, indented; refuses NaN, which JSON does not have."""
    write_atomically(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
