"""The search for a better use of the notes' parameters: its part of the data, its tables, and that it runs once."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import cifar_search
from benchmarks.cifar_search import CifarSearchConfig, searched, tables
from training.checks import ConfigError
from training.datasets.dataset import Dataset, Split
from training.run import Run

RECIPE = "model: cifar_cnn\ndataset: cifar10\nepochs: 9\nbatch_size: 16\nvalidation_fraction: 0.1\nprecision: float32\n"
SPACE = """network:
  sets:
    small: {filters: [2], dense_units: 4}
    large: {filters: [3], dense_units: 4}
"""


def some_images(count, first):
    rng = np.random.default_rng(first)
    ids = np.array([f"train/{i:05d}" for i in range(first, first + count)])
    return Split(rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8), rng.integers(0, 2, count), ids)


@pytest.fixture
def cifar10(monkeypatch):
    """A CIFAR-10 of 90 images, whose training part comes shuffled."""
    train, validation, test = some_images(50, 10), some_images(10, 0), some_images(30, 60)
    order = np.random.default_rng(1).permutation(50)
    shuffled = Split(train.x[order], train.y[order], train.ids[order])
    data = Dataset("cifar10", "image", "classification", shuffled, validation, test, ("cat", "dog"), digest="0")
    asked = []
    monkeypatch.setattr("training.datasets.cifar10.load_cifar10", lambda folder: asked.append(folder) or data)
    return data, asked


@pytest.fixture
def config(tmp_path, cifar10):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "space.yaml").write_text(SPACE)
    return CifarSearchConfig(
        data_dir="somewhere",
        recipe=str(tmp_path / "recipe.yaml"),
        space=str(tmp_path / "space.yaml"),
        algorithm="grid",
        trials=2,
        epochs=1,
        images=32,
        validation=16,
        finalists=1,
        final_seeds=2,
        workers=1,
        runs_dir=str(tmp_path / "runs"),
    )


def test_the_part_is_drawn_from_all_training_images_once_each_and_has_the_test_images(config, cifar10):
    data, asked = cifar10
    cifar_search._write_part(config)
    with np.load(config.part) as part:
        found = np.concatenate([part["x_train"], part["x_validation"]])
        assert (len(part["x_train"]), len(part["x_validation"])) == (32, 16)
        np.testing.assert_array_equal(part["x_test"], data.test.x)
        assert list(part["class_names"]) == ["cat", "dog"]
    assert asked == ["somewhere"]
    everything = np.concatenate([data.validation.x, data.train.x])
    known = {image.tobytes() for image in everything}
    drawn = [image.tobytes() for image in found]
    assert len(set(drawn)) == 48 and set(drawn) <= known
    assert [path.name for path in config.part.parent.iterdir()] == [config.part.name]


@pytest.mark.filterwarnings("ignore:(currentThread|getName)\\(\\) is deprecated:DeprecationWarning")  # keras-tuner's
def test_a_search_runs_once_goes_on_and_its_tables_name_every_network(config, cifar10, capsys, monkeypatch):
    monkeypatch.setattr("training.tuning.session.write_report", lambda run: run.report / "index.html")  # slow
    run = searched(config)
    text = tables(run, config)
    assert "| small" in text and "| large" in text and "the recipe" in text and "the best" in text
    assert "2 trials (0 ended early, 0 failed), 1 epochs each, on 32" in text
    run.manifest.unlink()  # as if it had been cut before its last file
    assert searched(config).path == run.path
    assert searched(dataclasses.replace(config, workers=2)).path == run.path
    assert "is kept" in capsys.readouterr().err
    assert len(cifar10[1]) == 1 and len(list((run.path.parent).iterdir())) == 1


def test_gains_are_points_with_their_interval(tmp_path):
    (tmp_path / "trials.csv").write_text(
        "number,status,score,spread,n,seconds,fit_seconds,ended_seconds,epochs,parameters,seed,network,rate,reason\n"
        "1,completed,0.61,,1,12.4,12,12,5,528054,1,notes,0.1,\n"
        "2,stopped,0.42,,1,3,3,15,2,535738,2,wide,0.2,worse than the median after epoch 2\n"
        "3,failed,,,,3,3,18,,,3,wide,0.3,nan\n"
    )
    finals = {
        "seeds": [1, 2],
        "candidates": [
            {"name": "default", "mean": 0.55, "spread": 0.01},
            {"name": "trial 1", "mean": 0.6, "spread": 0.02},
            {"name": "trial 2", "mean": None, "spread": None},
        ],
        "comparisons": [
            {"name": "default", "gain": 0.05, "low": -0.01, "high": 0.11},
            {"name": "trial 2", "gain": None, "low": None, "high": None},
        ],
    }
    (tmp_path / "conclusion.json").write_text(json.dumps(finals))
    text = tables(Run(tmp_path), CifarSearchConfig())
    assert "5.0 points (95 % interval −1.0 to 11.0)" in text and "60.0 ± 2.0" in text
    assert "3 trials (1 ended early, 1 failed)" in text
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert "| 528,054" in lines["notes"] and "| 61.0" in lines["notes"] and "| 2 " in lines["wide"]


@pytest.mark.parametrize(
    "wrong", [{"trials": 0}, {"images": 45_000, "validation": 5_001}, {"output": "nowhere/at/all.md"}]
)
def test_what_cannot_be_measured_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        CifarSearchConfig(**wrong)
