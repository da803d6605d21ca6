"""Seconds until a validation accuracy is reached: the notes' recipe against this project's, over several seeds.

Every run is a process of its own and both recipes alternate. The clock starts when the data is in memory and stops
after the validation of the first epoch that reaches the target: building, tracing, training, validation and what is
written in between count, imports and loading do not. Processor seconds (user and system, all threads) stand beside,
because a shared machine disturbs them less. A run that never reaches the target is censored, not left out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks import time_to_accuracy_work
from benchmarks.censoring import censored_median, ratio_words, reached
from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from benchmarks.workers import Worker, running
from evaluation.files import write_atomically
from training.checks import ConfigError
from training.config import from_yaml

STOCK, OURS = "stock", "ours"
CLOCKS = {"seconds": "seconds", "cpu_seconds": "processor seconds"}


@dataclass(frozen=True)
class Race:
    """What both recipes run for.

    Attributes:
        recipe: File of settings of this project's run; the data and their split are those for both.
        data_dir: Folder of the data.
        images: Training images; None for all.
        epochs: Epochs of this project's run.
        target: Validation accuracy.
        limit_epochs: Epochs of the stock recipe at most.
    """

    recipe: str
    data_dir: str | None
    images: int | None
    epochs: int
    target: float
    limit_epochs: int

    def key(self) -> dict[str, Any]:
        """What must be equal for two runs to be compared; the place of the data is not part of it."""
        settings = dataclasses.asdict(from_yaml(self.recipe, data_dir=None))
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        own = {name: getattr(self, name) for name in ("images", "epochs", "target", "limit_epochs")}
        return own | {"recipe": digest[:16], "machine": machine("tensorflow", "keras")}


def measure(race: Race, *, seeds: int, state: Path | None) -> str:
    """Runs what the state file does not hold, alternating, and returns the table as Markdown.

    Raises:
        ConfigError: The recipe or the state file cannot be used.
        DataError, OSError: The data cannot be used, or the state not be written.
    """
    key = race.key()
    runs = read_state(state, key) if state else []
    done = {(run["recipe"], run["seed"]) for run in runs}
    for seed in range(1, seeds + 1):
        for recipe in (STOCK, OURS):
            if (recipe, seed) in done:
                continue
            rows = _run(recipe, race, seed)
            runs.append({"recipe": recipe, "seed": seed, "rows": rows, "key": key})
            if state:
                _append(state, runs[-1])
            reach = reached(rows, race.target, "seconds")
            words = "never reached" if reach.censored else "reached"
            line = f"seed {seed}/{seeds} {recipe}: {words}, {reach.value:,.0f} s, {len(rows)} epochs"
            print(line, file=sys.stderr, flush=True)
    return _text(race, {(run["recipe"], run["seed"]): run["rows"] for run in runs}, seeds)


def read_state(path: Path, key: dict[str, Any]) -> list[dict[str, Any]]:
    """The finished runs of a state file; a last line that was cut is dropped and will be measured again.

    Raises:
        ConfigError: The file cannot be read, or holds runs of other settings or another machine.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"state: {path} cannot be read: {' '.join(str(error).split())}") from error
    *lines, torn = text.split("\n")
    runs = [_run_of_line(line, f"line {number} of {path}", key) for number, line in enumerate(lines, start=1)]
    if torn:
        write_atomically(path, "".join(line + "\n" for line in lines))
    return runs


def _run_of_line(line: str, where: str, key: dict[str, Any]) -> dict[str, Any]:
    """One run of a state file."""
    try:
        entry = json.loads(line)
        run = {name: entry[name] for name in ("recipe", "seed", "rows", "key")}
        other = sorted(name for name in key if run["key"].get(name) != key[name])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"state: {where} is no run of this benchmark. Give another --state.") from error
    if other:
        raise ConfigError(f"state: {where} is a run that differs in {', '.join(other)}. Give another --state.")
    return run


