"""From files to a table of predictions."""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import models
from evaluation.predictions import read_predictions
from tests.training.predict.conftest import make_run, write_images
from training.checkpoint import save_model
from training.checks import ConfigError
from training.datasets.decode import decode
from training.predict import command as module
from training.predict.__main__ import main
from training.predict.command import PredictConfig, predict_files
from training.trained import open_trained


def predict(run, tmp_path, *images, **settings):
    return predict_files(PredictConfig(run=str(run.path), images=images, runs_dir=str(tmp_path / "runs"), **settings))


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_those_of_the_model(run, tmp_path):
    photos = write_images(tmp_path / "photos", 9)
    found = predict(run, tmp_path, photos, batch_size=4)
    rows = rows_of(found.table)
    trained = open_trained(str(run.path))
    pixels = np.stack([decode(path, image_size=(12, 12)) for path in sorted(photos.iterdir())])
    expected = trained.model.predict(pixels.astype("float32"), verbose=0)
    scores = np.array([[float(row[f"p_{name}"]) for name in trained.class_names] for row in rows])
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert [row["y_pred"] for row in rows] == [trained.class_names[i] for i in expected.argmax(axis=1)]
    assert [row["id"] for row in rows] == [f"{i:02}.png" for i in range(9)] and "y_true" not in rows[0]
    assert found.report is None and "decided: " in found.lines[-1]


def test_class_folders_end_in_a_report(run, tmp_path):
    for index, name in enumerate(("ants", "bees", "wasps")):
        write_images(tmp_path / "photos" / name, 4, seed=index)
    found = predict(run, tmp_path, tmp_path / "photos")
    back = read_predictions(found.table)
    assert back.y_true.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and back.labels == ("ants", "bees", "wasps")
    assert found.report.html_path.is_file() and "n = 12" in found.report.text


def test_the_operating_point_of_the_run_decides_and_is_said(tmp_path, capsys):
    run = make_run(tmp_path / "two", classes=("healthy", "ill"), positive="ill")
    photos = write_images(tmp_path / "photos", 8)
    scores = [float(row["p_ill"]) for row in rows_of(predict(run, tmp_path, photos).table)]
    middle = float(np.median(scores))
    other = make_run(tmp_path / "chosen", classes=("healthy", "ill"), positive="ill", threshold=middle)
    decided = [row["y_pred"] for row in rows_of(predict(other, tmp_path, photos).table)]
    assert decided == ["ill" if score >= middle else "healthy" for score in scores] and len(set(decided)) == 2
    assert f"ill from a score of {middle:.4g} on: Chosen on validation." in capsys.readouterr().out


def test_a_threshold_that_nothing_reaches_is_said_in_the_report(tmp_path):
    run = make_run(tmp_path / "two", classes=("healthy", "ill"), positive="ill", threshold=0.5)
    report = run.report / "report.json"
    report.write_text(report.read_text().replace("0.5", "null"))
    for name in ("healthy", "ill"):
        write_images(tmp_path / "photos" / name, 3)
    found = predict(run, tmp_path, tmp_path / "photos")
    assert {row["y_pred"] for row in rows_of(found.table)} == {"healthy"}
    assert "threshold, inf, is no score: the report takes 0.5." in found.report.html_path.read_text(encoding="utf-8")


@pytest.mark.parametrize("output", ["nowhere/found.csv", "photos"])
def test_an_output_that_could_not_be_written_is_refused_before_anything_is_computed(run, tmp_path, output):
    photos = write_images(tmp_path / "photos", 2)
    with pytest.raises(module.ConfigError, match="output must be a file in a folder that exists"):
        predict(run, tmp_path, photos, output=str(tmp_path / output))
    assert not (tmp_path / "runs").exists()


def test_corrupt_files_are_named_and_left_out(run, tmp_path):
    photos = write_images(tmp_path / "photos", 20)
    (photos / "03.png").write_bytes((photos / "03.png").read_bytes()[:100])
    (photos / "11.png").write_bytes(b"")
    found = predict(run, tmp_path, photos, batch_size=8)
    assert found.bad == {"03.png": "truncated", "11.png": "empty file"} and len(rows_of(found.table)) == 18
    assert found.lines[-1] == "skipped 2 files of 20 that cannot be read: 03.png: truncated; 11.png: empty file"
    assert rows_of(found.folder / "bad_files.csv")[1] == {"file": "11.png", "reason": "empty file"}


def test_a_killed_prediction_goes_on_and_ends_the_same(run, tmp_path, monkeypatch, capsys):
    photos = write_images(tmp_path / "photos", 10)
    (photos / "01.png").write_bytes(b"")
    whole = predict(run, tmp_path, photos, batch_size=3)
    append, calls = module.Journal.append, []

    def cut(self, *arguments):
        append(self, *arguments)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.Journal, "append", cut)
    with pytest.raises(KeyboardInterrupt):
        predict(run, tmp_path, photos, batch_size=3)
    assert "Go on with: make predict RESUME=" in capsys.readouterr().err
    again = predict_files(PredictConfig(resume="auto", runs_dir=str(tmp_path / "runs")))
    assert again.folder != whole.folder and "goes on after 6 files" in capsys.readouterr().out
    assert again.table.read_bytes() == whole.table.read_bytes() and again.bad == whole.bad
    assert len(calls) == 2 + 2  # six of ten were done: two batches of three are left


