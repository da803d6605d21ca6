"""Models on disk: written whole, with what a user must know inside, and loaded only the safe way."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from training.files import write_atomic
from training.modelfile import check_model_file
from training.modelfile.archive import OWN as METADATA
from training.run import RunError


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
    """What `save_model` stored beside the weights; empty for a file from elsewhere.

    Raises:
        RunError: The file is torn, or its metadata is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read(METADATA)) if METADATA in archive.namelist() else {}
    except (OSError, ValueError, RecursionError, NotImplementedError, zipfile.BadZipFile) as error:
        raise _unloadable(path, error) from error
    if not isinstance(metadata, dict):
        raise RunError(f"{path} holds a {METADATA} that is no JSON object: it is not of this project.")
    return metadata


def load_model(path: Path) -> keras.Model:
    """Loads a `.keras` file uncompiled: inspected first, then with `safe_mode=True`.

    Raises:
        RunError: Not a `.keras` file (other formats can run code on loading), a torn one, or one that is refused by
            `check_model_file`.
    """
    if path.suffix != ".keras":
        raise RunError(f"Only .keras files are loaded: other formats can run code. Received: {path}.")
    check_model_file(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the file provokes, RecursionError and MemoryError among it
        raise _unloadable(path, error) from error


def _unloadable(path: Path, error: Exception) -> RunError:
    """What an error of Keras says, in one line."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return RunError(f"{path} cannot be loaded as a Keras model: {reason}")
