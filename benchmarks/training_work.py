"""What the processes of the training benchmark do: one epoch of the notes' network, or a matrix product."""

from __future__ import annotations

import importlib.util
import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.workers import Task
from training.checks import ConfigError
from training.startup import import_tensorflow

if TYPE_CHECKING:
    import keras

NUM_CLASSES = 10
IMAGE_SHAPE = (32, 32, 3)
PRODUCTS = 7  # matrix products per repeat, the best of which counts

Images = tuple[np.ndarray, np.ndarray]


def notes_model() -> keras.Model:
    """The course's network as published, compiled with its settings; it takes scaled pixels and one-hot labels."""
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input(IMAGE_SHAPE)])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 2, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    for layer in (layers.Dropout(0.3), layers.Flatten(), layers.Dense(500, activation="relu"), layers.Dropout(0.4)):
        model.add(layer)
    model.add(layers.Dense(NUM_CLASSES, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    return model


def notes_arrays(x: np.ndarray, y: np.ndarray) -> Images:
    """Images and labels as the course's script hands them to `fit`: float32 in 0…1, one-hot."""
    return x.astype(np.float32) / 255, np.eye(NUM_CLASSES, dtype=np.float32)[y]


def training_flops(model: keras.Model) -> int:
    """Floating-point operations of one training step per image: convolutions and matrix products alone.

    A multiplication and an addition count as two; the gradients of inputs and weights cost a forward pass each.

    Args:
        model: Built, of convolutions and dense layers.

    Returns:
        3 × 2 × Σ weights of a kernel × positions that it is applied to.
    """
    multiply_adds = sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in model.layers
        if hasattr(layer, "kernel")
    )
    return 3 * 2 * multiply_adds


def images_and_labels(data_dir: str | None, count: int) -> Images:
    """The first training images of CIFAR-10 and their classes; random ones where no folder is given."""
    if data_dir is None:
        random = np.random.default_rng(0)
        return random.integers(0, 256, (count, *IMAGE_SHAPE), dtype=np.uint8), random.integers(0, NUM_CLASSES, count)
    from training.config import TrainConfig
    from training.datasets import load

    settings = TrainConfig(dataset="cifar10", data_dir=data_dir, validation_fraction=0.1)
    data = load(settings, progress=False)
    return np.ascontiguousarray(data.train.x[np.arange(count)]), data.train.y[:count]


def prepare_keras(data_dir: str | None, images: int) -> tuple[dict[str, str], Task]:
    """The course's script: `fit` on float32 arrays with its defaults."""
    import_tensorflow(onednn=False)  # as Keras' users find it
    x, y = notes_arrays(*images_and_labels(data_dir, images))
    model = notes_model()
    return _warm("batch 32, float32", "float32", lambda: model.fit(x, y, batch_size=32, epochs=1, verbose=0), images)


def prepare_groundwork(
    data_dir: str | None, images: int, batch_size: int, precision: str
) -> tuple[dict[str, str], Task]:
    """This project's own model, pipeline and resolved settings."""
    import_tensorflow()
    from training.config import TrainConfig
    from training.datasets.dataset import Dataset, Split
    from training.pipeline import batches
    from training.prepare import prepare

    settings: dict[str, Any] = {"optimizer": "rmsprop", "batch_size": batch_size, "precision": precision}
    x, y = images_and_labels(data_dir, images)
    split = Split(x=x, y=y, ids=np.arange(len(y)).astype(str))
    names = tuple(str(index) for index in range(NUM_CLASSES))
    data = Dataset("cifar10", "image", "classification", split, split, split, names, digest="")
    model, _, plan = prepare(TrainConfig(verbose="silent", **settings), data)
    dataset = batches(split, batch_size=batch_size, shuffle_seed=1)
    resolved = f"batch {batch_size}, {plan.policy}, {plan.steps_per_execution} steps a call"
    return _warm(resolved, plan.policy, lambda: model.fit(dataset, epochs=1, shuffle=False, verbose=0), images)


def check_torch() -> None:
    """Refuses to start where the table could not be finished.

    Raises:
        ConfigError: PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise ConfigError(
            "PyTorch is not installed, and this table measures it. Install it with: "
            "pip install -r benchmarks/requirements.txt (make bench does; benchmarks/README.md has the CPU build)."
        )


def prepare_torch(data_dir: str | None, images: int, batch_size: int) -> tuple[dict[str, str], Task]:
    """PyTorch's usual loop, eager, on the same network; of the two memory layouts the one that is faster here.

    Batches are gathered from one float32 tensor: at batch 512 about half the processor time of a `DataLoader`.
    """
    import torch

    torch.set_num_threads(usable_cores())
    x, y = images_and_labels(data_dir, images)
    pixels, labels = torch.from_numpy(x.astype(np.float32) / 255).permute(0, 3, 1, 2), torch.from_numpy(y)
    epochs, seconds = {}, {}
    for layout in ("contiguous_format", "channels_last"):
        epochs[layout] = _torch_epoch(pixels, labels, batch_size, getattr(torch, layout))
        epochs[layout]()
        start = time.perf_counter()
        epochs[layout]()
        seconds[layout] = time.perf_counter() - start
    best = min(seconds, key=lambda layout: seconds[layout])
    return _warm(f"batch {batch_size}, float32, {best}", "float32", epochs[best], images)


def torch_model() -> Any:
    """The notes' network in PyTorch, for images `(n, 3, 32, 32)`; an odd zero of `same` goes after, as in Keras."""
    from torch import nn

    layers: list[nn.Module] = []
    for depth, filters in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(depth, filters, 2), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Dropout(0.3), nn.Flatten(), nn.Linear(1024, 500), nn.ReLU(), nn.Dropout(0.4)]
    return nn.Sequential(*layers, nn.Linear(500, NUM_CLASSES))


