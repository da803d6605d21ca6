"""What the processes of the transfer benchmark do: one head trained in either way, or the extraction's speed."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.time_to_accuracy_work import Stopwatch
from benchmarks.workers import Task
from evaluation.files import sha256
from training.datasets.dataset import digest_of
from training.startup import import_tensorflow
from transfer.pretrained.catalog import entry

if TYPE_CHECKING:
    import keras

    from training.datasets.dataset import Split
    from transfer.features import FeatureSettings

BATCH_SIZE = 32
DROPOUT = 0.2  # the guide's
EXTRACTED = 512  # images at most of the extraction's speed


@dataclass(frozen=True)
class Case:
    """A network and images.

    Attributes:
        name: Of the data.
        backbone: A key of `transfer.pretrained.catalog.BACKBONES`.
        folder: Where the images are.
        epochs: Of the head.
        images: Of CIFAR-10, training and validation together; None: `folder` holds train/ and val/ of photographs.
    """

    name: str
    backbone: str
    folder: str
    epochs: int
    images: int | None = None

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return entry(self.backbone).default_size

    @property
    def key(self) -> dict[str, Any]:
        """What must be equal for two runs to be compared: not the place of the data, but its content."""
        settings = {name: value for name, value in dataclasses.asdict(self).items() if name != "folder"}
        root = Path(self.folder)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        content = digest_of([item for path in files for item in (str(path.relative_to(root)), sha256(path))])
        return settings | {"batch": BATCH_SIZE, "content": content}


def prepare_guide(case: Case, seed: int) -> tuple[None, Task]:
    """The keras.io guide: the frozen base stands inside the model, in inference mode, and every epoch runs it."""
    import_tensorflow()
    import keras

    from transfer.pretrained import weights

    arrays = _arrays(case, seed)
    keras.utils.set_random_seed(seed)

    def task() -> dict[str, float]:
        clock = Stopwatch()
        training, validation, classes = _guide_data(case, seed) if arrays is None else _guide_batches(*arrays)
        with weights.imagenet(case.backbone, False) as source:
            base = _guide_base(case, source)
        base.trainable = False
        inputs = keras.Input((case.size, case.size, 3))
        x = base(keras.layers.Rescaling(1 / 127.5, -1)(inputs), training=False)
        x = keras.layers.GlobalAveragePooling2D()(x)
        model = keras.Model(inputs, _guide_head(classes)(keras.layers.Dropout(DROPOUT)(x)))
        history = _fit(model, training, validation, case.epochs)
        return clock.read() | {"accuracy": history}

    return None, task


def prepare_ours(case: Case, seed: int) -> tuple[None, Task]:
    """This project: every image goes through the base once, and the head trains on what came out."""
    import_tensorflow()
    import keras

    from transfer.features import FeatureSettings

    arrays = _arrays(case, seed)
    keras.utils.set_random_seed(seed)

    def task() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            clock, settings = Stopwatch(), FeatureSettings(Path(folder))
            splits, base = arrays or _folder_splits(case), _pooled_base(case)
            start = time.perf_counter()
            train, validation = _extract(base, splits, settings)
            seconds = time.perf_counter() - start
            row = {"accuracy": _head_on_features(train, validation, case.epochs, seed), "feature_seconds": seconds}
            row |= clock.read()
            start = time.perf_counter()
            _extract(base, splits, settings)
            return row | {"again_seconds": time.perf_counter() - start}

    return None, task


def _pooled_base(case: Case) -> keras.Model:
    """The network up to the mean of its last feature map, from raw pixels."""
    from transfer.backbones import build_backbone
    from transfer.bottleneck.taps import taps

    return taps(build_backbone(case.backbone), {"last": entry(case.backbone).cuts[-1].layer})[0]


def _extract(base: keras.Model, splits: tuple[Split, Split], settings: FeatureSettings) -> list[Split]:
    """Features of training and validation images, from the cache where it has them."""
    from training.datasets.dataset import Split
    from transfer.bottleneck.extraction import Extractor
    from transfer.bottleneck.keys import model_digest
    from transfer.features import features

    source, network = Extractor(base), model_digest(base)
    found = [features(source, split, content="", settings=settings, network=network).array for split in splits]
    return [Split(array, split.y, split.ids) for array, split in zip(found, splits, strict=True)]


def _head_on_features(train: Split, validation: Split, epochs: int, seed: int) -> float:
    """The guide's head on features; its validation accuracy."""
    import keras

    from models import blocks
    from training.pipeline import batches

    inputs = keras.Input(train.x.shape[1:], name="features")
    head = [keras.layers.Dropout(DROPOUT), *blocks.head_layers(int(train.y.max()) + 1)]
    training = batches(_in_memory(train), batch_size=BATCH_SIZE, shuffle_seed=seed)
    model = blocks.functional(inputs, head, name="head")
    return _fit(model, training, batches(_in_memory(validation), batch_size=BATCH_SIZE), epochs)


