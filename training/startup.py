"""Starts TensorFlow without its start-up noise, which tells a user nothing."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

STDERR = 2
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
UNRECORDED = "TensorFlow's choice"  # of runs from before it was recorded, and where nobody asks
X86 = ("x86_64", "amd64")  # elsewhere TensorFlow comes without


def import_tensorflow(*, onednn: bool = True) -> None:
    """Imports TensorFlow quietly, with oneDNN's routines, which it takes by itself on newer processors only.

    TF_CPP_MIN_LOG_LEVEL, where the user set it, brings the messages back; TF_ENABLE_ONEDNN_OPTS=0 TensorFlow's own
    routines. (Measured: `make bench BENCH="step convolutions"`, tables in benchmarks/README.md.)

    Args:
        onednn: Whether to ask for oneDNN where nobody has decided; TensorFlow reads it once, when it is imported.
    """
    if onednn and "tensorflow" not in sys.modules and platform.machine().lower() in X86:
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
    return {"1": "oneDNN", "0": "TensorFlow's own"}.get(os.environ.get(ONEDNN, ""), UNRECORDED)


def other_routines(record: Mapping[str, Any]) -> str | None:
    """In words, that a run was computed by other routines than this process has; None if it was not."""
    before, now = record.get("routines", UNRECORDED), routines()
    return None if before == now else f"operations were computed by routines of {before}, now of {now} ({ONEDNN})"


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
