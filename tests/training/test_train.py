"""`train(config)`: one small run from data to report, and what must hold for every source."""

import csv
import errno
import json

import keras
import numpy as np
import pytest

import models
from evaluation.predictions import read_predictions
from training import datasets
from training.callbacks import BestModel
from training.checkpoint import load_model, read_metadata
from training.checks import ConfigError, TrainingDiverged
from training.config import TrainConfig, from_yaml
from training.pipeline import batches, num_batches
from training.prepare import class_weights, default_batch_size, prepare
from training.train import train

SMALL = {"filters": [4, 8], "kernel_size": 3}


def config_for(npz, tmp_path, **changes) -> TrainConfig:
    settings = {
        "model": "gap_cnn",
        "dataset": "npz",
        "data_dir": str(npz),
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 0.01,
        "hyperparameters": SMALL,
        "runs_dir": str(tmp_path / "runs"),
        "precision": "float32",
        "verbose": "silent",
    }
    return TrainConfig(**settings | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished run that several tests read."""
    folder = tmp_path_factory.mktemp("finished")
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 32)
    images = (random.integers(0, 60, (96, 8, 8, 1)) + (labels * 80)[:, None, None, None]).astype(np.uint8)
    np.savez(folder / "blobs.npz", x_train=images, y_train=labels, class_names=["dark", "grey", "light"])
    return train(config_for(folder / "blobs.npz", folder, snapshots=True))


def test_a_run_leaves_every_file_and_lists_its_checksum(finished):
    run = finished.run
    names = {
        "config.yaml",
        "run.json",
        "history.csv",
        "curves.png",
        "model.keras",
        "predictions/test.csv",
        "predictions/validation.csv",
        "report/index.html",
        "report/report.json",
        "report/report.md",
        "splits.csv",
        "snapshots/epoch-001.weights.h5",
    }
    listed = json.loads(run.manifest.read_text())
    assert names <= set(listed)
    assert all(run.check(run.path / name) is None for name in listed)
    assert not [path for path in run.path.rglob("*") if path.name.startswith(".")]


def test_the_recorded_config_is_the_config(finished):
    recorded = from_yaml(finished.run.config)
    assert recorded.hyperparameters == SMALL and recorded.epochs == 3 and recorded.model == "gap_cnn"
    record = finished.run.read_record()
    assert (
        record["ended"] == "finished"
        and record["resolved"]["parameters"] == load_model(finished.run.model).count_params()
    )


def test_history_has_a_row_per_epoch_and_the_best_one_is_the_saved_one(finished):
    with open(finished.run.history, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert finished.best_epoch == 1 + int(np.argmin([float(row["val_loss"]) for row in rows]))


def test_the_saved_model_predicts_the_stored_scores_and_takes_raw_pixels(finished):
    config = from_yaml(finished.run.config)
    data = datasets.load(config, progress=False)
    stored = read_predictions(finished.run.predictions / "test.csv")
    scores = load_model(finished.run.model).predict(np.asarray(data.test.x), verbose=0)
    np.testing.assert_allclose(stored.y_score, scores, atol=1e-6)
    assert stored.ids.tolist() == data.test.ids.tolist() and stored.labels == data.class_names


def test_the_report_equals_numpy_on_the_stored_predictions(finished):
    stored = read_predictions(finished.run.predictions / "test.csv")
    accuracy = finished.report.data["splits"]["test"]["accuracy"]["estimate"]
    assert accuracy == pytest.approx(np.mean(stored.y_score.argmax(axis=1) == stored.y_true))
    assert list(finished.report.data["splits"]) == ["test", "validation"]


def test_the_model_file_tells_its_classes_and_its_data(finished):
    metadata = read_metadata(finished.run.model)
    assert metadata["class_names"] == ["dark", "grey", "light"]
    assert metadata["data_digest"] == finished.run.read_record()["data"]["digest"]


def test_the_same_seed_repeats_a_run(npz, tmp_path):
    first, second = (train(config_for(npz, tmp_path, shift=0.1)) for _ in range(2))
    other = train(config_for(npz, tmp_path, seed=2))
    assert first.history["loss"] == second.history["loss"] != other.history["loss"]


def test_early_stopping_keeps_the_best_weights(npz, tmp_path):
    result = train(config_for(npz, tmp_path, epochs=30, patience=2, learning_rate=0.3))
    assert result.ended == "stopped early"
    data = datasets.load(config_for(npz, tmp_path), progress=False)
    model = load_model(result.run.model)
    model.compile(loss="sparse_categorical_crossentropy")
    loss = model.evaluate(batches(data.validation, batch_size=32), verbose=0)
    assert loss == pytest.approx(min(result.history["val_loss"]), rel=1e-4)


def test_nan_stops_the_run_with_words_and_keeps_what_there_was(npz, tmp_path):
    with pytest.raises(TrainingDiverged, match="became NaN or infinite in epoch 1.*lower --learning-rate"):
        train(config_for(npz, tmp_path, optimizer="sgd", learning_rate=1e38))
    run = next((tmp_path / "runs/train").iterdir())
    assert json.loads((run / "run.json").read_text())["ended"] == "diverged"
    assert (run / "manifest.json").exists() and not (run / "report").exists()


def test_ctrl_c_keeps_the_best_epoch_and_still_reports(npz, tmp_path, monkeypatch):
    original = BestModel.on_epoch_end

    def interrupt(self, epoch, logs=None):
        original(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(BestModel, "on_epoch_end", interrupt)
    result = train(config_for(npz, tmp_path, epochs=9))
    assert result.ended == "interrupted" and len(result.history["loss"]) == 2
    assert result.report is not None and result.run.model.exists()


def test_a_diverged_epoch_is_never_the_best_one():
    saved = []
    best = BestModel("val_accuracy", saved.append)
    model = models.build("softmax_regression", (2,), 3)
    model.compile("sgd", "sparse_categorical_crossentropy")
    best.set_model(model)
    best.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0, "val_accuracy": 0.5})
    best.on_epoch_end(1, {"loss": float("nan"), "val_loss": 1.0, "val_accuracy": 1.0})
    best.on_epoch_end(2, {"loss": 1.0, "val_loss": float("inf"), "val_accuracy": 1.0})
    assert best.epoch == 1 and len(saved) == 1


def test_a_feature_that_is_constant_in_train_does_not_rule_the_scores(tmp_path, rng):
    x = rng.normal(size=(60, 3)).astype(np.float32)
    x[:, 2] = 5.0
    np.savez(tmp_path / "t.npz", x_train=x, y_train=np.arange(60) % 2, x_test=x + [0, 0, 1], y_test=np.arange(60) % 2)
    config = TrainConfig(model="logistic_regression", dataset="npz", data_dir=str(tmp_path / "t.npz"))
    model = prepare(config, datasets.load(config, task="classification"))[0]
    shifted = x[:5] + np.array([0, 0, 1], np.float32)
    changed = np.abs(model.predict(shifted, verbose=0) - model.predict(x[:5], verbose=0))
    assert changed.max() < 0.5


def test_a_table_in_arrays_refuses_augmentation(tmp_path, rng):
    np.savez(tmp_path / "t.npz", x_train=rng.normal(size=(60, 3)).astype(np.float32), y_train=np.arange(60) % 2)
    with pytest.raises(ConfigError, match="is for images; npz holds a table"):
        train(config_for(tmp_path / "t.npz", tmp_path, model="mlp_classifier", hyperparameters={}, flip="both"))


def test_a_file_that_vanishes_while_training_is_named_and_the_run_says_failed(npz, tmp_path, monkeypatch):
    root = tmp_path / "images"
    write_source("folder streamed", npz, tmp_path)
    config = config_for(root, tmp_path, dataset="folder", memory_limit_mb=1, cache="never")
    load = datasets.load

    def load_and_lose(*arguments, **keywords):
        data = load(*arguments, **keywords)
        (root / str(data.train.ids[0])).unlink()
        return data

    monkeypatch.setattr(datasets, "load", load_and_lose)
    with pytest.raises(datasets.DataError, match="file not found.* It was readable when the run started") as caught:
        train(config)
    assert "\n" not in str(caught.value)
    run = next((tmp_path / "runs/train").iterdir())
    assert json.loads((run / "run.json").read_text())["ended"] == "failed"


def test_a_skipped_file_is_listed_in_the_run(npz, tmp_path):
    root = write_source("folder", npz, tmp_path)
    (tmp_path / "images/a/broken.jpg").write_text("no picture")
    result = train(config_for(root, tmp_path, dataset="folder", on_bad="skip", epochs=1))
    with open(result.run.path / "bad_files.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["a/broken.jpg"] and rows[0]["reason"]


def test_a_full_disk_leaves_the_last_good_model(npz, tmp_path, monkeypatch):
    import training.job as module

    original, calls = module.save_model, []

    def full(model, path, metadata=None):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(model, path, metadata)

    monkeypatch.setattr(module, "save_model", full)
    with pytest.raises(OSError, match="No space left"):
        train(config_for(npz, tmp_path, epochs=9))
    load_model(calls[0])


def test_mixed_precision_trains_and_saves_float32(npz, tmp_path):
    result = train(config_for(npz, tmp_path, precision="mixed_bfloat16", epochs=1))
    model = load_model(result.run.model)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


SOURCES = {
    "digits": {"model": "softmax_regression", "dataset": "digits"},
    "breast_cancer": {"model": "logistic_regression", "dataset": "breast_cancer"},
    "diabetes": {"model": "linear_regression", "dataset": "diabetes"},
    "npz": {"model": "softmax_regression", "dataset": "npz"},
    "csv": {"model": "mlp_classifier", "dataset": "csv", "target": "kind"},
    "folder": {"model": "gap_cnn", "dataset": "folder", "hyperparameters": SMALL},
    "folder streamed": {
        "model": "gap_cnn",
        "dataset": "folder",
        "hyperparameters": SMALL,
        "memory_limit_mb": 1,
        "cache": "never",
    },
    "cifar10": {"model": "softmax_regression", "dataset": "cifar10"},
}


def write_source(name: str, npz, folder) -> str | None:
    """Data for one source, as `data_dir`; None where the source is built in."""
    random = np.random.default_rng(1)
    if name == "npz":
        return str(npz)
    if name == "csv":
        rows = "".join(f"{random.normal():.3f},{'ab'[i % 2]},{'xyz'[i % 3]}\n" for i in range(90))
        (folder / "table.csv").write_text("size,colour,kind\n" + rows)
        return str(folder / "table.csv")
    if name.startswith("folder"):
        from PIL import Image

        side = 200 if "streamed" in name else 12
        for index in range(40):
            path = folder / "images" / "ab"[index % 2] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (side, side, 3)).astype(np.uint8)).save(path)
        return str(folder / "images")
    if name == "cifar10":
        target = folder / "cifar-10-batches-bin"
        target.mkdir()
        for part in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
            records = random.integers(0, 256, (10_000, 3073), dtype=np.uint8)
            records[:, 0] = np.arange(10_000) % 10
            records.tofile(target / part)
        (target / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n")
        return str(folder)
    return None


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_runs_exact_steps_and_evaluates_as_numpy_does(name, npz, tmp_path):
    settings = {"epochs": 2, "verbose": "silent", "precision": "float32", "data_dir": write_source(name, npz, tmp_path)}
    config = TrainConfig(**SOURCES[name] | settings)
    data = datasets.load(config, task=models.CATALOG[config.model].task, progress=False)
    assert isinstance(data.train.x, np.ndarray) != ("streamed" in name)
    model, _, plan = prepare(config, data)
    model.fit(batches(data.train, batch_size=plan.batch_size, shuffle_seed=1), epochs=2, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 2 * num_batches(len(data.train), plan.batch_size)

    loss, _ = model.evaluate(batches(data.test, batch_size=64), verbose=0)
    x, y = data.test.x[np.arange(len(data.test))], data.test.y
    scores = model.predict(x, batch_size=64, verbose=0).astype(np.float64)
    if data.task == "regression":
        expected = np.mean((scores[:, 0] - y) ** 2)
    elif data.num_classes == 2:
        expected = -np.mean(np.log(np.where(y == 1, scores[:, 0], 1 - scores[:, 0])))
    else:
        expected = -np.log(scores[np.arange(len(y)), y]).mean()
    assert loss == pytest.approx(expected, rel=1e-4)


def test_wrong_hyperparameters_are_refused_before_the_data_is_read(npz, tmp_path, monkeypatch):
    monkeypatch.setattr("training.datasets.load", lambda *a, **k: pytest.fail("data was loaded"))
    with pytest.raises(ConfigError, match="does not take the keyword 'filter'"):
        train(config_for(npz, tmp_path, hyperparameters={"filter": 3}))
    assert not (tmp_path / "runs").exists()


def test_hyperparameters_of_a_wrong_value_are_refused_in_words(npz, tmp_path):
    with pytest.raises(ConfigError, match="gap_cnn: "):
        train(config_for(npz, tmp_path, hyperparameters={"filters": [0]}))
    assert not (tmp_path / "runs").exists()


def test_balanced_class_weights_make_each_class_count_the_same():
    split = datasets.Split(x=np.zeros((8, 2)), y=np.array([0, 0, 0, 0, 0, 0, 1, 1]), ids=np.arange(8))
    weights = class_weights(TrainConfig(class_weight="balanced"), split, 3)
    assert weights == {0: pytest.approx(8 / 18), 1: pytest.approx(8 / 6), 2: pytest.approx(8 / 3)}


def test_weighted_validation_loss_equals_numpy(npz, tmp_path):
    data = datasets.load(config_for(npz, tmp_path), progress=False)
    model, _, _ = prepare(config_for(npz, tmp_path), data)
    weights = {0: 0.5, 1: 1.0, 2: 3.0}
    loss, accuracy = model.evaluate(batches(data.validation, batch_size=4, class_weights=weights), verbose=0)
    y = data.validation.y
    scores = model.predict(np.asarray(data.validation.x), verbose=0).astype(np.float64)
    each = -np.log(scores[np.arange(len(y)), y]) * np.array([0.5, 1.0, 3.0])[y]
    assert loss == pytest.approx(each.mean(), rel=1e-5)
    assert accuracy == pytest.approx(np.mean(scores.argmax(axis=1) == y))


def test_balanced_weights_judge_the_curves_against_equal_classes(npz, tmp_path):
    result = train(config_for(npz, tmp_path, class_weight="balanced", epochs=6, learning_rate=0.05))
    assert result.verdict.kind != "underfitting"


@pytest.mark.parametrize(("examples", "expected"), [(10, 32), (1_222, 32), (12_000, 256), (42_500, 256), (10**7, 256)])
def test_the_default_batch_grows_with_the_training_set(examples, expected):
    assert default_batch_size(examples) == expected
