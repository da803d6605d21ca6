"""`python -m training.runs`: the runs of the past, ranked by validation. Reads files only, needs no TensorFlow."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml

from evaluation.command import parse_config, run_main
from training.diagnostics import best_epoch
from training.run import Run, RunError
from training.words import in_words

DESCRIPTION = "Lists past runs with their validation and test scores, the best on validation first."
SCHEMA = 1
NO_RUNS = ("group.json", "predict.json", "numbers.json")  # tables of runs that stand beside them, predictions, labs
HEADER = ("rank", "run", "started", "data", "model", "epochs", "best", "validation", "test", "time", "ended")
TORN = (RunError, OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError, csv.Error)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there


@dataclass(frozen=True)
class RunsConfig:
    """What is listed, and how.

    Attributes:
        runs_dir: Folder of runs: all tasks, one task, or one run.
        sort: validation (best first, among runs that compare), time (newest first) or name.
        json: Print JSON instead of a table.
    """

    runs_dir: str = "runs"
    sort: Literal["validation", "time", "name"] = "validation"
    json: bool = False


@dataclass(frozen=True)
class PastRun:
    """One run as its files tell it; None for what they do not hold. The fields are those of `--json`.

    Attributes:
        name: Path below the folder of runs, such as train/cifar_cnn-digits-001.
        path: The directory.
        started: When it began, ISO 8601, UTC.
        dataset, data_digest: Name and SHA-256 of the data.
        model: The factory's name.
        epochs, epochs_planned: Finished epochs, and how many there were to be.
        best_epoch: From 1; judged by `monitor`.
        monitor: What chose the best epoch.
        validation: The monitor's best value.
        test_measure, test: What the report gives for the test split, accuracy or mae. It ranks nothing.
        seconds: Of training, all sittings.
        ended: finished, stopped early, interrupted, terminated, failed, diverged, running, killed, or what another
            task wrote.
        rank: From 1, by validation among runs that compare: the same data, monitor and, for a loss, its settings.
    """

    name: str
    path: str
    started: str | None
    dataset: str | None
    data_digest: str | None
    model: str | None
    epochs: int | None
    epochs_planned: int | None
    best_epoch: int | None
    monitor: str | None
    validation: float | None
    test_measure: str | None
    test: float | None
    seconds: float | None
    ended: str
    rank: int | None = None


def list_runs(config: RunsConfig) -> tuple[list[PastRun], dict[str, str]]:
    """Reads all runs.

    Returns:
        The runs in the order asked for, and a reason by name for every folder that is none.

    Raises:
        RunError: `runs_dir` is a file.
    """
    root = Path(config.runs_dir).expanduser()
    if root.exists() and not root.is_dir():
        raise RunError(f"runs_dir must be a folder of runs. Received a file: {config.runs_dir}")
    found: list[tuple[PastRun, tuple]] = []
    skipped: dict[str, str] = {}
    for path in _folders(root):
        name = path.relative_to(root).as_posix() if path != root else path.name
        try:
            found.append(_read(Run(path), name))
        except TORN as error:
            skipped[name] = _reason(Run(path), error)
    return _sorted(_ranked(found), config.sort), skipped


def _reason(run: Run, error: Exception) -> str:
    """Why a folder is no run, in a few words."""
    if not run.record.exists():
        return "no run.json"
    return "run.json is torn" if isinstance(error, RunError) else f"cannot be read: {type(error).__name__}"


def _folders(root: Path) -> Iterator[Path]:
    """Runs stand two folders deep, `<task>/<run>`; a task's own folder, or a run's, will do as well."""
    if (root / "run.json").is_file():
        yield root
        return
    for path in _inside(root):
        if (path / "run.json").is_file():
            yield path
        else:
            yield from (folder for folder in _inside(path) if not any((folder / name).is_file() for name in NO_RUNS))


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:  # absent, or not ours to read
        return []


def _read(run: Run, name: str) -> tuple[PastRun, tuple]:
    """One run, and what must be equal where two runs' validation scores shall compare."""
    record = run.read_record()
    settings = yaml.load(run.config.read_bytes(), LOADER) if run.config.exists() else record.get("settings", {})
    history = _history(run.history)
    ended = str(record.get("ended", "unknown"))
    if ended == "running" and not _is_at_work(run):
        ended = "killed"
    measure, test = _test_score(run)
    monitor = settings.get("monitor") if settings.get("monitor") in history else None
    best = best_epoch(history, str(monitor)) or _last(history, settings)
    data, resolved = record.get("data", {}), record.get("resolved", {})
    past = PastRun(
        name=name,
        path=str(run.path),
        started=str(record["started"]) if "started" in record else _changed(run),
        dataset=settings.get("dataset"),
        data_digest=data.get("digest"),
        model=settings.get("model", settings.get("backbone")),
        epochs=len(history["epoch"]) if history else None,
        epochs_planned=resolved.get("epochs"),
        best_epoch=int(history["epoch"][best - 1]) if best else None,
        monitor=monitor,
        validation=float(history[str(monitor)][best - 1]) if best and monitor else None,
        test_measure=measure,
        test=test,
        seconds=record.get("seconds", round(sum(history.get("seconds", ())), 1) if history else None),
        ended=ended,
    )
    of_loss = ("label_smoothing", "class_weight") if monitor == "val_loss" else ()
    return past, (past.dataset, past.data_digest, monitor, *(settings.get(name) for name in of_loss))


