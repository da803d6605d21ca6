"""Images per second of one training epoch, and its share of the machine's matrix-product peak."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from benchmarks import training_work
from benchmarks.hardware import machine
from benchmarks.workers import Worker, running


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        label: Its name there.
        prepare: What its process does; called with the folder of the data, the number of images and `arguments`.
        arguments: Settings.
    """

    label: str
    prepare: Callable[..., Any]
    arguments: tuple = ()


VARIANTS = {
    "keras": Variant("(a) stock Keras: the notes' script", training_work.prepare_keras),
    "torch": Variant("(b) PyTorch eager, batch 32", training_work.prepare_torch, (32,)),
    "torch_512": Variant("(c) PyTorch eager, batch 512", training_work.prepare_torch, (512,)),
    "same": Variant("(d) Groundwork, batch 32, float32", training_work.prepare_groundwork, (32, "float32")),
    "best": Variant("(e) Groundwork, batch 512, `auto`", training_work.prepare_groundwork, (512, "auto")),
}
BASE = "keras"


def measure(data_dir: str | None, *, images: int, repeats: int, matrix_size: int) -> str:
    """Runs every variant `repeats` times, alternating, and returns the table as Markdown.

    Args:
        data_dir: Folder of CIFAR-10; None for random images.
        images: Images per epoch.
        repeats: Epochs measured per variant.
        matrix_size: Rows and columns of the matrices whose product gives the peak.

    Raises:
        ConfigError: PyTorch is not installed.
        DataError: The data cannot be used.
    """
    training_work.check_torch()
    workers = {"peak": Worker("the peak", training_work.prepare_peak, matrix_size)}
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    peaks: list[dict[str, float]] = []
    with running(workers):
        facts = {"peak": workers["peak"].receive()}
        for name, variant in VARIANTS.items():  # one after the other: they warm up, and try layouts, undisturbed
            workers[name] = Worker(variant.label, variant.prepare, data_dir, images, *variant.arguments)
            facts[name] = workers[name].receive()
        for repeat in range(repeats):
            peaks.append(workers["peak"].ask())
            for name, values in rates.items():
                values.append(workers[name].ask())
                print(f"repeat {repeat + 1}/{repeats} {name}: {values[-1]:,.0f} images/s", file=sys.stderr, flush=True)
    note = (
        f"Median (smallest–largest) of {repeats} alternating repeats of one epoch over {images:,} "
        f"{'CIFAR-10' if data_dir else 'random'} images; ratios and shares within each repeat. " + _peak_words(peaks)
    )
    note += (
        f" (products of {matrix_size}×{matrix_size} matrices, best of {training_work.PRODUCTS} in each repeat); an "
        f"image takes {facts['peak']['flops'] / 1e6:.1f} MFLOP. {machine('tensorflow', 'keras', 'torch')}."
    )
    return f"{table(rates, peaks, facts)}\n\n{note}"


def table(rates: dict[str, list[float]], peaks: Sequence[dict[str, float]], facts: dict[str, dict[str, Any]]) -> str:
    """The Markdown table.

    Args:
        rates: Images per second by variant, one number per repeat.
        peaks: FLOP/s by precision, one entry per repeat.
        facts: What the processes said of themselves: `resolved` and `precision` by variant, `flops` of the peak's.
    """
    rows = []
    for name, values in rates.items():
        precision = facts[name]["precision"]
        ratios = [value / base for value, base in zip(values, rates[BASE], strict=True)]
        shares = [value * facts["peak"]["flops"] / peak[precision] for value, peak in zip(values, peaks, strict=True)]
        cells = [spread(values, "{:,.0f}"), spread(ratios, "{:.2f}"), spread(shares, "{:.0%}")]
        rows.append([VARIANTS[name].label, facts[name]["resolved"], *cells])
    header = ["variant", "resolved", "images/s", "ratio to (a)", "share of the peak"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def spread(values: Sequence[float], form: str) -> str:
    """Median (smallest–largest)."""
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


def _peak_words(peaks: Sequence[dict[str, float]]) -> str:
    """The peak of both formats."""
    words = [
        f"{name.removeprefix('mixed_')} {spread([peak[name] / 1e9 for peak in peaks], '{:.0f}')} GFLOP/s"
        for name in peaks[0]
    ]
    return "Peak: " + ", ".join(words)
