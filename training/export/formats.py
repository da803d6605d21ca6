"""The formats of an export and who writes them: Keras' own `export`, with the converters of TensorFlow and ONNX."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.checks import ConfigError
from training.export.onnxops import constants_in_graph, teach_tf2onnx

if TYPE_CHECKING:
    from training.trained import Trained

STDOUT, STDERR = 1, 2
INSTALL = "python -m pip install -r requirements-export.txt"


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        title: As the card names it.
        file: Its name in the export's folder.
        runtime: Which of `training.export.runtimes` runs it.
        packages: Modules that writing and running it import, beside TensorFlow and Keras.
        quantised: Its weights are 8-bit integers: judged by its accuracy, not by each probability.
    """

    title: str
    file: str
    runtime: str
    packages: tuple[str, ...] = ()
    quantised: bool = False


_LITERT = ("ai_edge_litert",)
FORMATS: dict[str, Format] = {
    "keras": Format("Keras", "model.keras", "keras"),
    "saved_model": Format("SavedModel", "saved_model/1", "saved_model"),
    "litert": Format("LiteRT", "model.tflite", "litert", _LITERT),
    "litert_dynamic": Format("LiteRT, dynamic range", "model-dynamic.tflite", "litert", _LITERT, quantised=True),
    "litert_int8": Format("LiteRT, full integer", "model-int8.tflite", "litert", _LITERT, quantised=True),
    "onnx": Format("ONNX", "model.onnx", "onnx", ("onnx", "tf2onnx", "onnxruntime")),
}
QUANTISED = {"dynamic": ("litert_dynamic",), "int8": ("litert_int8",), "all": ("litert_dynamic", "litert_int8")}


def formats_of(name: str, quantize: str = "none") -> tuple[str, ...]:
    """Keys of `FORMATS` that `--format` and `--quantize` ask for.

    Raises:
        ConfigError: Quantisation is asked for without LiteRT.
    """
    if quantize != "none" and name not in ("litert", "all"):
        raise ConfigError(f"quantize belongs to --format litert or all. Received: format={name}, quantize={quantize}.")
    plain = [key for key, entry in FORMATS.items() if not entry.quantised]
    chosen = plain if name == "all" else [name]
    wanted = {*chosen, *QUANTISED.get(quantize, ())}
    return tuple(key for key in FORMATS if key in wanted)


def require_packages(keys: Sequence[str]) -> None:
    """Refuses formats whose converter or runtime is not installed.

    Raises:
        ConfigError: With the command that installs them.
    """
    needed = dict.fromkeys(package for key in keys for package in FORMATS[key].packages)
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} must be installed for this export: {INSTALL} (make export does it itself)."
        )


def write_format(key: str, trained: Trained, path: Path, calibration: np.ndarray) -> dict[str, Any]:
    """Writes one format.

    Args:
        key: Of `FORMATS`.
        trained: What is exported.
        path: The file, or the folder of a SavedModel; its parent exists.
        calibration: Raw pixels `(n, height, width, channels)`, which full-integer quantisation needs.

    Returns:
        Facts for the card, such as the opset of an ONNX file.

    Raises:
        Exception: Whatever the converter raises; what it says otherwise is dropped.
    """
    with quiet():
        return _WRITERS[key](trained, path, calibration)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the chatter of converters, which write to file descriptors too, off the screen; exceptions pass."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept, disabled = [os.dup(STDOUT), os.dup(STDERR)], logging.root.manager.disable
    with (
        open(os.devnull, "w") as nowhere,
        warnings.catch_warnings(),
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")  # np.object, say, which Keras looks for when it mends tf2onnx
        logging.disable(logging.WARNING)
        for number in (STDOUT, STDERR):
            os.dup2(nowhere.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((STDOUT, STDERR), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            logging.disable(disabled)


def _copy(trained: Trained, path: Path, _: np.ndarray) -> dict[str, Any]:
    """The run's own file."""
    shutil.copyfile(trained.path, path)
    return {}


def _saved_model(trained: Trained, path: Path, _: np.ndarray) -> dict[str, Any]:
    """A folder as TensorFlow Serving takes it: its name is the version."""
    trained.model.export(str(path), format="tf_saved_model", verbose=False)
    return {}


def _litert(trained: Trained, path: Path, _: np.ndarray) -> dict[str, Any]:
    """Weights and arithmetic in float32."""
    trained.model.export(str(path), format="litert", verbose=False)
    return {}


def _litert_dynamic(trained: Trained, path: Path, _: np.ndarray) -> dict[str, Any]:
    """Weights of 8 bits; what flows between the layers stays float32."""
    import tensorflow as tf

    trained.model.export(str(path), format="litert", verbose=False, optimizations=[tf.lite.Optimize.DEFAULT])
    return {}


def _litert_int8(trained: Trained, path: Path, calibration: np.ndarray) -> dict[str, Any]:
    """Weights and arithmetic of 8 bits, scaled by what flows for the calibration images; in and out are float32."""
    import tensorflow as tf

    def examples() -> Iterator[list[np.ndarray]]:
        for row in range(len(calibration)):
            yield [calibration[row : row + 1].astype(np.float32)]

    trained.model.export(
        str(path),
        format="litert",
        verbose=False,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=examples,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
    )
    return {}


def _onnx(trained: Trained, path: Path, _: np.ndarray) -> dict[str, Any]:
    """The converter's file with names that say what they are."""
    import onnx

    teach_tf2onnx()
    with constants_in_graph(trained.model):
        trained.model.export(str(path), format="onnx", verbose=False)
    model = onnx.load(str(path))
    _rename(model.graph, model.graph.output[0].name, "probabilities")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return {"opset": max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))}


def _rename(graph: Any, old: str, new: str) -> None:
    """Gives a tensor of an ONNX graph another name, unless something has that name already."""
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    if new in names:
        return
    graph.output[0].name = new
    for node in graph.node:
        for tensors in (node.input, node.output):
            for index, name in enumerate(tensors):
                if name == old:
                    tensors[index] = new


_WRITERS: dict[str, Callable[[Trained, Path, np.ndarray], dict[str, Any]]] = {
    "keras": _copy,
    "saved_model": _saved_model,
    "litert": _litert,
    "litert_dynamic": _litert_dynamic,
    "litert_int8": _litert_int8,
    "onnx": _onnx,
}
