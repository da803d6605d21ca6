"""The tuning benchmark: its tables say what the runs say, and a benchmark that was cut goes on."""

import pytest

from benchmarks import tuning
from benchmarks.tuning import STOCK, VARIANTS, TuningBenchConfig, measure, slope, totals_table, trials_table
from training.checks import ConfigError

NAMES = list(VARIANTS)[:3]


def row(seconds, cpu_seconds, **more):
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "best": 0.5, "trials": 8} | more


FOUND = {
    (STOCK, 1): row(100.0, 200.0),
    (STOCK, 2): row(120.0, 180.0),
    (NAMES[1], 1): row(50.0, 100.0, outside=0.5, precision="float32"),
    (NAMES[1], 2): row(40.0, 60.0, outside=0.7, precision="float32"),
}


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]


def test_ratios_are_taken_within_repeats():
    rows = cells(totals_table(FOUND))
    assert rows[2][3] == "1.00 (1.00–1.00)"
    assert rows[3][:6] == [NAMES[1], "float32", "45 (40–50)", "2.50 (2.00–3.00)", "80 (60–100)", "2.50 (2.00–3.00)"]
    assert len(rows) == 4


def test_the_slope_of_the_memory_is_that_of_the_second_half():
    memory = [0.0] * 5 + [100.0, 102.0, 104.0, 106.0, 108.0]
    assert slope(memory) == "+2.00 (+2.00 to +2.00), at 104 MB"
    rows = cells(trials_table(FOUND, {"memory": memory, "outside": [0.1, 0.3, 0.2]}))
    assert rows[2] == [NAMES[1], "8", "0.60 (0.50–0.70)", "–"]
    assert rows[3][1:3] == ["10", "0.20 (0.10–0.30)"]


def test_a_benchmark_that_was_cut_goes_on(tmp_path, monkeypatch):
    made = []

    def search(name, variant, path, config):
        made.append(name)
        return row(1.0, 1.0, outside=0.1, precision="float32")

    monkeypatch.setattr(tuning, "_search", search)
    monkeypatch.setattr(tuning, "_many", lambda count: {"memory": [1.0, 2.0, 3.0, 4.0, 6.0, 5.0], "outside": [0.1]})
    config = TuningBenchConfig(images=100, repeats=1, state=str(tmp_path))
    first = measure(config)
    assert made == NAMES  # where `auto` is float32, float32 is no row of its own
    assert measure(config) == first and made == NAMES
    assert "The same 8 points of `cifar_cnn` × 3 epochs on 100 random images, batch 32" in first


def test_sizes_that_measure_nothing_are_refused():
    with pytest.raises(ConfigError, match="images must lie between 100 and 45,000. Received: images=50."):
        TuningBenchConfig(images=50)
    with pytest.raises(ConfigError, match="repeats must be at least 1"):
        TuningBenchConfig(repeats=0)
