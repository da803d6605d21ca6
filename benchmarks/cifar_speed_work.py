"""One training of the speed record's network, by any backend of Keras: no tf.data, no callbacks, arrays in memory.

The recipe is read from the settings that `make train` uses, and network, filters, rates, optimizer and Lookahead are
the project's own; only the input pipeline is written here in NumPy, so that it runs where there is no TensorFlow.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

import models
from models.speed import standardized
from training.checks import ConfigError
from training.config import TrainConfig
from training.lookahead import Lookahead
from training.optimizers import build_optimizer, loss_and_metric
from training.views import VIEWS, view_of
from training.whitening import some_images, whitening_filters

PREDICT_BATCH = 500
PRODUCTS, MATRIX = 7, 2048


def run(
    config: TrainConfig, train: tuple, judged: tuple, *, tell: Callable[[str], None] = lambda line: None
) -> dict[str, float]:
    """Trains once and judges the last weights.

    Args:
        config: The recipe, with its seed.
        train: Images, uint8 `(n, height, width, channels)`, and labels `(n,)`.
        judged: The same of the images that accuracy is of.
        tell: Receives a line after each epoch.

    Returns:
        `accuracy` and `accuracy_views` (0…1), `seconds` of training alone, `whole` from the images in memory to the
        last score, `first_step` (tracing and compiling) and `flop` of all training steps.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    model, steps = build(config, train[0], int(train[1].max()) + 1)
    slow = [Lookahead(config.lookahead, length(config)[0] * steps)] if config.lookahead else []
    for callback in slow:
        callback.set_model(model)
        callback.on_train_begin()
    first = training_start = time.perf_counter()
    for step, (x, y) in enumerate(batches(config, *train)):
        model.train_on_batch(x, y)
        if not step:
            first = time.perf_counter()
        for callback in slow:
            callback.on_train_batch_end(step)
        if (step + 1) % steps == 0:
            spent = time.perf_counter() - training_start
            tell(f"epoch {(step + 1) // steps} of {length(config)[0]}: {spent:,.0f} s")
    _finished(model)
    seconds = time.perf_counter() - training_start
    plain, views = accuracies(model, judged[0], judged[1], config.tta)
    return {
        "accuracy": plain,
        "accuracy_views": views,
        "seconds": seconds,
        "whole": time.perf_counter() - start,
        "first_step": first - training_start,
        "flop": float(training_flops(model) * len(train[0]) * length(config)[0]),
    }


def length(config: TrainConfig) -> tuple[int, int]:
    """Epochs and batch size, which the recipe of a race must say.

    Raises:
        ConfigError: It leaves one open, or asks for what this input pipeline does not do.
    """
    asked = {
        "flip": config.flip not in ("none", "alternating"),
        "shift": config.shift != int(config.shift),
        "fill": bool(config.shift) and config.fill != "reflect",
        **{name: bool(getattr(config, name)) for name in ("rotation", "zoom", "ema")},
        "class_weight": config.class_weight != "none",
    }
    if other := [name for name, is_other in asked.items() if is_other]:
        raise ConfigError(
            f"this benchmark flips alternately, moves by whole pixels and reflects, no more. Received: "
            f"{', '.join(f'{name}={getattr(config, name)}' for name in other)}. Use make seeds for such a recipe."
        )
    if config.epochs is None or config.batch_size is None or config.precision == "auto":
        raise ConfigError("the recipe must say epochs, batch_size and a precision other than auto.")
    return config.epochs, config.batch_size


def build(config: TrainConfig, x: np.ndarray, classes: int) -> tuple[keras.Model, int]:
    """The compiled network, with filters of these images, and the steps of an epoch."""
    epochs, batch_size = length(config)
    steps = math.ceil(len(x) / batch_size)
    arguments: dict[str, Any] = dict(config.hyperparameters)
    if "whitening" in models.accepted_hyperparameters(config.model):
        arguments.setdefault("whitening", whitening_filters(standardized(some_images(x))))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision)
    try:
        model = models.build(config.model, x.shape[1:], classes, **arguments)
    finally:
        keras.config.set_dtype_policy(before)
    if config.fast_math:
        _quicken(model)
    optimizer = build_optimizer(config, model, total_steps=epochs * steps, steps_per_epoch=steps)
    model.compile(optimizer, loss_and_metric(classes, config.label_smoothing)[0])
    return model, steps


