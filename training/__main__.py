"""`python -m training`: trains one model and ends in a report. `make train` forwards to it."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from evaluation.command import parse_config, run_main
from evaluation.predictions import PredictionsError
from models.catalog import CATALOG
from training.checks import ConfigError, TrainingDiverged
from training.config import TrainConfig
from training.datasets.catalog import SOURCES
from training.datasets.dataset import DataError
from training.interrupt import EXIT_CODES
from training.results import relative
from training.resume import AlreadyFinished, ResumeConfig, refuse_other_settings, resume
from training.run import RunError
from training.startup import import_tensorflow

if TYPE_CHECKING:
    from training.finish import RunResult

PROG = "python -m training"
DESCRIPTION = "Trains an image classifier (or a model for a table) and writes an evaluation report."
RESUME = """resume a run that was interrupted, terminated or killed:
  --resume RUN          goes on after the newest checkpoint of that run directory, with its own settings
  --resume auto         the newest unfinished run of runs_dir; beside it only --epochs, --data-dir, --verbose
"""
USER_ERRORS = (ConfigError, DataError, PredictionsError, RunError, TrainingDiverged)


def choices() -> str:
    """How to resume, and the models and data sets with one line each, shown below the flags."""
    names = [f"  {name:22}{entry.summary}" for name, entry in CATALOG.items()]
    sources = [f"  {name:22}{entry.summary}" for name, entry in SOURCES.items()]
    return "\n".join([RESUME, "models:", *names, "data sets:", *sources])


def main() -> int:
    try:
        return _show(_train(sys.argv[1:]))
    except AlreadyFinished as done:
        print(done)
        return 0


def _train(argv: list[str]) -> RunResult:
    """Starts a run, or goes on with one where `--resume` stands on the command line."""
    if any(argument.partition("=")[0] == "--resume" for argument in argv):
        refuse_other_settings(argv)
        return resume(parse_config(ResumeConfig, argv, prog=PROG, description="Goes on with a run."))
    config = parse_config(TrainConfig, argv, prog=PROG, description=DESCRIPTION, choices_help=choices())
    import_tensorflow()
    from training.train import train

    return train(config)


def _show(result: RunResult) -> int:
    """Prints the report and where things are; the exit code follows how the run ended."""
    if not result.is_chief:
        return EXIT_CODES.get(result.ended, 0)
    path = relative(result.run.path)
    if result.report is None:
        print(f"{result.ended} before the first epoch ended; nothing to report. Run: {path}")
    else:
        print(f"\n{result.report.text}\n\nverdict: {result.verdict}")
    code = EXIT_CODES.get(result.ended, 0)
    if code and result.report is not None:
        print(f"{result.ended}; the best epoch so far, {result.best_epoch}, is kept in {relative(result.run.model)}")
    if code:
        print(f"go on with: make train RESUME={shlex.quote(path)}")
    if result.report is not None:
        print(f"model: {relative(result.run.model)}\nreport: {relative(result.report.html_path)}")
    return code


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=USER_ERRORS))
