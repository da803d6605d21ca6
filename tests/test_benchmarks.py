"""The benchmarks run, and a README quotes what they printed."""

import dataclasses
import re

import pytest

from benchmarks.seeds import SeedsConfig, headline, measure
from tests.conftest import ROOT
from training.checks import ConfigError

RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.md"))


def test_seeds_differ_and_their_mean_is_in_the_table(tmp_path):
    config = SeedsConfig(
        model="logistic_regression",
        dataset="breast_cancer",
        epochs=2,
        count=2,
        verbose="silent",
        runs_dir=str(tmp_path),
        at_once=2,
    )
    text = measure(config)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    column = rows[0].index("test accuracy")
    values = [float(row[column]) for row in rows[2:4]]
    assert values[0] != values[1]
    mean, spread = (float(part) for part in rows[4][column].split(" ± "))
    assert mean == pytest.approx(sum(values) / 2, abs=2e-4)
    assert spread == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=2e-4)
    assert "n = 2 seeds" in text and "test sensitivity" in rows[0]
    assert measure(dataclasses.replace(config, go_on=True)) == text
    assert len(list(tmp_path.glob("train/*"))) == 2


def test_a_seed_that_fails_ends_the_measurement(tmp_path, capfd):
    with pytest.raises(ConfigError, match="seed 1 ended without a result"):
        measure(SeedsConfig(dataset="folder", data_dir=str(tmp_path), count=1, runs_dir=str(tmp_path / "runs")))
    assert "error:" in capfd.readouterr().err


def test_the_headline_of_a_regression_is_its_errors():
    split = {"mae": {"estimate": 1.0}, "rmse": {"estimate": 2.0}, "r2": {"estimate": None}}
    numbers = headline({"splits": {"test": split, "validation": split}})
    assert numbers == {"test mae": 1.0, "test rmse": 2.0, "validation mae": 1.0, "validation rmse": 2.0}


def test_a_count_below_one_is_refused():
    with pytest.raises(ConfigError, match="must be at least 1"):
        SeedsConfig(count=0)


def test_the_readme_has_a_table_for_every_result_and_no_gap():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {path.stem for path in RESULTS} >= {"coverage", "digits", "evaluation", "notes_cifar_cnn", "training"}
    assert "@@" not in readme


def test_every_table_that_make_bench_makes_is_explained():
    listed = re.findall(r"^BENCH_\w+ := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for names in listed for name in names.split() if not name.startswith("$")]
    explained = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert len(names) >= 7 and all(f"| `{name}` |" in explained for name in names)


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_readme_quotes_measured_tables_word_for_word(path):
    tables = re.findall(r"(?:^\|.*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE)
    readmes = [(ROOT / folder / "README.md").read_text(encoding="utf-8") for folder in (".", "benchmarks")]
    assert tables and all(any(table in readme for readme in readmes) for table in tables)
