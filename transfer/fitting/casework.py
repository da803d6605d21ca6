"""Trains one case in one run: phase after phase, each an ordinary job that a checkpoint can take up again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training import precision
from training.augmentation import Augmentation
from training.config import TrainConfig
from training.cpu import keep_freed_memory, quicken
from training.datasets.dataset import Dataset
from training.finish import Watch
from training.job import Job, resolved_choices, save_network
from training.pipeline import num_batches
from training.prepare import Plan, default_batch_size, default_steps_per_execution
from training.resume import config_digest
from training.run import Run
from training.state import State
from training.train import fit_job
from training.unfinished import DONE
from transfer.cases import Case
from transfer.config import TransferConfig, training_config
from transfer.fitting.networks import case_network, compile_head, compile_step, head_of
from transfer.fitting.phases import Step, augmentation_of, block_rates, steps_of
from transfer.source import Source
from transfer.surgery import freeze

COMMAND = "make transfer"
PATIENT_STEPS = 100


@dataclass(frozen=True)
class Work:
    """One case that is to be trained.

    Attributes:
        source: Data, network and features.
        config: Settings, of this run.
        case: Which case.
        run: Where files go; the caller holds its lock.
    """

    source: Source
    config: TransferConfig
    case: Case
    run: Run

    @property
    def steps(self) -> tuple[Step, ...]:
        return steps_of(self.case, self.config)

    def settings(self, step: Step) -> TrainConfig:
        """Those of one phase, for `training`."""
        return training_config(self.config, epochs=step.epochs, learning_rate=step.learning_rate)


@dataclass(frozen=True)
class Trained:
    """What the phases left.

    Attributes:
        watch: History and best epoch of all phases together; the model of the best one is on disk.
        ended: How the last phase ended.
        phases: What `run.json` says of each phase that began.
    """

    watch: Watch
    ended: str
    phases: list[dict[str, Any]]

    @property
    def trainable(self) -> int:
        """Weights that were trained, at most."""
        return max(int(phase["trainable"]) for phase in self.phases)


def train_case(work: Work, state: State | None = None, kept: Path | None = None) -> Trained:
    """Trains all phases of a case, or goes on after a checkpoint.

    Every phase starts from the best weights so far, and the best epoch of all phases is kept.

    Args:
        work: The case.
        state: The checkpoint to go on from.
        kept: The file of that checkpoint.

    Raises:
        DataError, ConfigError, OSError: As `training.train.fit_job`.
    """
    network = case_network(work.source, work.case, work.config)
    keep_freed_memory()
    first = int(state.facts["phase"]) if state else 0
    phases = list(work.run.read_record().get("phases", []))[:first]
    for index in range(first, len(work.steps)):
        started = int(state.facts["phase_start"]) if state else 0
        job, facts = _job(work, network, index, started)
        phases.append(facts)
        _say(work, facts, goes_on=state is not None and bool(state.group("model")))
        work.run.update_record(ended="running", phases=phases, **_resolved(work, job))
        watch, ended = fit_job(replace(job, state=state, kept=kept))
        if work.steps[index].cached and watch.best.epoch:
            job.model.set_weights(watch.best.weights)  # the head's weights are the network's own
            save_network(network, work.run, work.source.data)
        if ended not in DONE:
            break
        state, kept = _carried(watch, network.get_weights(), index + 1), None
    return Trained(watch, ended, phases)


def _carried(watch: Watch, best: list[np.ndarray], phase: int) -> State:
    """What the next phase takes over: history and best epoch; its model starts from the best weights."""
    facts = {
        "history": watch.writer.history,
        "best": {"epoch": watch.best.epoch, "value": watch.best.best},
        "callbacks": {},
        "stopped": False,
        "phase": phase,
        "phase_start": watch.epochs,
    }
    return State(watch.epochs, 0, {f"best/{index:05d}": array for index, array in enumerate(best)}, facts)


def _job(work: Work, network: keras.Model, index: int, started: int) -> tuple[Job, dict[str, Any]]:
    """The job of one phase, and what `run.json` says of it."""
    step, config = work.steps[index], work.config
    marks = {"phase": index, "phase_start": started, "config_digest": config_digest(config)}
    settings = work.settings(step)
    if step.cached:
        data = work.source.head_data(work.case.cut)
        plan = _plan(work, step, data, started)
        frozen = freeze(network, up_to=step.up_to)
        model, save = head_of(network), _pass
        count = compile_head(model, network, settings, **_arguments(plan))
    else:
        data = work.source.data
        plan = _plan(work, step, data, started)
        model, save = case_network(work.source, work.case, config, precision=plan.policy), None
        model.set_weights(network.get_weights())
        freeze(network, up_to=step.up_to, batch_norms=work.case.batch_norms)  # which its file says too
        quicken(model)
        count = compile_step(model, step, work.case, config, settings, **_arguments(plan))
        frozen = sum(1 for layer in model.layers if layer.weights and not layer.trainable)
    facts = {
        "name": step.name,
        "first_epoch": started + 1,
        "epochs": step.epochs,
        "learning_rate": step.learning_rate,
        "on": "cached features" if step.cached else "images",
        "frozen_up_to": step.up_to,
        "frozen_layers": frozen,
        "trainable": count,
        "block_rates": _rates(work, step),
    }
    job = Job(settings, data, model, network, plan, work.run, save=save, marks=marks, command=COMMAND)
    return job, facts


def _pass(weights: list[np.ndarray]) -> None:
    """A head's best weights stand in its checkpoint; the whole network is written once, when the phase has ended."""


