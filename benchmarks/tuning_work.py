"""What the processes of the tuning benchmark do: one whole search, by stock keras-tuner or by this project."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.training_work import IMAGE_SHAPE, NUM_CLASSES, images_and_labels
from benchmarks.workers import Task
from training.startup import import_tensorflow

# 2 × 2 × 2: a space that eight trials exhaust, so that both ways train the very same eight points
SPACE = {"learning_rate": [0.001, 0.0003], "dense_units": [500, 128], "dropout_rate": [0.3, 0.0]}
TRIALS = 8
MANY_COLLISIONS = 1000  # stock gives up after 20 draws of known points, often before the eighth


def write_data(path: Path, data_dir: str | None, images: int) -> None:
    """The images that both ways search on, a tenth of them for validation, as an .npz file."""
    x, y = images_and_labels(data_dir, images)
    cut = images - images // 10
    np.savez(path, x_train=x[:cut], y_train=y[:cut], x_validation=x[cut:], y_validation=y[cut:], x_test=x[:10],
             y_test=y[:10])  # fmt: skip


def prepare_stock(path: str, epochs: int, batch_size: int) -> tuple[None, Task]:
    """keras-tuner as its guide has it: `RandomSearch` on arrays."""
    import_tensorflow(onednn=False)  # as Keras' users find it
    import keras
    import keras_tuner

    import models

    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        rate, units, dropout = (hp.Choice(name, values) for name, values in SPACE.items())
        model = models.build("cifar_cnn", IMAGE_SHAPE, NUM_CLASSES, dense_units=units, dropout_rate=dropout)
        optimizer = keras.optimizers.Adam(rate)
        model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def search() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            tuner = keras_tuner.RandomSearch(
                build, objective="val_accuracy", max_trials=TRIALS, seed=1, directory=folder, project_name="stock"
            )
            tuner.oracle._max_collisions = MANY_COLLISIONS
            validation = (arrays["x_validation"], arrays["y_validation"])
            tuner.search(
                arrays["x_train"], arrays["y_train"], validation_data=validation, epochs=epochs,
                batch_size=batch_size, verbose=0,
            )  # fmt: skip
            scores = [trial.score for trial in tuner.oracle.trials.values()]
            return {"trials": len(scores), "best": max(scores)}

    return None, lambda: timed(search)


def prepare_ours(path: str, epochs: int, batch_size: int, workers: int, precision: str) -> tuple[None, Task]:
    """This project's search with as many workers; what they take to start counts."""
    import_tensorflow()
    import yaml

    from training.tuning import session
    from training.tuning.config import TuneConfig

    def search() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            space = Path(folder) / "space.yaml"
            space.write_text(yaml.safe_dump(SPACE))
            settings: dict[str, Any] = {"precision": precision}
            config = TuneConfig(
                model="cifar_cnn", dataset="npz", data_dir=path, space=str(space), epochs=epochs, batch_size=batch_size,
                max_trials=TRIALS, stop_hopeless=False, final_seeds=0, workers=workers, runs_dir=folder,
                verbose="silent", optimizer="adam", **settings,
            )  # fmt: skip
            result = session.tune(config)
            record = result.run.read_record()
            scores = [row.score for row in result.rows if row.score is not None]
            outside = record["seconds_outside_fit_per_trial"]
            resolved = record["resolved"]["precision"]
            return {"trials": len(scores), "best": max(scores), "outside": outside, "precision": resolved}

    return None, lambda: timed(search)


def prepare_many(trials: int) -> tuple[None, Task]:
    """Many tiny trials: the memory after each, and the seconds outside of `fit`."""
    import_tensorflow()
    import psutil

    from training.tuning import session
    from training.tuning import trials as trials_of
    from training.tuning.config import TuneConfig

    def search() -> dict[str, Any]:
        seen: list[float] = []
        after = trials_of.after

        def counted(*given: Any) -> None:
            seen.append(psutil.Process().memory_info().rss / 1e6)
            after(*given)

        with tempfile.TemporaryDirectory() as folder, mock.patch.object(trials_of, "after", counted):
            config = TuneConfig(
                model="logistic_regression", dataset="breast_cancer", epochs=2, max_trials=trials, final_seeds=0,
                verbose="silent", stop_hopeless=False, runs_dir=folder,
            )  # fmt: skip
            result = session.tune(config)
        outside = [row.seconds - row.fit_seconds for row in result.rows if row.seconds and row.fit_seconds]
        return {"memory": seen, "outside": outside}

    return None, search


def timed(search: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a search returns, with its seconds and those of all processors, its own processes' included."""
    started, before = time.perf_counter(), _processor_seconds()
    found = search()
    return found | {"seconds": time.perf_counter() - started, "cpu_seconds": _processor_seconds() - before}


def _processor_seconds() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, kinds))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
