"""One recipe over several seeds: what the README quotes, with n, mean and spread.

    make seeds COUNT=5 MODEL=cifar_cnn DATASET=digits

Every run has its own seed for weights and order and, where the source has no test set of its own,
its own split. The test result is read once per run, at the best validation epoch.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from pathlib import Path

from tabulate import tabulate

from evaluation.command import parse_config, run_main
from training.checks import ConfigError, TrainingDiverged
from training.config import TrainConfig
from training.datasets.dataset import DataError
from training.startup import import_tensorflow


@dataclasses.dataclass(frozen=True)
class SeedsConfig(TrainConfig):
    __doc__ = (TrainConfig.__doc__ or "") + (
        "    count: Number of seeds, from `seed` upwards.\n    output: Markdown file for the table.\n"
    )
    count: int = 5
    output: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 1:
            raise ConfigError(f"count must be at least 1. Received: count={self.count}.")


def main() -> int:
    config = parse_config(SeedsConfig, sys.argv[1:], prog="python -m benchmarks.seeds", description=__doc__)
    import_tensorflow()
    text = measure(config)
    print(text)
    if config.output:
        Path(config.output).write_text(text + "\n", encoding="utf-8")
    return 0


def measure(config: SeedsConfig) -> str:
    """Trains `count` times and returns the table as Markdown."""
    from training.run import environment
    from training.train import train

    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(TrainConfig)}
    rows: list[list] = []
    results: list[dict[str, float]] = []
    for seed in range(config.seed, config.seed + config.count):
        result = train(TrainConfig(**settings | {"seed": seed, "split_seed": seed}))
        if result.report is None:
            raise KeyboardInterrupt
        numbers = headline(result.report.data)
        epochs, best = len(result.history["loss"]), result.best_epoch
        rows.append([seed, f"{best} of {epochs}", *(f"{value:.4f}" for value in numbers.values()), result.verdict.kind])
        results.append(numbers)
        print(f"seed {seed}: {numbers}", file=sys.stderr, flush=True)
    names = list(results[0])
    summary = ["mean ± sd", "", *(_mean_and_spread([row[name] for row in results]) for name in names), ""]
    table = tabulate(
        [*rows, summary], ["seed", "best epoch", *names, "verdict"], tablefmt="github", disable_numparse=True
    )
    hardware = environment()["hardware"]
    where = ", ".join([hardware["processor"], f"{hardware['cores']} cores", *hardware["gpus"]])
    return f"{table}\n\n{config.model} on {config.dataset}, n = {config.count} seeds. {where}."


def headline(report: dict) -> dict[str, float]:
    """The numbers of a report that a table over seeds shows, for test and validation."""
    numbers: dict[str, float] = {}
    for name in ("test", "validation"):
        split = report["splits"][name]
        found = {key: split[key]["estimate"] for key in ("accuracy", "mae", "rmse", "r2") if key in split}
        if split.get("positive") is not None:
            positive = split["per_class"][split["labels"].index(split["positive"])]
            found |= {key: positive[key]["estimate"] for key in ("sensitivity", "specificity", "auc")}
        numbers |= {f"{name} {key}": value for key, value in found.items() if value is not None}
    return numbers


def _mean_and_spread(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.4f} ± {spread:.4f}"


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, TrainingDiverged)))
