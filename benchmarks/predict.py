"""Predicting a folder: `python -m training.predict` against bare decoding and `model.predict`, whole processes.

    python -m benchmarks.predict --run runs/train/… --data-dir folder-with-cifar-10-batches-bin

The bare way starts Python, loads the model, decodes every file in threads into one array, and calls `model.predict`:
no file of predictions, no bad file survived, no operating point. The two alternate.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tabulate import tabulate

from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training import datasets
from training.checks import ConfigError
from training.config import TrainConfig
from training.datasets.dataset import DataError
from training.run import RunError, open_run

WORDS = re.compile(r"in ([\d.]+) s, [\d,]+ images/s")
Row = dict[str, float]


@dataclass(frozen=True)
class PredictBenchConfig:
    """Settings of the benchmark.

    Attributes:
        run: A trained run on CIFAR-10.
        data_dir: Folder that holds cifar-10-batches-bin; None: random images.
        images: PNG files.
        repeats: Of each way.
        output: Markdown file for the table.
        bare: Used by the benchmark itself: does the bare way once on this folder.
    """

    run: str
    data_dir: str | None = None
    images: int = 10_000
    repeats: int = 5
    output: str | None = None
    bare: str | None = None

    def __post_init__(self) -> None:
        """Refuses sizes that measure nothing."""
        if min(self.images, self.repeats) < 1:
            raise ConfigError(f"images and repeats must be at least 1. Received: {self.images} and {self.repeats}.")
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(
        PredictBenchConfig, sys.argv[1:], prog="python -m benchmarks.predict", description=__doc__, positional="run"
    )
    if config.bare is not None:
        print(predict_barely(config.run, Path(config.bare)))
        return 0
    text = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
    return 0


def measure(config: PredictBenchConfig) -> str:
    """Runs both ways in turn and returns the table as Markdown.

    Raises:
        RunError: There is no such run, or one of the processes failed.
        DataError, OSError: The data cannot be used.
    """
    run = open_run(config.run)
    with tempfile.TemporaryDirectory() as folder:
        photos = _write_images(Path(folder) / "photos", config)
        ours: list[Row] = []
        bare: list[Row] = []
        for number in range(config.repeats):
            bare.append(_timed(["benchmarks.predict", str(run.path), "--bare", str(photos)]))
            runs = str(Path(folder) / "runs")
            ours.append(
                _timed(["training.predict", str(run.path), "--images", str(photos), "--runs-dir", runs, "--show", "0"])
            )
            print(f"repeat {number + 1} of {config.repeats}: {bare[-1]}, {ours[-1]}", file=sys.stderr)
    return table(bare, ours, config.images)


def table(bare: Sequence[Row], ours: Sequence[Row], images: int) -> str:
    """Seconds and speeds of both ways, and the ratio of speeds within each repeat."""
    cells = []
    for label, rows in (("bare decoding, then `model.predict`", bare), ("`make predict`", ours)):
        ratios = {
            clock: spread([base[clock] / one[clock] for base, one in zip(bare, rows, strict=True)], "{:.2f}")
            for clock in ("process", "work")
        }
        cells.append(
            [
                label,
                spread([row["process"] for row in rows], "{:.1f}"),
                ratios["process"],
                spread([images / row["work"] for row in rows], "{:,.0f}"),
                ratios["work"],
            ]
        )
    header = ["way", "whole process, s", "its speed, ratio", "images/s without start", "ratio"]
    lines = tabulate(cells, headers=header, tablefmt="github")
    note = f"{images:,} PNG files, n = {len(ours)} alternating; median (smallest to largest)."
    return f"{lines}\n\n{note} {machine('tensorflow', 'keras', 'pillow')}."


def predict_barely(run: str, photos: Path) -> str:
    """The bare way, in this process; says its seconds without the start."""
    from training.checkpoint import load_model

    model = load_model(open_run(run).model)
    paths = sorted(photos.iterdir())
    model.predict(np.zeros((256, *model.input_shape[1:]), np.float32), verbose=0)  # the graph, as a warm start has it
    start = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        pixels = np.stack(list(pool.map(_decoded, paths, chunksize=64)))
    model.predict(pixels, batch_size=256, verbose=0)
    seconds = time.perf_counter() - start
    return f"{len(paths)} images in {seconds:.3f} s, {len(paths) / seconds:,.0f} images/s"


def _decoded(path: Path) -> np.ndarray:
    """One picture by Pillow, at its own size."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _timed(arguments: list[str]) -> Row:
    """Seconds of a whole process, and those that it says it worked."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    found = WORDS.search(done.stdout)
    if done.returncode or not found:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise RunError(f"python -m {arguments[0]} failed: {' '.join(last)}")
    return {"process": seconds, "work": float(found[1])}


def _write_images(folder: Path, config: PredictBenchConfig) -> Path:
    """CIFAR-10's test images (again from the first where more are asked for), or noise, as PNG files."""
    folder.mkdir(parents=True)
    if config.data_dir is None:
        images = np.random.default_rng(0).integers(0, 256, (min(config.images, 1000), 32, 32, 3)).astype(np.uint8)
    else:
        settings = TrainConfig(model="cifar_cnn", dataset="cifar10", data_dir=config.data_dir)
        split = datasets.load(settings, task="classification").splits["test"]
        images = split.x[np.arange(min(config.images, len(split)))]
    for index in range(config.images):
        Image.fromarray(images[index % len(images)]).save(folder / f"{index:06}.png")
    return folder


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, RunError)))
