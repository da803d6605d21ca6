"""What a transfer starts from: images at the size that the network takes, the network, and its features of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from training import datasets
from training.checks import ConfigError
from training.datasets import CACHE_FOLDER
from training.datasets.dataset import Dataset, ImageSource, Split
from training.pipeline import errors_in_words
from training.precision import policy
from transfer.backbones import build_backbone
from transfer.bottleneck.keys import model_digest
from transfer.bottleneck.taps import taps
from transfer.config import TransferConfig, training_config
from transfer.features import Features, FeatureSettings, augmented_features, by_cut, content_of, features
from transfer.fitting.phases import augmentation_of
from transfer.pretrained.catalog import entry, image_shape


@dataclass(frozen=True)
class Source:
    """Data, pre-trained network and features, shared by all cases that are trained on them.

    Attributes:
        config: Settings; those of the case are not read.
        data: Images, raw pixels.
        backbone: The network with its weights, float32; nothing trains it.
    """

    config: TransferConfig
    data: Dataset
    backbone: keras.Model

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 over graph and weights of the backbone."""
        return model_digest(self.backbone)

    @cached_property
    def pretrained(self) -> list[np.ndarray]:
        """The backbone's weights, in order."""
        return self.backbone.get_weights()

    @cached_property
    def _taps(self) -> tuple[keras.Model, dict[str, int]]:
        """All cuts in one pass: the chooser, and every case, find what they need in one file per split."""
        return taps(self.backbone, {cut.name: cut.layer for cut in entry(self.config.backbone).cuts})

    @cached_property
    def features(self) -> dict[str, Features]:
        """Features of the training and validation images at all cuts, side by side."""
        model, content, settings = self._taps[0], content_of(self.data), self.feature_settings
        digest = model_digest(model)
        found = {}
        for name in ("train", "validation"):
            split, named = self.data.splits[name], f"{name} images"
            found[name] = features(model, split, content=content, settings=settings, named=named, network=digest)
        self._say(found.values())
        return found

    @cached_property
    def augmented(self) -> list[Features]:
        """Features of random views of the training images, as many as the settings ask for."""
        if not self.config.augmented_passes:
            return []
        found = augmented_features(
            self._taps[0],
            self.data.train,
            augmentation_of(self.config, None),
            passes=self.config.augmented_passes,
            seed=self.config.seed,
            content=content_of(self.data),
            settings=self.feature_settings,
        )
        self._say(found)
        return found

    def _say(self, found: Iterable[Features]) -> None:
        """What became of the cache: found, computed, torn, too large."""
        if self.config.verbose != "silent":
            for one in found:
                print(one.note, flush=True)

    @property
    def feature_seconds(self) -> float:
        """What computing (or finding) the features took; those that are not asked for yet are computed now."""
        return sum(one.seconds for one in [*self.features.values(), *self.augmented])

    def at(self, cut: str, found: Features) -> np.ndarray:
        """The features at one cut, `(n, width)`, float32."""
        return np.ascontiguousarray(by_cut(found.array, self._taps[1])[cut], dtype=np.float32)

    def cuts(self, found: Features) -> dict[str, np.ndarray]:
        """The features at every cut, by its name."""
        return {name: self.at(name, found) for name in self._taps[1]}

    def head_data(self, cut: str) -> Dataset:
        """The data set that a head learns from: features instead of images; its test split is not touched."""
        train, validation = self.data.train, self.data.validation
        parts = [self.features["train"], *self.augmented]
        x = np.concatenate([self.at(cut, part) for part in parts])
        times = len(parts)
        groups = None if train.groups is None else np.tile(train.groups, times)
        return replace(
            self.data,
            kind="table",
            train=Split(x, np.tile(train.y, times), np.tile(train.ids, times), groups),
            validation=replace(validation, x=self.at(cut, self.features["validation"])),
        )

    @property
    def feature_settings(self) -> FeatureSettings:
        """Where features are kept, and how."""
        return FeatureSettings(
            Path(self.config.runs_dir).expanduser() / CACHE_FOLDER,
            limit_mb=self.config.cache_limit_mb,
            memory_limit_mb=self.config.memory_limit_mb,
            progress=self.config.verbose != "silent",
        )


@dataclass(frozen=True)
class Rows:
    """Some rows of images that stream from disk; an `ImageSource`.

    Attributes:
        source: All images.
        rows: Which, in order.
    """

    source: ImageSource
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, height, width, channels)`."""
        return (len(self.rows), *self.source.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        return self.source[self.rows[index]]


def load_source(config: TransferConfig) -> Source:
    """Loads images and network.

    Raises:
        DataError: The data cannot be used.
        TransferError: The weights are absent, torn or another network's.
        ConfigError: The data holds no images, or they do not fit.
    """
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    data = datasets.load(training_config(config), task="classification", progress=config.verbose != "silent")
    if data.kind != "image":
        raise ConfigError(f"transfer needs images; {config.data_dir or config.dataset} holds a table of numbers.")
    if config.images_per_class is not None:
        data = some_per_class(data, config.images_per_class, seed=config.split_seed)
    keras.utils.set_random_seed(config.seed + 1)  # where all weights are random: others than those of a case
    with errors_in_words():
        return Source(config, data, backbone_for(config, data, weights=config.weights_source))


def backbone_for(
    config: TransferConfig, data: Dataset, *, weights: str | None, precision: str = "float32"
) -> keras.Model:
    """The network for images of this size; a layer of its own resizes them where they have another one."""
    height, width, channels = data.input_shape
    with policy(precision):
        return build_backbone(
            config.backbone,
            image_size=image_shape(config.backbone, config.image_size),
            channels=channels,
            weights=weights,
            resized_from=(height, width),
        )


def some_per_class(data: Dataset, count: int, *, seed: int) -> Dataset:
    """The data set with at most `count` training images of each class; validation and test stay whole."""
    rng, chosen = np.random.default_rng(seed), []
    for label in range(data.num_classes):
        chosen.append(rng.permutation(np.flatnonzero(data.train.y == label))[:count])
    rows = np.sort(np.concatenate(chosen))
    train = data.train
    x = train.x[rows] if isinstance(train.x, np.ndarray) else Rows(train.x, rows)
    groups = None if train.groups is None else train.groups[rows]
    note = (
        f"Trained on {len(rows):,} of {len(train):,} training images: at most {count} per class, drawn by split_seed."
    )
    return replace(data, train=Split(x, train.y[rows], train.ids[rows], groups), notes=(*data.notes, note))
