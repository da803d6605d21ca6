"""Settings of a search of heads, checked before anything is loaded. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from evaluation.command import check_settings
from training.checks import ConfigError
from training.tuning.config import EPOCHS, TuneConfig
from transfer.config import SHARED, TransferConfig, to_yaml, with_absolute_paths
from transfer.pretrained.catalog import cut_layer

RECORD = "head.yaml"
HEADS = ("softmax_regression", "logistic_regression", "mlp_classifier")
Cut = Literal["early", "middle", "late", "last"]
OF_IMAGES = ("shift", "flip", "rotation", "zoom")
"""Settings of a training that mean nothing on features."""
OF_TRAINING = ("epochs", "batch_size", "learning_rate", "monitor", "patience", "class_weight", "precision")
"""Settings that the search itself has a say in."""


@dataclass(frozen=True)
class HeadPlace:
    """The images and the network whose head is searched, and where it stands.

    Attributes:
        transfer: Data, network and weights, with absolute paths.
        cut: early, middle, late or last.
    """

    transfer: TransferConfig
    cut: Cut = "last"

    def to_yaml(self) -> str:
        """The text of `head.yaml`."""
        return f"cut: {self.cut}\n{to_yaml(self.transfer)}"


def read_place_of_head(path: Path, **changes: Any) -> HeadPlace:
    """What `head.yaml` of a search says.

    Args:
        path: The file.
        **changes: Settings that replace recorded ones, such as the place that the data moved to.

    Raises:
        ConfigError: It is missing, torn, or holds a setting that does not exist.
    """
    try:
        settings = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
        cut = settings.pop("cut")
        return HeadPlace(TransferConfig(**check_settings(settings, TransferConfig) | changes), cut)
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error


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
        if self.image_size is not None and len(set(self.image_size)) != 1:
            raise ConfigError(f"the network sees squares: give one number. Received: image_size={self.image_size}.")
        _ = self.place  # refuses what a transfer refuses

    @property
    def place(self) -> HeadPlace:
        """Images, network and cut."""
        shared = {name: getattr(self, name) for name in (*SHARED, "backbone", "weights") if name not in OF_TRAINING}
        size = None if self.image_size is None else self.image_size[0]
        return HeadPlace(with_absolute_paths(TransferConfig(case="1", image_size=size, **shared)), self.cut)

    def on_features(self, table: Path, positive: str | None) -> TuneConfig:
        """The search itself, on a table of features."""
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(TuneConfig)}
        changes: dict[str, Any] = {"dataset": "npz", "data_dir": str(table), "positive": positive, "image_size": None}
        changes |= {"resize": "crop", "on_bad": "fail", "epochs": self.epochs or EPOCHS["table"]}
        return TuneConfig(**settings | changes)
