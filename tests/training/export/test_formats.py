"""Which files are asked for, and what their converters make of the networks of this project."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tests.models.cases import CASES
from training.checks import ConfigError
from training.export import parity
from training.export.formats import FORMATS, formats_of, quiet, write_format
from training.export.onnxops import teach_tf2onnx

IMAGES = [case for case in CASES if len(case.small_shape) == 3 and case.entry.task == "classification"]


@pytest.mark.parametrize(
    ("name", "quantize", "expected"),
    [
        ("all", "none", ["keras", "saved_model", "litert", "onnx"]),
        ("litert", "all", ["litert", "litert_dynamic", "litert_int8"]),
        ("all", "int8", ["keras", "saved_model", "litert", "litert_int8", "onnx"]),
        ("onnx", "none", ["onnx"]),
    ],
)
def test_formats_are_those_asked_for(name, quantize, expected):
    assert list(formats_of(name, quantize)) == expected


def test_quantisation_without_litert_is_refused():
    with pytest.raises(ConfigError, match="quantize belongs to --format litert or all. Received: format=keras"):
        formats_of("keras", "dynamic")


def test_chatter_is_dropped_and_errors_pass(capfd):
    import os

    print("before")
    with pytest.raises(ValueError, match="an error"), quiet():
        print("python's chatter")
        os.write(2, b"a library's chatter")
        raise ValueError("an error")
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "")


def test_operations_that_the_converter_does_not_know_reach_onnx(tmp_path):
    import onnxruntime

    inputs = keras.Input((3,), name="features")
    exact = keras.layers.Activation("gelu", name="exact")(inputs)  # tf.math.erfc
    step = keras.layers.Discretization(bin_boundaries=[-1.0, 0.0, 2.0], name="step")(inputs)
    model = keras.Model(inputs, [exact, keras.ops.cast(step, "float32")])
    x = np.array([[-3.0, -1.0, -0.5], [0.0, 1.99, 2.0], [-40.0, 5.0, 40.0]], np.float32)
    model(x)  # Keras exports what was called once
    teach_tf2onnx()
    with quiet():
        model.export(str(tmp_path / "x.onnx"), format="onnx", verbose=False)
    gelu, digits = onnxruntime.InferenceSession(str(tmp_path / "x.onnx")).run(None, {"features": x})
    np.testing.assert_allclose(gelu, keras.ops.gelu(x, approximate=False), atol=2e-6)
    assert digits.tolist() == [[0, 1, 1], [2, 2, 3], [0, 3, 3]]


def test_statistics_of_a_normalisation_are_no_inputs_of_an_onnx_file(tmp_path):
    import onnxruntime

    inputs = keras.Input((2, 2, 3), name="pixels")
    layer = keras.layers.Normalization(mean=[0.5, 1.0, 2.0], variance=[1.0, 4.0, 9.0], name="normalization")
    inner = keras.Model(inputs, layer(inputs), name="inner")
    model = keras.Model(inputs, keras.layers.Flatten()(inner(inputs)))
    x = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
    expected, held = np.asarray(model(x)), layer.mean
    write_format("onnx", SimpleNamespace(model=model), tmp_path / "x.onnx", x)
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"))
    assert [item.name for item in session.get_inputs()] == ["pixels"] and layer.mean is held
    np.testing.assert_allclose(session.run(None, {"pixels": x})[0], expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("case", IMAGES, ids=lambda case: case.id)
def test_every_factory_for_images_is_the_same_in_other_runtimes(tmp_path, case):
    model, pixels = case.build(), case.inputs(40).astype(np.uint8)
    outputs = np.asarray(model(pixels.astype(np.float32), training=False))
    expected = parity.Reference(outputs, np.zeros(40, int), lambda scores: scores.argmax(axis=1), None, 1e-4)
    np.save(tmp_path / "images.npy", pixels)
    for key in ("litert", "onnx"):
        path = tmp_path / FORMATS[key].file
        write_format(key, SimpleNamespace(model=model), path, pixels)
        found = parity.run_file(FORMATS[key], path, tmp_path / "images.npy", tmp_path / "out.npz", calls=2)
        row = parity.compare(FORMATS[key], found, expected)
        assert row["passed"], row["verdict"]
