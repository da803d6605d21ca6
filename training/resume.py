"""Which run goes on, and whether it may: `python -m training --resume RUN`, or `auto` for the newest unfinished one.

TensorFlow is loaded only when all of that is settled.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.cluster import read_cluster
from training.config import TrainConfig, from_yaml
from training.files import write_json
from training.results import REPORTED, relative
from training.run import Run, RunError, open_run, package_versions
from training.startup import UNRECORDED, import_tensorflow, routines
from training.state import State, read_state
from training.unfinished import DONE, is_reported, newest_unfinished

if TYPE_CHECKING:
    from training.finish import RunResult

ALLOWED = ("epochs", "verbose", "data_dir", "strategy", "start")
STORAGE = ("memory_limit_mb", "cache", "cache_limit_mb")  # the same pixels in the same order, wherever they lie
UNDECISIVE = (*ALLOWED, *STORAGE, "runs_dir", "checkpoint_every", "checkpoint_steps", "snapshots", "tensorboard")
STALE = ("epochs", "best_epoch", "verdict", "error", "seconds", "views")


@dataclass(frozen=True)
class ResumeConfig:
    """What may be given beside a run that is resumed; all else stands in its own config.yaml.

    Attributes:
        resume: The run directory, or auto: the newest unfinished run of runs_dir.
        epochs: Train up to this epoch instead.
        data_dir: Where the run's data is now, if it has moved.
        start: Where the network is now that the run started from, if it has moved; its content must be the same.
        runs_dir: Folder in which auto looks.
        strategy: Where to compute from now on; default: as recorded. Not bit by bit what other devices would compute.
        verbose: auto, bar (progress bar), line (a line an epoch) or silent; default: as recorded.
    """

    resume: str
    epochs: int | None = None
    data_dir: str | None = None
    start: str | None = None
    runs_dir: str = "runs"
    strategy: Literal["auto", "one", "mirrored", "multiworker"] | None = None
    verbose: Literal["auto", "bar", "line", "silent"] | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise RunError(f"epochs must be at least 1. Received: epochs={self.epochs}.")


class AlreadyFinished(Exception):
    """There is nothing left to do; the message says how to train longer."""


@dataclass(frozen=True)
class Start:
    """From where a run goes on.

    Attributes:
        run: The run.
        config: Its own settings, with the changes that are allowed.
        state: The checkpoint; None where none was written yet.
        kept: Its file.
        notes: Lines that the user should read.
    """

    run: Run
    config: TrainConfig
    state: State | None
    kept: Path | None
    notes: tuple[str, ...]


def refuse_other_settings(argv: Sequence[str]) -> None:
    """Refuses settings beside `--resume` that a resumed run takes from its own config.yaml.

    Raises:
        RunError: Names the first one.
    """
    own = {"--" + field.name.replace("_", "-") for field in dataclasses.fields(TrainConfig)} | {"--config"}
    own |= {"--no-" + flag.removeprefix("--") for flag in own}
    may = {"--" + field.name.replace("_", "-") for field in dataclasses.fields(ResumeConfig)}
    for argument in argv:
        flag = argument.partition("=")[0].partition(".")[0]
        if flag in own - may:
            raise RunError(
                f"a resumed run keeps the settings of its config.yaml, so {flag} cannot stand beside --resume. "
                f"Allowed: {', '.join('--' + name.replace('_', '-') for name in ALLOWED)}. "
                "For other settings start a new run without --resume."
            )


def config_digest(config: Any) -> str:
    """SHA-256 over the settings that decide about the numbers, defaults left out: new settings change nothing."""
    settings = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name not in UNDECISIVE and getattr(config, field.name) != _default(field)
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def _default(field: dataclasses.Field) -> Any:
    """What a setting is where nobody sets it."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def resume(request: ResumeConfig) -> RunResult:
    """Goes on with a run where its newest whole checkpoint ends, and finishes it.

    Args:
        request: Which run, and what may change.

    Returns:
        As `training.train.train`.

    Raises:
        AlreadyFinished: The run is complete; nothing was changed.
        RunError: No run, no whole checkpoint, a changed config, changed data, or another process at work.
        ConfigError, DataError, TrainingDiverged, OSError: As `training.train.train`.
    """
    cluster = read_cluster(os.environ)
    if cluster is not None and request.resume == "auto":
        raise RunError("several workers must go on with the same run: name it, --resume runs/train/… on every worker.")
    run = (
        newest_unfinished(Path(request.runs_dir).expanduser()) if request.resume == "auto" else open_run(request.resume)
    )
    with run.lock() if cluster is None or cluster.is_chief else contextlib.nullcontext():
        start = find_start(run, request)
        import_tensorflow()
        return _go_on(start)


