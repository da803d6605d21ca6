"""What costs time on a processor without being arithmetic, removed; no number that training gives changes.

Measured on the notes' CNN (table in benchmarks/README.md): TensorFlow's gradient of max pooling takes 30 % of a
step, and memory that is given back to the system after each operation, and fetched anew for the next, 20 %.
"""

from __future__ import annotations

import ctypes
import os
import sys

import keras
import tensorflow as tf

from training.layers import innermost
from training.startup import ONEDNN

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
LARGEST_INT = 2**31 - 1
ARENA_BYTES = 64 * 2**20  # a thread's arena is given back in pieces of this size unless so much is to stay


def on_gpu() -> bool:
    """Whether TensorFlow finds a GPU; what is done here is for processors."""
    return bool(tf.config.list_physical_devices("GPU"))


def quicken(model: keras.Model) -> int:
    """Gives the model's 2×2 max poolings a quicker gradient, bit for bit that of TensorFlow (where it is finite).

    Only the model in memory changes: what is saved of it is Keras' own `MaxPooling2D`. Nothing changes where TensorFlow
    finds a GPU, or where oneDNN, whose gradient is quick enough, was asked for (`training.startup`).

    Args:
        model: The model that will train; nested models are followed.

    Returns:
        How many layers were changed.
    """
    if on_gpu() or os.environ.get(ONEDNN) == "1":
        return 0
    fitting = [layer for layer in innermost(model) if isinstance(layer, keras.layers.MaxPooling2D) and _fits(layer)]
    for layer in fitting:
        layer.call = max_pool_2x2
    return len(fitting)


def _fits(layer: keras.layers.MaxPooling2D) -> bool:
    """Whether the layer's windows tile its input: 2×2, side by side, nothing left over."""
    height, width, channels = layer.input.shape[1:]
    tiled = (layer.pool_size, layer.strides) == ((2, 2), (2, 2)) and layer.data_format == "channels_last"
    return tiled and None not in (height, width, channels) and height % 2 == width % 2 == 0


@tf.custom_gradient
def max_pool_2x2(inputs: tf.Tensor):
    """Largest value of each 2×2 window; the gradient goes to the first of the window's largest, row by row.

    Args:
        inputs: `(n, height, width, channels)`, height and width even and known.

    Returns:
        `(n, height / 2, width / 2, channels)`.
    """
    outputs = tf.nn.max_pool2d(inputs, 2, 2, "VALID")
    height, width, channels = inputs.shape[1:]
    half = (-1, width // 2, channels)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        windows = tf.reshape(inputs, (-1, 2, width // 2, 2 * channels))
        largest, rest = tf.reshape(outputs, half), tf.reshape(upstream, half)
        parts = []
        for row, column in ((0, 0), (0, 1), (1, 0)):
            values = windows[:, row, :, column * channels : (column + 1) * channels]
            parts.append(rest * tf.cast(values == largest, rest.dtype))
            rest = rest - parts[-1]
        upper, lower = tf.concat(parts[:2], -1), tf.concat([parts[2], rest], -1)
        flat = (-1, width * channels)
        both = tf.concat([tf.reshape(upper, flat), tf.reshape(lower, flat)], -1)
        return tf.reshape(both, (-1, height, width, channels))

    return outputs, gradient


def keep_freed_memory() -> bool:
    """Tells the C library to keep what is freed for the next operation: each step asks for the same sizes again.

    Without it, every large result is fetched from the system page by page and given back, in each step.

    Returns:
        Whether the C library is one that can be told so (glibc).
    """
    library = _glibc()
    if library is None:
        return False
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: LARGEST_INT, M_TOP_PAD: ARENA_BYTES}
    accepted = [library.mallopt(name, value) for name, value in settings.items()]  # every one, also after a refusal
    return all(accepted)


def give_memory_back() -> None:
    """Returns to the system what was kept for the next step, once there is none: a report needs memory too."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is the one whose memory can be managed so."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
