"""Time and memory of one epoch at a quarter, a half and all of CIFAR-10, the whole command `python -m training`."""

from __future__ import annotations

import csv
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.datasets import load
from training.datasets.dataset import SPLIT_NAMES, Dataset

ROOT = Path(__file__).resolve().parents[1]
SHARES = {"¼": 0.25, "½": 0.5, "1": 1.0}
RANDOM_IMAGES = {"train": 45_000, "validation": 5_000, "test": 10_000}


@dataclass(frozen=True)
class Growth:
    """One measurement.

    Attributes:
        epoch: Seconds of the epoch, validation included.
        command: Seconds of the whole command: imports, loading, checks, training, report.
        peak: Largest resident memory of the command in MB (10⁶ bytes).
    """

    epoch: float
    command: float
    peak: float


def measure(recipe: str, data_dir: str | None, *, images: int | None, repeats: int) -> str:
    """Trains one epoch at every size, alternating, each in a process of its own; returns the table as Markdown.

    Args:
        recipe: File of settings to train with.
        data_dir: Folder of CIFAR-10; None for random images.
        images: Training images of the whole; None for all.
        repeats: Measurements per size.

    Raises:
        ConfigError: The recipe is refused, or a training fails.
    """
    from_yaml(recipe)
    with tempfile.TemporaryDirectory() as folder:
        sizes = _write_parts(Path(folder), data_dir, images)
        found: dict[str, list[Growth]] = {name: [] for name in SHARES}
        for repeat in range(repeats):
            for name, values in found.items():
                values.append(_train(Path(folder) / f"{name}.npz", recipe))
                print(f"repeat {repeat + 1}/{repeats} {name}: {values[-1]}", file=sys.stderr, flush=True)
    note = (
        f"One epoch of `{Path(recipe).name}` by `python -m training`, arrays from an .npz file: median "
        f"(smallest–largest) of {repeats} alternating repeats. Resident memory at its largest, Python and TensorFlow "
        f"included, in MB (10⁶ bytes); the data are the uint8 images of all three splits. {fit_words(sizes, found)} "
        f"{machine('tensorflow', 'keras')}."
    )
    return f"{table(sizes, found)}\n\n{note}"


def table(sizes: dict[str, tuple[int, float]], found: dict[str, list[Growth]]) -> str:
    """The Markdown table.

    Args:
        sizes: Training images and MB of all images, by share.
        found: Measurements by share.
    """
    rows = []
    for name, values in found.items():
        images, data = sizes[name]
        rows.append(
            [
                f"{name} ({images:,})",
                spread([value.epoch for value in values], "{:.1f}"),
                spread([1000 * value.epoch / images for value in values], "{:.3f}"),
                spread([value.command for value in values], "{:.1f}"),
                spread([value.peak for value in values], "{:,.0f}"),
                f"{data:,.0f}",
                spread([value.peak - data for value in values], "{:,.0f}"),
            ]
        )
    header = ["training images", "epoch (s)", "s per 1,000 images", "command (s)", "memory (MB)", "data (MB)"]
    return tabulate(rows, [*header, "memory without data (MB)"], tablefmt="github", disable_numparse=True)


def fit_words(sizes: dict[str, tuple[int, float]], found: dict[str, list[Growth]]) -> str:
    """Straight lines by least squares through the medians: seconds over images, memory over data."""
    thousands = np.array([sizes[name][0] / 1000 for name in found])
    data = np.array([sizes[name][1] for name in found])
    seconds = np.array([statistics.median(value.epoch for value in values) for values in found.values()])
    memory = np.array([statistics.median(value.peak for value in values) for values in found.values()])
    slope, start = np.polyfit(thousands, seconds, 1)
    deviation = np.max(np.abs(start + slope * thousands - seconds) / seconds)
    per_byte, base = np.polyfit(data, memory, 1)
    return (
        f"Straight lines through the medians: {start:.1f} s + {slope:.3f} s per 1,000 images (no median is more than "
        f"{deviation:.0%} off), and {base:,.0f} MB + {per_byte:.1f} MB per MB of data."
    )


def _write_parts(folder: Path, data_dir: str | None, images: int | None) -> dict[str, tuple[int, float]]:
    """One .npz file per share, of all three splits; returns training images and MB of images by share."""
    splits = _splits(data_dir)
    whole = min(images or len(splits["train"][0]), len(splits["train"][0]))
    sizes = {}
    for name, share in SHARES.items():
        part = share * whole / len(splits["train"][0])
        arrays: dict[str, np.ndarray] = {}
        for split, (x, y) in splits.items():
            count = round(part * len(x))
            arrays |= {f"x_{split}": x[:count], f"y_{split}": y[:count]}
        np.savez(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]
        sizes[name] = len(arrays["x_train"]), sum(arrays[f"x_{split}"].nbytes for split in splits) / 1e6
    return sizes


def _splits(data_dir: str | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images and labels by split."""
    if data_dir is None:
        random = np.random.default_rng(0)
        return {
            name: (random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count) % 10)
            for name, count in RANDOM_IMAGES.items()
        }
    data: Dataset = load(TrainConfig(dataset="cifar10", data_dir=data_dir, validation_fraction=0.1), progress=False)
    return {name: (data.splits[name].x[np.arange(len(data.splits[name]))], data.splits[name].y) for name in SPLIT_NAMES}


def _train(path: Path, recipe: str) -> Growth:
    """One epoch in a process of its own, whose largest memory `benchmarks.memory` reports."""
    with tempfile.TemporaryDirectory() as runs:
        flags = ["--config", str(Path(recipe).resolve()), "--dataset", "npz", "--data-dir", str(path), "--epochs", "1"]
        flags += ["--runs-dir", runs, "--verbose", "silent"]
        command = [sys.executable, "-m", "benchmarks.memory", "--", *flags]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
        peak = re.search(r"largest resident memory: ([\d,]+) MB", done.stdout)
        if done.returncode or peak is None:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ConfigError(f"the training of {path.stem} of the data ended with code {done.returncode}: {last}")
        (history,) = Path(runs).rglob("history.csv")
        with open(history, encoding="utf-8") as file:
            row = next(csv.DictReader(file))
    return Growth(float(row["seconds"]), seconds, float(peak[1].replace(",", "")))