def prepare_extraction(case: Case) -> tuple[None, Task]:
    """Images per second of a bare `model.predict` and of the extraction, both traced before, on images in memory."""
    import_tensorflow()
    from training.datasets.dataset import Split
    from transfer.bottleneck.extraction import Extractor
    from transfer.bottleneck.keys import model_digest
    from transfer.features import FeatureSettings, features

    split = (_arrays(case, 1) or _folder_splits(case))[0]
    split = Split(
        np.asarray(split.x[np.arange(min(len(split), EXTRACTED))]), split.y[:EXTRACTED], split.ids[:EXTRACTED]
    )
    model = _pooled_base(case)
    source, network, turns = Extractor(model), model_digest(model), iter(range(10**6))

    def predict() -> None:
        model.predict(split.x, batch_size=64, verbose=0)

    def extract() -> None:
        with tempfile.TemporaryDirectory() as folder:
            features(source, split, content=str(next(turns)), settings=FeatureSettings(Path(folder)), network=network)

    predict()
    extract()

    def task() -> dict[str, float]:
        return {"predict": len(split) / _seconds(predict), "features": len(split) / _seconds(extract)}

    return None, task


def _guide_data(case: Case, seed: int) -> tuple[Any, Any, int]:
    """Photographs as the guide reads them: decoded and resized in the first epoch, then kept in memory as float32."""
    import keras

    def read(name: str) -> Any:
        return keras.utils.image_dataset_from_directory(
            os.path.join(case.folder, name),
            image_size=(case.size, case.size),
            batch_size=BATCH_SIZE,
            shuffle=name == "train",
            seed=seed,
            verbose=False,
        )

    training, validation = read("train"), read("val")
    return training.cache().prefetch(2), validation.cache().prefetch(2), len(training.class_names)


def _guide_batches(train: Split, validation: Split) -> tuple[Any, Any, int]:
    """Arrays as `tf.data` slices them."""
    import tensorflow as tf

    slices = [tf.data.Dataset.from_tensor_slices((split.x, split.y)) for split in (train, validation)]
    training = slices[0].shuffle(1000).batch(BATCH_SIZE).prefetch(2)
    return training, slices[1].batch(BATCH_SIZE).prefetch(2), int(train.y.max()) + 1


def _guide_base(case: Case, source: str) -> keras.Model:
    """Keras' own network."""
    import keras

    facts = entry(case.backbone)
    constructor = getattr(keras.applications, facts.constructor)
    shape = (case.size, case.size, 3)
    return constructor(input_shape=shape, include_top=False, weights=source, **facts.arguments)


def _guide_head(classes: int) -> keras.Layer:
    """One unit for two classes."""
    import keras

    return keras.layers.Dense(1, activation="sigmoid") if classes == 2 else keras.layers.Dense(classes, "softmax")


def _fit(model: keras.Model, training: Any, validation: Any, epochs: int) -> float:
    """Trains the head with Adam's defaults; the validation accuracy after the last epoch."""
    from training.optimizers import loss_and_metric

    loss, metric = loss_and_metric(max(2, int(model.output_shape[-1])))
    model.compile("adam", loss, metrics=[metric])
    history = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0).history
    return float(history["val_accuracy"][-1])


def _folder_splits(case: Case) -> tuple[Split, Split]:
    """Training and validation photographs; what the loader would keep for a test is training data here."""
    from training.datasets.dataset import Split
    from training.datasets.folder import load_folder

    data = load_folder(case.folder, image_size=(case.size, case.size), color_mode="rgb", progress=False)
    parts = [data.train, data.test]
    x = np.concatenate([np.asarray(part.x) for part in parts])
    y, ids = (np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "ids"))
    return Split(x, y, ids), data.validation


def _arrays(case: Case, seed: int) -> tuple[Split, Split] | None:
    """Images of CIFAR-10 at the network's size, other ones for each seed; None for photographs in files."""
    if case.images is None:
        return None
    from training.datasets.cifar10 import load_cifar10
    from training.datasets.dataset import Split
    from transfer.studies.photographs import enlarge

    train = load_cifar10(case.folder).train
    chosen = np.random.default_rng(seed).permutation(len(train))[: case.images]
    count = len(chosen) * 4 // 5
    first, second = (
        enlarge(Split(train.x[rows], train.y[rows], train.ids[rows]), case.size)
        for rows in (chosen[:count], chosen[count:])
    )
    return first, second


def _in_memory(split: Split) -> Split:
    """Features are few numbers: they train fastest from memory."""
    return dataclasses.replace(split, x=np.array(split.x))


def _seconds(action: Any) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
