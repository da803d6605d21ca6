"""Settings of a search of heads, checked before anything is loaded. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.checks import ConfigError
from training.tuning.config import EPOCHS, TuneConfig
from transfer.config import TransferConfig, with_absolute_paths
from transfer.pretrained.catalog import cut_layer

RECORD = "head.yaml"
HEADS = ("softmax_regression", "logistic_regression", "mlp_classifier")
Cut = Literal["early", "middle", "late", "last"]
OF_IMAGES = ("shift", "flip", "rotation", "zoom")
"""Settings of a training that mean nothing on features."""


@dataclass(frozen=True)
class NetworkConfig:
    """The images and the network whose head is searched, as `head.yaml` of the search records them.

    Attributes:
        backbone: Network that was trained on ImageNet.
        weights: Its weights: imagenet, a file or none.
        cut: Where the head stands: early, middle, late or last.
        dataset, data_dir, positive, image_size, resize, on_bad: As in `transfer.config.TransferConfig`.
        memory_limit_mb, cache, cache_limit_mb: As there.
        validation_fraction, test_fraction, split_seed, seed, deterministic, runs_dir, verbose: As there.
    """

    backbone: str
    weights: str = "imagenet"
    cut: Cut = "last"
    dataset: str = "folder"
    data_dir: str | None = None
    positive: str | None = None
    image_size: int | None = None
    resize: Literal["crop", "pad", "stretch"] = "crop"
    on_bad: Literal["fail", "skip"] = "fail"
    memory_limit_mb: int = 2048
    cache: Literal["auto", "always", "never"] = "auto"
    cache_limit_mb: int = 20_000
    validation_fraction: float = 0.15
    test_fraction: float = 0.2
    split_seed: int = 0
    seed: int = 1
    deterministic: bool = False
    runs_dir: str = "runs"
    verbose: Literal["auto", "bar", "line", "silent"] = "auto"

    @property
    def transfer(self) -> TransferConfig:
        """What loads images and network."""
        settings = {name: value for name, value in dataclasses.asdict(self).items() if name != "cut"}
        return with_absolute_paths(TransferConfig(case="1", **settings))


@dataclass(frozen=True)
class HeadSearchConfig(TuneConfig):
    __doc__ = (TuneConfig.__doc__ or "") + (
        "    model: The head: softmax_regression (the notes' linear one), logistic_regression or mlp_classifier.\n"
        "    image_size: Height and width at which the network sees the images; default: that of its weights.\n"
        "    backbone: Network that was trained on ImageNet, whose features the head learns from.\n"
        "    weights: Its weights: imagenet (Keras' file, downloaded where absent), a file (.h5, .keras) or none.\n"
        "    cut: Where the head stands: early, middle, late or last.\n"
    )
    model: str = "softmax_regression"
    dataset: str = "folder"
    backbone: str = "mobilenet_1.0_224"
    weights: str = "imagenet"
    cut: Cut = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model not in HEADS:
            raise ConfigError(f"a head is one of {', '.join(HEADS)}. Received: model={self.model}.")
        given = [name for name in OF_IMAGES if getattr(self, name) not in ("none", 0, 0.0)]
        if given:
            raise ConfigError(
                f"heads learn from features of the images as they are, so {given[0]} has no place here. Leave it out; "
                "make transfer trains on changed images."
            )
        cut_layer(self.backbone, self.cut)
        _ = self.network  # refuses what a transfer refuses

    @property
    def network(self) -> NetworkConfig:
        """Images and network."""
        shared = {field.name for field in dataclasses.fields(NetworkConfig)} - {"image_size"}
        settings = {name: getattr(self, name) for name in shared}
        if self.image_size is not None and len(set(self.image_size)) != 1:
            raise ConfigError(f"the network sees squares: give one number. Received: image_size={self.image_size}.")
        size = None if self.image_size is None else self.image_size[0]
        found = NetworkConfig(image_size=size, **settings)
        places = found.transfer
        return dataclasses.replace(found, data_dir=places.data_dir, weights=places.weights)

    def on_features(self, table: Path, positive: str | None) -> TuneConfig:
        """The search itself, on a table of features."""
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(TuneConfig)}
        changes: dict[str, Any] = {"dataset": "npz", "data_dir": str(table), "positive": positive, "image_size": None}
        changes |= {"resize": "crop", "on_bad": "fail", "epochs": self.epochs or EPOCHS["table"]}
        return TuneConfig(**settings | changes)