def _append(path: Path, run: dict[str, Any]) -> None:
    """Adds a line that is on the disk before the next run begins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _run(recipe: str, race: Race, seed: int) -> list[dict[str, float]]:
    """One run in a fresh process: a row per epoch."""
    prepare = {STOCK: time_to_accuracy_work.prepare_stock, OURS: time_to_accuracy_work.prepare_ours}[recipe]
    with running({recipe: Worker(recipe, prepare, race, seed)}) as workers:
        workers[recipe].receive()
        return workers[recipe].ask()


def _text(race: Race, runs: dict[tuple[str, int], list[dict[str, float]]], seeds: int) -> str:
    """Table and note."""
    numbers = range(1, seeds + 1)
    labels = {
        STOCK: "(a) stock Keras: the notes' script, rmsprop, batch 32",
        OURS: f"(b) Groundwork, `{Path(race.recipe).name}`, {race.epochs} epochs",
    }
    rows = []
    for name, label in labels.items():
        chosen = [runs[name, seed] for seed in numbers]
        count = sum(not reached(run, race.target, "seconds").censored for run in chosen)
        best = [max(row["val_accuracy"] for row in run) for run in chosen]
        cells = [label, f"{count} of {seeds}", _epochs(chosen, race.target)]
        cells += [_median_and_range(chosen, race.target, clock) for clock in CLOCKS]
        rows.append([*cells, spread(best, "{:.1%}")])
    rows.append(["(a) / (b)", "", "", *(_ratio(runs, race.target, numbers, clock) for clock in CLOCKS), ""])
    header = ["recipe", "reached", "epochs", *CLOCKS.values(), "best validation accuracy seen"]
    images = f"{race.images:,} training images" if race.images else "all training images"
    note = (
        f"To a validation accuracy of {race.target:.1%}, {images}: median (smallest–largest) of {seeds} seeds, "
        "alternating, either pair on the same split. The median is Kaplan–Meier's: a run that did not reach the target "
        f"(stock: in {race.limit_epochs} epochs) counts as censored at its end, and its time as > what it ran. Imports "
        f"and loading are not counted. The ratio is that of the medians, with those of the pairs. "
        f"{machine('tensorflow', 'keras')}."
    )
    return tabulate(rows, header, tablefmt="github", disable_numparse=True) + "\n\n" + note


def _epochs(runs: Sequence[Sequence[dict[str, float]]], target: float) -> str:
    """Epochs to the target over the runs that reached it."""
    counts = [
        next(number for number, row in enumerate(run, start=1) if row["val_accuracy"] >= target)
        for run in runs
        if not reached(run, target, "seconds").censored
    ]
    return spread(counts, "{:.0f}") if counts else "–"


def _median_and_range(runs: Sequence[Sequence[dict[str, float]]], target: float, clock: str) -> str:
    """Censored median (smallest–largest); > before a time at which a run was still on its way."""
    reaches = sorted((reached(run, target, clock) for run in runs), key=lambda reach: (reach.value, reach.censored))
    low, high = ((">" if reach.censored else "") + f"{reach.value:,.0f}" for reach in (reaches[0], reaches[-1]))
    return f"{_seconds(censored_median(reaches))} ({low}–{high})"


def _ratio(runs: dict[tuple[str, int], list[dict[str, float]]], target: float, seeds: Sequence[int], clock: str) -> str:
    """Ratio of the medians (those of the pairs, by size)."""
    stock, ours = ([reached(runs[name, seed], target, clock) for seed in seeds] for name in (STOCK, OURS))
    slow, fast = censored_median(stock), censored_median(ours)
    whole = f"{slow / fast:.1f}" if math.isfinite(slow) and math.isfinite(fast) else "unknown"
    pairs = sorted(zip(stock, ours, strict=True), key=lambda pair: pair[0].value / pair[1].value)
    return f"{whole} (pairs: {', '.join(ratio_words(*pair) for pair in pairs)})"


def _seconds(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "not reached"