def _quicken(model: keras.Model) -> None:
    """`fast_math`, which is TensorFlow's on a processor: XLA fuses by itself elsewhere, accelerators have their own."""
    if keras.backend.backend() == "tensorflow":
        from training.cpu import on_gpu
        from training.fastmath import use_fast_math

        if not on_gpu():
            use_fast_math(model)


def batches(config: TrainConfig, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of all epochs; the next epoch is made while this one trains.

    The order is new in every epoch, a shift too; a flip alternates, as a coin for each image begins.
    """
    epochs, size = length(config)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(epoch_of, config, x, y, 0)
        for epoch in range(epochs):
            images, labels = coming.result()
            if epoch + 1 < epochs:
                coming = pool.submit(epoch_of, config, x, y, epoch + 1)
            for start in range(0, len(labels), size):
                yield images[start : start + size], labels[start : start + size]


def epoch_of(config: TrainConfig, x: np.ndarray, y: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """All images of one epoch in their order, mirrored and moved by whole pixels, edges reflected."""
    random, reach = np.random.default_rng((config.seed, epoch)), int(config.shift)
    order = random.permutation(len(x))
    coins = np.random.default_rng((config.seed, 0, 1)).random(len(x)) < 0.5
    images = x[order]
    if config.flip == "alternating":
        mirrored = coins[order] ^ (epoch % 2 == 1)
        images[mirrored] = images[mirrored][:, :, ::-1]
    if reach:
        height, width = x.shape[1:3]
        padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
        places = random.integers(0, 2 * reach + 1, (len(x), 2))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
        images = np.ascontiguousarray(windows[np.arange(len(x)), places[:, 0], places[:, 1]].transpose(0, 2, 3, 1))
    return images, y[order]


def accuracies(model: keras.Model, x: np.ndarray, y: np.ndarray, views: str) -> tuple[float, float]:
    """Share of right classes from single images, and from the mean logits of several views (the same without any)."""
    tap = keras.Model(model.inputs[0], model.get_layer("logits").output)

    def right(chosen: tuple) -> float:
        hits = 0
        for start in range(0, len(x), PREDICT_BATCH):
            part = x[start : start + PREDICT_BATCH]
            logits = sum(weight * np.asarray(tap.predict_on_batch(view_of(part, *view))) for *view, weight in chosen)
            hits += int((np.argmax(logits, axis=1) == y[start : start + PREDICT_BATCH]).sum())
        return hits / len(x)

    plain = right(((0, False, 1.0),))
    return plain, right(VIEWS[views]) if views in VIEWS else plain


def training_flops(model: keras.Model) -> int:
    """Floating-point operations of a training step per image, in convolutions and matrix products alone.

    Multiplication and addition count as two, convolutions as direct ones. Gradients of inputs and of weights cost a
    forward pass each; a frozen kernel needs none, nor does an input before which nothing learns.
    """
    total, learns = 0, False
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            forward = 2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
            total += forward * (1 + learns + bool(layer.kernel.trainable))
        learns = learns or bool(layer.trainable_weights)
    return total


def peak(precision: str) -> float:
    """The most operations a second that a product of two square matrices reaches here, in this format."""
    dtype = "bfloat16" if precision == "mixed_bfloat16" else "float32"
    matrix = keras.ops.cast(keras.random.normal((MATRIX, MATRIX), seed=1), dtype)
    best = math.inf
    for _ in range(PRODUCTS + 1):
        start = time.perf_counter()
        float(keras.ops.convert_to_numpy(keras.ops.matmul(matrix, matrix)[0, 0]))
        best = min(best, time.perf_counter() - start)
    return 2 * MATRIX**3 / best


def _finished(model: keras.Model) -> None:
    """Waits for the device: what was asked for last may still be computed."""
    for variable in model.trainable_variables:
        keras.ops.convert_to_numpy(variable)
