"""A new head on an ImageNet network: the base in the loop, as the keras.io guide has it, or its features computed once.

    python -m benchmarks.transfer --hymenoptera folder --data-dir folder-with-cifar-10-batches-bin

Every run is a process of its own, and both ways alternate. The clock starts with the libraries imported: reading,
building, tracing, features, training and the validation after each epoch count. Both ways have the same base, head,
optimizer, batch size, images and epochs; what differs is how often an image goes through the base.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from benchmarks import transfer_work
from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from benchmarks.transfer_work import Case
from benchmarks.workers import Worker, running
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training.checks import ConfigError
from training.datasets.dataset import DataError
from transfer.studies.ledger import open_ledger
from transfer.studies.statistics import mean_interval, paired_interval, percent, points

GUIDE, OURS = "guide", "ours"
Runs = dict[tuple[str, int], dict[str, float]]


@dataclass(frozen=True)
class TransferBenchConfig:
    """Settings of the benchmark.

    Attributes:
        hymenoptera: Folder with train/ and val/ of photographs, each a folder per class; none: that part is left out.
        data_dir: Folder that holds cifar-10-batches-bin; none: that part is left out.
        seeds: Runs of either way on each data set.
        epochs: Epochs of the head.
        images: Images of CIFAR-10, a fifth of them for validation.
        repeats: Alternating repeats of the extraction's speed.
        state: Folder that keeps each finished run, so that a benchmark that was cut goes on.
        output: Markdown file for the tables.
    """

    hymenoptera: str | None = None
    data_dir: str | None = None
    seeds: int = 5
    epochs: int = 20
    images: int = 5000
    repeats: int = 5
    state: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        """Refuses sizes that measure nothing."""
        if min(self.seeds, self.epochs, self.repeats) < 1:
            raise ConfigError(
                f"seeds, epochs and repeats must be at least 1. Received: {self.seeds}, {self.epochs}, {self.repeats}."
            )
        if not 50 <= self.images <= 40_000:
            raise ConfigError(f"images must lie between 50 and 40,000. Received: images={self.images}.")
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")

    @property
    def cases(self) -> list[Case]:
        """The data sets whose folders are given."""
        cases = []
        if self.hymenoptera:
            cases.append(Case("hymenoptera", "mobilenet_0.75_192", self.hymenoptera, self.epochs))
        if self.data_dir:
            cases.append(Case("cifar10", "mobilenet_0.25_128", self.data_dir, self.epochs, images=self.images))
        return cases


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(TransferBenchConfig, sys.argv[1:], prog="python -m benchmarks.transfer", description=__doc__)
    for name, flag in (("hymenoptera", "--hymenoptera"), ("data_dir", "--data-dir")):
        if getattr(config, name) is None:
            print(f"left out: {flag} names no folder.", file=sys.stderr, flush=True)
    if not config.cases:
        raise ConfigError("there is nothing to measure. Give --hymenoptera, --data-dir or both.")
    text = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
    return 0


def measure(config: TransferBenchConfig) -> str:
    """Runs what the state lacks and returns the tables as Markdown.

    Raises:
        ConfigError: The weights are not to be had, or the state cannot be used.
        DataError, OSError: The data cannot be used, or the state not be written.
    """
    found = {case.name: _runs(case, config) for case in config.cases}
    speeds = {case.name: _extraction(case, config.repeats) for case in config.cases}
    note = (
        f"Median (smallest–largest) of {config.seeds} seeds, alternating, each run a process of its own; "
        f"{config.epochs} epochs of the head with the validation after each; imports are not counted. Accuracy on "
        "validation: mean (95 % t interval); differences within seeds. Processor seconds (all threads) are disturbed "
        "less by other work. Found again: the same features from the cache, checked. Extraction: "
        f"{config.repeats} alternating repeats on images in memory, cache written. {machine('tensorflow', 'keras')}."
    )
    return "\n\n".join([totals_table(found, config.seeds), features_table(found, speeds), note])


def _runs(case: Case, config: TransferBenchConfig) -> Runs:
    """All runs of one data set, those of the state and new ones."""
    key = {"study": f"bench-{case.name}", **case.key, "machine": machine("tensorflow", "keras")}
    runs: Runs = {}
    with open_ledger(Path(config.state), key) if config.state else nullcontext() as ledger:
        for seed in range(1, config.seeds + 1):
            for way in (GUIDE, OURS):
                name = f"{case.name}, {way}, seed {seed}"
                if ledger is not None and name in ledger.rows:
                    runs[way, seed] = ledger.rows[name]
                    continue
                runs[way, seed] = row = _run(case, way, seed)
                if ledger is not None:
                    ledger.add(name, row)
                print(f"{name}: {row['seconds']:.1f} s, {row['accuracy']:.1%}", file=sys.stderr, flush=True)
    return runs


def totals_table(found: Mapping[str, Runs], seeds: int) -> str:
    """Seconds and accuracy of both ways, and their ratios."""
    rows = []
    for name, runs in found.items():
        ways = {way: [runs[way, seed] for seed in range(1, seeds + 1)] for way in (GUIDE, OURS)}
        for way, label in ((GUIDE, "base in the loop (keras.io guide)"), (OURS, "features computed once")):
            clocks = [spread([run[clock] for run in ways[way]], "{:.1f}") for clock in ("seconds", "cpu_seconds")]
            rows.append([name, label, *clocks, percent(mean_interval([run["accuracy"] for run in ways[way]]))])
        ratios = [_ratios(ways[GUIDE], ways[OURS], clock, clock) for clock in ("seconds", "cpu_seconds")]
        accuracies = [[run["accuracy"] for run in ways[way]] for way in (OURS, GUIDE)]
        rows.append([name, "ratio; difference in points", *ratios, points(paired_interval(*accuracies))])
    return _table(rows, ["data", "way", "seconds", "processor seconds", "accuracy, %"])


def features_table(found: Mapping[str, Runs], speeds: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """The feature part alone: computed, found again, and against a bare `predict`."""
    rows = []
    for name, runs in found.items():
        ours = [run for (way, _), run in runs.items() if way == OURS]
        cells = [spread([run[part] for run in ours], "{:.3f}") for part in ("feature_seconds", "again_seconds")]
        cells.append(_ratios(ours, ours, "feature_seconds", "again_seconds"))
        pairs = speeds[name]
        cells += [spread([pair[way] for pair in pairs], "{:,.0f}") for way in ("predict", "features")]
        cells.append(spread([pair["features"] / pair["predict"] for pair in pairs], "{:.0%}"))
        rows.append([name, *cells])
    header = ["data", "features, s", "found again, s", "ratio", "`model.predict`, images/s", "extraction, images/s"]
    return _table(rows, [*header, "share"])


def _ratios(first: Sequence[Mapping[str, float]], second: Sequence[Mapping[str, float]], a: str, b: str) -> str:
    """Ratios within pairs of runs."""
    return spread([one[a] / other[b] for one, other in zip(first, second, strict=True)], "{:.1f}")


def _run(case: Case, way: str, seed: int) -> dict[str, float]:
    """One run in a fresh process."""
    prepare = {GUIDE: transfer_work.prepare_guide, OURS: transfer_work.prepare_ours}[way]
    with running({way: Worker(f"{case.name}, {way}", prepare, case, seed)}) as workers:
        workers[way].receive()
        return workers[way].ask()


def _extraction(case: Case, repeats: int) -> list[dict[str, float]]:
    """Images per second of a bare `predict` and of the extraction, one pair for each repeat."""
    with running({"speed": Worker(f"{case.name}, extraction", transfer_work.prepare_extraction, case)}) as workers:
        workers["speed"].receive()
        return [workers["speed"].ask() for _ in range(repeats)]


def _table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
