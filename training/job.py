"""One training: what it works on, the callbacks that watch it, and its state written and put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from training.callbacks import BestModel, Checkpoints, Clock, HistoryWriter, Resumed, Snapshots, StopOnNonFinite
from training.checkpoint import save_model
from training.config import TrainConfig
from training.datasets.dataset import Dataset
from training.finish import Watch
from training.interrupt import Interrupt
from training.optimizers import averaging_callbacks
from training.prepare import Plan
from training.restore import callback_facts, model_arrays, restore_model
from training.resume import config_digest
from training.run import Run
from training.state import State, write_state


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
    """

    config: TrainConfig
    data: Dataset
    model: keras.Model
    twin: keras.Model
    plan: Plan
    run: Run
    state: State | None = None
    kept: Path | None = None


def resolved_choices(plan: Plan) -> dict[str, Any]:
    """The choices that decide about every number of a run."""
    return {
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "steps_per_epoch": plan.steps,
        "steps_per_execution": plan.steps_per_execution,
        "precision": plan.policy,
    }


def watch_for(job: Job) -> Watch:
    return Watch(
        guard=StopOnNonFinite(),
        writer=HistoryWriter(job.run.history),
        best=BestModel(job.config.monitor, lambda weights: _save_best(job.twin, weights, job.run, job.data)),
    )


def restore(job: Job, watch: Watch, validation: Any) -> float:
    """Puts a checkpoint back, all but what `fit` would reset; returns the seconds of its epochs."""
    if job.state is None:
        return 0.0
    restore_model(job.model, job.state)
    watch.writer.restore(job.state.facts["history"])
    watch.best.restore(job.state.facts["best"], job.state.group("best"))
    if job.state.step:
        job.model.evaluate(validation.take(1), verbose=0)  # Keras builds its metrics at the first evaluation only
    return sum(job.state.facts["history"].get("seconds", ()))


def callbacks_for(job: Job, watch: Watch, interrupt: Interrupt, clock: Clock) -> list[keras.callbacks.Callback]:
    """All callbacks in their order: the state is written last, when the others have seen the epoch."""
    config, plan = job.config, job.plan
    callbacks: list[keras.callbacks.Callback] = [clock, *averaging_callbacks(config)]
    callbacks += [watch.guard, watch.writer, watch.best]
    if plan.patience:
        mode = "max" if config.monitor.endswith("accuracy") else "min"
        callbacks.append(keras.callbacks.EarlyStopping(monitor=config.monitor, patience=plan.patience, mode=mode))
    if config.snapshots:
        callbacks.append(Snapshots(job.run.snapshots))
    writer = Checkpoints(
        _state_writer(job, watch, list(callbacks)),
        every=config.checkpoint_every,
        every_steps=config.checkpoint_steps,
        steps=plan.steps,
        interrupt=interrupt,
        broken=lambda: watch.guard.where is not None,
        done=job.state.step if job.state else 0,
    )
    resumed = [Resumed(job.state, list(callbacks), plan.steps_per_execution)] if job.state else []
    return [*callbacks, *resumed, writer]


def _state_writer(job: Job, watch: Watch, callbacks: list[keras.callbacks.Callback]) -> Callable[[int, int], None]:
    """A function of (finished epochs, steps of the next) that writes `checkpoint/`."""
    kept = job.kept

    def write(epoch: int, step: int) -> None:
        nonlocal kept
        arrays = model_arrays(job.model, metrics=bool(step))
        arrays |= {f"best/{index:05d}": array for index, array in enumerate(watch.best.weights)}
        facts = {
            "history": watch.writer.history,
            "best": {"epoch": watch.best.epoch, "value": watch.best.best if watch.best.epoch else None},
            "callbacks": callback_facts(callbacks),
            "stopped": bool(job.model.stop_training) and not step,
            "plan": resolved_choices(job.plan),
            "config_digest": config_digest(job.config),
            "data_digest": job.data.digest,
        }
        kept = write_state(job.run.checkpoint, State(epoch, step, arrays, facts), keep=kept)

    return write


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
