"""The resampler: exact in distribution, seeded, and honest about what it cannot say."""

import math

import numpy as np
import pytest

from evaluation.uncertainty.intervals import Estimate
from evaluation.uncertainty.resampling import Resampler, group_codes, multinomial_matrices, percentile_interval


def test_stratified_resamples_keep_the_classes_and_their_size():
    strata = np.array([0] * 30 + [1] * 10)
    for counts in Resampler(strata, replicates=50).counts():
        assert (counts[:, :30].sum(axis=1) == 30).all()
        assert (counts[:, 30:].sum(axis=1) == 10).all()


def test_groups_are_drawn_whole():
    groups = np.array(["a", "b", "b", "c", "c", "c"], dtype=object)
    chunks = list(Resampler(np.zeros(6, int), groups, replicates=40).counts())
    counts = np.concatenate(chunks)
    assert (counts[:, 1] == counts[:, 2]).all()
    assert (counts[:, 3] == counts[:, 5]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()


@pytest.mark.parametrize("groups", [None, np.arange(5000) // 5])
def test_the_same_seed_gives_the_same_resamples(groups):
    strata = np.arange(5000) % 2
    first, second = (np.concatenate(list(Resampler(strata, groups, replicates=120).counts())) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", ["merged", "drawn", "weighted", "grouped", "grouped-wide"])
def test_cell_totals_have_the_mean_and_spread_of_resampling(kind):
    rng = np.random.default_rng(0)
    n, cells = 300, 40 if kind == "grouped-wide" else 3
    codes, strata = rng.integers(0, 3, n), rng.integers(0, 2, n)
    weights = (
        rng.integers(1, 3, n) * 1.0 if kind == "merged" else rng.random(n) if kind in ("drawn", "weighted") else None
    )
    groups = np.arange(n) // 3 if kind.startswith("grouped") else None
    totals = Resampler(strata, groups, replicates=8000, seed=1).cell_totals(codes, cells, weights)
    values = (codes == 1) * (1.0 if weights is None else weights)
    units = [np.bincount(groups, values)] if groups is not None else [values[strata == s] for s in (0, 1)]
    spread = math.sqrt(sum(len(unit) * unit.var() for unit in units))
    assert totals.shape == (8000, cells)
    assert totals[:, 1].mean() == pytest.approx(values.sum(), abs=5 * spread / math.sqrt(8000))
    assert totals[:, 1].std() == pytest.approx(spread, rel=0.05)


def test_totals_of_few_different_rows_are_multinomial():
    strata = np.repeat([0, 1], [400, 100])
    hit = np.concatenate([np.arange(400) < 100, np.arange(100) < 80])
    totals = Resampler(strata, replicates=8000).totals(np.column_stack([hit, ~hit]))
    assert (totals.sum(axis=1) == 500).all()
    assert totals[:, 0].std() == pytest.approx(math.sqrt(400 * 0.25 * 0.75 + 100 * 0.8 * 0.2), rel=0.04)


def test_totals_of_numbers_vary_as_the_mean_does():
    values = np.random.default_rng(0).normal(size=(200, 2))
    totals = Resampler(np.zeros(200, int), replicates=8000).totals(values)
    np.testing.assert_allclose(totals.std(axis=0), np.sqrt(200) * values.std(axis=0), rtol=0.05)


def test_drawn_matrices_keep_the_row_sums():
    matrix = np.array([[30, 10], [0, 0]])
    drawn = multinomial_matrices(matrix, replicates=4000, seed=0)
    assert (drawn.sum(axis=2) == [40, 0]).all()
    assert drawn[:, 0, 0].std() == pytest.approx(math.sqrt(7.5), rel=0.05)


@pytest.mark.parametrize(
    "groups",
    [
        np.array([7, 3, 7]),
        np.array(["x", "y", "x"]),
        np.array(["x", None, "x"], dtype=object),
        np.array([1.5, np.nan, 1.5]),
    ],
)
def test_groups_of_any_type_are_numbered(groups):
    codes, number = group_codes(groups)
    assert codes.tolist() == [0, 1, 0]
    assert number == 2


def test_percentiles_are_those_of_the_defined_resamples():
    replicates = np.append(np.arange(1000.0), np.full(50, np.nan))
    found = percentile_interval(Estimate(500.0), replicates, confidence=0.9, method="bootstrap")
    assert (found.low, found.high, found.method) == (49, 949, "bootstrap")


@pytest.mark.parametrize(
    ("replicates", "note"),
    [
        (np.ones(100), "no interval: every resample gives the same value"),
        (np.append(np.arange(80.0), np.full(20, np.nan)), "no interval: undefined in 20 resamples"),
    ],
)
def test_what_cannot_be_said_becomes_a_note(replicates, note):
    found = percentile_interval(Estimate(1.0), replicates, confidence=0.95, method="bootstrap")
    assert (found.value, found.low, found.note) == (1.0, None, note)


def test_infinite_resamples_leave_the_lower_limit():
    replicates = np.append(np.arange(90.0), np.full(10, np.inf))
    found = percentile_interval(Estimate(40.0), replicates, confidence=0.95, method="cluster-bootstrap")
    assert (found.low, found.high) == (2, None)
    assert found.note == "no upper limit: infinite in many resamples"