def _arguments(plan: Plan) -> dict[str, Any]:
    return {"steps_per_execution": plan.steps_per_execution, "jit_compile": False}


def _rates(work: Work, step: Step) -> dict[str, float] | None:
    """Rates of the blocks, where they differ."""
    if step.cached or work.config.layer_decay == 1 or work.case.initialisation == "random":
        return None
    return block_rates(work.config, work.case.cut, step.learning_rate)


def _plan(work: Work, step: Step, data: Dataset, started: int) -> Plan:
    """What is resolved for one phase; a resumed run keeps what was measured and chosen before."""
    config, known = work.config, work.run.read_record().get("resolved", {})
    batch_size = min(config.batch_size or default_batch_size(len(data.train)), len(data.train))
    steps = num_batches(len(data.train), batch_size)
    policy, probe_ms = "float32", known.get("probe_ms", {})
    if not step.cached:
        policy = known.get("fine_tuning_precision")
        if policy is None:
            policy, probe_ms = precision.resolve(config.precision, "image")
    return Plan(
        epochs=started + step.epochs,
        batch_size=batch_size,
        steps=steps,
        steps_per_execution=min(default_steps_per_execution(batch_size), steps),
        policy=policy,
        probe_ms=probe_ms,
        augmentation=Augmentation() if step.cached else augmentation_of(config, work.case),
        patience=patience_of(config, work.case, steps),
    )


def patience_of(config: TransferConfig, case: Case, steps: int) -> int:
    """Epochs without improvement before a phase stops: from random weights those of at least a hundred steps.

    A few images give an epoch a handful of steps; the loss of a network that knows nothing yet stands still for more.

    Args:
        config: Its `patience`; 0 never stops.
        case: Whether it starts from random weights.
        steps: Of an epoch.
    """
    if case.initialisation != "random" or not config.patience:
        return config.patience
    return max(config.patience, -(-PATIENT_STEPS // steps))


def _resolved(work: Work, job: Job) -> Mapping[str, Any]:
    """What `run.json` says of the training: that of the phase at work, and of the whole network."""
    plan, known = job.plan, work.run.read_record().get("resolved", {})
    tuned = {} if work.steps[job.marks["phase"]].cached else {"fine_tuning_precision": plan.policy}
    left = sum(step.epochs for step in work.steps[job.marks["phase"] + 1 :])
    resolved = resolved_choices(plan) | {
        "epochs": plan.epochs + left,
        "probe_ms": plan.probe_ms,
        "optimizer": {"name": "adam", "learning_rate": job.config.learning_rate},
        "parameters": job.twin.count_params(),
    }
    return {"resolved": {**known, **resolved, **tuned}}


def _say(work: Work, facts: Mapping[str, Any], *, goes_on: bool) -> None:
    """One line for a phase that begins."""
    if work.config.verbose == "silent":
        return
    what = f"at most {facts['epochs']} epochs on {facts['on']}, rate {facts['learning_rate']:g}"
    print(
        f"{facts['name']}{' (going on)' if goes_on else ''}: {what}, {facts['trainable']:,} weights trained, "
        f"{facts['frozen_layers']} layers frozen",
        flush=True,
    )
