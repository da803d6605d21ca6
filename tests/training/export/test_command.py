"""From a run to a folder of files, each proved in its own runtime."""

import contextlib
import errno
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.command import run_main
from evaluation.files import sha256
from tests.training.export.conftest import CLASSES, SIDE, make_run
from training.export import command, formats
from training.export.__main__ import main
from training.export.command import ConfigError, ExportConfig, ExportError, export_run
from training.export.images import Counts
from training.run import RunError
from training.trained import open_trained

USER_ERRORS = (ConfigError, ExportError, RunError)


def export(run, tmp_path, **settings):
    return export_run(ExportConfig(run=str(run.path), runs_dir=str(tmp_path / "runs"), **settings))


def left(tmp_path):
    """What stands where exports go."""
    return sorted(path.name for path in (tmp_path / "runs" / "export").iterdir())


@pytest.fixture(scope="module")
def everything(run, tmp_path_factory):
    """All formats of the run, by the command itself: exit code, screen, folder."""
    runs, screen = tmp_path_factory.mktemp("all"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(screen):
        patch.setattr(sys, "argv", ["x", str(run.path), "--quantize", "all", "--runs-dir", str(runs)])
        code = run_main(main, user_errors=USER_ERRORS)
    return code, screen.getvalue(), runs / "export" / "gap_cnn-npz-001-001"


def test_all_formats_pass_and_are_shown(everything):
    code, screen, folder = everything
    assert code == 0 and screen.startswith("gap_cnn-npz-001: 34 parameters, 3 classes\ncompared on 256 of 280")
    assert "\nONNX: largest difference" in screen and f"export: {folder}" in screen
    rows = json.loads((folder / "export.json").read_text())["formats"]
    assert [row["format"] for row in rows] == list(formats.FORMATS) and all(row["passed"] for row in rows)
    runtimes = [row["runtime"].split()[0] for row in rows]
    assert runtimes == ["keras", "tensorflow", *["ai-edge-litert"] * 3, "onnxruntime"]
    assert all(row["images"] == 256 and row["accuracy"]["n"] == 256 for row in rows)
    assert all(row["latency_ms"][size]["median"] > 0 and row["bytes"] > 0 for row in rows for size in ("1", "32"))
    assert all(row["max_difference"] < 1e-4 for row in rows if not formats.FORMATS[row["format"]].quantised)


def test_every_file_is_listed_with_its_checksum(everything):
    folder = everything[2]
    listed = json.loads((folder / "manifest.json").read_text())
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert listed == {name: sha256(path) for name, path in files.items() if name != "manifest.json"}
    expected = {"model.keras", "model.tflite", "model-int8.tflite", "model.onnx", "saved_model/1/saved_model.pb",
                "model-card.md", "labels.txt", "export.json", "request.json"}  # fmt: skip
    assert expected <= set(listed)
    assert (folder / "labels.txt").read_text() == "dark\ngrey\nlight\n"


def test_the_code_of_the_card_runs_and_gives_the_same_scores(everything, run):
    folder = everything[2]
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.float32)
    np.save(folder.parent / "pixels.npy", pixels)
    expected = open_trained(str(run.path)).model.predict(pixels, verbose=0)
    blocks = re.findall(r"```python\n(.*?)```", (folder / "model-card.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks[2:]:  # LiteRT and ONNX, where there is no TensorFlow
        code = f"import numpy as np\npixels = np.load('../pixels.npy')\n{block}\nprint(probabilities.tolist())"
        code = f"import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\n{code}"
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
        np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), expected, atol=1e-5)


def test_the_card_says_what_a_stranger_needs(everything):
    card = (everything[2] / "model-card.md").read_text()
    for words in (
        "train 120, validation 280, test 60 images",
        "accuracy: 90.0% (80.0%–95.0%), 54 of 60",
        "float32, shape (batch, 8, 8, 3), **raw pixels 0…255** (red, green, blue)",
        "one probability for each class, 0…1, which sum to 1",
        "256 of 280 validation images",
        "| `model.onnx`           | ONNX, opset 15        |",
        "No pre-trained weights went into this network",
        "128 validation images; 104 of them are among those compared",
    ):
        assert words in card