def find_start(run: Run, request: ResumeConfig) -> Start:
    """Settings and checkpoint to go on from, all checks but the data's done.

    Raises:
        AlreadyFinished, RunError: As `resume`.
    """
    changes = {name: getattr(request, name) for name in ALLOWED if getattr(request, name) is not None}
    config = from_yaml(run.config, **changes)
    record = run.read_record() if run.record.exists() else {}
    if record.get("ended") == "diverged":
        raise RunError(
            f"{run.path} diverged: its loss became NaN or infinite, and would again. "
            f"Train anew with a lower rate: python -m training --config {run.config} --learning-rate …"
        )
    state, kept, damaged = read_state(run.checkpoint)
    notes = [f"resuming {relative(run.path)} (the newest unfinished run)"] if request.resume == "auto" else []
    if damaged:
        notes.append(f"the newest checkpoint is damaged ({', '.join(damaged)}): going on from the one before it")
    if state is None:
        notes.append(_without_checkpoint(run, config, record, damaged))
        return Start(run, config, None, None, tuple(notes))
    if state.facts["config_digest"] != config_digest(config):
        raise RunError(
            f"{run.config} was changed since the last checkpoint: a resumed run keeps its settings. Undo the change, "
            f"or start a new run from it: python -m training --config {run.config}"
        )
    _check_epochs(run, record, state, request)
    longer = request.epochs is not None and request.epochs > state.epoch
    if longer and config.schedule != "constant":
        notes.append(
            f"note: the {config.schedule} schedule now spreads over {request.epochs} epochs, so its rate jumps"
        )
    if longer and config.lookahead:
        notes.append(f"note: lookahead now tightens over {request.epochs} epochs, so its hold loosens first")
    notes.append(f"going on after {_place(state)}, which the checkpoint holds")
    return Start(run, config, _freed(state) if longer else state, kept, tuple(notes))


def _place(state: State) -> str:
    return f"step {state.step} of epoch {state.epoch + 1}" if state.step else f"epoch {state.epoch}"


def _without_checkpoint(run: Run, config: TrainConfig, record: dict[str, Any], damaged: list[str]) -> str:
    """A run that was cut before its first checkpoint starts again; where more would be lost, it is refused."""
    anew = f"Start a new run with the same settings: python -m training --config {run.config}"
    if damaged:
        raise RunError(
            f"every checkpoint of {run.path} is damaged ({', '.join(damaged)}). The model of its best epoch, if there "
            f"is one, is still in {run.model.name}. {anew}"
        )
    trained = _rows(run)
    if record.get("ended") in DONE or trained > max(1, config.checkpoint_every) or not config.checkpoint_every:
        raise RunError(f"{run.path} has trained {trained} epochs and holds no checkpoint to go on from. {anew}")
    return f"{relative(run.path)} was cut before its first checkpoint: starting from the beginning"


