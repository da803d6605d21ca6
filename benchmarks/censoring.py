"""Times to an event that some runs never reach: first reach, median and ratio, with censoring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Reach:
    """How long a run took to the target, or how long it ran without reaching it.

    Attributes:
        value: Seconds; until its end where it is censored.
        censored: Whether the target was never reached.
    """

    value: float
    censored: bool = False


def reached(rows: Sequence[dict[str, float]], target: float, clock: str) -> Reach:
    """When a run reached the target.

    Args:
        rows: One per epoch, at least one: `val_accuracy`, and each clock's seconds since the start.
        target: Validation accuracy.
        clock: Name of the clock, `"seconds"` or `"cpu_seconds"`.
    """
    for row in rows:
        if row["val_accuracy"] >= target:
            return Reach(row[clock])
    return Reach(rows[-1][clock], censored=True)


def censored_median(reaches: Sequence[Reach]) -> float:
    """The Kaplan–Meier median: the first time at which at most half are estimated to be still on their way.

    Args:
        reaches: At least one run.

    Returns:
        Seconds; infinite where so many are censored that the median was not seen.

    Reference:
        Kaplan & Meier, 1958, "Nonparametric estimation from incomplete observations", JASA 53(282).
    """
    left = 1.0
    for time in sorted({reach.value for reach in reaches if not reach.censored}):
        at_risk = sum(reach.value >= time for reach in reaches)
        left *= 1 - sum(reach.value == time and not reach.censored for reach in reaches) / at_risk
        if left <= 0.5 + 1e-12:  # 0.5 itself may be a rounding above
            return time
    return math.inf


def ratio_words(stock: Reach, ours: Reach) -> str:
    """How many times as long the stock recipe took, with its sign where a run was censored."""
    if ours.censored and stock.censored:
        return "unknown"
    sign = "≥ " if stock.censored else "≤ " if ours.censored else ""
    return f"{sign}{stock.value / ours.value:.1f}"
