from __future__ import annotations

import numpy as np
import pytest

from training.datasets.dataset import DataError
from training.datasets.splits import arrange, carve, carved_note, duplicates_across, example_hash

LABELS = np.repeat([0, 1, 2], [600, 300, 100])


def cut(y=LABELS, validation=0.15, test=0.2, seed=0, **options):
    return carve(y, validation_fraction=validation, test_fraction=test, seed=seed, **options)


@pytest.mark.parametrize("stratify", [True, False])
def test_every_example_stands_in_exactly_one_split(stratify):
    parts = cut(stratify=stratify)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))


def test_classes_keep_their_shares():
    train, validation, test = cut()
    np.testing.assert_array_equal(np.bincount(LABELS[test]), [120, 60, 20])
    np.testing.assert_array_equal(np.bincount(LABELS[validation]), [72, 36, 12])
    assert len(train) == 680


def test_fractions_are_met_although_no_class_divides():
    y = np.repeat(np.arange(7), 13)
    train, validation, test = cut(y, 0.15, 0.2)
    assert (len(test), len(validation)) == (round(0.2 * 91), round(0.15 * 0.8 * 91))
    assert set(np.bincount(y[test])) <= {2, 3}


def test_a_missing_fraction_carves_nothing():
    train, validation, test = cut(test=None, validation=0.1)
    assert (len(train), len(validation), len(test)) == (900, 100, 0)
    train, validation, test = cut(test=0.25, validation=None)
    assert (len(train), len(validation), len(test)) == (750, 0, 250)


def test_the_seed_decides():
    first, again, other = cut(seed=1), cut(seed=1), cut(seed=2)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[2], other[2])


@pytest.mark.parametrize("fractions", [(0.01, 0.01), (0.15, 0.2), (0.45, 0.5)])
def test_every_class_stands_in_every_split_however_small(fractions):
    y = np.repeat([0, 1], [500, 3])
    for part in cut(y, *fractions):
        assert set(y[part]) == {0, 1}


def test_a_class_that_is_too_small_is_named():
    with pytest.raises(DataError) as caught:
        cut(np.repeat([0, 1, 2], [10, 2, 10]), class_names=("a", "rare", "c"))
    assert str(caught.value) == (
        "Too few examples to split: rare (2). Expected at least 3 examples of every class, one for each split. "
        "Add some, or leave the class out."
    )


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ((0.0, 0.2), "validation_fraction must lie between 0 and 1, both excluded. Received: validation_fraction=0.0."),
        ((0.2, 1.0), "test_fraction must lie between 0 and 1, both excluded. Received: test_fraction=1.0."),
        (
            (0.5, 0.5),
            "validation_fraction and test_fraction must sum to less than 1, so that training data remain. "
            "Received: 0.5 and 0.5. Make one smaller.",
        ),
    ],
)
def test_impossible_fractions_are_refused(fractions, message):
    with pytest.raises(DataError) as caught:
        cut(LABELS, *fractions)
    assert str(caught.value) == message


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole_and_fractions_close(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 150, 1000)  # patients with 1 to 15 images
    y = (groups % 10 < 3).astype(int)
    parts = cut(y, seed=seed, groups=groups)
    owners = [set(groups[part]) for part in parts]
    assert not owners[0] & owners[1] and not owners[0] & owners[2] and not owners[1] & owners[2]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1000))
    for part, share in zip(parts, (0.68, 0.12, 0.2), strict=True):
        assert abs(len(part) / 1000 - share) < 0.02
        assert abs(y[part].mean() - y.mean()) < 0.05


def test_groups_without_classes_stay_whole():
    groups = np.repeat(np.arange(40), 5)
    parts = cut(np.linspace(0, 1, 200), groups=groups, stratify=False)
    assert [len(part) for part in parts] == [135, 25, 40]
    assert not set(groups[parts[0]]) & set(groups[parts[2]])


def test_a_class_in_too_few_groups_is_named():
    y, groups = np.repeat([0, 1], [90, 10]), np.repeat(np.arange(10), 10)
    with pytest.raises(DataError, match=r"Too few groups to split: ill \(1\). Expected at least 3 groups"):
        cut(y, groups=groups, class_names=("well", "ill"))


@pytest.mark.parametrize("seed", range(20))
def test_arrange_permutes_in_place(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(seed + 1, 2, 3))
    order = rng.permutation(len(x))
    expected = x[order]
    arrange(x, order)
    np.testing.assert_array_equal(x, expected)


def test_duplicates_across_splits_are_counted_and_named():
    rows = {
        "train": np.array([[1, 2], [3, 4], [3, 4]]),
        "validation": np.array([[9, 9]]),
        "test": np.array([[3, 4], [7, 7]]),
    }
    hashes = {name: [example_hash(row) for row in part] for name, part in rows.items()}
    ids = {name: np.array([f"{name}{i}" for i in range(len(part))]) for name, part in rows.items()}
    assert duplicates_across(hashes, ids) == ["1 image of test stands in train with the same pixels: test0 = train1."]
    assert duplicates_across(hashes, ids, "row") == [
        "1 row of test stands in train with the same features: test0 = train1."
    ]
    assert duplicates_across({name: hashes[name] for name in ("train", "validation")}, ids) == []


def test_nothing_is_noted_where_nothing_was_carved():
    assert carved_note({"train": 3, "validation": 1, "test": 1}, [], 0, stratified=True, grouped=False) == []
