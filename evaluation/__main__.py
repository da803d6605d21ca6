"""`python -m evaluation FILE`: from a file of predictions to a report."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from evaluation.command_line import parse_config, run_main
from evaluation.config import EvaluateConfig

_DESCRIPTION = "Reads a file of predictions and writes a report: index.html, report.json, report.md and figures."


def evaluate(config: EvaluateConfig) -> int:
    """Reads predictions, writes their report, and prints its table and path.

    Args:
        config: What to evaluate.

    Returns:
        The exit code 0.

    Raises:
        PredictionsError: If the file cannot be used.
        OSError: If the report cannot be written.
    """
    from evaluation.predictions import read_predictions
    from evaluation.report import ReportContext, write_report

    predictions = read_predictions(config.predictions, positive=config.positive)
    context = ReportContext(details={"Predictions": str(config.predictions), "Examples": f"{len(predictions):,}"})
    title = config.title or f"Evaluation of {config.predictions.name}"
    report = write_report({"predictions": predictions}, config.output_dir, title=title, context=context)
    print(f"{report.text}\n\nReport: {report.html_path}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    from evaluation.predictions import PredictionsError

    config = parse_config(
        EvaluateConfig, argv, prog="python -m evaluation", description=_DESCRIPTION, positional="predictions"
    )
    return run_main(lambda: evaluate(config), user_errors=(PredictionsError,))


if __name__ == "__main__":
    sys.exit(main())