def _torch_epoch(pixels: Any, labels: Any, batch_size: int, layout: Any) -> Task:
    """One epoch in a memory layout, with the optimizer's settings of Keras."""
    import torch

    model = torch_model().to(memory_format=layout)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.001, alpha=0.9, eps=1e-7)
    loss_function = torch.nn.CrossEntropyLoss()
    pixels = pixels.contiguous(memory_format=layout)

    def epoch() -> None:
        model.train()
        for index in torch.randperm(len(pixels)).split(batch_size):
            optimizer.zero_grad()
            loss = loss_function(model(pixels[index].contiguous(memory_format=layout)), labels[index])
            loss.backward()
            optimizer.step()

    return epoch


def prepare_peak(matrix_size: int) -> tuple[dict[str, Any], Task]:
    """Products of two large square matrices: the most that this machine computes, in FLOP/s by number format."""
    import_tensorflow()
    import tensorflow as tf

    import models

    multiply = tf.function(lambda matrix: tf.matmul(matrix, matrix))
    square = tf.random.stateless_normal((matrix_size, matrix_size), (0, 0))
    matrices = {"float32": square, "mixed_bfloat16": tf.cast(square, tf.bfloat16)}

    def peak() -> dict[str, float]:
        best = dict.fromkeys(matrices, math.inf)
        for _ in range(PRODUCTS):
            for name, matrix in matrices.items():
                start = time.perf_counter()
                float(multiply(matrix)[0, 0])
                best[name] = min(best[name], time.perf_counter() - start)
        return {name: 2 * matrix_size**3 / seconds for name, seconds in best.items()}

    peak()
    return {"flops": training_flops(models.build("cifar_cnn", IMAGE_SHAPE, NUM_CLASSES))}, peak


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _warm(resolved: str, precision: str, epoch: Task, images: int) -> tuple[dict[str, str], Task]:
    """Runs an epoch unmeasured; the task gives the images per second of the next."""
    epoch()

    def measured() -> float:
        start = time.perf_counter()
        epoch()
        return images / (time.perf_counter() - start)

    return {"resolved": resolved, "precision": precision}, measured
