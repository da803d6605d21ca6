"""A point of a search space and the training that it stands for. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from training.checks import ConfigError
from training.config import TrainConfig
from training.tuning.spaces import Settings, Space

TUNABLE = (
    *("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "warmup", "momentum", "nesterov"),
    *("weight_decay", "gradient_clip", "ema", "label_smoothing", "patience", "class_weight"),
    *("shift", "flip", "rotation", "zoom", "fill", "lookahead", "decay", "rate_multipliers"),
)
INSIDE_LOSS = ("label_smoothing", "l1", "l2", "class_weight")
LARGEST_SEED = 2**31 - 1


def setting(base: TrainConfig, settings: Mapping[str, Any], **more: Any) -> TrainConfig:
    """The training that a point stands for.

    Args:
        base: What the point leaves open.
        settings: What a space returned: settings of a training, and keywords of the factory.
        **more: Settings that win over both, such as `seed`.

    Raises:
        ConfigError: The settings contradict each other.
    """
    own = {name: value for name, value in settings.items() if name in TUNABLE}
    keywords = {name: value for name, value in settings.items() if name not in TUNABLE}
    if not any(own.get(name, getattr(base, name)) for name in ("shift", "rotation", "zoom")):
        own["fill"] = "edge"  # this point lets nothing in that could be filled
    return dataclasses.replace(base, **own | {"hyperparameters": dict(base.hyperparameters) | keywords} | more)


def settings_of(space: Space, values: Mapping[str, Any]) -> Settings:
    """What a point of a space stands for."""
    from keras_tuner import HyperParameters

    hp = HyperParameters()
    hp.values = dict(values)
    return space(hp)


def training_of(base: TrainConfig, space: Space, values: Mapping[str, Any]) -> TrainConfig:
    """The training that a point stands for; Hyperband says how many epochs.

    Raises:
        ConfigError: The settings contradict each other.
    """
    epochs = {"epochs": values["tuner/epochs"]} if "tuner/epochs" in values else {}
    return setting(base, settings_of(space, values), **epochs)


def check_objective(objective: str, names: Iterable[str]) -> None:
    """Refuses to rank by a loss that the space itself defines anew from point to point.

    Raises:
        ConfigError: Names what stands in the loss.
    """
    inside = [name for name in names if name in INSIDE_LOSS]
    if objective == "val_loss" and inside:
        raise ConfigError(
            f"val_loss cannot rank these trials: {', '.join(inside)} is part of the loss, so losses of two trials do "
            "not compare. Use --objective val_accuracy (or val_mae), or leave it out of the space."
        )


def derived_seed(seed: int, *words: object) -> int:
    """A seed of its own for each trial, repeat or purpose: a hash, so that neighbours have nothing in common."""
    text = "/".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % LARGEST_SEED + 1
