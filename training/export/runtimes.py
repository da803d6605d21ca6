"""Runs one exported file in its own runtime, in a process of its own, and times it.

    python -m training.export.runtimes RUNTIME FILE IMAGES.npy OUT.npz [CALLS]

Only what that runtime needs is imported: a LiteRT or ONNX file must work where there is no TensorFlow.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
TIMED = (1, BATCH)
WARM_UP = 5

Runner = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Opened:
    """A file in its runtime.

    Attributes:
        run: From float32 pixels `(n, height, width, channels)` to the model's output.
        name: Of the runtime, with its version.
        interface: Names of input and output, as a user of this runtime needs them.
    """

    run: Runner
    name: str
    interface: dict[str, str]


def open_keras(path: Path, threads: int) -> Opened:
    """A `.keras` file, inspected and loaded in safe mode."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    from training.checkpoint import load_model

    model = load_model(path)
    names = {"input": model.inputs[0].name, "output": model.layers[-1].name}
    return Opened(model.predict_on_batch, f"keras {version('keras')}", names)


def open_saved_model(path: Path, threads: int) -> Opened:
    """A SavedModel by TensorFlow's loader; Keras is made impossible to import."""
    sys.modules["keras"] = None  # type: ignore[assignment]
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]
    (source,), (output,) = signature.structured_input_signature[1], signature.structured_outputs

    def run(pixels: np.ndarray) -> np.ndarray:
        return signature(**{source: tf.constant(pixels)})[output].numpy()

    # the signature does not keep the object alive that owns its variables
    run.owner = loaded  # type: ignore[attr-defined]
    return Opened(run, f"tensorflow {version('tensorflow')}", {"input": source, "output": output})


def open_litert(path: Path, threads: int) -> Opened:
    """A LiteRT file; its batch is resized where it changes."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    source, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    current: list[int] = []

    def run(pixels: np.ndarray) -> np.ndarray:
        if current != list(pixels.shape):
            interpreter.resize_tensor_input(source["index"], pixels.shape)
            interpreter.allocate_tensors()
            current[:] = pixels.shape
        interpreter.set_tensor(source["index"], pixels)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    names = {"input": str(source["name"]), "output": str(output["name"])}
    return Opened(run, f"ai-edge-litert {version('ai-edge-litert')}", names)


def open_onnx(path: Path, threads: int) -> Opened:
    """An ONNX file on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {"input": session.get_inputs()[0].name, "output": session.get_outputs()[0].name}

    def run(pixels: np.ndarray) -> np.ndarray:
        return session.run([names["output"]], {names["input"]: pixels})[0]

    return Opened(run, f"onnxruntime {version('onnxruntime')}", names)


# How each runtime opens a file, and which modules it must do without.
RUNTIMES: dict[str, tuple[Callable[[Path, int], Opened], tuple[str, ...]]] = {
    "keras": (open_keras, ()),
    "saved_model": (open_saved_model, ("keras",)),
    "litert": (open_litert, ("tensorflow", "keras")),
    "onnx": (open_onnx, ("tensorflow", "keras")),
}


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def predict(run: Runner, images: np.ndarray) -> np.ndarray:
    """Outputs of all images, 32 at a time.

    Args:
        run: Takes float32.
        images: Raw pixels, any dtype, `(n, height, width, channels)`.
    """
    parts = [run(np.asarray(images[at : at + BATCH], np.float32)) for at in range(0, len(images), BATCH)]
    return np.concatenate(parts)


def latencies(run: Runner, images: np.ndarray, calls: int) -> dict[str, np.ndarray]:
    """Milliseconds of each of `calls` calls, by batch size, after a warm-up; few images are taken repeatedly."""
    found = {}
    for size in TIMED:
        rows = np.arange(size) % len(images)
        pixels = np.ascontiguousarray(images[rows], np.float32)
        for _ in range(WARM_UP):
            run(pixels)
        found[f"latency_{size}"] = np.array([_timed(run, pixels) for _ in range(calls)])
    return found


def _timed(run: Runner, pixels: np.ndarray) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    run(pixels)
    return 1000 * (time.perf_counter() - start)


def main(arguments: list[str]) -> int:
    """Runs one file on all images and writes outputs, latencies and facts; an error ends in its last line of stderr."""
    runtime, file, images_file, out = arguments[:4]
    calls = int(arguments[4]) if len(arguments) > 4 else 30
    opener, forbidden = RUNTIMES[runtime]
    images = np.load(images_file, mmap_mode="r", allow_pickle=False)
    try:
        opened = opener(Path(file), cpus())
        arrays = {"outputs": predict(opened.run, images), **latencies(opened.run, images, calls)}
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
        return 1
    if used := [name for name in forbidden if sys.modules.get(name) is not None]:
        print(f"{runtime} imported {', '.join(used)}: it does not stand alone", file=sys.stderr)
        return 1
    facts: dict[str, Any] = {"runtime": opened.name, "threads": cpus(), **opened.interface}
    np.savez(out, facts=np.array(json.dumps(facts)), **arrays)  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
