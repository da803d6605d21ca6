"""Proof of an export: the file in its own runtime against the Keras model, image by image."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.uncertainty.intervals import wilson_limits
from training.export.formats import Format
from training.export.images import Proof
from training.export.runtimes import predict
from training.predictions import class_scores
from training.trained import Trained

ROOT = Path(__file__).resolve().parents[2]


class RuntimeFailure(ValueError):
    """An exported file does not run in its own runtime. The message is the runtime's, on one line."""


@dataclass(frozen=True)
class Measured:
    """What a file did in its runtime.

    Attributes:
        outputs: `(n, units)`.
        latencies: Batch size → milliseconds of each call.
        facts: Runtime, threads, names of input and output.
    """

    outputs: np.ndarray
    latencies: Mapping[int, np.ndarray]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """What the Keras model says, in float32 on the processor.

    Attributes:
        outputs: `(n, units)` probabilities.
        y: `(m,)` the true class indices of the first m images, whose accuracy counts.
        decide: From scores `(n, K)` to class indices.
        threshold: Two classes: the operating point.
        tolerance: Largest difference of a probability that rounding excuses.
    """

    outputs: np.ndarray
    y: np.ndarray
    decide: Callable[[np.ndarray], np.ndarray]
    threshold: float | None
    tolerance: float

    @property
    def classes(self) -> np.ndarray:
        """`(n,)` predicted class indices."""
        return self.decide(class_scores(self.outputs))

    @property
    def margins(self) -> np.ndarray:
        """How far each image is from another class: the two best scores' distance, or that to the threshold."""
        scores = class_scores(self.outputs)
        if self.threshold is not None:
            return np.abs(scores[:, 1] - self.threshold)
        best = np.sort(scores, axis=1)
        return best[:, -1] - best[:, -2]


def reference_of(trained: Trained, proof: Proof, tolerance: float) -> Reference:
    """Runs the Keras model on the images of the proof, on the processor, where no TensorFloat-32 rounds."""
    import tensorflow as tf

    def run(pixels: np.ndarray) -> np.ndarray:
        with tf.device("CPU:0"):
            return np.asarray(trained.model(tf.constant(pixels), training=False))

    threshold = trained.point.threshold if trained.point else None
    return Reference(predict(run, proof.images), proof.y, trained.decide, threshold, tolerance)


def run_file(entry: Format, path: Path, images: Path, out: Path, *, calls: int = 30) -> Measured:
    """Runs an exported file in a process of its own.

    Args:
        entry: Its format.
        path: The file.
        images: `.npy`, raw pixels `(n, height, width, channels)`.
        out: Where that process leaves its results (`.npz`).
        calls: Timed calls per batch size.

    Raises:
        RuntimeFailure: It could not be loaded or run.
    """
    modules = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": modules}
    command = ["training.export.runtimes", entry.runtime, str(path), str(images), str(out), str(calls)]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RuntimeFailure(_reason(done))
    with np.load(out, allow_pickle=False) as found:
        latencies = {int(name.removeprefix("latency_")): found[name] for name in found.files if "latency_" in name}
        return Measured(found["outputs"], latencies, json.loads(str(found["facts"])))


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed."""
    if done.returncode < 0:
        return f"its runtime was ended by {signal.Signals(-done.returncode).name}"
    last = done.stderr.strip().splitlines()[-1:] or [f"its runtime ended with code {done.returncode}"]
    return " ".join(last[0].split())[:300]


def accuracy(classes: np.ndarray, y: np.ndarray) -> dict[str, float | int]:
    """Share of right classes with Wilson's 95 % interval."""
    correct, n = int((classes == y).sum()), len(y)
    low, high = wilson_limits(correct, n)
    return {"correct": correct, "n": n, "estimate": correct / n, "low": low, "high": high}


def compare(entry: Format, measured: Measured, reference: Reference) -> dict[str, Any]:
    """Judges a file.

    Float formats pass where every class is the Keras model's and every probability within the tolerance; an image so
    close to another class that rounding decides is counted apart. Quantised ones pass where their accuracy lies in
    the interval of the Keras model's.

    Returns:
        `passed`, `verdict` in words, and every number.

    Raises:
        RuntimeFailure: The output has another shape.
    """
    if measured.outputs.shape != reference.outputs.shape:
        raise RuntimeFailure(f"its output has the shape {measured.outputs.shape}, expected {reference.outputs.shape}")
    difference = float(np.abs(measured.outputs.astype(np.float64) - reference.outputs).max())
    classes = reference.decide(class_scores(measured.outputs))
    other = classes != reference.classes
    near = other & (reference.margins < reference.tolerance)
    known = len(reference.y)
    own, expected = accuracy(classes[:known], reference.y), accuracy(reference.classes[:known], reference.y)
    row: dict[str, Any] = {
        "images": len(classes),
        "max_difference": difference if math.isfinite(difference) else None,
        "tolerance": None if entry.quantised else reference.tolerance,
        "classes_equal": int((~other).sum()),
        "ties_decided_otherwise": int(near.sum()),
        "accuracy": own,
        "reference_accuracy": expected,
        "latency_ms": {str(size): _summary(values) for size, values in measured.latencies.items()},
        **measured.facts,
    }
    if entry.quantised:
        row["passed"] = math.isfinite(difference) and expected["low"] <= own["estimate"] <= expected["high"]
    else:
        row["passed"] = difference <= reference.tolerance and not (other & ~near).any()
    return row | {"verdict": _verdict(entry, row)}


def _summary(values: np.ndarray) -> dict[str, float | int]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high), "calls": len(values)}


def _verdict(entry: Format, row: Mapping[str, Any]) -> str:
    """What was found, in one line."""
    difference = "no finite number" if row["max_difference"] is None else f"{row['max_difference']:.1e}"
    classes = f"{row['classes_equal']:,} of {row['images']:,} classes equal"
    if row["ties_decided_otherwise"]:
        classes += f" ({row['ties_decided_otherwise']} of the others ties within the tolerance)"
    if entry.quantised:
        own, expected = row["accuracy"], row["reference_accuracy"]
        where = "within" if row["passed"] else "outside"
        return (
            f"accuracy {own['estimate']:.1%}, {where} the Keras model's interval of {expected['low']:.1%} to "
            f"{expected['high']:.1%}; {classes}, largest difference {difference}"
        )
    allowed = "" if row["passed"] else f" where {row['tolerance']:g} is allowed"
    return f"largest difference {difference}{allowed}, {classes}"
