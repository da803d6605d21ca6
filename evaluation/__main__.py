"""`python -m evaluation FILE`: from a file of predictions to a report."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.command import parse_config, run_main
from evaluation.config import EvaluateConfig

if TYPE_CHECKING:
    from evaluation.predictions import Predictions, RegressionPredictions

_DESCRIPTION = "Reads a file of predictions and writes a report: index.html, report.json, report.md and figures."


def evaluate_file(config: EvaluateConfig) -> int:
    """Reads predictions, writes their report, and prints its table and path.

    Args:
        config: What to evaluate.

    Returns:
        The exit code 0.

    Raises:
        PredictionsError: If a file cannot be used, or files do not belong together.
        OSError: If the report cannot be written.
    """
    from evaluation.pictures import picture_finder
    from evaluation.report import ReportContext, write_report
    from evaluation.studies.readers import read_readers

    _refuse_file_as_folder(config.output_dir)
    predictions = _read(config, config.predictions)
    _refuse_unused(config, predictions)
    splits = {"predictions": predictions}
    if config.validation is not None:
        splits = {"test": predictions, "validation": _read(config, config.validation)}
        _refuse_other_classes(splits, config)
    compared = {path.stem: _read_classes(config, path) for path in config.compare}
    readers = None if config.readers is None else read_readers(config.readers, _classes(config, predictions))
    pictures = picture_finder(predictions, config.images or config.predictions.parent)
    report = write_report(
        splits,
        config.output_dir,
        title=config.shown_title,
        context=ReportContext(details=_details(config, predictions), image_of=pictures),
        options=config.options,
        compared=compared,
        readers=readers,
    )
    print(f"{report.text}\n\nReport: {report.html_path}")
    return 0


def _refuse_file_as_folder(folder: Path) -> None:
    """Refuses a report's folder that is a file, before anything is computed."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            errno.ENOTDIR, "is a file, but the report needs a folder. Give another --output", str(folder)
        )


def _refuse_unused(config: EvaluateConfig, predictions: Predictions | RegressionPredictions) -> None:
    """Refuses flags that the file of predictions gives no use for, rather than leaving them without effect."""
    from evaluation.predictions import PredictionsError, RegressionPredictions

    regression = isinstance(predictions, RegressionPredictions)
    two = getattr(predictions, "positive", None) is not None
    point = config.rule != "default" or config.threshold is not None
    refusals = (
        (regression and bool(config.compare), "models are compared on classes; this file is a regression"),
        (regression and config.logits, "--logits is for scores of classes; this file is a regression"),
        (regression and config.subgroups is not None, "--subgroups is for classes; this file is a regression"),
        (point and not two, "an operating point needs two classes, one of them positive"),
        (config.prevalence is not None and not two, "--prevalence needs two classes, one of them positive"),
        (
            config.images is not None and getattr(predictions, "images", None) is None,
            "--images needs a column image that names the picture of each example",
        ),
    )
    for refused, reason in refusals:
        if refused:
            raise PredictionsError(f"{config.predictions}: {reason}")


def _read(config: EvaluateConfig, path: Path) -> Predictions | RegressionPredictions:
    """One file of predictions, read as the flags say."""
    from evaluation.predictions import read_predictions
    from evaluation.reading.options import ReadOptions

    options = ReadOptions(logits=config.logits, missing=config.missing, subgroups=config.subgroups)
    return read_predictions(path, positive=config.positive, options=options)


def _read_classes(config: EvaluateConfig, path: Path) -> Predictions:
    """A rival's predictions."""
    from evaluation.predictions import PredictionsError, RegressionPredictions

    found = _read(config, path)
    if isinstance(found, RegressionPredictions):
        raise PredictionsError(f"{path}: models are compared on classes; this file is a regression")
    return found


def _classes(config: EvaluateConfig, predictions: Predictions | RegressionPredictions) -> Predictions:
    """The predictions, refused where readers cannot have decided the same."""
    from evaluation.predictions import PredictionsError, RegressionPredictions

    if isinstance(predictions, RegressionPredictions) or predictions.positive is None:
        raise PredictionsError(f"{config.predictions}: readers are compared on two classes, one of them positive")
    return predictions


def _refuse_other_classes(splits: dict[str, Predictions | RegressionPredictions], config: EvaluateConfig) -> None:
    """Refuses a validation file that speaks of other classes."""
    from evaluation.predictions import PredictionsError

    first, second = (getattr(predictions, "labels", None) for predictions in splits.values())
    if first != second:
        raise PredictionsError(
            f"{config.validation}: holds classes {_names(second)}, but {config.predictions} holds {_names(first)}. "
            "Give predictions of one model for both"
        )


def _names(labels: tuple[str, ...] | None) -> str:
    return "a regression" if labels is None else ", ".join(labels[:5]) + (" …" if len(labels) > 5 else "")


def _details(config: EvaluateConfig, predictions: Predictions | RegressionPredictions) -> dict[str, str]:
    """What was read, so that a report can be traced to its files."""
    from evaluation.files import sha256

    details = {"Predictions": str(config.predictions), "SHA-256": sha256(config.predictions)}
    for name, path in (("Validation", config.validation), ("Readers", config.readers)):
        if path is not None:
            details |= {name: str(path), f"{name} SHA-256": sha256(path)}
    for path in config.compare:
        details[f"Compared with {path.stem}"] = f"{path}, SHA-256 {sha256(path)}"
    return details | {"Examples": f"{len(predictions):,}"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    from evaluation.predictions import PredictionsError

    config = parse_config(
        EvaluateConfig, argv, prog="python -m evaluation", description=_DESCRIPTION, positional="predictions"
    )
    return run_main(lambda: evaluate_file(config), user_errors=(PredictionsError,))


if __name__ == "__main__":
    sys.exit(main())
