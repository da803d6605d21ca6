"""One training: what it works on, the callbacks that watch it, and its state written and put back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras

from training.callbacks import BestModel, Checkpoints, Clock, HistoryWriter, Resumed, Snapshots, StopOnNonFinite
from training.checkpoint import save_model
from training.config import TrainConfig
from training.datasets.dataset import Dataset
from training.devices import ONE_DEVICE, Devices
from training.finish import Watch
from training.interrupt import Interrupt
from training.lookahead import GROUP, Lookahead
from training.optimizers import averaging_callbacks
from training.prepare import Plan, class_weights
from training.progress import Pace, Progress
from training.restore import callback_facts, model_arrays, restore_model
from training.resume import config_digest
from training.run import Run
from training.state import State, write_state
from training.tensorboard import TensorBoardFiles, fixed_batch, gradient_norms


@dataclass(frozen=True)
class Job:
    """One training of one run, from its first step or from a checkpoint.

    Attributes:
        config: Settings as the run records them.
        data: The three splits.
        model, twin: The model that trains, and the float32 one that is saved.
        plan: What was resolved.
        run: Where files go.
        state: The checkpoint to go on from.
        kept: The file of that checkpoint.
        devices: Where the model trains; of several workers only the chief writes more than it needs itself.
        save: Receives the weights of each new best epoch; None puts them into the twin and saves it as `model.keras`.
        marks: What a checkpoint says beside the rest, such as the phase that it belongs to.
        command: What goes on with the run, for messages.
        watchers: Further callbacks, which see each epoch after those that judge it.
    """

    config: TrainConfig
    data: Dataset
    model: keras.Model
    twin: keras.Model
    plan: Plan
    run: Run
    state: State | None = None
    kept: Path | None = None
    devices: Devices = ONE_DEVICE
    save: Callable[[list], None] | None = None
    marks: Mapping[str, Any] = field(default_factory=dict)
    command: str = "make train"
    watchers: tuple[keras.callbacks.Callback, ...] = ()


def resolved_choices(plan: Plan) -> dict[str, Any]:
    """The choices that decide about every number of a run."""
    return {
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "steps_per_epoch": plan.steps,
        "steps_per_execution": plan.steps_per_execution,
        "precision": plan.policy,
        "patience": plan.patience,
    } | ({"fast_layers": list(plan.fast_layers)} if plan.fast_layers else {})


def watch_for(job: Job) -> Watch:
    monitor = None if job.config.final_fit else job.config.monitor
    return Watch(
        guard=StopOnNonFinite(),
        writer=HistoryWriter(job.run.history),
        best=BestModel(monitor, job.save or (lambda weights: _save_best(job, weights))),
    )


def restore(job: Job, watch: Watch, validation: Any) -> float:
    """Puts a checkpoint back, all but what `fit` would reset; returns the seconds of its epochs.

    A state without a model is what an earlier phase left: history and best epoch go on, the model has its own start.
    """
    if job.state is None:
        return 0.0
    if job.state.group("model"):
        with job.devices.scope():
            restore_model(job.model, job.state)
    watch.writer.restore(job.state.facts["history"])
    watch.best.restore(job.state.facts["best"], job.state.group("best"))
    if job.state.step:
        one = job.devices.share(validation.take(1))
        job.model.evaluate(one, verbose=0)  # Keras builds its metrics at the first evaluation only
    return sum(job.state.facts["history"].get("seconds", ()))


def progress_for(job: Job, watch: Watch) -> Progress | None:
    """What the user sees while the model trains; nothing where the run is silent, no live line outside a terminal."""
    config, plan = job.config, job.plan
    if config.verbose == "silent":
        return None
    return Progress(
        Pace(len(job.data.train), batch_size=plan.batch_size, epochs=plan.epochs),
        watch.best,
        unit="images" if job.data.kind == "image" else "examples",
        may_stop=plan.patience > 0,
        live=config.verbose != "line" and sys.stdout.isatty(),
    )


def callbacks_for(
    job: Job, watch: Watch, interrupt: Interrupt, clock: Clock, progress: Progress | None = None
) -> list[keras.callbacks.Callback]:
    """All callbacks in their order: the state is written last, when the others have seen the epoch."""
    config, plan = job.config, job.plan
    slow = _lookahead(job)
    callbacks: list[keras.callbacks.Callback] = [clock, *averaging_callbacks(config), *slow]
    callbacks += [watch.guard, watch.writer, watch.best]
    if plan.patience:
        mode = "max" if config.monitor.endswith("accuracy") else "min"
        callbacks.append(keras.callbacks.EarlyStopping(monitor=config.monitor, patience=plan.patience, mode=mode))
    callbacks += job.watchers
    if config.snapshots and job.devices.is_chief:
        callbacks.append(Snapshots(job.run.snapshots, job.twin))
    if config.tensorboard and job.devices.is_chief:
        callbacks.append(_tensorboard(job))
    if progress is not None:
        callbacks.append(progress)
    writer = Checkpoints(
        _state_writer(job, watch, list(callbacks)),
        every=config.checkpoint_every,
        every_steps=config.checkpoint_steps,
        steps=plan.steps,
        stop=lambda: _agree_to_stop(job.devices, interrupt),
        broken=lambda: watch.guard.where is not None,
        done=job.state.step if job.state else 0,
    )
    resumed = [Resumed(job.state, list(callbacks), plan.steps_per_execution)] if job.state else []
    return [*callbacks, *resumed, writer]


def _lookahead(job: Job) -> list[Lookahead]:
    """The slow weights, from the checkpoint where there is one."""
    config, plan = job.config, job.plan
    if config.lookahead is None:
        return []
    kept = job.state.group(GROUP) if job.state else []
    return [Lookahead(config.lookahead, plan.epochs * plan.steps, kept)]


def _tensorboard(job: Job) -> TensorBoardFiles:
    """Files for TensorBoard, with gradients of one batch of training examples that stays the same."""
    config, data = job.config, job.data
    weights = class_weights(config, data.train, data.num_classes)
    x, y, weight = fixed_batch(data.train, batch_size=job.plan.batch_size, seed=config.seed, class_weights=weights)
    norms = partial(gradient_norms, x=x, y=y, sample_weight=weight)
    return TensorBoardFiles(job.run.tensorboard, norms, epoch=job.state.epoch if job.state else 0)


def _agree_to_stop(devices: Devices, interrupt: Interrupt) -> bool:
    """Whether a signal reached any worker; all of them then stop after the same step."""
    if devices.cluster is not None:
        interrupt.received = int(devices.gather([interrupt.received or 0]).max()) or None
    return interrupt.received is not None


def _state_writer(job: Job, watch: Watch, callbacks: list[keras.callbacks.Callback]) -> Callable[[int, int], None]:
    """A function of (finished epochs, steps of the next) that writes `checkpoint/`."""
    kept = job.kept

    def write(epoch: int, step: int) -> None:
        nonlocal kept
        arrays = model_arrays(job.model, metrics=bool(step))
        arrays |= {f"best/{index:05d}": array for index, array in enumerate(watch.best.weights)}
        for callback in callbacks:
            if isinstance(callback, Lookahead):
                arrays |= callback.arrays()
        facts = {
            "history": watch.writer.history,
            "best": {"epoch": watch.best.epoch, "value": watch.best.best if watch.best.epoch else None},
            "callbacks": callback_facts(callbacks),
            "stopped": bool(job.model.stop_training) and not step,
            "plan": resolved_choices(job.plan),
            "config_digest": config_digest(job.config),
            "data_digest": job.data.digest,
        } | dict(job.marks)
        if job.devices.is_chief:
            kept = write_state(job.run.checkpoint, State(epoch, step, arrays, facts), keep=kept)

    return write


def _save_best(job: Job, weights: list) -> None:
    """Puts the weights into the float32 twin, whatever precision trained them, and saves it."""
    if not job.devices.is_chief:
        return
    job.twin.set_weights(weights)
    save_network(job.twin, job.run, job.data)


def save_network(model: keras.Model, run: Run, data: Dataset) -> None:
    """Writes `model.keras` of a run, with what a user of the model must know inside."""
    save_model(model, run.model, metadata_of(data))


def metadata_of(data: Dataset) -> dict[str, Any]:
    """What a user of a model must know of the data that it learned from."""
    return {
        "class_names": list(data.class_names),
        "positive": data.positive,
        "feature_names": list(data.feature_names),
        "kind": data.kind,
        "settings": data.settings,
        "data_digest": data.digest,
    }
