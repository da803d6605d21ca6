"""The benchmark of predicting a folder: its ratios, and its bare way."""

import numpy as np
import pytest

from benchmarks import predict
from benchmarks.predict import PredictBenchConfig
from tests.training.predict.conftest import make_run, write_images
from training.run import RunError


def test_speeds_are_compared_within_repeats():
    bare = [{"process": 10.0, "work": 4.0}, {"process": 20.0, "work": 5.0}]
    ours = [{"process": 8.0, "work": 2.0}, {"process": 20.0, "work": 10.0}]
    lines = predict.table(bare, ours, 1000).splitlines()
    cells = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert cells[1:] == ["14.0 (8.0–20.0)", "1.12 (1.00–1.25)", "300 (100–500)", "1.25 (0.50–2.00)"]
    assert "1,000 PNG files, n = 2 alternating" in lines[5]


def test_the_bare_way_predicts_every_file(tmp_path):
    run = make_run(tmp_path / "run")
    photos = write_images(tmp_path / "photos", 5, size=(12, 12))
    assert predict.predict_barely(str(run.path), photos).startswith("5 images in ")


def test_images_are_made_again_from_the_first_where_more_are_asked_for(tmp_path):
    folder = predict._write_images(tmp_path / "photos", PredictBenchConfig(run="r", images=1003))
    paths = sorted(folder.iterdir())
    assert len(paths) == 1003 and paths[0].read_bytes() == paths[1000].read_bytes()
    assert predict._decoded(paths[2]).shape == (32, 32, 3) and predict._decoded(paths[2]).dtype == np.uint8


def test_a_way_that_fails_is_said(tmp_path):
    with pytest.raises(RunError, match=r"training.predict failed: error: There is no run at"):
        predict._timed(["training.predict", str(tmp_path / "none"), "--images", str(tmp_path)])
