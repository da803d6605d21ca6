"""`python -m transfer`: adapts a pre-trained network and ends in a report. `make transfer` forwards to it."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from evaluation.command import parse_config, run_main
from evaluation.predictions import PredictionsError
from training.checks import ConfigError, TrainingDiverged
from training.datasets.catalog import SOURCES
from training.datasets.dataset import DataError
from training.interrupt import EXIT_CODES
from training.results import relative
from training.resume import AlreadyFinished
from training.run import RunError
from training.startup import import_tensorflow
from transfer.cases import CASES
from transfer.config import TransferConfig
from transfer.pretrained.catalog import BACKBONES
from transfer.resume import ResumeConfig, refuse_other_settings, resume

if TYPE_CHECKING:
    from transfer.comparison.allcases import GroupResult
    from transfer.fitting.outcome import TransferResult

PROG = "python -m transfer"
DESCRIPTION = "Adapts a network that was trained on ImageNet to new images and writes an evaluation report."
RESUME = """resume a run that was interrupted, terminated or killed:
  --resume RUN          goes on with that run directory, or with that of all cases, with its own settings
  --resume auto         the newest unfinished one of runs_dir; beside it only --data-dir, --verbose
"""
USER_ERRORS = (ConfigError, DataError, PredictionsError, RunError, TrainingDiverged)


def choices() -> str:
    """How to resume, and cases, backbones and data sets with one line each, shown below the flags."""
    cases = [f"  {name:22}{case.title}: for {case.when}" for name, case in CASES.items()]
    networks = [f"  {name:22}{facts.summary}" for name, facts in BACKBONES.items()]
    sources = [f"  {name:22}{one.summary}" for name, one in SOURCES.items() if "image" in one.kinds]
    return "\n".join([RESUME, "cases:", *cases, "backbones:", *networks, "data sets:", *sources])


def main() -> int:
    try:
        return _show(_transfer(sys.argv[1:]))
    except AlreadyFinished as done:
        print(done)
        return 0


def _transfer(argv: list[str]) -> TransferResult | GroupResult:
    """Starts a run, several where the case names several, or goes on where `--resume` stands on the command line."""
    if any(argument.partition("=")[0] == "--resume" for argument in argv):
        refuse_other_settings(argv)
        return resume(parse_config(ResumeConfig, argv, prog=PROG, description="Goes on with a run."))
    config = parse_config(TransferConfig, argv, prog=PROG, description=DESCRIPTION, choices_help=choices())
    import_tensorflow()
    if len(config.cases) > 1:
        from transfer.comparison.allcases import transfer_cases

        return transfer_cases(config)
    from transfer.finetune import transfer

    return transfer(config)


def _show(result: TransferResult | GroupResult) -> int:
    """Prints what was reached and where things are; the exit code follows how it ended."""
    from transfer.comparison.allcases import GroupResult

    one = result.best if isinstance(result, GroupResult) else result
    path = relative(result.folder if isinstance(result, GroupResult) else result.run.path)
    code = EXIT_CODES.get(result.ended, 0)
    if one is not None and one.report is not None:
        print(f"\n{one.report.text}\n\nverdict: {one.verdict}")
    if isinstance(result, GroupResult):
        print(result.text)
    if code:
        print(f"{result.ended}; go on with: make transfer RESUME={shlex.quote(path)}")
    if one is not None and one.report is not None:
        print(f"model: {relative(one.run.model)}\nreport: {relative(one.report.html_path)}")
        print(one.choice.text)
        print(one.text)
    if isinstance(result, GroupResult) and not code:
        print(f"all cases: {relative(result.folder / 'index.html')}")
    return code


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=USER_ERRORS))
