"""`train(config)`: data in, a run directory with the best model, its predictions and its report out."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

import models
from evaluation.files import write_atomically
from evaluation.report import Report
from training import datasets
from training.callbacks import BestModel, HistoryWriter, Snapshots, StopOnNonFinite
from training.checkpoint import save_model
from training.checks import ConfigError, TrainingDiverged, check_num_classes
from training.config import TrainConfig, to_yaml
from training.datasets.dataset import Dataset
from training.diagnostics import Verdict, baseline_loss, best_epoch, diagnose, draw_curves
from training.pipeline import batches, errors_in_words
from training.predictions import predict_run
from training.prepare import Plan, class_weights, prepare
from training.results import describe, report_run, write_splits
from training.run import Run, environment, new_run

VALIDATION_BATCH = 256


@dataclass(frozen=True)
class Watch:
    """The callbacks that remember what happened."""

    guard: StopOnNonFinite
    writer: HistoryWriter
    best: BestModel

    @property
    def epochs(self) -> int:
        """Epochs that were finished."""
        return len(self.writer.history.get("loss", ()))


@dataclass(frozen=True)
class RunResult:
    """What a run ended with.

    Attributes:
        run: The run directory.
        history: Columns of `history.csv`, one value per epoch.
        best_epoch: Epoch of the saved weights, from 1.
        verdict: What the curves say.
        report: Numbers, text and path of the report; None where no epoch was finished.
        ended: `finished`, `stopped early` or `interrupted`.
    """

    run: Run
    history: Mapping[str, list[float]]
    best_epoch: int
    verdict: Verdict
    report: Report | None
    ended: str


def train(config: TrainConfig) -> RunResult:
    """Trains one model on one data set.

    Args:
        config: All settings; the test split is read once, by the report, and chooses nothing.

    Returns:
        The finished (or interrupted) run; its directory holds everything that DESIGN.md lists.

    Raises:
        ConfigError: The settings do not fit the factory or the data.
        DataError: The data cannot be used.
        TrainingDiverged: The loss became NaN or infinite; the run directory keeps what there was.
        OSError: The disk is full or not writable; the last good files stay.
    """
    _check_hyperparameters(config)
    say = _speaker(config)
    data = datasets.load(config, task=models.CATALOG[config.model].task, progress=config.verbose != "silent")
    check_num_classes(config.model, config.dataset, data.num_classes or None)
    model, twin, plan = prepare(config, data)

    run = new_run(config.runs_dir, "train", config.model, config.dataset)
    write_atomically(run.config, to_yaml(_with_absolute_path(config)))
    write_splits(run, data)
    run.update_record(**environment(), **_facts(config, data, plan, model), ended="running")
    for line in describe(config, data, run, model, plan.policy, plan.batch_size):
        say(line)

    watch = Watch(
        guard=StopOnNonFinite(),
        writer=HistoryWriter(run.history),
        best=BestModel(config.monitor, lambda weights: _save_best(twin, weights, run, data)),
    )
    callbacks = [watch.guard, watch.writer, watch.best, *_optional_callbacks(config, run)]
    started = time.perf_counter()
    try:
        interrupted = _fit(model, config, data, plan, callbacks)
    except Exception as error:
        with contextlib.suppress(OSError):  # a full disk may be the reason itself
            run.update_record(ended="failed", error=" ".join(str(error).split())[:500])
        raise
    ended = _how_it_ended(watch, plan, interrupted)
    run.update_record(
        ended=ended,
        seconds=round(time.perf_counter() - started, 1),
        epochs=watch.epochs,
        best_epoch=watch.best.epoch,
    )
    return _finish(config, data, run, watch, ended)


def _check_hyperparameters(config: TrainConfig) -> None:
    try:
        models.check_hyperparameters(config.model, config.hyperparameters)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _with_absolute_path(config: TrainConfig) -> TrainConfig:
    """A record that finds its data from any folder."""
    if config.data_dir is None:
        return config
    return dataclasses.replace(config, data_dir=str(Path(config.data_dir).expanduser().resolve()))


def _speaker(config: TrainConfig):
    return (lambda line: None) if config.verbose == "silent" else (lambda line: print(line, flush=True))


def _facts(config: TrainConfig, data: Dataset, plan: Plan, model: keras.Model) -> dict[str, Any]:
    """What `run.json` says of the run beside versions and hardware."""
    return {
        "data": {
            "digest": data.digest,
            "examples": {name: len(split) for name, split in data.splits.items()},
            "class_names": list(data.class_names),
            "positive": data.positive,
            "feature_names": list(data.feature_names),
            "settings": data.settings,
            "notes": list(data.notes),
            "bad_files": [list(pair) for pair in data.bad_files],
        },
        "resolved": {
            "epochs": plan.epochs,
            "batch_size": plan.batch_size,
            "steps_per_epoch": plan.steps,
            "steps_per_execution": plan.steps_per_execution,
            "precision": plan.policy,
            "probe_ms": plan.probe_ms,
            "optimizer": keras.optimizers.serialize(model.optimizer)["config"],
            "parameters": model.count_params(),
        },
        "seed": config.seed,
    }


def _optional_callbacks(config: TrainConfig, run: Run) -> list[keras.callbacks.Callback]:
    callbacks: list[keras.callbacks.Callback] = []
    if config.patience:
        mode = "max" if config.monitor.endswith("accuracy") else "min"
        callbacks.append(keras.callbacks.EarlyStopping(monitor=config.monitor, patience=config.patience, mode=mode))
    if config.snapshots:
        callbacks.append(Snapshots(run.snapshots))
    return callbacks


def _fit(model: keras.Model, config: TrainConfig, data: Dataset, plan: Plan, callbacks: list) -> bool:
    """Runs Keras' loop; returns whether Ctrl-C ended it."""
    bar = {"bar": 1, "line": 2, "silent": 0, "auto": 1 if sys.stdout.isatty() else 2}[config.verbose]
    weights = class_weights(config, data.train, data.num_classes)
    training = batches(
        data.train,
        batch_size=plan.batch_size,
        shuffle_seed=config.seed,
        augmentation=plan.augmentation,
        class_weights=weights,
    )
    validation = batches(data.validation, batch_size=VALIDATION_BATCH, class_weights=weights)
    try:
        with errors_in_words():
            model.fit(
                training,
                validation_data=validation,
                epochs=plan.epochs,
                callbacks=callbacks,
                shuffle=False,  # the batches are shuffled already
                verbose=bar,
            )
    except KeyboardInterrupt:
        return True
    return False


