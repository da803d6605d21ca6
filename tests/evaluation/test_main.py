"""`python -m evaluation` from the outside."""

import json
import subprocess
import sys
import time

import pytest

from evaluation.__main__ import main
from evaluation.predictions import write_predictions
from tests.evaluation.samples import binary


def run(*argv):
    return subprocess.run([sys.executable, "-W", "error", "-m", "evaluation", *argv], capture_output=True, text=True)


def test_a_file_becomes_a_report_next_to_it(tmp_path):
    write_predictions(tmp_path / "scores.csv", binary())
    done = run(str(tmp_path / "scores.csv"), "--positive", "malignant", "--title", "Mine")
    page = tmp_path / "scores-report" / "index.html"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Mine: predictions, n = 60\n") and done.stdout.endswith(f"\nReport: {page}\n")
    assert json.loads((page.parent / "report.json").read_text())["title"] == "Mine"


@pytest.mark.parametrize(
    ("text", "argv", "message"),
    [
        ("y_true,p_a,p_b\na,1,0\n", [], "Use --positive a or --positive b"),
        (
            "y_true,p_a\na,2\n",
            [],
            "row 2, column p_a: received '2', which is out of range; expected a number from 0 to 1",
        ),
        ("y_true,y_pred\n1,1e308\n", [], "expected a number from -1e+150 to 1e+150. Use another unit"),
        ("y_true,p_a\na,1\n", ["--output", "{path}"], "{path}/figures: Not a directory"),
    ],
)
def test_a_refusal_is_one_line_and_code_1_and_leaves_nothing(tmp_path, capsys, text, argv, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    assert main([str(path), *(part.format(path=path) for part in argv)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.endswith(message.format(path=path) + "\n") and error.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.csv"]


def test_no_file_is_a_usage_error():
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --predictions: expected a path, received nothing; see --help\n"


def test_help_is_instant_and_loads_nothing_heavy():
    start = time.perf_counter()
    done = run("--help")
    assert time.perf_counter() - start < 2
    assert done.returncode == 0 and "--positive NAME" in done.stdout
    heavy = "[m for m in ('numpy', 'pandas', 'matplotlib') if m in sys.modules]"
    code = f"import sys, evaluation, evaluation.__main__; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_report_needs_no_deep_learning_framework_and_no_other_room(tmp_path):
    write_predictions(tmp_path / "scores.csv", binary())
    unwanted = ("tensorflow", "keras", "models", "training", "transfer", "matplotlib.pyplot")
    code = "import sys; from evaluation.__main__ import main; main([sys.argv[1]]); "
    code += f"print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "scores.csv")], capture_output=True, text=True)
    assert done.stdout.endswith("\n[]\n")


def test_public_names_load_on_first_use():
    import evaluation

    assert evaluation.read_predictions.__module__ == "evaluation.predictions"
    assert evaluation.write_report.__module__ == "evaluation.report"
    with pytest.raises(AttributeError, match="module 'evaluation' has no attribute 'nothing'"):
        evaluation.nothing  # noqa: B018
