"""Settings of a search: what is refused, and what is left to be chosen."""

import pytest

from training.checks import ConfigError
from training.tuning.config import TuneConfig, read_settings, seconds_of, write_settings


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("1h30m", 5400), ("90s", 90), ("1.5H", 5400)])
def test_a_duration_is_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0m", "soon", "30", "-5m", "5m1h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match="time must be a duration such as 30m, 1h30m or 90s. Received: time="):
        seconds_of(text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_trials": 0}, "max_trials must be at least 1. Received: max_trials=0."),
        ({"seeds": 0}, "seeds must be at least 1. Received: seeds=0."),
        ({"folds": 1}, "folds must be 0 .none. or at least 2. Received: folds=1."),
        ({"folds": 3, "seeds": 2}, "folds and seeds exclude each other. Received: folds=3, seeds=2."),
        ({"objective": "val_mae"}, "cifar_cnn does classification, which has no val_mae."),
        ({"strategy": "multiworker"}, "a search trains each trial on one machine."),
    ],
)
def test_an_impossible_setting_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TuneConfig(**settings)


def test_the_budget_is_bounded_where_the_user_leaves_it_open():
    assert TuneConfig().trials == 25
    assert TuneConfig(algorithm="grid").trials is None
    assert TuneConfig(time="1h").trials is None
    assert TuneConfig(time="1h", max_trials=7).trials == 7


def test_the_objective_is_free_of_penalties_by_default():
    assert TuneConfig().goal == ("val_accuracy", "max")
    assert TuneConfig(model="mlp_regressor", dataset="diabetes").goal == ("val_mae", "min")


def test_settings_come_back_from_their_file(tmp_path):
    config = TuneConfig(algorithm="bayesian", seeds=3, time="2h", hyperparameters={"l2": 0.1})
    path = tmp_path / "config.yaml"
    path.write_text(write_settings(config))
    assert read_settings(path) == config
    path.write_text("algorithm: guess\n")
    with pytest.raises(ConfigError, match="config.yaml cannot be read as settings: algorithm: expected one of grid"):
        read_settings(path)
