"""What the features of a split depend on, as one SHA-256: where any of it changes, they are computed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL

from training.datasets.dataset import Dataset, Split, digest_of

if TYPE_CHECKING:
    import keras

FORMAT = "groundwork features 1"  # change it whenever extraction gives other numbers
SAMPLE = 16
NO_EFFECT = frozenset({"trainable", "compile_config"})  # keys of a configuration that leave inference as it is


def model_digest(model: keras.Model) -> str:
    """SHA-256 (hex) over the graph, which holds preprocessing and input size, and over every weight.

    The model's own name, what is frozen and how it is compiled do not count: the features are the same.

    Args:
        model: From raw pixels to the features; every layer named.
    """
    import keras

    sha = hashlib.sha256(keras.__version__.encode())
    graph = {key: value for key, value in model.get_config().items() if key != "name"}
    sha.update(json.dumps(_effective(graph), sort_keys=True, default=repr).encode())
    for weight in model.weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(array.reshape(-1).view(np.uint8).data)
    return sha.hexdigest()


def content_of(data: Dataset) -> str:
    """SHA-256 (hex) over what a data set was loaded from and over how its images were decoded."""
    decoding = {key: value for key, value in data.settings.items() if key != "storage"}
    return digest_of([data.digest, sorted(decoding.items()), PIL.__version__])


def feature_key(network: str, split: Split, *, content: str, dtype: str, view: Mapping[str, Any] | None) -> str:
    """SHA-256 (hex) over all that decides the features of a split.

    The pixels of a few images are part of it: they notice what `content` may not know, such as another resizing.

    Args:
        network: Digest of the network, as `model_digest` gives it.
        split: Its images, and their names in order.
        content: Of the data set, as `content_of` gives it.
        dtype: How features are stored.
        view: Settings of the augmentation; None: the images as they are.
    """
    rows = np.unique(np.linspace(0, len(split) - 1, SAMPLE).astype(np.int64))
    parts = [FORMAT, network, content, tuple(split.x.shape), dtype, sorted((view or {}).items())]
    return digest_of([*parts, split.ids, np.asarray(split.x[rows])])


def row_keys(key: str, count: int) -> list[bytes]:
    """What finds each row in a file of features: 32 bytes."""
    return [hashlib.sha256(f"{key} {row}".encode()).digest() for row in range(count)]


def _effective(config: Any) -> Any:
    """A configuration without what has no effect on inference."""
    if isinstance(config, Mapping):
        return {str(key): _effective(value) for key, value in config.items() if key not in NO_EFFECT}
    return [_effective(value) for value in config] if isinstance(config, (list, tuple)) else config
