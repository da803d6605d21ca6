"""Accuracy against images per class: a linear head on ImageNet features (case 1) and a small network from scratch.

Both see the same images and train for the same number of steps; every seed draws other images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transfer.studies.config import StudyConfig, key_of
from transfer.studies.ledger import Row, open_ledger
from transfer.studies.photographs import Photographs, load_photographs
from transfer.studies.pool import Job, Study

if TYPE_CHECKING:
    from transfer.studies.fitting import Recipe

KINDS = ("transfer", "scratch")
NETWORK = "gap_cnn"
BATCH_SIZE = 32
COSTS = {"transfer": 0.1, "scratch": 1.0}


@dataclass(frozen=True)
class Net:
    """One network of the study.

    Attributes:
        seed: Of the images drawn, the weights and the order.
        kind: One of `KINDS`.
        size: Training images of each class; fewer where there are fewer.
    """

    seed: int
    kind: str
    size: int

    @property
    def name(self) -> str:
        """Unique for one data set."""
        return f"seed {self.seed}, {self.kind}, {self.size} per class"


def nets(config: StudyConfig) -> list[Net]:
    """All networks of one data set, the longest first."""
    seeds = range(1, config.seeds + 1)
    return [Net(seed, kind, size) for kind in KINDS[::-1] for seed in seeds for size in config.per_class[::-1]]


def run(config: StudyConfig, folder: Path, executor: Executor) -> tuple[str, dict[Net, Row]]:
    """Trains what the ledger lacks on one data set.

    Returns:
        The name of the data set, and a row for every network: with the images that were `scored`, and those that there
        were `per_class` to train on.

    Raises:
        ConfigError, DataError, OSError: Settings, weights, data or folder cannot be used.
    """
    from transfer.studies.fitting import first_of_each

    data, recipe = load_photographs(folder, config.scratch_size, most_held=config.test_images), _recipe(config)
    own = {"recipe": dataclasses.asdict(recipe), "size": config.scratch_size, "backbone": config.backbone}
    key = key_of("images", content=data.content, held=config.test_images, largest=config.per_class[-1], **own)
    wanted = nets(config)
    with open_ledger(Path(config.state).expanduser(), key) as ledger:
        study = Study(ledger, executor, {net.name: COSTS[net.kind] for net in wanted})
        if any(net.name not in ledger.rows for net in wanted):
            study.run(list(_jobs(config, folder, data, recipe, executor)))
        drawn = {net: len(first_of_each(data.train.y, net.size, seed=net.seed)) for net in wanted}
        found = {
            net: ledger.rows[net.name] | {"scored": len(data.held), "per_class": drawn[net] / len(data.class_names)}
            for net in wanted
        }
        return data.name, found


def _recipe(config: StudyConfig) -> Recipe:
    from transfer.studies.fitting import Recipe

    return Recipe(config.steps, BATCH_SIZE)


def _jobs(config: StudyConfig, folder: Path, data: Photographs, recipe: Recipe, executor: Executor) -> Iterator[Job]:
    """All networks; features are computed once, of every image that a seed draws."""
    from transfer.studies.fitting import first_of_each, select
    from transfer.studies.imagefeatures import compute
    from transfer.studies.nets import Task, train_fresh, train_head

    y, classes = data.train.y, range(len(data.class_names))
    drawn = {(net.seed, net.size): first_of_each(y, net.size, seed=net.seed) for net in nets(config)}
    union = np.unique(np.concatenate(list(drawn.values())))
    cache = Path(config.state).expanduser() / ".cache"
    found = executor.submit(compute, config.backbone, folder, union, config.test_images, cache).result()
    scratch = {"train": data.train, "held": data.held}
    for net in nets(config):
        rows = drawn[net.seed, net.size]
        splits = found if net.kind == "transfer" else scratch
        rows = np.searchsorted(union, rows) if net.kind == "transfer" else rows
        task = Task(select(splits["train"], classes, rows), splits["held"], recipe, net.seed, NETWORK)
        yield Job(net.name, train_head if net.kind == "transfer" else train_fresh, (task,))
