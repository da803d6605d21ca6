"""A final fit trains on validation too, keeps the last epoch, chooses and reports nothing but the test set."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest

from training.callbacks import BestModel
from training.checkpoint import load_model
from training.checks import ConfigError
from training.config import TrainConfig
from training.datasets.dataset import Dataset, Split
from training.datasets.files import ImageFiles
from training.evaluate import EvaluateRunConfig, evaluate_run
from training.explain import trained_on
from training.finalfit import Joined, with_validation
from training.reproduce import compare
from training.resume import AlreadyFinished, ResumeConfig, resume
from training.run import RunError
from training.runs import RunsConfig, list_runs
from training.train import load_data, train
from training.tuning.config import TuneConfig
from training.unfinished import is_reported, newest_unfinished


def config_for(npz, tmp_path, **changes) -> TrainConfig:
    settings = {
        "model": "gap_cnn",
        "dataset": "npz",
        "data_dir": str(npz),
        "epochs": 2,
        "batch_size": 16,
        "hyperparameters": {"filters": [4]},
        "runs_dir": str(tmp_path / "runs"),
        "precision": "float32",
        "verbose": "silent",
        "final_fit": True,
        "deterministic": True,
    }
    return TrainConfig(**settings | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A final fit that other tests read, and where its data is."""
    folder = tmp_path_factory.mktemp("final")
    random = np.random.default_rng(0)
    np.savez(
        folder / "a.npz", x_train=random.integers(0, 256, (90, 8, 8, 1)).astype(np.uint8), y_train=np.arange(90) % 3
    )
    return train(config_for(folder / "a.npz", folder))


def columns(path) -> dict[str, list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, zip(*rows, strict=True), strict=True))


def test_train_holds_validation_too_and_the_test_set_stays_apart(npz, tmp_path):
    plain, joined = (load_data(config_for(npz, tmp_path, final_fit=final)) for final in (False, True))
    assert joined.train.ids.tolist() == [*plain.train.ids, *plain.validation.ids]
    np.testing.assert_array_equal(joined.train.x[:], np.concatenate([plain.train.x, plain.validation.x]))
    np.testing.assert_array_equal(joined.train.y, np.concatenate([plain.train.y, plain.validation.y]))
    assert not set(joined.train.ids) & set(joined.test.ids) and joined.digest == plain.digest
    assert "trained on together" in joined.notes[-1]


def test_the_last_epoch_is_kept_and_history_has_no_validation(finished):
    history = columns(finished.run.history)
    assert finished.best_epoch == 2 and not [name for name in history if name.startswith("val_")]
    assert finished.verdict.kind == "final fit" and finished.run.curves.is_file()
    assert finished.run.read_record()["best_epoch"] == 2
    assert load_model(finished.run.model).count_params() > 0


def test_only_the_test_set_is_predicted_and_reported(finished):
    run = finished.run
    assert sorted(path.name for path in run.predictions.iterdir()) == ["test.csv"]
    assert list(json.loads((run.report / "report.json").read_text())["splits"]) == ["test"]
    assert set(columns(run.path / "splits.csv")["split"]) == {"train", "test"}
    again = evaluate_run(EvaluateRunConfig(run=str(run.path)))
    assert list(again.data["splits"]) == ["test"]
    assert "a final fit on train and validation" in (run.report / "index.html").read_text(encoding="utf-8")


def test_it_is_complete_without_predictions_on_validation(finished):
    assert is_reported(finished.run)
    with pytest.raises(AlreadyFinished, match="is complete: finished after epoch 2"):
        resume(ResumeConfig(resume=str(finished.run.path)))
    with pytest.raises(RunError, match="there is no unfinished run"):
        newest_unfinished(finished.run.path.parent.parent)


def test_sizes_count_each_image_once(finished):
    page = (finished.run.report / "index.html").read_text(encoding="utf-8")
    assert "npz, train 72, test 18" in page and "validation 1" not in page


def test_no_rule_chooses_on_the_test_set(finished):
    with pytest.raises(ConfigError, match=r"is a final fit: no validation split is left .* Received: rule=youden\."):
        evaluate_run(EvaluateRunConfig(run=str(finished.run.path), rule="youden"))


def test_an_explanation_says_that_validation_was_trained_on():
    plain, final = TrainConfig(), TrainConfig(final_fit=True, epochs=1)
    assert [trained_on(split, plain) for split in ("train", "validation", "test")] == [True, False, False]
    assert [trained_on(split, final) for split in ("train", "validation", "test")] == [True, True, False]


def test_it_is_listed_without_a_rank(finished):
    (past,), _ = list_runs(RunsConfig(runs_dir=str(finished.run.path.parent)))
    assert past.validation is None and past.rank is None and past.best_epoch == 2 and past.test is not None


def test_a_longer_run_that_was_resumed_equals_one_that_was_not(finished, tmp_path):
    whole = train(dataclasses.replace(from_run(finished), runs_dir=str(tmp_path / "whole"), epochs=3))
    train_two = train(dataclasses.replace(from_run(finished), runs_dir=str(tmp_path / "two")))
    resumed = resume(ResumeConfig(resume=str(train_two.run.path), epochs=3))
    assert all(difference.identical for difference in compare(whole.run, resumed.run))


def from_run(result) -> TrainConfig:
    from training.config import from_yaml

    return from_yaml(result.run.config, verbose="silent")


def test_without_validation_every_epoch_counts_as_the_best():
    saved = []
    best = BestModel(None, saved.append)
    best.set_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    best.model.compile("sgd", "mse")
    best.on_epoch_end(0, {"loss": 1.0})
    best.on_epoch_end(1, {"loss": 3.0})
    best.on_epoch_end(2, {"loss": float("nan")})
    assert best.epoch == 2 and len(saved) == 2


def test_streamed_images_are_joined_in_their_order(rng):
    x, y = (rng.integers(0, 256, (n, 3, 3, 1)).astype(np.uint8) for n in (5, 4))
    index = np.array([8, 0, 4, 5, 5])
    joined = Joined(x, y)
    np.testing.assert_array_equal(joined[index], np.concatenate([x, y])[index])
    assert joined.shape == (9, 3, 3, 1) and len(joined[np.array([], int)]) == 0


def test_files_stay_files_so_that_they_are_decoded_ahead(tmp_path):
    from training.datasets.decode import DecodeSettings

    def split(names) -> Split:
        files = ImageFiles([tmp_path / name for name in names], DecodeSettings((8, 8)))
        return Split(files, np.zeros(len(names), int), np.array(list(names)), np.array(list(names)))

    data = Dataset("folder", "image", "classification", split("ab"), split("c"), split("d"), ("x", "y"), "0")
    joined = with_validation(data).train
    assert isinstance(joined.x, ImageFiles) and [path[-1] for path in joined.x.paths] == ["a", "b", "c"]
    assert joined.groups.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": None}, "final_fit trains for a number of epochs that validation chose in a run before"),
        ({"patience": 5}, "final_fit leaves no validation that could stop a run early. Received: patience=5."),
    ],
)
def test_what_needs_validation_is_refused(npz, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        config_for(npz, tmp_path, **changes)


def test_a_search_refuses_it():
    with pytest.raises(ConfigError, match="a search chooses on validation"):
        TuneConfig(final_fit=True, epochs=2)