def _rows(run: Run) -> int:
    if not run.history.exists():
        return 0
    with open(run.history, newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def _check_epochs(run: Run, record: dict[str, Any], state: State, request: ResumeConfig) -> None:
    """Refuses fewer epochs than are done, and to do a complete run again."""
    done = state.epoch
    if request.epochs is not None and (request.epochs < done or (request.epochs == done and state.step)):
        raise RunError(
            f"{run.path} has finished {done} epochs already. Expected more. Received: epochs={request.epochs}."
        )
    complete = record.get("ended") in DONE and is_reported(run)
    if complete and (request.epochs is None or request.epochs == done):
        raise AlreadyFinished(
            f"{relative(run.path)} is complete: {record['ended']} after epoch {done}, best epoch "
            f"{record.get('best_epoch')}. To train longer: make train RESUME={relative(run.path)} EPOCHS={2 * done}"
        )


def _freed(state: State) -> State:
    """The state of a run that stopped early, its patience renewed: who asks for more epochs wants some."""
    if not state.facts["stopped"]:
        return state
    renewed = {"wait": 0, "stopped_epoch": 0}
    callbacks = {
        name: {key: renewed.get(key, value) for key, value in facts.items()}
        for name, facts in state.facts["callbacks"].items()
    }
    return dataclasses.replace(state, facts=dict(state.facts) | {"callbacks": callbacks, "stopped": False})


def _go_on(start: Start) -> RunResult:
    """Loads the data, builds the model with the choices that were resolved before, and trains on."""
    from training.devices import passing_run, start_devices
    from training.prepare import prepare
    from training.startfile import check_same_start
    from training.train import Job, load_data, quiet_beside_the_chief, run_job

    devices = start_devices(start.config)
    run, config, state = start.run, quiet_beside_the_chief(start.config, devices), start.state
    for note in start.notes:
        if config.verbose != "silent":
            print(note, flush=True)
    data = load_data(config)
    record = run.read_record() if run.record.exists() else {}
    _check_data(run, state.facts["data_digest"] if state else record.get("data", {}).get("digest"), data.digest)
    check_same_start(run, record, config)
    plan = state.facts["plan"] if state else {}
    pinned = {name: plan[name] for name in ("batch_size", "steps_per_execution", "precision") if name in plan}
    place = f"{state.epoch} {state.step}" if state else ""
    devices.agree({"settings": config_digest(config), "data": data.digest, "checkpoint": place})
    with devices.fitting():
        model, twin, resolved = prepare(dataclasses.replace(config, **pinned), data, devices)
    measured = record.get("resolved", {}).get("probe_ms") or resolved.probe_ms
    resolved = dataclasses.replace(resolved, probe_ms=measured)
    if not devices.is_chief:
        with passing_run() as own:
            return run_job(Job(config, data, model, twin, resolved, own, state, start.kept, devices))
    _clear(run, record, start, epochs=resolved.epochs)
    return run_job(Job(config, data, model, twin, resolved, run, state, start.kept, devices))


def _check_data(run: Run, expected: str | None, received: str) -> None:
    if expected not in (None, received):
        raise RunError(
            f"the data is not what {run.path.name} was trained on: SHA-256 {received[:12]}… where the run has "
            f"{str(expected)[:12]}…. Point --data-dir to the data as it was, or start a new run."
        )


def _clear(run: Run, record: dict[str, Any], start: Start, *, epochs: int) -> None:
    """Takes away what will no longer be true, and records the resume."""
    run.remove_leftovers()
    for path in (run.manifest, *(run.predictions / f"{name}.csv" for name in (*REPORTED, "test_views"))):
        path.unlink(missing_ok=True)
    if start.state is None:
        run.history.unlink(missing_ok=True)
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "from_epoch": start.state.epoch if start.state else 0,
        "from_step": start.state.step if start.state else 0,
        "to_epoch": epochs,
        "command": ["python", *sys.orig_argv[1:]],
    }
    if record.get("versions", {}) not in ({}, package_versions()):
        entry["versions"] = package_versions()
    if record.get("routines", UNRECORDED) != routines():
        entry["routines"] = routines()
    kept = {name: value for name, value in record.items() if name not in STALE}
    write_json(run.record, kept | {"resumed": [*record.get("resumed", []), entry], "ended": "running"})
