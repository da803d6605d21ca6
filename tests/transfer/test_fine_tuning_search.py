"""A search of fine-tuning: one head, trials that go on from it, and a network from raw pixels at its end."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from tests.transfer.runs import blobs, lively_weights, quick_report, quick_search, search_config, use_short_mobilenet
from training.checkpoint import load_model
from training.checks import ConfigError
from training.config import from_yaml
from training.resume import AlreadyFinished
from training.run import Run
from training.tuning import session
from training.tuning.resume import ResumeTuneConfig
from transfer.cases import CASES
from transfer.pretrained.catalog import BACKBONES, cut_layer
from transfer.search import heads
from transfer.search.config import PretrainedSearchConfig
from transfer.search.finetuning import space_of, tune_fine_tuning

pytestmark = pytest.mark.filterwarnings(
    "ignore:(currentThread|getName)\\(\\) is deprecated:DeprecationWarning"  # keras-tuner's
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fine")
    with pytest.MonkeyPatch.context() as patch:
        use_short_mobilenet(patch)
        quick_report(patch)
        quick_search(patch)
        blobs(folder)
        lively_weights(folder)
        yield folder


def config_for(folder, **changes) -> PretrainedSearchConfig:
    return search_config(folder, **{"fine_tune": True, "epochs": 1, "max_trials": 1} | changes)


@pytest.fixture(scope="module")
def found(folder):
    return tune_fine_tuning(config_for(folder))


def test_every_trial_goes_on_from_one_head_on_the_same_split(found, folder):
    head = next((folder / "runs/transfer").iterdir())
    settings = from_yaml(found.run.path / "best.yaml")
    assert settings.model == "saved" and settings.start == str((head / "model.keras").resolve())
    records = [run.read_record() for run in (Run(head), found.run, found.conclusion.result)]
    assert len({record["data"]["digest"] for record in records}) == 1
    assert records[0]["reported"] == ["validation"] and not (head / "predictions/test.csv").exists()
    assert [row.status for row in found.rows] == ["completed"]
    space = yaml.safe_load((found.run.path / "space.yaml").read_text())
    assert space["frozen_up_to"]["values"] == ["nothing", "conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu"]


def test_its_end_is_a_network_from_raw_pixels_whose_frozen_batch_norms_are_the_given_ones(found, folder):
    network, given = load_model(found.conclusion.result.model), load_model(folder / "lively.keras")
    assert network.input_shape == (None, 8, 8, 1) and network.output_shape == (None, 3)
    for layer in given.layers:
        if layer.name.endswith("_bn"):
            for left, right in zip(layer.get_weights(), network.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(left, right)


def test_what_is_left_open_is_the_notes_case_3(folder):
    case = CASES["3"]
    settings = config_for(folder).on_images(folder / "start.keras", folder / "space.yaml").training
    assert settings.learning_rate == case.phases[-1].learning_rate
    assert (settings.shift, settings.flip) == (case.augmentation.shift, case.augmentation.flip)
    assert settings.hyperparameters == {"frozen_up_to": "nothing"}
    given = config_for(folder, learning_rate=0.01, rotation=5.0).on_images(folder / "a.keras", folder / "b.yaml")
    assert (given.learning_rate, given.rotation, given.shift, given.flip) == (0.01, 5.0, 0.0, "none")


def test_it_is_complete_and_says_so_to_the_command_that_goes_on(found):
    with pytest.raises(AlreadyFinished, match="is complete: 1 trial,"):
        session.go_on(ResumeTuneConfig(str(found.run.path), verbose="silent"))


def test_it_goes_on_by_the_command_that_searches_heads_too(found):
    with pytest.raises(AlreadyFinished, match="is complete: 1 trial,"):
        heads.go_on(ResumeTuneConfig(str(found.run.path), verbose="silent"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "grid", "max_trials": None}, "a grid over the ranges of fine-tuning has more than 2,000 points"),
        ({"objective": "val_loss"}, "val_loss cannot rank these trials: label_smoothing"),
        ({"space": "/no/such.yaml"}, "space /no/such.yaml cannot be read"),
        ({"workers": 0}, "workers 0 leaves all trials to other machines"),
        ({"hyperparameters": {"width": 3}}, "saved does not take the keyword 'width'"),
        ({"folds": 3}, "folds judge on parts of the training images"),
    ],
)
def test_what_could_not_be_searched_is_refused_before_the_head_is_trained(folder, monkeypatch, changes, message):
    monkeypatch.setattr("transfer.search.finetuning.load_source", None)
    with pytest.raises(ConfigError, match=message):
        tune_fine_tuning(config_for(folder, **changes))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_space_of_every_backbone_freezes_at_its_own_cuts(backbone):
    ranges = yaml.safe_load(space_of(backbone))
    cuts = [cut_layer(backbone, name) for name in ("early", "middle", "late")]
    assert ranges["frozen_up_to"] == ["nothing", *cuts]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": "mlp_classifier"},
            "fine_tune starts from the whole network with a linear head. Received: model=mlp",
        ),
        ({"cut": "early"}, "Received: cut=early"),
        ({"fine_tune": False, "flip": "horizontal"}, "make tune with FINE_TUNE=1, train on changed images"),
    ],
)
def test_what_contradicts_it_is_refused(folder, changes, message):
    with pytest.raises(ConfigError, match=message):
        config_for(folder, **changes)
