"""Settings of `python -m training.tune`, checked before anything is loaded. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from evaluation.command import check_settings
from models.catalog import CATALOG
from training.checks import ConfigError
from training.config import TrainConfig, to_yaml, with_absolute_paths
from training.datasets.catalog import SOURCES

Algorithm = Literal["grid", "random", "hyperband", "bayesian"]
MAX_TRIALS = 25  # where neither trials nor time bound the search; a grid ends by itself
EPOCHS = {"image": 10, "table": 60}  # fewer than those of a training: a search compares
LOWEST = {"max_trials": 1, "seeds": 1, "keep": 0, "finalists": 1, "final_seeds": 0, "workers": 0}
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True)
class TuneConfig(TrainConfig):
    __doc__ = (TrainConfig.__doc__ or "") + (
        "    algorithm: How points are chosen: grid (all of them), random, hyperband or bayesian.\n"
        "    space: YAML file of ranges, such as those in configs/spaces; default: the model's own space.\n"
        "    max_trials: Trials at most; default: 25, all points of a grid, no limit where time is given.\n"
        "    time: No trial begins after this long, such as 30m, 1h30m or 90s; all sittings count.\n"
        "    objective: What ranks trials: val_accuracy, val_mae or val_loss, at the epoch that monitor chose; default:"
        " val_accuracy, or val_mae for a number.\n"
        "    seeds: Trainings of each trial, each with a seed of its own; from 2 on scores carry a spread.\n"
        "    folds: Parts of the training split that judge in turn, instead of the validation split; 0 for none.\n"
        "    stop_hopeless: End a trial that is worse than the median of the others at the same epoch; not with"
        " deterministic, where it must not matter which others have ended.\n"
        "    keep: Models of the best trials that stay on the disk.\n"
        "    finalists: Best trials that are trained again, with final_seeds, and compared with the default setting.\n"
        "    final_seeds: Seeds of that comparison, from seed upwards; 0 leaves the comparison and the test out.\n"
        "    workers: Processes of this machine that train trials at the same time and share its cores; 1: no others.\n"
    )
    algorithm: Algorithm = "random"
    space: str | None = None
    max_trials: int | None = None
    time: str | None = None
    objective: Literal["val_accuracy", "val_mae", "val_loss"] | None = None
    seeds: int = 1
    folds: int = 0
    stop_hopeless: bool = True
    keep: int = 3
    finalists: int = 2
    final_seeds: int = 3
    workers: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low in LOWEST.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"{name} must be at least {low}. Received: {name}={value}.")
        if self.folds == 1 or self.folds < 0:
            raise ConfigError(f"folds must be 0 (none) or at least 2. Received: folds={self.folds}.")
        if self.folds and CATALOG[self.model].from_file:
            raise ConfigError(
                "folds judge on parts of the training images, which the network to start from has learned already. "
                f"Use --seeds. Received: model={self.model}, folds={self.folds}."
            )
        if self.folds and self.seeds > 1:
            raise ConfigError(f"folds and seeds exclude each other. Received: folds={self.folds}, seeds={self.seeds}.")
        seconds_of(self.time)
        task = CATALOG[self.model].task
        if self.objective == {"classification": "val_mae", "regression": "val_accuracy"}[task]:
            raise ConfigError(f"{self.model} does {task}, which has no {self.objective}. Use --objective val_loss.")
        if self.final_fit:
            raise ConfigError("a search chooses on validation, which final_fit would train on. Remove --final-fit.")
        if self.strategy == "multiworker":
            raise ConfigError("a search trains each trial on one machine. Received: strategy=multiworker.")

    @property
    def training(self) -> TrainConfig:
        """The settings that every trial starts from; epochs are those of a trial."""
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(TrainConfig)}
        return TrainConfig(**settings | {"epochs": self.epochs or EPOCHS[self._kind]})

    @property
    def goal(self) -> tuple[str, str]:
        """The objective's name and whether `max` or `min` is wanted."""
        usual = "val_mae" if CATALOG[self.model].task == "regression" else "val_accuracy"
        name = self.objective or usual
        return name, "max" if name.endswith("accuracy") else "min"

    @property
    def trials(self) -> int | None:
        """Trials at most; None: until the space is exhausted, or the time is over."""
        open_end = self.algorithm == "grid" or self.time is not None
        return self.max_trials or (None if open_end else MAX_TRIALS)

    @property
    def _kind(self) -> str:
        common = [kind for kind in SOURCES[self.dataset].kinds if kind in CATALOG[self.model].kinds]
        return common[0] if common else "image"


def seconds_of(text: str | None) -> float | None:
    """A duration such as `30m`, `1h30m` or `90s` in seconds; None stays None.

    Raises:
        ConfigError: It is none, or zero.
    """
    if text is None:
        return None
    match = DURATION.fullmatch(text.strip().lower())
    parts = match.groups() if match else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, UNITS.values(), strict=False) if part)
    if not seconds:
        raise ConfigError(f"time must be a duration such as 30m, 1h30m or 90s. Received: time={text}.")
    return seconds


def write_settings(config: TuneConfig) -> str:
    """Every setting, one a line; `--config` reads it back."""
    return to_yaml(with_absolute_paths(config))


def read_settings(path: Path, *, for_page: bool = False, **changes: Any) -> TuneConfig:
    """The settings that a search recorded.

    Args:
        path: Its `config.yaml`.
        for_page: They are only shown: the data need not be where it was.
        **changes: Settings that replace recorded ones.

    Raises:
        ConfigError: The file is missing, torn, or holds a setting that does not exist.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("it must hold one setting a line")
        found = check_settings(settings, TuneConfig) | changes
        where = found.get("data_dir")
        if for_page and where is not None and not Path(where).exists():
            found["data_dir"] = str(path if SOURCES[found["dataset"]].needs_data_dir == "file" else path.parent)
        return TuneConfig(**found)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as settings: {' '.join(str(error).split())}") from error
