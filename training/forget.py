"""What Keras and TensorFlow keep of a model that nobody needs any more, given back: a search trains hundreds of them.

TensorFlow registers the gradient of each function with a gradient of its own (`tf.custom_gradient`) that a graph
traces, under a new name and for ever. What is registered holds the graph, and with it a few megabytes of every model
that was ever trained in the process.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

TRACED = "CustomGradient-"  # how TensorFlow names what it registers so


@contextmanager
def passing_models() -> Iterator[None]:
    """Gives back the graphs of all that trains inside, also where it fails.

    A model that outlives the block answers, is saved and is trained anew as ever; only a graph that was traced inside,
    and is still held, can have no gradients taken through it afterwards.
    """
    before = set(registered())
    try:
        yield
    finally:
        keras.backend.clear_session(free_memory=False)
        table = registered()
        for name in table.keys() - before:
            if name.startswith(TRACED):
                del table[name]
        gc.collect()


def registered() -> dict[str, Any]:
    """TensorFlow's gradients by name; empty where a version keeps them elsewhere, since the table is not public."""
    try:
        from tensorflow.python.framework.ops import gradient_registry
    except ImportError:
        return {}
    table = getattr(gradient_registry, "_registry", None)
    return table if isinstance(table, dict) else {}
