"""Settings of `python -m transfer`: one frozen dataclass, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from evaluation.command import check_settings
from training.checks import ConfigError
from training.config import TrainConfig
from training.datasets.catalog import SOURCES
from transfer.cases import CASES, Case, cases_of
from transfer.pretrained.catalog import entry, image_shape

STAND_IN = "gap_cnn"  # `training` wants the name of a factory; none of its choices by model matters here


@dataclass(frozen=True)
class TransferConfig:
    """Every setting of a transfer run; `config.yaml` of a run holds the same names.

    Attributes:
        backbone: Network that was trained on ImageNet.
        weights: Its weights: imagenet (Keras' file, downloaded where it is absent), a file (.h5, .keras) or none.
        case: auto (measured on the training images), 1, 2, 3, 4a, 4b, 4 (both of its options) or all.
        dataset: Source of the images: folder, cifar10, digits or npz.
        data_dir: Folder of the data (folder, cifar10), or the .npz file.
        positive: Two classes: the condition looked for; sensitivity speaks of it.
        image_size: Height and width at which the network sees the images; default: that of its weights.
        images_per_class: Train on this many images of each class only, drawn by split_seed; default: all.
        resize: How an image of another shape is fitted: crop (shorter side, centre), pad or stretch.
        on_bad: What to do with a file that cannot be read: fail, or skip and list it in the run.
        memory_limit_mb: Images, or features, that need more than this are read from disk instead of one array.
        cache: Decoded pixels in <runs_dir>/.cache: auto (of images that stream), always (of all folders) or never.
        cache_limit_mb: What pixels and features in <runs_dir>/.cache take at most; the longest unused go first.
        validation_fraction: Part of the training data that validation takes, where the source has no validation.
        test_fraction: Part of all data that the test set takes, where the source has no test set.
        split_seed: Seed of the split; keep it to compare runs.
        epochs: Epochs at most of the case's last phase (fine-tuning, or the head where it is trained alone).
        head_epochs: Epochs at most of the head's own phase.
        learning_rate: Of the case's last phase; default: the case's own.
        head_learning_rate: Of the head's own phase.
        layer_decay: Fine-tuning: each block's rate is this times that of the block after it; 1 gives all the same.
        gradual_unfreezing: Fine-tuning: epochs before the next earlier block is unfrozen too; 0 unfreezes all at once.
        dropout_rate: Fraction of the features dropped before the new classifier, in training.
        batch_size: Examples per step; default: 32 to 256, by the size of the training set.
        monitor: What chooses the best epoch: val_loss or val_accuracy.
        patience: Epochs of a phase without improvement before it stops, 0 for never; from random weights more where an
            epoch has few steps.
        class_weight: none, or balanced (each class weighs the same in the loss).
        shift: Augmentation: random shift, largest fraction of height and width; default: the case's own, as all four.
        flip: Augmentation: none, horizontal, vertical or both.
        rotation: Augmentation: random rotation, largest angle in degrees.
        zoom: Augmentation: random zoom, largest fraction in or out.
        augmented_passes: Random views of each training image whose features the head learns from besides.
        tsne: Draw the features on a plane, in the report.
        precision: Fine-tuning: auto (measured on this machine), float32 or mixed_bfloat16.
        seed: Seed of weights, order, dropout and augmentation.
        deterministic: Repeat exactly on this machine, at some cost in speed.
        checkpoint_every: Epochs between two checkpoints, from which a run can be resumed; 0 writes none.
        runs_dir: Folder that receives runs.
        verbose: auto, bar (a live line, in a terminal), line (a line an epoch) or silent.
    """

    backbone: str = "mobilenet_1.0_224"
    weights: str = "imagenet"
    case: str = "auto"
    dataset: str = "folder"
    data_dir: str | None = None
    positive: str | None = None
    image_size: int | None = None
    images_per_class: int | None = None
    resize: Literal["crop", "pad", "stretch"] = "crop"
    on_bad: Literal["fail", "skip"] = "fail"
    memory_limit_mb: int = 2048
    cache: Literal["auto", "always", "never"] = "auto"
    cache_limit_mb: int = 20_000
    validation_fraction: float = 0.15
    test_fraction: float = 0.2
    split_seed: int = 0
    epochs: int | None = None
    head_epochs: int | None = None
    learning_rate: float | None = None
    head_learning_rate: float | None = None
    layer_decay: float = 1.0
    gradual_unfreezing: int = 0
    dropout_rate: float = 0.0
    batch_size: int | None = None
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    patience: int = 5
    class_weight: Literal["none", "balanced"] = "none"
    shift: float | None = None
    flip: Literal["none", "horizontal", "vertical", "both"] | None = None
    rotation: float | None = None
    zoom: float | None = None
    augmented_passes: int = 0
    tsne: bool = True
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    seed: int = 1
    deterministic: bool = False
    checkpoint_every: int = 1
    runs_dir: str = "runs"
    verbose: Literal["auto", "bar", "line", "silent"] = "auto"

    def __post_init__(self) -> None:
        entry(self.backbone)
        _check_case(self.case)
        if self.image_size is not None:
            image_shape(self.backbone, self.image_size)
        _check_images(self)
        training_config(self)
        _check_numbers(self)
        _check_fine_tuning(self)

    @property
    def weights_source(self) -> str | None:
        """What `build_backbone` takes as `weights`."""
        return None if self.weights == "none" else self.weights

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases that are named; none where the chooser decides."""
        return () if self.case == "auto" else cases_of(self.case)


AUGMENTATION = ("shift", "flip", "rotation", "zoom")
FINE_TUNING: dict[str, Any] = {"layer_decay": 1.0, "gradual_unfreezing": 0}  # how it is done, and each one's off
SHARED = tuple(
    {field.name for field in dataclasses.fields(TrainConfig)}
    & {field.name for field in dataclasses.fields(TransferConfig)} - {"image_size", *AUGMENTATION}
)


def training_config(config: TransferConfig, **changes: Any) -> TrainConfig:
    """The settings that `training` understands, checked by its own rules.

    Args:
        config: Of the transfer run.
        **changes: Fields of TrainConfig, such as those of one phase.

    Raises:
        ConfigError: A setting cannot work.
    """
    settings = {name: getattr(config, name) for name in SHARED}
    settings |= {name: value for name in AUGMENTATION if (value := getattr(config, name)) is not None}
    if config.dataset == "folder":
        size = image_shape(config.backbone, config.image_size)
        settings |= {"image_size": size, "color_mode": "rgb"}
    return TrainConfig(**settings | {"model": STAND_IN, "strategy": "one"} | changes)


def _check_case(name: str) -> None:
    """Refuses a case that does not exist."""
    known = ("auto", "all", "4", *CASES)
    if name not in known:
        raise ConfigError(f"case must be one of {', '.join(known)}. Received: case={name}.")


def _check_images(config: TransferConfig) -> None:
    """Refuses a source without images before `training` speaks of models."""
    if config.dataset in SOURCES and "image" not in SOURCES[config.dataset].kinds:
        fitting = ", ".join(name for name, source in SOURCES.items() if "image" in source.kinds)
        raise ConfigError(f"transfer needs images; {config.dataset} holds a table. Choose --dataset {fitting}.")
    if config.dataset == "folder" and config.data_dir is None:
        raise ConfigError("transfer needs a folder of images: --data-dir FOLDER (make transfer DATA_DIR=FOLDER).")


def _check_numbers(config: TransferConfig) -> None:
    """Refuses what `training` does not know."""
    ranges: dict[str, tuple[float, float, str]] = {
        "head_epochs": (1, math.inf, "at least 1"),
        "images_per_class": (1, math.inf, "at least 1"),
        "head_learning_rate": (5e-324, 1e300, "positive"),
        "layer_decay": (1e-6, 1, "above 0 and at most 1"),
        "gradual_unfreezing": (0, math.inf, "0 (all at once) or more"),
        "dropout_rate": (0, 0.999, "at least 0 and below 1"),
        "augmented_passes": (0, 100, "between 0 and 100"),
    }
    for name, (low, high, words) in ranges.items():
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            raise ConfigError(f"{name} must be {words}. Received: {name}={value}.")


def _check_fine_tuning(config: TransferConfig) -> None:
    """Refuses ways of fine-tuning where the named case does none."""
    tuned = [case for case in config.cases if case.fine_tunes]
    for name, off in FINE_TUNING.items():
        if getattr(config, name) != off and config.case != "auto" and not tuned:
            raise ConfigError(
                f"{name} belongs to cases that fine-tune (3, 4b). Received: case={config.case}, "
                f"{name}={getattr(config, name)}."
            )


def for_case(config: TransferConfig, case: Case) -> TransferConfig:
    """The settings of one of several cases, or of the chosen one: ways of fine-tuning are off where it does none."""
    return dataclasses.replace(config, case=case.name, **({} if case.fine_tunes else FINE_TUNING))


def without_effect(config: TransferConfig, case: Case) -> list[str]:
    """The settings that were given and mean nothing to a case, for a note to the user."""
    found = [] if case.fine_tunes else [name for name, off in FINE_TUNING.items() if getattr(config, name) != off]
    if not case.trains("all") and not config.augmented_passes:
        found += [name for name in AUGMENTATION if getattr(config, name) not in (None, "none", 0)]
    if not case.trains("head"):
        found += [name for name in ("head_epochs", "head_learning_rate", "augmented_passes") if getattr(config, name)]
    return found


def to_yaml(config: TransferConfig) -> str:
    """Every setting, one a line; `from_yaml` and `python -m transfer --config` read it back."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)


def from_yaml(path: Path | str, **changes: Any) -> TransferConfig:
    """The settings that a run recorded.

    Args:
        path: A run's `config.yaml`.
        **changes: Settings that replace recorded ones, such as the place that the data moved to.

    Raises:
        ConfigError: The file is missing, torn, or holds a setting that does not exist.
    """
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as settings: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} must hold one setting a line. Received: {type(settings).__name__}.")
    try:
        return TransferConfig(**check_settings(settings, TransferConfig) | changes)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def with_absolute_paths(config: TransferConfig) -> TransferConfig:
    """A record that finds its data and weights from any folder."""
    changes: dict[str, Any] = {}
    if config.data_dir is not None:
        changes["data_dir"] = str(Path(config.data_dir).expanduser().resolve())
    if config.weights not in ("imagenet", "none"):
        changes["weights"] = str(Path(config.weights).expanduser().resolve())
    return dataclasses.replace(config, **changes)
