"""What an export says of its model: what `export.json` holds beside the proof, and the card tells in words."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evaluation.files import sha256
from training.config import from_yaml
from training.datasets.text import printable
from training.export.images import Counts, Proof
from training.run import Run, environment, package_versions
from training.trained import Trained

CONVERTERS = ("ai-edge-litert", "tf2onnx", "onnx", "onnxruntime")
BACKBONE = ("backbone", "weights", "weights_digest", "licence", "citation", "case", "title")
PUBLISHED = ("imagenet", "none")
MEASURES = ("accuracy", "sensitivity", "specificity")


def facts_of(trained: Trained, proof: Proof, counts: Counts, tolerance: float) -> dict[str, Any]:
    """Model, classes, contract, data, licence and proof, as plain values."""
    record = trained.run.read_record() if trained.run else {}
    return {
        "name": trained.name,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": _model(trained, record),
        "input": _input(trained),
        "output": {"shape": [None, int(trained.model.outputs[0].shape[-1])], "dtype": "float32", "range": [0, 1]},
        "classes": list(trained.class_names),
        "positive": trained.positive,
        "operating_point": _point(trained),
        "data": _data(trained.run, record),
        "backbone": _backbone(record),
        "test": _test(trained.run, trained.positive),
        "proof": {
            "images": len(proof.images),
            "judged": len(proof.y),
            "words": printable(proof.words),
            "calibration": len(proof.calibration),
            "calibration_shared": proof.shared,
            "seed": counts.seed,
            "tolerance": tolerance,
        },
        "versions": versions(),
        "hardware": environment()["hardware"],
    }


def _model(trained: Trained, record: Mapping[str, Any]) -> dict[str, Any]:
    """The network, and the file that it was read from."""
    settings = from_yaml(trained.run.training_settings) if trained.run else None
    return {
        "architecture": str(record.get("model") or (settings.model if settings else trained.model.name)),
        "parameters": int(trained.model.count_params()),
        "sha256": sha256(trained.path),
        "trained_in": record.get("resolved", {}).get("precision"),
        "trained_at": record.get("started"),
    }


def _input(trained: Trained) -> dict[str, Any]:
    """The contract of the input."""
    return {
        "shape": [None, *trained.decode.shape],
        "dtype": "float32",
        "range": [0, 255],
        "color_mode": trained.decode.color_mode,
        "resize": trained.decode.resize,
    }


def _point(trained: Trained) -> dict[str, Any] | None:
    """Two classes: the operating point; no threshold where nothing is called positive."""
    if trained.point is None:
        return None
    finite = math.isfinite(trained.point.threshold)
    return {"threshold": trained.point.threshold if finite else None, "why": trained.point.why}


def _data(run: Run | None, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the model was trained on; of a folder only its name, since a card is handed on."""
    if run is None:
        return None
    settings, data = from_yaml(run.training_settings), record.get("data", {})
    return {
        "source": settings.dataset,
        "name": Path(settings.data_dir).name if settings.data_dir else None,
        "sha256": data.get("digest"),
        "examples": data.get("examples", {}),
        "final_fit": settings.final_fit,
    }


def _backbone(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pre-trained network that a transfer run recorded, with its licence."""
    found = record.get("transfer")
    if not isinstance(found, dict):
        return None
    weights = found.get("weights")  # a path of this machine, where they came from a file
    return {name: found.get(name) for name in BACKBONE} | {"weights": weights if weights in PUBLISHED else "file"}


def _test(run: Run | None, positive: str | None) -> dict[str, Any] | None:
    """Accuracy on the test images with its interval, and for two classes sensitivity and specificity, as reported.

    Raises:
        RunError: The report is not the one that the run wrote.
    """
    path = run.report / "report.json" if run else None
    if run is None or path is None or not path.is_file():
        return None
    run.check(path)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        split = json.loads(path.read_text(encoding="utf-8"))["splits"]["test"]
        of_class: Mapping[str, Any] = next((row for row in split["per_class"] if row["label"] == positive), {})
        found = {name: split.get(name) or of_class.get(name) for name in MEASURES}
        return {"n": split["n"], **{name: _estimate(value) for name, value in found.items() if value}}
    return None


def _estimate(value: Mapping[str, Any]) -> dict[str, Any]:
    """A number of the report with its interval and its counts."""
    return {name: value.get(name) for name in ("estimate", "low", "high", "numerator", "denominator")}


def versions() -> dict[str, str]:
    """Of Python and all packages that write or run a file."""
    found = package_versions()
    for name in CONVERTERS:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
