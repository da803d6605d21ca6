"""Runs a lab and keeps what it found: figures, numbers.json and a page, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib

from evaluation.files import write_all
from evaluation.plots.rendering import render
from evaluation.plots.style import report_style
from evaluation.report.serialise import plain, plain_tree
from training.labs import NAMES
from training.labs.lab import Claim, Findings, Lab, Parameters, seeds_of
from training.labs.page import render_page

SCHEMA = 1
ROOMS = ("models", "training", "evaluation")
LIBRARIES = ("keras", "tensorflow", "numpy", "scikit-learn", "scipy")

Record = dict[str, Any]


def folder_of(runs_dir: str, name: str = "") -> Path:
    """Where the labs, or one of them, are kept."""
    return Path(runs_dir).expanduser() / "labs" / name


def make(lab: Lab, parameters: Parameters) -> tuple[Record, bool]:
    """Runs a lab, unless it stands already by the same parameters, code and libraries.

    Args:
        lab: Which.
        parameters: Its options.

    Returns:
        What numbers.json holds, and whether it was kept.

    Raises:
        OSError: The folder cannot be written.
        Exception: Whatever the experiment raises; nothing is written then.
    """
    record = standing(lab, parameters)
    if record is not None:
        return record, True
    start = time.monotonic()
    findings = run(lab, parameters)
    files: dict[str, bytes | str] = {}
    pictures = []
    for one in findings.pictures:
        png, svg = render(one.figure)
        files |= {f"{one.name}.png": png, f"{one.name}.svg": svg}
        digest = hashlib.sha256(png).hexdigest()
        pictures.append({"file": f"{one.name}.png", "title": one.title, "caption": one.caption, "sha256": digest})
    record = {
        "schema": SCHEMA,
        "name": lab.name,
        "title": lab.title,
        "key": key_of(lab, parameters),
        "parameters": plain_tree(parameters.settings),
        "defaults": parameters.settings == lab.parameters().settings,
        "seconds": round(time.monotonic() - start, 1),
        "libraries": libraries(),
        "paragraph": findings.paragraph,
        "claims": [claim_json(one) for one in findings.claims],
        "figures": pictures,
        "numbers": plain_tree(findings.numbers),
    }
    files["numbers.json"] = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    images = {name: content for name, content in files.items() if isinstance(content, bytes)}
    files["index.html"] = render_page([(lab, record, images)], title=lab.title, single=True)
    write_all(folder_of(parameters.runs_dir, lab.name), files)
    return record, False


def standing(lab: Lab, parameters: Parameters) -> Record | None:
    """What stands of a lab by the same parameters, code and libraries; None where it is to be made (again)."""
    record = None if parameters.fresh else read(folder_of(parameters.runs_dir, lab.name))
    return record if record is not None and record.get("key") == key_of(lab, parameters) else None


def run(lab: Lab, parameters: Parameters) -> Findings:
    """The experiment alone, its figures in the reports' style; nothing is written."""
    with matplotlib.rc_context(report_style()):
        return lab.experiment(parameters, seeds_of(parameters))


def write_failure(lab: Lab, parameters: Parameters, message: str) -> Record:
    """Records that a lab failed, so that the page says it and the next command tries again."""
    record = {"schema": SCHEMA, "name": lab.name, "title": lab.title, "failed": message}
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_all(folder_of(parameters.runs_dir, lab.name), {"numbers.json": text})
    return record


def read(folder: Path) -> Record | None:
    """What stands of a lab; None where it is missing, torn or a picture is not the one that was written."""
    try:
        record = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            return None
        if "failed" in record:
            return record
        for one in record["figures"]:
            if hashlib.sha256((folder / one["file"]).read_bytes()).hexdigest() != one["sha256"]:
                return None
        return record if record["claims"] is not None and record["key"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def key_of(lab: Lab, parameters: Parameters) -> str:
    """Tells whether a lab that stands was made by the same parameters, code and libraries."""
    parts = (SCHEMA, lab.name, sorted(parameters.settings.items()), _code(lab.name), sorted(libraries().items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@lru_cache
def _code(name: str) -> str:
    """SHA-256 over this lab and all that it may use: the rooms without the other labs."""
    root, sha = Path(__file__).parents[2], hashlib.sha256()
    others = {Path(__file__).parent / f"{other}.py" for other in NAMES if other != name}
    for path in sorted(path for room in ROOMS for path in (root / room).rglob("*.py") if path not in others):
        sha.update(path.relative_to(root).as_posix().encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()


@lru_cache
def libraries() -> Mapping[str, str]:
    """Versions of the libraries that results depend on."""
    return {name: version(name) for name in LIBRARIES}


def claim_json(one: Claim) -> Record:
    """A claim as numbers.json holds it."""
    return {
        "claim": one.text,
        "expected": one.expected,
        "holds": one.holds,
        "mean": plain(one.mean),
        "spread": plain(one.spread),
        "n": len(one.values),
        "values": [plain(value) for value in one.values],
    }
