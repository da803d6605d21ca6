"""`tune(config)`: a search from its first trial, or from a snapshot, to its last; then the conclusion."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from keras_tuner import HyperParameters
from keras_tuner.engine.trial import Trial

import models
from evaluation.files import write_atomically
from training import precision
from training.checks import ConfigError
from training.config import TrainConfig
from training.datasets.dataset import Dataset
from training.interrupt import Interrupt
from training.job import save_network
from training.results import relative
from training.resume import STORAGE
from training.run import Run, new_run
from training.train import beginning, data_facts, load_data
from training.tuning.config import TuneConfig, seconds_of, write_settings
from training.tuning.oracles import HOPELESS, SPENT, Dependable, new_oracle
from training.tuning.points import check_objective, setting
from training.tuning.runner import Outcome, folds_of, run_trial
from training.tuning.snapshots import Snapshots
from training.tuning.spacefile import FileSpace, describe, read_space
from training.tuning.spaces import SPACES, Settings, Space
from training.tuning.table import Row, best_first, line, number_of, row_of, write_table
from training.tuning.tuner import Tuner

COUNTED_POINTS = 2000  # a grid larger than this is not counted, only searched
ALLOWED = ("max_trials", "time", "data_dir", "verbose")
UNDECISIVE = (*ALLOWED, *STORAGE, "runs_dir", "strategy", "space", "keep", "finalists", "final_seeds", "tensorboard")
UNUSED = ("checkpoint_every", "checkpoint_steps", "snapshots")


@dataclass(frozen=True)
class Search:
    """A search at work.

    Attributes:
        config: Its settings.
        run: Its directory.
        space: A function from hyperparameters to settings.
        data: The splits, one data set, loaded once.
        oracle: Proposes and remembers.
        base: What every trial starts from; its precision is resolved.
        before: Seconds of earlier sittings.
        started: When this sitting began, on `time.monotonic`.
        total: Trials at most; None where nobody knows.
        stop: Which signal asked for an end.
    """

    config: TuneConfig
    run: Run
    space: Space
    data: Dataset
    oracle: Dependable
    base: TrainConfig
    before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    total: int | None = None
    stop: Interrupt = field(default_factory=Interrupt)

    @property
    def rows(self) -> list[Row]:
        """All trials so far, by number."""
        return sorted((row_of(trial) for trial in self.oracle.trials.values()), key=lambda row: row.number)

    @property
    def elapsed(self) -> float:
        """Seconds of all sittings."""
        return self.before + time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """Seconds until no trial begins any more; None without a budget of time."""
        budget = seconds_of(self.config.time)
        return None if budget is None else budget - self.elapsed

    def obey(self) -> None:
        """Ends where a signal asked for it between two trainings, as a training does after its step."""
        if self.stop.received is not None:
            raise KeyboardInterrupt(self.stop.ended)

    def settings_of(self, values: Mapping[str, Any]) -> Settings:
        """What a point of the space stands for."""
        hp = HyperParameters()
        hp.values = dict(values)
        return self.space(hp)

    def training_of(self, values: Mapping[str, Any]) -> TrainConfig:
        """The training that a point stands for; Hyperband says how many epochs.

        Raises:
            ConfigError: The settings contradict each other.
        """
        epochs = {"epochs": values["tuner/epochs"]} if "tuner/epochs" in values else {}
        return setting(self.base, self.settings_of(values), **epochs)


def space_of(config: TuneConfig, folder: Path | None = None) -> Space:
    """The function that the settings name; of a search that goes on, its own copy of the file."""
    if config.space is None:
        return SPACES[config.model]
    path = config.space if folder is None else folder / "space.yaml"
    return read_space(path, models.accepted_hyperparameters(config.model))


def start(config: TuneConfig) -> Search:
    """A new search in a directory of its own.

    Raises:
        ConfigError, DataError, OSError: As `tune`.
    """
    space = space_of(config)
    oracle = new_oracle_for(config, space)
    data = load_data(config.training)
    base = base_of(config, data, None)
    run = new_run(config.runs_dir, "tune", config.model, config.dataset)
    search = Search(config, run, space, data, oracle, base, total=total_of(config, oracle))
    write_atomically(run.config, write_settings(config))
    write_atomically(run.path / "space.yaml", _resolved(space, oracle.get_space()))
    record(search)
    return search


def record(search: Search, **entries: Any) -> None:
    """Writes into `run.json` that the search is at work, on what and with what."""
    run = search.run
    known = {} if run.record.exists() and "versions" in run.read_record() else beginning()
    run.update_record(**known, **data_facts(search.data), **_facts(search), **entries, ended="running")


def new_oracle_for(config: TuneConfig, space: Space) -> Dependable:
    """An oracle that knows every parameter of the space, those of all conditions too, by keras-tuner's own walk.

    Raises:
        ConfigError: The objective cannot rank the points, or the algorithm does not fit the space.
    """
    epochs = config.training.epochs or 1
    _, direction = config.goal
    oracle = new_oracle(
        config.algorithm, direction=direction, max_trials=config.trials, seed=config.seed, max_epochs=epochs
    )
    Tuner(oracle, space, str(Path(config.runs_dir).expanduser()), train=_no_training, ended=lambda trial: None)
    names = _names(space, oracle.get_space())
    check_objective(config.goal[0], names)
    if config.algorithm == "hyperband" and "epochs" in names:
        raise ConfigError(
            "hyperband chooses the epochs itself: leave epochs out of the space, or take another algorithm."
        )
    return oracle


def _no_training(trial: Trial, curves: Sequence[Sequence[float]]) -> Outcome:
    raise AssertionError("a tuner that only declares a space trains nothing")


def _names(space: Space, hps: HyperParameters) -> list[str]:
    """Settings that the space moves."""
    return sorted({*(hp.name for hp in hps.space), *space(hps.copy())})


def base_of(config: TuneConfig, data: Dataset, policy: str | None) -> TrainConfig:
    """What all trials share; the number format is measured once, not per trial."""
    if policy is None:
        policy, _ = precision.resolve(config.precision, data.kind)
    pinned: dict[str, Any] = {"precision": policy}
    return dataclasses.replace(config.training, **pinned)


def total_of(config: TuneConfig, oracle: Dependable) -> int | None:
    """How many trials there will be at most."""
    points = count_points(oracle) if config.algorithm == "grid" else None
    known = [number for number in (points, config.trials) if number is not None]
    return min(known, default=None)


def count_points(oracle: Dependable) -> int | None:
    """Points of a grid; None for more than are worth counting."""
    space = oracle.get_space()
    if math.prod(len(list(hp.values)) for hp in space.space) > COUNTED_POINTS:
        return None
    values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
    count = 1
    while (values := oracle._get_next_combination(values)) is not None:
        count += 1
    return count


def _resolved(space: Space, hps: HyperParameters) -> str:
    """The space as `space.yaml` shows it; of a file, so that it can be read again."""
    content = space.described() if isinstance(space, FileSpace) else describe(hps)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _facts(search: Search) -> dict[str, Any]:
    config = search.config
    return {
        "task": "tune",
        "model": config.model,
        "algorithm": config.algorithm,
        "objective": config.goal[0],
        "resolved": {"precision": search.base.precision, "epochs": search.base.epochs},
        "seed": config.seed,
    }


def signature(config: TuneConfig, data: Dataset, oracle: Dependable) -> dict[str, Any]:
    """What must be the same where a search goes on: settings by name, the space and the data by SHA-256."""
    skipped = (*UNDECISIVE, *UNUSED)
    settings = {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name not in skipped}
    space = json.dumps(oracle.hyperparameters.get_config()["space"], sort_keys=True)
    plain = json.loads(json.dumps(settings, default=str))
    return {"settings": plain, "space": hashlib.sha256(space.encode()).hexdigest(), "data": data.digest}


def run_search(search: Search) -> str:
    """Runs trials until none is left; the caller holds the lock of the directory.

    Returns:
        Why the search ended: `all trials`, `exhausted`, `time` or `hopeless`.

    Raises:
        KeyboardInterrupt: A signal asked for an end; nothing that was finished is lost.
        Exception: Whatever is no bad point of the space, such as an error of this program or a full disk.
    """
    config, oracle = search.config, search.oracle
    known = signature(config, search.data, oracle)
    store = Snapshots(search.run.path)
    oracle.keep = lambda state: store.write({"signature": known, "elapsed": search.elapsed, "oracle": state})
    oracle.spent = lambda: search.left is not None and search.left <= 0
    parts = folds_of(search.data, config.folds, config.split_seed)
    objective, direction = config.goal

    def train(trial: Trial, curves: Sequence[Sequence[float]]) -> Outcome:
        search.obey()
        outcome = run_trial(
            search.training_of(trial.hyperparameters.values),
            parts,
            number=number_of(trial),
            repeats=config.seeds,
            objective=objective,
            direction=direction,
            curves=curves if config.stop_hopeless and config.algorithm != "hyperband" else (),
        )
        _keep_model(search, number_of(trial), outcome)
        return outcome

    _write_table(search)
    Tuner(oracle, search.space, str(search.run.path), train=train, ended=lambda trial: _after(search, trial)).search()
    return _reason(search)


def _keep_model(search: Search, number: int, outcome: Outcome) -> None:
    """Saves the model of one of the best trials, before the trial counts as finished."""
    rows = [*search.rows, Row(number, "completed", outcome.mean)]
    best = best_first(rows, search.config.goal[1])[: search.config.keep]
    if number in [row.number for row in best]:
        folder = search.run.path / "checkpoints" / f"trial-{number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        save_network(outcome.scores[0].model, Run(folder), search.data)


def _after(search: Search, trial: Trial) -> None:
    """Files and the line of a trial that has ended."""
    config, rows, row = search.config, search.rows, row_of(trial)
    name, direction = config.goal
    prune(search.run, [one.number for one in best_first(rows, direction)[: config.keep]])
    _write_table(search)
    if config.tensorboard:
        from training.tuning.hparams import write_hparams

        write_hparams(search.run.tensorboard, row, name)
    if config.verbose != "silent":
        print(line(row, rows, total=search.total, direction=direction, left=search.left), flush=True)


def prune(run: Run, numbers: Sequence[int]) -> None:
    """Removes the models of all trials but these."""
    wanted = {f"trial-{number:04d}" for number in numbers}
    for folder in (run.path / "checkpoints").glob("trial-*"):
        if folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def _write_table(search: Search) -> None:
    names = [hp.name for hp in search.oracle.hyperparameters.space]
    write_table(search.run.path / "trials.csv", search.rows, list(dict.fromkeys(names)), search.config.seed)


def _reason(search: Search) -> str:
    if search.oracle.ended:
        return {SPENT: "time", HOPELESS: "hopeless"}[search.oracle.ended]
    limit = search.oracle.max_trials
    return "all trials" if limit is not None and len(search.oracle.trials) >= limit else "exhausted"


def disk_use(run: Run) -> int:
    """Bytes of all files of a run."""
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    return 0


def begin_line(search: Search) -> str:
    """What is searched, where, and for how long."""
    config = search.config
    bounds = [f"{search.total} trials" if search.total else "", f"{config.time}" if config.time else ""]
    bound = " or ".join(part for part in bounds if part) or "until the space is exhausted"
    size = len(search.oracle.hyperparameters.space)
    what = f"{config.algorithm} search over {size} hyperparameters of {config.model}"
    return f"{what} on {config.dataset}: {bound}, {search.base.epochs} epochs each\nsearch: {relative(search.run.path)}"
