"""Starts TensorFlow without its start-up noise, which tells a user nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def import_tensorflow() -> None:
    """Imports TensorFlow quietly, with oneDNN's routines, which it takes by itself on newer processors only.

    TF_CPP_MIN_LOG_LEVEL, where the user set it, brings the messages back; TF_ENABLE_ONEDNN_OPTS=0 TensorFlow's own
    routines. (Measured on a processor with AVX2: 1.3 to 1.8 times as fast; table in benchmarks/README.md.)
    """
    os.environ.setdefault(ONEDNN, "1")
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        import tensorflow as tf
    else:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        with _silent_stderr():
            import tensorflow as tf

            tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")
    grow_memory()


def routines() -> str:
    """Whose routines compute, as `run.json` says it: sums in another order differ in their last digits."""
    return {"1": "oneDNN", "0": "TensorFlow's own"}.get(os.environ.get(ONEDNN, ""), "TensorFlow's choice")


def grow_memory() -> None:
    """Lets TensorFlow take GPU memory as it needs it, not all at once; nothing happens once it has taken some."""
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Sends what libraries write to the file descriptor of stderr to nowhere; exceptions pass."""
    kept = os.dup(STDERR)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), STDERR)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
