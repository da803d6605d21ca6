"""Files written whole or not at all."""

from __future__ import annotations

import os
import secrets
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
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
