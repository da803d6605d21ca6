"""Keras' classic: what a network learned of the digits 0 to 4 serves 5 to 9, with its convolutions frozen.

Against the same network from random weights, on as many images of each digit and for as many steps. The data are the
1,797 digits that come with scikit-learn; every seed splits them anew.

Reference:
    Keras' example mnist_transfer_cnn: two 3×3 convolutions of 32 filters, 128 units, dropout 0.25 and 0.5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.studies.config import StudyConfig, key_of
from transfer.studies.ledger import Ledger, Row, open_ledger
from transfer.studies.pool import Job, Study

if TYPE_CHECKING:
    from training.datasets.dataset import Dataset
    from transfer.studies.fitting import Recipe

NETWORK = "cifar_cnn_functional"
LIKE_KERAS = {
    "filters": (32, 32),
    "kernel_size": 3,
    "dense_units": 128,
    "dropout_rate": 0.25,
    "head_dropout_rate": 0.5,
}
LAST_FROZEN = "conv2_pool"
OLD, NEW = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)
KINDS = ("base", "frozen", "scratch")
BATCH_SIZE = 32
COSTS = {"base": 1.0, "frozen": 0.3, "scratch": 1.0}


@dataclass(frozen=True)
class Net:
    """One network of the study.

    Attributes:
        seed: Of split, weights and order.
        kind: One of `KINDS`; the base learns the old digits.
        size: Training images of each digit; 0: all there are.
    """

    seed: int
    kind: str
    size: int = 0

    @property
    def name(self) -> str:
        """Unique in the study."""
        return f"seed {self.seed}, {self.kind}" + (f", {self.size} per class" if self.size else "")


def nets(config: StudyConfig) -> list[Net]:
    """All networks, seed by seed."""
    seeds, sizes = range(1, config.seeds + 1), config.per_class
    return [
        net
        for seed in seeds
        for net in (Net(seed, "base"), *(Net(seed, kind, size) for kind in KINDS[:0:-1] for size in sizes[::-1]))
    ]


def run(config: StudyConfig, executor: Executor) -> dict[Net, Row]:
    """Trains what the ledger lacks; a row for every network.

    Raises:
        ConfigError, OSError: The settings or the folder cannot be used.
    """
    from training.datasets.embedded import load_digits
    from training.datasets.splits import Carving
    from transfer.studies.fitting import Recipe

    recipe = Recipe(config.steps, BATCH_SIZE)
    key = key_of("digits", recipe=dataclasses.asdict(recipe), network=LIKE_KERAS)
    wanted = nets(config)
    with open_ledger(Path(config.state).expanduser(), key) as ledger:
        study = Study(ledger, executor, {net.name: COSTS[net.kind] for net in wanted})
        for seed in range(1, config.seeds + 1):
            data = load_digits(carving=Carving(seed=seed))
            jobs = dict(_jobs(data, recipe, ledger, [net for net in wanted if net.seed == seed]))
            base = [job for net, job in jobs.items() if net.kind == "base"]
            if any(job.name not in ledger.rows for job in jobs.values()):
                ledger.forget_without_file(base[0].name, base[0].arguments[1])
            study.run(base)
            study.run([job for net, job in jobs.items() if net.kind != "base"])
        return {net: ledger.rows[net.name] for net in wanted}


def _jobs(data: Dataset, recipe: Recipe, ledger: Ledger, wanted: list[Net]) -> Iterator[tuple[Net, Job]]:
    """All networks of one seed."""
    from transfer.studies.fitting import first_of_each, select
    from transfer.studies.nets import Task, train_fresh, train_from

    seed = wanted[0].seed
    path = ledger.path.with_name(f"{ledger.path.stem}-{seed}.npz")
    old = Task(select(data.train, OLD), select(data.test, OLD), recipe, seed, NETWORK, LIKE_KERAS)
    for net in wanted:
        rows = first_of_each(data.train.y, net.size, seed=seed) if net.size else None
        new = dataclasses.replace(
            old, train=select(data.train, NEW, rows), test=select(data.test, NEW), seed=1000 + seed
        )
        if net.kind == "base":
            yield net, Job(net.name, train_fresh, (old, path))
        elif net.kind == "frozen":
            yield net, Job(net.name, train_from, (new, path), {"layer_name": LAST_FROZEN, "frozen": True})
        else:
            yield net, Job(net.name, train_fresh, (new,))
