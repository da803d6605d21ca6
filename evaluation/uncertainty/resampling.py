"""Resampling: the bootstrap over examples within each class, or over groups such as patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from evaluation.uncertainty.intervals import Estimate

# Draws held at a time: what fits the cache is drawn three times as fast as what does not.
DRAWS_PER_CHUNK = 1 << 18
LEAST_DEFINED = 0.9
MOST_DENSE_CELLS = 32
MOST_UNITS = 10_000
# Replicates that differ by less, beside their size, differ by rounding alone.
ROUNDING = 1e-12


class Resampler:
    """Draws resamples of n examples, reproducibly.

    Without groups the bootstrap is stratified: every resample holds as many examples of each class as the data.
    With groups, whole groups are drawn with replacement (cluster bootstrap), since examples of one patient are not
    independent. Statistics that are functions of sums need `totals`; those that rank examples need `counts`.

    Args:
        strata: Class of every example, shape (n,), integers from 0.
        groups: What belongs together, shape (n,), any type; None for independent examples.
        replicates: Number of resamples B.
        seed: Seed.

    Reference:
        Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application. Cambridge.
    """

    def __init__(
        self, strata: np.ndarray, groups: np.ndarray | None = None, *, replicates: int = 2000, seed: int = 0
    ) -> None:
        self.strata = np.asarray(strata, dtype=np.int64)
        self.replicates = replicates
        self.seed = seed
        self.group_index: np.ndarray | None = None
        self.num_groups = 0
        if groups is not None:
            self.group_index, self.num_groups = group_codes(groups)

    @property
    def method(self) -> str:
        """Name of the method, as reports show it."""
        return "bootstrap" if self.group_index is None else "cluster-bootstrap"

    def totals(self, values: np.ndarray) -> np.ndarray:
        """Sums of every column over each resample.

        Args:
            values: One row per example, shape (n, m). Boolean or integer columns with few different rows (such as
                one column per cell of a confusion matrix) are drawn as multinomials, in no more time than a report
                on 100 examples would take. More than 10,000 others are first added up at random in lots of one size:
                sums of independent units are independent units. Take ratios of columns then, for the last lot may
                be larger.

        Returns:
            Totals of shape (B, m), float64.
        """
        values = np.asarray(values)
        rng = np.random.default_rng(self.seed)
        if self.group_index is not None:
            table = np.zeros((self.num_groups, values.shape[1]))
            for column in range(values.shape[1]):
                table[:, column] = np.bincount(self.group_index, values[:, column], self.num_groups)
            return _resampled_rows(rng, table, self.replicates, merge=values.dtype.kind in "bui")
        totals = np.zeros((self.replicates, values.shape[1]))
        for stratum in np.unique(self.strata):
            rows = values[self.strata == stratum]
            totals += _resampled_rows(rng, rows, self.replicates, merge=rows.dtype.kind in "bui")
        return totals

    def cell_totals(self, codes: np.ndarray, num_cells: int, weights: np.ndarray | None = None) -> np.ndarray:
        """Sums over each resample by cell, such as the cells of a confusion matrix or the bins of a curve.

        Args:
            codes: Cell of every example, shape (n,), 0 … num_cells − 1.
            num_cells: Number of cells m.
            weights: What each example adds to its cell, shape (n,); None: one, and then independent examples are
                drawn as multinomials, in a time that does not depend on n.

        Returns:
            Totals of shape (B, m), float64.
        """
        rng = np.random.default_rng(self.seed)
        codes = np.asarray(codes, dtype=np.int64)
        if self.group_index is not None:
            return _resampled_groups(
                rng, (self.group_index, self.num_groups), codes, num_cells, weights, self.replicates
            )
        totals = np.zeros((self.replicates, num_cells))
        for stratum in np.unique(self.strata):
            rows = np.flatnonzero(self.strata == stratum)
            if weights is None:
                count = np.bincount(codes[rows], minlength=num_cells)
                totals += rng.multinomial(len(rows), count / len(rows), size=self.replicates)
            else:
                totals += _resampled_weights(rng, codes[rows], weights[rows], num_cells, self.replicates)
        return totals

    def counts(self) -> Iterator[np.ndarray]:
        """How often every example stands in each resample.

        Yields:
            Chunks of shape (b, n), float64, together B rows; the same ones at every call.
        """
        rng = np.random.default_rng(self.seed)
        n = len(self.strata)
        chunk = max(1, min(self.replicates, DRAWS_PER_CHUNK // max(1, n)))
        members = [np.flatnonzero(self.strata == stratum) for stratum in np.unique(self.strata)]
        for start in range(0, self.replicates, chunk):
            size = min(chunk, self.replicates - start)
            if self.group_index is not None:
                yield _draw_counts(rng, self.num_groups, size)[:, self.group_index]
                continue
            if len(members) == 1:
                yield _draw_counts(rng, n, size)
                continue
            drawn = np.empty((size, n))
            for rows in members:
                drawn[:, _as_slice(rows)] = _draw_counts(rng, len(rows), size)
            yield drawn


def percentile_interval(estimate: Estimate, replicates: np.ndarray, *, confidence: float, method: str) -> Estimate:
    """Gives an estimate the percentile interval of its resamples.

    Args:
        estimate: The estimate on the data.
        replicates: The statistic on every resample, shape (B,); NaN where it is undefined there.
        confidence: Coverage.
        method: Name of the method, see `Resampler.method`.

    Returns:
        The estimate with interval and method; with a note instead where too few resamples define the statistic or
        where all of them agree, which would pass for certainty.
    """
    if estimate.value is None:
        return estimate
    defined = replicates[~np.isnan(replicates)]
    if len(defined) < LEAST_DEFINED * len(replicates):
        return replace(estimate, note=f"no interval: undefined in {len(replicates) - len(defined):,} resamples")
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
    if low == high or high - low <= ROUNDING * max(abs(low), abs(high)) < np.inf:
        return replace(estimate, note="no interval: every resample gives the same value")
    if np.isinf(high):
        return replace(estimate, low=float(low), method=method, note="no upper limit: infinite in many resamples")
    return replace(estimate, low=float(low), high=float(high), method=method)


def group_codes(groups: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers the groups from 0.

    Args:
        groups: Group of every example, shape (n,), of any type; missing names are one group.

    Returns:
        Codes of shape (n,), int64, and the number of groups.
    """
    import pandas as pd

    groups = np.asarray(groups)
    values = groups if groups.dtype.kind in "biu" else groups.astype(object)
    codes, names = pd.factorize(values, use_na_sentinel=False)
    return codes.astype(np.int64), len(names)


