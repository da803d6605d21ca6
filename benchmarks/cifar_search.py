"""A search on CIFAR-10 for a better use of the notes' 528,054 parameters: seven networks of that size, and settings.

    python -m benchmarks.cifar_search --data-dir folder-with-cifar-10-batches-bin

Trials train on a part of CIFAR-10's training images and are judged by another part of them; the test images wait for
the one run of the winner. The search is `python -m training.tune` with its own directory, page and comparison of the
best settings with the one that it started from. A search that was cut goes on, a finished one is only shown.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.hardware import machine
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from evaluation.predictions import PredictionsError
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.datasets.dataset import DataError
from training.run import Run, RunError
from training.tuning.config import Algorithm, TuneConfig, read_settings
from training.tuning.table import Row, best_first, read_table

TRAINING_IMAGES = 50_000


@dataclass(frozen=True)
class CifarSearchConfig:
    """Settings of the benchmark.

    Attributes:
        data_dir: Folder that holds cifar-10-batches-bin.
        recipe: File of the setting that the search starts from and is compared with.
        space: File of the ranges.
        algorithm: grid, random, hyperband or bayesian.
        trials: Trials of the search.
        epochs: Of each trial.
        images: Training images, drawn by lot from CIFAR-10's 50,000.
        validation: Others of them, which judge.
        finalists: Best trials that are compared with the recipe.
        final_seeds: Seeds of that comparison.
        workers: Trials at the same time.
        runs_dir: Folder of the part, the search and the winner's run.
        output: Markdown file for the tables; all trials stand beside it as .csv.
    """

    data_dir: str | None = None
    recipe: str = "configs/cifar_fast.yaml"
    space: str = "configs/spaces/cifar_cnn_budget.yaml"
    algorithm: Algorithm = "bayesian"
    trials: int = 36
    epochs: int = 5
    images: int = 10_000
    validation: int = 5_000
    finalists: int = 2
    final_seeds: int = 3
    workers: int = 2
    runs_dir: str = "runs/cifar_search"
    output: str | None = None

    def __post_init__(self) -> None:
        for name in ("trials", "epochs", "images", "validation", "finalists", "final_seeds", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1. Received: {name}={getattr(self, name)}.")
        if self.images + self.validation > TRAINING_IMAGES:
            raise ConfigError(
                f"images and validation are drawn from {TRAINING_IMAGES:,} images and must not overlap. "
                f"Received: {self.images} and {self.validation}."
            )
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")

    @property
    def part(self) -> Path:
        """The data of the search."""
        return Path(self.runs_dir) / f"cifar10-{self.images}-{self.validation}.npz"

    @property
    def search(self) -> TuneConfig:
        """The settings of the search."""
        base = from_yaml(self.recipe)
        settings = {field.name: getattr(base, field.name) for field in dataclasses.fields(TrainConfig)}
        return TuneConfig(
            **settings
            | {"dataset": "npz", "data_dir": str(self.part), "epochs": self.epochs, "runs_dir": self.runs_dir},
            algorithm=self.algorithm,
            space=self.space,
            max_trials=self.trials,
            finalists=self.finalists,
            final_seeds=self.final_seeds,
            workers=self.workers,
        )


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(
        CifarSearchConfig, sys.argv[1:], prog="python -m benchmarks.cifar_search", description=__doc__
    )
    run = searched(config)
    text = tables(run, config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
        write_atomically(Path(config.output).with_suffix(".csv"), (run.path / "trials.csv").read_text(encoding="utf-8"))
    return 0


def searched(config: CifarSearchConfig) -> Run:
    """The finished search: as it stands, gone on with, or run now.

    Raises:
        ConfigError, DataError, RunError: As the search itself.
        KeyboardInterrupt: A signal asked for an end; a note says how to go on.
    """
    if not config.part.is_file():
        _write_part(config)
    found = _same(config)
    if found is not None and found.manifest.is_file():
        print(f"{found.path} is kept", file=sys.stderr, flush=True)
        return found
    from training.tuning.resume import ResumeTuneConfig
    from training.tuning.session import go_on, tune

    return (tune(config.search) if found is None else go_on(ResumeTuneConfig(str(found.path)))).run


def _same(config: CifarSearchConfig) -> Run | None:
    """The newest search of the folder with these settings."""
    wanted = _told_apart(config.search)
    for path in sorted(Path(config.runs_dir).glob("tune/*/config.yaml"), reverse=True):
        try:
            if _told_apart(read_settings(path)) == wanted:
                return Run(path.parent)
        except ConfigError:
            continue
    return None


def _told_apart(config: TuneConfig) -> dict[str, Any]:
    """Settings without the places of files and the number of workers, which decide nothing."""
    aside = {"data_dir", "runs_dir", "space", "workers", "verbose"}
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in aside}


def _write_part(config: CifarSearchConfig) -> None:
    """Draws the images of the search by lot, always the same ones."""
    from training.datasets.cifar10 import load_cifar10

    data = load_cifar10(config.data_dir)
    parts = [data.train, data.validation]
    ids = np.concatenate([part.ids for part in parts])
    x, y = (np.concatenate([np.asarray(getattr(part, name)) for part in parts]) for name in ("x", "y"))
    order = np.random.default_rng(0).permutation(np.argsort(ids, kind="stable"))
    train, validation = order[: config.images], order[config.images : config.images + config.validation]
    arrays = {"x_train": x[train], "y_train": y[train], "x_validation": x[validation], "y_validation": y[validation]}
    arrays |= {"x_test": np.asarray(data.test.x), "y_test": data.test.y, "class_names": np.array(data.class_names)}
    config.part.parent.mkdir(parents=True, exist_ok=True)
    torn = config.part.with_suffix(".tmp.npz")
    np.savez(torn, **arrays)
    torn.replace(config.part)


def tables(run: Run, config: CifarSearchConfig) -> str:
    """The best trial of each network, the comparison of the finalists with the recipe, and a note; Markdown."""
    rows, names = read_table(run.path / "trials.csv")
    conclusion = json.loads((run.path / "conclusion.json").read_text(encoding="utf-8"))
    ended = sum(row.status == "stopped" for row in rows)
    failed = sum(row.status == "failed" for row in rows)
    count = len(conclusion["seeds"])
    note = (
        f"{config.algorithm.capitalize()} search, {len(rows)} trials ({ended} ended early, {failed} failed), "
        f"{config.epochs} epochs each, on {config.images:,} of CIFAR-10's training images, judged by "
        f"{config.validation:,} others of them; {config.workers} trials at a time. Validation accuracy, %; the second "
        f"table trains with {count} new seeds: mean ± standard deviation, and differences within seeds. "
        f"{machine('tensorflow', 'keras', 'keras-tuner')}."
    )
    return "\n\n".join([_networks(rows, names), _finals(conclusion, rows, names), note])


def _networks(rows: Sequence[Row], names: Sequence[str]) -> str:
    """A row for each network, by its best trial."""
    first = names[0]
    best: dict[str, Row] = {}
    for row in best_first(rows, "max"):
        best.setdefault(str(row.point[first]), row)
    lines = []
    for network, row in best.items():
        tried = sum(one.point.get(first) == network for one in rows)
        shown = [row.point.get(name, "–") for name in names[1:]]
        seconds = f"{row.seconds:.0f}" if row.seconds is not None else "–"
        lines.append([network, f"{row.parameters:,}", str(tried), _percent(row.score), *shown, seconds])
    return _table(lines, [first, "parameters", "trials", "best", *(_words(name) for name in names[1:]), "seconds"])


def _finals(conclusion: Mapping[str, Any], rows: Sequence[Row], names: Sequence[str]) -> str:
    """A row for the recipe and one for each finalist."""
    against = {one["name"]: one for one in conclusion["comparisons"]}
    points = {f"trial {row.number}": row.point for row in rows}
    lines = []
    for one in conclusion["candidates"]:
        other = against.get(one["name"])
        gain = "the best" if other is None else _gain(other)
        point = points.get(one["name"])
        setting = "the recipe" if point is None else ", ".join(f"{_words(name)} {point[name]}" for name in names)
        lines.append([one["name"], setting, _percent(one["mean"], one["spread"]), gain])
    return _table(lines, ["setting", "", "validation accuracy", "the best is better by"])


def _gain(comparison: Mapping[str, Any]) -> str:
    low, high = comparison["low"], comparison["high"]
    interval = "" if low is None else f" (95 % interval {100 * low:.1f} to {100 * high:.1f})".replace("-", "−")
    return ("–" if comparison["gain"] is None else f"{100 * comparison['gain']:.1f} points") + interval


def _percent(value: float | None, spread: float | None = None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, PredictionsError, RunError)))
