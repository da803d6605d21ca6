"""A training that goes on from a file: what it starts with, what is refused, and that it resumes and repeats."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from benchmarks.seeds import _seeded
from tests.training.commands import short_report
from training.checkpoint import load_model
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.evaluate import EvaluateRunConfig, evaluate_run
from training.reproduce import ReproduceConfig, reproduce
from training.results import trainable_count
from training.resume import ResumeConfig, resume
from training.run import RunError
from training.train import train
from training.tuning import session
from training.tuning.config import TuneConfig
from training.tuning.resume import ResumeTuneConfig


@pytest.fixture(scope="module", autouse=True)
def quick_report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.finish.report_run", short_report)
        patch.setattr("training.tuning.session.write_report", lambda run: run.report / "index.html")
        yield


def config_for(folder, **changes) -> TrainConfig:
    settings = {
        "model": "saved",
        "start": str(folder / "start.keras"),
        "dataset": "npz",
        "data_dir": str(folder / "a.npz"),
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "runs_dir": str(folder / "runs"),
        "precision": "float32",
        "verbose": "silent",
        "deterministic": True,
    }
    return TrainConfig(**settings | changes)


def images(folder, name="a.npz", shape=(8, 8, 1), names=("dark", "grey", "light")) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(90) % len(names)
    x = (random.integers(0, 60, (90, *shape)) + (labels * 80)[:, None, None, None]).astype(np.uint8)
    np.savez(folder / name, x_train=x, y_train=labels, class_names=list(names))


def notes_of(run) -> list[str]:
    """Those that speak of the network."""
    return [note for note in run.read_record()["data"]["notes"] if "network to start from" in note]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    images(folder)
    first = {"model": "gap_cnn", "start": None, "hyperparameters": {"filters": [4]}, "learning_rate": 0.02, "epochs": 8}
    run = train(config_for(folder, **first)).run
    for name, path in (("start.keras", run.model), ("splits.csv", run.path / "splits.csv")):
        shutil.copy(path, folder / name)
    return folder


@pytest.fixture(scope="module")
def further(folder):
    return train(config_for(folder))


def test_it_starts_where_the_file_ends_and_says_from_what(folder, further):
    start = load_model(folder / "start.keras")
    data = np.load(folder / "a.npz")
    start.compile(loss="sparse_categorical_crossentropy")
    assert further.history["loss"][0] == pytest.approx(
        start.evaluate(data["x_train"], data["y_train"], verbose=0), rel=0.3
    )
    record = further.run.read_record()
    assert len(record["start"]["sha256"]) == 64 and not notes_of(further.run)
    assert record["model"] == "gap_cnn, trained further"
    assert record["details"]["weights trained"] == f"{trainable_count(start):,}"
    assert from_yaml(further.run.config).start == str((folder / "start.keras").resolve())


def test_frozen_layers_stay_bit_for_bit(folder):
    run = train(config_for(folder, epochs=1, hyperparameters={"frozen_up_to": "conv1"})).run
    before, after = load_model(folder / "start.keras"), load_model(run.model)
    for left, right in zip(
        before.get_layer("conv1").get_weights(), after.get_layer("conv1").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(before.get_layer("logits").get_weights()[0], after.get_layer("logits").get_weights()[0])


def test_a_run_that_is_made_longer_equals_one_that_never_stopped(folder, further):
    short = train(config_for(folder, epochs=1, patience=0))
    longer = resume(ResumeConfig(str(short.run.path), epochs=2, verbose="silent"))
    for left, right in zip(
        load_model(longer.run.model).get_weights(), load_model(further.run.model).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_it_can_be_trained_again_and_not_from_another_file(folder, further):
    _, found = reproduce(ReproduceConfig(str(further.run.path), verbose="silent"))
    assert all(one.identical for one in found)
    kept = (folder / "start.keras").read_bytes()
    try:
        other = load_model(folder / "start.keras")
        other.set_weights([weight * 0.5 for weight in other.get_weights()])
        other.save(folder / "start.keras")
        for again in (
            lambda: reproduce(ReproduceConfig(str(further.run.path), verbose="silent")),
            lambda: resume(ResumeConfig(str(further.run.path), epochs=3, verbose="silent")),
        ):
            with pytest.raises(RunError, match="is not the network that .* started from: SHA-256"):
                again()
        (folder / "start.keras").unlink()
        with pytest.raises(ConfigError, match=r"start names no file: .*start\.keras"):
            resume(ResumeConfig(str(further.run.path), epochs=3, verbose="silent"))
    finally:
        (folder / "start.keras").write_bytes(kept)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": None}, "saved goes on with a network that was trained before: name its file with --start"),
        ({"start": "start.h5"}, "start must be a .keras file: other formats can run code"),
        ({"model": "gap_cnn"}, "start names the file of --model saved; gap_cnn begins anew"),
        ({"hyperparameters": {"dropout_rate": 0.1}}, "saved does not take the keyword 'dropout_rate'"),
        ({"hyperparameters": {"network": "x"}}, "network is filled in from the file that --start names"),
        ({"hyperparameters": {"frozen_up_to": "conv7"}}, "nothing or the name of a layer"),
        ({"start": "nowhere.keras"}, "start names no file: nowhere.keras"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_in_a_line(folder, changes, message):
    with pytest.raises(ConfigError, match=message):
        train(config_for(folder, **changes))


def test_data_that_does_not_fit_is_refused(folder):
    images(folder, "larger.npz", shape=(12, 12, 1))
    images(folder, "two.npz", names=("dark", "light"))
    with pytest.raises(ConfigError, match=r"takes \(8, 8, 1\), the data has \(12, 12, 1\)"):
        train(config_for(folder, data_dir=str(folder / "larger.npz")))
    with pytest.raises(ConfigError, match="ends in 3 units, 2 classes need 1"):
        train(config_for(folder, data_dir=str(folder / "two.npz")))


def test_a_network_that_has_learned_what_would_judge_it_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"has learned from \d+ of the \d+ validation examples.*split in another way"):
        train(config_for(folder, split_seed=5))
    with pytest.raises(ConfigError, match=r"has learned from \d+ of the \d+ test examples"):
        train(config_for(folder, split_seed=5, final_fit=True))
    shutil.copy(folder / "start.keras", tmp_path / "alone.keras")
    run = train(config_for(folder, start=str(tmp_path / "alone.keras"), epochs=1)).run
    (note,) = notes_of(run)
    assert "no splits.csv beside alone.keras says on which part" in note
    with pytest.raises(ConfigError, match="folds judge on parts of the training images, which the network to start"):
        TuneConfig(model="saved", start="a.keras", folds=3)
    assert _seeded(config_for(folder), 7) == {"seed": 7}
    assert _seeded(TrainConfig(), 7) == {"seed": 7, "split_seed": 7}


def test_a_network_that_has_moved_is_given_beside_resume(folder, tmp_path):
    moved = tmp_path / "start.keras"
    shutil.copy(folder / "start.keras", moved)
    run = train(config_for(folder, start=str(moved), epochs=1, patience=0)).run
    moved.rename(tmp_path / "elsewhere.keras")
    with pytest.raises(ConfigError, match="start names no file"):
        resume(ResumeConfig(str(run.path), epochs=2, verbose="silent"))
    resume(ResumeConfig(str(run.path), epochs=2, start=str(tmp_path / "elsewhere.keras"), verbose="silent"))
    assert from_yaml(run.config).start == str((tmp_path / "elsewhere.keras").resolve())


def test_a_folder_that_has_grown_notes_how_much_of_it_was_learned(tmp_path):
    random = np.random.default_rng(0)

    def photographs(names) -> None:
        for label in ("dark", "light"):
            (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
            for name in names:
                pixels = random.integers(0, 60, (8, 8, 3)) + 150 * (label == "light")
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / label / f"{name}.png")

    settings = {"dataset": "folder", "data_dir": str(tmp_path / "photos"), "epochs": 1, "runs_dir": str(tmp_path / "r")}
    photographs(range(20))
    first = train(config_for(tmp_path, model="gap_cnn", start=None, hyperparameters={"filters": [4]}, **settings)).run
    photographs(range(20, 24))
    (note,) = notes_of(train(config_for(tmp_path, start=str(first.model), **settings)).run)
    learned = {
        row["id"]
        for row in csv.DictReader((first.path / "splits.csv").read_text().splitlines())
        if row["split"] == "train"
    }
    again = max((tmp_path / "r/train").glob("saved-*"))
    judging = [
        row["id"] for row in csv.DictReader((again / "splits.csv").read_text().splitlines()) if row["split"] != "train"
    ]
    shared = len(learned & set(judging))
    assert shared and f"of the names that {shared} of the {len(judging)} examples of validation and test bear" in note


def test_a_file_that_is_named_from_here_is_found_from_everywhere(folder, monkeypatch):
    monkeypatch.chdir(folder)
    run = train(config_for(folder, start="start.keras", epochs=1, patience=0)).run
    monkeypatch.chdir(folder.parent)
    assert resume(ResumeConfig(str(run.path), epochs=2, verbose="silent")).history["loss"][1:]


def test_other_names_of_the_classes_are_noted_and_evaluated_again_too(folder, monkeypatch):
    images(folder, "named.npz", names=("dark", "light", "grey"))
    run = train(config_for(folder, data_dir=str(folder / "named.npz"), epochs=1)).run
    (note,) = notes_of(run)
    monkeypatch.setattr("training.evaluate.report_run", lambda run, settings, data, *_: data)
    assert evaluate_run(EvaluateRunConfig(run=str(run.path))).notes.count(note) == 1
    assert note.startswith(
        "The network to start from was trained for dark, grey, light; the classes are now dark, light"
    )


def test_a_torn_or_hostile_file_is_refused_and_nothing_is_left(folder, tmp_path):
    torn = tmp_path / "torn.keras"
    torn.write_bytes((folder / "start.keras").read_bytes()[:200])
    hostile = tmp_path / "hostile.keras"
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Lambda(lambda x: x)]).save(hostile)
    assert zipfile.is_zipfile(hostile)
    for path in (torn, hostile):
        with pytest.raises(RunError, match="cannot be loaded as a Keras model"):
            train(config_for(folder, start=str(path), runs_dir=str(tmp_path / "runs")))
    assert not list((tmp_path / "runs").rglob("config.yaml"))


@pytest.mark.filterwarnings("ignore:(currentThread|getName)\\(\\) is deprecated:DeprecationWarning")
def test_it_is_searched_like_any_model_and_goes_on_from_the_same_file_only(folder):
    (folder / "space.yaml").write_text(
        "frozen_up_to: [nothing, conv1]\nhead: {sets: {same: {rate_multipliers: {}}, "
        "faster: {rate_multipliers: {'logits/*': 10.0}}}}\n"
    )
    settings = {field.name: getattr(config_for(folder), field.name) for field in dataclasses.fields(TrainConfig)}
    extra = {"algorithm": "grid", "space": str(folder / "space.yaml"), "finalists": 1, "final_seeds": 1}
    result = session.tune(TuneConfig(**settings | extra | {"epochs": 1, "max_trials": 3}))
    assert [row.status for row in result.rows] == ["completed"] * 3
    assert {row.point["head"] for row in result.rows} == {"same", "faster"}
    kept = (folder / "start.keras").read_bytes()
    try:
        shutil.copy(result.conclusion.result.model, folder / "start.keras")
        with pytest.raises(RunError, match="start from has changed. Undo the change"):
            session.go_on(ResumeTuneConfig(str(result.run.path), max_trials=4, verbose="silent"))
    finally:
        (folder / "start.keras").write_bytes(kept)
    assert len(session.go_on(ResumeTuneConfig(str(result.run.path), max_trials=4, verbose="silent")).rows) == 4
