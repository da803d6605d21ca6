"""One trial: its trainings through this project's own pipeline, and what they scored. No report, no predictions."""

from __future__ import annotations

import dataclasses
import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.checks import ConfigError, TrainingDiverged
from training.config import TrainConfig
from training.datasets.dataset import Dataset, Split
from training.devices import passing_run
from training.finish import Watch
from training.interrupt import EXIT_CODES
from training.job import Job
from training.prepare import prepare
from training.train import fit_job
from training.tuning.points import derived_seed
from training.tuning.stopping import MedianRule

BAD_POINTS = (ConfigError, TrainingDiverged, MemoryError, tf.errors.ResourceExhaustedError)
"""What a point of the space may do without being an error of the program: the search goes on."""


@dataclass(frozen=True)
class Score:
    """What one training reached.

    Attributes:
        value: The objective at the best epoch, as `monitor` judged.
        curve: The best objective after each epoch.
        model: In float32, with the weights of the best epoch.
        stopped: Epoch after which the median rule ended it; 0 where it did not.
        seconds: In `fit`.
    """

    value: float
    curve: tuple[float, ...]
    model: keras.Model
    stopped: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a trial reached: one training, or one per seed or fold.

    Attributes:
        scores: One per training.
    """

    scores: tuple[Score, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(score.value for score in self.scores)

    @property
    def spread(self) -> float | None:
        """Standard deviation of the trainings; None for one."""
        return statistics.stdev(score.value for score in self.scores) if len(self.scores) > 1 else None

    @property
    def epochs(self) -> int:
        return sum(len(score.curve) for score in self.scores)


def train_once(
    config: TrainConfig,
    data: Dataset,
    *,
    objective: str,
    direction: str,
    curves: Sequence[Sequence[float]] = (),
) -> Score:
    """Trains once and judges on the validation split; nothing of it stays on the disk.

    Args:
        config: The training; what it would write is left out.
        data: Its splits; test is not touched.
        objective: What counts, such as `val_accuracy`.
        direction: `max` or `min`.
        curves: As `MedianRule` takes them; none: nothing is stopped as hopeless.

    Raises:
        ConfigError: The point cannot be built, or takes more memory than there is.
        TrainingDiverged: The loss became NaN or infinite.
        KeyboardInterrupt: A signal asked for an end.
    """
    quiet: dict[str, Any] = {"checkpoint_every": 0, "checkpoint_steps": 0, "snapshots": False, "tensorboard": False}
    config = dataclasses.replace(config, **quiet, verbose="silent")
    try:
        model, twin, plan = prepare(config, data)
        rule = MedianRule(curves, objective, direction, plan.epochs)
        with passing_run() as run:
            job = Job(config, data, model, twin, plan, run, save=lambda weights: None, watchers=(rule,))
            started = time.perf_counter()
            watch, ended = fit_job(job)
        _check_end(ended, watch)
        twin.set_weights(watch.best.weights)
        curve = _best_so_far(watch.writer.history[objective], direction)
        return Score(
            value=watch.writer.history[objective][watch.best.epoch - 1],
            curve=curve,
            model=twin,
            stopped=rule.stopped,
            seconds=time.perf_counter() - started,
        )
    finally:
        forget()


def _check_end(ended: str, watch: Watch) -> None:
    if ended in EXIT_CODES:
        raise KeyboardInterrupt(ended)
    if watch.guard.where or not watch.best.epoch:
        raise TrainingDiverged(f"the loss became NaN or infinite in {watch.guard.where or 'validation'}.")


def _best_so_far(values: Sequence[float], direction: str) -> tuple[float, ...]:
    best = np.maximum.accumulate(values) if direction == "max" else np.minimum.accumulate(values)
    return tuple(float(value) for value in best)


def forget() -> None:
    """Gives back what Keras and TensorFlow keep of a model, so that memory does not grow with the trials."""
    keras.backend.clear_session(free_memory=False)
    gc.collect()


def run_trial(
    config: TrainConfig,
    data: Sequence[Dataset],
    *,
    number: int,
    repeats: int,
    objective: str,
    direction: str,
    curves: Sequence[Sequence[float]],
) -> Outcome:
    """All trainings of a trial.

    Args:
        config: The point; its seed is that of the search.
        data: One data set, or one per fold.
        number: The trial's, from 1; with the search's seed it gives the seeds of its trainings.
        repeats: Trainings on each data set.
        objective, direction: As `train_once`.
        curves: Of finished trials; where the first training is stopped as hopeless, the others are left out.

    Raises:
        ConfigError, TrainingDiverged, KeyboardInterrupt: As `train_once`.
    """
    scores: list[Score] = []
    for index, (part, _) in enumerate((part, repeat) for part in data for repeat in range(repeats)):
        seeded = dataclasses.replace(config, seed=derived_seed(config.seed, "trial", number, index))
        rivals = curves if index == 0 else ()
        scores.append(train_once(seeded, part, objective=objective, direction=direction, curves=rivals))
        if scores[-1].stopped:
            break
    return Outcome(tuple(scores))


def folds_of(data: Dataset, count: int, seed: int) -> list[Dataset]:
    """The training split in `count` parts, each of which judges what the others train; validation stays unseen.

    So validation may still judge the setting that the folds chose. Groups stay together, classes keep their shares.

    Raises:
        ConfigError: There are fewer examples or groups than folds.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    if count == 0:
        return [data]
    classes, grouped = data.task == "classification", data.train.groups is not None
    kind = {
        (True, True): StratifiedGroupKFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (False, False): KFold,
    }[classes, grouped]
    splitter = kind(n_splits=count, shuffle=True, random_state=seed)
    rows = np.arange(len(data.train))
    try:
        pairs = list(splitter.split(rows, data.train.y, data.train.groups))
    except ValueError as error:
        raise ConfigError(f"folds={count} do not fit the training split: {error}") from error
    return [dataclasses.replace(data, train=_part(data.train, a), validation=_part(data.train, b)) for a, b in pairs]


def _part(split: Split, rows: np.ndarray) -> Split:
    groups = None if split.groups is None else split.groups[rows]
    return Split(x=split.x[rows], y=split.y[rows], ids=split.ids[rows], groups=groups)
