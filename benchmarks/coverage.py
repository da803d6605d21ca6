"""How often the intervals of a report hold the truth: a simulation.

    python -m benchmarks.coverage --output benchmarks/results/coverage.md

Data sets are drawn from a population whose true value is known; each is evaluated by the project's own functions, and
the share of their 95 % intervals that hold the true value is counted. A method that promises 95 % should lie between
93 % and 97 %; the table marks what does not. Two methods promise no less than 95 % and may cover more. With 2,000 data
sets the share itself is known to within ± 1 point.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.hardware import machine
from evaluation.command import parse_config, run_main
from evaluation.metrics.auc import auc_estimate
from evaluation.metrics.average_precision import average_precision
from evaluation.metrics.diagnostic import DecisionSample
from evaluation.uncertainty.intervals import Estimate, IntervalSettings

LOWEST, HIGHEST = 0.93, 0.97
EXACT, AT_LEAST, NOTHING = "93% to 97%", "at least 93%", "–"
GROUP_SIZE = 5
POPULATION = 4_000_000


@dataclass(frozen=True)
class CoverageConfig:
    """Settings of the study.

    Attributes:
        datasets: Simulated data sets per row of the table.
        replicates: Bootstrap resamples per data set.
        workers: Processes.
        output: Markdown file for the table.
    """

    datasets: int = 2000
    replicates: int = 1000
    workers: int = 2
    output: str | None = None

    def __post_init__(self) -> None:
        if self.datasets < 10 or self.workers < 1:
            raise ValueError(
                f"datasets must be at least 10 and workers at least 1. Received: {self.datasets} and {self.workers}."
            )


@dataclass(frozen=True)
class Population:
    """Two classes whose scores are normal with unit variance, `shift` apart, in groups that share part of it.

    Attributes:
        n: Examples of a data set.
        prevalence: Share of positives; a data set holds this share exactly, at least one.
        shift: Distance of the means; AUC = Φ(shift/√2).
        shared: Share of the variance that examples of one group have in common; 0 for independent examples.
        threshold: Called positive from this score on.
    """

    n: int
    prevalence: float
    shift: float
    shared: float = 0.0
    threshold: float = 0.5

    def draw(self, rng: np.random.Generator, n: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Truth, scores and groups of one data set."""
        n = self.n if n is None else n
        y_true = (np.arange(n) < max(1, round(self.prevalence * n))).astype(np.int64)
        noise = rng.normal(size=n)
        groups = None
        if self.shared:
            y_true = rng.permutation(y_true)
            groups = np.arange(n) // GROUP_SIZE
            common = rng.normal(size=groups[-1] + 1)[groups]
            noise = np.sqrt(self.shared) * common + np.sqrt(1 - self.shared) * noise
        return y_true, noise + self.shift * y_true, groups

    def words(self) -> str:
        """The population as the table shows it."""
        positives = max(1, round(self.prevalence * self.n))
        grouped = f", groups of {GROUP_SIZE} (ρ = {self.shared:g})" if self.shared else ""
        return f"n = {self.n:,}, {positives:,} positive{grouped}"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        measure: What is estimated: a measure of `DecisionSample`, "auc" or "average_precision".
        population: Where data sets come from.
        method: Interval settings by field name, such as {"auc": "delong-logit"}.
        ignore_groups: Whether groups are withheld from the method, to show what that costs.
        promised: What the method promises here.
    """

    measure: str
    population: Population
    method: tuple[tuple[str, str], ...] = ()
    ignore_groups: bool = False
    promised: str = EXACT


def rows() -> Iterator[Row]:
    """The study: what is promised first, then what is not (few examples, AUC near 1, few or ignored groups)."""
    for n, prevalence in ((50, 0.5), (200, 0.2), (1000, 0.1)):
        for measure in ("sensitivity", "specificity"):
            yield Row(measure, Population(n, prevalence, 1.5))
    yield Row("sensitivity", Population(200, 0.2, 1.5), (("proportion", "clopper-pearson"),), promised=AT_LEAST)
    for measure in ("lr_positive", "youden_j"):
        yield Row(measure, Population(200, 0.3, 1.5))
    yield Row("f1", Population(200, 0.3, 1.5), promised=AT_LEAST)
    for n, prevalence in ((100, 0.5), (200, 0.3), (1000, 0.1)):
        yield Row("auc", Population(n, prevalence, 1.5))
        yield Row("auc", Population(n, prevalence, 1.5), (("auc", "delong-logit"),))
    for measure in ("mcc", "cohen_kappa"):
        yield Row(measure, Population(200, 0.3, 1.5))
    yield Row("average_precision", Population(500, 0.3, 1.5))
    for measure in ("sensitivity", "specificity", "auc", "f1"):
        yield Row(measure, Population(500, 0.4, 1.5, shared=0.5))
    yield Row("average_precision", Population(500, 0.4, 1.5, shared=0.5))
    yield Row("sensitivity", Population(20, 0.25, 1.5), promised=NOTHING)
    yield Row("auc", Population(200, 0.2, 1.5), promised=NOTHING)
    yield Row("auc", Population(20, 0.25, 1.5), promised=NOTHING)
    yield Row("auc", Population(20, 0.25, 1.5), (("auc", "delong-logit"),), promised=NOTHING)
    yield Row("auc", Population(100, 0.2, 3.3), promised=NOTHING)
    yield Row("auc", Population(100, 0.2, 3.3), (("auc", "delong-logit"),), promised=NOTHING)
    yield Row("average_precision", Population(50, 0.1, 1.5), promised=NOTHING)
    yield Row("mcc", Population(50, 0.1, 1.5), promised=NOTHING)
    yield Row("specificity", Population(50, 0.4, 1.5, shared=0.5), promised=NOTHING)
    for measure in ("specificity", "auc"):
        yield Row(measure, Population(500, 0.4, 1.5, shared=0.5), ignore_groups=True, promised=NOTHING)


def estimate(row: Row, y_true: np.ndarray, score: np.ndarray, groups: np.ndarray | None, settings: Any) -> Estimate:
    """The row's estimate on one data set, by the project's own functions."""
    groups = None if row.ignore_groups else groups
    if row.measure == "auc":
        return auc_estimate(y_true == 1, score, groups=groups, settings=settings)
    if row.measure == "average_precision":
        return average_precision(y_true == 1, score, groups=groups, settings=settings)
    called = (score >= row.population.threshold * row.population.shift).astype(np.int64)
    sample = DecisionSample(y_true, called, 2, groups=groups, settings=settings)
    if row.measure in ("mcc", "cohen_kappa"):
        return sample.overall()[row.measure]
    return sample.class_measures(1)[row.measure]


def true_value(row: Row) -> float:
    """The measure in the population: of four million examples, which leaves an error far below the intervals' width."""
    settings = IntervalSettings(replicates=100, most_resampled=0)
    n = POPULATION // GROUP_SIZE * GROUP_SIZE
    population = Population(n, max(1, round(row.population.prevalence * row.population.n)) / row.population.n,
                            row.population.shift, threshold=row.population.threshold)  # fmt: skip
    y_true, score, _ = population.draw(np.random.default_rng(12345))
    value = estimate(row, y_true, score, None, settings).value
    assert value is not None
    return value


