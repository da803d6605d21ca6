"""What a user may choose about a report: operating point, prevalence, intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from evaluation.uncertainty.intervals import AucMethod, IntervalSettings, Method

Rule = Literal["default", "youden", "sensitivity", "specificity", "cost"]
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class ReportOptions:
    """Choices about a report's numbers.

    Attributes:
        threshold: Two classes: call positive from this score on, fixed before the data was seen; None: by `rule`.
        rule: How the operating point is chosen: 0.5; the largest Youden index; the highest specificity at a
            required sensitivity, and the reverse; the lowest expected cost. Chosen on the split named "validation"
            where there is one, else on the reported examples, and then marked exploratory.
        required: The required sensitivity or specificity, above 0 and at most 1.
        cost_ratio: Cost of a missed case over the cost of a false alarm, above 0.
        prevalence: Two classes: share of positives where the test will be used, between 0 and 1, for the predictive
            values; the data's own is always reported.
        intervals: How intervals are computed.
    """

    threshold: float | None = None
    rule: Rule = "default"
    required: float | None = None
    cost_ratio: float | None = None
    prevalence: float | None = None
    intervals: IntervalSettings = field(default_factory=IntervalSettings)

    def __post_init__(self) -> None:
        """Refuses choices that contradict one another or leave their range."""
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1. Received: threshold={self.threshold}.")
        if self.threshold is not None and self.rule != "default":
            raise ValueError(f"threshold fixes the operating point, so no rule can choose it. Received: {self.rule!r}.")
        if self.rule in ("sensitivity", "specificity") and (self.required is None or not 0 < self.required <= 1):
            raise ValueError(
                f"rule {self.rule!r} needs required, above 0 and at most 1, such as 0.95. Received: {self.required}."
            )
        if self.rule not in ("sensitivity", "specificity") and self.required is not None:
            raise ValueError(f"required needs the rule 'sensitivity' or 'specificity'. Received: rule={self.rule!r}.")
        if self.rule == "cost" and (self.cost_ratio is None or not 0 < self.cost_ratio < float("inf")):
            raise ValueError(
                "rule 'cost' needs cost_ratio, the cost of a missed case over that of a false alarm, above 0. "
                f"Received: {self.cost_ratio}."
            )
        if self.rule != "cost" and self.cost_ratio is not None:
            raise ValueError(f"cost_ratio needs the rule 'cost'. Received: rule={self.rule!r}.")
        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise ValueError(
                f"prevalence must be between 0 and 1, such as 0.02 for 2%. Received: prevalence={self.prevalence}."
            )
        if self.intervals.seed < 0:
            raise ValueError(f"the seed of the intervals must be 0 or more. Received: {self.intervals.seed}.")


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """The choices about a report's numbers as flags, for every command that writes one.

    Attributes:
        threshold: Two classes: call positive from this score on, fixed beforehand.
        rule: Choose the operating point: default (0.5), youden, sensitivity or specificity (see required), cost.
        required: The sensitivity or specificity that the rule has to reach, such as 0.95.
        cost_ratio: Rule cost: cost of a missed case over the cost of a false alarm, such as 10.
        prevalence: Share of positives where the test will be used, for PPV and NPV, such as 0.02.
        interval: Interval of proportions.
        auc_interval: Interval of the AUC; delong-logit never leaves 0 to 1.
        confidence: Coverage of the intervals.
        replicates: Bootstrap resamples.
        interval_seed: Seed of the resamples.
    """

    threshold: float | None = None
    rule: Rule = "default"
    required: float | None = None
    cost_ratio: float | None = None
    prevalence: float | None = None
    interval: Method = "wilson"
    auc_interval: AucMethod = "delong"
    confidence: float = 0.95
    replicates: int = 2000
    interval_seed: int = 0

    def __post_init__(self) -> None:
        """Refuses contradictory choices before anything is read."""
        _ = self.options

    @property
    def options(self) -> ReportOptions:
        """The choices as the report takes them."""
        intervals = IntervalSettings(
            self.confidence, self.interval, self.auc_interval, self.replicates, self.interval_seed
        )
        return ReportOptions(
            self.threshold, self.rule, self.required, self.cost_ratio, self.prevalence, intervals=intervals
        )
