"""`python -m training.export RUN --format all`: a trained run for other runtimes. `make export` forwards here."""

from __future__ import annotations

import sys

from evaluation.command import parse_config, run_main
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.export.command import ExportConfig, ExportError, check_settings_early, export_run
from training.results import relative
from training.run import RunError
from training.startup import import_tensorflow

DESCRIPTION = "Exports a trained run, and runs every file in its own runtime to prove that it is the same model."


def main() -> int:
    config = parse_config(
        ExportConfig, sys.argv[1:], prog="python -m training.export", description=DESCRIPTION, positional="run"
    )
    check_settings_early(config)  # what is wrong is said before seconds of imports
    import_tensorflow()
    found = export_run(config)
    print(f"\n{found.table}\n\ncard: {relative(found.card)}\nexport: {relative(found.folder)}")
    for line in found.failed:
        print(f"error: {line}", file=sys.stderr)
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, ExportError, RunError)))
