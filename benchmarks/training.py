"""How fast training is, and how it grows: three tables on the notes' CIFAR-10 network of 528,054 parameters.

    python -m benchmarks.training --part throughput --data-dir folder-with-cifar-10-batches-bin

throughput: images/s of stock Keras, PyTorch and this project, and their share of the machine's matrix-product peak;
time_to_accuracy: seconds until the validation accuracy that the notes publish, stock recipe against ours;
growth: time and memory of one epoch at a quarter, a half and all of the data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import growth, time_to_accuracy, training_throughput
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training.checks import ConfigError
from training.datasets.dataset import DataError


@dataclass(frozen=True)
class TrainingBenchConfig:
    """Settings of the benchmark.

    Attributes:
        part: Tables to make, separated by commas.
        data_dir: Folder that holds cifar-10-batches-bin; default: random images where no accuracy is measured, which
            cost the same time, else Keras' download.
        images: Training images; default: 20,000 for throughput, all for the rest.
        repeats: throughput, growth: alternating repeats of every variant.
        matrix_size: throughput: rows and columns of the matrices whose product gives the peak.
        recipe: time_to_accuracy, growth: file of settings that this project trains with.
        epochs: time_to_accuracy: epochs of our run, over which the recipe's schedule spreads.
        target: time_to_accuracy: validation accuracy to reach.
        seeds: time_to_accuracy: runs of either recipe; each pair has a split of its own.
        limit_epochs: time_to_accuracy: epochs after which the stock recipe counts as not having reached the target.
        state: time_to_accuracy: file that keeps each finished run, so that a benchmark that was cut goes on.
        output: Markdown file for the tables.
    """

    part: str = "throughput,time_to_accuracy,growth"
    data_dir: str | None = None
    images: int | None = None
    repeats: int = 5
    matrix_size: int = 2048
    recipe: str = "configs/cifar_fast.yaml"
    epochs: int = 10
    target: float = 0.694
    seeds: int = 5
    limit_epochs: int = 30
    state: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        """Refuses parts that do not exist and sizes that measure nothing."""
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            raise ConfigError(f"part must name some of {','.join(PARTS)}. Received: part={self.part!r}.")
        if self.repeats < 1 or self.seeds < 1 or self.matrix_size < 16:
            raise ConfigError(
                "repeats and seeds must be at least 1 and matrix_size at least 16. "
                f"Received: {self.repeats}, {self.seeds} and {self.matrix_size}."
            )
        if self.images is not None and not 1024 <= self.images <= 45_000:
            raise ConfigError(f"images must lie between 1,024 and 45,000. Received: images={self.images}.")
        if not 0 < self.target < 1:
            raise ConfigError(f"target must be an accuracy between 0 and 1. Received: target={self.target}.")
        if not 1 <= self.epochs <= self.limit_epochs:
            raise ConfigError(
                f"epochs must lie between 1 and limit_epochs ({self.limit_epochs}). Received: epochs={self.epochs}."
            )
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")

    @property
    def parts(self) -> list[str]:
        """The parts, as a list."""
        return [part.strip() for part in self.part.split(",") if part.strip()]


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(TrainingBenchConfig, sys.argv[1:], prog="python -m benchmarks.training", description=__doc__)
    texts = []
    for part in config.parts:
        texts.append(PARTS[part](config))
        print(("\n" if len(texts) > 1 else "") + texts[-1], flush=True)
        if config.output:
            write_atomically(Path(config.output), "\n\n".join(texts) + "\n")
    return 0


def _throughput(config: TrainingBenchConfig) -> str:
    """Images per second and share of the peak."""
    return training_throughput.measure(
        config.data_dir, images=config.images or 20_000, repeats=config.repeats, matrix_size=config.matrix_size
    )


def _time_to_accuracy(config: TrainingBenchConfig) -> str:
    """Seconds to the notes' validation accuracy."""
    race = time_to_accuracy.Race(
        recipe=config.recipe,
        data_dir=config.data_dir,
        images=config.images,
        epochs=config.epochs,
        target=config.target,
        limit_epochs=config.limit_epochs,
    )
    return time_to_accuracy.measure(race, seeds=config.seeds, state=Path(config.state) if config.state else None)


def _growth(config: TrainingBenchConfig) -> str:
    """Time and memory by the size of the data."""
    return growth.measure(config.recipe, config.data_dir, images=config.images, repeats=config.repeats)


PARTS: dict[str, Callable[[TrainingBenchConfig], str]] = {
    "throughput": _throughput,
    "time_to_accuracy": _time_to_accuracy,
    "growth": _growth,
}


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
