"""A search that goes on: its snapshot found, and everything that must be the same compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from training.checks import ConfigError
from training.datasets.dataset import Dataset
from training.datasets.text import counted
from training.resume import AlreadyFinished
from training.run import Run, RunError
from training.tuning.config import TuneConfig, read_settings, seconds_of

ALLOWED = ("max_trials", "time", "data_dir", "start", "workers", "verbose")


@dataclass(frozen=True)
class ResumeTuneConfig:
    """What may be given beside a search that goes on; all else stands in its own config.yaml.

    Attributes:
        resume: The search's directory.
        max_trials: Trials at most, those that are done included.
        time: No trial begins after this long, such as 30m; all sittings count.
        data_dir: Where the data is now, if it has moved.
        start: Where the network is now that all trials start from, if it has moved; its content must be the same.
        workers: Processes that train trials at the same time.
        verbose: auto, bar, line or silent; default: as recorded.
    """

    resume: str
    max_trials: int | None = None
    time: str | None = None
    data_dir: str | None = None
    start: str | None = None
    workers: int | None = None
    verbose: Literal["auto", "bar", "line", "silent"] | None = None

    def __post_init__(self) -> None:
        seconds_of(self.time)
        for name, low in (("max_trials", 1), ("workers", 0)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"{name} must be at least {low}. Received: {name}={value}.")

    @property
    def changes(self) -> dict[str, Any]:
        """The settings that were given."""
        return {name: value for name in ALLOWED if (value := getattr(self, name)) is not None}


def refuse_other_settings(argv: Sequence[str]) -> None:
    """Refuses settings beside `--resume` that a search takes from its own config.yaml.

    Raises:
        RunError: Names the first one.
    """
    own = {"--" + field.name.replace("_", "-") for field in dataclasses.fields(TuneConfig)} | {"--config"}
    own |= {"--no-" + flag.removeprefix("--") for flag in own}
    may = {"--" + name.replace("_", "-") for name in ("resume", *ALLOWED)}
    for argument in argv:
        flag = argument.partition("=")[0].partition(".")[0]
        if flag in own - may:
            raise RunError(
                f"a search that goes on keeps the settings of its config.yaml, so {flag} cannot stand beside --resume. "
                f"Allowed: {', '.join('--' + name.replace('_', '-') for name in ALLOWED)}. "
                "For other settings start a new search without --resume."
            )


def settings_for(run: Run, request: ResumeTuneConfig) -> TuneConfig:
    """The settings of the search, with the changes that are allowed.

    Raises:
        ConfigError: Its config.yaml cannot be read.
        RunError: It is no search.
        AlreadyFinished: It is complete, and nothing was asked for that goes beyond.
    """
    check_is_search(run)
    config = read_settings(run.config, **request.changes)
    refuse_complete(run, request)
    return config


def refuse_complete(run: Run, request: ResumeTuneConfig) -> None:
    """Refuses a search that is complete, where nothing was asked for that goes beyond.

    Raises:
        AlreadyFinished: It says what is known of it.
    """
    record = run.read_record() if run.record.exists() else {}
    longer = request.max_trials is not None or request.time is not None
    if record.get("ended") == "finished" and run.manifest.is_file() and not longer:
        raise AlreadyFinished(
            f"{run.path} is complete: {counted(int(record.get('trials', 0)), 'trial')}, {record.get('why')}. "
            f"For more trials: make tune RESUME={run.path} MAX_TRIALS=…"
        )


def check_is_search(run: Run) -> None:
    """Refuses a training, whose settings a search's would swallow.

    Raises:
        RunError: It says what the run is, and what goes on with it.
    """
    task = run.read_record().get("task", "train") if run.record.exists() else "tune"
    if task != "tune":
        raise RunError(
            f"{run.path} is no search but a run of make {task}. Expected the directory of a search, such as "
            f"runs/tune/…. Go on with this run by: make {task} RESUME={run.path}"
        )


def check_signature(run: Run, known: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses to go on with a search that has become another one.

    Args:
        run: The search.
        known: What its snapshot says.
        now: What stands before us: `settings` by name, `space` and `data` by SHA-256.

    Raises:
        RunError: Names the first difference.
    """
    anew = f"Undo the change, or start a new search: make tune CONFIG={run.config}"
    for name, value in now["settings"].items():
        if name == "start" and known["settings"].get(name) != value:
            raise RunError(f"the network that all trials of {run.path} start from has changed. {anew}")
        if known["settings"].get(name, value) != value:
            raise RunError(
                f"{run.config} was changed: {name} is {value}, and the trials that are done had "
                f"{known['settings'][name]}. Scores of the two do not compare. {anew}"
            )
    if known["space"] != now["space"]:
        raise RunError(f"the space of {run.path} was changed since its trials were drawn from it. {anew}")
    if known["data"] != now["data"]:
        raise RunError(
            f"the data is not what {run.path.name} was searched on: SHA-256 {now['data'][:12]}… where its trials have "
            f"{known['data'][:12]}…. Point --data-dir to the data as it was, or start a new search."
        )


def check_bound(run: Run, config: TuneConfig, done: int) -> None:
    """Refuses fewer trials than were begun."""
    if config.max_trials is not None and config.max_trials < done:
        raise RunError(
            f"{run.path} has begun {done} trials already. Expected at least as many. Received: "
            f"max_trials={config.max_trials}."
        )


def check_data(run: Run, data: Dataset) -> None:
    """Before the first snapshot only `run.json` knows the data."""
    expected = run.read_record().get("data", {}).get("digest") if run.record.exists() else None
    if expected not in (None, data.digest):
        raise RunError(f"the data is not what {run.path.name} was started on. Point --data-dir to the data as it was.")


def note_of(state: Mapping[str, Any] | None) -> str:
    """Where the search stands, for the user."""
    if state is None:
        return "going on from the beginning: no trial was begun"
    oracle = state["oracle"]
    running = len(oracle["ongoing_trials"]) + len(oracle["retry_queue"])
    again = f"; {running} that was cut begins again" if running else ""
    return f"going on after {len(oracle['end_order'])} trials{again}"


def entry_of(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """The resume as `run.json` records it."""
    done = len(state["oracle"]["end_order"]) if state else 0
    return {"time": datetime.now(UTC).isoformat(timespec="seconds"), "after_trials": done}
