"""Every format of an export on several runs, each file proved in its own runtime: `make export` in one table.

    python -m benchmarks.export --runs runs/train/a runs/train/b runs/transfer/c

Each run is exported in all formats, quantised ones too, by the command that a user calls. An export of the same model,
made by the same versions on the same processor, is taken as it is, so a benchmark that was cut goes on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hardware import machine
from evaluation.command import parse_config, run_main
from evaluation.files import sha256, write_atomically
from evaluation.report.markdown import escape
from training.checks import ConfigError
from training.export.card import parity_table
from training.export.facts import versions
from training.export.folder import exports_of
from training.export.formats import formats_of
from training.run import Run, RunError, open_run, processor

KEYS = formats_of("all", "all")
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "tf2onnx", "onnx", "onnxruntime")


@dataclass(frozen=True)
class ExportBenchConfig:
    """Settings of the benchmark.

    Attributes:
        runs: Trained runs, with commas between them.
        runs_dir: Folder of runs; exports stand in its folder export.
        output: Markdown file for the table.
    """

    runs: tuple[Path, ...]
    runs_dir: str = "runs"
    output: str | None = None

    def __post_init__(self) -> None:
        if not self.runs:
            raise ConfigError("runs must name at least one run (RUNS=runs/train/a,runs/train/b). Received: nothing.")
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(ExportBenchConfig, sys.argv[1:], prog="python -m benchmarks.export", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
    return 0


def measure(config: ExportBenchConfig) -> str:
    """Exports what is not exported yet and returns the table as Markdown.

    Raises:
        RunError: There is no such run, or none of its formats passed.
    """
    runs = [open_run(path) for path in config.runs]
    return table([_exported(run, config.runs_dir) for run in runs])


def table(exports: Sequence[dict[str, Any]]) -> str:
    """One line for each model and format, and what it was measured on.

    Args:
        exports: `export.json` of each run.
    """
    rows, names, notes = [], [], []
    for facts in exports:
        given = facts["data"]
        data = given["name"] if given["source"] in ("folder", "npz", "csv") and given["name"] else given["source"]
        model = f"{facts['model']['architecture']} on {data}"
        rows += facts["formats"]
        names += [model] * len(facts["formats"])
        parameters = f"{facts['model']['parameters']:,} parameters"
        notes.append(f"- {escape(model)}: {parameters}, compared on {escape(facts['proof']['words'])}")
        notes += [
            f"- {escape(model)}, {escape(row['title'])} failed: {escape(row['verdict'])}"
            for row in facts["formats"]
            if not row["passed"]
        ]
    tolerance = exports[0]["proof"]["tolerance"]
    rule = (
        f"A float format passes where all classes are equal and no probability differs by more than {tolerance:g}, a "
        "quantised one where its accuracy lies in the interval of the Keras model's. Times: median (quartiles) of 30 "
        "calls after 5."
    )
    return "\n\n".join([parity_table(rows, names), rule, "\n".join(notes), f"{machine(*PACKAGES)}."])


def _exported(run: Run, runs_dir: str) -> dict[str, Any]:
    """`export.json` of the run's export in all formats, made now where there is none."""
    if found := _standing(run, runs_dir):
        return found
    command = [sys.executable, "-m", "training.export", str(run.path), "--quantize", "all", "--runs-dir", runs_dir]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    found = _standing(run, runs_dir)
    if found is None:
        raise RunError(f"{run.path} was not exported (exit code {done.returncode}).")
    return found


def _standing(run: Run, runs_dir: str) -> dict[str, Any] | None:
    """An export of this model in all formats by these versions on this processor."""
    if not run.model.is_file():
        return None
    wanted = (sha256(run.model), list(KEYS), processor(), versions())
    for _, facts in exports_of(run.path.name, runs_dir):
        formats = [row["format"] for row in facts["formats"]]
        if (facts["model"]["sha256"], formats, facts["hardware"]["processor"], facts["versions"]) == wanted:
            return facts
    return None


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, RunError)))
