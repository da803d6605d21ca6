"""Data in: seven sources behind one function, each ending in one immutable `Dataset`.

Importing this package loads neither Keras nor pandas, scikit-learn or Pillow: a source brings
what it needs when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from training.datasets.catalog import SOURCES
from training.datasets.dataset import SPLIT_NAMES, DataError, Dataset, ImageSource, Split, Task, digest_of
from training.datasets.splits import Carving

if TYPE_CHECKING:
    from training.config import TrainConfig
    from training.datasets.cache import CacheSettings

CACHE_FOLDER = ".cache"

__all__ = ["LOADERS", "SPLIT_NAMES", "DataError", "Dataset", "ImageSource", "Split", "digest_of", "load"]


def load(config: TrainConfig, *, task: str | None = None, progress: bool = True) -> Dataset:
    """Loads the data set that `config` names, split and checked.

    Args:
        config: The settings of a run; only those of the data are read.
        task: `"classification"` or `"regression"`, as the model needs it; None: the first that the
            source offers.
        progress: Show progress bars where a source decodes files.

    Returns:
        The data set, with notes that the user should read.

    Raises:
        DataError: The data cannot be used; one line says why and what to do.
    """
    if config.dataset not in LOADERS:
        raise DataError(f"dataset must be one of {', '.join(LOADERS)}. Received: dataset={config.dataset}.")
    offered = SOURCES[config.dataset].tasks
    if task is not None and task not in offered:
        raise DataError(
            f"dataset={config.dataset} holds data for {' or '.join(offered)}. Received: a model for {task}. "
            "Choose another --model or --dataset."
        )
    if config.positive is not None and (task or offered[0]) == "regression":
        raise DataError(
            f"positive is for two classes, not for regression. Received: positive={config.positive}. Remove --positive."
        )
    _refuse_decoding(config)
    return LOADERS[config.dataset](config, cast(Task, task or offered[0]), progress)


def _refuse_decoding(config: TrainConfig) -> None:
    """Only files are decoded: other sources would ignore these settings in silence."""
    if config.dataset == "folder":
        return
    for name, unset in (("image_size", None), ("resize", "crop"), ("color_mode", "auto")):
        if getattr(config, name) != unset:
            raise DataError(
                f"{name} works with dataset=folder only. Received: {name}={getattr(config, name)} with "
                f"dataset={config.dataset}. Remove --{name.replace('_', '-')}."
            )


def _carving(config: TrainConfig) -> Carving:
    return Carving(config.validation_fraction, config.test_fraction, config.split_seed)


def _digits(config: TrainConfig, task: Task, progress: bool) -> Dataset:
    from training.datasets.embedded import load_digits

    return load_digits(carving=_carving(config), positive=config.positive)


def _breast_cancer(config: TrainConfig, task: Task, progress: bool) -> Dataset:
    from training.datasets.embedded import load_breast_cancer

    return load_breast_cancer(carving=_carving(config), positive=config.positive)


def _diabetes(config: TrainConfig, task: Task, progress: bool) -> Dataset:
    from training.datasets.embedded import load_diabetes

    return load_diabetes(carving=_carving(config))


def _cifar10(config: TrainConfig, task: Task, progress: bool) -> Dataset:
    from training.datasets.cifar10 import load_cifar10

    return load_cifar10(config.data_dir, carving=_carving(config), positive=config.positive)


def _folder(config: TrainConfig, task: Task, progress: bool) -> Dataset:
    from training.datasets.folder import load_folder

    return load_folder(
        config.data_dir,
        image_size=config.image_size,
        resize=config.resize,
        color_mode=config.color_mode,
        on_bad=config.on_bad,
        memory_limit_mb=config.memory_limit_mb,
        cache=_cache(config),
        carving=_carving(config),
        positive=config.positive,
        progress=progress,
    )


def _cache(config: TrainConfig) -> CacheSettings | None:
    """Beside the runs: on the disk that the user chose for large files, and removed together with them."""
    from training.datasets.cache import CacheSettings

    if config.cache == "never":
        return None
    folder = Path(config.runs_dir).expanduser() / CACHE_FOLDER
    return CacheSettings(folder, limit_mb=config.cache_limit_mb, always=config.cache == "always")


def _npz(config: TrainConfig, task: Task, progress: bool) -> Dataset:
    from training.datasets.arrays import load_npz

    return load_npz(config.data_dir, task=task, carving=_carving(config), positive=config.positive)


def _csv(config: TrainConfig, task: Task, progress: bool) -> Dataset:
    from training.datasets.table import load_csv

    return load_csv(
        config.data_dir,
        target=config.target,
        group=config.group,
        task=task,
        on_bad=config.on_bad,
        carving=_carving(config),
        positive=config.positive,
    )


LOADERS: dict[str, Callable[[TrainConfig, Task, bool], Dataset]] = {
    "digits": _digits,
    "breast_cancer": _breast_cancer,
    "diabetes": _diabetes,
    "cifar10": _cifar10,
    "folder": _folder,
    "npz": _npz,
    "csv": _csv,
}