def test_a_full_disk_keeps_what_was_found_and_says_how_to_go_on(run, tmp_path, monkeypatch):
    photos = write_images(tmp_path / "photos", 6)
    append = module.Journal.append

    def full(self, scores, bad):
        if self.done:
            raise OSError(28, "No space left on device", str(self.folder))
        append(self, scores, bad)

    with monkeypatch.context() as patch, pytest.raises(OSError) as error:
        patch.setattr(module.Journal, "append", full)
        predict(run, tmp_path, photos, batch_size=2)
    assert error.value.__notes__[0].startswith("Go on with: make predict RESUME=")
    assert len(rows_of(predict_files(PredictConfig(resume="auto", runs_dir=str(tmp_path / "runs"))).table)) == 6


def test_a_finished_prediction_is_not_done_again(run, tmp_path):
    found = predict(run, tmp_path, write_images(tmp_path / "photos", 2))
    with pytest.raises(module.RunError, match="is finished"):
        predict_files(PredictConfig(resume=str(found.folder)))


def test_the_table_can_have_a_place_of_its_own(run, tmp_path):
    found = predict(run, tmp_path, write_images(tmp_path / "photos", 2), output=str(tmp_path / "mine.csv"))
    assert found.table == tmp_path / "mine.csv" and len(rows_of(found.table)) == 2


def test_grey_images_before_a_colour_model_are_said(run, tmp_path, capsys):
    photos = write_images(tmp_path / "photos", 3, mode="L")
    predict(run, tmp_path, photos)
    assert "3 of 3 images are stored in grey, and the model takes RGB" in capsys.readouterr().err


def test_colour_images_before_a_grey_model_are_said(tmp_path, capsys):
    run = make_run(tmp_path / "grey", channels=1)
    predict(run, tmp_path, write_images(tmp_path / "photos", 3))
    assert "3 of 3 images are stored in colour, and the model takes grey" in capsys.readouterr().err


def test_a_file_from_elsewhere_needs_trust(run, tmp_path):
    shutil.copy(run.model, tmp_path / "other.keras")
    photos = write_images(tmp_path / "photos", 2)
    foreign = {"model_file": str(tmp_path / "other.keras"), "images": (photos,), "runs_dir": str(tmp_path)}
    with pytest.raises(module.ConfigError, match="belongs to no run of yours.*--trust"):
        predict_files(PredictConfig(**foreign))
    assert len(rows_of(predict_files(PredictConfig(**foreign, trust=True)).table)) == 2


def bad_input(folder, kind):
    """Something that cannot be predicted, as a user may name it."""
    folder.mkdir()
    if kind == "video":
        (folder / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 500)
        return folder / "clip.mp4"
    if kind == "videos":
        for name in "ab":
            (folder / f"{name}.avi").write_bytes(b"RIFF\0\0\0\0AVI LIST" + b"\0" * 500)
    if kind == "text":
        (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", "holds no files. Expected images"),
        ("video", "clip.mp4 cannot be read as an image: not an image (video?)"),
        ("videos", "none of 2 files can be read as an image; a.avi, for example: not an image (video?)"),
        ("text", "notes.txt cannot be read as an image: not an image (text?)"),
    ],
)
def test_what_is_no_image_ends_in_one_line(run, tmp_path, monkeypatch, capsys, kind, words):
    named = bad_input(tmp_path / "input", kind)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["predict", str(run.path), "--images", str(named)])
    with pytest.raises(SystemExit) as end:
        from evaluation.command import run_main
        from training.predict.__main__ import ConfigError, DataError, RunError

        sys.exit(run_main(main, user_errors=(ConfigError, DataError, RunError)))
    error = capsys.readouterr().err.strip()
    assert end.value.code == 2 and words in error and len(error.splitlines()) == 1


def test_bad_files_can_be_refused(run, tmp_path):
    photos = write_images(tmp_path / "photos", 5)
    (photos / "04.png").write_bytes(b"")
    with pytest.raises(module.DataError, match=r"04.png cannot be read as an image: empty file.*--on-bad skip"):
        predict(run, tmp_path, photos, batch_size=2, on_bad="fail")


def test_settings_are_checked():
    with pytest.raises(module.ConfigError, match="images must name"):
        PredictConfig(run="x")
    with pytest.raises(module.ConfigError, match="top_k must be at least 1"):
        PredictConfig(run="x", images=(Path("a"),), top_k=0)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"settings": [1]}, "settings"),
        ({"class_names": 5}, "class_names"),
        ({"class_names": {"\x1b": 1}}, "class_names"),
    ],
)
def test_metadata_of_another_kind_is_one_line(tmp_path, metadata, words):
    save_model(models.build("gap_cnn", (12, 12, 3), 3), tmp_path / "model.keras", metadata)
    with pytest.raises(ConfigError, match=f"model holds {words} that are not of this project") as error:
        open_trained(None, str(tmp_path / "model.keras"), trust=True)
    assert str(error.value).isprintable()
