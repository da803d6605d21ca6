"""Cutting, freezing and a new head, on a small network whose every number can be followed."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.transfer.test_backbones import images_for
from transfer.pretrained.catalog import TransferError
from transfer.surgery import compile_frozen, freeze, replace_head, slice_at, trainable_count

LOSS = "sparse_categorical_crossentropy"


@pytest.fixture
def network() -> keras.Model:
    """A convolution, a batch norm, two branches that are added, a convolution, a batch norm."""
    pixels = keras.Input((8, 8, 3), name="pixels")
    unit = keras.layers.Rescaling(1 / 255, name="rescaling")(pixels)
    stem = keras.layers.BatchNormalization(name="stem_bn")(keras.layers.Conv2D(4, 3, name="stem")(unit))
    left = keras.layers.Conv2D(4, 1, name="left")(stem)
    right = keras.layers.Conv2D(4, 1, name="right")(stem)
    both = keras.layers.Add(name="both")([left, right])
    top = keras.layers.BatchNormalization(name="top_bn")(keras.layers.Conv2D(5, 3, name="top")(both))
    return keras.Model(pixels, top, name="small")


def step(model: keras.Model) -> dict[str, bool]:
    """Trains one step; which layers with weights kept every bit."""
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    model.train_on_batch(images_for(model, 6), np.array([0, 1, 2, 0, 1, 2]))
    return {name: all(map(np.array_equal, before[name], model.get_layer(name).get_weights())) for name in before}


def test_a_slice_gives_the_layers_output_and_leaves_the_model_as_it_was(network: keras.Model) -> None:
    images, names = images_for(network), [layer.name for layer in network.layers]
    whole = np.asarray(network(images))
    part = slice_at(network, "left")
    kernel, bias = network.get_layer("left").get_weights()
    np.testing.assert_allclose(part(images), slice_at(network, "stem_bn")(images) @ kernel[0, 0] + bias, atol=1e-5)
    assert part.name == "small_left"
    assert {layer.name for layer in part.layers} == {"pixels", "rescaling", "stem", "stem_bn", "left"}
    assert [layer.name for layer in network.layers] == names
    np.testing.assert_array_equal(network(images), whole)


def test_a_cut_that_does_not_exist_names_the_nearest_layer(network: keras.Model) -> None:
    for surgery in (lambda: slice_at(network, "stem_bm"), lambda: freeze(network, up_to="stem_bm")):
        with pytest.raises(TransferError, match=r"^small has no layer 'stem_bm' to cut at\. Did you mean 'stem_bn'\?"):
            surgery()


def test_freezing_up_to_a_layer_freezes_what_it_depends_on_and_no_branch_beside_it(network: keras.Model) -> None:
    assert freeze(network, up_to="left", batch_norms="training") == 3
    trained = {layer.name for layer in network.layers if layer.trainable_variables}
    assert trained == {"right", "top", "top_bn"}
    assert trainable_count(network) == (4 * 4 + 4) + (3 * 3 * 4 * 5 + 5) + 2 * 5
    assert freeze(network, up_to=None, batch_norms="training") == 0
    assert trainable_count(network) == network.count_params() - 2 * 4 - 2 * 5  # all but the moving statistics


@pytest.mark.parametrize("batch_norms", ["inference", "training"])
def test_a_step_keeps_every_bit_of_what_is_frozen_statistics_included(network: keras.Model, batch_norms: str) -> None:
    model = replace_head(network, 3)
    count = compile_frozen(model, up_to="both", batch_norms=batch_norms, optimizer="sgd", loss=LOSS)
    assert count == (3 * 3 * 4 * 5 + 5) + (5 * 3 + 3) + (10 if batch_norms == "training" else 0)
    kept = {"stem", "stem_bn", "left", "right"} | ({"top_bn"} if batch_norms == "inference" else set())
    assert {name for name, same in step(model).items() if same} == kept


def test_unfreezing_compiles_anew_so_that_more_is_trained(network: keras.Model) -> None:
    model = replace_head(network, 3)
    first = compile_frozen(model, up_to="top_bn", optimizer="adam", loss=LOSS)
    assert {name for name, same in step(model).items() if not same} == {"logits"}
    second = compile_frozen(model, up_to=None, optimizer="adam", loss=LOSS)
    assert {name for name, same in step(model).items() if same} == {"stem_bn", "top_bn"}
    assert (first, second) == (18, model.count_params() - 4 * 4 - 4 * 5)


def test_freezing_a_compiled_model_is_refused(network: keras.Model) -> None:
    network.compile(loss="mse")
    with pytest.raises(TransferError, match=r"^small is compiled: .* Use compile_frozen\.$"):
        freeze(network, up_to="stem")


def test_an_optimizer_that_was_used_before_is_refused(network: keras.Model) -> None:
    model, optimizer = replace_head(network, 3), keras.optimizers.SGD()
    compile_frozen(model, up_to="top_bn", optimizer=optimizer, loss=LOSS)
    step(model)
    with pytest.raises(RuntimeError, match="Give a new optimizer"):
        compile_frozen(model, up_to=None, optimizer=optimizer, loss=LOSS)


def test_a_model_with_nothing_left_to_train_is_refused(network: keras.Model) -> None:
    with pytest.raises(TransferError, match=r"^Nothing is left to train in small .* up to top_bn: add a head\.$"):
        compile_frozen(network, up_to="top_bn", loss="mse")


def test_a_model_that_was_switched_off_as_a_whole_is_trained_again(network: keras.Model) -> None:
    network.trainable = False
    freeze(network, up_to=None, batch_norms="training")
    assert trainable_count(network) == network.count_params() - 2 * 4 - 2 * 5


def test_a_new_head_averages_the_feature_map_and_ends_as_every_classifier(network: keras.Model) -> None:
    model = replace_head(network, 3, units=(7,), dropout_rate=0.5)
    head = ["head_pool", "head_dropout1", "head_dense1", "head_dropout", "logits", "probabilities"]
    assert [layer.name for layer in model.layers][-6:] == head
    images = images_for(model)
    np.testing.assert_allclose(model(images).numpy().sum(axis=1), 1, atol=1e-6)
    pooled = slice_at(model, "head_pool")(images)
    np.testing.assert_allclose(pooled, np.mean(network(images), axis=(1, 2)), atol=1e-5)
    assert replace_head(network, 2).output_shape == (None, 1)


@pytest.mark.parametrize(("pooling", "width"), [("max", 5), ("flatten", 4 * 4 * 5)])
def test_other_poolings_of_a_new_head(network: keras.Model, pooling: str, width: int) -> None:
    model = replace_head(network, 3, pooling=pooling)
    assert model.get_layer("head_pool").output.shape == (None, width)


def test_replacing_a_head_leaves_the_old_one_out(network: keras.Model) -> None:
    for pooling in ("average", "flatten"):
        old = replace_head(network, 10, pooling=pooling, units=(6,))
        new = replace_head(old, 3)
        assert [layer.name for layer in new.layers][-3:] == ["head_pool", "logits", "probabilities"]
        np.testing.assert_array_equal(slice_at(new, "top_bn")(images_for(new)), network(images_for(new)))
        assert old.output_shape == (None, 10)


def test_an_impossible_head_is_refused(network: keras.Model) -> None:
    with pytest.raises(ValueError, match=r"^num_classes must be at least 2\."):
        replace_head(network, 1)
    with pytest.raises(ValueError, match=r"^dropout_rate must be at least 0 and below 1\."):
        replace_head(network, 3, dropout_rate=1.0)
    with pytest.raises(TransferError, match=r"^pooling must be one of average, max, flatten\. Received: pooling=mean"):
        replace_head(network, 3, pooling="mean")  # type: ignore[arg-type]
    table = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="logits")], name="table")
    with pytest.raises(TransferError, match=r"^table has no feature map before its output"):
        replace_head(table, 3)


def test_a_head_survives_saving(network: keras.Model, tmp_path) -> None:
    model = replace_head(network, 3)
    freeze(model, up_to="both")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(images_for(model)), model(images_for(model)))
    assert trainable_count(loaded) == trainable_count(model)
