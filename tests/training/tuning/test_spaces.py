"""Every space offers only what its factory and a training accept; the ready grids hold what they say."""

import dataclasses
import re

import keras_tuner
import numpy as np
import pytest
import yaml

import models
from models.catalog import CATALOG
from tests.conftest import ROOT
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.tuning.points import TUNABLE, check_objective, setting
from training.tuning.spacefile import describe, read_space
from training.tuning.spaces import SPACES

DATASETS = {"logistic_regression": "breast_cancer", "linear_regression": "diabetes", "mlp_regressor": "diabetes"}
FILES = sorted((ROOT / "configs/spaces").glob("*.yaml"))
PINNED = yaml.safe_load((ROOT / "tests/training/tuning/spaces.yaml").read_text())


def drawn(space, seed: int) -> dict:
    """The settings of a random point."""
    hp = keras_tuner.HyperParameters()
    for _ in range(3):  # conditions become active one after another
        space(hp)
        for number, one in enumerate(hp.space):
            hp.values[one.name] = one.random_sample(seed * 100 + number)
    return space(hp)


def test_every_factory_that_a_gradient_trains_has_a_space():
    assert set(SPACES) == {name for name, entry in CATALOG.items() if entry.gradient}


NEW = [name for name in SPACES if not CATALOG[name].from_file]


@pytest.mark.parametrize("model", NEW)
def test_every_point_is_accepted_by_the_factory_and_the_training(model):
    base = TrainConfig(model=model, dataset=DATASETS.get(model, "digits"))
    for seed in range(30):
        config = setting(base, drawn(SPACES[model], seed))
        models.check_hyperparameters(model, config.hyperparameters)


@pytest.mark.parametrize("model", NEW)
def test_a_point_of_the_space_can_be_built(model):
    entry = CATALOG[model]
    shape, classes = ((30,), 2) if DATASETS.get(model) else ((32, 32, 3), 10)
    config = setting(TrainConfig(model=model, dataset=DATASETS.get(model, "digits")), drawn(SPACES[model], 1))
    network = models.build(model, shape, 0 if entry.task == "regression" else classes, **config.hyperparameters)
    assert network(np.zeros((1, *shape), np.float32)).shape[0] == 1


@pytest.mark.parametrize("model", SPACES)
def test_the_space_is_as_documented(model):
    hp = keras_tuner.HyperParameters()
    SPACES[model](hp)
    assert describe(hp) == PINNED[model]


def test_settings_of_a_training_and_keywords_of_factories_share_no_name():
    keywords = {name for model in CATALOG for name in models.accepted_hyperparameters(model)}
    assert not keywords & set(TrainConfig.__dataclass_fields__)
    assert set(TUNABLE) <= set(TrainConfig.__dataclass_fields__)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ready_grid_has_as_many_points_as_its_comment_says(path):
    text = path.read_text()
    names = set()
    for name, value in yaml.safe_load(text).items():
        names |= set(next(iter(value["sets"].values()))) if isinstance(value, dict) and "sets" in value else {name}
    fitting = [name for name in SPACES if names <= {*TUNABLE, *keywords(name)}]
    assert fitting
    hp = keras_tuner.HyperParameters()
    read_space(path, keywords(fitting[0]))(hp)
    assert int(re.search(r"\(([\d,]+) points\)", text)[1].replace(",", "")) == np.prod(
        [len(one.values) for one in hp.space]
    )


def test_the_budget_of_parameters_is_kept_and_counted_right():
    text = (ROOT / "configs/spaces/cifar_cnn_budget.yaml").read_text()
    counts = [int(one.replace(",", "")) for one in re.findall(r"# (\d{3},\d{3})\b(?! parameters, ±)", text)]
    networks = yaml.safe_load(text)["network"]["sets"]
    found = [models.build("cifar_cnn", (32, 32, 3), 10, **one).count_params() for one in networks.values()]
    assert found == counts and all(abs(count / 528_054 - 1) < 0.1 for count in found)


def keywords(model: str) -> list[str]:
    return models.accepted_hyperparameters(model)


def test_what_the_search_found_is_a_point_of_its_space():
    found = from_yaml(ROOT / "configs/cifar_searched.yaml")
    network = models.build(found.model, (32, 32, 3), 10, **found.hyperparameters)
    assert network.count_params() == 535_738 and abs(network.count_params() / 528_054 - 1) < 0.1
    ranges = {
        one.name: one for one in read_space(ROOT / "configs/spaces/cifar_cnn_budget.yaml", keywords("cifar_cnn")).ranges
    }
    point = dataclasses.asdict(found) | found.hyperparameters
    assert any(all(point[name] == value for name, value in one.items()) for one in ranges.pop("network").sets.values())
    assert all(point[name] in one.values for name, one in ranges.items())


