"""Which runs are complete, and which is the newest that is not. Needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from training.results import REPORTED
from training.run import Run, RunError

DONE = ("finished", "stopped early")


def newest_unfinished(runs_dir: Path, task: str = "train", *, aside: Callable[[Path], bool] | None = None) -> Run:
    """The run under `runs_dir/<task>` that was changed last and is neither complete nor at work.

    Args:
        runs_dir: Folder of runs.
        task: Their kind.
        aside: Which folders are no runs, or go on by other means.

    Raises:
        RunError: There is none.
    """
    found = [Run(path) for path in (runs_dir / task).glob("*") if (path / "config.yaml").is_file()]
    for run in sorted(found, key=_last_change, reverse=True):
        if not (aside and aside(run.path)) and _is_unfinished(run) and is_free(run):
            return run
    raise RunError(
        f"there is no unfinished run in {runs_dir / task} to resume. Start one without --resume, or name one: "
        f"--resume {runs_dir / task}/<model>-<dataset>-<NNN>."
    )


def _last_change(run: Run) -> float:
    files = [run.config, run.record, run.history, *run.checkpoint.glob("*.npz")]
    return max(path.stat().st_mtime for path in files if path.exists())


def _is_unfinished(run: Run) -> bool:
    try:
        ended = run.read_record().get("ended")
    except RunError:
        return True
    return ended != "diverged" and not (ended in DONE and is_reported(run))


def is_free(run: Run) -> bool:
    """Whether no process is at work in the run's folder."""
    try:
        with run.lock():
            return True
    except RunError:
        return False


def is_reported(run: Run) -> bool:
    """Whether predictions (of all splits that the run was to report), report and manifest of a run are there."""
    names = run.read_record().get("reported", REPORTED)
    files = [run.report / "index.html", run.manifest, *(run.predictions / f"{name}.csv" for name in names)]
    return all(path.is_file() for path in files)