def _last(history: Mapping[str, list[float]], settings: Mapping[str, Any]) -> int:
    """The epoch that a final fit keeps, which no validation chose; else 0."""
    return len(history.get("epoch", ())) if settings.get("final_fit") else 0


def _history(path: Path) -> dict[str, list[float]]:
    """Columns of `history.csv`; a row that was torn, or whose loss is lost, is not there."""
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    kept = []
    for row in rows:
        try:
            values = dict(zip(header, map(float, row), strict=True))
        except ValueError:
            continue
        if all(math.isfinite(values.get(name, 0.0)) for name in ("loss", "val_loss")):
            kept.append(values)
    return {name: [values[name] for values in kept] for name in header} if kept else {}


def _is_at_work(run: Run) -> bool:
    """Whether a process holds the run's lock; one that was killed holds nothing."""
    try:
        with run.lock():
            return False
    except RunError:
        return True


def _test_score(run: Run) -> tuple[str | None, float | None]:
    """What the report says of the test split; that of a run that was resumed and is not done is out of date."""
    path = run.report / "report.json"
    if not path.exists() or not run.manifest.exists():
        return None, None
    split = json.loads(path.read_text(encoding="utf-8"))["splits"].get("test", {})
    measure = next((name for name in ("accuracy", "mae") if name in split), None)
    return (measure, split[measure]["estimate"]) if measure else (None, None)


def _changed(run: Run) -> str:
    """When a run of an older version began, nearly: its settings were written then."""
    path = run.config if run.config.exists() else run.record
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _signed(run: PastRun) -> float:
    """The validation score so that smaller is better; without one a run comes last."""
    if run.validation is None:
        return math.inf
    return -run.validation if str(run.monitor).endswith("accuracy") else run.validation


def _ranked(found: Iterable[tuple[PastRun, tuple]]) -> list[PastRun]:
    """Ranks within each group of runs that compare; groups of one data set stand together."""
    groups: dict[str, list[PastRun]] = {}
    for run, key in found:
        groups.setdefault("\t".join(str(part) for part in key), []).append(run)
    ranked = []
    for _, members in sorted(groups.items()):
        for rank, run in enumerate(sorted(members, key=lambda run: (_signed(run), run.name)), 1):
            ranked.append(dataclasses.replace(run, rank=None if run.validation is None else rank))
    return sorted(ranked, key=lambda run: run.validation is None)


def _sorted(runs: list[PastRun], sort: str) -> list[PastRun]:
    if sort == "time":
        return sorted(runs, key=lambda run: run.started or "", reverse=True)
    return sorted(runs, key=lambda run: run.name) if sort == "name" else runs


def to_json(config: RunsConfig, runs: Iterable[PastRun], skipped: Mapping[str, str]) -> str:
    """`{"schema": 1, "runs_dir", "runs": [fields of PastRun], "skipped": [{"name", "reason"}]}`; null is unknown."""
    data = {
        "schema": SCHEMA,
        "runs_dir": config.runs_dir,
        "runs": [dataclasses.asdict(run) for run in runs],
        "skipped": [{"name": name, "reason": reason} for name, reason in skipped.items()],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def to_text(config: RunsConfig, runs: list[PastRun], skipped: Mapping[str, str]) -> str:
    """A table, and a line for what is not in it."""
    from tabulate import tabulate

    lines = []
    if runs:
        lines.append(tabulate([_row(run) for run in runs], HEADER, disable_numparse=True, colalign=("right",)))
        if sum(run.rank == 1 for run in runs) > 1:
            lines.append("\nrank: by validation, among runs that compare (the same data, monitor and kind of loss)")
    else:
        lines.append(f"There are no runs in {config.runs_dir} yet. Make one: make train")
    if skipped:
        names = ", ".join(f"{_printable(name)} ({reason})" for name, reason in skipped.items())
        lines.append(f"not runs: {names}")
    return "\n".join(lines)


def _row(run: PastRun) -> tuple[str, ...]:
    started = datetime.fromisoformat(run.started).astimezone().strftime("%Y-%m-%d %H:%M") if run.started else None
    planned = f"{run.epochs or 0} of {run.epochs_planned}" if run.epochs_planned else None
    cells = (
        run.rank,
        _printable(run.name),
        started,
        run.dataset,
        run.model,
        planned,
        run.best_epoch,
        None if run.validation is None else f"{run.monitor} {run.validation:.4f}",
        None if run.test is None else f"{run.test_measure} {run.test:.4f}",
        None if run.seconds is None else in_words(run.seconds),
        _printable(run.ended)[:40],
    )
    return tuple("–" if cell is None else str(cell) for cell in cells)


def _printable(text: str) -> str:
    """A name that moves no cursor, whatever a folder is called."""
    return "".join(character if character.isprintable() else "?" for character in text)


def main() -> int:
    config = parse_config(RunsConfig, sys.argv[1:], prog="python -m training.runs", description=DESCRIPTION)
    runs, skipped = list_runs(config)
    print(to_json(config, runs, skipped) if config.json else to_text(config, runs, skipped))
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(RunError,)))
