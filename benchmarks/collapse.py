"""What becomes of the notes' recipe after its best epoch, and why: it trains on, beside itself with a rate that falls.

    python -m benchmarks.collapse --data-dir folder-with-cifar-10-batches-bin

Their recipe (rmsprop at a constant rate) trains all its epochs, without early stopping; a second run of the same seed
differs in the rate alone, which falls to 0. If the constant rate is the cause, the second does not collapse. The length
of the weights, read from the snapshots of every epoch, shows how: RMSProp divides a gradient by its own recent size,
so that a step is about as long when little is left to learn as at the start. This project's recipe stands beside both.
Finished runs are kept in the folder of runs, and unfinished ones resumed.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tabulate import tabulate

from benchmarks.hardware import machine
from benchmarks.seeds import headline, trained
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from evaluation.plots.rendering import render
from evaluation.plots.style import BLUE, FULL_WIDTH, GREEN, VERMILLION, grid, report_style
from models.catalog import CATALOG
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.run import Run

CONSTANT, FALLING, OURS = "constant", "falling", "ours"
COLOURS = {CONSTANT: VERMILLION, FALLING: BLUE, OURS: GREEN}
SHORT = {CONSTANT: "the notes: constant rate", FALLING: "the same, rate falling to 0", OURS: "this project's recipe"}
CHANCE = 0.1  # accuracy of a guess among CIFAR-10's ten classes


@dataclass(frozen=True)
class CollapseConfig:
    """Settings of the benchmark.

    Attributes:
        data_dir: Folder that holds cifar-10-batches-bin.
        notes: File of the notes' recipe.
        recipe: File of the recipe that stands beside it; "none" leaves it out.
        epochs: Of the notes' recipe; default: what its file says.
        seeds: Runs of each recipe, from seed 1.
        at_once: Runs that train at the same time, each with its share of the cores.
        runs_dir: Folder of the runs.
        output: Markdown file for the table; the figure stands beside it.
    """

    data_dir: str | None = None
    notes: str = "configs/notes_cifar_cnn.yaml"
    recipe: str = "configs/cifar_fast.yaml"
    epochs: int | None = None
    seeds: int = 1
    at_once: int = 1
    runs_dir: str = "runs/collapse"
    output: str | None = None

    def __post_init__(self) -> None:
        for name in ("seeds", "at_once"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1. Received: {name}={getattr(self, name)}.")
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")


@dataclass(frozen=True)
class Course:
    """How one run went.

    Attributes:
        history: Column of `history.csv` → a value per epoch.
        lengths: Euclidean length of all trained weights after each epoch; empty where the run kept no snapshots.
        test: Test accuracy of the weights that it kept, those of its best epoch.
    """

    history: Mapping[str, Sequence[float]]
    lengths: Sequence[float] = field(default_factory=tuple)
    test: float | None = None

    def best(self) -> int:
        """The epoch (from 1) of the highest validation accuracy."""
        return int(np.argmax(self.history["val_accuracy"])) + 1


def main() -> int:
    config = parse_config(CollapseConfig, sys.argv[1:], prog="python -m benchmarks.collapse", description=__doc__)
    text, figure = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
        write_atomically(Path(config.output).with_suffix(".png"), figure)
    return 0


def measure(config: CollapseConfig) -> tuple[str, bytes]:
    """Trains what the folder of runs does not hold, seed by seed; the table as Markdown and the figure as PNG.

    Raises:
        ConfigError: A recipe cannot be used, or a run ended without a result.
    """
    seeds = range(1, config.seeds + 1)
    wanted = [pair for seed in seeds for pair in recipes_of(config, seed).items()]
    named = [(f"{name}, seed {recipe.seed}", recipe) for name, recipe in wanted]
    runs = trained(named, at_once=config.at_once, go_on=True)
    courses: dict[str, list[Course]] = {}
    for (name, _), run in zip(wanted, runs, strict=True):
        courses.setdefault(name, []).append(course_of(run))
    return _text(courses, dict(wanted)), draw(courses)


def recipes_of(config: CollapseConfig, seed: int) -> dict[str, TrainConfig]:
    """The settings of each run of a seed; those of the notes keep the weights of every epoch.

    Raises:
        ConfigError: A recipe cannot be read, or trains no classifier.
    """
    common = {"data_dir": config.data_dir, "seed": seed, "split_seed": seed, "runs_dir": config.runs_dir}
    length = {} if config.epochs is None else {"epochs": config.epochs}
    notes = common | length | {"patience": 0, "snapshots": True}
    recipes = {
        CONSTANT: from_yaml(config.notes, **notes),
        FALLING: from_yaml(config.notes, **notes, schedule="cosine"),
    }
    if config.recipe != "none":
        recipes[OURS] = from_yaml(config.recipe, **common)
    for recipe in recipes.values():
        if CATALOG[recipe.model].task == "regression":
            raise ConfigError(
                f"a recipe must train a classifier, whose accuracy is shown. Received: model={recipe.model}."
            )
    return recipes


def course_of(run: Run) -> Course:
    """History, lengths and test accuracy of a finished run."""
    with run.history.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    history = {name: [float(row[name]) for row in rows] for name in rows[0]}
    lengths = [length_of(path) for path in sorted(run.snapshots.glob("epoch-*.weights.h5"))]
    report = json.loads((run.report / "report.json").read_text(encoding="utf-8"))
    return Course(history, lengths if len(lengths) == len(rows) else (), headline(report).get("test accuracy"))


def length_of(path: Path) -> float:
    """Euclidean length of all floating-point weights of a file that Keras' `save_weights` wrote."""
    squares = 0.0

    def add(_: str, item: h5py.Group | h5py.Dataset) -> None:
        nonlocal squares
        if isinstance(item, h5py.Dataset) and np.issubdtype(item.dtype, np.floating):
            squares += float(np.sum(np.square(item[()], dtype=np.float64)))

    with h5py.File(path, "r") as file:
        file.visititems(add)
    return math.sqrt(squares)


