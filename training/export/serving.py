"""`python -m training.export.serving RUN`: a run's SavedModel, checked, and how TensorFlow Serving serves it.

`make serve` forwards here. Nothing is downloaded or started.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evaluation.command import parse_config, run_main
from evaluation.files import sha256
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.export import folder as files
from training.export.command import ExportConfig, ExportError, check_settings_early, export_run
from training.results import relative
from training.run import Run, RunError, open_run
from training.startup import import_tensorflow

DESCRIPTION = "Checks a run's SavedModel (exported now where it is not yet), and says how TensorFlow Serving serves it."
SIGNATURE = "serving_default"


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Which run is to be served.

    Attributes:
        run: The run directory.
        port: Port of the REST interface, on this machine alone.
        data_dir: Where the run's data is now, if it has moved and the run is still to be exported.
        runs_dir: Folder of runs.
    """

    run: str
    port: int = 8501
    data_dir: str | None = None
    runs_dir: str = "runs"

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"port must be between 1 and 65535. Received: port={self.port}.")


def serve(config: ServeConfig) -> list[str]:
    """The lines that a user reads: where the SavedModel is, its signature, the commands.

    Raises:
        ConfigError, RunError, DataError, ExportError: As `export_run`.
        RunError: The SavedModel is not what was exported, or its signature is not what the card promises.
    """
    run = open_run(config.run)
    folder = _exported(run, config.runs_dir)
    if folder is None:
        settings = ExportConfig(
            run=config.run, format="saved_model", data_dir=config.data_dir, runs_dir=config.runs_dir
        )
        folder = export_run(settings).folder
    facts = files.read_facts(folder)
    return [
        f"SavedModel: {relative(folder / 'saved_model')}, version 1",
        check_signature(folder / "saved_model" / "1", facts),
        *_commands(folder, facts, config.port),
    ]


def _exported(run: Run, runs_dir: str) -> Path | None:
    """The newest export of the run's model as it is now that holds a proved SavedModel.

    Raises:
        RunError: A file of it was changed since.
    """
    if not run.model.is_file():
        return None
    digest = sha256(run.model)
    for folder, facts in files.exports_of(run.path.absolute().name, runs_dir):
        if facts["model"]["sha256"] == digest and "saved_model" in files.passed(facts):
            for path in sorted((folder / "saved_model").rglob("*")):
                if path.is_file():
                    Run(folder).check(path)
            return folder
    return None


def check_signature(path: Path, facts: dict[str, Any]) -> str:
    """Loads a SavedModel as TensorFlow Serving does and compares its signature with the contract.

    Args:
        path: The version's folder.
        facts: `export.json`.

    Returns:
        The signature in a line.

    Raises:
        RunError: Another name, shape or type than the card promises.
    """
    import tensorflow as tf

    try:
        signature = tf.saved_model.load(str(path)).signatures[SIGNATURE]
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        raise RunError(f"{path} has no signature {SIGNATURE}: {' '.join(str(error).split())[:200]}") from error
    found = {
        "input": [_spec(name, spec) for name, spec in signature.structured_input_signature[1].items()],
        "output": [_spec(name, spec) for name, spec in signature.structured_outputs.items()],
    }
    row = next(row for row in facts["formats"] if row["format"] == "saved_model")
    for side, specs in found.items():
        expected = (row[side], facts[side]["dtype"], tuple(facts[side]["shape"]))
        if specs != [expected]:
            raise RunError(
                f"the signature of {path} has the {side} {_words(specs)}, expected {_words([expected])}: TensorFlow "
                "Serving would serve something else. Export it again."
            )
    return f"signature {SIGNATURE}: {_words(found['input'])} → {_words(found['output'])}"


Spec = tuple[str, str, tuple[int | None, ...]]


def _spec(name: str, spec: Any) -> Spec:
    return name, spec.dtype.name, tuple(spec.shape.as_list())


def _words(specs: list[Spec]) -> str:
    """`pixels float32 (batch, 32, 32, 3)`."""
    return ", ".join(
        f"{name} {kind} ({', '.join('batch' if size is None else str(size) for size in shape)})"
        for name, kind, shape in specs
    )


def _commands(folder: Path, facts: dict[str, Any], port: int) -> Iterator[str]:
    """How TensorFlow Serving is started and asked, for someone who has it."""
    model = str((folder / "saved_model").resolve())
    name, address = facts["name"], f"http://localhost:{port}/v1/models/{quote(facts['name'], safe='')}"
    mount = shlex.quote(f"type=bind,source={model},target=/models/{name},readonly")
    named = shlex.quote(f"MODEL_NAME={name}")
    yield ""
    yield "TensorFlow Serving, in a container (the image is yours to fetch):"
    yield f"  docker run --rm -p 127.0.0.1:{port}:8501 --mount {mount} -e {named} tensorflow/serving"
    yield "or its server alone, which listens on all interfaces of its machine:"
    yield (
        f"  tensorflow_model_server --rest_api_port={port} --model_name={shlex.quote(name)} "
        f"--model_base_path={shlex.quote(model)}"
    )
    request = facts.get("request")
    if request:
        yield "ask it:"
        yield f"  curl -d @{shlex.quote(relative(folder / request['file']))} {shlex.quote(f'{address}:predict')}"
        yield f"expected: {json.dumps({'predictions': _rounded(request['predictions'])})}"
    yield f"its state: curl {shlex.quote(address)}"


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[round(value, 6) for value in row] for row in rows]


def main() -> int:
    config = parse_config(
        ServeConfig, sys.argv[1:], prog="python -m training.export.serving", description=DESCRIPTION, positional="run"
    )
    check_settings_early(ExportConfig(run=config.run, format="saved_model"))
    import_tensorflow()
    print("\n".join(serve(config)))
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, ExportError, RunError)))
