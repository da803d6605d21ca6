"""Settings trained again with the same seeds, and compared pair by pair. Needs no TensorFlow."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from training.config import TrainConfig

LEVEL = 0.95


@dataclass(frozen=True)
class Candidate:
    """A setting that is trained again.

    Attributes:
        name: `default`, or `trial 7`.
        config: The training.
        values: The objective by seed; None where the training failed.
    """

    name: str
    config: TrainConfig
    values: tuple[float | None, ...] = ()

    @property
    def scores(self) -> list[float]:
        return [value for value in self.values if value is not None]

    @property
    def mean(self) -> float:
        """Mean over the seeds; NaN where one failed."""
        return statistics.fmean(self.scores) if self.scores and None not in self.values else math.nan

    @property
    def spread(self) -> float | None:
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """The winner against another candidate, seed by seed.

    Attributes:
        name: The other one's.
        gain: Mean difference; above 0 the winner is better.
        low, high: 95 % interval of the mean difference (Student's t); None for one seed.
    """

    name: str
    gain: float
    low: float | None = None
    high: float | None = None

    @property
    def beyond_noise(self) -> bool | None:
        """Whether the interval lies above 0; None where one seed says nothing of noise."""
        return None if self.low is None else self.low > 0

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"against {self.name}: {self.gain:+.4f}; one seed says nothing of noise"
        outside = "better beyond noise" if self.low > 0 else "worse beyond noise" if self.high < 0 else None
        verdict = outside or "within noise"
        return f"against {self.name}: {self.gain:+.4f} (95% interval {self.low:+.4f} to {self.high:+.4f}), {verdict}"


def winner_of(candidates: Sequence[Candidate], direction: str) -> Candidate | None:
    """The best mean; of equal ones the first. None where every candidate failed with some seed."""
    whole = [one for one in candidates if math.isfinite(one.mean)]
    better = max if direction == "max" else min
    return better(whole, key=lambda one: one.mean) if whole else None


def compare(winner: Candidate, other: Candidate, direction: str) -> Comparison:
    """The winner against another one, seed by seed.

    Args:
        winner, other: Trained with the same seeds.
        direction: `max` or `min`: which values are better.

    Reference:
        Student, 1908, "The probable error of a mean", Biometrika 6(1).
    """
    sign = 1 if direction == "max" else -1
    pairs = [(a, b) for a, b in zip(winner.values, other.values, strict=True) if a is not None and b is not None]
    gains = [sign * (a - b) for a, b in pairs]
    if len(gains) < 2:
        return Comparison(other.name, gains[0] if gains else math.nan)
    mean = statistics.fmean(gains)
    half = stats.t.ppf((1 + LEVEL) / 2, len(gains) - 1) * statistics.stdev(gains) / math.sqrt(len(gains))
    return Comparison(other.name, mean, mean - float(half), mean + float(half))
