"""`python -m training.tune`: searches hyperparameters and tests the best setting. `make tune` forwards to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.command import parse_config, run_main
from evaluation.predictions import PredictionsError
from models.catalog import CATALOG
from training.checks import ConfigError, TrainingDiverged
from training.datasets.catalog import SOURCES
from training.datasets.dataset import DataError
from training.interrupt import EXIT_CODES
from training.results import relative
from training.resume import AlreadyFinished
from training.run import RunError
from training.startup import import_tensorflow
from training.tuning.channel import read_place
from training.tuning.config import TuneConfig
from training.tuning.resume import ResumeTuneConfig, refuse_other_settings
from training.tuning.workers import join

if TYPE_CHECKING:
    from training.tuning.session import TuneResult

PROG = "python -m training.tune"
DESCRIPTION = "Searches hyperparameters, compares the best with the default setting and tests it once."
RESUME = """go on with a search that was interrupted, terminated or killed, or make it longer:
  --resume SEARCH       its directory; beside it only --max-trials, --time, --workers, --data-dir, --verbose
write the page of a search at any time:
  --report SEARCH       its directory
"""
USER_ERRORS = (ConfigError, DataError, PredictionsError, RunError, TrainingDiverged)


def choices() -> str:
    """How to go on, and the models and data sets with one line each, shown below the flags."""
    names = [f"  {name:22}{entry.summary}" for name, entry in CATALOG.items() if entry.gradient]
    sources = [f"  {name:22}{entry.summary}" for name, entry in SOURCES.items()]
    return "\n".join([RESUME, "models:", *names, "data sets:", *sources])


def main() -> int:
    """Runs the command line and returns its exit code."""
    if any(argument.partition("=")[0] == "--report" for argument in sys.argv[1:]):
        return _report(sys.argv[1:])
    return ending_in_words(lambda: _show(_search(sys.argv[1:])))


def ending_in_words(action: Callable[[], int]) -> int:
    """The exit code of a search: its own, 0 where nothing was left to do, or that of the signal that ended it."""
    try:
        return action()
    except AlreadyFinished as done:
        print(done)
        return 0
    except KeyboardInterrupt as stopped:
        ended = str(stopped) if str(stopped) in EXIT_CODES else "interrupted"
        print(f"{ended}. {' '.join(getattr(stopped, '__notes__', []))}", file=sys.stderr)
        return EXIT_CODES[ended]


@dataclass(frozen=True)
class ReportConfig:
    """Which search gets its page.

    Attributes:
        report: The search's directory; it may be at work, cut or complete.
    """

    report: str


def _report(argv: list[str]) -> int:
    """Writes the page of a search again."""
    config = parse_config(ReportConfig, argv, prog=PROG, description="Writes the report of a search.")
    from training.tuning.report import report_again

    print(f"search: {relative(report_again(config.report))}")
    return 0


def _search(argv: list[str]) -> TuneResult | None:
    """Starts a search, goes on with one where `--resume` stands on the command line, or works for another machine's."""
    place = read_place(os.environ)
    resumed = any(argument.partition("=")[0] == "--resume" for argument in argv)
    if resumed:
        refuse_other_settings(argv)
        request = parse_config(ResumeTuneConfig, argv, prog=PROG, description="Goes on with a search.")
        workers, data_dir = request.workers or 1, request.data_dir
    else:
        config = parse_config(TuneConfig, argv, prog=PROG, description=DESCRIPTION, choices_help=choices())
        workers, data_dir = config.workers, config.data_dir
    if place is not None and place.role == "worker":
        join(place, workers, data_dir)
        return None
    import_tensorflow()
    from training.tuning.session import go_on, tune

    return go_on(request, place) if resumed else tune(config, place)


def _show(result: TuneResult | None) -> int:
    if result is None:
        return 0
    from training.tuning.session import summary

    print("\n".join(summary(result)))
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=USER_ERRORS))
