"""Which number format a model computes in: measured on this machine, not guessed.

bfloat16 halves the bytes of every product and is up to twice as fast where the processor has
instructions for it, and several times slower where it has not. Weights are float32 either way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

REPEATS = 7
GAIN = 1.2  # what bfloat16 must gain to be worth its rounding


def probe() -> dict[str, float]:
    """Milliseconds of a small training step per format on this machine, best of several, formats alternating.

    The step is a convolution, its ReLU, max pooling and a matrix product, forward and backward. A matrix
    product alone would mislead: without bfloat16 instructions it is about as fast in either format, while
    convolutions take several times as long (measured).
    """
    steps = {name: _step(name) for name in ("float32", "bfloat16")}
    for step in steps.values():
        step()
    best = {name: float("inf") for name in steps}
    for _ in range(REPEATS):
        for name, step in steps.items():
            start = time.perf_counter()
            float(step())
            best[name] = min(best[name], 1000 * (time.perf_counter() - start))
    return {name: round(value, 2) for name, value in best.items()}


def _step(dtype: str) -> Callable[[], tf.Tensor]:
    """One forward and backward pass in a format, as a compiled function."""
    shapes = ((64, 16, 16, 16), (3, 3, 16, 32), (8 * 8 * 32, 256))
    images, kernel, matrix = (tf.cast(tf.random.stateless_normal(shape, (0, 0)), dtype) for shape in shapes)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch([images, kernel, matrix])
            features = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME")), 2, 2, "VALID")
            loss = tf.reduce_sum(tf.matmul(tf.reshape(features, (len(images), -1)), matrix))
        gradients = tape.gradient(loss, [images, kernel, matrix])
        return tf.add_n([tf.cast(tf.reduce_sum(gradient), tf.float32) for gradient in gradients])

    return step


def resolve(setting: str, kind: str) -> tuple[str, dict[str, float]]:
    """Turns `auto` into a Keras dtype policy.

    Args:
        setting: `"auto"`, `"float32"` or `"mixed_bfloat16"`.
        kind: `"image"` or `"table"`; tables always compute in float32, they are small and exact.

    Returns:
        The policy's name, and the probe's milliseconds (empty where nothing was measured).
    """
    if setting != "auto":
        return setting, {}
    if kind == "table":
        return "float32", {}
    times = probe()
    faster = times["float32"] >= GAIN * times["bfloat16"]
    return ("mixed_bfloat16" if faster else "float32"), times


@contextmanager
def policy(name: str) -> Iterator[None]:
    """Layers built inside compute in the policy `name`; the former policy returns afterwards."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)
