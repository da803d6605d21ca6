"""A search of eight trials: stock keras-tuner on arrays, and this project with one and with two workers.

    python -m benchmarks.tuning --data-dir folder-with-cifar-10-batches-bin

The same eight points of `cifar_cnn`, batch size, epochs and images. Every search is a process of its own, and the
variants alternate; the clock starts with the libraries imported and ends with the last file written. A second table has
what a trial costs beside its training, and whether memory grows with the trials.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks import tuning_work
from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from benchmarks.workers import Worker, running
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training.checks import ConfigError
from training.datasets.dataset import DataError
from transfer.studies.ledger import Ledger, open_ledger

STOCK = "stock `keras_tuner.RandomSearch`"
VARIANTS: dict[str, tuple[int, str] | None] = {
    STOCK: None,
    "Groundwork, 1 process": (1, "auto"),
    "Groundwork, 2 workers": (2, "auto"),
    "Groundwork, 1 process, float32": (1, "float32"),
    "Groundwork, 2 workers, float32": (2, "float32"),
}
Row = dict[str, Any]


@dataclass(frozen=True)
class TuningBenchConfig:
    """Settings of the benchmark.

    Attributes:
        data_dir: Folder that holds cifar-10-batches-bin; none: random images, which cost the same time.
        images: Images, a tenth of them for validation.
        epochs: Epochs of every trial.
        batch_size: Examples per step.
        repeats: Searches of each variant.
        many: Tiny trials of the second table.
        state: Folder that keeps each finished search, so that a benchmark that was cut goes on.
        output: Markdown file for the tables.
    """

    data_dir: str | None = None
    images: int = 10_000
    epochs: int = 3
    batch_size: int = 32
    repeats: int = 3
    many: int = 50
    state: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        """Refuses sizes that measure nothing."""
        if min(self.epochs, self.batch_size, self.repeats) < 1 or self.many < 10:
            raise ConfigError("epochs, batch_size and repeats must be at least 1, many at least 10.")
        if not 100 <= self.images <= 45_000:
            raise ConfigError(f"images must lie between 100 and 45,000. Received: images={self.images}.")
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(TuningBenchConfig, sys.argv[1:], prog="python -m benchmarks.tuning", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
    return 0


def measure(config: TuningBenchConfig) -> str:
    """Runs what the state lacks and returns the tables as Markdown.

    Raises:
        ConfigError, DataError, OSError: The data or the state cannot be used.
    """
    found: dict[tuple[str, int], Row] = {}
    key = {"study": "bench-tuning", "images": config.images, "epochs": config.epochs, "batch": config.batch_size}
    key |= {"data": config.data_dir is not None, "machine": machine("tensorflow", "keras")}
    with tempfile.TemporaryDirectory() as folder, _ledger(config, key) as ledger:
        path = Path(folder) / "images.npz"
        tuning_work.write_data(path, config.data_dir, config.images)
        for repeat, (name, variant) in itertools.product(range(1, config.repeats + 1), VARIANTS.items()):
            if variant is not None and _is_repeated(found, name, variant, repeat):
                continue
            entry = f"{name}, {repeat}"
            if ledger is None or entry not in ledger.rows:
                row = _search(name, variant, str(path), config)
                print(f"{entry}: {row['seconds']:.1f} s", file=sys.stderr, flush=True)
                if ledger is not None:
                    ledger.add(entry, row)
            else:
                row = ledger.rows[entry]
            found[name, repeat] = row
    return "\n\n".join([totals_table(found), trials_table(found, _many(config.many)), _note(config)])


def _ledger(config: TuningBenchConfig, key: Mapping[str, Any]) -> AbstractContextManager[Ledger | None]:
    return open_ledger(Path(config.state), key) if config.state else nullcontext()


def _is_repeated(found: Mapping[tuple[str, int], Row], name: str, variant: tuple[int, str], repeat: int) -> bool:
    """Whether float32 is what `auto` chose on this machine, so that the row would be the same."""
    twin = found.get((name.removesuffix(", float32"), repeat))
    return variant[1] == "float32" and twin is not None and twin["precision"] == "float32"


def _search(name: str, variant: tuple[int, str] | None, path: str, config: TuningBenchConfig) -> Row:
    """One search in a fresh process."""
    given = (path, config.epochs, config.batch_size)
    worker = (
        Worker(name, tuning_work.prepare_stock, *given)
        if variant is None
        else Worker(name, tuning_work.prepare_ours, *given, *variant)
    )
    with running({name: worker}):
        worker.receive()
        row = worker.ask()
    if row["trials"] != tuning_work.TRIALS:
        raise ConfigError(f"{name} trained {row['trials']} trials where {tuning_work.TRIALS} were expected.")
    return row


def _many(trials: int) -> Row:
    """Many tiny trials in a fresh process."""
    worker = Worker("many trials", tuning_work.prepare_many, trials)
    with running({"many": worker}):
        worker.receive()
        return worker.ask()


def totals_table(found: Mapping[tuple[str, int], Row]) -> str:
    """Seconds of each variant, and how many times faster than stock within the same repeat."""
    rows = []
    for name in VARIANTS:
        runs = {repeat: row for (variant, repeat), row in found.items() if variant == name}
        if not runs:
            continue
        cells = [spread([row[clock] for row in runs.values()], "{:.0f}") for clock in ("seconds", "cpu_seconds")]
        ratios = [
            spread([found[STOCK, repeat][clock] / row[clock] for repeat, row in runs.items()], "{:.2f}")
            for clock in ("seconds", "cpu_seconds")
        ]
        best = spread([row["best"] for row in runs.values()], "{:.3f}")
        precision = "float32" if name == STOCK else next(iter(runs.values()))["precision"]
        rows.append([name, precision, cells[0], ratios[0], cells[1], ratios[1], best])
    header = ["search of 8 trials", "precision", "seconds", "times as fast", "processor seconds", "times fewer"]
    return _table(rows, [*header, "best validation accuracy"])


def trials_table(found: Mapping[tuple[str, int], Row], many: Row) -> str:
    """What a trial costs beside `fit`, and the memory of many."""
    rows = [
        [name, "8", spread([row["outside"] for (variant, _), row in found.items() if variant == name], "{:.2f}"), "–"]
        for name in VARIANTS
        if any(variant == name and "outside" in row for (variant, _), row in found.items())
    ]
    outside = spread(many["outside"], "{:.2f}")
    rows.append(["tiny trials (logistic regression)", str(len(many["memory"])), outside, slope(many["memory"])])
    return _table(rows, ["search", "trials", "seconds of a trial outside `fit`", "memory, MB a trial"])


def slope(memory: Sequence[float]) -> str:
    """Least-squares slope over the second half of the trials, with its 95 % interval."""
    from scipy import stats

    half = memory[len(memory) // 2 :]
    fit = stats.linregress(np.arange(len(half)), half)
    reach = stats.t.ppf(0.975, len(half) - 2) * fit.stderr
    return (
        f"{fit.slope:+.2f} ({fit.slope - reach:+.2f} to {fit.slope + reach:+.2f}), at {statistics.fmean(half):,.0f} MB"
    )


def _note(config: TuningBenchConfig) -> str:
    data = "CIFAR-10 images" if config.data_dir else "random images"
    return (
        f"Median (smallest–largest) of {config.repeats} alternating searches, each a process of its own; ratios within "
        f"each repeat. The same 8 points of `cifar_cnn` × {config.epochs} epochs on {config.images:,} {data}, batch "
        f"{config.batch_size}, no early end; imports are not counted, but those of the two workers are. Processor "
        f"seconds (all processes) are disturbed less by other work. Memory: resident, slope over the second half of "
        f"the trials with its 95% interval. {machine('tensorflow', 'keras', 'keras-tuner')}."
    )


def _table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
