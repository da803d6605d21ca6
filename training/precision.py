"""Which number format a model computes in: measured on this machine, not guessed.

bfloat16 halves the bytes of every matrix product and is up to twice as fast where the processor
has instructions for it, and slower where it has not. Weights are float32 either way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

SIZE = 768  # matrices of the probe: large enough to leave the caches of one core
REPEATS = 7
GAIN = 1.2  # what bfloat16 must gain to be worth its rounding


def probe() -> dict[str, float]:
    """Speed of matrix products on this machine in GFLOP/s, best of several, formats alternating."""
    products = {}
    for name in ("float32", "bfloat16"):
        matrix = tf.cast(tf.random.stateless_normal((SIZE, SIZE), (0, 0)), name)
        product = tf.function(lambda left, right: tf.reduce_sum(tf.matmul(left, right)))
        product(matrix, matrix)
        products[name] = (product, matrix)
    seconds = {name: float("inf") for name in products}
    for _ in range(REPEATS):
        for name, (product, matrix) in products.items():
            start = time.perf_counter()
            float(product(matrix, matrix))
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return {name: round(2 * SIZE**3 / value / 1e9, 1) for name, value in seconds.items()}


def resolve(setting: str, kind: str) -> tuple[str, dict[str, float]]:
    """Turns `auto` into a Keras dtype policy.

    Args:
        setting: `"auto"`, `"float32"` or `"mixed_bfloat16"`.
        kind: `"image"` or `"table"`; tables always compute in float32, they are small and exact.

    Returns:
        The policy's name, and the probe's GFLOP/s (empty where nothing was measured).
    """
    if setting != "auto":
        return setting, {}
    if kind == "table":
        return "float32", {}
    speeds = probe()
    faster = speeds["bfloat16"] >= GAIN * speeds["float32"]
    return ("mixed_bfloat16" if faster else "float32"), speeds


@contextmanager
def policy(name: str) -> Iterator[None]:
    """Layers built inside compute in the policy `name`; the former policy returns afterwards."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)
