"""A file in a runtime of its own: nothing else is imported, every image is run, times are counted."""

import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from training.export import runtimes
from training.export.formats import FORMATS
from training.export.parity import RuntimeFailure, run_file


def test_every_image_is_run_in_batches():
    sizes = []

    def run(pixels):
        sizes.append(len(pixels))
        assert pixels.dtype == np.float32
        return pixels.sum(axis=(1, 2, 3))[:, None]

    images = np.random.default_rng(0).integers(0, 256, (70, 2, 2, 1)).astype(np.uint8)
    found = runtimes.predict(run, images)
    assert sizes == [32, 32, 6] and found[:, 0].tolist() == images.sum(axis=(1, 2, 3)).tolist()


def test_both_batch_sizes_are_timed_after_a_warm_up():
    sizes = []
    found = runtimes.latencies(lambda pixels: sizes.append(len(pixels)), np.zeros((3, 2, 2, 1), np.uint8), 7)
    assert {name: len(values) for name, values in found.items()} == {"latency_1": 7, "latency_32": 7}
    assert sizes == [1] * 12 + [32] * 12


@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_a_runtime_that_brings_tensorflow_is_refused(tmp_path, monkeypatch, capsys, name):
    import tensorflow  # noqa: F401 — as if the file's runtime had imported it

    np.save(tmp_path / "images.npy", np.zeros((1, 2, 2, 1), np.uint8))
    opened = runtimes.Opened(lambda pixels: pixels, "fake 1", {})
    monkeypatch.setitem(runtimes.RUNTIMES, name, (lambda *_: opened, runtimes.RUNTIMES[name][1]))
    assert runtimes.main([name, "x", str(tmp_path / "images.npy"), str(tmp_path / "out.npz"), "1"]) == 1
    assert capsys.readouterr().err == f"{name} imported tensorflow, keras: it does not stand alone\n"
    assert not (tmp_path / "out.npz").exists()


def test_a_saved_model_cannot_reach_keras(tmp_path):
    code = (
        "import sys, types\nfrom training.export import runtimes\n"
        "sys.modules['tensorflow'] = types.ModuleType('tensorflow')  # the real one takes seconds\n"
        f"try: runtimes.open_saved_model({str(tmp_path)!r}, 1)\nexcept AttributeError: pass\n"
        "import keras"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: import of keras halted; None in sys.modules"


@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_a_damaged_file_does_not_run(tmp_path, name):
    np.save(tmp_path / "images.npy", np.zeros((1, 2, 2, 1), np.uint8))
    (tmp_path / "model").write_bytes(b"no model")
    with pytest.raises(RuntimeFailure, match=r"^\w+: .*[Mm]odel"):
        run_file(FORMATS[name], tmp_path / "model", tmp_path / "images.npy", tmp_path / "out.npz")
