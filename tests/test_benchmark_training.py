"""The training benchmark: what it computes from its measurements, and one small run of every part."""

import json
import math
import sys

import numpy as np
import pytest
from scipy import stats

from benchmarks import growth, time_to_accuracy, training_throughput, training_work
from benchmarks.censoring import Reach, censored_median, ratio_words, reached
from benchmarks.growth import Growth
from benchmarks.time_to_accuracy import OURS, STOCK, Race, read_state
from benchmarks.time_to_accuracy_work import LineWatch, Stopwatch
from benchmarks.training import TrainingBenchConfig, main
from benchmarks.workers import Worker, running
from models.factories import cifar_cnn
from tests.conftest import ROOT
from training.checks import ConfigError
from training.datasets.dataset import DataError

RACE = Race(str(ROOT / "configs" / "cifar_fast.yaml"), None, images=None, epochs=2, target=0.5, limit_epochs=3)


def rows(*accuracies: float, seconds: float = 10.0) -> list[dict[str, float]]:
    """A run whose epochs take as long each, with half as many processor seconds."""
    return [
        {"val_accuracy": value, "seconds": seconds * number, "cpu_seconds": seconds * number / 2}
        for number, value in enumerate(accuracies, start=1)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_censored_median_is_where_scipys_survival_function_falls_to_a_half(seed):
    rng = np.random.default_rng(seed)
    values, censored = rng.integers(1, 9, 7).astype(float), rng.random(7) < 0.3
    survival = stats.ecdf(stats.CensoredData.right_censored(values, censored)).sf
    below = survival.quantiles[survival.probabilities <= 0.5 + 1e-9]
    expected = below[0] if len(below) else math.inf
    assert censored_median([Reach(*pair) for pair in zip(values, censored, strict=True)]) == expected


def test_a_median_that_was_not_seen_is_infinite():
    assert censored_median([Reach(1), Reach(9, True), Reach(9, True)]) == math.inf
    assert censored_median([Reach(1), Reach(3), Reach(2)]) == 2


def test_the_first_epoch_at_the_target_counts_and_a_run_without_one_is_censored_at_its_end():
    run = rows(0.2, 0.694, 0.6, 0.8)
    assert reached(run, 0.694, "seconds") == Reach(20.0)
    assert reached(run, 0.694, "cpu_seconds") == Reach(10.0)
    assert reached(run, 0.9, "seconds") == Reach(40.0, censored=True)


def test_a_ratio_says_which_run_was_censored():
    assert ratio_words(Reach(60), Reach(10)) == "6.0"
    assert ratio_words(Reach(60, True), Reach(10)) == "≥ 6.0"
    assert ratio_words(Reach(60), Reach(10, True)) == "≤ 6.0"
    assert ratio_words(Reach(60, True), Reach(10, True)) == "unknown"


def test_the_table_of_times_counts_the_censored_and_keeps_pairs_together(monkeypatch):
    runs = {
        (STOCK, 1): rows(0.1, 0.6),
        (OURS, 1): rows(0.5, seconds=4),
        (STOCK, 2): rows(0.1, 0.2, 0.3),
        (OURS, 2): rows(0.6, seconds=5),
        (STOCK, 3): rows(0.5),
        (OURS, 3): rows(0.2, 0.7, seconds=2),
    }
    monkeypatch.setattr(time_to_accuracy, "_run", lambda recipe, race, seed: runs[recipe, seed])
    lines = time_to_accuracy.measure(RACE, seeds=3, state=None).splitlines()
    stock, ours, ratio = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:5])
    assert stock[1:5] == ["2 of 3", "2 (1–2)", "20 (10–>30)", "10 (5–>15)"]
    assert ours[1:] == ["3 of 3", "1 (1–2)", "4 (4–5)", "2 (2–2)", "60.0% (50.0%–70.0%)"]
    assert ratio[3] == "5.0 (pairs: 2.5, 5.0, ≥ 6.0)"


def test_a_benchmark_that_was_cut_goes_on_where_it_was(tmp_path, monkeypatch):
    state, asked = tmp_path / "new" / "state.jsonl", []
    monkeypatch.setattr(time_to_accuracy, "_run", lambda recipe, race, seed: asked.append(recipe) or rows(0.6))
    time_to_accuracy.measure(RACE, seeds=1, state=state)
    state.write_text(state.read_text(encoding="utf-8")[:-20], encoding="utf-8")  # the last line was being written
    text = time_to_accuracy.measure(RACE, seeds=2, state=state)
    assert asked == [STOCK, OURS, OURS, STOCK, OURS] and "2 of 2" in text
    assert [run["seed"] for run in read_state(state, RACE.key())] == [1, 1, 2, 2]


@pytest.mark.parametrize("line", ["{}", "[1]", "no JSON", '{"recipe": "ours", "seed": 1, "rows": [], "key": 3}'])
def test_a_state_file_of_something_else_is_refused(line, tmp_path):
    path = tmp_path / "state.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 1 of .* is no run of this benchmark"):
        read_state(path, RACE.key())


