"""Image files to batches: Keras' image_dataset_from_directory against this project, side by side.

    python -m benchmarks.decoding --data-dir folder-of-photographs

An epoch is read and thrown away, batch 32: of large photographs brought to 192 px, and of small ones as they are.
Each variant has a process of its own that stays warm; they alternate, and ratios are taken within each repeat.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks import decoding_work
from benchmarks.hardware import machine
from benchmarks.workers import Worker, running
from evaluation.command import parse_config, run_main
from training.checks import ConfigError
from training.datasets.dataset import DataError

VARIANTS = {
    "stock": ("image_dataset_from_directory", decoding_work.prepare_stock),
    "files": ("Groundwork, decoded from files", decoding_work.prepare_files),
    "cache": ("Groundwork, from the uint8 cache", decoding_work.prepare_cache),
}


@dataclass(frozen=True)
class DecodingConfig:
    """Settings of the benchmark.

    Attributes:
        data_dir: Folder of photographs, at any depth, to be enlarged and reduced; default: synthetic textures.
        large: Number of large JPEGs.
        long_side: Their longer side in pixels.
        small: Number of small JPEGs.
        small_side: Both their sides in pixels.
        image_size: Both sides of what large ones become, in pixels.
        repeats: Epochs measured per variant, after one that warms up.
        output: Markdown file for the table, such as benchmarks/results/decoding.md.
    """

    data_dir: str | None = None
    large: int = 2000
    long_side: int = 1600
    small: int = 20_000
    small_side: int = 64
    image_size: int = 192
    repeats: int = 5
    output: str | None = None

    def __post_init__(self) -> None:
        if min(self.large, self.small) < 64 or self.repeats < 1 or min(self.small_side, self.image_size) < 8:
            raise ConfigError("large and small must be at least 64, sides at least 8, repeats at least 1.")
        if self.long_side < self.image_size:
            raise ConfigError(f"long_side must be at least image_size. Received: {self.long_side}, {self.image_size}.")


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(DecodingConfig, sys.argv[1:], prog="python -m benchmarks.decoding", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        Path(config.output).write_text(text + "\n", encoding="utf-8")
    return 0


def measure(config: DecodingConfig) -> str:
    """Makes the files, measures both sets of them and returns the tables as Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = decoding_work.make_photographs(folder / "large", config.large, config.long_side, config.data_dir)
        small = decoding_work.make_photographs(
            folder / "small", config.small, config.small_side, config.data_dir, square=True
        )
        size, side = config.image_size, config.small_side
        texts = [
            f"### {config.large:,} JPEGs of {config.long_side:,} px, {large / 1000:,.0f} kB on average, to {size} px",
            _compare(folder / "large", size, config.repeats),
            f"### {config.small:,} JPEGs of {side}×{side} px, {small / 1000:,.1f} kB on average",
            _compare(folder / "small", side, config.repeats),
            _conditions(config),
        ]
    return "\n\n".join(texts)


def _conditions(config: DecodingConfig) -> str:
    source = "real photographs, enlarged or reduced" if config.data_dir else "synthetic textures"
    packages = ("tensorflow", "keras", "pillow", *decoding_work.decoders())
    return (
        f"Median (smallest–largest) of {config.repeats} alternating repeats of one epoch, batch 32, shuffled; ratios "
        f"within each repeat. Files: {source}, JPEG quality 90, held by the system's cache. {machine(*packages)}."
    )


def _compare(root: Path, size: int, repeats: int) -> str:
    """Every variant on the files below `root`."""
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    workers = {name: Worker(name, prepare, str(root), size) for name, (_, prepare) in VARIANTS.items()}
    with running(workers):
        facts = {}
        for name, worker in workers.items():
            facts[name] = worker.receive()
        for repeat in range(-1, repeats):
            for name, worker in workers.items():
                rate = worker.ask()
                if repeat >= 0:
                    rates[name].append(rate)
                    print(f"repeat {repeat + 1}/{repeats} {root.name} {name}: {rate:,.0f} images/s", file=sys.stderr)
    return _table(rates) + "\n\n" + _pixels(facts, size)


def _table(rates: dict[str, list[float]]) -> str:
    rows = []
    for name, values in rates.items():
        ratios = [value / base for value, base in zip(values, rates["stock"], strict=True)]
        rows.append([VARIANTS[name][0], _spread(values, ",.0f"), _spread(ratios, ".2f")])
    return tabulate(rows, headers=["variant", "images/s", "ratio to the first"], tablefmt="github")


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def _pixels(facts: dict[str, Any], size: int) -> str:
    """What the pixels of the first files differ by, and what the scan costs."""
    import numpy as np

    stock, ours, full = (facts[name]["pixels"] for name in ("stock", "files", "cache"))
    from_full, from_stock = np.abs(ours - full), np.abs(ours - stock)
    scan = facts["cache"]["scan"]
    means = from_full.mean(axis=(1, 2, 3))
    return (
        f"Mean absolute difference of our pixels, {len(ours)} files, in grey levels of 255: {means.mean():.2f} from "
        f"decoding at full scale ({means.max():.2f} in the worst file), {from_stock.mean():.2f} from Keras, which "
        f"resizes without averaging. The one check of every file before training, which also writes the cache: "
        f"{scan['cold']:,.0f} images/s; with the cache of an earlier run: {scan['warm']:,.0f} images/s."
    )


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
