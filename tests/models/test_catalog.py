"""The catalogue without Keras says of every factory what the factory does."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from models.catalog import CATALOG

names = pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if not entry.from_file])


def smallest_shape(name: str) -> tuple[int, ...]:
    return (CATALOG[name].min_size,) * 2 + (3,)


def classes_of(name: str) -> int:
    return 0 if CATALOG[name].task == "regression" else 2


def test_catalog_and_factories_have_the_same_names_in_the_same_order() -> None:
    assert list(CATALOG) == list(models.FACTORIES)


@names
def test_factory_and_model_carry_the_catalog_name(name: str) -> None:
    assert models.FACTORIES[name].__name__ == name
    assert models.build(name, smallest_shape(name), classes_of(name)).name == name


@names
def test_min_size_is_the_smallest_image_that_builds(name: str) -> None:
    size = CATALOG[name].min_size
    assert models.build(name, (size, size, 3), classes_of(name)).input_shape == (None, size, size, 3)
    with pytest.raises(ValueError, match="^input_shape must "):
        models.build(name, (size, size - 1, 3), classes_of(name))


@names
def test_kinds_are_the_inputs_that_build(name: str) -> None:
    if "table" in CATALOG[name].kinds:
        assert models.build(name, (5,), classes_of(name)).input_shape == (None, 5)
    else:
        with pytest.raises(ValueError, match=r"^input_shape must be \(height, width, channels\)\."):
            models.build(name, (5,), classes_of(name))


@names
def test_task_and_max_classes_are_the_counts_that_build(name: str) -> None:
    entry, shape = CATALOG[name], smallest_shape(name)
    if entry.task == "classification" and entry.max_classes is None:
        assert models.build(name, shape, 3).output_shape == (None, 3)
        return
    with pytest.raises(ValueError, match="^num_classes must be "):
        models.build(name, shape, 3)
    assert models.build(name, shape, 1 if entry.task == "regression" else 2).output_shape == (None, 1)


@names
def test_gradient_says_whether_one_reaches_the_weights(name: str) -> None:
    keras.utils.set_random_seed(1)
    model = models.build(name, smallest_shape(name), classes_of(name))
    x = np.random.default_rng(0).uniform(0, 255, (16, *smallest_shape(name))).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(model(x), "float32"))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert any(gradient is not None and np.any(gradient) for gradient in gradients) == CATALOG[name].gradient


def test_importing_the_room_and_its_catalog_does_not_import_keras() -> None:
    program = "import sys, models, models.catalog; print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_attribute_of_the_room_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="^module 'models' has no attribute 'FACTORYS'$"):
        _ = models.FACTORYS
