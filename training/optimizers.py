"""The optimizer, the loss and the averaged weights of a run, by its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from training import schedules
from training.checks import ConfigError
from training.config import TrainConfig
from training.muon import Muon, is_kernel
from training.rates import unmatched, with_rates

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "nadam": keras.optimizers.Nadam,
    "lion": keras.optimizers.Lion,
    "muon": Muon,
}
WITH_RATES = {name: with_rates(kind) for name, kind in OPTIMIZERS.items()}


def build_optimizer(
    config: TrainConfig, model: keras.Model, *, total_steps: int, steps_per_epoch: int = 1
) -> keras.optimizers.Optimizer:
    """The optimizer that the settings describe; what they leave open is Keras' default.

    Weight decay is decoupled from the gradient, scaled by the learning rate, and spares biases and the scales and
    offsets of normalisation (every weight with fewer than two axes), as is usual. Coupled decay is part of the gradient
    and spares nothing, as in PyTorch's SGD. Factors of the rate (`rate_multipliers`) scale neither.

    Args:
        config: Settings of the run.
        model: The model to train, whose weights are looked at and not changed.
        total_steps: Optimizer steps of the whole run, which a schedule spreads over.
        steps_per_epoch: Turns the epochs of `freeze_after` into steps.

    Raises:
        ConfigError: A pattern matches no weight that is trained.

    Reference:
        Loshchilov & Hutter, 2019, "Decoupled weight decay regularization", arXiv:1711.05101.
        Polyak & Juditsky, 1992, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30(4).
    """
    kind = OPTIMIZERS[config.optimizer]
    peak = config.learning_rate
    if peak is None:
        peak = float(keras.ops.convert_to_numpy(kind().learning_rate))
    ends = (config.rate_start, config.rate_end)
    rate = schedules.learning_rate(config.schedule, peak, total_steps=total_steps, warmup=config.warmup, ends=ends)
    settings = {"learning_rate": rate} | _keras_settings(config) | _own_settings(config, model, steps_per_epoch)
    if config.optimizer == "muon":
        settings |= {
            "nesterov": config.nesterov,
            "kernel_momentum": config.kernel_momentum,
            "spared": _last_kernel(model),
        }
    by_variable = set(settings) & {"rate_multipliers", "freeze_after", "coupled_weight_decay"}
    optimizer = (WITH_RATES[config.optimizer] if by_variable else kind)(**settings)
    optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if len(v.shape) < 2])
    return optimizer


def _keras_settings(config: TrainConfig) -> dict[str, Any]:
    """Arguments that Keras' optimizers know."""
    settings: dict[str, Any] = {}
    if config.momentum:
        settings |= {"momentum": config.momentum}
    if config.nesterov:
        settings |= {"nesterov": True}
    if config.weight_decay is not None and config.decay == "decoupled":
        settings |= {"weight_decay": config.weight_decay}
    if config.gradient_clip is not None:
        settings |= {"global_clipnorm": config.gradient_clip}
    if config.ema is not None:
        settings |= {"use_ema": True, "ema_momentum": config.ema}
    return settings


def _last_kernel(model: keras.Model) -> list[str]:
    """Path of the kernel that answers, which muon spares: its columns are classes, which are not to learn alike.

    Raises:
        ConfigError: There is no other kernel.
    """
    kernels = [variable.path for variable in model.trainable_variables if is_kernel(variable)]
    if len(kernels) < 2:
        raise ConfigError(f"muon is for kernels before the last, and {model.name} has none. Use sgd.")
    return kernels[-1:]


def _own_settings(config: TrainConfig, model: keras.Model, steps_per_epoch: int) -> dict[str, Any]:
    """Arguments of `training.rates`; none where nothing of it is asked for."""
    for name in ("rate_multipliers", "freeze_after"):
        if lost := unmatched(getattr(config, name), [variable.path for variable in model.weights]):
            paths = ", ".join(variable.path for variable in model.trainable_variables)
            raise ConfigError(f"{name}: {lost[0]!r} fits no weight of {model.name}. Those that it trains are: {paths}.")
    settings: dict[str, Any] = {}
    if config.rate_multipliers:
        settings["rate_multipliers"] = {name: float(value) for name, value in config.rate_multipliers.items()}
    if config.freeze_after:
        settings["freeze_after"] = {name: int(value) * steps_per_epoch for name, value in config.freeze_after.items()}
    if config.weight_decay and config.decay == "coupled":
        settings["coupled_weight_decay"] = config.weight_decay
    return settings


def loss_and_metric(num_classes: int, label_smoothing: float = 0.0) -> tuple[keras.losses.Loss | Callable, str]:
    """The loss to minimise and the metric to show beside it.

    Args:
        num_classes: 0 for regression (squared error, `mae`), 2 for one output, else one output per class.
        label_smoothing: Share of each target, in [0, 0.5), that is spread evenly over all classes. It holds wherever
            the loss is computed, on validation too, so that the two losses compare.

    Returns:
        Loss and metric for `compile`; targets are class indices `(n,)` or numbers.

    Reference:
        Szegedy et al., 2016, "Rethinking the Inception architecture for computer vision", arXiv:1512.00567.
    """
    if not num_classes:
        return keras.losses.MeanSquaredError(), "mae"
    if num_classes == 2:
        return keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing), "accuracy"
    if not label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy(), "accuracy"

    def smoothed_crossentropy(y_true: Any, y_pred: Any) -> Any:
        indices = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int32")  # Keras hands them over as floats (n, 1)
        targets = keras.ops.one_hot(indices, num_classes, dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(targets, y_pred, label_smoothing=label_smoothing)

    return smoothed_crossentropy, "accuracy"


def averaging_callbacks(config: TrainConfig) -> list[keras.callbacks.Callback]:
    """What makes validation see the averaged weights, where `ema` asks for them; the step itself keeps its own.

    `swap_on_epoch` stays off: the model then holds the raw weights between epochs, where checkpoints are taken.
    """
    return [] if config.ema is None else [keras.callbacks.SwapEMAWeights()]


def evaluated_weights(model: keras.Model) -> list[np.ndarray]:
    """The weights that validation judged, in the order of `model.get_weights()`: averages where the optimizer has them.

    Call it while the model holds its raw weights, as it does between epochs.
    """
    weights = {id(variable): variable for variable in model.weights}
    if model.optimizer is not None and model.optimizer.use_ema:
        averages = model.optimizer._model_variables_moving_average  # Keras has no public way to read them
        weights |= {id(raw): mean for raw, mean in zip(model.trainable_variables, averages, strict=True)}
    return [keras.ops.convert_to_numpy(variable) for variable in weights.values()]
