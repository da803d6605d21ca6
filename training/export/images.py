"""Which images an export is proved on: those of validation, never of the test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.catalog import CATALOG
from training import datasets
from training.checks import ConfigError
from training.config import from_yaml
from training.datasets.dataset import ImageSource
from training.datasets.text import counted
from training.run import Run, RunError

if TYPE_CHECKING:
    from training.trained import Trained


@dataclass(frozen=True)
class Counts:
    """How many images are drawn.

    Attributes:
        images: To compare runtimes on.
        calibration: To set the scales of full-integer quantisation.
        seed: Of the draw.
    """

    images: int = 256
    calibration: int = 128
    seed: int = 0


@dataclass(frozen=True)
class Proof:
    """Images with their truth.

    Attributes:
        images: Raw pixels, uint8 `(n, height, width, channels)`, on which runtimes are compared.
        y: `(m,)` true class indices of the first m of them, whose accuracy counts; m < n where there were too few.
        calibration: Raw pixels that set the scales of full-integer quantisation.
        shared: How many of those are compared too, because there were too few.
        words: Where the images come from, for a reader.
    """

    images: np.ndarray
    y: np.ndarray
    calibration: np.ndarray
    shared: int
    words: str


def draw(x: ImageSource, y: np.ndarray, source: str, counts: Counts, *, more: ImageSource | None = None) -> Proof:
    """Draws the images to compare and, as far as there are enough, others to calibrate with.

    Args:
        x: Where they are drawn from.
        y: `(n,)` class indices.
        source: Such as `validation images`.
        counts: How many; all there are, if they are fewer.
        more: Training images that fill up what is compared; two runtimes can differ on them as well as on any others,
            but their accuracy says nothing.
    """
    random = np.random.default_rng(counts.seed)
    order = random.permutation(len(y))
    compared, rest = order[: counts.images], order[counts.images :]
    calibrating = np.concatenate([rest, compared])[: counts.calibration]
    images, words = x[compared], f"{len(compared):,} of {len(order):,} {source}"
    if more is not None and len(compared) < counts.images:
        filling = random.permutation(len(more))[: counts.images - len(compared)]
        images = np.concatenate([images, more[filling]])
        words += f" and {len(filling):,} training images, which count for differences, not for accuracy"
    return Proof(
        images=np.ascontiguousarray(images),
        y=np.asarray(y)[compared],
        calibration=np.ascontiguousarray(x[calibrating]),
        shared=max(0, len(calibrating) - len(rest)),
        words=words,
    )


def check_exportable(run: Run) -> None:
    """Refuses a run whose network is no classifier of images, before seconds of imports.

    Raises:
        ConfigError, RunError: It is none, or its settings or its record cannot be read.
    """
    if not run.model.is_file():
        return  # whoever opens the run says it better
    settings = from_yaml(run.training_settings)
    if CATALOG[settings.model].task != "classification":
        what = f"predicts a number ({settings.model})"
    elif run.read_record().get("data", {}).get("feature_names"):
        what = f"classifies rows of a table ({settings.dataset})"
    else:
        return
    raise ConfigError(f"{run.path.name} {what}; only classifiers of images are exported.")


def validation_images(run: Run, trained: Trained, data_dir: str | None, counts: Counts) -> Proof:
    """Images of a run's validation split; training images fill up where they are too few.

    Raises:
        RunError: The data is not what the run was trained on.
        ConfigError, DataError: The data cannot be read.
    """
    moved = {} if data_dir is None else {"data_dir": data_dir}
    settings = from_yaml(run.training_settings, **moved)
    data = datasets.load(settings, task="classification")
    expected = run.read_record().get("data", {}).get("digest")
    if expected != data.digest:
        raise RunError(
            f"the data is not what {run.path.name} was trained on: SHA-256 {data.digest[:12]}… where run.json has "
            f"{str(expected)[:12]}…. Point --data-dir to the data as it was, or train again."
        )
    if data.class_names != trained.class_names:
        raise RunError(f"{run.model} names other classes than its data: it was not trained on it. Train again.")
    source = "validation images" + (", on which the final fit was trained too" if settings.final_fit else "")
    return draw(data.validation.x, data.validation.y, source, counts, more=data.train.x)


def folder_images(trained: Trained, data_dir: str | None, counts: Counts) -> Proof:
    """Images of class folders, for a model file without a run.

    Raises:
        ConfigError: No folder is named, or its folders are not the model's classes.
        DataError: An image cannot be read.
    """
    from training.datasets.files import ImageFiles
    from training.predict.inputs import find_inputs

    if data_dir is None:
        raise ConfigError(
            f"{trained.path} belongs to no run, so there are no images to prove its export on: name a folder that "
            "holds a folder of images for each class with --data-dir."
        )
    found = find_inputs([data_dir], trained.class_names)
    if found.y_true is None:
        raise ConfigError(
            f"{data_dir} has no folder for each class, which the proof of an export needs: "
            f"{' '.join(found.notes) or 'no folder is named as a class.'}"
        )
    source = f"images of {found.name} ({counted(len(trained.class_names), 'class')})"
    files = ImageFiles(found.paths, trained.decode)
    return draw(files, found.y_true, source, counts)
