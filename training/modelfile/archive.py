"""The zip archive around a model: a regular file with the members that Keras writes, stored as they are."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from training.modelfile.refusal import AGAIN, refuse, shown

CONFIG, WEIGHTS, METADATA, OWN = "config.json", "model.weights.h5", "metadata.json", "groundwork.json"
MEMBERS = (METADATA, CONFIG, WEIGHTS, OWN)
LARGEST_TEXT = 16 * 2**20  # bytes; a deep backbone has half a megabyte, and parsed text takes up to 25 times as much
DEEPEST = 100  # levels; models of Keras reach about 12, and 4 more for each model within a model
HDF5 = b"\x89HDF\r\n\x1a\n"


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, once its list of members has passed.

    Raises:
        Refusal: It is no zip file, or has other members than Keras writes, or a compressed one.
        OSError, zipfile.BadZipFile: It cannot be read.
    """
    if not path.is_file():  # a pipe would never end
        refuse("it is not a regular file" if path.exists() else "there is no such file", "a .keras file", "Name one.")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            kind = "an HDF5 file, whose loading can run code" if file.read(len(HDF5)) == HDF5 else "no zip archive"
        refuse(f"it is {kind}, or it is torn", "the archive that Keras writes", AGAIN)
    with zipfile.ZipFile(path) as archive:
        _check_members(archive, path.stat().st_size)
        yield archive


def read_json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """A member's JSON object, of bounded size and depth, without NaN.

    Raises:
        Refusal: It is anything else.
    """
    if archive.getinfo(name).file_size > LARGEST_TEXT:
        refuse(f"its {name} is larger than {LARGEST_TEXT >> 20} MiB", "a description of the model")
    try:
        content = json.loads(archive.read(name), parse_constant=_no_constant)
    except RecursionError:
        refuse(f"its {name} is nested too deeply", f"at most {DEEPEST} levels")
    except ValueError as error:
        refuse(f"its {name} is no JSON ({shown(str(error))})", "JSON as Keras writes it", AGAIN)
    if not isinstance(content, dict):
        refuse(f"its {name} holds a {type(content).__name__}", "a JSON object")
    return content


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Each member once, none unknown, none compressed: what is stored as it is cannot unfold."""
    names = [member.orig_filename for member in archive.infolist()]
    expected = f"{', '.join(MEMBERS)}, each once"
    for member in archive.infolist():
        if member.orig_filename not in MEMBERS:
            refuse(f"its archive holds {shown(member.orig_filename)}", f"nothing but {expected}")
        if names.count(member.orig_filename) > 1:
            refuse(f"its archive holds {member.filename} more than once", expected)
        if stat.S_ISLNK(member.external_attr >> 16):
            refuse(f"its {member.filename} is a link", "a file")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            refuse(f"its {member.filename} is compressed or encrypted", "members stored as they are, as Keras does")
        if member.file_size != member.compress_size or member.file_size > size:
            refuse(f"its {member.filename} declares {member.file_size:,} bytes that are not there", "all bytes", AGAIN)
    if missing := {CONFIG, WEIGHTS} - set(names):
        refuse(f"its archive holds no {' and no '.join(sorted(missing))}", "a whole model, not weights alone", AGAIN)


def _no_constant(name: str) -> NoReturn:
    """Refuses NaN and Infinity, which JSON does not know and Keras does not write."""
    raise ValueError(f"it holds {name}")
