"""Exports a run: one call from settings to a folder of proved files with their card."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from training.checks import ConfigError
from training.datasets.text import counted
from training.export import folder as files
from training.export.card import card, parity_table
from training.export.facts import facts_of
from training.export.formats import FORMATS, formats_of, require_packages, write_format
from training.export.images import Counts, Proof, check_exportable, folder_images, validation_images
from training.export.request import write_request
from training.files import write_json
from training.run import open_run
from training.trained import Trained, open_trained

if TYPE_CHECKING:
    from training.export.parity import Reference

TOLERANCE = 1e-4
FEWEST_IMAGES = 256
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class ExportError(ValueError):
    """No file passed, so nothing was left. The message says why."""


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Which model goes into which files.

    Attributes:
        run: The run directory.
        format: keras, saved_model (TensorFlow, Serving), litert (telephones, microcontrollers), onnx, or all of them.
        quantize: Also LiteRT in 8 bits: none, dynamic (weights), int8 (arithmetic too) or all.
        data_dir: Where the run's data is now, if it has moved; with model_file, a folder of class folders.
        images: Images on which each file is compared with the Keras model, at least 256.
        calibration: Validation images that set the scales of int8.
        output: The export's folder, a new or empty one; None: a new one in runs_dir/export.
        model_file: A .keras file from elsewhere instead of a run; needs trust.
        trust: You vouch for the origin of model_file.
        runs_dir: Folder of runs.
    """

    run: str | None = None
    format: Literal["keras", "saved_model", "litert", "onnx", "all"] = "all"
    quantize: Literal["none", "dynamic", "int8", "all"] = "none"
    data_dir: str | None = None
    images: int = 256
    calibration: int = 128
    output: str | None = None
    model_file: str | None = None
    trust: bool = False
    runs_dir: str = "runs"

    def __post_init__(self) -> None:
        for name, least in (("images", FEWEST_IMAGES), ("calibration", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}. Received: {name}={getattr(self, name)}.")
        formats_of(self.format, self.quantize)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of `FORMATS`."""
        return formats_of(self.format, self.quantize)


@dataclass(frozen=True)
class Exported:
    """What came of it.

    Attributes:
        folder: The export.
        facts: What its `export.json` holds.
    """

    folder: Path
    facts: dict[str, Any]

    @property
    def card(self) -> Path:
        return self.folder / files.CARD

    @property
    def table(self) -> str:
        """The proof."""
        return parity_table(self.facts["formats"])

    @property
    def failed(self) -> list[str]:
        """A line for each format that is not in the folder."""
        return [_failure(row) for row in self.facts["formats"] if not row["passed"]]


def check_settings_early(config: ExportConfig) -> None:
    """Whatever can be refused without TensorFlow.

    Raises:
        ConfigError, RunError: As `export_run`.
    """
    require_packages(config.keys)
    if config.output is not None:
        files.check_free(Path(config.output).expanduser())
    if config.run is not None:
        check_exportable(open_run(config.run))


def export_run(config: ExportConfig) -> Exported:
    """Writes a model in other formats and proves each file in its own runtime.

    The folder appears under its name when all is proved. A format that fails is left out of it, and the card says so.

    Args:
        config: Which model, which formats.

    Returns:
        The export; `failed` names what is missing in it.

    Raises:
        ConfigError, RunError: No such model, one that does not classify images, missing packages, a folder in use.
        DataError: The data of the proof cannot be read.
        ExportError: No format passed; nothing is left.
        OSError: The disk is full or not writable; nothing is left.
    """
    check_settings_early(config)
    trained = open_trained(config.run, config.model_file, trust=config.trust)
    counts = Counts(config.images, config.calibration)
    proof = _proof(config, trained, counts)
    output = Path(config.output).expanduser() if config.output else None
    parent = output.parent if output else Path(config.runs_dir).expanduser() / "export"
    with files.unfinished(parent) as work:
        facts = _filled(work, config, trained, proof, counts)
        return Exported(files.settle(work, output, parent, trained.name[:80]), facts)


def _proof(config: ExportConfig, trained: Trained, counts: Counts) -> Proof:
    """The images; says what they are."""
    if trained.run is None:
        proof = folder_images(trained, config.data_dir, counts)
    else:
        proof = validation_images(trained.run, trained, config.data_dir, counts)
    print(f"{trained.name}: {trained.model.count_params():,} parameters, {counted(len(trained.class_names), 'class')}")
    print(f"compared on {proof.words}", flush=True)
    return proof


def _filled(work: Path, config: ExportConfig, trained: Trained, proof: Proof, counts: Counts) -> dict[str, Any]:
    """Writes everything into the unfinished folder."""
    from training.export.parity import reference_of

    reference = reference_of(trained, proof, TOLERANCE)
    rows = _rows(work, config.keys, trained, proof, reference)
    facts = facts_of(trained, proof, counts, TOLERANCE) | {"formats": rows}
    if "saved_model" in files.passed(facts):
        facts["request"] = write_request(work / files.REQUEST, trained)
    files.write_labels(work / files.LABELS, trained.class_names)
    write_json(work / files.FACTS, facts)
    (work / files.CARD).write_text(card(facts), encoding="utf-8")
    files.write_manifest(work)
    return facts


def _rows(
    work: Path, keys: Sequence[str], trained: Trained, proof: Proof, reference: Reference
) -> list[dict[str, Any]]:
    """Every format written and judged, with a line on the screen; what fails is removed."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch) / "images.npy"
        np.save(images, proof.images)
        for key in keys:
            start = time.perf_counter()
            row = _one(work, key, trained, proof, reference, images)
            row["seconds"] = round(time.perf_counter() - start, 1)
            title = row["title"] if row["passed"] else f"{row['title']} FAILED"
            print(f"{title}: {row['verdict']} ({row['seconds']} s)", flush=True)
            if not row["passed"]:
                files.remove(work / Path(FORMATS[key].file).parts[0])
            rows.append(row)
    if not any(row["passed"] for row in rows):
        raise ExportError(f"{'; '.join(map(_failure, rows))}. Nothing was exported.")
    return rows


def _one(work: Path, key: str, trained: Trained, proof: Proof, reference: Reference, images: Path) -> dict[str, Any]:
    """One format; what its converter or its runtime raises is its verdict, but a disk that fails ends the export."""
    from training.export.parity import compare, run_file

    entry, path = FORMATS[key], work / FORMATS[key].file
    row: dict[str, Any] = {"format": key, "title": entry.title, "file": entry.file}
    path.parent.mkdir(exist_ok=True)
    try:
        row |= write_format(key, trained, path, proof.calibration)
        row["bytes"] = files.size_of(path)
        measured = run_file(entry, path, images, images.with_name("found.npz"))
        return row | compare(entry, measured, reference)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise
        words = str(error).replace(f"{work}{os.sep}", "")  # the card is handed on: no folder of this machine in it
        reason = " ".join(words.split()).rstrip(".")[:300]
        return row | {"passed": False, "verdict": reason or type(error).__name__}


def _failure(row: dict[str, Any]) -> str:
    return f"{row['title']} failed: {row['verdict']}"