@dataclass(frozen=True)
class Coverage:
    """What one row found: share of intervals that hold the truth, mean width, share without an interval, method."""

    held: float
    width: float
    without: float
    method: str


def cover(row: Row, config: CoverageConfig, seed: int) -> Coverage:
    """Simulates one row."""
    truth = true_value(row)
    rng = np.random.default_rng(seed)
    held, widths, methods = [], [], set()
    for index in range(config.datasets):
        settings = IntervalSettings(replicates=config.replicates, seed=index, **dict(row.method))  # type: ignore[arg-type]
        found = estimate(row, *row.population.draw(rng), settings)
        if found.low is None or found.high is None:
            continue
        held.append(found.low <= truth <= found.high)
        widths.append(found.high - found.low)
        methods.add(found.method)
    if not held:
        return Coverage(np.nan, np.nan, 1.0, "none")
    without = 1 - len(held) / config.datasets
    return Coverage(float(np.mean(held)), float(np.mean(widths)), without, ", ".join(sorted(map(str, methods))))


def measure(config: CoverageConfig, chosen: list[Row] | None = None) -> str:
    """Simulates every row and returns the table as Markdown."""
    todo = list(rows()) if chosen is None else chosen
    with ProcessPoolExecutor(config.workers) as pool:
        waiting = [pool.submit(cover, row, config, seed) for seed, row in enumerate(todo)]
        found = []
        for row, future in zip(todo, waiting, strict=True):
            found.append(future.result())
            print(f"{row.measure}, {row.population.words()}: {found[-1].held:.3f}", file=sys.stderr)
    lines = [_line(row, one) for row, one in zip(todo, found, strict=True)]
    header = ["measure", "data sets of", "interval", "covers", "no interval", "mean width", "promised"]
    note = (
        f"Share of 95% intervals that hold the true value, of {config.datasets:,} simulated data sets per row "
        f"({config.replicates:,} resamples each where there are any); † outside 93% to 97%. "
        f"{machine('numpy', 'scipy')}."
    )
    return tabulate(lines, headers=header, tablefmt="github", disable_numparse=True) + "\n\n" + note


def _line(row: Row, found: Coverage) -> list[str]:
    """One line of the table."""
    mark = "" if LOWEST <= found.held <= HIGHEST else " †"
    auc = f" (AUC {_area(row.population.shift):.2f})" if row.measure == "auc" else ""
    method = found.method + (", groups ignored" if row.ignore_groups else "")
    without = f"{100 * found.without:.1f}%" if found.without else "–"
    shown = f"{100 * found.held:.1f}%{mark}"
    name = row.measure.replace("_", " ")
    return [f"{name}{auc}", row.population.words(), method, shown, without, f"{found.width:.3f}", row.promised]


def _area(shift: float) -> float:
    """AUC of two unit normals `shift` apart."""
    from scipy.special import ndtr

    return float(ndtr(shift / np.sqrt(2)))


def main() -> int:
    config = parse_config(CoverageConfig, sys.argv[1:], prog="python -m benchmarks.coverage", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        Path(config.output).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