def test_a_file_gives_lists_conditions_and_fixed_values(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("filters: [[4], [4, 8]]\noptimizer: [adam, sgd]\nl2: 0.01\nema: [null, 0.9]\n")
    with open(path, "a") as file:
        file.write("momentum: {values: [0, 0.9], when: {optimizer: sgd}}\nepochs: {low: 2, high: 8, step: 2}\n")
    space = read_space(path, keywords("gap_cnn"))
    points = [drawn(space, seed) for seed in range(40)]
    assert {tuple(point["filters"]) for point in points} == {(4,), (4, 8)}
    assert all(("momentum" in point) == (point["optimizer"] == "sgd") for point in points)
    assert {point["ema"] for point in points} == {None, 0.9} and {point["l2"] for point in points} == {0.01}
    assert {point["epochs"] for point in points} == {2, 4, 6, 8}


SETS = """
network:
  sets:
    narrow: {filters: [4], kernel_size: 3}
    wide: {filters: [8, 16], kernel_size: 2}
l2: {values: [0.0, 0.1], when: {network: wide}}
"""


def test_a_file_gives_settings_that_go_together(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SETS)
    space = read_space(path, keywords("gap_cnn"))
    points = [drawn(space, seed) for seed in range(40)]
    assert {(*point["filters"], point["kernel_size"]) for point in points} == {(4, 3), (8, 16, 2)}
    assert all(("l2" in point) == (point["kernel_size"] == 2) and "network" not in point for point in points)
    assert space.sets == {"network": yaml.safe_load(SETS)["network"]["sets"]}
    path.write_text(yaml.safe_dump(space.described(), sort_keys=False))
    assert read_space(path, keywords("gap_cnn")) == space


def test_switches_stay_switches(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("nesterov: [false, true]\n")
    space, hp = read_space(path, keywords("gap_cnn")), keras_tuner.HyperParameters()
    assert space(hp)["nesterov"] is False
    hp.values["nesterov"] = "true"
    assert space(hp)["nesterov"] is True


def test_a_file_that_was_written_out_gives_the_same_space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("units: [[8], [16, 8]]\nlearning_rate: {low: 0.001, high: 0.1, sampling: log, default: 0.01}\n")
    space = read_space(path, keywords("mlp_classifier"))
    path.write_text(yaml.safe_dump(space.described(), sort_keys=False))
    assert read_space(path, keywords("mlp_classifier")) == space


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learnig_rate: [1]", "learnig_rate: neither .* takes it. Did you mean learning_rate?"),
        ("units: [[8]]", "units: neither the factory nor a training takes it."),
        ("batch_size: []", "batch_size: values must be a list with at least one value."),
        ("batch_size: [32, 32]", "batch_size: values must differ. Received: [32, 32]."),
        ("batch_size: {low: 8, high: 4}", "low must be below high. Received: low=8, high=4."),
        ("learning_rate: {low: 0, high: 1, sampling: log}", "sampling log needs a low above 0. Received: low=0."),
        ("l2: {low: a, high: 1}", "low and high must be numbers."),
        (
            "l2: {lo: 0, high: 1}",
            "expected some of values, sets, low, high, step, sampling, default, when.",
        ),
        ("l2: {low: 0, high: 1, default: 2}", "default must lie in the range. Received: 2."),
        ("momentum: {values: [0.9], when: {optimizer: sgd}}", "when names optimizer, which does not stand above it."),
        (
            "optimizer: [adam]\nmomentum: {values: [0.9], when: {optimizer: [sgd]}}",
            "when can never hold: optimizer is one of ['adam']. Received: ['sgd'].",
        ),
        ("a: {sets: {b: 3}}", "a: sets must be names, each with its settings"),
        ("a: {sets: {}}", "a: sets must be names, each with its settings"),
        ("a: {sets: {b: {l2: 0}}, low: 1}", "a: sets and low exclude each other."),
        (
            "a: {sets: {b: {ephocs: 1}}}",
            "a: b, ephocs: neither the factory nor a training takes it. Did you",
        ),
        ("a: {sets: {b: {l2: 0}, c: {epochs: 1}}}", "a: all sets must give l2. c: epochs."),
        ("a: {sets: {b: {l2: 0}}, default: c}", "a: default must be one of ['b']. Received: c."),
        ("a: {sets: {1: {l2: 0}}}", "a: names of sets must be words. Received: [1]."),
        ("l2: {sets: {b: {l2: 0}}}", "l2: a choice of sets has a name of its own, not that of a setting."),
        ("l2: [0]\na: {sets: {b: {l2: 0}}}", "l2 stands in l2 and in a. Give it one place."),
        ("optimizer: [adam, sdg]", "optimizer: expected one of adam, adamw, sgd, rmsprop"),
        ("epochs: {low: 5, high: 20.5}", "epochs: expected a whole number"),
        ("nesterov: [0, 1]", "nesterov: expected true or false, received 0"),
        ("a: {sets: {b: {schedule: cosin}}}", "a: schedule: expected one of constant, cosine"),
        ("[1, 2]", "must hold one range a line"),
        ("a: [", "cannot be read"),
    ],
)
def test_an_impossible_space_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_space(path, keywords("gap_cnn"))
    shown = str(caught.value)
    assert re.search(message if ".*" in message else re.escape(message), shown) and "\n" not in shown
    assert str(path) in shown


def test_a_loss_that_the_space_changes_cannot_rank():
    with pytest.raises(ConfigError, match="val_loss cannot rank these trials: l2 is part of the loss"):
        check_objective("val_loss", ["optimizer", "l2"])
    check_objective("val_accuracy", ["l2"])


def test_a_point_that_moves_nothing_needs_no_filling():
    base = TrainConfig(shift=2.0, fill="reflect")
    assert setting(base, {"shift": 0.0, "rotation": 0.0}).fill == "edge"
    assert setting(base, {"shift": 0.1}).fill == setting(base, {}).fill == "reflect"
