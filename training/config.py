"""Settings of `python -m training`: one frozen dataclass, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from evaluation.command import check_settings
from training.checks import ConfigError, check


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of a training run; `config.yaml` of a run holds the same names.

    Attributes:
        model: Factory to build (models.FACTORIES).
        start: saved: the .keras file whose network is trained further, such as RUN/model.keras of an earlier run.
        dataset: Source of the data: digits, breast_cancer, diabetes, cifar10, folder, npz or csv.
        data_dir: Folder of the data (folder, cifar10), or the .npz or .csv file.
        target: csv: name of the target column.
        group: csv: name of the column that keeps examples together in one split (a patient's id).
        positive: Two classes: the condition looked for; sensitivity speaks of it.
        image_size: Height and width of the images in pixels; default: their own if equal and at most 256, else 128 128.
        resize: How an image of another shape is fitted: crop (shorter side, centre), pad or stretch.
        color_mode: Colour channels: auto (grey where every image is grey), rgb or grayscale.
        on_bad: What to do with a file or row that cannot be read: fail, or skip and list it in the run.
        memory_limit_mb: Images that need more than this stream from disk instead of one array.
        cache: Decoded pixels in <runs_dir>/.cache: auto (of images that stream), always (of all folders) or never.
        cache_limit_mb: What the cache takes at most; what was not used for longest is removed first.
        validation_fraction: Part of the training data that validation takes, where the source has no validation.
        test_fraction: Part of all data that the test set takes, where the source has no test set.
        split_seed: Seed of the split; keep it to compare runs.
        epochs: Epochs at most; default: 50 for images, 300 for tables.
        batch_size: Examples per step, of all devices together; default: 32 to 256, by the size of the training set.
        optimizer: adam, adamw, sgd, rmsprop, adagrad, adadelta, nadam, lion or muon (sgd, orthogonal for kernels).
        learning_rate: Learning rate, the largest where a schedule moves it; default: Keras' own, of muon 0.05.
        rate_multipliers: Pattern of weights' paths, such as "*_norm*/beta", and the factor of their learning rate.
        freeze_after: Pattern of weights' paths, and the epochs after which they no longer change.
        schedule: constant, cosine (falls to 0), one_cycle (rises from a 25th, falls to 0) or triangle, over all epochs.
        warmup: Fraction of the steps in which the rate rises; default: 0.3 for one_cycle, 0.23 for triangle, else 0.
        rate_start: triangle: rate before the first step, as a part of the learning rate.
        rate_end: triangle: rate after the last step, as a part of the learning rate.
        momentum: Momentum, for sgd, rmsprop and muon.
        kernel_momentum: muon: momentum of the kernels whose steps are orthogonal; default: momentum.
        nesterov: Nesterov momentum, for sgd and muon.
        weight_decay: Times the rate, what each step takes off a weight (biases excepted); default: 0.004 for adamw.
        decay: decoupled, or coupled: part of the gradient of every weight, biases too, as in PyTorch's SGD.
        gradient_clip: Largest norm of all gradients together; default: no limit.
        ema: Average the weights, keeping this share of the average each step (0.99, say); validation sees the average.
        lookahead: Steps between two pulls of the weights to their slow average, with which the run ends (5, say).
        label_smoothing: Share of each target that is spread over all classes; it is in val_loss as well as in loss.
        monitor: What chooses the best epoch: val_loss, val_accuracy or val_mae.
        patience: Epochs without improvement before training stops, 0 for never; default: 10, with a schedule 0.
        final_fit: Train on train and validation together, for --epochs; the last epoch is kept, test alone is reported.
        class_weight: none, or balanced (each class weighs the same in the loss).
        shift: Augmentation: random shift, largest fraction of height and width; from 1 upwards it is pixels.
        flip: Augmentation: none, horizontal, vertical, both or alternating (left and right change every epoch).
        rotation: Augmentation: random rotation, largest angle in degrees.
        zoom: Augmentation: random zoom, largest fraction in or out.
        fill: Augmentation: what comes in from outside a picture, its edge or its reflection.
        tta: Also predict the test set from several views of each image, apart: none, mirror or mirror_shift (6 views).
        precision: auto (measured on this machine), float32 or mixed_bfloat16.
        fast_math: Quicker 3×3 convolutions, GELU, pooling, normalisation; equal up to rounding (one CPU, float32).
        steps_per_execution: Steps that Keras runs in one call; default: what holds about 1,024 examples.
        hyperparameters: Keywords for the factory, such as --hyperparameters.dropout_rate 0.
        seed: Seed of weights, order, dropout and augmentation.
        strategy: Devices: one, mirrored (all GPUs), multiworker (as TF_CONFIG says) or auto; the rate is used as given.
        deterministic: Repeat exactly on this machine, at some cost in speed.
        checkpoint_every: Epochs between two checkpoints, from which a run can be resumed; 0 writes none.
        checkpoint_steps: Steps between two more checkpoints within an epoch; 0 writes none.
        snapshots: Also keep the weights of every epoch, in snapshots/.
        runs_dir: Folder that receives runs.
        tensorboard: Also write RUN/tensorboard/: metrics, learning rate and the gradient norm of every layer, by epoch.
        verbose: auto, bar (a live line, in a terminal), line (a line an epoch) or silent.
    """

    model: str = "cifar_cnn"
    start: str | None = None
    dataset: str = "digits"
    data_dir: str | None = None
    target: str | None = None
    group: str | None = None
    positive: str | None = None
    image_size: tuple[int, int] | None = None
    resize: Literal["crop", "pad", "stretch"] = "crop"
    color_mode: Literal["auto", "rgb", "grayscale"] = "auto"
    on_bad: Literal["fail", "skip"] = "fail"
    memory_limit_mb: int = 2048
    cache: Literal["auto", "always", "never"] = "auto"
    cache_limit_mb: int = 20_000
    validation_fraction: float = 0.15
    test_fraction: float = 0.2
    split_seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta", "nadam", "lion", "muon"] = "adam"
    learning_rate: float | None = None
    rate_multipliers: dict[str, Any] = field(default_factory=dict)
    freeze_after: dict[str, Any] = field(default_factory=dict)
    schedule: Literal["constant", "cosine", "one_cycle", "triangle"] = "constant"
    warmup: float | None = None
    rate_start: float = 0.2
    rate_end: float = 0.07
    momentum: float = 0.0
    kernel_momentum: float | None = None
    nesterov: bool = False
    weight_decay: float | None = None
    decay: Literal["decoupled", "coupled"] = "decoupled"
    gradient_clip: float | None = None
    ema: float | None = None
    lookahead: int | None = None
    label_smoothing: float = 0.0
    monitor: Literal["val_loss", "val_accuracy", "val_mae"] = "val_loss"
    patience: int | None = None
    final_fit: bool = False
    class_weight: Literal["none", "balanced"] = "none"
    shift: float = 0.0
    flip: Literal["none", "horizontal", "vertical", "both", "alternating"] = "none"
    rotation: float = 0.0
    zoom: float = 0.0
    fill: Literal["edge", "reflect"] = "edge"
    tta: Literal["none", "mirror", "mirror_shift"] = "none"
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    fast_math: bool = False
    steps_per_execution: int | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 1
    strategy: Literal["auto", "one", "mirrored", "multiworker"] = "auto"
    deterministic: bool = False
    checkpoint_every: int = 1
    checkpoint_steps: int = 0
    snapshots: bool = False
    runs_dir: str = "runs"
    tensorboard: bool = False
    verbose: Literal["auto", "bar", "line", "silent"] = "auto"

    def __post_init__(self) -> None:
        check(self)


def to_yaml(config: TrainConfig) -> str:
    """Every setting, one a line; `from_yaml` and `python -m training --config` read it back."""
    settings = dataclasses.asdict(config)
    if config.image_size is not None:
        settings["image_size"] = list(config.image_size)
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def with_absolute_paths(config: TrainConfig) -> TrainConfig:
    """A record that finds its data, and the network that it starts from, from any folder."""
    paths = (config.data_dir, config.start)
    where, start = (None if path is None else str(Path(path).expanduser().resolve()) for path in paths)
    return dataclasses.replace(config, data_dir=where, start=start)


def from_yaml(path: Path | str, **changes: Any) -> TrainConfig:
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
    if "backbone" in settings:
        raise ConfigError(f"{path} holds settings of make transfer. Use make transfer RESUME=… or CONFIG={path}.")
    try:
        checked = check_settings(settings, TrainConfig)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return TrainConfig(**checked | changes)
