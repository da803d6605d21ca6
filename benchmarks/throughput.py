"""Images per second of one training epoch: the notes' own script against this project, side by side.

    make bench DATA_DIR=folder-with-cifar-10-batches-bin

All variants train the same 528,054-parameter network with rmsprop on the same 20,000 CIFAR-10
images, one epoch per repeat, in alternating order, each in a process of its own that stays warm.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.training_work import notes_arrays, notes_model
from evaluation.command import parse_config, run_main
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.startup import import_tensorflow

VARIANTS = {
    "notes": "(a) the notes' script: fit on float32 arrays, batch 32",
    "same": "(b) Groundwork, batch 32, float32",
    "default": "(c) Groundwork, default settings",
}
NUM_CLASSES = 10


@dataclass(frozen=True)
class ThroughputConfig:
    """Settings of the benchmark.

    Attributes:
        data_dir: Folder that holds cifar-10-batches-bin; default: random images, which cost the same time.
        images: Training images per epoch.
        repeats: Epochs measured per variant, after one that warms up.
        output: Markdown file for the table.
    """

    data_dir: str | None = None
    images: int = 20_000
    repeats: int = 5
    output: str | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.images < 256:
            raise ConfigError(
                f"repeats must be at least 1 and images at least 256. Received: {self.repeats} and {self.images}."
            )


def main() -> int:
    config = parse_config(ThroughputConfig, sys.argv[1:], prog="python -m benchmarks.throughput", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        Path(config.output).write_text(text + "\n", encoding="utf-8")
    return 0


def measure(config: ThroughputConfig) -> str:
    """Runs every variant `repeats` times, alternating, and returns the table as Markdown."""
    context = multiprocessing.get_context("spawn")
    workers = {}
    for name in VARIANTS:
        here, there = context.Pipe()
        process = context.Process(target=_worker, args=(there, name, config), daemon=True)
        process.start()
        there.close()
        workers[name] = (process, here)
    facts = {name: _receive(name, pipe) for name, (_, pipe) in workers.items()}
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for repeat in range(config.repeats):
        for name, (_, pipe) in workers.items():
            pipe.send("epoch")
            rates[name].append(_receive(name, pipe))
            print(f"repeat {repeat + 1}/{config.repeats} {name}: {rates[name][-1]:,.0f} images/s", file=sys.stderr)
    for process, pipe in workers.values():
        pipe.send("stop")
        process.join(30)
    return _table(rates, facts, config)


def _receive(name: str, pipe) -> Any:
    try:
        answer = pipe.recv()
    except EOFError:
        raise ConfigError(f"the process of variant {name} ended; its message stands above.") from None
    if isinstance(answer, DataError):
        raise answer
    return answer


def _table(rates: dict[str, list[float]], facts: dict[str, dict], config: ThroughputConfig) -> str:
    rows = []
    for name, values in rates.items():
        ratios = [value / base for value, base in zip(values, rates["notes"], strict=True)]
        rows.append(
            [
                VARIANTS[name],
                facts[name]["settings"],
                f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})",
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
            ]
        )
    header = ["variant", "resolved", "images/s", "ratio to (a)"]
    machine = facts["notes"]["machine"]
    note = (
        f"Median (smallest–largest) of {config.repeats} alternating repeats of one epoch over {config.images:,} "
        f"images; ratios within each repeat. {machine}."
    )
    return tabulate(rows, headers=header, tablefmt="github") + "\n\n" + note


def _worker(pipe, name: str, config: ThroughputConfig) -> None:
    """Prepares one variant, warms it up, then trains an epoch whenever asked."""
    import_tensorflow()
    try:
        x, y = _images(config)
        epoch, settings = (_notes if name == "notes" else _groundwork)(x, y, name)
    except DataError as error:
        pipe.send(error)
        return
    epoch()
    pipe.send({"settings": settings, "machine": _machine()})
    while pipe.recv() == "epoch":
        start = time.perf_counter()
        epoch()
        pipe.send(len(x) / (time.perf_counter() - start))


def _images(config: ThroughputConfig):
    import numpy as np

    if config.data_dir is None:
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (config.images, 32, 32, 3), dtype=np.uint8)
        return images, random.integers(0, NUM_CLASSES, config.images)
    from training.config import TrainConfig
    from training.datasets import load

    data = load(TrainConfig(dataset="cifar10", data_dir=config.data_dir), progress=False)
    return data.train.x[np.arange(config.images)], data.train.y[: config.images]


def _machine() -> str:
    import keras
    import tensorflow as tf

    from training.run import environment

    hardware = environment()["hardware"]
    parts = [hardware["processor"], f"{hardware['cores']} cores", *hardware["gpus"]]
    return f"{', '.join(parts)}; TensorFlow {tf.__version__}, Keras {keras.__version__}"


def _notes(x, y, name: str):
    """The course's script as published: scaled float32 arrays, one-hot labels, `fit` with its defaults."""
    model = notes_model()
    scaled, one_hot = notes_arrays(x, y)
    return lambda: model.fit(scaled, one_hot, batch_size=32, epochs=1, verbose=0), "batch 32, float32"


def _groundwork(x, y, name: str):
    """This project's own model, pipeline and resolved settings."""
    import numpy as np

    from training.config import TrainConfig
    from training.datasets.dataset import Dataset, Split
    from training.pipeline import batches
    from training.prepare import prepare

    settings: dict[str, Any] = {"batch_size": 32, "precision": "float32"} if name == "same" else {}
    config = TrainConfig(optimizer="rmsprop", verbose="silent", **settings)
    split = Split(x=x, y=np.asarray(y), ids=np.arange(len(y)).astype(str))
    names = tuple(str(index) for index in range(NUM_CLASSES))
    data = Dataset("cifar10", "image", "classification", split, split, split, names, digest="")
    model, _, plan = prepare(config, data)
    dataset = batches(split, batch_size=plan.batch_size, shuffle_seed=config.seed)
    resolved = f"batch {plan.batch_size}, {plan.policy}, {plan.steps_per_execution} steps a call"
    return lambda: model.fit(dataset, epochs=1, shuffle=False, verbose=0), resolved


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
