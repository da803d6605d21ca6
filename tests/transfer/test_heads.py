"""A search of heads: features once, trials on them, and at the end one network that takes raw pixels."""

from __future__ import annotations

import subprocess

import keras
import numpy as np
import pytest

import models
from evaluation.predictions import read_predictions
from tests.conftest import ROOT, user_environment
from tests.transfer.runs import blobs, lively_weights, quick_search, search_config, use_short_mobilenet
from training.checkpoint import load_model, read_metadata
from training.checks import ConfigError
from training.resume import AlreadyFinished
from training.run import Run, RunError
from training.tuning.resume import ResumeTuneConfig
from transfer.pretrained.catalog import TransferError
from transfer.search import heads
from transfer.search.config import RECORD, PretrainedSearchConfig
from transfer.source import load_source

OLD_NAMES = "ignore:(currentThread|getName)\\(\\) is deprecated:DeprecationWarning"  # keras-tuner's


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    with pytest.MonkeyPatch.context() as patch:
        use_short_mobilenet(patch)
        quick_search(patch)
        blobs(folder)
        lively_weights(folder)
        (folder / "space.yaml").write_text("learning_rate: [0.1, 0.01]\n")
        yield folder


def config_for(folder, **changes) -> PretrainedSearchConfig:
    own = {"space": str(folder / "space.yaml"), "algorithm": "grid", "epochs": 3}
    return search_config(folder, **own | changes)


@pytest.fixture(scope="module")
def found(folder):
    return heads.tune_head(config_for(folder))


@pytest.mark.filterwarnings(OLD_NAMES)
def test_the_network_takes_pixels_and_says_what_the_tested_head_said(found, folder):
    network, search = load_model(found.network), found.search
    data = load_source(heads.read_record(search.run).transfer).data
    assert network.input_shape == (None, 8, 8, 1) and read_metadata(found.network)["class_names"] == list(
        data.class_names
    )
    tested = read_predictions(search.conclusion.result.predictions / "test.csv")
    order = [list(data.test.ids).index(name) for name in tested.ids]
    np.testing.assert_allclose(network.predict(data.test.x[order], verbose=0), tested.y_score, atol=1e-4)
    assert len(search.rows) == 2 and {row.status for row in search.rows} == {"completed"}


@pytest.mark.filterwarnings(OLD_NAMES)
def test_features_are_computed_once_and_a_network_that_is_lacking_is_put_together(found, folder, monkeypatch):
    monkeypatch.setattr("transfer.bottleneck.extraction.Extractor.batches", None)  # nothing may be computed again
    request = ResumeTuneConfig(str(found.search.run.path), verbose="silent")
    with monkeypatch.context() as patch, pytest.raises(AlreadyFinished, match="is complete: 2 trials"):
        patch.setattr(heads, "load_source", None)  # nor loaded, where nothing is to be done
        heads.go_on(request)
    before = load_model(found.network).get_weights()
    found.network.unlink()
    for table in (folder / "runs/features").glob("*.npz"):
        table.unlink()  # written again from the cache
    again = heads.go_on(request)
    assert again.search is None and again.network == found.network
    for left, right in zip(load_model(again.network).get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.filterwarnings(OLD_NAMES)
def test_a_head_that_is_not_what_was_searched_is_never_saved(found, folder, monkeypatch):
    place = heads.read_record(found.search.run)
    source = load_source(place.transfer)
    source.backbone.set_weights([weight * 1.5 for weight in source.backbone.get_weights()])
    body = heads.features_model(source, "last")
    monkeypatch.setattr(heads, "features_model", lambda *_: body)
    predict, calls = body.predict, []

    def other(images, **keywords):
        calls.append(1)
        return predict(images, **keywords) + 1

    monkeypatch.setattr(body, "predict", other)
    before = found.network.read_bytes()
    with pytest.raises(RuntimeError, match="the network with its head differs by"):
        heads.attach(found.search.run, place, source)
    assert calls and found.network.read_bytes() == before


def test_head_and_body_may_both_prepare_their_input_and_the_body_is_frozen():
    inputs = keras.Input((2, 2, 3), name="pixels")
    x = keras.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 4.0, 4.0], name="normalization")(inputs)
    body = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 1, name="conv")(x)))
    head = models.build("mlp_classifier", (4,), 3, units=(5,), mean=[1.0] * 4, variance=[2.0] * 4)
    whole = heads.joined(body, head, name="whole")
    images = np.random.default_rng(0).uniform(0, 255, (3, 2, 2, 3)).astype("float32")
    np.testing.assert_allclose(whole(images), head(body(images)), atol=1e-6)
    assert [layer.name for layer in whole.layers][-2:] == ["logits", "probabilities"]
    assert {variable.path.split("/")[0] for variable in whole.trainable_variables} == {"head_hidden1", "logits"}


def test_what_is_no_search_of_heads_is_refused(tmp_path):
    run = Run(tmp_path / "runs/tune/x-001")
    run.path.mkdir(parents=True)
    run.config.write_text("model: cifar_cnn\n")
    with pytest.raises(RunError, match=r"Is .*x-001 a search of make tune BACKBONE=…\?"):
        heads.go_on(ResumeTuneConfig(str(run.path)))
    (run.path / RECORD).write_text("backbone: [")
    with pytest.raises(RunError, match="cannot be read"):
        heads.go_on(ResumeTuneConfig(str(run.path)))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": "gap_cnn"}, ConfigError, "a head is one of softmax_regression, .* Received: model=gap_cnn"),
        ({"flip": "horizontal"}, ConfigError, "so flip has no place here"),
        ({"backbone": "vgg"}, TransferError, "Unknown backbone. Did you mean 'vgg19'"),
        ({"cut": "middel"}, TransferError, "has no such cut. Expected one of early, middle, late, last"),
    ],
)
def test_a_head_that_cannot_be_searched_is_refused(tmp_path, changes, error, message):
    blobs(tmp_path)
    settings = {"weights": "none", "space": None}
    with pytest.raises(error, match=message):
        config_for(tmp_path, **settings | changes)


def test_make_tune_searches_heads_where_a_backbone_is_named(tmp_path):
    def asked(*given: str) -> str:
        line = ["make", "-n", "tune", "VENV=x", *given]
        return subprocess.run(line, cwd=ROOT, env=user_environment(), capture_output=True, text=True).stdout

    shown = asked("BACKBONE=vgg16", "CUT=early", "MAX_TRIALS=3")
    assert "-m transfer.tune " in shown and "--backbone 'vgg16'" in shown and "--cut 'early'" in shown
    assert "-m training.tune " in asked("MAX_TRIALS=3") and "--cut" not in asked("CUT=early")
    (tmp_path / RECORD).write_text("backbone: vgg16\n")
    assert "-m transfer.tune " in asked(f"RESUME={tmp_path}")
