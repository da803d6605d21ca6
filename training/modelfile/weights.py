"""A model's stored weights, `model.weights.h5`: plain numbers that lie in the file itself."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from training.modelfile.archive import WEIGHTS
from training.modelfile.refusal import AGAIN, refuse, shown

if TYPE_CHECKING:
    import h5py

OPTIMIZER = "/optimizer/"


def stored_parameters(archive: zipfile.ZipFile) -> int:
    """Number of stored weights, without the optimizer's state.

    Raises:
        Refusal: The file leads elsewhere, holds anything but numbers, or declares more than it stores.
    """
    import h5py

    content = archive.read(WEIGHTS)
    declared = parameters = 0
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            for name, dataset in _datasets(file):
                _check_dataset(name, dataset)
                declared += dataset.nbytes
                parameters += 0 if name.startswith(OPTIMIZER) else dataset.size
    except (OSError, RuntimeError, KeyError, TypeError) as error:  # h5py raises each of them for damage
        refuse(f"its {WEIGHTS} cannot be read ({shown(str(error))})", "an HDF5 file of weights", AGAIN)
    if declared > len(content):
        refuse(f"its {WEIGHTS} declares {declared:,} bytes in {len(content):,}", "weights that are stored")
    return parameters


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """All datasets by name, each once; several names may lead to one, and groups to themselves."""
    import h5py

    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    seen = set()
    while waiting:
        prefix, group = waiting.pop()
        for key in group:
            name = f"{prefix}/{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                refuse(f"its weights hold {shown(name)}, a link to elsewhere", "weights in the file itself")
            item = group[key]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Dataset):
                yield name, item
            elif isinstance(item, h5py.Group):
                waiting.append((name, item))
            else:
                refuse(f"its weights hold {shown(name)}, which is neither a group nor an array", "arrays of numbers")


def _check_dataset(name: str, dataset: h5py.Dataset) -> None:
    """Numbers of a fixed size, stored here and whole; Keras neither compresses them nor keeps them elsewhere."""
    import h5py

    layout = dataset.id.get_create_plist()
    if layout.get_external_count() or layout.get_layout() == h5py.h5d.VIRTUAL:
        refuse(f"its weights {shown(name)} lie in another file", "weights in the file itself")
    if not _is_numeric(dataset):
        refuse(f"its weights {shown(name)} are of the type {shown(str(dataset.dtype))}", "numbers")
    if dataset.shape is None or layout.get_nfilters() or dataset.id.get_storage_size() < dataset.nbytes:
        size = "no size" if dataset.shape is None else f"{dataset.nbytes:,} bytes"
        refuse(f"its weights {shown(name)} declare {size} that are not stored as such", "weights as Keras stores them")


def _is_numeric(dataset: h5py.Dataset) -> bool:
    """Whether it holds numbers; bfloat16 is stored as two bytes without a type, with its name beside them."""
    import h5py

    names = list(dataset.attrs)
    if not names:
        return dataset.dtype.kind in "fiub"
    small = names == ["dtype"] and h5py.h5a.open(dataset.id, b"dtype").get_storage_size() <= 64
    return small and dataset.attrs["dtype"] == "bfloat16" and dataset.dtype == "V2"
