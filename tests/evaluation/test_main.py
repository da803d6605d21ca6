"""`python -m evaluation` from the outside."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from evaluation.__main__ import main
from evaluation.predictions import write_predictions
from tests.evaluation.malformed import malformed_files
from tests.evaluation.samples import binary

THREE = "y_true,p_a,p_b,p_c\na,0.5,0.3,0.2\nb,0.2,0.8,0\n"
REGRESSION = "y_true,y_pred\n1,2\n3,3\n"


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
            "received '2', which is out of range; expected a number from 0 to 1. If these are logits, declare them "
            "with --logits",
        ),
        (THREE, ["--prevalence", "0.1"], "{path}: --prevalence needs two classes, one of them positive"),
        (THREE, ["--images", "."], "{path}: --images needs a column image that names the picture of each example"),
        (THREE, ["--rule", "youden"], "{path}: an operating point needs two classes, one of them positive"),
        (REGRESSION, ["--compare", "other.csv"], "models are compared on classes; this file is a regression"),
        (REGRESSION, ["--logits"], "--logits is for scores of classes; this file is a regression"),
        (REGRESSION, ["--subgroups", "site"], "--subgroups is for classes; this file is a regression"),
        (THREE, ["--logits"], "sums to 1, as probabilities do. Leave --logits out"),
        ("y_true,y_pred\n1,1e308\n", [], "expected a number from -1e+150 to 1e+150. Use another unit"),
    ],
)
def test_a_refusal_is_one_line_and_code_2_and_leaves_nothing(tmp_path, capsys, text, argv, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    assert main([str(path), *(part.format(path=path) for part in argv)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.endswith(message.format(path=path) + "\n") and error.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.csv"]


@pytest.mark.parametrize("flag", ["--compare", "--readers", "--validation"])
def test_another_file_that_is_missing_is_the_users_error(tmp_path, capsys, flag):
    write_predictions(tmp_path / "scores.csv", binary())
    assert main([str(tmp_path / "scores.csv"), flag, str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'none.csv'}: no such file.")


def test_a_negative_seed_is_refused_before_anything_is_read(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["nothing.csv", "--interval-seed", "-1"])
    assert capsys.readouterr().err == "error: the seed of the intervals must be 0 or more. Received: -1; see --help\n"


def test_no_file_is_a_usage_error():
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --predictions: expected a path, received nothing; see --help\n"


def test_help_loads_nothing_heavy():
    done = run("--help")
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


def test_a_folder_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    write_predictions(path, binary())
    assert main([str(path), "--output", str(path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {path}: is a file, but the report needs a folder. Give another --output\n"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.csv"]


def test_two_hundred_malformed_files_end_with_code_2_one_line_and_no_report(tmp_path, capsys):
    paths = malformed_files(tmp_path)
    wrong = []
    for path in paths:
        code = main([str(path), "--output", str(tmp_path / "report")])
        shown = capsys.readouterr()
        if (code, shown.out, shown.err.count("\n")) != (2, "", 1) or not shown.err.startswith("error: "):
            wrong.append((path.name, code, shown))
    assert len(paths) >= 200 and wrong == [] and not (tmp_path / "report").exists()


def test_files_of_the_same_examples_are_compared(tmp_path, capsys):
    write_predictions(tmp_path / "mine.csv", binary())
    write_predictions(tmp_path / "theirs.csv", replace(binary(seed=1), y_true=binary().y_true))
    (tmp_path / "readers.csv").write_text(
        "reader,id,decision\n"
        + "".join(f"Dr {r},case-{i},{(i * 7 + r) % 3 // 2}\n" for r in range(3) for i in range(60))
    )
    files = [str(tmp_path / name) for name in ("mine.csv", "theirs.csv", "readers.csv")]
    assert main([files[0], "--compare", files[1], "--readers", files[2], "--output", str(tmp_path / "r")]) == 0
    shown, data = capsys.readouterr().out, json.loads((tmp_path / "r" / "report.json").read_text())
    assert shown.startswith("mine: predictions, n = 60\n") and "average reader" in shown
    assert [one["name"] for one in data["comparison"]["models"]] == ["mine", "theirs"]
    assert len(data["details"]["SHA-256"]) == 64


def test_validation_chooses_and_the_file_is_only_reported(tmp_path):
    for name, seed in (("test", 0), ("validation", 1)):
        write_predictions(tmp_path / f"{name}.csv", binary(seed=seed))
    argv = ["--validation", str(tmp_path / "validation.csv"), "--rule", "youden", "--output", str(tmp_path / "r")]
    assert main([str(tmp_path / "test.csv"), *argv]) == 0
    splits = json.loads((tmp_path / "r" / "report.json").read_text())["splits"]
    assert list(splits) == ["test", "validation"] and not splits["test"]["operating_point"]["exploratory"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--rule", "youden", "--threshold", "0.3"], "threshold fixes the operating point"),
        (["--rule", "cost"], "rule 'cost' needs cost_ratio"),
        (["--prevalence", "2"], "prevalence must be between 0 and 1"),
        (["--compare", "scores.csv"], "files must differ in their names"),
        (["--replicates", "5"], "replicates must be at least 100"),
        (["--rule", "best"], "--rule: expected one of default, youden"),
    ],
)
def test_contradictory_flags_are_usage_errors(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        main(["scores.csv", *argv])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and message in error and error.count("\n") == 1


def test_pictures_named_by_a_column_stand_in_the_report(tmp_path):
    from PIL import Image

    names = [f"{index}.png" for index in range(60)]
    for name in names[:-1]:
        Image.new("RGB", (9, 7), "red").save(tmp_path / name)
    (tmp_path / names[-1]).write_bytes(b"no picture")
    write_predictions(tmp_path / "scores.csv", replace(binary(), images=np.array(names, dtype=object)))
    assert main([str(tmp_path / "scores.csv")]) == 0
    page = (tmp_path / "scores-report" / "index.html").read_text(encoding="utf-8")
    assert page.count('class="small"') > 3


@pytest.mark.parametrize(
    ("argv", "note"),
    [
        ([], None),
        (["--rule", "youden"], "The same rule chose every model's threshold on these very examples"),
        (["--rule", "youden", "--validation", "scores.csv"], "Only the threshold of scores was chosen by the rule"),
    ],
)
def test_a_comparison_says_how_its_thresholds_came_about(tmp_path, monkeypatch, argv, note):
    monkeypatch.chdir(tmp_path)
    for name in ("scores.csv", "rival.csv"):
        write_predictions(tmp_path / name, binary())
    assert main(["scores.csv", "--compare", "rival.csv", "--output", "report", *argv]) == 0
    notes = json.loads((tmp_path / "report" / "report.json").read_text())["comparison"]["notes"]
    found = [one for one in notes if "the rule" in one or "same rule" in one]
    assert [one.startswith(note) for one in found] == ([] if note is None else [True])
