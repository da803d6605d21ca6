"""Test-time augmentation: the views, their mean, and that the plain numbers stay what they are."""

import json

import keras
import numpy as np
import pytest

from evaluation.predictions import Predictions, read_predictions
from training.checks import ConfigError
from training.config import TrainConfig
from training.datasets.dataset import Dataset, Split
from training.predictions import LogitScorer, predict
from training.resume import Start, _clear
from training.run import new_run
from training.train import train
from training.views import VIEWS, predict_views, view_of, views_section


def test_a_moved_view_is_the_shifted_image_with_reflected_edges(rng):
    x = rng.integers(0, 256, (3, 5, 6, 2)).astype(np.uint8)
    down, up = view_of(x, 1, False), view_of(x, -1, True)
    np.testing.assert_array_equal(down[:, 1:, 1:], x[:, :-1, :-1])
    np.testing.assert_array_equal(down[:, 0, 1:], x[:, 1, :-1])
    np.testing.assert_array_equal(up[:, :-1, ::-1][:, :, :-1], x[:, 1:, 1:])
    np.testing.assert_array_equal(view_of(view_of(x, 0, True), 0, True), x)


@pytest.mark.parametrize("name", VIEWS)
def test_weights_of_the_views_sum_to_one_and_views_differ(name, rng):
    x = rng.integers(0, 256, (1, 6, 6, 3)).astype(np.uint8)
    assert sum(weight for _, _, weight in VIEWS[name]) == pytest.approx(1)
    pictures = {view_of(x, move, mirrored).tobytes() for move, mirrored, _ in VIEWS[name]}
    assert len(pictures) == len(VIEWS[name]) == {"mirror": 2, "mirror_shift": 6}[name]


@pytest.fixture
def scene(rng):
    """A linear model, whose mean logits can be computed by hand, and a data set for it."""
    pixels = keras.Input((5, 4, 1), name="pixels")
    logits = keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels)))
    model = keras.Model(pixels, keras.layers.Activation("softmax", name="probabilities")(logits))
    x = rng.integers(0, 256, (300, 5, 4, 1)).astype(np.uint8)
    split = Split(x, np.arange(300) % 3, np.arange(300).astype(str))
    return model, split, Dataset("npz", "image", "classification", split, split, split, ("a", "b", "c"), "0")


@pytest.mark.parametrize("name", VIEWS)
def test_scores_are_those_of_the_mean_logits(scene, name):
    model, split, data = scene
    found = predict_views(LogitScorer(model), split, data, name)
    # A linear model's mean logit is its logit of the mean picture.
    mean = sum(weight * view_of(split.x.astype(float), move, flip) for move, flip, weight in VIEWS[name])
    np.testing.assert_allclose(found.y_score, np.asarray(model(mean)), atol=1e-5)
    plain = predict(model, split, data)
    assert np.abs(found.y_score - plain.y_score).max() > 1e-3
    np.testing.assert_array_equal(found.ids, plain.ids)


def predictions(hits) -> Predictions:
    """Two classes, all of the first; scores right where `hits` says so."""
    scores = np.where(np.array(hits, bool)[:, None], [[0.9, 0.1]], [[0.2, 0.8]])
    return Predictions(
        ids=np.arange(len(hits)), y_true=np.zeros(len(hits), int), y_score=scores, labels=("a", "b"), positive="b"
    )


def test_the_section_counts_what_the_views_mend_and_break():
    section = views_section(predictions([1, 1, 0, 0, 1]), predictions([1, 0, 1, 1, 1]), "mirror")
    assert section.numbers["mended"] == 2 and section.numbers["broken"] == 1
    assert section.numbers["plain"]["correct"] == 3 and section.numbers["views"]["accuracy"] == 0.8
    assert [row[1] for row in section.table[1]] == ["60.00%", "80.00%"]
    assert section.paragraphs[1] == "The views mend 2 images and break 1."
    harmful = views_section(predictions([1, 1, 0]), predictions([0, 0, 0]), "mirror")
    assert harmful.paragraphs[1].startswith("The views mend 0 images and break 2. They do harm here")


def test_a_run_states_the_views_apart_and_its_own_numbers_stay(npz, tmp_path):
    settings = {"model": "gap_cnn", "dataset": "npz", "data_dir": str(npz), "epochs": 1, "precision": "float32"}
    settings |= {"verbose": "silent", "hyperparameters": {"filters": [4]}, "deterministic": True}
    plain = train(TrainConfig(**settings, runs_dir=str(tmp_path / "plain")))
    several = train(TrainConfig(**settings, tta="mirror", runs_dir=str(tmp_path / "several")))
    scores = [read_predictions(one.run.predictions / "test.csv").y_score for one in (plain, several)]
    np.testing.assert_array_equal(*scores)
    views = read_predictions(several.run.predictions / "test_views.csv")
    assert not np.array_equal(views.y_score, scores[0])
    record = several.run.read_record()["views"]
    assert record["views"]["accuracy"] == (views.y_score.argmax(axis=1) == views.y_true).mean()
    report = json.loads((several.run.report / "report.json").read_text())
    assert report["splits"]["test"]["accuracy"]["estimate"] == record["plain"]["accuracy"]
    assert [section["title"] for section in report["sections"]] == ["Test-time augmentation"]


def test_a_run_that_goes_on_drops_the_views_of_before(tmp_path):
    run = new_run(str(tmp_path), "train", "gap_cnn", "npz")
    run.predictions.mkdir()
    (run.predictions / "test_views.csv").touch()
    run.update_record(views={"views": {"accuracy": 0.5}}, seed=1)
    _clear(run, run.read_record(), Start(run, TrainConfig(), None, None, ()), epochs=3)
    record = run.read_record()
    assert not list(run.predictions.iterdir()) and "views" not in record and record["seed"] == 1


def test_views_of_a_table_that_only_the_file_shows_are_refused_before_training(tmp_path, rng):
    np.savez(tmp_path / "table.npz", x_train=rng.normal(size=(60, 4)).astype(np.float32), y_train=np.arange(60) % 3)
    settings = {"model": "mlp_classifier", "dataset": "npz", "data_dir": str(tmp_path / "table.npz"), "epochs": 1}
    with pytest.raises(ConfigError, match="tta averages over views of images that are classified"):
        train(TrainConfig(**settings, tta="mirror", runs_dir=str(tmp_path / "runs"), verbose="silent"))


def test_views_of_a_table_are_refused():
    with pytest.raises(ConfigError, match="is for images"):
        TrainConfig(model="mlp_classifier", dataset="breast_cancer", tta="mirror")
