"""`python -m training.predict RUN --images photos`: a trained run looks at new images. `make predict` forwards here."""

from __future__ import annotations

import sys

from evaluation.command import parse_config, run_main
from evaluation.predictions import PredictionsError
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.predict.command import PredictConfig, predict_files
from training.results import relative
from training.run import RunError, open_run
from training.startup import import_tensorflow

DESCRIPTION = "Predicts images with a trained run, and evaluates it where their folders name the classes."


def main() -> int:
    config = parse_config(
        PredictConfig, sys.argv[1:], prog="python -m training.predict", description=DESCRIPTION, positional="run"
    )
    if config.run is not None:
        open_run(config.run)  # a wrong path is said before seconds of imports
    import_tensorflow()
    found = predict_files(config)
    print("\n".join(["", *found.lines]))
    if found.report is not None:
        print(f"\n{found.report.text}\n\nreport: {relative(found.report.html_path)}")
    print(f"predictions: {relative(found.table)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, PredictionsError, RunError)))
