"""TensorBoard files of a run, on request: metrics, learning rate and the gradient of every layer, a point an epoch."""

from __future__ import annotations

import importlib.util
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.checks import ConfigError
from training.datasets.dataset import Split
from training.layers import innermost

FILE_VERSION = "brain.Event:2"  # of the format; the same since TensorFlow 1


def check_installed() -> None:
    """Raises ConfigError where the package that writes the files is absent."""
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(
            "tensorboard needs the package tensorboard, which is not installed: pip install -r requirements.txt, "
            "or train without --tensorboard."
        )


class EventFile:
    """One event file, opened for every step and closed again: what stands on the disk is whole at any time.

    Args:
        folder: Receives the file, with the first step; one curve in TensorBoard is one folder.
        first_step: The first step to come. Readers drop this and later steps of older files in the folder, so that a
            resumed run shows each step once.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        self.folder = folder
        self.first_step = first_step
        self.path: Path | None = None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Appends numbers by tag.

        Raises:
            OSError: Disk full or not writable.
        """
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        events = [
            Event(step=step, summary=Summary(value=[Summary.Value(tag=t, simple_value=values[t])])) for t in values
        ]
        if self.path is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.path = self.folder / _file_name(self.folder)
            begin = Event(step=self.first_step, session_log=SessionLog(status=SessionLog.START))
            events = [Event(file_version=FILE_VERSION), begin, *events]
        self._append(self.path, events)

    @staticmethod
    def _append(path: Path, events: Sequence[Any]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        now = time.time()
        with open(path, "ab") as file:
            writer = RecordWriter(file)
            for event in events:
                event.wall_time = now
                writer.write(event.SerializeToString())


def _file_name(folder: Path) -> str:
    """A name that TensorBoard knows and reads after those that are there: it sorts them."""
    seconds = int(time.time())
    while any(folder.glob(f"events.out.tfevents.{seconds:010d}.*")):
        seconds += 1
    return f"events.out.tfevents.{seconds:010d}.{socket.gethostname()}.{os.getpid()}"


class TensorBoardFiles(keras.callbacks.Callback):
    """Writes `train/` and `validation/` under a folder, for `tensorboard --logdir`; steps are epochs, from 1.

    Args:
        folder: `RUN/tensorboard`.
        gradient_norms: Receives the model; one number per layer.
        epoch: Finished epochs of a run that is resumed.
    """

    def __init__(
        self, folder: Path, gradient_norms: Callable[[keras.Model], Mapping[str, float]], *, epoch: int = 0
    ) -> None:
        super().__init__()
        self.files = {name: EventFile(folder / name, first_step=epoch + 1) for name in ("train", "validation")}
        self.gradient_norms = gradient_norms

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        train = {name: value for name, value in values.items() if not name.startswith("val_")}
        train |= {"learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))}
        train |= {f"gradient_norm/{name}": norm for name, norm in self.gradient_norms(self.model).items()}
        validation = {name.removeprefix("val_"): value for name, value in values.items() if name.startswith("val_")}
        self.files["train"].add(epoch + 1, train)
        if validation:  # a final fit has none
            self.files["validation"].add(epoch + 1, validation)


def fixed_batch(
    split: Split, *, batch_size: int, seed: int, class_weights: Mapping[int, float] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Examples of a split, drawn once: `(x, y, weight or None)`, not augmented."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(split))[:batch_size])
    y = split.y[rows]
    weight = None if class_weights is None else np.array([class_weights[int(index)] for index in y], np.float32)
    return split.x[rows], y, weight


def gradient_norms(
    model: keras.Model, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
) -> dict[str, float]:
    """Length (L2) of the loss's gradient in all trainable weights of a layer, by the layer's name.

    The model stands in inference mode: dropout and batch statistics would show the luck of a mask, and the random
    state stays as it is, so that a run with these files has the numbers of one without.

    Args:
        model: Compiled; its weights do not change.
        x: Batch of inputs.
        y: Targets.
        sample_weight: `(n,)`, or None.
    """
    layers = {layer.name: layer.trainable_variables for layer in innermost(model) if layer.trainable_variables}
    with tf.GradientTape() as tape:
        predicted = model(tf.convert_to_tensor(x), training=False)
        loss = model.compute_loss(x, tf.convert_to_tensor(y), predicted, sample_weight, training=False)
    gradients = tape.gradient(loss, {name: [one.value for one in variables] for name, variables in layers.items()})
    return {
        name: float(tf.linalg.global_norm([g for g in found if g is not None])) for name, found in gradients.items()
    }
