"""Settings of `make tune BACKBONE=…`, checked before anything is loaded. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from evaluation.command import check_settings
from training.checks import ConfigError
from training.tuning.config import EPOCHS, TuneConfig
from transfer.cases import CASES
from transfer.config import SHARED, TransferConfig, to_yaml, with_absolute_paths
from transfer.pretrained.catalog import cut_layer, image_shape

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


FINE_TUNED = "saved"
"""The model of a search of fine-tuning: every trial starts from one file."""
RATE = CASES["3"].phases[-1].learning_rate


@dataclass(frozen=True)
class PretrainedSearchConfig(TuneConfig):
    __doc__ = (TuneConfig.__doc__ or "") + (
        "    model: The head: softmax_regression (the notes' linear one), logistic_regression or mlp_classifier.\n"
        "    image_size: Height and width at which the network sees the images; default: that of its weights.\n"
        "    backbone: Network that was trained on ImageNet, whose features the head learns from.\n"
        "    weights: Its weights: imagenet (Keras' file, downloaded where absent), a file (.h5, .keras) or none.\n"
        "    cut: Where the head stands: early, middle, late or last.\n"
        "    fine_tune: Search how the whole network is fine-tuned, after a linear head was trained, instead of the"
        " head; rate and augmentation that are left out are those of the notes' case 3.\n"
    )
    model: str = "softmax_regression"
    dataset: str = "folder"
    backbone: str = "mobilenet_1.0_224"
    weights: str = "imagenet"
    cut: Cut = "last"
    fine_tune: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fine_tune:
            self._check_fine_tuning()
        else:
            self._check_head()
        cut_layer(self.backbone, self.cut)
        if self.image_size is not None and len(set(self.image_size)) != 1:
            raise ConfigError(f"the network sees squares: give one number. Received: image_size={self.image_size}.")
        _ = self.place  # refuses what a transfer refuses

    def _check_fine_tuning(self) -> None:
        """Refuses a choice of head where the whole network is the question."""
        for name, own in (("model", "softmax_regression"), ("cut", "last")):
            if getattr(self, name) != own:
                raise ConfigError(
                    f"fine_tune starts from the whole network with a linear head. Received: {name}="
                    f"{getattr(self, name)}. Leave it out; make tune BACKBONE=… without FINE_TUNE searches heads."
                )

    def _check_head(self) -> None:
        """Refuses what is no head, and what means nothing to one."""
        if self.model not in HEADS:
            raise ConfigError(f"a head is one of {', '.join(HEADS)}. Received: model={self.model}.")
        given = [name for name in OF_IMAGES if getattr(self, name) not in ("none", 0, 0.0)]
        if given:
            raise ConfigError(
                f"heads learn from features of the images as they are, so {given[0]} has no place here. Leave it out; "
                "make transfer, and make tune with FINE_TUNE=1, train on changed images."
            )

    @property
    def place(self) -> HeadPlace:
        """Images, network and cut."""
        shared = {name: getattr(self, name) for name in (*SHARED, "backbone", "weights") if name not in OF_TRAINING}
        size = None if self.image_size is None else self.image_size[0]
        return HeadPlace(with_absolute_paths(TransferConfig(case="1", image_size=size, **shared)), self.cut)

    @property
    def _settings(self) -> dict[str, Any]:
        """Those of a search."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(TuneConfig)}

    def on_features(self, table: Path, positive: str | None) -> TuneConfig:
        """The search itself, on a table of features."""
        changes: dict[str, Any] = {"dataset": "npz", "data_dir": str(table), "positive": positive, "image_size": None}
        changes |= {"resize": "crop", "on_bad": "fail", "epochs": self.epochs or EPOCHS["table"]}
        return TuneConfig(**self._settings | changes)

    def on_images(self, start: Path, space: Path) -> TuneConfig:
        """The search itself, on the images; what is left open is what the notes' case 3 has.

        Args:
            start: The network whose head was trained.
            space: Ranges, where the settings name none.
        """
        changes: dict[str, Any] = {"model": FINE_TUNED, "start": str(start), "space": self.space or str(space)}
        changes["learning_rate"] = self.learning_rate or RATE
        changes["hyperparameters"] = {"frozen_up_to": "nothing", **self.hyperparameters}
        if not any(getattr(self, name) not in ("none", 0, 0.0) for name in OF_IMAGES):
            changes |= {name: getattr(CASES["3"].augmentation, name) for name in OF_IMAGES}
        if self.dataset == "folder":
            changes |= {"image_size": image_shape(self.backbone, self.place.transfer.image_size), "color_mode": "rgb"}
        return TuneConfig(**self._settings | changes)
