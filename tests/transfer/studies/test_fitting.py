"""Networks by a fixed recipe: exactly its steps, and what is frozen stays as it was."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import models
from tests.transfer.studies.conftest import split_of
from training.datasets.dataset import Split
from training.forget import registered
from transfer.pretrained.catalog import TransferError
from transfer.studies.fitting import (
    Recipe,
    accuracy,
    first_of_each,
    fit,
    outputs,
    parameters,
    rest_after,
    select,
    take_over,
)
from transfer.studies.nets import Task, read_weights, train_fresh, train_from, train_head

SMALL = {"filters": (4, 6), "dense_units": 5}


def network(seed: int = 0, classes: int = 3) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return models.build("cifar_cnn_functional", (8, 8, 3), classes, **SMALL)


def test_every_network_takes_exactly_the_steps_of_its_recipe():
    model = network()
    fit(model, split_of(3, 7), Recipe(40, batch_size=8), seed=1)  # in calls of 32 steps, the last one shorter
    assert int(model.optimizer.iterations) == 40
    assert float(model.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)


def test_the_rest_trained_on_stored_outputs_is_the_rest_of_the_whole_network():
    model, split = network(), split_of(3, 7)
    first, rest = keras.Model(model.inputs, model.get_layer("conv1_pool").output), rest_after(model, "conv1_pool")
    stored, before = outputs(first, split), [array.copy() for array in model.get_weights()]
    np.testing.assert_allclose(rest(stored.x), model(split.x.astype(np.float32)), rtol=1e-5, atol=1e-6)
    fit(rest, stored, Recipe(4, batch_size=8), seed=1)
    changed = [not np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, True, True, True, True, True, True]
    np.testing.assert_allclose(rest(stored.x), model(split.x.astype(np.float32)), rtol=1e-5, atol=1e-6)


def test_layers_up_to_the_cut_are_taken_over_and_no_others():
    source, model, untouched = network(1), network(2), network(2)
    take_over(model, source.get_weights(), "conv2_pool")
    for one, other, expected in zip(model.layers, untouched.layers, source.layers, strict=True):
        wanted = expected if one.name in ("conv1", "conv2") else other
        assert [w.tolist() for w in one.get_weights()] == [w.tolist() for w in wanted.get_weights()], one.name


def test_a_cut_that_does_not_exist_or_a_network_that_is_no_chain_is_refused():
    with pytest.raises(TransferError, match="no layer 'conv9' to cut at. It has: pixels, rescaling, conv1"):
        rest_after(network(), "conv9")
    inputs = keras.Input((4,), name="features")
    forked = keras.layers.Add(name="sum")([keras.layers.Dense(4, name="dense")(inputs), inputs])
    with pytest.raises(TransferError, match="is no chain of layers"):
        rest_after(keras.Model(inputs, forked), "dense")


def test_accuracy_counts_the_most_probable_class_and_one_unit_above_a_half():
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3]], np.float32)
    three = Split(scores, np.array([0, 1, 1, 0]), np.arange(4).astype(str))
    inputs = keras.Input((3,))
    assert accuracy(keras.Model(inputs, keras.layers.Activation("linear")(inputs)), three) == 0.75
    one = keras.Input((1,))
    two = Split(scores[:, :1], np.array([1, 0, 1, 0]), three.ids)
    assert accuracy(keras.Model(one, keras.layers.Activation("linear")(one)), two) == 0.75


def test_a_smaller_draw_of_a_seed_is_part_of_the_larger_one():
    y = np.repeat([0, 1, 2], [30, 20, 4])
    small, large, other = (first_of_each(y, n, seed=seed) for n, seed in ((3, 1), (10, 1), (3, 2)))
    assert set(small) < set(large) and small.tolist() != other.tolist()
    assert np.bincount(y[small]).tolist() == [3, 3, 3] and np.bincount(y[large]).tolist() == [10, 10, 4]


def test_chosen_classes_are_renumbered_in_the_given_order():
    split = Split(np.arange(6)[:, None], np.array([5, 3, 9, 5, 3, 9]), np.array(list("abcdef")))
    chosen = select(split, (9, 5))
    assert chosen.ids.tolist() == ["a", "c", "d", "f"] and chosen.y.tolist() == [1, 0, 1, 0]
    assert select(split, (9, 5), np.array([5, 0, 1])).ids.tolist() == ["a", "f"]


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(split_of(3, 20), split_of(3, 9, seed=1), Recipe(3, 16), 1, "cifar_cnn_functional", SMALL)


@pytest.fixture(scope="module")
def base(task, tmp_path_factory) -> Path:
    """Weights of a trained network."""
    path = tmp_path_factory.mktemp("base") / "base.npz"
    assert train_fresh(task, path)["trainable"] == parameters(network())
    return path


def test_a_frozen_start_trains_the_rest_alone_and_a_fine_tuned_one_everything(task, base):
    frozen, tuned = (train_from(task, base, layer_name="hidden", frozen=frozen) for frozen in (True, False))
    assert (tuned["trainable"], frozen["trainable"]) == (parameters(network()), 5 * 3 + 3)


def test_a_seed_gives_the_same_network_again(task, base, tmp_path):
    train_fresh(task, tmp_path / "again.npz")
    for one, other in zip(read_weights(base), read_weights(tmp_path / "again.npz"), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_process_keeps_nothing_of_the_networks_before(task, base):
    before = set(registered())
    train_fresh(task)
    for frozen in (True, False):
        train_from(task, base, layer_name="hidden", frozen=frozen)
    assert set(registered()) == before


def test_a_head_learns_from_features(task):
    parts = [Split(part.x.mean((1, 2)).astype(np.float32) / 100, part.y, part.ids) for part in (task.train, task.test)]
    head = train_head(Task(*parts, Recipe(200, 16, 0.1), 1))
    assert head["trainable"] == 3 * 3 + 3 and head["accuracy"] > 0.9
