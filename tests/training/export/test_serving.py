"""The SavedModel as TensorFlow Serving takes it."""

import json
import shutil
import sys

import numpy as np
import pytest

from evaluation.command import run_main
from training.export import parity, serving
from training.export.command import ExportConfig, export_run
from training.export.serving import ConfigError, RunError, ServeConfig, check_signature, serve


def here(entry, path, images, out):
    """A SavedModel in this process: a runtime of its own is not what these tests are about, and takes seconds."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    pixels = tf.constant(np.load(images), tf.float32)
    outputs = loaded.signatures["serving_default"](pixels=pixels)["output_0"].numpy()
    latencies = {size: np.ones(1) for size in (1, 32)}
    return parity.Measured(outputs, latencies, {"runtime": "tensorflow", "input": "pixels", "output": "output_0"})


@pytest.fixture(scope="module")
def runs_dir(run, tmp_path_factory):
    """A folder that holds an export of the run."""
    folder = tmp_path_factory.mktemp("serve")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "run_file", here)
        export_run(ExportConfig(run=str(run.path), format="saved_model", runs_dir=str(folder)))
    return folder


def facts_of(runs_dir):
    return json.loads((runs_dir / "export" / "gap_cnn-npz-001-001" / "export.json").read_text())


def test_the_commands_name_model_folder_and_port(run, runs_dir, monkeypatch, capsys):
    monkeypatch.setattr(serving, "export_run", lambda config: pytest.fail("exported again"))
    monkeypatch.setattr(sys, "argv", ["x", str(run.path), "--port", "9000", "--runs-dir", str(runs_dir)])
    assert run_main(serving.main, user_errors=(ConfigError, RunError)) == 0
    screen = capsys.readouterr().out
    model = runs_dir / "export" / "gap_cnn-npz-001-001" / "saved_model"
    assert "signature serving_default: pixels float32 (batch, 8, 8, 3) → output_0 float32 (batch, 3)" in screen
    assert f"-p 127.0.0.1:9000:8501 --mount type=bind,source={model},target=/models/gap_cnn-npz-001,readonly" in screen
    assert f"--rest_api_port=9000 --model_name=gap_cnn-npz-001 --model_base_path={model}" in screen
    assert f"curl -d @{model.parent / 'request.json'} http://localhost:9000/v1/models/gap_cnn-npz-001:predict" in screen


def test_the_request_is_answered_by_the_saved_model_as_expected(runs_dir):
    import tensorflow as tf

    folder, facts = runs_dir / "export" / "gap_cnn-npz-001-001", facts_of(runs_dir)
    instances = json.loads((folder / "request.json").read_text())["instances"]
    loaded = tf.saved_model.load(str(folder / "saved_model" / "1"))
    answer = loaded.signatures["serving_default"](pixels=tf.constant(instances, tf.float32))["output_0"].numpy()
    assert answer.shape == (1, 3) and abs(answer - facts["request"]["predictions"]).max() < 1e-6


@pytest.mark.parametrize(
    ("side", "change", "words"),
    [
        (
            "input",
            {"shape": [None, 9, 9, 3]},
            r"has the input pixels float32 \(batch, 8, 8, 3\), expected pixels float32",
        ),
        ("input", {"dtype": "uint8"}, "expected pixels uint8"),
        ("output", {"shape": [None, 4]}, r"expected output_0 float32 \(batch, 4\)"),
    ],
)
def test_a_signature_that_is_not_the_cards_is_refused(runs_dir, side, change, words):
    facts = facts_of(runs_dir)
    path = runs_dir / "export" / "gap_cnn-npz-001-001" / "saved_model" / "1"
    with pytest.raises(RunError, match=words):
        check_signature(path, facts | {side: facts[side] | change})


def test_a_folder_without_a_saved_model_is_refused(tmp_path):
    with pytest.raises(RunError, match="has no signature serving_default"):
        check_signature(tmp_path, {})


def test_a_changed_export_is_refused_and_a_newer_model_is_exported_again(run, runs_dir, tmp_path, monkeypatch):
    shutil.copytree(runs_dir / "export", tmp_path / "export")
    file = tmp_path / "export" / "gap_cnn-npz-001-001" / "saved_model" / "1" / "saved_model.pb"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(RunError, match="saved_model.pb is not the file that the run wrote"):
        serve(ServeConfig(run=str(run.path), runs_dir=str(tmp_path)))
    facts = tmp_path / "export" / "gap_cnn-npz-001-001" / "export.json"
    facts.write_text(facts.read_text().replace(json.loads(facts.read_text())["model"]["sha256"], "0" * 64))

    def exported(config):
        raise RuntimeError(f"exports {config.format}")

    monkeypatch.setattr(serving, "export_run", exported)
    with pytest.raises(RuntimeError, match="exports saved_model"):
        serve(ServeConfig(run=str(run.path), runs_dir=str(tmp_path)))


def test_a_port_must_be_one():
    with pytest.raises(ConfigError, match="port must be between 1 and 65535. Received: port=0"):
        ServeConfig(run="x", port=0)
