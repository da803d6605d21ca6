"""Where a training computes: one device, all GPUs of a machine, or the workers of several machines."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from training.checks import ConfigError
from training.cluster import Cluster, check_addresses, read_cluster
from training.config import TrainConfig
from training.distributed_fit import repaired_fit
from training.run import Run
from training.startup import grow_memory

LONGEST_WAIT = 1800  # seconds that a worker waits for the others at one place, such as the chief's report


LOST = (  # what collective operations were seen to raise, or may raise, when a worker vanishes
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)


class WorkerLost(ConnectionError):
    """Another worker ended before the training did. The message says what to do."""


@dataclass(frozen=True)
class Devices:
    """The devices of one training.

    Attributes:
        name: `one` (no `tf.distribute` at all), `mirrored` or `multiworker`.
        description: What the user reads: "2 GPUs, mirrored".
        strategy: Of `tf.distribute`; None for `one`.
        cluster: All workers and which of them this process is; None for one process.
    """

    name: str = "one"
    description: str = ""
    strategy: tf.distribute.Strategy | None = None
    cluster: Cluster | None = None

    @property
    def replicas(self) -> int:
        """Copies of the model, each of which computes its share of every batch."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the files; with one process it does."""
        return self.cluster is None or self.cluster.is_chief

    @property
    def facts(self) -> dict[str, Any]:
        """What `run.json` records."""
        workers = len(self.cluster.addresses) if self.cluster else 1
        return {"strategy": self.name, "workers": workers, "replicas": self.replicas, "devices": self.description}

    def scope(self) -> AbstractContextManager[Any]:
        """Variables made inside live on all replicas."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def share(self, batches: tf.data.Dataset) -> Any:
        """Lets each replica receive its part of every batch; the parts of all replicas make up the batch.

        Each worker runs the whole pipeline and keeps its part, so that order and augmentation are those of one device.

        Args:
            batches: Batches of the global size, the same on every worker.
        """
        if self.strategy is None:
            return batches
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return self.strategy.experimental_distribute_dataset(batches.with_options(options))

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Inside, Keras' `fit` and `evaluate` work on these devices, and the loss of a worker becomes one line.

        Raises:
            WorkerLost: A worker of the cluster no longer answers.
        """
        with contextlib.ExitStack() as stack:
            if self.strategy is not None:
                stack.enter_context(repaired_fit())
            if self.cluster is not None:
                stack.enter_context(lost_worker_in_words(self.cluster))
            yield

    @functools.cached_property
    def _gather(self) -> Callable[[tf.Tensor], Any]:
        """A function that collects an int64 vector of every replica."""

        def replica(value: tf.Tensor) -> tf.Tensor:
            here = tf.identity(value)  # on the device of the replica, where the collective operation looks for it
            return tf.distribute.get_replica_context().all_gather(here, axis=0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
        def gather(value: tf.Tensor) -> Any:
            return self.strategy.run(replica, args=(value,))  # type: ignore[union-attr]

        return gather

    def gather(self, numbers: list[int]) -> np.ndarray:
        """The numbers of every worker, which all call this at the same place: one row per replica."""
        if self.cluster is None or self.strategy is None:
            return np.array([numbers], np.int64)
        with lost_worker_in_words(self.cluster):
            found = self.strategy.experimental_local_results(self._gather(tf.constant(numbers, tf.int64)))[0]
        return np.asarray(found).reshape(self.replicas, len(numbers))

    def agree(self, facts: Mapping[str, str]) -> None:
        """Refuses workers that would train different things.

        Args:
            facts: What must be the same, by the name that the user knows it by.

        Raises:
            ConfigError: Names the first that differs; every worker raises it.
        """
        digests = self.gather([int(hashlib.sha256(text.encode()).hexdigest()[:15], 16) for text in facts.values()])
        same = (digests == digests[0]).all(axis=0)
        for name, is_same in zip(facts, same, strict=True):
            if not is_same:
                raise ConfigError(f"the workers differ in their {name}: give all of them the same, and start again.")


ONE_DEVICE = Devices()


def find_devices(setting: str) -> Devices:
    """Chooses where to compute; called before TensorFlow does anything else.

    Args:
        setting: `auto` (several workers where `TF_CONFIG` names them, else all GPUs where there are several, else one
            device), `one`, `mirrored` or `multiworker`.

    Raises:
        ConfigError: There are not the devices or workers that the setting needs, or `TF_CONFIG` is wrong.
    """
    grow_memory()
    cluster = read_cluster(os.environ) if setting in ("auto", "multiworker") else None
    if cluster is not None:
        return _several_workers(cluster)
    if setting == "multiworker":
        raise ConfigError(
            "strategy multiworker needs TF_CONFIG to name at least two workers. On one machine start them with: "
            "python -m training.launch --workers 2; or use --strategy auto."
        )
    if setting == "mirrored" or (setting == "auto" and len(tf.config.list_physical_devices("GPU")) > 1):
        return _several_devices()
    return Devices(description=_count(_physical_devices()[:1]))


def start_devices(config: TrainConfig) -> Devices:
    """`find_devices` for the settings of a run, shown to the user.

    Raises:
        ConfigError, WorkerLost: As `find_devices`.
    """
    devices = find_devices(config.strategy)
    if config.verbose != "silent":
        print(f"devices: {devices.description}", flush=True)
    return devices


def _several_devices() -> Devices:
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(found) < 2:
        raise ConfigError(f"strategy mirrored needs at least two GPUs. Found: {_count(found)}. Use --strategy auto.")
    strategy = tf.distribute.MirroredStrategy([device.name for device in found])
    return Devices("mirrored", f"{_count(found)}, mirrored", strategy)


def _several_workers(cluster: Cluster) -> Devices:
    check_addresses(cluster)
    place = f"worker {cluster.index} of {len(cluster.addresses)}" + (" (chief)" if cluster.is_chief else "")
    if cluster.is_chief:
        print(f"waiting for {len(cluster.addresses) - 1} more at {', '.join(cluster.addresses[1:])} …", flush=True)
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=LONGEST_WAIT)
    with lost_worker_in_words(cluster):
        strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    return Devices("multiworker", f"{place}, {_count(_physical_devices())} here", strategy, cluster)


def _physical_devices() -> list[Any]:
    """The GPUs of this machine, else its CPU; asking does not start TensorFlow's runtime, which would be too early."""
    return tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("CPU")


def _count(devices: list[Any]) -> str:
    """Such as "2 GPUs" or "1 CPU (2 cores)"."""
    kind = devices[0].device_type
    if kind == "CPU" and len(devices) == 1:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"1 CPU ({cores} cores)"
    return f"{len(devices)} {'logical ' if kind == 'CPU' else ''}{kind}{'s' if len(devices) > 1 else ''}"


@contextmanager
def lost_worker_in_words(cluster: Cluster) -> Iterator[None]:
    """Turns what TensorFlow says when another worker vanishes into one line.

    Raises:
        WorkerLost: Instead of the errors of collective operations.
    """
    try:
        yield
    except LOST as error:
        said = " ".join(str(error).split())[:160]
        raise WorkerLost(
            f"worker {cluster.index} of {len(cluster.addresses)} lost another worker, which ended or cannot be "
            f"reached. Start all of them again. TensorFlow says: {said}"
        ) from error


@contextmanager
def passing_run() -> Iterator[Run]:
    """The run directory of a worker that is not the chief: a temporary folder that vanishes."""
    with tempfile.TemporaryDirectory(prefix="groundwork-worker-") as folder:
        yield Run(Path(folder))
