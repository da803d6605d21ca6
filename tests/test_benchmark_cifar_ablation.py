"""The ablation of the speed recipe: each row leaves out what it says, and a lost training is said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmarks import cifar_ablation
from benchmarks.cifar_ablation import FULL, LEFT_OUT, AblationConfig, differences, measure, table, without
from training.checks import ConfigError, TrainingDiverged
from training.datasets.dataset import Dataset, Split


@pytest.mark.parametrize("name", LEFT_OUT)
def test_each_row_changes_what_it_names_and_nothing_else(name):
    base = AblationConfig().training
    changed = without(base, LEFT_OUT[name])
    different = {
        field.name for field in dataclasses.fields(base) if getattr(base, field.name) != getattr(changed, field.name)
    }
    assert different == {key for key in LEFT_OUT[name] if key not in ("rate_start", "rate_end", "patience")} | (
        {"rate_start", "rate_end", "patience"} & different
    )
    assert different and changed.hyperparameters.items() >= base.hyperparameters.items()


def test_the_bias_of_the_whitening_freezes_after_a_third_of_a_short_run_too():
    assert AblationConfig(epochs=4).training.freeze_after == {"whitening/bias": 1}
    assert AblationConfig(epochs=10).training.freeze_after == {"whitening/bias": 3}


def test_differences_are_taken_seed_by_seed_and_a_lost_training_has_none():
    text = table({FULL: [0.8, 0.9], "flips": [0.7, 0.8], "Lookahead": [None, 0.8]})
    assert "| 85.0 ± 7.1 " in text and "**−10.0 (−10.0 to −10.0)**" in text
    assert "diverged with 1 of 2 seeds" in text


def test_intervals_take_the_residual_spread_of_a_two_way_table():
    found = {FULL: [0.8, 0.9], "a": [0.81, 0.89], "b": [0.7, 0.84], "c": [None, 0.5]}
    table_ = np.array([found[name] for name in (FULL, "a", "b")])
    design = np.array([[way == 1, way == 2, 1, seed] for way in range(3) for seed in range(2)], np.float64)
    _, (squares,), *_ = np.linalg.lstsq(design, table_.ravel(), rcond=None)  # ways and seeds as a linear model
    half = stats.t.ppf(0.975, 2) * np.sqrt(squares / 2 * 2 / 2)
    estimates = differences(found)
    assert list(estimates) == ["a", "b"]
    assert estimates["b"].value == pytest.approx(-0.08)
    assert (estimates["b"].low, estimates["b"].high) == pytest.approx((-0.08 - half, -0.08 + half))
    assert differences({FULL: [0.8], "a": [0.7]})["a"].low is None
    assert differences({FULL: [None], "a": [0.7]}) == {}


def test_the_successor_keeps_its_own_settings_but_for_length_and_width():
    short = AblationConfig(epochs=3, filters=(16, 64, 64)).by_muon
    assert (short.optimizer, short.epochs, short.freeze_after, short.tta) == ("muon", 3, {}, "none")
    assert short.hyperparameters == {"whitening_bias": False, "filters": [16, 64, 64]}


def test_it_goes_on_where_it_was_cut(tmp_path, monkeypatch, capsys):
    random = np.random.default_rng(0)

    def part(count):
        return Split(
            random.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8), np.arange(count) % 10, np.arange(count)
        )

    data = Dataset("little", "image", "classification", part(40), part(20), part(20), tuple("abcdefghij"), "x")
    monkeypatch.setattr("training.train.load_data", lambda config: data)
    monkeypatch.setattr(cifar_ablation, "LEFT_OUT", {name: LEFT_OUT[name] for name in ("label smoothing",)})
    config = AblationConfig(epochs=1, filters=(4, 8, 8), seeds=1, precision="float32", state=str(tmp_path))
    first = measure(config)
    assert f"| {FULL} " in first and "| label smoothing " in first and "n = 1 seeds" in first
    capsys.readouterr()
    assert measure(config) == first and not capsys.readouterr().err

    def lost(*_, **__):
        raise TrainingDiverged("lost")

    monkeypatch.setattr("training.tuning.runner.train_once", lost)
    assert measure(dataclasses.replace(config, epochs=2)).count("diverged with 1 of 1 seeds") == 3


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="must be at least 1"):
        AblationConfig(seeds=0)
    with pytest.raises(ConfigError, match="there is no folder"):
        AblationConfig(output="/no/such/place/a.md")
