"""The bottleneck cache: features at a cut, computed once, kept on disk and mapped into memory.

What is read was compared with its checksum, and belongs to these weights, this graph and these images, or it is
computed again: `transfer.bottleneck.keys` says what counts, `transfer.bottleneck.store` keeps the files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np
from tqdm import tqdm

from training.augmentation import Augmentation
from training.datasets.dataset import Dataset, Split
from transfer.bottleneck.extraction import AugmentedPass, Extractor
from transfer.bottleneck.keys import content_of, feature_key, model_digest
from transfer.bottleneck.store import Features, FeatureSettings, FeatureTable, obtain

__all__ = ["FeatureSettings", "Features", "augmented_features", "by_cut", "content_of", "features", "features_of"]


def features(
    model: keras.Model | Extractor,
    split: Split,
    *,
    content: str,
    settings: FeatureSettings,
    named: str = "images",
    network: str | None = None,
) -> Features:
    """Features of every image of a split, from the cache or computed.

    Args:
        model: From raw pixels to the features, such as `slice_at(backbone, cut)`; or an `Extractor` over one,
            which is traced once for several splits and may augment.
        split: Its images.
        content: SHA-256 of the data set's content, as `content_of` gives it.
        settings: Where and how they are kept.
        named: What the images are called in the note, such as `validation images`.
        network: `model_digest` of the model, where it was computed a moment ago; None computes it.

    Returns:
        Right features, whatever happened to the cache; its note says what did.

    Raises:
        DataError: The images do not fit the model, or vanished; the features are not finite, or fit neither
            the disk nor the memory.
        ConfigError: A feature is beyond the range of float16, or the memory does not suffice for a batch.
    """
    start = time.perf_counter()
    source = model if isinstance(model, Extractor) else Extractor(model)
    source.check(split)
    view = source.view.as_dict() if source.view else None
    key = feature_key(network or model_digest(source.model), split, content=content, dtype=settings.dtype, view=view)
    table = FeatureTable(source.cut, key, (len(split), *source.shape), settings.dtype)
    found = obtain(table, settings, lambda: _computed(source, split, settings), named=named)
    return replace(found, seconds=time.perf_counter() - start)


def features_of(
    model: keras.Model, data: Dataset, *, names: Sequence[str] = ("train", "validation"), settings: FeatureSettings
) -> dict[str, Features]:
    """Features of several splits, by name; the network is traced once, and only if something must be computed."""
    source, given = Extractor(model), {"content": content_of(data), "network": model_digest(model)}
    return {
        name: features(source, data.splits[name], settings=settings, named=f"{name} images", **given) for name in names
    }


def augmented_features(
    model: keras.Model,
    split: Split,
    augmentation: Augmentation,
    *,
    passes: int,
    seed: int,
    content: str,
    settings: FeatureSettings,
) -> list[Features]:
    """Features of `passes` random views of a split, one file each: more passes later keep the first ones.

    Args:
        model: From raw pixels to the features.
        split: Images, uint8.
        augmentation: How far an image may be changed.
        passes: How many views of each image, at least 0.
        seed: The same seed gives the same views, whatever the batch size.
        content: As for `features`.
        settings: As for `features`.
    """
    found = []
    for number in range(1, passes + 1):
        source = Extractor(model, AugmentedPass(augmentation, seed, number))
        named = f"images (augmented, pass {number} of {passes})"
        found.append(features(source, split, content=content, settings=settings, named=named))
    return found


def by_cut(array: np.ndarray, widths: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Splits pooled features that stand side by side, as `taps` puts them, into `(n, width)` per cut."""
    ends = np.cumsum(list(widths.values()))
    return dict(zip(widths, np.split(array, ends[:-1], axis=1), strict=True))


def _computed(source: Extractor, split: Split, settings: FeatureSettings) -> Iterator[tuple[int, np.ndarray]]:
    """Batches of features, with a progress bar."""
    hidden = None if settings.progress else True  # None: a bar on a terminal, nothing in a log file
    with tqdm(total=len(split), desc="Computing features", unit="image", disable=hidden, leave=False) as bar:
        for start, rows in source.batches(split, batch_size=settings.batch_size, dtype=settings.dtype):
            yield start, rows
            bar.update(len(rows))
