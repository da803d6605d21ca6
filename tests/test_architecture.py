"""The arrows between the rooms point one way, and what must be fast imports nothing heavy."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ROOMS = ("models", "training", "transfer", "evaluation", "benchmarks")
ALLOWED = {
    "models": set(),
    "evaluation": set(),
    "training": {"models", "evaluation"},
    "transfer": {"models", "evaluation", "training"},
    "benchmarks": {"models", "evaluation", "training", "transfer"},
}
HEAVY = ("tensorflow", "keras")
FORBIDDEN = (
    "Lambda(",
    "enable_unsafe_deserialization(",
    "import pickle",
    "allow_pickle=True",
    "safe_mode=False",
)


def imported(path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("room", [room for room in ROOMS if (ROOT / room).is_dir()])
def test_imports_between_rooms_point_one_way(room):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        foreign = imported(path) & set(ROOMS) - {room} - ALLOWED[room]
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


def test_models_import_keras_and_no_data_library():
    for path in (ROOT / "models").rglob("*.py"):
        assert not imported(path) & {"tensorflow", "numpy", "pandas", "sklearn", "PIL", "matplotlib"}, path


def test_evaluation_imports_no_tensorflow_outside_explain():
    for path in (ROOT / "evaluation").rglob("*.py"):
        if "explain" not in path.parts:
            assert not imported(path) & set(HEAVY), path


@pytest.mark.parametrize(
    "statement",
    [
        "import models, models.catalog, models.arithmetic",
        "import training.config, training.datasets, training.run, training.checks",
        "import transfer.pretrained.catalog, transfer.cases, transfer.similarity",
        "import evaluation.report, evaluation.predictions, evaluation.command",
        "import evaluation.explain",
    ],
)
def test_these_imports_load_no_tensorflow(statement):
    code = f"import sys; {statement}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_lambda_layer_no_pickle_and_no_unsafe_loading():
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for word in FORBIDDEN:
                assert word not in text, f"{path.relative_to(ROOT)}: {word}"
