"""What a training step costs on a processor: whose routines compute, pooling's gradient, memory given back.

    make bench BENCH=step

The notes' network, one batch that stays in memory, so that no pipeline is in it; a process per variant, alternating.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from benchmarks.training_work import IMAGE_SHAPE, NUM_CLASSES
from benchmarks.workers import Task, Worker, running
from evaluation.command import parse_config, run_main
from training.checks import ConfigError
from training.startup import ONEDNN, import_tensorflow

IMAGES = 8192  # per repeat
VARIANTS = {
    "stock": ("TensorFlow's own routines", "0", False, False),
    "pooling": ("… pooling's gradient replaced", "0", True, False),
    "memory": ("… freed memory kept", "0", False, True),
    "both": ("… both", "0", True, True),
    "onednn": ("oneDNN's routines", "1", False, False),
    "trained": ("… freed memory kept, as Groundwork trains", "1", False, True),
}


@dataclass(frozen=True)
class StepConfig:
    """Settings of the benchmark.

    Attributes:
        batch_size: Images per step.
        repeats: Measurements per variant, of 8,192 images each.
        output: Markdown file for the table.
    """

    batch_size: int = 512
    repeats: int = 5
    output: str | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1 or not 1 <= self.batch_size <= IMAGES:
            raise ConfigError(
                f"repeats must be at least 1 and batch_size 1 to {IMAGES}. "
                f"Received: {self.repeats} and {self.batch_size}."
            )


@dataclass(frozen=True)
class Cost:
    """One measurement: images per second, per processor second of all threads, and page faults per image."""

    rate: float
    processor_rate: float
    faults: float


def main() -> int:
    config = parse_config(StepConfig, sys.argv[1:], prog="python -m benchmarks.step", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        Path(config.output).write_text(text + "\n", encoding="utf-8")
    return 0


def measure(config: StepConfig) -> str:
    """Runs every variant `repeats` times, alternating, and returns the table as Markdown."""
    workers = {
        name: Worker(label, prepare_step, config.batch_size, onednn, pooling, memory)
        for name, (label, onednn, pooling, memory) in VARIANTS.items()
    }
    costs: dict[str, list[Cost]] = {name: [] for name in VARIANTS}
    with running(workers):
        for worker in workers.values():
            worker.receive()
        for _ in range(config.repeats):
            for name, worker in workers.items():
                costs[name].append(worker.ask())
    return table(config, costs)


def prepare_step(batch_size: int, onednn: str, pooling: bool, memory: bool) -> tuple[None, Task]:
    """A model that is compiled and warm; the task trains it on 8,192 images."""
    os.environ[ONEDNN] = onednn
    import_tensorflow()
    import keras
    import tensorflow as tf

    import models
    from training.cpu import keep_freed_memory, quicken

    model = models.build("cifar_cnn", IMAGE_SHAPE, NUM_CLASSES)
    if pooling:
        quicken(model)
    if memory:
        keep_freed_memory()
    model.compile(keras.optimizers.RMSprop(), "sparse_categorical_crossentropy", jit_compile=False)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batch_size, *IMAGE_SHAPE), dtype=np.uint8)
    batch = tf.data.Dataset.from_tensors((images, random.integers(0, NUM_CLASSES, batch_size))).cache()
    steps = IMAGES // batch_size
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread holds the end of an epoch up, by seconds (measured)
    batches = batch.repeat().with_options(options)

    def task() -> Cost:
        faults, seconds, processor = _faults(), time.perf_counter(), time.process_time()
        model.fit(batches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
        count = steps * batch_size
        return Cost(
            count / (time.perf_counter() - seconds),
            count / (time.process_time() - processor),
            (_faults() - faults) / count,
        )

    task()
    return None, task


def _faults() -> int:
    """Pages that the system has handed to this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def table(config: StepConfig, costs: Mapping[str, Sequence[Cost]]) -> str:
    """The measurements as Markdown, medians with the smallest and the largest."""
    rows = [
        [
            VARIANTS[name][0],
            spread([cost.rate for cost in measured], "{:,.0f}"),
            spread([cost.processor_rate for cost in measured], "{:,.0f}"),
            spread(_ratios(measured, costs["stock"]), "{:.2f}"),
            f"{statistics.median(cost.faults for cost in measured):.1f}",
        ]
        for name, measured in costs.items()
    ]
    headers = ["variant", "images/s", "images per processor second", "ratio of these", "page faults per image"]
    note = (
        f"The notes' CNN, batch {config.batch_size}, float32, rmsprop. Median (smallest–largest) of {config.repeats} "
        f"alternating repeats of {IMAGES:,} images; ratios within each repeat. {machine('tensorflow', 'keras')}."
    )
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True) + "\n\n" + note


def _ratios(measured: Sequence[Cost], base: Sequence[Cost]) -> list[float]:
    return [one.processor_rate / other.processor_rate for one, other in zip(measured, base, strict=True)]


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError,)))
