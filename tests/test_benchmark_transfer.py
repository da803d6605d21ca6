"""The transfer benchmark: what it computes from its runs, what it keeps of them, and one small run of each way."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import transfer, transfer_work
from benchmarks.transfer import GUIDE, OURS, TransferBenchConfig
from benchmarks.transfer_work import Case
from training.checks import ConfigError


def row(seconds: float, accuracy: float, **more: float) -> dict[str, float]:
    return {"seconds": seconds, "cpu_seconds": seconds * 1.5, "accuracy": accuracy, **more}


RUNS = {
    (GUIDE, 1): row(100.0, 0.90),
    (OURS, 1): row(10.0, 0.91, feature_seconds=5.0, again_seconds=0.05),
    (GUIDE, 2): row(80.0, 0.92),
    (OURS, 2): row(4.0, 0.93, feature_seconds=3.0, again_seconds=0.02),
}


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")][2:]


def test_ratios_and_differences_are_taken_within_seeds():
    guide, ours, ratio = cells(transfer.totals_table({"hymenoptera": RUNS}, 2))
    assert guide[2:4] == ["90.0 (80.0–100.0)", "135.0 (120.0–150.0)"] and guide[4].startswith("91.0 (")
    assert ours[2] == "7.0 (4.0–10.0)"
    assert ratio[2:] == ["15.0 (10.0–20.0)", "15.0 (10.0–20.0)", "**+1.0 (+1.0 to +1.0)**"]


def test_the_feature_part_is_compared_with_the_cache_and_with_predict():
    speeds = {"hymenoptera": [{"predict": 200.0, "features": 190.0}, {"predict": 100.0, "features": 99.0}]}
    (line,) = cells(transfer.features_table({"hymenoptera": RUNS}, speeds))
    assert line[1:4] == ["4.000 (3.000–5.000)", "0.035 (0.020–0.050)", "125.0 (100.0–150.0)"]
    assert line[4:] == ["150 (100–200)", "144 (99–190)", "97% (95%–99%)"]


def test_a_benchmark_that_was_cut_goes_on_where_it_was(tmp_path, monkeypatch):
    asked: list[tuple[str, str, int]] = []
    monkeypatch.setattr(transfer, "_extraction", lambda case, repeats: [{"predict": 1.0, "features": 1.0}] * repeats)
    monkeypatch.setattr(
        transfer, "_run", lambda case, way, seed: asked.append((case.name, way, seed)) or RUNS[way, min(seed, 2)]
    )
    settings = {"hymenoptera": "photos", "state": str(tmp_path / "state")}
    transfer.measure(TransferBenchConfig(seeds=1, **settings))
    text = transfer.measure(TransferBenchConfig(seeds=2, data_dir="cifar", **settings))
    of = [(way, seed) for seed in (1, 2) for way in (GUIDE, OURS)]
    assert asked == [("hymenoptera", *pair) for pair in of] + [("cifar10", *pair) for pair in of]
    assert [line[0] for line in cells(text)[:6]] == ["hymenoptera"] * 3 + ["cifar10"] * 3


def test_settings_that_measure_nothing_are_refused(monkeypatch, capsys):
    for wrong, message in (
        ({"seeds": 0}, "seeds, epochs and repeats must be at least 1"),
        ({"images": 10}, "images must lie between"),
        ({"output": "no/such/folder/x.md"}, "output: there is no folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            TransferBenchConfig(**wrong)
    monkeypatch.setattr("sys.argv", ["transfer"])
    with pytest.raises(ConfigError, match="there is nothing to measure"):
        transfer.main()
    assert "left out: --hymenoptera names no folder." in capsys.readouterr().err


def test_both_ways_learn_from_the_same_photographs(shared):
    case = Case("hymenoptera", "mobilenet_0.25_128", str(shared / "data" / "hymenoptera"), 1)
    train, validation = transfer_work._folder_splits(case)
    training, checking, classes = transfer_work._guide_data(case, seed=1)
    labels = np.concatenate([y for _, y in training]), np.concatenate([y for _, y in checking])
    assert (len(train), len(validation), classes) == (244, 153, 2)
    assert [np.bincount(y).tolist() for y in labels] == [np.bincount(split.y).tolist() for split in (train, validation)]


@pytest.mark.slow
def test_each_way_and_the_extraction_run(shared, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(shared / "keras_home"))
    case = Case("hymenoptera", "mobilenet_0.25_128", str(shared / "data" / "hymenoptera"), 10)
    guide, ours = (prepare(case, 1)[1]() for prepare in (transfer_work.prepare_guide, transfer_work.prepare_ours))
    assert guide["accuracy"] > 0.7 and abs(guide["accuracy"] - ours["accuracy"]) < 0.15
    assert 0 < ours["again_seconds"] < ours["feature_seconds"] < ours["seconds"]
    assert set(transfer_work.prepare_extraction(case)[1]()) == {"predict", "features"}
