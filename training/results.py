"""What a run shows: its splits, its report, the lines that a user reads. Needs no TensorFlow."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.files import write_atomically
from evaluation.options import ReportOptions
from evaluation.predictions import Predictions, RegressionPredictions
from evaluation.report import Report, ReportContext, write_report
from evaluation.report.sections import Section, SectionsError, read_sections, write_sections
from training.config import TrainConfig
from training.datasets.dataset import Dataset, Split
from training.run import Run

if TYPE_CHECKING:
    import keras

AnyPredictions = Predictions | RegressionPredictions
REPORTED = ("test", "validation")


def reported_splits(config: TrainConfig) -> tuple[str, ...]:
    """The splits that a run predicts and reports: those that it was not trained on."""
    return ("test",) if config.final_fit else REPORTED


def _sizes(config: TrainConfig, data: Dataset) -> str:
    """Examples of what is trained on and of what is reported; those of a final fit's validation are in train."""
    names = ("train", *reported_splits(config))
    return ", ".join(f"{name} {len(split):,}" for name, split in data.splits.items() if name in names)


def describe(
    config: TrainConfig, data: Dataset, run: Run, model: keras.Model, policy: str, batch_size: int, fast: int = 0
) -> Iterator[str]:
    """What a user wants to see before the first epoch: data, notes, model, place."""
    sizes = _sizes(config, data)
    shape = "×".join(str(size) for size in data.input_shape)
    what = f"{data.num_classes} classes" if data.num_classes else "one number to predict"
    yield f"{data.name}: {shape} {'pixels' if data.kind == 'image' else 'features'}, {what} ({sizes})"
    for note in data.notes:
        yield f"note: {note}"
    some = f" ({trainable_count(model):,} of them trained)" if config.start is not None else ""
    yield f"{config.model}: {model.count_params():,} parameters{some}, {policy}, batch {batch_size}, {config.optimizer}"
    if config.fast_math:
        quick = f"{fast} layers compute" if fast else "no layer of this model computes"
        yield f"fast_math: {quick} a quicker way{'' if fast else ' here (it needs one processor and float32)'}"
    yield f"run: {run.path}"


def trainable_count(model: keras.Model) -> int:
    """Number of parameters that training changes."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def write_splits(run: Run, data: Dataset, reported: Sequence[str] = REPORTED) -> None:
    """Records which example stands in which split (`splits.csv`), and what was skipped (`bad_files.csv`)."""
    rows = [
        (name, example, group)
        for name, split in data.splits.items()
        if name in ("train", *reported)
        for example, group in zip(split.ids, _groups(split), strict=True)
    ]
    write_atomically(run.path / "splits.csv", _table(("split", "id", "group"), rows))
    if data.bad_files:
        write_atomically(run.path / "bad_files.csv", _table(("file", "reason"), data.bad_files))


def _groups(split: Split) -> list[str]:
    return [""] * len(split) if split.groups is None else [str(group) for group in split.groups]


def _table(header: tuple[str, ...], rows: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def report_run(
    run: Run,
    config: TrainConfig,
    data: Dataset,
    found: dict[str, AnyPredictions],
    options: ReportOptions | None = None,
    *,
    sections: Sequence[Section] | None = None,
) -> Report:
    """Writes report/ from predictions, with the run's facts, curves, images and sections.

    Args:
        run: The run.
        config, data: Its settings and data.
        found: Predictions by the split's name.
        options: How the numbers are computed.
        sections: What else the report shows; kept in the run as `sections.json`, so that a report written later has
            it too. None: those that the run keeps.
    """
    record = run.read_record()
    if sections is not None:
        write_sections(run.path, sections)
    kept, problems = _kept_sections(run)
    verdict = record.get("verdict")
    context = ReportContext(
        details=_details(run, config, data, record),
        notes=[*data.notes, *problems],
        training_curves=run.curves.read_bytes() if run.curves.exists() else None,
        verdict=f"{verdict['kind']}: {verdict['text']}" if verdict else None,
        image_of=image_finder(data) if data.kind == "image" else None,
        sections=kept,
    )
    title = f"{record.get('model', config.model)} on {config.dataset}"
    return write_report(found, run.report, title=title, context=context, options=options)


def _kept_sections(run: Run) -> tuple[list[Section], list[str]]:
    """The sections that the run keeps; a file that cannot be read costs the report them alone, and is said."""
    try:
        return read_sections(run.path), []
    except SectionsError as error:
        return [], [str(error)]


def image_finder(data: Dataset) -> Callable[[str], np.ndarray | None]:
    """A function from an example's id to its image, uint8 `(h, w, c)`; None for an unknown id."""
    places = {
        str(example): (split, row)
        for split in (data.splits[name] for name in REPORTED)
        for row, example in enumerate(split.ids)
    }

    def image_of(example: str) -> np.ndarray | None:
        if example not in places:
            return None
        split, row = places[example]
        return split.x[np.array([row])][0]

    return image_of


def _details(run: Run, config: TrainConfig, data: Dataset, record: dict[str, Any]) -> dict[str, str]:
    resolved, hardware = record["resolved"], record["hardware"]
    versions = record["versions"]
    return {
        "run": run.path.name,
        "model": f"{record.get('model', config.model)}, {resolved['parameters']:,} parameters",
        **record.get("details", {}),
        "data": f"{data.name}, {_sizes(config, data)}",
        "data SHA-256": data.digest,
        "weights": _weights(config, record),
        "training": f"{config.optimizer}, batch {resolved['batch_size']}, {resolved['precision']}, seed {config.seed}",
        "split": f"stratified where there are classes, split seed {config.split_seed}; see splits.csv",
        "hardware": ", ".join([hardware["processor"], f"{hardware['cores']} cores", *hardware["gpus"]]),
        "versions": ", ".join(f"{name} {versions[name]}" for name in ("python", "tensorflow", "keras", "scikit-learn")),
    }


def _weights(config: TrainConfig, record: dict[str, Any]) -> str:
    if config.final_fit:
        return f"epoch {record.get('best_epoch', 'so far')}, the last: a final fit on train and validation"
    if "epochs" not in record:
        return f"best epoch on {config.monitor} so far; the run was cut before it could end"
    return f"best epoch on {config.monitor}: {record['best_epoch']} of {record['epochs']}"


def relative(path: Path) -> str:
    """The path as a user would type it from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