def draw(courses: Mapping[str, Sequence[Course]]) -> bytes:
    """Accuracy on training and validation images and the length of the weights, by epoch; a thin line per seed."""
    with matplotlib.rc_context(report_style()):
        figure = Figure(figsize=(FULL_WIDTH, 3.7), layout="constrained")
        training, validation, length = figure.subplots(1, 3, sharex=True)
        for name, found in courses.items():
            for number, course in enumerate(found):
                label = SHORT[name] if not number else None
                for ax, values in (
                    (training, _per_cent(course.history["accuracy"])),
                    (validation, _per_cent(course.history["val_accuracy"])),
                    (length, course.lengths),
                ):
                    epochs = range(1, len(values) + 1)
                    ax.plot(epochs, values, color=COLOURS[name], linewidth=1.2, alpha=0.9, label=label)
        for ax in (training, validation):
            ax.axhline(100 * CHANCE, color="#555555", linewidth=1, linestyle=":")
            ax.set_ylim(0, 100)
        training.text(1, 100 * CHANCE + 1, "a guess", fontsize=8, color="#555555")
        for ax, title in ((training, "training accuracy, %"), (validation, "validation accuracy, %")):
            ax.set_title(title, fontsize=10)
        length.set_title("length of the weights", fontsize=10)
        length.set_ylim(bottom=0)
        for ax in (training, validation, length):
            _epoch_axis(ax)
        handles, labels = training.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return render(figure)[0]


def _per_cent(values: Sequence[float]) -> list[float]:
    return [100 * value for value in values]


def _epoch_axis(ax: Axes) -> None:
    ax.set_xlabel("epoch")
    ax.set_xlim(left=0)
    grid(ax, "y")


def _text(courses: Mapping[str, Sequence[Course]], settings: Mapping[str, TrainConfig]) -> str:
    """Table and note."""
    header = ["recipe", "best validation (epoch)", "at the end", "training at the end"]
    header += ["length of the weights: best epoch", "at the end", "test, at the best epoch"]
    rows = [[_label(settings[name]), *_cells(found)] for name, found in courses.items()]
    count = len(courses[CONSTANT])
    each = f"Mean (smallest–largest) of {count} seeds" if count > 1 else "One seed"
    note = (
        f"Accuracy, %. {each}, every recipe on the same split of {settings[CONSTANT].dataset}, none stopped early; the "
        "second row differs from the first in the learning rate's schedule alone. Training accuracy is that of the "
        "epoch, with dropout and augmentation. The best epoch is that of the highest validation accuracy in columns 2 "
        f"and 5, and that of the run's own `monitor` for the test. {machine('tensorflow', 'keras')}."
    )
    return tabulate(rows, header, tablefmt="github", disable_numparse=True) + "\n\n" + note


def _label(config: TrainConfig) -> str:
    """Optimizer, rate, batch and length of a recipe."""
    rate = {"constant": "constant", "cosine": "falling along a cosine", "one_cycle": "one cycle"}
    peak = "Keras' default" if config.learning_rate is None else f"{config.learning_rate:g}"
    words = [
        config.optimizer,
        f"rate {peak} {rate.get(config.schedule, config.schedule)}",
        f"batch {config.batch_size}",
    ]
    return ", ".join([*words, f"{config.epochs} epochs"])


def _cells(found: Sequence[Course]) -> list[str]:
    """What the table says of a recipe."""
    best = [course.best() for course in found]
    end = [len(course.history["val_accuracy"]) for course in found]
    cells = [
        f"{_spread(_at(found, 'val_accuracy', best))} ({_numbers(best)})",
        _spread(_at(found, "val_accuracy", end)),
        _spread(_at(found, "accuracy", end)),
    ]
    if all(course.lengths for course in found):
        for epochs in (best, end):
            values = [course.lengths[epoch - 1] for course, epoch in zip(found, epochs, strict=True)]
            cells.append(_spread(values, 0))
    else:
        cells += ["–", "–"]
    tests = [course.test for course in found if course.test is not None]
    return [*cells, _spread(_per_cent(tests)) if tests else "–"]


def _at(found: Sequence[Course], column: str, epochs: Sequence[int]) -> list[float]:
    """A column of every run's history at one epoch of each, in per cent."""
    return _per_cent([course.history[column][epoch - 1] for course, epoch in zip(found, epochs, strict=True)])


def _numbers(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}–{high}"


def _spread(values: Sequence[float], digits: int = 1) -> str:
    """Mean (smallest–largest); the value alone where there is one."""
    mean, low, high = (f"{value:.{digits}f}" for value in (statistics.mean(values), min(values), max(values)))
    return mean if len(values) == 1 else f"{mean} ({low}–{high})"


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError,)))
