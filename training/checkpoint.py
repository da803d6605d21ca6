"""Models on disk: written whole, with what a user must know inside, and loaded only the safe way."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from training.files import write_atomic
from training.run import RunError

METADATA = "groundwork.json"


def save_model(model: keras.Model, path: Path, metadata: dict[str, Any] | None = None) -> None:
    """Writes a `.keras` file atomically.

    Args:
        model: What is saved.
        path: Ends in `.keras`.
        metadata: Class names, image settings, …: stored in the file as `groundwork.json`, which
            Keras ignores and `read_metadata` returns.
    """

    def write(temporary: Path) -> None:
        model.save(temporary)
        if metadata is not None:
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(METADATA, json.dumps(metadata, ensure_ascii=False, allow_nan=False))

    write_atomic(path, write)


def read_metadata(path: Path) -> dict[str, Any]:
    """What `save_model` stored beside the weights; empty for a file from elsewhere."""
    with zipfile.ZipFile(path) as archive:
        if METADATA not in archive.namelist():
            return {}
        return json.loads(archive.read(METADATA))


def load_model(path: Path) -> keras.Model:
    """Loads a `.keras` file with `safe_mode=True`, uncompiled.

    Raises:
        RunError: Not a `.keras` file (other formats can run code on loading), or a torn one.
    """
    if path.suffix != ".keras":
        raise RunError(f"Only .keras files are loaded: other formats can run code. Received: {path}.")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{path} cannot be loaded as a Keras model: {reason}") from error
