"""What each option of the CIFAR-10 speed recipe is worth: short trainings with one of them left out.

    python -m benchmarks.cifar_ablation --data-dir folder-with-cifar-10-batches-bin

All trainings have the recipe of `configs/cifar_94_sgd.yaml` but for their length, the width of the network and the one
option. 45,000 images train, 5,000 judge; the test set is not read. Seeds are the same for all, so that differences are
taken seed by seed. Each training is kept when it is done: a benchmark that was cut goes on.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import stats
from tabulate import tabulate

from benchmarks.hardware import machine
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from evaluation.uncertainty.intervals import Estimate
from training.checks import ConfigError, TrainingDiverged
from training.config import TrainConfig, from_yaml
from training.datasets.dataset import DataError
from training.startup import import_tensorflow, routines
from transfer.studies.ledger import Ledger, open_ledger
from transfer.studies.statistics import points

RECIPE, BY_MUON = "configs/cifar_94_sgd.yaml", "configs/cifar_94.yaml"
FULL = "the whole recipe"
MUON = "(nothing left out: Muon's recipe, configs/cifar_94.yaml)"
LEFT_OUT: dict[str, dict[str, Any]] = {
    "whitening: orthogonal filters instead": {"hyperparameters": {"whitening": None}},
    "the identity in the first filters": {"hyperparameters": {"identity_start": False}},
    "64 times the rate for the offsets of the batch norms": {"rate_multipliers": {}},
    "freezing the bias of the whitening after a third": {"freeze_after": {}},
    "coupled decay: decoupled, as long in all": {"decay": "decoupled", "weight_decay": 0.0013304 / (1 - 0.85)},
    "weight decay": {"decay": "decoupled", "weight_decay": 0.0},
    "Nesterov: plain momentum": {"nesterov": False},
    "the triangle: a constant rate of half its peak": {
        **{"schedule": "constant", "warmup": None, "learning_rate": 0.75, "rate_start": 0.2, "rate_end": 0.07},
        "patience": 0,
    },
    "Lookahead": {"lookahead": None},
    "label smoothing": {"label_smoothing": 0.0},
    "alternating flips: by lot": {"flip": "horizontal"},
    "flips": {"flip": "none"},
    "shifts by 2 pixels": {"shift": 0.0, "fill": "edge"},
    "reflection at the edges: the edge repeated": {"fill": "edge"},
}
"""What is left out, and the settings that do so."""


@dataclass(frozen=True)
class AblationConfig:
    """Settings of the benchmark.

    Attributes:
        data_dir: Folder that holds cifar-10-batches-bin; none: Keras' download.
        epochs: Of each training; the schedule spreads over them.
        filters: Feature maps of the three groups; the record's are 64 256 256.
        seeds: Trainings of each setting, with the seeds 1, 2, ….
        precision: auto (measured on this machine), float32 or mixed_bfloat16.
        state: Folder that keeps each finished training.
        output: Markdown file for the table.
    """

    data_dir: str | None = None
    epochs: int = 4
    filters: tuple[int, ...] = (64, 256, 256)
    seeds: int = 2
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    state: str = "runs/cifar_ablation"
    output: str | None = None

    def __post_init__(self) -> None:
        if min(self.epochs, self.seeds, *self.filters) < 1:
            raise ConfigError(
                f"epochs, seeds and filters must be at least 1. Received: {self.epochs}, {self.seeds}, {self.filters}."
            )
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")

    @property
    def training(self) -> TrainConfig:
        """The recipe, shortened and narrowed."""
        epochs = {"whitening/bias": max(1, round(0.3 * self.epochs))}  # 3 of the record's 10
        return self._short(RECIPE, hyperparameters={}, freeze_after=epochs)

    @property
    def by_muon(self) -> TrainConfig:
        """Its successor, as short and as narrow."""
        return self._short(BY_MUON, hyperparameters=from_yaml(BY_MUON).hyperparameters)

    def _short(self, recipe: str, *, hyperparameters: Mapping[str, Any], **more: Any) -> TrainConfig:
        changes: dict[str, Any] = {"epochs": self.epochs, "precision": self.precision, "verbose": "silent"}
        changes |= {"data_dir": self.data_dir, "tta": "none", "fast_math": True}
        changes["hyperparameters"] = {**hyperparameters, "filters": list(self.filters)}
        return from_yaml(recipe, **changes, **more)


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(AblationConfig, sys.argv[1:], prog="python -m benchmarks.cifar_ablation", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
    return 0


def without(base: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """The recipe with an option left out; keywords of the network are added to its own."""
    keywords = {**base.hyperparameters, **changes.get("hyperparameters", {})}
    return dataclasses.replace(base, **{**changes, "hyperparameters": keywords})


def measure(config: AblationConfig) -> str:
    """Trains what the state does not hold, seed by seed, and returns the table as Markdown.

    Raises:
        ConfigError: The recipe or the state cannot be used.
        DataError, OSError: The data cannot be used, or the state not be written.
    """
    import_tensorflow()
    from training import precision
    from training.train import load_data

    data = load_data(config.training)
    policy, _ = precision.resolve(config.precision, data.kind)
    pinned: dict[str, Any] = {"precision": policy}
    base = dataclasses.replace(config.training, **pinned)
    ways = {FULL: base} | {name: without(base, changes) for name, changes in LEFT_OUT.items()}
    ways[MUON] = dataclasses.replace(config.by_muon, **pinned)
    recipe = dataclasses.asdict(base) | {"data_dir": None}
    facts = {"study": "cifar_ablation", "recipe": recipe, "muon": dataclasses.asdict(ways[MUON]) | {"data_dir": None}}
    facts |= {"left_out": LEFT_OUT, "data": data.digest, "routines": routines()}
    with open_ledger(Path(config.state), facts | {"machine": machine("tensorflow", "keras")}) as ledger:
        for seed in range(1, config.seeds + 1):
            for name, settings in ways.items():
                _train(ledger, f"{name}, seed {seed}", dataclasses.replace(settings, seed=seed), data)
        rows = ledger.rows
    width = " ".join(map(str, config.filters))
    note = (
        f"{config.epochs} epochs of {len(data.train):,} images, groups of {width} filters, {policy}; accuracy of "
        f"the best epoch on {len(data.validation):,} others, n = {config.seeds} seeds: mean ± standard deviation; "
        f"differences seed by seed, their 95 % intervals from one spread for all rows. "
        f"{machine('tensorflow', 'keras')}."
    )
    return "\n\n".join([table({name: _values(rows, name, config.seeds) for name in ways}), note])


def _train(ledger: Ledger, key: str, settings: TrainConfig, data: Any) -> None:
    """One training, unless it is done."""
    from training.tuning.runner import train_once

    if key in ledger.rows:
        return
    try:
        found = train_once(settings, data, objective="val_accuracy", direction="max")
        row: dict[str, Any] = {"accuracy": found.curve[-1], "seconds": round(found.seconds, 1)}
    except TrainingDiverged as error:
        row = {"accuracy": None, "error": " ".join(str(error).split())}
    ledger.add(key, row)
    print(f"{key}: {row}", file=sys.stderr, flush=True)


def _values(rows: Mapping[str, Mapping[str, Any]], name: str, seeds: int) -> list[float | None]:
    return [rows[f"{name}, seed {seed}"]["accuracy"] for seed in range(1, seeds + 1)]


def table(found: Mapping[str, list[float | None]]) -> str:
    """Accuracies and what leaving out costs; a way that diverged with some seed has none.

    Args:
        found: What was left out → accuracy per seed, 0…1; None where the loss was lost.
    """
    apart = differences(found)
    lines = []
    for name, values in found.items():
        whole = [value for value in values if value is not None]
        if len(whole) < len(values):
            lines.append([name, f"diverged with {len(values) - len(whole)} of {len(values)} seeds", ""])
            continue
        around = f" ± {100 * statistics.stdev(whole):.1f}" if len(whole) > 1 else ""
        lines.append(
            [name, f"{100 * statistics.mean(whole):.1f}{around}", points(apart[name]) if name in apart else ""]
        )
    header = ["left out", "validation accuracy, %", "difference, points"]
    return tabulate(lines, header, tablefmt="github", disable_numparse=True)


def differences(found: Mapping[str, list[float | None]]) -> dict[str, Estimate]:
    """Mean difference from the whole recipe, seed by seed, with 95 % intervals of one spread for all ways.

    Two seeds of one way say next to nothing of its spread; all ways together do, if they spread alike: the residual of
    a two-way analysis of variance (way, seed) has (ways − 1)·(seeds − 1) degrees of freedom, and a difference of two
    means the variance 2·σ² / seeds.

    Args:
        found: As `table`; ways with a lost training are left out.

    Reference:
        Montgomery, 2017, "Design and analysis of experiments", section 4.1 (randomized complete blocks).
    """
    ways = {name: values for name, values in found.items() if None not in values}
    if FULL not in ways or len(ways) < 2:
        return {}
    accuracies = np.array(list(ways.values()), np.float64)
    means, seeds = accuracies.mean(axis=1, keepdims=True), accuracies.shape[1]
    full = float(means[list(ways).index(FULL), 0])
    apart = {name: float(mean) - full for name, mean in zip(ways, means[:, 0], strict=True) if name != FULL}
    freedom = (len(ways) - 1) * (seeds - 1)
    if not freedom:
        return {name: Estimate(mean, note="one seed has no interval") for name, mean in apart.items()}
    residuals = accuracies - means - accuracies.mean(axis=0) + accuracies.mean()
    variance = float((residuals**2).sum()) / freedom
    half = float(stats.t.ppf(0.975, freedom)) * math.sqrt(2 * variance / seeds)
    return {name: Estimate(mean, mean - half, mean + half, method="t, pooled") for name, mean in apart.items()}


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
