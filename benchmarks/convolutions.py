"""What oneDNN's routines and `fast_math` make of a step of the CIFAR-10 recipe on a processor.

    make bench BENCH=convolutions

First the network's step, a process per variant, alternating; then single convolutions, forwards and backwards, direct
and by Winograd in turns. Batches stay in memory: no pipeline is in it.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from benchmarks.workers import Task, Worker, running
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training.checks import ConfigError
from training.startup import ONEDNN, import_tensorflow

SHAPES = (
    *((31, 30, 24, 64), (15, 15, 64, 64), (15, 14, 64, 256)),  # the network's
    *((7, 7, 256, 256), (7, 6, 256, 256), (3, 3, 256, 256)),
    *((32, 32, 32, 32), (32, 32, 64, 64), (28, 28, 24, 24), (16, 16, 32, 64), (16, 16, 128, 128), (8, 8, 256, 256)),
)
"""Sides of the maps, what of them is read, channels and filters."""
BEST = {"winograd": True, "chained": True, "fused": True, "bias": False}
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "own": ("TensorFlow's own routines", "0", {}),
    "onednn": ("oneDNN's", "1", {}),
    "winograd": ("… and Winograd's convolutions", "1", {"winograd": True}),
    "chained": ("… which hand their maps on as they have them", "1", {"winograd": True, "chained": True}),
    "fused": ("… and GELU, pooling and normalisation in fewer passes", "1", {**BEST, "bias": True}),
    "bias": ("… and no bias in the whitening: the recipe", "1", BEST),
    "memory": ("… and freed memory given back", "1", {**BEST, "memory": False}),
}


@dataclass(frozen=True)
class ConvolutionsConfig:
    """Settings of the benchmark.

    Attributes:
        batch_size: Images per step.
        steps: Steps of a repeat.
        repeats: Measurements per variant.
        output: Markdown file for the tables.
    """

    batch_size: int = 500
    steps: int = 3
    repeats: int = 5
    output: str | None = None

    def __post_init__(self) -> None:
        if min(self.batch_size, self.steps, self.repeats) < 1:
            raise ConfigError(
                f"batch_size, steps and repeats must be at least 1. "
                f"Received: {self.batch_size}, {self.steps}, {self.repeats}."
            )


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(
        ConvolutionsConfig, sys.argv[1:], prog="python -m benchmarks.convolutions", description=__doc__
    )
    text = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
    return 0


def measure(config: ConvolutionsConfig) -> str:
    """Both tables as Markdown, with what they were measured on."""
    workers = {
        name: Worker(label, prepare_step, config.batch_size, config.steps, onednn, changes)
        for name, (label, onednn, changes) in VARIANTS.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with running(workers):
        for worker in workers.values():
            worker.receive()
        for _ in range(config.repeats):
            for name, worker in workers.items():
                seconds[name].append(worker.ask())
    with running({"layers": Worker("layers", prepare_layers, config.batch_size // 4 or 1)}) as layers:
        layers["layers"].receive()
        rounds = [layers["layers"].ask() for _ in range(config.repeats)]
    note = (
        f"The network of configs/cifar_94.yaml, batch {config.batch_size}, float32; single convolutions of "
        f"{config.batch_size // 4 or 1} maps, outputs and both gradients. Median (smallest–largest) of "
        f"{config.repeats} alternating repeats; ratios within each. {machine('tensorflow', 'keras')}."
    )
    return "\n\n".join([step_table(seconds), layer_table(rounds), note])


def prepare_step(batch_size: int, steps: int, onednn: str, changes: Mapping[str, Any]) -> tuple[None, Task]:
    """A network that is compiled and warm; the task trains it and returns milliseconds per image."""
    os.environ[ONEDNN] = onednn
    import_tensorflow()
    import keras

    import models
    from training.cpu import keep_freed_memory, quicken
    from training.fused import use_fused
    from training.muon import Muon
    from training.winograd import use_winograd

    keras.utils.set_random_seed(1)
    model = models.build("cifar_speed", (32, 32, 3), 10, whitening_bias=changes.get("bias", True))
    quicken(model)
    if changes.get("fused"):
        use_fused(model)
    if changes.get("winograd"):
        use_winograd(model, chained=changes.get("chained", False))
    if changes.get("memory", True):
        keep_freed_memory()
    model.compile(Muon(spared=["logits/kernel"]), "sparse_categorical_crossentropy", jit_compile=False)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batch_size, 32, 32, 3), dtype=np.uint8)
    labels = random.integers(0, 10, batch_size)

    def task() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            model.train_on_batch(images, labels)
        return 1e3 * (time.perf_counter() - start) / (steps * batch_size)

    task()
    return None, task


def prepare_layers(maps: int) -> tuple[None, Task]:
    """Convolutions of every shape; the task returns milliseconds per map of both ways, and how far apart they are.

    Each way has its maps laid out as it takes them, and the gradient of what is not read is 0.
    """
    import_tensorflow()
    import tensorflow as tf

    from training.cpu import keep_freed_memory
    from training.winograd import convolve_inside

    keep_freed_memory()

    def direct(inputs: Any, kernel: Any, read: tuple[int, int]) -> Any:
        return tf.nn.conv2d(inputs, kernel, 1, "SAME")[:, : read[0], : read[1]]

    steps = {shape: [_with_gradients(way, shape[1]) for way in (direct, convolve_inside)] for shape in SHAPES}
    inside = (1, 2, 0, 3)

    def task() -> dict[tuple[int, ...], tuple[float, float, float]]:
        found: dict[tuple[int, ...], tuple[float, float, float]] = {}
        for shape, both in steps.items():
            size, read, channels, filters = shape
            inputs = tf.random.stateless_normal((maps, size, size, channels), (1, 1))
            kernel = tf.random.stateless_normal((3, 3, channels, filters), (1, 2)) / (3 * channels**0.5)
            upstream = tf.random.stateless_normal((maps, read, read, filters), (1, 3))
            laid_out = [
                (inputs, kernel, upstream),
                (tf.transpose(inputs, inside), kernel, tf.transpose(upstream, inside)),
            ]
            spent, results = [], []
            for step, arguments in zip(both, laid_out, strict=True):
                start = time.perf_counter()
                results.append([value.numpy() for value in step(*arguments)])
                spent.append(1e3 * (time.perf_counter() - start) / maps)
            outputs, of_inputs, of_kernel = results[1]
            results[1] = [outputs.transpose(2, 0, 1, 3), of_inputs.transpose(2, 0, 1, 3), of_kernel]
            apart = max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in zip(*results, strict=True))
            found[shape] = (spent[0], spent[1], apart)
        return found

    task()
    return None, task


def _with_gradients(convolve: Callable, read: int) -> Callable:
    """Outputs and both gradients, compiled to a graph."""
    import tensorflow as tf

    @tf.function
    def step(inputs: Any, kernel: Any, upstream: Any) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch([inputs, kernel])
            outputs = convolve(inputs, kernel, (read, read))
        return outputs, *tape.gradient(outputs, [inputs, kernel], upstream)

    return step


def step_table(seconds: Mapping[str, Sequence[float]]) -> str:
    """Milliseconds per image of each variant, and how many times as fast as the first it is."""
    base = seconds["own"]
    rows = [
        [
            VARIANTS[name][0],
            spread(measured, "{:.2f}"),
            f"{1e3 / statistics.median(measured):,.0f}",
            spread([a / b for a, b in zip(base, measured, strict=True)], "{:.2f}"),
        ]
        for name, measured in seconds.items()
    ]
    header = ["a step of the network", "ms an image", "images/s", "times as fast"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def layer_table(rounds: Sequence[Mapping[tuple[int, ...], tuple[float, float, float]]]) -> str:
    """Milliseconds per map of each convolution, direct and by Winograd."""
    from training.winograd import axis

    rows = []
    for shape in SHAPES:
        size, read, channels, filters = shape
        measured = [one[shape] for one in rounds]
        products = len(axis(size, read).enter) ** 2
        rows.append(
            [
                f"{size}×{size}, {channels} → {filters}" + (f", {read}×{read} read" if read < size else ""),
                f"{9 * size**2} → {products}",
                spread([direct for direct, _, _ in measured], "{:.3f}"),
                spread([quick for _, quick, _ in measured], "{:.3f}"),
                spread([direct / quick for direct, quick, _ in measured], "{:.2f}"),
                f"{max(apart for _, _, apart in measured):.0e}",
            ]
        )
    header = ["convolution", "products", "direct, ms", "Winograd, ms", "times as fast", "difference"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError,)))
