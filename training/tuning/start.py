"""What a search begins with: space, oracle, data, directory, and the signature of what must stay the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
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
from training.resume import STORAGE
from training.run import new_run
from training.startfile import start_facts
from training.train import beginning, data_facts, load_data
from training.tuning.config import TuneConfig, write_settings
from training.tuning.oracles import Bayesian, Dependable, new_oracle, random_first
from training.tuning.points import check_objective
from training.tuning.resume import ALLOWED
from training.tuning.search import Search
from training.tuning.spacefile import FileSpace, describe, read_space
from training.tuning.spaces import SPACES, Space
from training.tuning.tuner import Tuner

COUNTED_POINTS = 2000  # a grid larger than this is not counted, only searched
UNDECISIVE = (*ALLOWED, *STORAGE, "runs_dir", "strategy", "space", "keep", "finalists", "final_seeds", "tensorboard")
UNUSED = ("checkpoint_every", "checkpoint_steps", "snapshots")


def space_of(config: TuneConfig, folder: Path | None = None) -> Space:
    """The function that the settings name; of a search that goes on, its own copy of the file."""
    if config.space is None:
        return SPACES[config.model]
    path = config.space if folder is None else folder / "space.yaml"
    return read_space(path, models.accepted_hyperparameters(config.model))


def check(config: TuneConfig) -> tuple[Space, Dependable]:
    """Refuses what can be refused before any data is read; returns the space and its oracle.

    Raises:
        ConfigError: The space, the algorithm and the settings do not fit each other.
    """
    try:
        models.check_hyperparameters(config.model, config.hyperparameters)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    space = space_of(config)
    oracle = new_oracle_for(config, space)
    _check_bound(config, oracle)
    return space, oracle


def start(config: TuneConfig, files: Mapping[str, str], subject: str | None) -> Search:
    """A new search in a directory of its own, with further files and what its page calls it.

    Raises:
        ConfigError, DataError, OSError: As `tune`.
    """
    space, oracle = check(config)
    data = load_data(config.training)
    base = base_of(config, data, None)
    run = new_run(config.runs_dir, "tune", config.model, config.dataset)
    search = Search(config, run, space, data, oracle, base, total=total_of(config, oracle))
    write_atomically(run.config, write_settings(config))
    write_atomically(run.path / "space.yaml", _resolved(space, oracle.get_space()))
    for name, text in files.items():
        write_atomically(run.path / name, text)
    record(search, **({} if subject is None else {"subject": subject}))
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
    if isinstance(oracle, Bayesian):
        oracle.num_initial_points = random_first(oracle)
    return oracle


def _no_training(trial: Trial, curves: Sequence[Sequence[float]]) -> dict[str, Any]:
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


def _check_bound(config: TuneConfig, oracle: Dependable) -> None:
    """Refuses a grid that would take for ever.

    Raises:
        ConfigError: It names the ways out.
    """
    if config.algorithm == "grid" and config.trials is None and config.time is None and count_points(oracle) is None:
        where = config.space or f"the space of {config.model}"
        raise ConfigError(
            f"a grid over {where} has more than {COUNTED_POINTS:,} points (up to {_product(oracle):,}). Bound it by "
            "--max-trials or --time, give a smaller --space (configs/spaces holds ready ones), or take another "
            "--algorithm."
        )


def _product(oracle: Dependable) -> int:
    """Points of a grid if no hyperparameter depended on another; never fewer than there are."""
    return math.prod(len(list(hp.values)) for hp in oracle.get_space().space)


def count_points(oracle: Dependable) -> int | None:
    """Points of a grid; None for more than are worth counting."""
    space = oracle.get_space()
    if _product(oracle) > COUNTED_POINTS:
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


def signature(config: TuneConfig, data: Dataset, oracle: Dependable, space: Space) -> dict[str, Any]:
    """What must be the same where a search goes on: settings by name, the space and the data by SHA-256."""
    skipped = (*UNDECISIVE, *UNUSED)
    settings = {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name not in skipped}
    ranges = json.dumps(oracle.hyperparameters.get_config()["space"], sort_keys=True)
    if isinstance(space, FileSpace) and space.sets:
        ranges += json.dumps(space.sets, sort_keys=True)
    plain = json.loads(json.dumps(settings | start_facts(config.training), default=str))
    return {"settings": plain, "space": hashlib.sha256(ranges.encode()).hexdigest(), "data": data.digest}
