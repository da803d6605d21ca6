"""`python -m training`: trains one model and ends in a report. `make train` forwards to it."""

from __future__ import annotations

import sys

from evaluation.command import parse_config, run_main
from evaluation.predictions import PredictionsError
from models.catalog import CATALOG
from training.checks import ConfigError, TrainingDiverged
from training.config import TrainConfig
from training.datasets.catalog import SOURCES
from training.datasets.dataset import DataError
from training.results import relative
from training.run import RunError
from training.startup import import_tensorflow

DESCRIPTION = "Trains an image classifier (or a model for a table) and writes an evaluation report."


def choices() -> str:
    """The models and data sets with one line each, shown below the flags."""
    names = [f"  {name:22}{entry.summary}" for name, entry in CATALOG.items()]
    sources = [f"  {name:22}{entry.summary}" for name, entry in SOURCES.items()]
    return "\n".join(["models:", *names, "data sets:", *sources])


def main() -> int:
    config = parse_config(
        TrainConfig, sys.argv[1:], prog="python -m training", description=DESCRIPTION, choices_help=choices()
    )
    import_tensorflow()
    from training.train import train

    result = train(config)
    if result.report is None:
        print(f"{result.ended} before the first epoch ended; nothing to report. Run: {relative(result.run.path)}")
        return 130
    print(f"\n{result.report.text}\n\nverdict: {result.verdict}")
    if result.ended == "interrupted":
        print(f"interrupted; the best epoch so far, {result.best_epoch}, is kept in {relative(result.run.model)}")
    print(f"model: {relative(result.run.model)}\nreport: {relative(result.report.html_path)}")
    return 130 if result.ended == "interrupted" else 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, PredictionsError, RunError, TrainingDiverged)))
