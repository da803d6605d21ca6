"""`python -m training.demo RUN`: drop images on a local page and see what a run says. `make demo` forwards here."""

from __future__ import annotations

import sys

from evaluation.command import parse_config, run_main
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.demo.command import DemoConfig, serve_demo
from training.run import RunError

DESCRIPTION = "Serves a page, to this machine alone, where dropped images meet a trained run. Nothing is stored."


def main() -> int:
    config = parse_config(
        DemoConfig, sys.argv[1:], prog="python -m training.demo", description=DESCRIPTION, positional="run"
    )
    serve_demo(config)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, RunError)))
