"""Errors of a run, and the checks that refuse impossible settings before anything is loaded."""

from __future__ import annotations

import dataclasses
import difflib
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from models.catalog import CATALOG
from training.datasets.catalog import SOURCES

if TYPE_CHECKING:
    from training.config import TrainConfig

OWN_SIZE = {"digits": 32, "cifar10": 32}
WITH_MOMENTUM = ("sgd", "rmsprop", "muon")


class ConfigError(ValueError):
    """A setting is impossible. The message says what was expected, what was received, what to do."""


class TrainingDiverged(ValueError):
    """The loss became NaN or infinite. The message says where and what to try."""


def check(config: TrainConfig) -> None:
    """Raises ConfigError at the first setting, or pair of settings, that cannot work."""
    _known("model", config.model, CATALOG)
    _known("dataset", config.dataset, SOURCES)
    _check_start(config)
    _check_pair(config)
    _check_data(config)
    _check_image_settings(config)
    _check_numbers(config)
    _check_optimizer(config)
    _check_task_settings(config)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _known(setting: str, name: str, table: Iterable[str]) -> None:
    if name in table:
        return
    close = difflib.get_close_matches(name, list(table), n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise ConfigError(f"{setting} must be one of {', '.join(table)}. Received: {setting}={name}.{hint}")


def _models_for(config: TrainConfig) -> str:
    source = SOURCES[config.dataset]
    fitting = [
        name
        for name, entry in CATALOG.items()
        if entry.gradient
        and not entry.from_file
        and entry.task in source.tasks
        and set(entry.kinds) & set(source.kinds)
        and (entry.max_classes or math.inf) >= (source.num_classes or 0)
    ]
    return ", ".join(fitting)


def _check_start(config: TrainConfig) -> None:
    """A network from a file needs one, and no other model reads one."""
    if not CATALOG[config.model].from_file:
        _require(
            config.start is None,
            f"start names the file of --model saved; {config.model} begins anew. Received: start={config.start}.",
        )
        return
    _require(
        "network" not in config.hyperparameters,
        "network is filled in from the file that --start names. Leave --hyperparameters.network out.",
    )
    if config.start is None:
        raise ConfigError(
            f"{config.model} goes on with a network that was trained before: name its file with --start FILE.keras, "
            "such as model.keras of a run."
        )
    _require(
        Path(config.start).suffix == ".keras",
        f"start must be a .keras file: other formats can run code on loading. Received: start={config.start}.",
    )


def check_start_file(config: TrainConfig) -> None:
    """Refuses to train on from a file that is not there; the records of a run that is done need it no more."""
    if config.start is not None and not Path(config.start).expanduser().is_file():
        raise ConfigError(f"start names no file: {config.start}. Give the model.keras of a run.")


def _check_pair(config: TrainConfig) -> None:
    model, source = CATALOG[config.model], SOURCES[config.dataset]
    instead = f"Choose another model for {config.dataset}: {_models_for(config)}."
    _require(
        model.gradient,
        f"{config.model} cannot be trained by gradient descent: no gradient passes its step, it learns by the "
        f"perceptron's own rule. {instead}",
    )
    _require(
        model.task in source.tasks,
        f"{config.model} does {model.task}, but {config.dataset} holds {' or '.join(source.tasks)}. {instead}",
    )
    _require(
        bool(set(model.kinds) & set(source.kinds)),
        f"{config.model} takes {' or '.join(model.kinds)} input, but {config.dataset} holds "
        f"{' or '.join(source.kinds)} data. {instead}",
    )
    check_num_classes(config.model, config.dataset, source.num_classes)
    size = OWN_SIZE.get(config.dataset) or (min(config.image_size) if config.image_size else None)
    _require(
        size is None or size >= model.min_size,
        f"{config.model} needs images of at least {model.min_size} pixels. Received: image_size={config.image_size}.",
    )


def check_num_classes(model: str, dataset: str, num_classes: int | None) -> None:
    """Refuses more classes than a model separates; also called once a source's classes are known."""
    limit = CATALOG[model].max_classes
    _require(
        limit is None or num_classes is None or num_classes <= limit,
        f"{model} separates {limit} classes, but {dataset} has {num_classes}. "
        "Use softmax_regression or mlp_classifier.",
    )


def _check_data(config: TrainConfig) -> None:
    needs = SOURCES[config.dataset].needs_data_dir
    if needs and config.data_dir is None:
        raise ConfigError(f"dataset {config.dataset} reads a {needs}: say which with --data-dir PATH.")
    if config.data_dir is not None:
        _require(
            needs is not None or config.dataset == "cifar10",
            f"dataset {config.dataset} is built in and reads no data_dir. Received: data_dir={config.data_dir}. "
            "For your own images use --dataset folder.",
        )
        path = Path(config.data_dir).expanduser()
        _require(path.exists(), f"data_dir does not exist: {config.data_dir}")
        if needs == "file":
            _require(path.is_file(), f"dataset {config.dataset} reads a file. Received a folder: {config.data_dir}")
        else:
            _require(path.is_dir(), f"dataset {config.dataset} reads a folder. Received a file: {config.data_dir}")
    if config.dataset == "csv":
        _require(config.target is not None, "dataset csv needs the name of its target column: --target COLUMN.")
    else:
        for name in ("target", "group"):
            _require(
                getattr(config, name) is None, f"{name} names a column of --dataset csv; {config.dataset} has none."
            )


def _check_image_settings(config: TrainConfig) -> None:
    if config.dataset != "folder":
        changed = _changed(config, ("image_size", "resize", "color_mode"))
        _require(
            not changed,
            f"{', '.join(changed)} belong to --dataset folder; {config.dataset} has images of one size, or none.",
        )
    if config.image_size is not None:
        _require(min(config.image_size) >= 1, f"image_size must be positive. Received: image_size={config.image_size}.")
    if "image" not in SOURCES[config.dataset].kinds:
        changed = _changed(config, ("shift", "flip", "rotation", "zoom", "fill", "tta"))
        _require(not changed, f"augmentation ({', '.join(changed)}) is for images; {config.dataset} is a table.")
    _require(
        0 <= config.shift <= 0.9 or (config.shift >= 1 and float(config.shift).is_integer()),
        f"shift must be a fraction between 0 and 0.9, or whole pixels from 1 upwards. Received: shift={config.shift}.",
    )
    _require(
        config.fill == "edge" or bool(config.shift or config.rotation or config.zoom),
        f"fill says what comes in from outside a picture, which needs shift, rotation or zoom. "
        f"Received: fill={config.fill}.",
    )


def _changed(config: TrainConfig, names: Iterable[str]) -> list[str]:
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return [name for name in names if getattr(config, name) != defaults[name]]


def _check_numbers(config: TrainConfig) -> None:
    at_least_one = ("epochs", "batch_size", "steps_per_execution", "memory_limit_mb", "cache_limit_mb")
    ranges: dict[str, tuple[float, float, str]] = dict.fromkeys(at_least_one, (1, math.inf, "at least 1"))
    ranges["patience"] = (0, math.inf, "0 (never stop early) or more")
    for name in ("checkpoint_every", "checkpoint_steps"):
        ranges[name] = (0, math.inf, "0 (never) or more")
    ranges["zoom"] = (0, 0.9, "between 0 and 0.9")
    ranges["rotation"] = (0, 180, "between 0 and 180 degrees")
    for name in ("momentum", "kernel_momentum", "warmup"):
        ranges[name] = (0, 0.9999, "at least 0 and below 1")
    ranges["weight_decay"] = (0, sys.float_info.max, "0 or more")
    ranges["gradient_clip"] = (sys.float_info.min, sys.float_info.max, "positive")
    ranges["ema"] = (0.0001, 0.999999, "between 0 and 1, such as 0.99")
    ranges["lookahead"] = (1, math.inf, "at least 1")
    for name in ("rate_start", "rate_end"):
        ranges[name] = (0, 1, "between 0 and 1")
    ranges["label_smoothing"] = (0, 0.4999, "at least 0 and below 0.5")
    for name in ("seed", "split_seed"):
        ranges[name] = (0, 2**31 - 1, "between 0 and 2147483647")
    for name, (low, high, words) in ranges.items():
        value = getattr(config, name)
        inside = value is None or low <= value <= high
        _require(inside, f"{name} must be {words}. Received: {name}={value}.")
    for name in ("validation_fraction", "test_fraction"):
        value = getattr(config, name)
        _require(0 < value < 1, f"{name} must lie between 0 and 1. Received: {name}={value}.")
    total = config.validation_fraction + config.test_fraction
    _require(total < 1, f"validation_fraction + test_fraction must leave something to train on. Received: {total:g}.")


def _check_optimizer(config: TrainConfig) -> None:
    rate = config.learning_rate
    _require(
        rate is None or (rate > 0 and math.isfinite(rate)),
        f"learning_rate must be positive. Received: learning_rate={rate}.",
    )
    _require(
        not config.momentum or config.optimizer in WITH_MOMENTUM,
        f"momentum belongs to sgd, rmsprop and muon. "
        f"Received: optimizer={config.optimizer}, momentum={config.momentum}.",
    )
    _require(
        not config.nesterov or (config.optimizer in ("sgd", "muon") and config.momentum > 0),
        "nesterov needs sgd or muon with momentum. "
        f"Received: optimizer={config.optimizer}, momentum={config.momentum}.",
    )
    _require(
        config.optimizer != "muon" or config.momentum > 0,
        "muon needs momentum: say how much with --momentum 0.85.",
    )
    _require(
        config.optimizer != "muon" or config.start is None,
        "muon sets the norm of every kernel, which would undo what the network of --start has learned. Use sgd.",
    )
    _require(
        config.kernel_momentum is None or config.optimizer == "muon",
        f"kernel_momentum belongs to muon. Received: optimizer={config.optimizer}, "
        f"kernel_momentum={config.kernel_momentum}.",
    )
    _require(
        config.schedule != "constant" or config.warmup is None,
        f"warmup belongs to --schedule cosine, one_cycle or triangle. "
        f"Received: schedule=constant, warmup={config.warmup}.",
    )
    changed = _changed(config, ("rate_start", "rate_end"))
    _require(
        config.schedule == "triangle" or not changed,
        f"{', '.join(changed)} belong to --schedule triangle. Received: schedule={config.schedule}.",
    )
    _require(
        config.decay == "decoupled" or config.weight_decay is not None,
        "decay coupled needs a weight decay: say how much with --weight-decay.",
    )
    _require(
        config.decay == "decoupled" or config.optimizer != "adamw",
        "adamw is Adam with decoupled decay. Use --optimizer adam with --decay coupled.",
    )
    _check_averages(config)
    _check_patterns(config)
    _check_final_fit(config)


def _check_final_fit(config: TrainConfig) -> None:
    if not config.final_fit:
        return
    _require(
        config.epochs is not None,
        "final_fit trains for a number of epochs that validation chose in a run before: say it with --epochs.",
    )
    _require(
        not config.patience,
        f"final_fit leaves no validation that could stop a run early. Received: patience={config.patience}.",
    )


def _check_averages(config: TrainConfig) -> None:
    _require(
        config.ema is None or config.lookahead is None,
        f"ema and lookahead both average the weights: choose one. Received: ema={config.ema}, "
        f"lookahead={config.lookahead}.",
    )
    _require(
        config.lookahead is None or config.steps_per_execution in (None, 1),
        f"lookahead counts single steps: leave steps_per_execution out. "
        f"Received: steps_per_execution={config.steps_per_execution}.",
    )


def _check_patterns(config: TrainConfig) -> None:
    """Patterns of weights: factors of the rate are numbers, freezing counts epochs."""
    for pattern, value in config.rate_multipliers.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        _require(
            number and value >= 0 and math.isfinite(value),
            f"rate_multipliers must give numbers of at least 0. Received: {pattern}: {value!r}.",
        )
    for pattern, value in config.freeze_after.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        _require(
            whole and value >= 1,
            f"freeze_after must give whole epochs of at least 1 (a weight that never learns has a factor of 0 in "
            f"rate_multipliers). Received: {pattern}: {value!r}.",
        )


def _check_task_settings(config: TrainConfig) -> None:
    task = CATALOG[config.model].task
    wrong = {"classification": "val_mae", "regression": "val_accuracy"}[task]
    _require(
        config.monitor != wrong,
        f"{config.model} does {task}, which has no {wrong}. Use --monitor val_loss.",
    )
    if task == "regression":
        _require(config.class_weight == "none", f"class_weight needs classes; {config.model} does regression.")
        _require(not config.label_smoothing, f"label_smoothing needs classes; {config.model} does regression.")
        _require(config.positive is None, f"positive names a class; {config.model} does regression.")
