"""Resampling: the bootstrap over examples within each class, or over groups such as patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from evaluation.intervals import Estimate

CELLS_PER_CHUNK = 4_000_000
LEAST_DEFINED = 0.9


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
            import pandas as pd

            codes, names = pd.factorize(np.asarray(groups, dtype=object))
            self.group_index, self.num_groups = codes.astype(np.int64), len(names)

    @property
    def method(self) -> str:
        """Name of the method, as reports show it."""
        return "bootstrap" if self.group_index is None else "cluster-bootstrap"

    def totals(self, values: np.ndarray) -> np.ndarray:
        """Sums of every column over each resample.

        Args:
            values: One row per example, shape (n, m). Boolean or integer columns with few different rows (such as
                one column per cell of a confusion matrix) are drawn as multinomials, in no more time than a report
                on 100 examples would take.

        Returns:
            Totals of shape (B, m), float64.
        """
        values = np.asarray(values)
        rng = np.random.default_rng(self.seed)
        if self.group_index is not None:
            table = np.zeros((self.num_groups, values.shape[1]))
            for column in range(values.shape[1]):
                table[:, column] = np.bincount(self.group_index, values[:, column], self.num_groups)
            return _resampled_sums(rng, table, self.replicates)
        totals = np.zeros((self.replicates, values.shape[1]))
        for stratum in np.unique(self.strata):
            rows = values[self.strata == stratum]
            if rows.dtype.kind in "bui":
                distinct, multiplicity = np.unique(rows, axis=0, return_counts=True)
                if len(distinct) <= max(64, len(rows) // 8):
                    draws = rng.multinomial(len(rows), multiplicity / len(rows), size=self.replicates)
                    totals += draws @ distinct.astype(np.float64)
                    continue
            totals += _resampled_sums(rng, rows.astype(np.float64), self.replicates)
        return totals

    def counts(self) -> Iterator[np.ndarray]:
        """How often every example stands in each resample.

        Yields:
            Chunks of shape (b, n), float64, together B rows; the same ones at every call.
        """
        rng = np.random.default_rng(self.seed)
        n = len(self.strata)
        chunk = max(1, min(self.replicates, CELLS_PER_CHUNK // max(1, n)))
        members = [np.flatnonzero(self.strata == stratum) for stratum in np.unique(self.strata)]
        for start in range(0, self.replicates, chunk):
            size = min(chunk, self.replicates - start)
            if self.group_index is not None:
                yield _draw_counts(rng, self.num_groups, size)[:, self.group_index]
                continue
            drawn = np.empty((size, n))
            for rows in members:
                drawn[:, rows] = _draw_counts(rng, len(rows), size)
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
    if low == high:
        return replace(estimate, note="no interval: every resample gives the same value")
    return replace(estimate, low=float(low), high=float(high), method=method)


def _draw_counts(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Multiplicities of n items in `size` resamples of n draws, shape (size, n), float64."""
    flat = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
    return np.bincount(flat.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _resampled_sums(rng: np.random.Generator, rows: np.ndarray, replicates: int) -> np.ndarray:
    """Sums of each column over `replicates` resamples of the rows, shape (B, m)."""
    n = len(rows)
    chunk = max(1, min(replicates, CELLS_PER_CHUNK // max(1, n)))
    sizes = [min(chunk, replicates - start) for start in range(0, replicates, chunk)]
    return np.concatenate([_draw_counts(rng, n, size) @ rows for size in sizes])
