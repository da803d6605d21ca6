"""Files for TensorBoard: read back with TensorBoard's own reader, compared with history and NumPy."""

import csv
import importlib.util
import json

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.commands import short_report
from tests.training.test_train import config_for
from training import datasets
from training.checks import ConfigError
from training.config import from_yaml
from training.prepare import prepare
from training.resume import ResumeConfig, resume
from training.tensorboard import EventFile, TensorBoardFiles, fixed_batch, gradient_norms
from training.train import train


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag, as TensorBoard reads a folder."""
    reader = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def history(run) -> dict[str, list[float]]:
    with open(run.history, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run without files for TensorBoard and with, the latter resumed for two more epochs."""
    folder = tmp_path_factory.mktemp("tensorboard")
    labels = np.repeat(np.arange(3), 32)
    images = np.random.default_rng(0).integers(0, 60, (96, 8, 8, 1)) + (labels * 80)[:, None, None, None]
    np.savez(folder / "blobs.npz", x_train=images.astype(np.uint8), y_train=labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.finish.report_run", short_report)
        plain = train(config_for(folder / "blobs.npz", folder, epochs=4)).run
        config = config_for(folder / "blobs.npz", folder, epochs=2, tensorboard=True)
        logged = train(config).run
        resume(ResumeConfig(str(logged.path), epochs=4))
    return plain, logged


def test_the_files_hold_what_history_holds(runs):
    rows = history(runs[1])
    train, validation = (scalars(runs[1].tensorboard / name) for name in ("train", "validation"))
    for tag, found in (("loss", train), ("accuracy", train), ("learning_rate", train)):
        assert found[tag] == [(epoch, pytest.approx(value)) for epoch, value in enumerate(rows[tag], 1)]
    for tag in ("loss", "accuracy"):
        assert validation[tag] == [(epoch, pytest.approx(value)) for epoch, value in enumerate(rows[f"val_{tag}"], 1)]


def test_a_resumed_run_has_every_step_once_and_a_norm_per_layer(runs):
    found = scalars(runs[1].tensorboard / "train")
    layers = {tag.removeprefix("gradient_norm/") for tag in found if tag.startswith("gradient_norm/")}
    assert layers == {"conv1", "conv2", "logits"}
    assert all([step for step, _ in points] == [1, 2, 3, 4] for points in found.values())


def test_the_run_has_the_numbers_of_one_without_the_files(runs):
    plain, logged = (history(run) for run in runs)
    assert plain["val_loss"] == logged["val_loss"] and plain["loss"] == logged["loss"]


def test_the_manifest_lists_the_event_files_as_they_are(runs):
    listed = json.loads(runs[1].manifest.read_text())
    files = [path.relative_to(runs[1].path).as_posix() for path in runs[1].tensorboard.rglob("events*")]
    assert len(files) == 4 and set(files) <= set(listed)
    assert all(runs[1].check(runs[1].path / name) is None for name in files)


def test_a_reader_drops_the_steps_that_are_trained_again(tmp_path):
    first = EventFile(tmp_path, first_step=1)
    for step in range(1, 6):
        first.add(step, {"loss": step})
    with open(first.path, "ab") as file:
        file.write(b"\x40\0\0\0torn")  # a process that was killed while it wrote
    again = EventFile(tmp_path, first_step=4)
    again.add(4, {"loss": 40})
    assert scalars(tmp_path)["loss"] == [(1, 1), (2, 2), (3, 3), (4, 40)]


def test_the_norm_of_a_softmax_layer_equals_numpy(npz, tmp_path):
    config = config_for(npz, tmp_path, model="softmax_regression", hyperparameters={})
    data = datasets.load(config, progress=False)
    model = prepare(config, data)[0]
    x, y, _ = fixed_batch(data.train, batch_size=16, seed=3)
    weight = np.linspace(0.5, 2, len(y)).astype(np.float32)
    scores = model.predict(x, verbose=0)
    inputs = keras.Model(model.inputs, model.get_layer("logits").input).predict(x, verbose=0)
    error = (scores - np.eye(3)[y]) * weight[:, None] / len(y)
    expected = np.sqrt(np.sum((inputs.T @ error) ** 2) + np.sum(error.sum(axis=0) ** 2))
    assert gradient_norms(model, x, y, weight) == {"logits": pytest.approx(expected, rel=1e-4)}


def test_the_norms_leave_the_model_and_its_random_state_alone(npz, tmp_path):
    config = config_for(npz, tmp_path, model="mlp_classifier", hyperparameters={"dropout_rate": 0.5})
    data = datasets.load(config, progress=False)
    model = prepare(config, data)[0]
    before = [np.array(variable) for variable in model.variables]
    gradient_norms(model, *fixed_batch(data.train, batch_size=8, seed=0))
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, np.array(variable))


def test_the_fixed_batch_is_drawn_from_all_classes_and_weighs_them(npz, tmp_path):
    data = datasets.load(config_for(npz, tmp_path), progress=False)
    x, y, weight = fixed_batch(data.train, batch_size=16, seed=0, class_weights={0: 1.0, 1: 2.0, 2: 3.0})
    assert x.dtype == np.uint8 and x.shape == (16, 8, 8, 1) and set(y) == {0, 1, 2}
    np.testing.assert_array_equal(weight, y + 1)


def test_a_missing_package_is_named_before_the_data_is_read(npz, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name))
    monkeypatch.setattr("training.datasets.load", lambda *a, **k: pytest.fail("data was loaded"))
    with pytest.raises(ConfigError, match="needs the package tensorboard, which is not installed: pip install"):
        train(config_for(npz, tmp_path, tensorboard=True))
    assert not (tmp_path / "runs").exists()


def test_the_setting_is_recorded(runs):
    assert [from_yaml(run.config).tensorboard for run in runs] == [False, True]


def test_without_validation_there_is_no_curve_of_it(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    files = TensorBoardFiles(tmp_path, lambda model: {})
    files.set_model(model)
    files.on_epoch_end(0, {"loss": 1.5})
    assert scalars(tmp_path / "train")["loss"] == [(1, 1.5)] and not (tmp_path / "validation").exists()
