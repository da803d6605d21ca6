"""`python -m training.tune`: searches hyperparameters and tests the best setting. `make tune` forwards to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from evaluation.command import parse_config, run_main
from evaluation.predictions import PredictionsError
from models.catalog import CATALOG
from training.checks import ConfigError, TrainingDiverged
from training.datasets.catalog import SOURCES
from training.datasets.dataset import DataError
from training.interrupt import EXIT_CODES
from training.resume import AlreadyFinished
from training.run import RunError
from training.startup import import_tensorflow
from training.tuning.config import TuneConfig
from training.tuning.resume import ResumeTuneConfig, refuse_other_settings

if TYPE_CHECKING:
    from training.tuning.session import TuneResult

PROG = "python -m training.tune"
DESCRIPTION = "Searches hyperparameters, compares the best with the default setting and tests it once."
RESUME = """go on with a search that was interrupted, terminated or killed, or make it longer:
  --resume SEARCH       its directory; beside it only --max-trials, --time, --data-dir, --verbose
"""
USER_ERRORS = (ConfigError, DataError, PredictionsError, RunError, TrainingDiverged)


def choices() -> str:
    """How to go on, and the models and data sets with one line each, shown below the flags."""
    names = [f"  {name:22}{entry.summary}" for name, entry in CATALOG.items() if entry.gradient]
    sources = [f"  {name:22}{entry.summary}" for name, entry in SOURCES.items()]
    return "\n".join([RESUME, "models:", *names, "data sets:", *sources])


def main() -> int:
    try:
        return _show(_search(sys.argv[1:]))
    except AlreadyFinished as done:
        print(done)
        return 0
    except KeyboardInterrupt as stopped:
        ended = str(stopped) if str(stopped) in EXIT_CODES else "interrupted"
        print(f"{ended}. {' '.join(getattr(stopped, '__notes__', []))}", file=sys.stderr)
        return EXIT_CODES[ended]


def _search(argv: list[str]) -> TuneResult:
    """Starts a search, or goes on with one where `--resume` stands on the command line."""
    if any(argument.partition("=")[0] == "--resume" for argument in argv):
        refuse_other_settings(argv)
        request = parse_config(ResumeTuneConfig, argv, prog=PROG, description="Goes on with a search.")
        import_tensorflow()
        from training.tuning.session import go_on

        return go_on(request)
    config = parse_config(TuneConfig, argv, prog=PROG, description=DESCRIPTION, choices_help=choices())
    import_tensorflow()
    from training.tuning.session import tune

    return tune(config)


def _show(result: TuneResult) -> int:
    from training.tuning.session import summary

    print("\n".join(summary(result)))
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=USER_ERRORS))
