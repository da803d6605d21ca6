"""The features that the study of images per class trains its heads on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.datasets.dataset import Split
from training.forget import passing_models
from transfer.backbones import build_backbone
from transfer.bottleneck.taps import taps
from transfer.features import FeatureSettings, features
from transfer.pretrained.catalog import entry
from transfer.studies.photographs import load_photographs


@passing_models()
def compute(backbone: str, folder: Path, rows: np.ndarray, most_held: int, cache: Path) -> dict[str, Split]:
    """Pooled features at the last cut, of the training images in `rows` and of all that are scored.

    Raises:
        TransferError: The weights of ImageNet are neither here nor to be had.
        DataError: The images cannot be used.
    """
    facts = entry(backbone)
    network, _ = taps(build_backbone(backbone), {"last": facts.cuts[-1].layer})
    data = load_photographs(folder, facts.default_size, rows=rows, most_held=most_held)
    settings = FeatureSettings(cache)
    found = {}
    for name, split in (("train", data.train), ("held", data.held)):
        array = features(network, split, content=data.content, settings=settings, named=f"{name} images").array
        found[name] = Split(np.array(array), split.y, split.ids)
    return found
