"""Which transfer run goes on, and whether it may: `python -m transfer --resume RUN`, or `auto` for the newest one.

TensorFlow is loaded only when all of that is settled.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.files import write_json
from training.results import REPORTED, relative
from training.resume import STALE, AlreadyFinished, config_digest
from training.run import Run, RunError, open_run
from training.startup import import_tensorflow
from training.state import State, read_state
from training.unfinished import DONE, is_reported, newest_unfinished
from transfer.comparison.group import is_group, is_orphan, newest_unfinished_group, read_group
from transfer.config import TransferConfig, from_yaml

if TYPE_CHECKING:
    from transfer.comparison.allcases import GroupResult
    from transfer.fitting.outcome import TransferResult
    from transfer.source import Source

ALLOWED = ("data_dir", "verbose")


@dataclass(frozen=True)
class ResumeConfig:
    """What may be given beside a run that is resumed; all else stands in its own config.yaml.

    Attributes:
        resume: The run directory, or that of several cases, or auto: the newest unfinished one of runs_dir.
        data_dir: Where the run's data is now, if it has moved.
        runs_dir: Folder in which auto looks.
        verbose: auto, bar, line (a line an epoch) or silent; default: as recorded.
    """

    resume: str
    data_dir: str | None = None
    runs_dir: str = "runs"
    verbose: Literal["auto", "bar", "line", "silent"] | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """Settings that replace recorded ones."""
        return {name: value for name in ALLOWED if (value := getattr(self, name)) is not None}


def refuse_other_settings(argv: Sequence[str]) -> None:
    """Refuses settings beside `--resume` that a resumed run takes from its own config.yaml.

    Raises:
        RunError: Names the first one.
    """
    may = {"--" + field.name.replace("_", "-") for field in dataclasses.fields(ResumeConfig)} | {"-h", "--help"}
    for argument in argv:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag not in may:
            raise RunError(
                f"a resumed run keeps the settings of its config.yaml, so {flag} cannot stand beside --resume. "
                f"Allowed: {', '.join('--' + name.replace('_', '-') for name in ALLOWED)}. "
                "For other settings start a new run without --resume."
            )


def resume(request: ResumeConfig) -> TransferResult | GroupResult:
    """Goes on with a run, or with a group of cases, and finishes it.

    Raises:
        AlreadyFinished: It is complete; nothing was changed.
        RunError: No run, a changed config, changed data or weights, or another process at work.
        ConfigError, DataError, TrainingDiverged, OSError: As `transfer.finetune.transfer`.
    """
    folder = _find(request)
    if is_group(folder):
        _refuse_complete_group(folder)
        import_tensorflow()
        from transfer.comparison.allcases import go_on_with_cases

        return go_on_with_cases(folder, from_yaml(folder / "config.yaml", **request.changes))
    run = open_run(folder)
    with run.lock():
        config = from_yaml(run.config, **request.changes)
        refuse_complete(run)
        import_tensorflow()
        from transfer.source import load_source

        return resume_run(run, config, load_source(config))


def resume_run(run: Run, config: TransferConfig, source: Source, *, reported: Sequence[str] = REPORTED) -> Any:
    """Goes on with one run; the caller holds its lock.

    Args:
        run: The run.
        config: Its own settings.
        source: Its data and network, loaded again.
        reported: Splits that are predicted and reported.

    Returns:
        As `transfer.finetune.transfer`.
    """
    from transfer.finetune import complete, record_beginning

    state, kept, damaged = read_state(run.checkpoint)
    _check_same(run, config, source, state)
    notes = [f"the newest checkpoint is damaged ({', '.join(damaged)})"] if damaged else []
    place = f"going on after epoch {state.epoch}" if state else "starting from the beginning"
    if config.verbose != "silent":
        print("; ".join([f"resuming {relative(run.path)}: {place}", *notes]), flush=True)
    _clear(run, state)
    if "transfer" not in run.read_record():  # it died before its first record
        record_beginning(run, config, source)
    return complete(run, config, source, reported=reported, start=(state, kept))


def refuse_complete(run: Run) -> None:
    """Refuses what is complete, or would diverge again.

    Raises:
        AlreadyFinished, RunError: It says which.
    """
    record = run.read_record() if run.record.exists() else {}
    if record.get("ended") == "diverged":
        raise RunError(
            f"{run.path} diverged: its loss became NaN or infinite, and would again. "
            f"Train anew with a lower rate: python -m transfer --config {run.config} --learning-rate …"
        )
    if record.get("ended") in DONE and is_reported(run):
        raise AlreadyFinished(
            f"{relative(run.path)} is complete: {record['ended']} after epoch {record.get('epochs')}, best epoch "
            f"{record.get('best_epoch')}."
        )


def _refuse_complete_group(folder: Path) -> None:
    """Raises AlreadyFinished where every case was trained and reported."""
    known = read_group(folder)
    if known.get("ended") == "finished":
        raise AlreadyFinished(f"{relative(folder)} is complete; the best case on validation is {known.get('best')}.")


def _find(request: ResumeConfig) -> Path:
    """The folder of the run, or of the group, that goes on."""
    if request.resume != "auto":
        return Path(request.resume).expanduser()
    root = Path(request.runs_dir).expanduser()
    group = newest_unfinished_group(root)
    try:
        run = newest_unfinished(root, "transfer", aside=lambda path: is_group(path) or is_orphan(path))
    except RunError:
        if group is None:
            raise
        return group
    own = run.path.parent / str(run.read_record().get("group") if run.record.exists() else None)
    if is_group(own):
        return own
    newer = group is not None and group.stat().st_mtime > run.path.stat().st_mtime
    return group if group is not None and newer else run.path


def _check_same(run: Run, config: TransferConfig, source: Source, state: State | None) -> None:
    """Refuses settings, data or weights that are not those of before."""
    record = run.read_record() if run.record.exists() else {}
    if state is not None and state.facts["config_digest"] != config_digest(config):
        raise RunError(
            f"{run.config} was changed since the last checkpoint: a resumed run keeps its settings. Undo the change, "
            f"or start a new run from it: python -m transfer --config {run.config}"
        )
    found = {"data": source.data.digest, "weights": source.weights_digest}
    known = {
        "data": record.get("data", {}).get("digest"),
        "weights": record.get("transfer", {}).get("weights_digest"),
    }
    for what, expected in known.items():
        if expected not in (None, found[what]):
            raise RunError(
                f"the {what} of {run.path.name} changed: SHA-256 {found[what][:12]}… where the run has "
                f"{str(expected)[:12]}…. Restore what it began with, or start a new run."
            )


def _clear(run: Run, state: State | None) -> None:
    """Takes away what will no longer be true, and records the resume."""
    run.remove_leftovers()
    for path in (run.manifest, *(run.predictions / f"{name}.csv" for name in REPORTED)):
        path.unlink(missing_ok=True)
    if state is None:
        run.history.unlink(missing_ok=True)
    record = run.read_record() if run.record.exists() else {}
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "from_epoch": state.epoch if state else 0,
        "command": ["python", *sys.orig_argv[1:]],
    }
    kept = {name: value for name, value in record.items() if name not in STALE}
    write_json(run.record, kept | {"resumed": [*record.get("resumed", []), entry], "ended": "running"})