def multinomial_matrices(matrix: np.ndarray, *, replicates: int, seed: int) -> np.ndarray:
    """Confusion matrices of stratified resamples, drawn from the matrix of the data alone.

    Args:
        matrix: Counts of shape (K, K), integers, rows the truth.
        replicates: Number of resamples B.
        seed: Seed.

    Returns:
        Counts of shape (B, K, K), int64; every resample has the data's row sums.
    """
    rng = np.random.default_rng(seed)
    drawn = np.zeros((replicates, *matrix.shape), dtype=np.int64)
    for index, row in enumerate(matrix):
        total = int(row.sum())
        if total:
            drawn[:, index] = rng.multinomial(total, row / total, size=replicates)
    return drawn


def _draw_counts(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Multiplicities of n items in `size` resamples of n draws, shape (size, n), float64."""
    flat = rng.integers(0, n, (size, n))
    flat += np.arange(size)[:, None] * n
    return np.bincount(flat.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """Ascending indices as a slice where none is left out, which is written to several times as fast."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def merged_units(groups: np.ndarray | None, n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Independent units, merged at random where there are many: sums of independent units are independent units.

    Args:
        groups: What belongs together, shape (n,); None: every example by itself.
        n: Number of examples.
        most: Largest number of units.
        rng: Draws which units are merged, into lots of one size but for what is left over.

    Returns:
        Unit of each example, shape (n,), from 0.
    """
    codes, number = (np.arange(n), n) if groups is None else group_codes(groups)
    if number <= most:
        return codes
    lots = number // -(-number // most)
    return (rng.permutation(number) % lots)[codes]


def _count_chunks(rng: np.random.Generator, n: int, replicates: int) -> Iterator[np.ndarray]:
    """Multiplicities of n items in chunks of resamples, together `replicates` rows."""
    chunk = max(1, min(replicates, DRAWS_PER_CHUNK // max(1, n)))
    for start in range(0, replicates, chunk):
        yield _draw_counts(rng, n, min(chunk, replicates - start))


def _resampled_rows(rng: np.random.Generator, rows: np.ndarray, replicates: int, *, merge: bool) -> np.ndarray:
    """Sums of each column over resamples of the rows, shape (B, m); equal rows may be drawn together."""
    n = len(rows)
    if n == 0:
        return np.zeros((replicates, rows.shape[1]))
    if merge:
        distinct, multiplicity = np.unique(rows, axis=0, return_counts=True)
        if _worth_merging(len(distinct), n):
            return rng.multinomial(n, multiplicity / n, size=replicates) @ distinct.astype(np.float64)
    columns = np.ascontiguousarray(rows.T, dtype=np.float64)
    if n > MOST_UNITS:
        unit = merged_units(None, n, MOST_UNITS, rng)
        columns = np.stack([np.bincount(unit, column) for column in columns])
        n = columns.shape[1]
    # einsum, for a threaded matrix product waits for its threads at every chunk.
    sums = [
        np.stack([np.einsum("bn,n->b", counts, column) for column in columns], axis=1)
        for counts in _count_chunks(rng, n, replicates)
    ]
    return np.concatenate(sums)


def _resampled_weights(
    rng: np.random.Generator, codes: np.ndarray, weights: np.ndarray, num_cells: int, replicates: int
) -> np.ndarray:
    """Sums of weights by cell over resamples of independent examples, shape (B, num_cells)."""
    n = len(codes)
    totals = np.zeros((replicates, num_cells))
    order = np.lexsort((weights, codes))
    codes, weights = codes[order], np.asarray(weights, dtype=np.float64)[order]
    new_cell = np.append(True, codes[1:] != codes[:-1])
    new_item = new_cell | np.append(True, weights[1:] != weights[:-1])
    items = np.flatnonzero(new_item)
    if _worth_merging(len(items), n):
        multiplicity = np.diff(np.append(items, n))
        chunks: Iterator[np.ndarray] = iter([rng.multinomial(n, multiplicity / n, size=replicates)])
        codes, weights, new_cell = codes[items], weights[items], new_cell[items]
    else:
        chunks = _count_chunks(rng, n, replicates)
    starts = np.flatnonzero(new_cell)
    sums = [np.add.reduceat(counts * weights, starts, axis=1) for counts in chunks]
    totals[:, codes[starts]] = np.concatenate(sums)
    return totals


def _resampled_groups(
    rng: np.random.Generator,
    groups: tuple[np.ndarray, int],
    codes: np.ndarray,
    num_cells: int,
    weights: np.ndarray | None,
    replicates: int,
) -> np.ndarray:
    """Sums by cell over resamples of whole groups, shape (B, num_cells)."""
    from scipy.sparse import csr_array

    index, number = groups
    values = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=np.float64)
    if num_cells <= MOST_DENSE_CELLS:
        flat = np.bincount(index * num_cells + codes, values, number * num_cells)
        return _resampled_rows(rng, flat.reshape(number, num_cells), replicates, merge=weights is None)
    table = csr_array((values, (index, codes)), shape=(number, num_cells))
    return np.concatenate([counts @ table for counts in _count_chunks(rng, number, replicates)])


def _worth_merging(distinct: int, n: int) -> bool:
    """Whether one binomial per different item costs less than one draw per example."""
    return distinct <= max(64, n // 32)
