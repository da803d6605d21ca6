"""`python -m transfer.tune`: searches the head of a pre-trained network, or how it is fine-tuned.

`make tune BACKBONE=…` forwards to it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from evaluation.command import parse_config, run_main
from training.checks import ConfigError
from training.datasets.catalog import SOURCES
from training.results import relative
from training.startup import import_tensorflow
from training.tune import USER_ERRORS, ending_in_words
from training.tuning.channel import read_place
from training.tuning.resume import ResumeTuneConfig, refuse_other_settings
from transfer.pretrained.catalog import BACKBONES
from transfer.search.config import HEADS, PretrainedSearchConfig

if TYPE_CHECKING:
    from transfer.search.heads import HeadResult

PROG = "python -m transfer.tune"
DESCRIPTION = (
    "Searches the head of a pre-trained network, on features that are computed once; with --fine-tune how the whole "
    "network learns."
)
RESUME = """go on with a search that was interrupted, terminated or killed, or make it longer:
  --resume SEARCH       its directory; beside it only --max-trials, --time, --workers, --data-dir, --verbose
"""


def choices() -> str:
    """How to go on, and heads, backbones and data sets, shown below the flags."""
    networks = [f"  {name:22}{facts.summary}" for name, facts in BACKBONES.items()]
    sources = [f"  {name:22}{one.summary}" for name, one in SOURCES.items() if "image" in one.kinds]
    return "\n".join([RESUME, f"heads: {', '.join(HEADS)}", "backbones:", *networks, "data sets:", *sources])


def main() -> int:
    """Runs the command line and returns its exit code."""
    return ending_in_words(lambda: _show(_search(sys.argv[1:])))


def _search(argv: list[str]) -> HeadResult:
    """Starts a search, or goes on with one where `--resume` stands on the command line."""
    if read_place(os.environ) is not None:
        raise ConfigError(
            "several machines search on files that each of them has: share runs/features/….npz and use make tune "
            "DATASET=npz DATA_DIR=that-file for heads, or a network with its head and use make tune MODEL=saved "
            "START=that-file for fine-tuning. Unset the three variables to search here."
        )
    resumed = any(argument.partition("=")[0] == "--resume" for argument in argv)
    if resumed:
        refuse_other_settings(argv)
        request = parse_config(ResumeTuneConfig, argv, prog=PROG, description="Goes on with a search.")
    else:
        config = parse_config(PretrainedSearchConfig, argv, prog=PROG, description=DESCRIPTION, choices_help=choices())
    import_tensorflow()
    from transfer.search.finetuning import tune_fine_tuning
    from transfer.search.heads import HeadResult, go_on, tune_head

    if resumed:
        return go_on(request)
    return HeadResult(tune_fine_tuning(config), None) if config.fine_tune else tune_head(config)


def _show(result: HeadResult) -> int:
    from training.tuning.session import summary

    lines = [] if result.search is None else summary(result.search)
    if result.network is not None:
        path = relative(result.network)
        lines.append(f"the network with this head, from raw pixels: {path}")
        lines.append(f"use it: make predict MODEL_FILE={path} TRUST=1 IMAGES=…")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=USER_ERRORS))
