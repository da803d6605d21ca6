"""One training run of either recipe, with the clock read after every epoch's validation."""

from __future__ import annotations

import csv
import dataclasses
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.training_work import IMAGE_SHAPE, NUM_CLASSES, notes_arrays, notes_model
from benchmarks.workers import Task
from training.checks import ConfigError, TrainingDiverged
from training.startup import import_tensorflow

if TYPE_CHECKING:
    from benchmarks.time_to_accuracy import Race
    from training.config import TrainConfig
    from training.datasets.dataset import Dataset

BATCH_SIZE = 32  # the course's
POLL_SECONDS = 0.01


class Stopwatch:
    """Wall-clock and processor seconds since it was made; processor seconds are of all threads of this process."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.cpu_start = time.process_time()

    def read(self) -> dict[str, float]:
        """Both clocks."""
        seconds, cpu_seconds = time.perf_counter() - self.start, time.process_time() - self.cpu_start
        return {"seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3)}


class LineWatch(threading.Thread):
    """Reads the clocks whenever a file has one more line: `train` writes a line an epoch and takes no callbacks.

    Args:
        path: The file, which need not exist yet; its first line is a header.
        clock: What is read.
    """

    def __init__(self, path: Path, clock: Stopwatch) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.clock = clock
        self.done = threading.Event()
        self.readings: list[dict[str, float]] = []

    def run(self) -> None:
        while not self.done.wait(POLL_SECONDS):
            self.look()

    def look(self) -> None:
        """One reading for every line that is new."""
        lines = self.path.read_bytes().count(b"\n") if self.path.exists() else 0
        while len(self.readings) < lines - 1:
            self.readings.append(self.clock.read())

    def stop(self) -> list[dict[str, float]]:
        """Ends the thread and returns a reading per line."""
        self.done.set()
        self.join()
        self.look()
        return self.readings


def prepare_stock(race: Race, seed: int) -> tuple[None, Task]:
    """The course's script: `fit` on float32 arrays, batch 32, validation after every epoch; it stops at the target."""
    import_tensorflow(onednn=False)  # as Keras' users find it
    import keras

    _, data = _settings_and_data(race, seed)
    training, validation = (notes_arrays(np.asarray(split.x), split.y) for split in (data.train, data.validation))
    keras.utils.set_random_seed(seed)

    def task() -> list[dict[str, float]]:
        clock, rows = Stopwatch(), []
        model = notes_model()

        def end_of_epoch(epoch: int, logs: dict[str, Any] | None) -> None:
            accuracy = float((logs or {})["val_accuracy"])
            rows.append(clock.read() | {"val_accuracy": accuracy})
            model.stop_training = accuracy >= race.target

        callback = keras.callbacks.LambdaCallback(on_epoch_end=end_of_epoch)
        model.fit(
            *training,
            batch_size=BATCH_SIZE,
            epochs=race.limit_epochs,
            validation_data=validation,
            callbacks=[callback],
            verbose=0,
        )
        return rows

    return None, task


def prepare_ours(race: Race, seed: int) -> tuple[None, Task]:
    """This project's recipe through `run_job`, as `make train` does it, with history, best model and checkpoints."""
    import_tensorflow()
    from training.prepare import prepare
    from training.run import new_run
    from training.train import Job, run_job

    config, data = _settings_and_data(race, seed)

    def task() -> list[dict[str, float]]:
        with tempfile.TemporaryDirectory() as folder:
            clock = Stopwatch()
            model, twin, plan = prepare(config, data)
            run = new_run(folder, "train", config.model, config.dataset)
            watch = LineWatch(run.history, clock)
            watch.start()
            with run.lock(), suppress(TrainingDiverged):  # such a run is one that never reaches the target
                run_job(Job(config, data, model, twin, plan, run))
            readings = watch.stop()
            accuracies = _accuracies(run.history)
        rows = [reading | {"val_accuracy": value} for reading, value in zip(readings, accuracies, strict=True)]
        return rows or [clock.read() | {"val_accuracy": 0.0}]

    return None, task


def _accuracies(history: Path) -> list[float]:
    """Validation accuracy by epoch of a run's `history.csv`."""
    if not history.exists():
        return []
    with open(history, encoding="utf-8") as file:
        return [float(row["val_accuracy"]) for row in csv.DictReader(file)]


def _settings_and_data(race: Race, seed: int) -> tuple[TrainConfig, Dataset]:
    """The recipe with the seed of this pair, and the data that both recipes of the pair train on."""
    from training.config import from_yaml
    from training.train import load_data

    changes = {"data_dir": race.data_dir, "epochs": race.epochs, "seed": seed, "split_seed": seed, "verbose": "silent"}
    config = from_yaml(race.recipe, **changes)
    data = load_data(config)
    if data.input_shape != IMAGE_SHAPE or data.num_classes != NUM_CLASSES:
        raise ConfigError(f"the recipe must train on cifar10, as the notes do. Received: dataset={config.dataset}.")
    if race.images is not None:
        rows = np.arange(min(race.images, len(data.train)))
        train = data.train
        part = dataclasses.replace(train, x=train.x[rows], y=train.y[rows], ids=train.ids[rows])
        data = dataclasses.replace(data, train=part)
    return config, data
