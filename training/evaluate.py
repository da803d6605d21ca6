"""`python -m training.evaluate RUN`: writes the report of a run again, with its images."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.command import parse_config, run_main
from evaluation.options import ReportSettings
from evaluation.predictions import PredictionsError, read_predictions
from evaluation.report import Report
from evaluation.report.sections import FILE, SectionsError, read_sections
from models.catalog import CATALOG
from training import datasets
from training.checks import ConfigError
from training.config import from_yaml
from training.datasets.dataset import DataError, Dataset
from training.finalfit import with_validation
from training.results import AnyPredictions, relative, report_run, reported_splits
from training.run import Run, RunError, open_run
from training.startup import import_tensorflow

DESCRIPTION = "Writes the evaluation report of a run again, from its predictions; predicts where there are none."


@dataclass(frozen=True, kw_only=True)
class EvaluateRunConfig(ReportSettings):
    """Which run, and how its report is computed. A rule chooses the operating point on the validation split.

    Attributes:
        run: The run directory.
        data_dir: Where the run's data is now, if it has moved.
    """

    run: str
    data_dir: str | None = None


def evaluate_run(config: EvaluateRunConfig) -> Report:
    """Writes `report/` of a run again and renews its manifest.

    TensorFlow is loaded only where predictions are missing and the model must make them.

    Args:
        config: Which run.

    Returns:
        The report.

    Raises:
        RunError: No run, a changed file, or data that is not what the run was trained on.
        ConfigError: A rule shall choose for a final fit, whose validation split was trained on.
        DataError, PredictionsError: Data or predictions cannot be read.
    """
    run = open_run(config.run)
    moved = {} if config.data_dir is None else {"data_dir": config.data_dir}
    settings = from_yaml(run.training_settings, **moved)
    if settings.final_fit and config.rule != "default":
        raise ConfigError(
            f"{run.path.name} is a final fit: no validation split is left on which a rule could choose. Give the "
            f"threshold that the run before it chose: --threshold 0.3, say. Received: rule={config.rule}."
        )
    record = run.read_record()
    data = datasets.load(settings, task=CATALOG[settings.model].task)
    _check_digest(run, record.get("data", {}).get("digest"), data.digest)
    data = dataclasses.replace(data, notes=(*data.notes, *record.get("start", {}).get("notes", [])))
    data = with_validation(data) if settings.final_fit else data
    predictions = _predictions(run, data, reported_splits(settings))
    _check_sections(run)
    report = report_run(run, settings, data, predictions, config.options)
    run.write_manifest()
    return report


def _check_digest(run: Run, expected: str | None, received: str) -> None:
    if expected != received:
        raise RunError(
            f"the data is not what {run.path.name} was trained on: SHA-256 {received[:12]}… where run.json has "
            f"{str(expected)[:12]}…. Point --data-dir to the data as it was, or train again."
        )


def _predictions(run: Run, data: Dataset, names: Sequence[str]) -> dict[str, AnyPredictions]:
    """The run's stored predictions, verified; made again from its verified model where one is missing."""
    paths = {name: run.predictions / f"{name}.csv" for name in names}
    stored = all(path.is_file() for path in paths.values())
    for path in paths.values() if stored else [run.model]:
        if warning := run.check(path):
            print(f"note: {warning}", file=sys.stderr)
    if stored:
        return {name: read_predictions(path, positive=data.positive) for name, path in paths.items()}
    import_tensorflow()
    from training.predictions import predict_run

    return predict_run(run, data, names)


def _check_sections(run: Run) -> None:
    """Refuses sections, or their pictures, that are not those which the run wrote; a missing one is no reason."""
    try:
        figures = [path for section in read_sections(run.path) for path, _ in section.figures]
    except SectionsError:
        figures = []  # the manifest says below whether the file was torn later
    for path in [run.path / FILE, *figures]:
        if path.is_file() and (warning := run.check(path)):
            print(f"note: {warning}", file=sys.stderr)


def main() -> int:
    config = parse_config(
        EvaluateRunConfig, sys.argv[1:], prog="python -m training.evaluate", description=DESCRIPTION, positional="run"
    )
    report = evaluate_run(config)
    print(f"{report.text}\n\nreport: {relative(report.html_path)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, RunError, PredictionsError)))
