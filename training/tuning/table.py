"""What a search shows: `trials.csv`, readable at any time, and one line per trial. Needs no TensorFlow."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.files import write_atomically
from training.run import RunError
from training.tuning.points import derived_seed
from training.words import in_words

if TYPE_CHECKING:
    from keras_tuner.engine.trial import Trial

COLUMNS = (
    *("number", "status", "score", "spread", "n", "seconds", "fit_seconds", "ended_seconds", "epochs", "parameters"),
    "seed",
)
STATUS = {"COMPLETED": "completed", "FAILED": "failed", "RUNNING": "running"}


@dataclass(frozen=True)
class Row:
    """One trial.

    Attributes:
        number: From 1.
        status: completed, stopped (by the median rule), failed or running.
        score: Mean objective of its trainings.
        spread: Their standard deviation; None for one.
        n: Trainings.
        seconds: Wall clock.
        fit_seconds: Of these, in the training loops.
        ended_seconds: When it ended, in seconds since the search began, of all its sittings.
        epochs: Of all trainings.
        parameters: Number of weights of the model.
        point: The hyperparameters, as keras-tuner knows them.
        reason: Why it failed or was stopped.
    """

    number: int
    status: str
    score: float | None = None
    spread: float | None = None
    n: int | None = None
    seconds: float | None = None
    fit_seconds: float | None = None
    ended_seconds: float | None = None
    epochs: int | None = None
    parameters: int | None = None
    point: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def number_of(trial: Trial) -> int:
    return int(trial.trial_id) + 1


def row_of(trial: Trial) -> Row:
    """What keras-tuner's trial says."""

    def metric(name: str, kind: type = float) -> Any:
        return kind(trial.metrics.get_last_value(name)) if trial.metrics.exists(name) else None

    stopped = metric("stopped", int)
    status = STATUS.get(trial.status, trial.status.lower())
    return Row(
        number=number_of(trial),
        status="stopped" if stopped and status == "completed" else status,
        score=trial.score,
        spread=metric("spread"),
        n=metric("n", int),
        seconds=metric("seconds"),
        fit_seconds=metric("fit_seconds"),
        ended_seconds=metric("ended_seconds"),
        epochs=metric("epochs", int),
        parameters=metric("parameters", int),
        point=dict(trial.hyperparameters.values),
        reason=f"worse than the median after epoch {stopped}" if stopped else trial.message or "",
    )


def write_table(path: Path, rows: Sequence[Row], names: Sequence[str], seed: int) -> None:
    """Writes all trials, atomically.

    Args:
        path: The CSV file.
        rows: The trials, in the order of their numbers.
        names: Hyperparameters, one column each; empty where a trial has none.
        seed: The search's; the column `seed` holds that of a trial's first training.
    """
    text = io.StringIO()
    extra = sorted({name for row in rows for name in row.point} - set(names))
    columns = [*names, *extra]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *columns, "reason"])
    for row in rows:
        own = [*(getattr(row, name) for name in COLUMNS[:-1]), derived_seed(seed, "trial", row.number, 0)]
        writer.writerow([*own, *(row.point.get(name) for name in columns), row.reason])
    write_atomically(path, text.getvalue())


def best_first(rows: Sequence[Row], direction: str) -> list[Row]:
    """Trials with a score, the best first; of equal ones the earlier."""
    sign = -1 if direction == "max" else 1
    scored = [row for row in rows if row.score is not None and row.status in ("completed", "stopped")]
    return sorted(scored, key=lambda row: (sign * (row.score or 0.0), row.number))


def with_spread(score: float, spread: float | None) -> str:
    """A score as a user reads it: `0.942 ± 0.006`."""
    return f"{score:.4g}" + ("" if spread is None else f" ± {spread:.2g}")


def fixed(score: float, spread: float | None = None) -> str:
    """A score as a page shows it, with the same decimals in all rows: `0.9420 ± 0.0060`."""
    digits = ".4f" if abs(score) < 10 else ".4g"
    return f"{score:{digits}}" + ("" if spread is None else f" ± {spread:{digits}}")


def line(
    row: Row, rows: Sequence[Row], *, total: int | None, direction: str, left: float | None, workers: int = 1
) -> str:
    """One line for a trial that has just ended.

    Args:
        row: The trial.
        rows: All trials so far.
        total: How many there will be at most; None where nobody knows.
        direction: `max` or `min`.
        left: Seconds of time budget that are left; None for no budget.
        workers: Trials at the same time.

    Example:
        >>> line(Row(7, "completed", 0.938, seconds=14), rows, total=40, direction="max", left=None)
        'trial 7 of 40: 0.938 (best 0.942 ± 0.006, trial 3), 14 s, 12 min left'
    """
    what = f"failed: {row.reason}" if row.score is None else with_spread(row.score, row.spread)
    what += f", {row.reason}" if row.status == "stopped" else ""
    best = best_first(rows, direction)
    shown = f" (best {with_spread(best[0].score or 0.0, best[0].spread)}, trial {best[0].number})" if best else ""
    place = f"trial {row.number}" + (f" of {total}" if total else "")
    rest = time_left(rows, total, left, workers)
    end = "" if rest is None else f", {in_words(rest)} left"
    return f"{place}: {what}{shown}, {in_words(row.seconds or 0.0)}{end}"


def time_left(rows: Sequence[Row], total: int | None, left: float | None, workers: int = 1) -> float | None:
    """Seconds to the last trial, as the mean trial took; at most the time budget. None where nothing bounds it."""
    seconds = [row.seconds for row in rows if row.seconds is not None]
    ahead = None if total is None or not seconds else statistics.fmean(seconds) * max(0, total - len(seconds)) / workers
    bounds = [bound for bound in (ahead, left) if bound is not None]
    return max(0.0, min(bounds)) if bounds else None


def read_table(path: Path) -> tuple[list[Row], list[str]]:
    """The trials that `write_table` wrote, and the names of the hyperparameters; their values are text here.

    Raises:
        RunError: The file is missing or is no such table.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            entries = list(csv.DictReader(file, strict=True))
        names = [name for name in (entries[0] if entries else {}) if name not in (*COLUMNS, "reason")]
        return [_row_from(entry, names) for entry in entries], names
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} cannot be read as a table of trials: {' '.join(str(error).split())}") from error


def _row_from(entry: Mapping[str, str], names: Sequence[str]) -> Row:
    kinds = {"number": int, "n": int, "epochs": int, "parameters": int, "status": str}
    own = {name: kinds.get(name, float)(entry[name]) for name in COLUMNS[:-1] if entry[name]}
    return Row(**own, point={name: entry[name] for name in names if entry[name]}, reason=entry["reason"])