def worse(writer):
    """A writer whose file has other weights than the run."""

    def write(trained, path, calibration):
        layer = trained.model.get_layer("logits")
        kept = layer.get_weights()
        layer.set_weights([kept[0], kept[1] + np.array([0.02, 0, 0])])
        try:
            return writer(trained, path, calibration)
        finally:
            layer.set_weights(kept)

    return write


@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_a_file_with_other_weights_fails_and_leaves_nothing(run, tmp_path, monkeypatch, name):
    monkeypatch.setitem(formats._WRITERS, name, worse(formats._WRITERS[name]))
    with pytest.raises(ExportError, match=r"failed: largest difference 5.3e-04 where 0.0001 is allowed, .*Nothing was"):
        export(run, tmp_path, format=name)
    assert left(tmp_path) == []


def test_broken_calibration_is_refused_and_what_passed_stays(run, tmp_path, monkeypatch, capsys):
    write = formats._WRITERS["litert_int8"]
    monkeypatch.setitem(
        formats._WRITERS, "litert_int8", lambda trained, path, x: write(trained, path, np.zeros_like(x))
    )
    arguments = ["x", str(run.path), "--format", "litert", "--quantize", "int8", "--runs-dir", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", arguments)
    assert run_main(main, user_errors=USER_ERRORS) == 1
    screen = capsys.readouterr()
    assert (
        "LiteRT, full integer FAILED: accuracy 3" in screen.out and "outside the Keras model's interval" in screen.out
    )
    assert screen.err.startswith("error: LiteRT, full integer failed: accuracy")
    (folder,) = (tmp_path / "runs" / "export").iterdir()
    assert (folder / "model.tflite").is_file() and not (folder / "model-int8.tflite").exists()
    assert "**LiteRT, full integer failed and is not in this folder**" in (folder / "model-card.md").read_text()
    assert "model-int8.tflite" not in (folder / "manifest.json").read_text()


def test_what_a_converter_raises_is_said_in_one_line(run, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no converter for\n  the operation\n  Frobnicate.")

    monkeypatch.setitem(formats._WRITERS, "onnx", broken)
    with pytest.raises(ExportError) as error:
        export(run, tmp_path, format="onnx")
    assert str(error.value) == "ONNX failed: no converter for the operation Frobnicate. Nothing was exported."


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "model.onnx"), 1, "the disk is full. Free some space"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
    ],
)
def test_a_full_disk_and_ctrl_c_leave_nothing(run, tmp_path, monkeypatch, capsys, error, code, words):
    def fails(trained, path, calibration):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setitem(formats._WRITERS, "onnx", fails)
    monkeypatch.setattr(sys, "argv", ["x", str(run.path), "--format", "onnx", "--runs-dir", str(tmp_path / "runs")])
    assert run_main(main, user_errors=USER_ERRORS) == code
    assert words in capsys.readouterr().err and left(tmp_path) == []


def test_two_classes_are_judged_at_the_operating_point(binary_run, tmp_path):
    found = export(binary_run, tmp_path, format="onnx", output=str(tmp_path / "runs" / "mine"))
    assert found.folder == tmp_path / "runs" / "mine" and found.failed == []
    card = found.card.read_text()
    assert "an image counts as ill where its score is at least 0.25: Chosen on validation." in card
    assert "sensitivity for ill: 90.0%" in card and "shape (batch, 1): the probability of ill" in card
    assert found.facts["operating_point"] == {"threshold": 0.25, "why": "Chosen on validation."}
    with pytest.raises(ConfigError, match="must be a new or an empty folder"):
        export(binary_run, tmp_path, format="onnx", output=str(tmp_path / "runs" / "mine"))


def test_a_model_file_needs_trust_and_class_folders(run, tmp_path):
    settings = {"model_file": str(run.model), "format": "onnx", "runs_dir": str(tmp_path / "runs")}
    with pytest.raises(ConfigError, match="belongs to no run of yours.*--trust"):
        export_run(ExportConfig(**settings))
    with pytest.raises(ConfigError, match="no images to prove its export on.*--data-dir"):
        export_run(ExportConfig(**settings, trust=True))
    for index, name in enumerate(CLASSES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (SIDE, SIDE), (index * 80 + 60,) * 3).save(tmp_path / "photos" / name / "a.png")
    found = export_run(ExportConfig(**settings, trust=True, data_dir=str(tmp_path / "photos")))
    assert found.facts["formats"][0]["accuracy"]["correct"] == 3 and found.facts["data"] is None
    assert "Not recorded: the model file belonged to no run" in found.card.read_text()
    assert found.facts["proof"]["words"] == "3 of 3 images of photos (3 classes)"
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in found.folder.rglob("*") if path.is_file())


