"""Models on disk: metadata travels inside the file, and only safe files are loaded."""

import zipfile

import keras
import numpy as np
import pytest

import models
from training.checkpoint import load_model, read_metadata, save_model
from training.run import RunError


def test_a_saved_model_keeps_weights_and_metadata(tmp_path, rng):
    model = models.build("softmax_regression", (4,), 3)
    save_model(model, tmp_path / "model.keras", {"class_names": ["ä", "b", "c"]})
    x = rng.normal(size=(5, 4)).astype("float32")
    np.testing.assert_array_equal(
        load_model(tmp_path / "model.keras").predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert read_metadata(tmp_path / "model.keras") == {"class_names": ["ä", "b", "c"]}
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_model_from_elsewhere_has_no_metadata(tmp_path):
    models.build("softmax_regression", (4,), 3).save(tmp_path / "model.keras")
    assert read_metadata(tmp_path / "model.keras") == {}


def test_a_torn_model_is_refused_in_one_line(tmp_path):
    save_model(models.build("softmax_regression", (4,), 3), tmp_path / "model.keras")
    whole = (tmp_path / "model.keras").read_bytes()
    for size in (0, 10, len(whole) // 2):
        (tmp_path / "model.keras").write_bytes(whole[:size])
        with pytest.raises(RunError, match="cannot be loaded as a Keras model") as caught:
            load_model(tmp_path / "model.keras")
        assert "\n" not in str(caught.value)


def test_other_formats_are_refused_because_they_can_run_code(tmp_path):
    with pytest.raises(RunError, match="Only .keras files"):
        load_model(tmp_path / "model.h5")


def test_a_lambda_layer_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]).save(tmp_path / "model.keras")
    with pytest.raises(RunError, match="cannot be loaded"):
        load_model(tmp_path / "model.keras")


def test_code_hidden_in_the_config_is_refused(tmp_path):
    save_model(models.build("softmax_regression", (4,), 3), tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = members["config.json"].replace(b'"keras.layers"', b'"os"').replace(b'"Dense"', b'"system"')
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(RunError, match="cannot be loaded"):
        load_model(tmp_path / "model.keras")
