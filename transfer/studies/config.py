"""Settings of `python -m transfer.studies`, checked before anything is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.checks import ConfigError
from transfer.pretrained.catalog import entry

STUDIES = ("cuts", "digits", "images")


@dataclass(frozen=True)
class StudyConfig:
    """Settings of the studies.

    Attributes:
        study: Which ones, separated by commas: cuts (AnB, BnB, AnB+, BnB+ on two halves of CIFAR-10), digits (0 to 4,
            then 5 to 9) and images (accuracy against images per class, by ImageNet features and from scratch).
        data_dir: cuts: folder that holds cifar-10-batches-bin; default: Keras' download.
        folders: images: folders of photographs (or with cifar-10-batches-bin), separated by commas; none: left out.
        seeds: Repeats of everything; each has classes, splits, weights and order of its own.
        images_per_class: cuts: training images of each class, at most 4,250.
        epochs: cuts: of every network, whatever it starts from.
        sizes: digits, images: images per class, separated by commas; fewer where there are fewer.
        steps: digits, images: optimizer steps of every network, whatever the number of images.
        backbone: images: network of transfer.pretrained.catalog, with ImageNet's weights.
        scratch_size: images: height and width in pixels at which the small network is trained from scratch.
        test_images: images: scored images at most.
        processes: Networks trained at a time, each on one core; default: one per usable core.
        state: Folder that keeps each finished network, so that a study that was cut goes on where it was.
        output: Folder for tables (.md), every result (.csv) and figures (.png).
    """

    study: str = "cuts,digits,images"
    data_dir: str | None = None
    folders: str | None = None
    seeds: int = 5
    images_per_class: int = 500
    epochs: int = 12
    sizes: str = "5,10,20,50,100"
    steps: int = 200
    backbone: str = "mobilenet_0.25_128"
    scratch_size: int = 64
    test_images: int = 1000
    processes: int | None = None
    state: str = "runs/studies"
    output: str = "runs/studies"

    def __post_init__(self) -> None:
        """Refuses studies that do not exist and numbers that measure nothing."""
        unknown = [name for name in self.studies if name not in STUDIES]
        if unknown or not self.studies:
            raise ConfigError(f"study must name some of {', '.join(STUDIES)}. Received: study={self.study!r}.")
        _at_least(1, seeds=self.seeds, epochs=self.epochs, steps=self.steps, test_images=self.test_images)
        _at_least(1, processes=self.processes or 1)
        _at_least(8, scratch_size=self.scratch_size)
        if not 1 <= self.images_per_class <= 4250:
            raise ConfigError(f"images_per_class must be 1 to 4,250. Received: {self.images_per_class}.")
        _at_least(1, sizes=min(self.per_class))
        entry(self.backbone)

    @property
    def studies(self) -> list[str]:
        """The studies, as a list."""
        return [name.strip() for name in self.study.split(",") if name.strip()]

    @property
    def per_class(self) -> tuple[int, ...]:
        """Images per class, ascending.

        Raises:
            ConfigError: They are no numbers.
        """
        try:
            return tuple(sorted({int(size) for size in self.sizes.split(",")}))
        except ValueError:
            raise ConfigError(f"sizes must be numbers such as 5,10,20. Received: sizes={self.sizes!r}.") from None

    @property
    def folder_list(self) -> list[Path]:
        """The folders of photographs."""
        return [Path(name.strip()).expanduser() for name in (self.folders or "").split(",") if name.strip()]

    @property
    def workers(self) -> int:
        """Networks trained at a time."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.processes or cores


def _at_least(least: int, **values: int) -> None:
    """Refuses a setting below the least value that makes sense."""
    for name, value in values.items():
        if value < least:
            raise ConfigError(f"{name} must be at least {least}. Received: {name}={value}.")


def key_of(study: str, **decisive: Any) -> dict[str, Any]:
    """What must be equal for two finished networks to be compared: settings, data and versions."""
    from importlib.metadata import version

    return {"study": study, **decisive, **{name: version(name) for name in ("tensorflow", "keras")}}
