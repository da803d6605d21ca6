"""One trial: its trainings through this project's own pipeline, and what they scored. No report, no predictions."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.checks import ConfigError, TrainingDiverged
from training.config import TrainConfig
from training.datasets.dataset import Dataset
from training.devices import passing_run
from training.finish import Watch
from training.forget import passing_models
from training.interrupt import EXIT_CODES
from training.job import Job
from training.prepare import prepare
from training.run import RunError
from training.startfile import start_facts
from training.train import fit_job
from training.tuning.config import TuneConfig
from training.tuning.folds import folds_of
from training.tuning.points import derived_seed, training_of
from training.tuning.spaces import Space
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
    def numbers(self) -> dict[str, Any]:
        """What the oracle, the table and the report know of the trial; JSON."""
        first = self.scores[0]
        spread = {} if self.spread is None else {"spread": self.spread}
        return {
            "score": self.mean,
            "curve": list(first.curve),
            "n": len(self.scores),
            "fit_seconds": round(sum(score.seconds for score in self.scores), 3),
            "epochs": sum(len(score.curve) for score in self.scores),
            "parameters": first.model.count_params(),
            "stopped": first.stopped,
        } | spread


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
        with passing_models():  # around the call: what a function still holds cannot be given back
            return _train(config, data, objective, direction, curves)
    except ConfigError as error:
        if isinstance(error.__cause__, TypeError):  # of a factory: an error of the program, not of the point
            raise error.__cause__ from None
        raise


def _train(
    config: TrainConfig, data: Dataset, objective: str, direction: str, curves: Sequence[Sequence[float]]
) -> Score:
    """As `train_once`, which forgets the model that trained."""
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


def _check_end(ended: str, watch: Watch) -> None:
    if ended in EXIT_CODES:
        raise KeyboardInterrupt(ended)
    if watch.guard.where or not watch.best.epoch:
        raise TrainingDiverged(f"the loss became NaN or infinite in {watch.guard.where or 'validation'}.")


def _best_so_far(values: Sequence[float], direction: str) -> tuple[float, ...]:
    best = np.maximum.accumulate(values) if direction == "max" else np.minimum.accumulate(values)
    return tuple(float(value) for value in best)


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


@dataclass(frozen=True)
class Runner:
    """Trains trials, in the process of the search as in a worker.

    Attributes:
        config: The search.
        space: A function from hyperparameters to settings.
        base: What every trial starts from; its precision is resolved.
        data: The splits.
        parts: The same, or one data set per fold.
        start: What is known of the file that trials start from.
    """

    config: TuneConfig
    space: Space
    base: TrainConfig
    data: Dataset
    parts: Sequence[Dataset]
    start: Mapping[str, Any]

    def run(self, number: int, values: Mapping[str, Any], curves: Sequence[Sequence[float]]) -> Outcome:
        """Trains one trial.

        Args:
            number: The trial's, from 1.
            values: Its point.
            curves: As `MedianRule` takes them.

        Raises:
            ConfigError, TrainingDiverged, KeyboardInterrupt: As `train_once`.
            RunError: The file that trials start from is another one than before.
        """
        config = self.config
        if start_facts(config.training) != self.start:
            raise RunError(f"{config.start} has changed since the search began: its trials would not compare.")
        judged = config.stop_hopeless and config.algorithm != "hyperband" and not config.deterministic
        objective, direction = config.goal
        return run_trial(
            training_of(self.base, self.space, values),
            self.parts,
            number=number,
            repeats=config.seeds,
            objective=objective,
            direction=direction,
            curves=curves if judged else (),
        )


def runner_for(config: TuneConfig, space: Space, base: TrainConfig, data: Dataset) -> Runner:
    """A runner on the data as it is, or in folds.

    Raises:
        ConfigError: There are fewer examples or groups than folds.
        RunError: The file that trials start from is gone.
    """
    parts = folds_of(data, config.folds, config.split_seed)
    return Runner(config, space, base, data, parts, start_facts(config.training))


def reason_of(error: BaseException) -> str:
    """Why a point is a bad one, in one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
