"""CIFAR-10 as fast as the speed records train it, in Keras: accuracy, seconds and share of the machine's peak.

    python -m benchmarks.cifar_speed --data-dir folder-with-cifar-10-batches-bin --seeds 3 --final-fit
    KERAS_BACKEND=jax python -m benchmarks.cifar_speed …        # the same file where there is no TensorFlow

Settings are those of `configs/cifar_94.yaml`. Without `--final-fit`, 45,000 images train and accuracy is that of the
5,000 of validation: what a recipe is changed by. With it all 50,000 train and the test set is read, once per seed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training import datasets
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.datasets.dataset import DataError
from training.finalfit import with_validation
from training.startup import import_tensorflow, routines
from transfer.studies.ledger import open_ledger

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    *("benchmarks/cifar_speed.py", "benchmarks/cifar_speed_work.py", "models/speed.py", "training/whitening.py"),
    *("training/rates.py", "training/lookahead.py", "training/schedules.py", "training/optimizers.py"),
    *("training/views.py", "training/muon.py", "training/winograd.py", "training/fused.py"),
    *("training/chains.py", "training/fastmath.py", "training/startup.py"),
)
PUBLISHED = (
    ("airbench94_muon (PyTorch; Jordan 2024)", "50,000", "200", "", "94.01%", "2.59", "one A100"),
    ("Hiverge (PyTorch; 2025)", "50,000", "", "", "94%", "1.99", "one A100"),
)
Row = dict[str, Any]


@dataclass(frozen=True)
class SpeedBenchConfig:
    """Settings of the benchmark.

    Attributes:
        data_dir: Folder that holds cifar-10-batches-bin; none: Keras' download.
        recipe: File of settings.
        epochs: Instead of the recipe's.
        precision: float32 or mixed_bfloat16, instead of the recipe's.
        images: Training images at most; none: all.
        seeds: Runs, with the seeds 1, 2, ….
        final_fit: Train on validation too, and read the test set.
        state: Folder that keeps each finished run, so that a benchmark that was cut goes on.
        output: Markdown file for the table; the results with the text of this benchmark go beside it, as .json.
    """

    data_dir: str | None = None
    recipe: str = "configs/cifar_94.yaml"
    epochs: int | None = None
    precision: str | None = None
    images: int | None = None
    seeds: int = 3
    final_fit: bool = False
    state: str = "runs/cifar_speed"
    output: str | None = None

    def __post_init__(self) -> None:
        """Refuses sizes that measure nothing."""
        if self.seeds < 1 or (self.images is not None and self.images < 100):
            raise ConfigError(f"at least 1 seed and 100 images. Received: seeds={self.seeds}, images={self.images}.")
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")

    @property
    def training(self) -> TrainConfig:
        """The recipe, as far as it is not replaced."""
        given = {name: getattr(self, name) for name in ("data_dir", "epochs", "precision")}
        return from_yaml(self.recipe, **{name: value for name, value in given.items() if value is not None})


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(SpeedBenchConfig, sys.argv[1:], prog="python -m benchmarks.cifar_speed", description=__doc__)
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        import_tensorflow()
    text, results = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
        write_atomically(Path(config.output).with_suffix(".json"), json.dumps(results, indent=1) + "\n")
    return 0


def measure(config: SpeedBenchConfig) -> tuple[str, Row]:
    """Trains what the state does not hold, and returns the table with all that stands behind it.

    Raises:
        ConfigError: The recipe or the state cannot be used.
        DataError, OSError: The data cannot be used, or the state not be written.
    """
    from benchmarks import cifar_speed_work as work

    settings = config.training
    work.length(settings)
    train, judged = _images(config, settings)
    where, rows = _place(), []
    facts: Row = {"study": "cifar_speed", "recipe": dataclasses.asdict(settings) | {"data_dir": None}, "where": where}
    facts |= {
        "images": len(train[0]),
        "judged": len(judged[0]),
        "final_fit": config.final_fit,
        "code": _digest(),
        "routines": routines(),
    }
    with open_ledger(Path(config.state), facts) as ledger:
        for seed in range(1, config.seeds + 1):
            name = f"seed {seed}"
            if name not in ledger.rows:
                row = work.run(dataclasses.replace(settings, seed=seed), train, judged, tell=partial(_tell, name))
                ledger.add(name, row | {"peak": work.peak(settings.precision)})
            rows.append(ledger.rows[name])
            print(f"{name} of {config.seeds}: {_words(rows[-1])}", file=sys.stderr, flush=True)
    code = {name: (ROOT / name).read_text(encoding="utf-8") for name in SOURCES}
    return table(rows, settings, facts), facts | {"runs": rows, "source": code}


def table(rows: list[Row], settings: TrainConfig, facts: Row) -> str:
    """One row of ours, and the published ones, as Markdown."""
    share = [row["flop"] / row["seconds"] / row["peak"] for row in rows]
    own = [
        f"Groundwork, {settings.epochs} epochs, {settings.precision}",
        f"{facts['images']:,}",
        str(len(rows)),
        _mean([row["accuracy"] for row in rows]),
        _mean([row["accuracy_views"] for row in rows]),
        spread([row["seconds"] for row in rows], "{:,.0f}"),
        facts["where"],
    ]
    header = ["recipe", "trained on", "n", "accuracy", "… with views", "seconds of training", "hardware"]
    set_name = "test set" if facts["final_fit"] else "validation split"
    note = (
        f"Accuracy on the {set_name} ({facts['judged']:,} images), mean ± standard deviation over n seeds; with views: "
        f"mean logits of six views of each image, as the records have it. Seconds: median (smallest–largest), "
        f"{spread([row['whole'] for row in rows], '{:,.0f}')} from images in memory to the last score. "
        f"{rows[0]['flop'] / 1e15:.2g} PFLOP in matrix products and convolutions, counted as direct ones: "
        f"{spread(share, '{:.0%}')} of the best matrix product in each run. The other rows are as published; their "
        f"accuracy is that with views."
    )
    return tabulate([own, *PUBLISHED], header, tablefmt="github", disable_numparse=True) + "\n\n" + note


def _images(config: SpeedBenchConfig, settings: TrainConfig) -> tuple[tuple, tuple]:
    """Images and labels to train on, and those to judge by."""
    data = datasets.load(settings, task="classification")
    data = with_validation(data) if config.final_fit else data
    judged = data.test if config.final_fit else data.validation
    rows = np.arange(len(data.train))[: config.images]
    return (data.train.x[rows], data.train.y[rows]), (judged.x[np.arange(len(judged))], judged.y)


def _place() -> str:
    """Hardware and versions, the accelerator's name too where JAX or TensorFlow finds one."""
    import keras

    backend = keras.backend.backend()
    known = {"tensorflow": ("tensorflow", "keras"), "jax": ("jax", "keras")}.get(backend, ("keras",))
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split("\n")[0]
    except OSError:
        found = ""
    return ", ".join(filter(None, [found, machine(*known), backend]))


def _digest() -> str:
    """Of the text of the benchmark and of what it trains with: runs of another one are not taken over."""
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in SOURCES)).hexdigest()[:16]


def _tell(name: str, line: str) -> None:
    print(f"{name}, {line}", file=sys.stderr, flush=True)


def _words(row: Row) -> str:
    return (
        f"{row['accuracy']:.2%}, {row['accuracy_views']:.2%} with views, {row['seconds']:,.1f} s of training, "
        f"{row['flop'] / row['seconds'] / 1e9:,.0f} GFLOP/s"
    )


def _mean(values: list[float]) -> str:
    around = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.2f}{around} %"


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