def test_a_state_file_of_other_settings_is_refused_with_what_differs(tmp_path):
    path = tmp_path / "state.jsonl"
    run = {"recipe": OURS, "seed": 1, "rows": rows(0.6), "key": RACE.key() | {"epochs": 9, "recipe": "another"}}
    path.write_text(json.dumps(run) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="differs in epochs, recipe"):
        read_state(path, RACE.key())


def test_the_clocks_are_read_once_for_every_new_line(tmp_path):
    path = tmp_path / "history.csv"
    watch = LineWatch(path, Stopwatch())
    watch.look()
    for text in ("epoch,loss\n", "1,0.5\n2,0.4\n", "3,0"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
        watch.look()
    assert len(watch.readings) == 2 and watch.readings[0]["seconds"] <= watch.readings[1]["seconds"]


def test_the_arithmetic_of_the_notes_network_is_counted_by_hand():
    forward = 32 * 32 * 16 * 12 + 16 * 16 * 32 * 64 + 8 * 8 * 64 * 128 + 1024 * 500 + 500 * 10
    assert training_work.training_flops(cifar_cnn((32, 32, 3), 10)) == 3 * 2 * forward == 10_573_104


def test_the_notes_script_trains_the_notes_network():
    model = training_work.notes_model()
    x, y = training_work.notes_arrays(np.full((1, 32, 32, 3), 255, np.uint8), np.array([3]))
    assert model.count_params() == 528_054 and training_work.training_flops(model) == 10_573_104
    assert (x.dtype, x.max(), y.tolist()) == (np.float32, 1.0, [[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]])


def test_shares_and_ratios_are_taken_within_each_repeat():
    names = list(training_throughput.VARIANTS)
    rates = {name: [100.0, 300.0] for name in names} | {"best": [200.0, 300.0]}
    facts = {name: {"resolved": "", "precision": "float32"} for name in names} | {"peak": {"flops": 10}}
    facts["best"]["precision"] = "mixed_bfloat16"
    peaks = [{"float32": 4000.0, "mixed_bfloat16": 8000.0}, {"float32": 6000.0, "mixed_bfloat16": 6000.0}]
    lines = training_throughput.table(rates, peaks, facts).splitlines()
    keras, *_, best = ([cell.strip() for cell in line.split("|")[3:-1]] for line in lines[2:])
    assert keras == ["200 (100–300)", "1.00 (1.00–1.00)", "38% (25%–50%)"]
    assert best == ["250 (200–300)", "1.50 (1.00–2.00)", "38% (25%–50%)"]


def test_growth_is_described_by_its_straight_lines():
    sizes = {"½": (10_000, 30.0), "1": (20_000, 60.0)}
    found = {"½": [Growth(7.0, 20, 860.0)] * 2, "1": [Growth(12.0, 30, 920.0)]}
    words = growth.fit_words(sizes, found)
    assert "2.0 s + 0.500 s per 1,000 images" in words and "800 MB + 2.0 MB per MB of data" in words
    half = [cell.strip() for cell in growth.table(sizes, found).splitlines()[2].split("|")[1:-1]]
    assert half[2] == "0.700 (0.700–0.700)" and half[-1] == "830 (830–830)"


def test_settings_that_measure_nothing_are_refused():
    for wrong, message in (
        ({"part": "speed"}, "part must name some of throughput,time_to_accuracy,growth"),
        ({"repeats": 0}, "must be at least 1"),
        ({"images": 10}, "images must lie between"),
        ({"epochs": 31}, r"epochs must lie between 1 and limit_epochs \(30\)"),
        ({"target": 69.4}, "target must be an accuracy"),
        ({"output": "no/such/folder/x.md"}, "output: there is no folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            TrainingBenchConfig(**wrong)


def test_a_missing_pytorch_is_said_before_anything_is_measured(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="PyTorch is not installed.*benchmarks/requirements.txt"):
        training_throughput.measure(None, images=2048, repeats=1, matrix_size=16)


def test_an_error_of_the_data_in_a_process_reaches_who_asked(tmp_path):
    worker = Worker("x", training_work.images_and_labels, str(tmp_path), 10)
    with running({"x": worker}), pytest.raises(DataError, match="does not hold cifar-10-batches-bin"):
        worker.receive()
    assert not worker.process.is_alive()


def test_pytorch_is_given_the_same_network():
    pytest.importorskip("torch", reason="PyTorch is for one benchmark only (benchmarks/requirements.txt)")
    model = training_work.torch_model()
    assert sum(parameter.numel() for parameter in model.parameters()) == 528_054


@pytest.mark.slow
@pytest.mark.parametrize("part", ["throughput", "growth"])
def test_a_part_runs_from_the_command_line(part, tmp_path, monkeypatch, capsys):
    if part == "throughput":
        pytest.importorskip("torch", reason="PyTorch is for one benchmark only (benchmarks/requirements.txt)")
    path = tmp_path / "table.md"
    flags = ["--images", "1024", "--repeats", "1", "--matrix-size", "64", "--output", str(path)]
    monkeypatch.setattr(sys, "argv", ["training", "--part", part, *flags])
    assert main() == 0
    text = path.read_text(encoding="utf-8")
    assert text in capsys.readouterr().out and len([line for line in text.splitlines() if line[:1] == "|"]) >= 5
