"""What every factory promises, over the table of tests/models/cases.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

import models
from tests.models.cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
trainable_cases = pytest.mark.parametrize("case", [c for c in CASES if c.entry.gradient], ids=lambda case: case.id)
image_cases = pytest.mark.parametrize("case", [c for c in CASES if len(c.small_shape) == 3], ids=lambda case: case.id)


@pytest.fixture
def mixed_bfloat16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def last_names(case: Case) -> list[str]:
    if case.name == "perceptron":
        return ["scores", "step"]
    return ["standardized_output", "output"] if case.entry.task == "regression" else ["logits", "probabilities"]


def loss_of(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    return float(model.evaluate(x, y, verbose=0))


def test_table_covers_every_factory() -> None:
    assert {case.name for case in CASES} == {name for name in models.FACTORIES if not models.CATALOG[name].from_file}


@every_case
def test_published_shape_has_published_parameters_and_outputs(case: Case) -> None:
    statistics = ("mean", "variance")
    hyperparameters = {key: value for key, value in case.hyperparameters.items() if key not in statistics}
    model = models.build(case.name, case.input_shape, case.num_classes, **hyperparameters)
    assert model.count_params() == case.parameters
    assert model.input_shape == (None, *case.input_shape)
    assert model.output_shape == (None, case.units)
    assert not model.compiled


# Keras' variables predate NumPy 2's copy keyword, and saving turns them into arrays.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@every_case
def test_saved_model_loads_in_safe_mode_with_identical_outputs(case: Case, tmp_path: Path) -> None:
    model, x = case.build(), case.inputs()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    outputs = keras.ops.convert_to_numpy(model(x, training=False))
    assert len(np.unique(outputs)) > 1
    np.testing.assert_array_equal(outputs, keras.ops.convert_to_numpy(loaded(x, training=False)))


@trainable_cases
def test_few_training_steps_lower_the_loss(case: Case) -> None:
    model, x = case.build(), case.inputs()
    generator = np.random.default_rng(5)
    if case.entry.task == "regression":
        y, loss = generator.normal(150, 77, (len(x), 1)).astype("float32"), "mse"
    else:
        y = generator.integers(0, case.num_classes, (len(x), 1))
        loss = "binary_crossentropy" if case.num_classes == 2 else "sparse_categorical_crossentropy"
    # Tracing a graph takes longer here than these few steps do.
    model.compile(keras.optimizers.Adam(1e-3), loss, run_eagerly=True)
    before = loss_of(model, x, y)
    for _ in range(8):
        model.train_on_batch(x, y)
    assert loss_of(model, x, y) < before


@every_case
def test_layers_are_named_and_not_numbered_by_keras(case: Case) -> None:
    first, second = case.build(), case.build()
    # Keras numbers its own names within a process: only given names repeat.
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    assert first.name == second.name == case.name
    assert first.inputs[0].name == ("pixels" if len(case.small_shape) == 3 else "features")


@every_case
def test_last_two_layers_are_the_contract_in_float32(case: Case) -> None:
    last = case.build().layers[-2:]
    assert [layer.name for layer in last] == last_names(case)
    assert [layer.compute_dtype for layer in last] == ["float32", "float32"]


@every_case
def test_mixed_precision_keeps_both_ends_in_float32(case: Case, mixed_bfloat16: None) -> None:
    model = case.build()
    dtypes = {layer.name: layer.compute_dtype for layer in model.layers}
    hidden = [dtype for name, dtype in dtypes.items() if name.startswith(("hidden", "conv"))]
    assert set(hidden) <= {"bfloat16"}
    assert {dtypes[name] for name in last_names(case)} == {"float32"}
    assert {dtypes[name] for name in ("rescaling", "normalization", "gap") if name in dtypes} <= {"float32"}
    outputs = model(case.inputs(), training=False)
    assert keras.backend.standardize_dtype(outputs.dtype) == ("int32" if case.name == "perceptron" else "float32")


@image_cases
def test_raw_pixels_equal_pixels_scaled_by_hand(case: Case) -> None:
    model, x = case.build(), case.inputs()
    scores = layer_output(model, model.layers[-2].name)
    unscaled = keras.Model(model.get_layer("rescaling").output, model.layers[-2].output)
    scaled = (x - 128) / 64 if case.name == "cifar_speed" else x / 255
    by_hand = keras.ops.convert_to_numpy(unscaled(scaled))
    np.testing.assert_allclose(scores(x), by_hand, rtol=1e-4, atol=1e-5)
    assert np.abs(by_hand - unscaled(x)).max() > 1e-2


@every_case
def test_outputs_follow_from_the_layer_before(case: Case) -> None:
    model, x = case.build(), case.inputs(64)
    before = keras.ops.convert_to_numpy(layer_output(model, last_names(case)[0])(x)).astype("float64")
    if case.name == "perceptron":
        expected = (before >= 0).astype(int)
        assert set(expected.ravel()) == {0, 1}
    elif case.entry.task == "regression":
        expected = 150 + 77 * before
    elif case.num_classes == 2:
        expected = 1 / (1 + np.exp(-before))
    else:
        expected = np.exp(before - before.max(axis=1, keepdims=True))
        expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model(x, training=False), expected, rtol=1e-4, atol=1e-6)


def layer_output(model: keras.Model, name: str) -> keras.Model:
    return keras.Model(model.inputs[0], model.get_layer(name).output)


@pytest.mark.parametrize(
    "name",
    [name for name, entry in models.CATALOG.items() if entry.task == "classification" and not entry.from_file],
)
def test_two_classes_share_one_unit(name: str) -> None:
    size = max(16, models.CATALOG[name].min_size)
    model = models.build(name, (size, size, 3), 2)
    assert model.layers[-2].units == 1
    assert model.output_shape == (None, 1)


def test_perceptron_is_1_at_exactly_0() -> None:
    model = models.build("perceptron", (1,), 2)
    model.get_layer("scores").set_weights([np.array([[2.0]]), np.array([-1.0])])
    outputs = model(np.array([[0.4999], [0.5], [0.5001]], "float32"))
    assert keras.ops.convert_to_numpy(outputs).ravel().tolist() == [0, 1, 1]


def test_table_statistics_standardise_and_constant_features_become_0() -> None:
    case = next(case for case in CASES if "mean" in case.hyperparameters)
    normalized = layer_output(case.build(), "normalization")(case.inputs())
    expected = (case.inputs() - [100, 0, -3, 5]) / [20, 1, 2, 1]
    np.testing.assert_allclose(normalized, expected, rtol=1e-5, atol=1e-5)
    assert not np.any(normalized[:, 3])
