"""`train(config)`: data in, a run directory with the best model, its predictions and its report out."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import keras

import models
from evaluation.files import write_atomically
from training import datasets
from training.callbacks import Clock
from training.checks import ConfigError, check_num_classes, check_start_file
from training.config import TrainConfig, to_yaml, with_absolute_paths
from training.cpu import give_memory_back
from training.datasets.dataset import Dataset
from training.devices import Devices, WorkerLost, passing_run, start_devices
from training.diagnostics import Verdict
from training.finalfit import with_validation
from training.finish import RunResult, Watch, finish
from training.interrupt import Interrupt, orderly_end
from training.job import Job, callbacks_for, progress_for, resolved_choices, restore, watch_for
from training.pipeline import batches, errors_in_words, new_clock
from training.prepare import Plan, class_weights, prepare
from training.results import describe, relative, reported_splits, write_splits
from training.resume import config_digest
from training.run import Run, environment, new_run
from training.startfile import check_start, record_of_start, start_facts
from training.tensorboard import check_installed

VALIDATION_BATCH = 256

__all__ = ["Job", "RunResult", "fit_job", "load_data", "run_job", "train"]


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
    devices = start_devices(config)
    config = quiet_beside_the_chief(config, devices)
    data = load_data(config)
    start = start_facts(config).get("start", {}).get("sha256", "")
    devices.agree({"settings": config_digest(config), "data": data.digest, "network to start from": start})
    with devices.fitting():
        model, twin, plan = prepare(config, data, devices)
    with _new_run(config, devices) as run:
        return run_job(Job(config, data, model, twin, plan, run, devices=devices))


def quiet_beside_the_chief(config: TrainConfig, devices: Devices) -> TrainConfig:
    """The settings of this process: one of several workers speaks."""
    return config if devices.is_chief else dataclasses.replace(config, verbose="silent")


@contextlib.contextmanager
def _new_run(config: TrainConfig, devices: Devices) -> Iterator[Run]:
    """A new run directory, locked; for workers that write no files one that vanishes."""
    if not devices.is_chief:
        with passing_run() as run:
            yield run
        return
    run = new_run(config.runs_dir, "train", config.model, config.dataset)
    with run.lock():
        yield run


def load_data(config: TrainConfig) -> Dataset:
    """The data of a run, once its settings are known to fit the factory.

    Raises:
        ConfigError, DataError: As `train`.
    """
    try:
        models.check_hyperparameters(config.model, config.hyperparameters)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    check_start_file(config)
    if config.tensorboard:
        check_installed()
    task = models.CATALOG[config.model].task
    data = datasets.load(config, task=task, progress=config.verbose != "silent")
    check_num_classes(config.model, config.dataset, data.num_classes or None)
    data = check_start(config, data)
    return with_validation(data) if config.final_fit else data


def run_job(job: Job) -> RunResult:
    """Records, trains and reports; the caller holds the run's lock.

    Raises:
        TrainingDiverged, DataError, ConfigError, OSError: As `train`; a note on the exception says how to resume.
    """
    config, data, run = job.config, job.data, job.run
    write_atomically(run.config, to_yaml(with_absolute_paths(config)))
    write_splits(run, data, reported_splits(config))
    known = {} if run.record.exists() and "versions" in run.read_record() else beginning()
    facts = data_facts(data) | _facts(config, job.plan, job.model) | {"devices": job.devices.facts}
    facts |= record_of_start(config, data, job.model)
    run.update_record(**known, **facts, reported=list(reported_splits(config)), ended="running")
    if config.verbose != "silent":
        for line in describe(
            config, data, run, job.model, job.plan.policy, job.plan.batch_size, len(job.plan.fast_layers)
        ):
            print(line, flush=True)
    return _finish(job, *fit_job(job))


def fit_job(job: Job) -> tuple[Watch, str]:
    """Trains, and records in `run.json` how it ended; the caller holds the run's lock.

    Returns:
        What was seen, and how it ended: `finished`, `stopped early`, `diverged`, `interrupted` or `terminated`.

    Raises:
        DataError, ConfigError, OSError: As `train`; a note on the exception says how to resume.
    """
    run = job.run
    started = time.perf_counter()
    try:
        with orderly_end() as interrupt, job.devices.fitting():
            watch, before, interrupted = _fit(job, interrupt)
    except Exception as error:
        with contextlib.suppress(OSError):  # a full disk may be the reason itself
            run.update_record(ended="failed", error=" ".join(str(error).split())[:500])
        if any(run.checkpoint.glob("*.npz")):
            error.add_note(f"The last good state is kept; go on with: {job.command} RESUME={relative(run.path)}")
        raise
    give_memory_back()
    ended = _how_it_ended(watch, job.plan, interrupt.ended if interrupted else None)
    run.update_record(
        ended=ended,
        seconds=round(before + time.perf_counter() - started, 1),
        epochs=watch.epochs,
        best_epoch=watch.best.epoch,
    )
    return watch, ended


def _finish(job: Job, watch: Watch, ended: str) -> RunResult:
    """The chief reports; the others wait for it, because a worker that left would look like one that died."""
    if job.devices.is_chief:
        result = finish(job.config, job.data, job.run, watch, ended)
        with contextlib.suppress(WorkerLost):
            job.devices.gather([0])
        return result
    if not watch.guard.where:
        job.devices.gather([0])
    nothing = Verdict("too few epochs", 0, "the chief has the curves.")
    return RunResult(job.run, watch.writer.history, watch.best.epoch, nothing, None, ended, is_chief=False)


def beginning() -> dict[str, Any]:
    """What `run.json` says once, when the run begins: time, versions and hardware."""
    return {"started": datetime.now(UTC).isoformat(timespec="seconds")} | environment()


def data_facts(data: Dataset) -> dict[str, Any]:
    """What `run.json` says of the data."""
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
        }
    }


def _facts(config: TrainConfig, plan: Plan, model: keras.Model) -> dict[str, Any]:
    """What `run.json` says of the training."""
    return {
        "resolved": resolved_choices(plan)
        | {
            "probe_ms": plan.probe_ms,
            "optimizer": keras.optimizers.serialize(model.optimizer)["config"],
            "parameters": model.count_params(),
        },
        "seed": config.seed,
    }


def _fit(job: Job, interrupt: Interrupt) -> tuple[Watch, float, bool]:
    """Runs Keras' loop; returns what was seen, the seconds of earlier sittings, and whether a signal ended it."""
    config, data, plan, state = job.config, job.data, job.plan, job.state
    clock = new_clock()
    weights = class_weights(config, data.train, data.num_classes)
    training = batches(
        data.train,
        batch_size=plan.batch_size,
        shuffle_seed=config.seed,
        augmentation=plan.augmentation,
        class_weights=weights,
        clock=clock,
    )
    validation = batches(data.validation, batch_size=VALIDATION_BATCH, class_weights=weights)
    watch = watch_for(job)
    before = restore(job, watch, validation)
    if state is not None and (state.epoch >= plan.epochs or state.facts["stopped"]):
        return watch, before, False
    progress = progress_for(job, watch)
    callbacks = callbacks_for(job, watch, interrupt, Clock(clock, state.step if state else 0), progress)
    try:
        with errors_in_words():
            job.model.fit(
                job.devices.share(training),
                validation_data=None if config.final_fit else job.devices.share(validation),
                initial_epoch=state.epoch if state else 0,
                epochs=plan.epochs,
                callbacks=callbacks,
                shuffle=False,  # the batches are shuffled already
                verbose=0,  # callbacks_for shows the progress
            )
    except KeyboardInterrupt:
        return watch, before, True
    finally:
        if progress is not None:
            progress.close()
    return watch, before, False


def _how_it_ended(watch: Watch, plan: Plan, signalled: str | None) -> str:
    if watch.guard.where:
        return "diverged"
    if signalled is not None:
        return signalled
    return "finished" if watch.epochs >= plan.epochs else "stopped early"
