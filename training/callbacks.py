"""What happens between epochs: history appended, best model kept, state written, a broken run stopped."""

from __future__ import annotations

import csv
import io
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from evaluation.files import write_atomically
from training.files import write_atomic
from training.optimizers import evaluated_weights
from training.restore import restore_callbacks, restore_metrics
from training.state import State


class HistoryWriter(keras.callbacks.Callback):
    """Appends one row per epoch to `history.csv` as it happens, flushed to the disk.

    Args:
        path: The CSV file; its header is written with the first epoch.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.history: dict[str, list[float]] = {}
        self.start = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row: dict[str, float] = {"epoch": epoch + 1, "seconds": round(time.perf_counter() - self.start, 3)}
        row["learning_rate"] = _learning_rate(self.model.optimizer)
        row |= {name: float(value) for name, value in (logs or {}).items()}
        for name, value in row.items():
            self.history.setdefault(name, []).append(value)
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            os.fsync(file.fileno())

    def restore(self, history: Mapping[str, Sequence[float]]) -> None:
        """Takes over the epochs up to a checkpoint; rows of later ones, which will be trained again, go."""
        self.history = {name: list(values) for name, values in history.items()}
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.history)
        writer.writerows(zip(*self.history.values(), strict=True))
        write_atomically(self.path, text.getvalue() if self.history else "")


def _learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate of now, which the factors of single weights multiply (`training.rates`)."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


class BestModel(keras.callbacks.Callback):
    """Saves the weights that validation judged whenever it improves, and remembers them for the checkpoint.

    Args:
        monitor: Name in the logs; larger is better for an accuracy, smaller for the rest. None: there is no validation,
            and every epoch counts as better than those before.
        save: Receives the weights (a list of arrays) and writes them.
    """

    def __init__(self, monitor: str | None, save: Callable[[list], None]) -> None:
        super().__init__()
        self.monitor = monitor
        self.save = save
        self.best = math.inf
        self.epoch = 0
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not all(math.isfinite(values[name]) for name in ("loss", "val_loss") if name in values):
            return  # a diverged epoch is never the best, whatever its accuracy says
        if self.monitor is None:
            value = -float(epoch + 1)
        else:
            value = -values[self.monitor] if self.monitor.endswith("accuracy") else values[self.monitor]
        if value < self.best:
            self.weights = [np.array(array) for array in evaluated_weights(self.model)]
            self.save(self.weights)
            self.best, self.epoch = value, epoch + 1

    def restore(self, facts: Mapping[str, Any], weights: list[np.ndarray]) -> None:
        """Takes over the best epoch of a checkpoint; the model on disk may be of a later one that is gone."""
        if facts["epoch"]:
            self.best, self.epoch, self.weights = facts["value"], facts["epoch"], weights
            self.save(weights)


class Clock(keras.callbacks.Callback):
    """Tells the pipeline which epoch begins, so that its order and augmentation are those of that epoch.

    Args:
        now: As `training.pipeline.new_clock` makes it.
        step: Where the first epoch begins.
    """

    def __init__(self, now: tf.Variable, step: int = 0) -> None:
        super().__init__()
        self.now = now
        self.step = step

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.now.assign([epoch, self.step])
        self.step = 0


class Checkpoints(keras.callbacks.Callback):
    """Writes the run's state every so often, and ends the run where a signal asked for it. The last callback.

    Args:
        write: Receives the finished epochs and the steps of the next one; writes both and all else.
        every: Epochs between two checkpoints; 0 writes none.
        every_steps: Steps between two more within an epoch; 0 writes none.
        steps: Steps of an epoch.
        stop: Whether a signal asked for an end, which leaves a checkpoint of the step that was just done.
        broken: Whether the loss is lost: nothing is written then.
        done: Steps of the first epoch that a resumed run passes without doing them again.
    """

    def __init__(
        self,
        write: Callable[[int, int], None],
        *,
        every: int,
        every_steps: int,
        steps: int,
        stop: Callable[[], bool],
        broken: Callable[[], bool],
        done: int = 0,
    ) -> None:
        super().__init__()
        self.write = write
        self.every = every
        self.every_steps = every_steps
        self.steps = steps
        self.stop = stop
        self.broken = broken
        self.done = done
        self.epoch = 0
        self.step = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch, self.step = epoch, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        before, self.step = self.step, min(batch + 1, self.steps)
        crossed = self.every_steps and self.step // self.every_steps > before // self.every_steps
        due = crossed and self.step < self.steps  # the epoch's own checkpoint follows its last step
        stop = self.stop()
        if (due or stop) and self.step > self.done and self.every and not self.broken():
            self.write(self.epoch, self.step)
        if stop:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.done = 0
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        stop = self.stop()
        if self.every and ((epoch + 1) % self.every == 0 or last or stop) and not self.broken():
            self.write(epoch + 1, 0)
        if stop and not last:
            raise KeyboardInterrupt


class Resumed(keras.callbacks.Callback):
    """Puts a checkpoint back where Keras' `fit` would reset it: callbacks, and an epoch that was cut in its middle.

    Args:
        state: The checkpoint; weights and optimizer are restored already.
        callbacks: All others; it stands behind them.
        steps_per_execution: Steps of one call of Keras' training function; checkpoints fall between calls.
    """

    def __init__(self, state: State, callbacks: Sequence[keras.callbacks.Callback], steps_per_execution: int) -> None:
        super().__init__()
        self.state = state
        self.callbacks = callbacks
        self.steps_per_execution = steps_per_execution

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        restore_callbacks(self.callbacks, self.state.facts["callbacks"])
        if self.state.step:
            self._skip_steps()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.state.step and epoch == self.state.epoch:
            restore_metrics(self.model, self.state)

    def _skip_steps(self) -> None:
        """Lets calls pass whose steps are done, with the pipeline's empty batches: `fit` begins at epochs only."""
        train, left = self.model.train_function, self.state.step

        def train_function(iterator: Any) -> Any:
            nonlocal left
            if left <= 0:
                self.model.train_function = train
                return train(iterator)
            for _ in range(min(left, self.steps_per_execution)):
                next(iterator)
            left -= self.steps_per_execution
            return {}

        self.model.train_function = train_function


class Snapshots(keras.callbacks.Callback):
    """Keeps the weights of every epoch, as validation judged them, in `epoch-NNN.weights.h5`.

    Args:
        folder: Receives the files.
        twin: Model of the same architecture that may be overwritten; its `load_weights` reads the files.
    """

    def __init__(self, folder: Path, twin: keras.Model) -> None:
        super().__init__()
        self.folder = folder
        self.twin = twin
        folder.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.twin.set_weights(evaluated_weights(self.model))
        write_atomic(self.folder / f"epoch-{epoch + 1:03d}.weights.h5", self.twin.save_weights)


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops training when the loss is NaN or infinite, and remembers where.

    Keras' `TerminateOnNaN` ends such a run as if it had succeeded; here `where` says that it did not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.where: str | None = None
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._look(logs, f"epoch {self.epoch}, step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._look(logs, f"epoch {epoch + 1}")

    def _look(self, logs: dict[str, Any] | None, where: str) -> None:
        values = (float((logs or {}).get(name, 0.0)) for name in ("loss", "val_loss"))
        if self.where is None and not all(math.isfinite(value) for value in values):
            self.where = where
            self.model.stop_training = True
