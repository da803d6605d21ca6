"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file so that a reader sees the old content or the new one, never a part.

    The content goes to a temporary file in the same folder, is forced to disk, and then takes the name.

    Args:
        path: The file. Its folder must exist.
        content: Bytes, or text that is written as UTF-8.

    Raises:
        OSError: If the folder cannot be written or the disk is full; the old file then still stands.
    """
    temporary = _write_temporary(path, content)
    try:
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        raise _named(error, path) from None


def write_all(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Writes several files so that a failure leaves all of them as they were.

    Every content goes to a temporary file first; only when the last one is on the disk do they take their names, in
    the order given.

    Args:
        folder: The folder; created with its parents where it is missing.
        files: Content by name; a name may hold folders, as "figures/roc.png".

    Raises:
        OSError: If a folder cannot be written or the disk is full.
    """
    waiting: list[tuple[Path, Path]] = []
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "a folder stands where a file should be written", str(path))
            waiting.append((_write_temporary(path, content), path))
        for temporary, path in waiting:
            os.replace(temporary, path)
    except BaseException:
        for temporary, _ in waiting:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_temporary(path: Path, content: bytes | str) -> Path:
    """Forces content to disk under another name in the folder of `path`."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        with contextlib.suppress(OSError):  # a file system that turned read-only would hide the first error
            temporary.unlink(missing_ok=True)
        raise _named(error, path) from None
    return temporary


def _named(error: BaseException, path: Path) -> BaseException:
    """An operating-system error that names the file which the user knows; any other error as it is."""
    return OSError(error.errno, error.strerror, str(path)) if isinstance(error, OSError) else error