def _save_best(twin: keras.Model, weights: list, run: Run, data: Dataset) -> None:
    """Puts the weights into the float32 twin, whatever precision trained them, and saves it."""
    twin.set_weights(weights)
    metadata = {
        "class_names": list(data.class_names),
        "positive": data.positive,
        "feature_names": list(data.feature_names),
        "kind": data.kind,
        "settings": data.settings,
        "data_digest": data.digest,
    }
    save_model(twin, run.model, metadata)


def _how_it_ended(watch: Watch, plan: Plan, interrupted: bool) -> str:
    if watch.guard.where:
        return "diverged"
    if interrupted:
        return "interrupted"
    return "finished" if watch.epochs == plan.epochs else "stopped early"


def _finish(config: TrainConfig, data: Dataset, run: Run, watch: Watch, ended: str) -> RunResult:
    """Curves, verdict, predictions, report and manifest; raises where the loss was lost."""
    history, best, guard = watch.writer.history, watch.best, watch.guard
    verdict = Verdict("too few epochs", 0, "no epoch was finished.")
    if watch.epochs:
        verdict = diagnose(history, baseline_loss=_baseline(config, data))
        draw_curves(history, verdict, run.curves, title=f"{config.model} on {config.dataset}", best=best.epoch)
        run.update_record(verdict={"kind": verdict.kind, "epoch": verdict.epoch, "text": verdict.text})
    report = report_run(run, config, data, predict_run(run, data)) if best.epoch and not guard.where else None
    run.write_manifest()
    if guard.where:
        raise TrainingDiverged(_divergence_message(config, run, guard, best))
    return RunResult(run, history, best_epoch(history, config.monitor), verdict, report, ended)


def _baseline(config: TrainConfig, data: Dataset) -> float:
    """Loss of the best constant guess; with balanced weights that is one class as likely as another."""
    if config.class_weight == "balanced":
        return math.log(data.num_classes)
    return baseline_loss(data.train.y, data.num_classes)


def _divergence_message(config: TrainConfig, run: Run, guard: StopOnNonFinite, best: BestModel) -> str:
    kept = (
        f"the weights of epoch {best.epoch} are kept in {run.model}" if best.epoch else "no epoch was finished before"
    )
    rate = "lower --learning-rate" + (f" (it was {config.learning_rate:g})" if config.learning_rate else "")
    return f"the loss became NaN or infinite in {guard.where}; {kept}. Try to {rate}, or look for extreme inputs."
