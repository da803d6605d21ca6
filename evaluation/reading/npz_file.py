"""NPZ files as arrays: every header is checked before anything is allocated, and nothing is unpickled."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from evaluation.predictions import PredictionsError
from evaluation.reading.csv_file import name_columns

LARGEST_SUM = 16 * 2**30
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    MemoryError,
)


def read_npz_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of an NPZ file.

    Args:
        path: The file, as `numpy.savez` writes it.

    Returns:
        The arrays by name.

    Raises:
        PredictionsError: If the file is damaged, holds pickled objects, declares more than 16 GiB or more than it
            holds, or lacks y_true.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {_array_name(member.filename): member for member in archive.infolist()}
            if "y_true" not in members:
                found = name_columns(list(members)) or "no arrays"
                raise PredictionsError(f"{path}: array y_true is missing. Found: {found}")
            if len(members) < len(archive.infolist()):
                raise PredictionsError(f"{path}: two arrays have the same name. Give every array its own name")
            _check_sizes(path, archive, members)
            return {name: _read_array(archive, member) for name, member in members.items()}
    except PredictionsError:
        raise
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:200].rstrip(". ") or type(error).__name__
        raise PredictionsError(f"{path}: not a readable NPZ file: {reason}. Write it again with numpy.savez") from None


def _array_name(filename: str) -> str:
    """The name under which an array was saved."""
    return filename.removesuffix(".npy")


def _check_sizes(path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> None:
    """Refuses pickled objects and sizes that no honest file declares."""
    total = 0
    for name, member in members.items():
        with archive.open(member) as file:
            shape, dtype = _read_header(file)
            start = file.tell()
        if dtype.hasobject:
            raise PredictionsError(
                f"{path}, array {name}: holds pickled Python objects, which are not read because they can run code. "
                "Save text as np.array(names, dtype=str)"
            )
        size = math.prod(shape) * dtype.itemsize
        total += size
        if total > LARGEST_SUM:
            raise PredictionsError(f"{path}, array {name}: declares shape {shape}; expected at most 16 GiB in all")
        if size != member.file_size - start:
            raise PredictionsError(
                f"{path}, array {name}: declares shape {shape}, {size} bytes; expected the "
                f"{member.file_size - start} bytes that the file holds. Write it again with numpy.savez"
            )


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type that the header of an array declares."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"array format {version[0]}.{version[1]} is not supported")
    if min(shape, default=0) < 0:
        raise ValueError(f"negative shape {shape}")
    return shape, dtype


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array, without unpickling."""
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
