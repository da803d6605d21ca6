"""The coverage study runs, and its committed table keeps what it promises."""

import pytest

from benchmarks.coverage import AT_LEAST, EXACT, CoverageConfig, Population, Row, measure, true_value
from tests.conftest import ROOT


def cells(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_every_promised_interval_covers_between_93_and_97_percent():
    header, _, *rows = cells((ROOT / "benchmarks" / "results" / "coverage.md").read_text(encoding="utf-8"))
    covers, promised = header.index("covers"), header.index("promised")
    for row in rows:
        held = float(row[covers].split("%")[0])
        if row[promised] == EXACT:
            assert 93 <= held <= 97, row
        elif row[promised] == AT_LEAST:
            assert held >= 93, row
    assert sum(row[promised] == EXACT for row in rows) >= 15
    methods = {method for row in rows if row[promised] == EXACT for method in row[header.index("interval")].split(", ")}
    assert {"wilson", "delong", "bootstrap", "cluster-bootstrap"} <= methods


def test_a_small_study_counts_intervals_that_hold_the_truth():
    chosen = [Row("sensitivity", Population(40, 0.5, 1.5)), Row("auc", Population(20, 0.5, 9.0))]
    header, _, wilson, perfect = cells(measure(CoverageConfig(datasets=60, replicates=100, workers=1), chosen))
    assert float(wilson[header.index("covers")].split("%")[0]) > 80
    assert perfect[header.index("no interval")] == "100.0%"


def test_the_true_values_are_those_of_the_normal_distribution():
    assert true_value(Row("sensitivity", Population(100, 0.5, 1.5))) == pytest.approx(0.7734, abs=0.001)
    assert true_value(Row("auc", Population(100, 0.5, 1.5))) == pytest.approx(0.8556, abs=0.001)
