"""What happens between epochs: the history is appended, the best model kept, a broken run stopped."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from training.files import write_atomic


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
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
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


class BestModel(keras.callbacks.Callback):
    """Saves the model whenever validation improves.

    Args:
        monitor: Name in the logs; larger is better for an accuracy, smaller for the rest.
        save: Receives the weights (a list of arrays) and writes them.
    """

    def __init__(self, monitor: str, save: Callable[[list], None]) -> None:
        super().__init__()
        self.monitor = monitor
        self.save = save
        self.best = math.inf
        self.epoch = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not all(math.isfinite(values[name]) for name in ("loss", "val_loss")):
            return  # a diverged epoch is never the best, whatever its accuracy says
        value = -values[self.monitor] if self.monitor.endswith("accuracy") else values[self.monitor]
        if value < self.best:
            self.save(self.model.get_weights())
            self.best, self.epoch = value, epoch + 1


class Snapshots(keras.callbacks.Callback):
    """Keeps the weights of every epoch as `epoch-NNN.weights.h5`."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        path = self.folder / f"epoch-{epoch + 1:03d}.weights.h5"
        write_atomic(path, self.model.save_weights)


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
