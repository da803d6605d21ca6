"""How transferable are features? Yosinski's AnB, BnB, AnB+ and BnB+ on two halves of CIFAR-10's classes.

For every seed the ten classes fall at random into halves A and B. Base networks learn A and B. Then networks learn B
whose first n layers come from a base, from A (AnB: transfer) or from B itself (BnB: the control), frozen or, with a +,
fine-tuned; the rest starts from random weights. All train for the same number of steps, and the test images are scored
once, at the end.

Reference:
    Yosinski et al. 2014, "How transferable are features in deep neural networks?", arXiv:1411.1792.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.datasets.dataset import Dataset
from transfer.studies.config import StudyConfig, key_of
from transfer.studies.ledger import Ledger, Row, open_ledger
from transfer.studies.pool import Job, Study

if TYPE_CHECKING:
    from transfer.studies.fitting import Recipe

LAYERS = ("conv1_pool", "conv2_pool", "conv3_pool", "hidden")  # cut n lies behind the n-th
SHORT_NAMES = ("conv1", "conv2", "conv3", "hidden")
KINDS = ("AnB", "BnB", "AnB+", "BnB+")
FROZEN_COSTS = (0.5, 0.3, 0.2, 0.1)  # of a whole network's, by cut: what lies before it is computed once
BATCH_SIZE = 64
CLASSES_OF_A_HALF = 5


@dataclass(frozen=True)
class Net:
    """One network of the study.

    Attributes:
        seed: Of the halves, the weights and the order.
        kind: `base A`, `base B`, or one of `KINDS`.
        cut: Layers that come from a base; 0 for a base itself.
    """

    seed: int
    kind: str
    cut: int = 0

    @property
    def name(self) -> str:
        """Unique in the study: `seed 1, A2B+`."""
        return f"seed {self.seed}, {self.kind.replace('n', str(self.cut)) if self.cut else self.kind}"

    @property
    def cost(self) -> float:
        """Share of the work, a base being 1."""
        return FROZEN_COSTS[self.cut - 1] if self.cut and not self.kind.endswith("+") else 1.0


def bases(seed: int) -> list[Net]:
    """The two networks that others start from."""
    return [Net(seed, "base A"), Net(seed, "base B")]


def transfers(seed: int) -> list[Net]:
    """The others, the longest first so that no process waits for one at the end."""
    nets = [Net(seed, kind, cut) for kind in KINDS for cut in range(1, len(LAYERS) + 1)]
    return sorted(nets, key=lambda net: -net.cost)


def run(config: StudyConfig, executor: Executor) -> dict[Net, Row]:
    """Trains what the ledger lacks; a row for every network.

    Raises:
        ConfigError, DataError, OSError: The settings, the data or the folder cannot be used.
    """
    data, recipe = _load(config), _recipe(config)
    own = {"recipe": dataclasses.asdict(recipe), "images": config.images_per_class, "layers": LAYERS}
    key = key_of("cuts", data=data.digest, **own)
    nets = [net for seed in range(1, config.seeds + 1) for net in (*bases(seed), *transfers(seed))]
    with open_ledger(Path(config.state).expanduser(), key) as ledger:
        study = Study(ledger, executor, {net.name: net.cost for net in nets})
        for seed in range(1, config.seeds + 1):
            if all(net.name in ledger.rows for net in nets if net.seed == seed):
                continue
            for base in bases(seed):
                ledger.forget_without_file(base.name, _weights(ledger, base))
            jobs = dict(_jobs(data, recipe, config.images_per_class, ledger, seed))
            study.run([jobs[net] for net in bases(seed)])
            study.run([jobs[net] for net in transfers(seed)])
        return {net: ledger.rows[net.name] | {"classes_a": class_words(data, net.seed)[0]} for net in nets}


def halves(num_classes: int, seed: int) -> tuple[list[int], list[int]]:
    """The classes of A and of B, each sorted."""
    order = np.random.default_rng(seed).permutation(num_classes)
    middle = CLASSES_OF_A_HALF
    return sorted(order[:middle].tolist()), sorted(order[middle:].tolist())


def class_words(data: Dataset, seed: int) -> tuple[str, ...]:
    """The names of the classes of A and of B."""
    return tuple(", ".join(data.class_names[label] for label in half) for half in halves(data.num_classes, seed))


def _load(config: StudyConfig) -> Dataset:
    """CIFAR-10; its validation images are left alone, because nothing is chosen."""
    from training.datasets.cifar10 import load_cifar10

    return load_cifar10(config.data_dir)


def _recipe(config: StudyConfig) -> Recipe:
    """One for all networks: both halves have as many images."""
    from transfer.studies.fitting import Recipe

    images = CLASSES_OF_A_HALF * config.images_per_class
    return Recipe(config.epochs * -(-images // BATCH_SIZE), BATCH_SIZE)


def _jobs(data: Dataset, recipe: Recipe, images: int, ledger: Ledger, seed: int) -> Iterator[tuple[Net, Job]]:
    """All networks of one seed; new layers start alike at every cut, and otherwise than those of the bases."""
    from transfer.studies.fitting import first_of_each, select
    from transfer.studies.nets import Task, train_fresh, train_from

    rows = first_of_each(data.train.y, images, seed=seed)
    tasks = [
        Task(select(data.train, half, rows), select(data.test, half), recipe, seed)
        for half in halves(data.num_classes, seed)
    ]
    for net, task in zip(bases(seed), tasks, strict=True):
        yield net, Job(net.name, train_fresh, (task, _weights(ledger, net)))
    again = dataclasses.replace(tasks[1], seed=1000 + seed)
    for net in transfers(seed):
        path = _weights(ledger, Net(seed, f"base {net.kind[0]}"))
        how = {"layer_name": LAYERS[net.cut - 1], "frozen": not net.kind.endswith("+")}
        yield net, Job(net.name, train_from, (again, path), how)


def _weights(ledger: Ledger, net: Net) -> Path:
    """Where the weights of a base are kept, beside the ledger."""
    return ledger.path.with_name(f"{ledger.path.stem}-{net.seed}-{net.kind[-1]}.npz")
