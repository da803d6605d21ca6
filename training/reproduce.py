"""`python -m training.reproduce RUN`: trains a run's settings again, as a new run, and compares the two."""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evaluation.command import parse_config, run_main
from evaluation.predictions import PredictionsError, read_predictions
from training.checks import ConfigError, TrainingDiverged
from training.config import from_yaml
from training.datasets.dataset import DataError
from training.results import relative, reported_splits
from training.run import Run, RunError, open_run, package_versions
from training.startup import import_tensorflow, other_routines

if TYPE_CHECKING:
    import keras

DESCRIPTION = "Trains a run's recorded settings again, as a new run, and says how far apart the two are."
PINNED = ("batch_size", "steps_per_execution", "precision", "epochs")
UNCOMPARED = ("seconds",)
USER_ERRORS = (ConfigError, DataError, PredictionsError, RunError, TrainingDiverged)


@dataclass(frozen=True)
class ReproduceConfig:
    """Which run is trained again.

    Attributes:
        run: The run directory.
        data_dir: Where the run's data is now, if it has moved.
        verbose: auto, bar (progress bar), line (a line an epoch) or silent; default: as recorded.
    """

    run: str
    data_dir: str | None = None
    verbose: Literal["auto", "bar", "line", "silent"] | None = None


@dataclass(frozen=True)
class Difference:
    """How far apart two runs are in one respect.

    Attributes:
        what: The respect, such as "weights".
        largest: Largest absolute difference of two numbers; 0 where all are equal, bit for bit.
        note: What cannot be said in a number, such as another count of epochs.
    """

    what: str
    largest: float = 0.0
    note: str = ""

    @property
    def identical(self) -> bool:
        return not self.largest and not self.note

    def __str__(self) -> str:
        if self.identical:
            return f"{self.what}: identical"
        return f"{self.what}: " + (self.note or f"differ by at most {self.largest:.3g}")


def reproduce(config: ReproduceConfig) -> tuple[Run, list[Difference]]:
    """Trains a run again and compares.

    What the first run measured or chose by itself (precision, batch size) is taken over, so that the two can agree.

    Returns:
        The new run, and one line per respect.

    Raises:
        RunError: The run is not complete, or its data has changed.
        ConfigError, DataError, TrainingDiverged, OSError: As `training.train.train`.
    """
    run = open_run(config.run)
    record = run.read_record()
    if not run.model.is_file() or "epochs" not in record:
        raise RunError(f"{run.path} did not end: there is nothing to compare with. Resume it first, or name another.")
    changes = {name: value for name in ("data_dir", "verbose") if (value := getattr(config, name)) is not None}
    settings = from_yaml(run.config, **changes)
    pinned = {name: record["resolved"][name] for name in PINNED if name in record["resolved"]}
    import_tensorflow()
    from training.startfile import check_same_start
    from training.train import train

    check_same_start(run, record, settings)

    folder = run.path.resolve().parent
    runs_dir = str(folder.parent) if folder.name == "train" else settings.runs_dir
    again = train(dataclasses.replace(settings, runs_dir=runs_dir, **pinned)).run
    if again.read_record()["data"]["digest"] != record["data"]["digest"]:
        raise RunError(f"the data is not what {run.path.name} was trained on; {again.path} is another experiment.")
    return again, compare(run, again)


def compare(run: Run, other: Run) -> list[Difference]:
    """Weights of the best epoch, history (but its seconds) and predictions of two runs of one model."""
    from training.checkpoint import load_model

    found = [_weights(load_model(run.model), load_model(other.model)), _history(run.history, other.history)]
    for name in reported_splits(from_yaml(run.config)):
        left, right = (read_predictions(one.predictions / f"{name}.csv") for one in (run, other))
        found.append(_numbers(f"predictions on {name}", [_scores(left)], [_scores(right)]))
    return found


def _scores(predictions: Any) -> np.ndarray:
    return predictions.y_score if hasattr(predictions, "y_score") else predictions.y_pred


def _weights(left: keras.Model, right: keras.Model) -> Difference:
    return _numbers("weights of the best epoch", left.get_weights(), right.get_weights())


def _history(left: Path, right: Path) -> Difference:
    tables = [_table(left), _table(right)]
    if tables[0].keys() != tables[1].keys():
        return Difference("history", note=f"columns differ: {', '.join(tables[0])} and {', '.join(tables[1])}")
    names = [name for name in tables[0] if name not in UNCOMPARED]
    return _numbers("history", *([table[name] for name in names] for table in tables))


def _table(path: Path) -> dict[str, np.ndarray]:
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return {name: np.array(column, float) for name, column in zip(header, zip(*rows, strict=True), strict=True)}


def _numbers(what: str, left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> Difference:
    shapes = [[array.shape for array in arrays] for arrays in (left, right)]
    if shapes[0] != shapes[1]:
        return Difference(what, note=f"shapes differ: {shapes[0]} and {shapes[1]}")
    pairs = zip(left, right, strict=True)
    return Difference(what, max((float(np.max(np.abs(a - b), initial=0)) for a, b in pairs), default=0.0))


def main() -> int:
    config = parse_config(
        ReproduceConfig, sys.argv[1:], prog="python -m training.reproduce", description=DESCRIPTION, positional="run"
    )
    recorded = open_run(config.run)
    again, found = reproduce(config)
    print(f"{relative(recorded.path)} and {relative(again.path)}:")
    for difference in found:
        print(f"  {difference}")
    identical = all(difference.identical for difference in found)
    if not identical:
        for reason in _reasons(recorded):
            print(f"  note: {reason}")
    return 0 if identical else 3


def _reasons(run: Run) -> list[str]:
    """What may keep a run from repeating."""
    record, reasons = run.read_record(), []
    if not from_yaml(run.config).deterministic:
        reasons.append("the run was not trained with --deterministic; small differences grow from step to step")
    if record.get("versions") != package_versions():
        reasons.append("versions differ from those in run.json")
    if reason := other_routines(record):
        reasons.append(reason)
    if record.get("resumed"):
        reasons.append(f"the run was resumed {len(record['resumed'])} times; see run.json")
    return reasons


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=USER_ERRORS))