def test_data_that_changed_is_refused_before_anything_is_written(tmp_path):
    run = make_run(tmp_path / "changed")
    file = tmp_path / "changed" / "brightness.npz"
    arrays = dict(np.load(file))
    np.savez(file, **arrays | {"x_test": 255 - arrays["x_test"]})
    with pytest.raises(RunError, match="the data is not what gap_cnn-npz-001 was trained on.*--data-dir"):
        export(run, tmp_path, format="onnx")
    file.unlink()
    with pytest.raises(ValueError, match="brightness.npz"):
        export(run, tmp_path, format="onnx")
    assert not (tmp_path / "runs").exists()


def test_a_final_fit_says_that_its_validation_images_were_trained_on(tmp_path):
    found = export(make_run(tmp_path / "final", final_fit=True), tmp_path, format="litert")
    assert found.facts["proof"]["words"] == "256 of 280 validation images, on which the final fit was trained too"
    assert "training and validation images together set the weights, so only the test images" in found.card.read_text()


def test_few_validation_images_are_filled_up_from_training(tmp_path):
    run = make_run(tmp_path / "few", validation=40)
    trained = open_trained(str(run.path))
    proof = command.validation_images(run, trained, None, Counts())
    assert len(proof.images) == 160 and len(proof.y) == 40 and proof.shared == 40
    assert (
        proof.words
        == "40 of 40 validation images and 120 training images, which count for differences, not for accuracy"
    )
    assert proof.images[:40].mean(axis=(1, 2, 3)).argsort().tolist() != list(range(40))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "There is no run at nowhere"),
        (["{run}", "--format", "coreml"], "--format: expected one of keras, saved_model, litert, onnx, all"),
        (["{run}", "--format", "onnx", "--quantize", "int8"], "quantize belongs to --format litert or all"),
        (["{run}", "--images", "10"], "images must be at least 256. Received: images=10"),
        (["{run}", "--calibration", "0"], "calibration must be at least 1"),
        (["{run}", "--output", "{run}"], "output must be a new or an empty folder"),
        (["{table}"], "classifies rows of a table (breast_cancer); only classifiers of images are exported"),
        (["{number}"], "predicts a number (linear_regression); only classifiers of images are exported"),
        (["{empty}"], "holds no model.keras"),
        ([], "name either a run"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, monkeypatch, capsys, arguments, words):
    places = {"run": str(run.path)}
    for name, settings in {
        "table": "model: logistic_regression\ndataset: breast_cancer\n",
        "number": "model: linear_regression\ndataset: diabetes\n",
        "empty": "model: gap_cnn\n",
    }.items():
        places[name] = str(tmp_path / name)
        Path(places[name]).mkdir()
        (tmp_path / name / "config.yaml").write_text(settings)
        (tmp_path / name / "run.json").write_text(json.dumps({"data": {"feature_names": ["a"] * (name != "number")}}))
        if name != "empty":
            (tmp_path / name / "model.keras").touch()
    monkeypatch.setattr(sys, "argv", ["x", *(item.format(**places) for item in arguments)])
    try:
        code = run_main(main, user_errors=USER_ERRORS)
    except SystemExit as end:
        code = end.code
    error = capsys.readouterr().err
    assert code == 2 and error.startswith("error: ") and words in error and error.count("\n") == 1


def test_missing_packages_are_named_with_the_cure(run, monkeypatch):
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else name)
    with pytest.raises(ConfigError, match=r"tf2onnx must be installed for this export: .*requirements-export\.txt"):
        command.check_settings_early(ExportConfig(run=str(run.path), format="onnx"))
    command.check_settings_early(ExportConfig(run=str(run.path), format="litert"))
