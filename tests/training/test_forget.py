"""Nothing of a model that trained in passing stays in memory."""

import gc
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.forget import TRACED, passing_models, registered


@tf.custom_gradient
def doubled(x):
    return 2 * x, lambda upstream: 2 * upstream


class Doubled(keras.layers.Layer):
    def call(self, x):
        return doubled(x)


def train() -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1), Doubled()])
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(np.ones((4, 3), np.float32), np.ones((4, 1), np.float32), epochs=1, verbose=0)
    return model


def graphs() -> int:
    """Graphs of functions that are alive; counted by type, since no reference to them is public."""
    gc.collect()
    return sum(type(one).__name__.endswith("FuncGraph") for one in gc.get_objects())


def traced() -> set[str]:
    return {name for name in registered() if name.startswith(TRACED)}


def test_tensorflow_keeps_a_graph_of_every_training_and_a_passing_one_leaves_none():
    train()
    keras.backend.clear_session()
    before, names = graphs(), traced()
    train()
    keras.backend.clear_session()
    assert graphs() > before and traced() > names, "TensorFlow forgets by itself now: training/forget.py can go"
    before, names = graphs(), traced()
    for _ in range(2):
        with passing_models():
            train()
    assert (graphs(), traced()) == (before, names)


def test_what_failed_is_forgotten_too_and_the_error_stands():
    names = traced()
    with pytest.raises(ZeroDivisionError), passing_models():
        train()
        raise ZeroDivisionError
    assert traced() == names


def test_a_model_that_outlives_the_block_answers_and_trains_anew():
    with passing_models():
        model = train()
    before = model.predict(np.ones((2, 3), np.float32), verbose=0)
    assert before.shape == (2, 1) and np.isfinite(before).all()
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(np.ones((4, 3), np.float32), np.ones((4, 1), np.float32), epochs=5, verbose=0)
    assert abs(model.predict(np.ones((2, 3), np.float32), verbose=0)[0, 0] - 1) < abs(before[0, 0] - 1)


def test_where_the_table_is_gone_nothing_is_done(monkeypatch):
    monkeypatch.delattr(importlib.import_module("tensorflow.python.framework.ops"), "gradient_registry")
    assert registered() == {}
    with passing_models():
        pass
