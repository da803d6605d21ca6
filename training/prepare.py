"""What stands between settings and the first step: automatic choices resolved, model built and compiled."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import models
from models.speed import standardized
from training import precision
from training.augmentation import Augmentation
from training.checks import ConfigError
from training.config import TrainConfig
from training.cpu import keep_freed_memory, on_gpu, quicken
from training.datasets.dataset import Dataset, Split
from training.devices import ONE_DEVICE, Devices
from training.fastmath import use_fast_math
from training.optimizers import build_optimizer, loss_and_metric
from training.pipeline import num_batches
from training.replicas import SharedLoss, synchronize_normalization
from training.startfile import load_start
from training.whitening import some_images, whitening_filters

EXAMPLES_PER_CALL = 1024
DEFAULT_EPOCHS = {"image": 50, "table": 300}  # a table's epoch takes milliseconds
DEFAULT_PATIENCE = 10


@dataclass(frozen=True)
class Plan:
    """Settings that `auto` left open, resolved for this data and this machine."""

    epochs: int
    batch_size: int
    steps: int
    steps_per_execution: int
    policy: str
    probe_ms: dict[str, float]
    augmentation: Augmentation
    patience: int
    fast_layers: tuple[str, ...] = ()


def prepare(config: TrainConfig, data: Dataset, devices: Devices = ONE_DEVICE) -> tuple[keras.Model, keras.Model, Plan]:
    """Seeds, resolves what is automatic and builds.

    Args:
        config: Settings; its batch size is that of all devices together.
        data: The splits.
        devices: Where the model trains.

    Returns:
        The compiled model, its float32 twin (which predicts and is saved), and the resolved plan.
    """
    _seed(config)
    plan = _for_all(_plan(config, data), config, devices)
    arguments = _arguments(config, data)
    with devices.scope():
        model = _build(config, data, plan.policy, arguments)
    twin = _build(config, data, "float32", arguments)
    quicken(model)
    if config.fast_math and not on_gpu() and devices.replicas == 1:
        plan = dataclasses.replace(plan, fast_layers=tuple(use_fast_math(model)))
    keep_freed_memory()
    with devices.scope():
        _compile(model, config, data, plan, devices)
    return model, twin, plan


def _for_all(plan: Plan, config: TrainConfig, devices: Devices) -> Plan:
    """The plan as several devices can follow it; unchanged for one."""
    if devices.replicas == 1:
        return plan
    if plan.batch_size < devices.replicas:
        raise ConfigError(
            f"batch_size must be at least {devices.replicas}, one example per device. Received: {plan.batch_size}."
        )
    if config.gradient_clip is not None:
        raise ConfigError(
            "gradient_clip needs one device: Keras clips the gradients of each share of a batch before they are added. "
            "Use --strategy one, or leave it out."
        )
    alike = devices.gather([int(plan.policy == "float32")]).sum() == 0  # bfloat16 only if it is faster on every worker
    # Keras' loop over several steps in one call fails on several devices: "You must feed a value" (measured)
    return dataclasses.replace(plan, policy=plan.policy if alike else "float32", steps_per_execution=1)


def _seed(config: TrainConfig) -> None:
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()


def _plan(config: TrainConfig, data: Dataset) -> Plan:
    batch_size = min(config.batch_size or default_batch_size(len(data.train)), len(data.train))
    steps = num_batches(len(data.train), batch_size)
    policy, probe_ms = precision.resolve(config.precision, data.kind)
    augmentation = Augmentation(
        shift=config.shift, flip=config.flip, rotation=config.rotation, zoom=config.zoom, fill=config.fill
    )
    if augmentation.is_active and data.kind == "table":
        raise ConfigError(f"augmentation (shift, flip, rotation, zoom) is for images; {data.name} holds a table.")
    if config.tta != "none" and (data.kind == "table" or data.task == "regression"):
        raise ConfigError(f"tta averages over views of images that are classified; {data.name} holds none.")
    if data.kind == "image" and config.shift >= min(data.input_shape[:2]):
        raise ConfigError(f"shift must be less than the image. Received: shift={config.shift:g}, {data.input_shape}.")
    per_call = min(config.steps_per_execution or default_steps_per_execution(batch_size), steps)
    if config.lookahead:
        per_call = 1  # it looks after every single step
    epochs = config.epochs or DEFAULT_EPOCHS[data.kind]
    patience = resolved_patience(config)
    return Plan(epochs, batch_size, steps, per_call, policy, probe_ms, augmentation, patience)


def default_batch_size(num_examples: int) -> int:
    """A power of two from 32 to 256, about a 64th of the training set: small sets need the steps."""
    return int(2 ** np.clip(np.round(np.log2(num_examples / 64)), 5, 8))


def resolved_patience(config: TrainConfig) -> int:
    """Epochs without improvement before training stops; a schedule is planned to its end and is not cut by default."""
    if config.final_fit:
        return 0
    if config.patience is not None:
        return config.patience
    return DEFAULT_PATIENCE if config.schedule == "constant" else 0


def default_steps_per_execution(batch_size: int) -> int:
    """As many steps as hold about 1,024 examples: fewer returns to Python where batches are small."""
    return max(1, EXAMPLES_PER_CALL // batch_size)


def _arguments(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """Keywords for the factory: the settings', and the statistics of the training split that it asks for."""
    arguments: dict[str, Any] = dict(config.hyperparameters)
    accepted = models.accepted_hyperparameters(config.model)
    if data.kind == "table" and "mean" in accepted:
        features = np.asarray(data.train.x, dtype=np.float64)
        variance = features.var(axis=0)
        variance[variance == 0] = 1.0  # Keras would divide by 1e-7: a new value in test would outweigh everything
        arguments.setdefault("mean", features.mean(axis=0).tolist())
        arguments.setdefault("variance", variance.tolist())
    if data.task == "regression" and "target_mean" in accepted:
        arguments.setdefault("target_mean", float(np.mean(data.train.y)))
        arguments.setdefault("target_scale", float(np.std(data.train.y)) or 1.0)
    if config.start is not None:
        arguments["network"] = load_start(config)
    if data.kind == "image" and "whitening" in accepted and "whitening" not in arguments:
        arguments["whitening"] = whitening_filters(standardized(some_images(data.train.x)))
    return arguments


def _build(config: TrainConfig, data: Dataset, policy: str, arguments: dict[str, Any]) -> keras.Model:
    """The factory's model under a precision policy."""
    try:
        with precision.policy(policy):
            return models.build(config.model, data.input_shape, data.num_classes, **arguments)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{config.model}: {' '.join(str(error).split())}") from error


def _compile(model: keras.Model, config: TrainConfig, data: Dataset, plan: Plan, devices: Devices) -> None:
    optimizer = build_optimizer(config, model, total_steps=plan.epochs * plan.steps, steps_per_epoch=plan.steps)
    loss, metric = loss_and_metric(data.num_classes, config.label_smoothing)
    if devices.replicas > 1:
        loss = SharedLoss(loss)
        synchronize_normalization(model)
    model.compile(optimizer, loss, metrics=[metric], steps_per_execution=plan.steps_per_execution, jit_compile=False)


def class_weights(config: TrainConfig, split: Split, num_classes: int) -> dict[int, float] | None:
    """Weight per class index so that each class counts the same: n / (K · n_class); None when not asked for."""
    if config.class_weight == "none":
        return None
    counts = np.bincount(split.y, minlength=num_classes)
    return {index: len(split) / (num_classes * max(int(count), 1)) for index, count in enumerate(counts)}
