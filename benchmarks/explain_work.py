"""What the processes of the benchmark of `evaluation.explain` do: maps per second, strongest patches, pointing game."""

from __future__ import annotations

import resource
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.time_to_accuracy_work import Stopwatch
from benchmarks.workers import Task
from training.startup import import_tensorflow

LAYER = "conv_pw_13_relu"  # MobileNet's last feature map
BATCH_SIZE = 32
TRAINED, TESTED = 2000, 500  # images with a planted patch
POINTING = ("class_activation_map", "grad_cam")


def prepare_ours(images: int) -> tuple[None, Task]:
    """Grad-CAM of this project on MobileNet, its graph traced before the clock starts."""
    model, pixels = _mobilenet(images)
    from evaluation.explain import explain, tap

    tapped = tap(model)

    def maps() -> None:
        explain(tapped, pixels, "grad_cam", _classes(images), layer=LAYER, batch_size=BATCH_SIZE)

    return None, _timed(maps)


def prepare_tf_keras_vis(images: int) -> tuple[None, Task]:
    """Grad-CAM of tf-keras-vis on the same model up to its logits, layer, images, classes and batch size."""
    model, pixels = _mobilenet(images)
    import keras
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tf_keras_vis.gradcam import Gradcam
    explainer = Gradcam(keras.Model(model.inputs, model.layers[-2].output), clone=False)  # before the softmax
    classes = _classes(images)

    def maps() -> None:
        for start in range(0, images, BATCH_SIZE):
            chosen = classes[start : start + BATCH_SIZE].tolist()
            explainer(
                lambda outputs, chosen=chosen: tf.gather(outputs, chosen, batch_dims=1),
                pixels[start : start + BATCH_SIZE],
                penultimate_layer=LAYER,
            )

    return None, _timed(maps)


def prepare_patches(data_dir: str) -> tuple[float, Task]:
    """The strongest nine patches of every unit of every layer of the notes' CNN; shown: megabytes before it begins."""
    import_tensorflow()
    import keras

    import models
    from evaluation.explain import top_patches, unit_patches
    from training.datasets.cifar10 import load_cifar10

    images = np.array(load_cifar10(data_dir).test.x)
    keras.utils.set_random_seed(0)
    model = models.build("cifar_cnn", images.shape[1:], 10)

    def task() -> dict[str, float]:
        clock = Stopwatch()
        parts = np.array_split(np.arange(len(images)), 40)
        found = top_patches(model, ((images[rows], rows.tolist()) for rows in parts))
        row = {"units": float(sum(len(one.scores) for one in found.layers.values())), "layers": len(found.layers)}
        row |= clock.read()
        clock = Stopwatch()
        for layer, one in found.layers.items():
            unit_patches(model, found, images.__getitem__, layer, range(len(one.scores)), rule=None)
        return row | {"images": len(images), "cutting": clock.read()["seconds"], "megabytes": peak_megabytes()}

    return peak_megabytes(), task


def prepare_pointing(seed: int) -> tuple[None, Task]:
    """A network trained on planted patches, and whether its maps point at them in other images."""
    import_tensorflow()
    import keras

    import models
    from evaluation.explain import explain, planted_patches, pointing_game, tap

    def task() -> dict[str, float]:
        keras.utils.set_random_seed(seed)
        train, test = planted_patches(TRAINED, seed=2 * seed), planted_patches(TESTED, seed=2 * seed + 1)
        model = models.build("gap_cnn", train.images.shape[1:], 4, filters=(8, 16, 32))
        model.compile(keras.optimizers.Adam(0.006), "sparse_categorical_crossentropy")
        model.fit(train.images.astype(np.float32), train.y, epochs=6, batch_size=32, verbose=0)
        tapped, row = tap(model), {}
        for method in POINTING:
            found = explain(tapped, test.images, method, test.y)
            game = pointing_game(found.maps, test.boxes)
            row[method] = float(game.hits.mean())
        row["accuracy"] = float((found.logits.argmax(axis=1) == test.y).mean())
        return row | {"chance": game.chance, "centre": game.centre}

    return None, task


def peak_megabytes() -> float:
    """Largest resident memory of this process so far, in units of 10⁶ bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def _mobilenet(images: int) -> tuple[Any, np.ndarray]:
    """MobileNet with its own top at 224 pixels, not trained: the arithmetic is the same; and noise for images."""
    import_tensorflow()
    import keras

    from transfer.backbones import build_backbone

    keras.utils.set_random_seed(0)
    model = build_backbone("mobilenet_1.0_224", weights=None, include_top=True)
    pixels = np.random.default_rng(0).integers(0, 256, (images, 224, 224, 3)).astype(np.float32)
    return model, pixels


def _classes(images: int) -> np.ndarray:
    """A class to explain in each image."""
    return np.arange(images) % 1000


def _timed(action: Callable[[], None]) -> Task:
    """Does a thing once to trace and warm up, then gives the task that times it."""
    action()

    def task() -> dict[str, float]:
        clock = Stopwatch()
        action()
        return clock.read()

    return task
