"""Operating points: from which score on an example is called positive, who says so, and what other scores would give.

Everything is read off a `Ranking`, so that ten million examples cost no second sort.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from evaluation.metrics.confusion import Counts
from evaluation.metrics.measures import class_measures, point_estimates
from evaluation.metrics.ranking import Ranking
from evaluation.uncertainty.intervals import Estimate, IntervalSettings

Rule = Literal["given", "default", "youden", "sensitivity", "specificity", "cost"]
DEFAULT_THRESHOLD = 0.5
SAME_EXAMPLES = "the same examples"
TABLE_LEVELS = (0.8, 0.9, 0.95, 0.99)
ROUNDING = 1e-12
DEPENDENT = "no interval: examples are grouped or weighted, and this table counts them as independent"


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and how it came about.

    Attributes:
        threshold: An example is called positive where its score is at least this.
        rule: How it was found.
        why: The rule in plain sentences with its numbers, for the report.
        chosen_on: The examples it was chosen on, such as "the validation examples".
        exploratory: Whether it was chosen on the examples that it is reported on (STARD 2015, item 12a).
        required: The sensitivity or specificity that was required, or None.
        cost_ratio: Cost of a missed case over cost of a false alarm, or None.
        prevalence: Share of positives that the expected cost assumes, or None.
    """

    threshold: float
    rule: Rule
    why: str
    chosen_on: str
    exploratory: bool
    required: float | None = None
    cost_ratio: float | None = None
    prevalence: float | None = None


@dataclass(frozen=True)
class ThresholdRow:
    """What one threshold would give.

    Attributes:
        threshold: Called positive from this score on.
        name: What is special about it, such as "Youden", or None.
        counts: True and false positives and negatives; sums of weights where examples are weighted.
        measures: One estimate per name of `evaluation.metrics.confusion.MEASURES`.
    """

    threshold: float
    name: str | None
    counts: Counts
    measures: dict[str, Estimate]


def choose_operating_point(
    ranking: Ranking,
    rule: Rule,
    *,
    chosen_on: str,
    threshold: float | None = None,
    required: float | None = None,
    cost_ratio: float | None = None,
    prevalence: float | None = None,
) -> OperatingPoint:
    """Finds the threshold that a rule asks for. Only scores that occur are chosen.

    - given: `threshold`; default: 0.5.
    - youden: the largest sensitivity + specificity − 1.
    - sensitivity: the highest specificity among thresholds whose sensitivity is at least `required`.
    - specificity: the highest sensitivity among thresholds whose specificity is at least `required`.
    - cost: the lowest prevalence·(1 − sensitivity)·cost_ratio + (1 − prevalence)·(1 − specificity).

    Where several thresholds serve a rule alike, the one with the higher specificity is taken; under the rule
    "sensitivity", where that is equal too, the one with the higher sensitivity.

    Args:
        ranking: The scores of the examples to choose on.
        rule: One of the above.
        chosen_on: What these examples are; "the same examples" where the numbers are reported on them too, which
            makes any threshold exploratory but a given one and the default.
        threshold: Of the rule "given".
        required: Sensitivity or specificity, above 0 and at most 1, of the rules of that name.
        cost_ratio: Cost of a missed case over the cost of a false alarm, above 0, of the rule "cost".
        prevalence: Of the rule "cost", between 0 and 1; that of the examples if None.

    Returns:
        The operating point.

    Raises:
        ValueError: If the rule is unknown, its number is missing or out of range, positives or negatives are missing,
            or no threshold fulfils the requirement.

    Reference:
        Youden, W. J. (1950). Index for rating diagnostic tests. Cancer, 3.
    """
    if rule == "given":
        return _given(threshold, chosen_on)
    if rule == "default":
        return OperatingPoint(
            DEFAULT_THRESHOLD, rule, "0.5 is the default; it was not chosen on any examples.", chosen_on, False
        )
    finders: dict[str, Callable[[], tuple[int, str]]] = {
        "youden": lambda: _youden(ranking),
        "sensitivity": lambda: _at_sensitivity(ranking, required),
        "specificity": lambda: _at_specificity(ranking, required),
        "cost": lambda: _cheapest(ranking, cost_ratio, prevalence),
    }
    if rule not in finders:
        raise ValueError(f"rule must be one of {', '.join(get_args(Rule))}. Received: {rule!r}.")
    _refuse_one_kind(ranking)
    index, reason = finders[rule]()
    exploratory = chosen_on == SAME_EXAMPLES
    caution = (
        " It was chosen on the same examples that it is reported on, so it is exploratory (STARD 2015, item 12a) and "
        "the numbers at it are optimistic."
    )
    why = f"On {chosen_on} it gives {reason}: {_rates(ranking, index)}." + (caution if exploratory else "")
    if rule == "cost" and prevalence is None:
        prevalence = ranking.positives / (ranking.positives + ranking.negatives)
    return OperatingPoint(
        float(ranking.thresholds[index]),
        rule,
        why,
        chosen_on,
        exploratory,
        required if rule in ("sensitivity", "specificity") else None,
        cost_ratio if rule == "cost" else None,
        prevalence if rule == "cost" else None,
    )


def threshold_table(
    ranking: Ranking, settings: IntervalSettings, *, around: float, independent: bool = True
) -> list[ThresholdRow]:
    """What the informative thresholds would give: the operating point, 0.5, Youden's, and required rates.

    Args:
        ranking: The scores.
        settings: How intervals are computed.
        around: The operating point's threshold.
        independent: Whether examples are neither grouped nor weighted; otherwise measures have no interval, and a
            note says why.

    Returns:
        At most eleven rows with distinct thresholds, ascending; rows that serve several purposes name them all.
        Requirements that no threshold fulfils are left out, as are those without positives or negatives.
    """
    names: dict[float, list[str]] = {float(around): ["operating point"]}
    names.setdefault(DEFAULT_THRESHOLD, []).append("default")
    if ranking.positives > 0 and ranking.negatives > 0:
        names.setdefault(float(ranking.thresholds[_youden(ranking)[0]]), []).append("Youden")
        for level in TABLE_LEVELS:
            index = _at_sensitivity(ranking, level)[0]
            names.setdefault(float(ranking.thresholds[index]), []).append(f"sensitivity ≥ {level:g}")
        for level in TABLE_LEVELS:
            reached = _last_specific_enough(ranking, level)
            if reached is not None:
                names.setdefault(float(ranking.thresholds[reached]), []).append(f"specificity ≥ {level:g}")
    return [_row(ranking, threshold, names[threshold], settings, independent) for threshold in sorted(names)]


def counts_at(ranking: Ranking, threshold: float) -> Counts:
    """True and false positives and negatives where scores of at least `threshold` are called positive."""
    called = bisect_right(ranking.thresholds, -threshold, key=lambda score: -score)
    tp, fp = (ranking.tp[called - 1].item(), ranking.fp[called - 1].item()) if called else (0, 0)
    return Counts(tp, fp, ranking.positives - tp, ranking.negatives - fp)


def _given(threshold: float | None, chosen_on: str) -> OperatingPoint:
    """The operating point that the user gave."""
    if threshold is None or not math.isfinite(threshold):
        raise ValueError(f"rule 'given' needs threshold, a finite number. Received: threshold={threshold}.")
    return OperatingPoint(
        float(threshold),
        "given",
        f"{threshold:g} was fixed beforehand; it was not chosen on these examples.",
        chosen_on,
        False,
    )


def _youden(ranking: Ranking) -> tuple[int, str]:
    """Index of the first threshold with the largest Youden index; products keep counts exact, weights are rounded."""
    weighted = ranking.tp.dtype.kind == "f"
    tolerance = ROUNDING * ranking.positives * ranking.negatives if weighted else 0.0
    index = _first_largest(ranking.tp * ranking.negatives - ranking.fp * ranking.positives, tolerance)
    value = ranking.tp[index] / ranking.positives - ranking.fp[index] / ranking.negatives
    return index, f"the largest Youden index (sensitivity + specificity − 1 = {_number(value)})"


def _at_sensitivity(ranking: Ranking, required: float | None) -> tuple[int, str]:
    """Index of the most specific threshold that is sensitive enough."""
    level = _required("sensitivity", required)
    first = min(bisect_left(ranking.tp, (level - ROUNDING) * ranking.positives), len(ranking.tp) - 1)
    last = bisect_right(ranking.fp, ranking.fp[first]) - 1
    return last, f"the highest specificity with a sensitivity of at least {level:g}"


def _at_specificity(ranking: Ranking, required: float | None) -> tuple[int, str]:
    """Index of the most sensitive threshold that is specific enough."""
    level = _required("specificity", required)
    index = _last_specific_enough(ranking, level)
    if index is None:
        raise ValueError(
            f"no threshold reaches a specificity of {level:g}: even the highest score, {ranking.thresholds[0]:g}, "
            f"calls {_count(ranking.fp[0])} of {_count(ranking.negatives)} negatives positive. Require less."
        )
    return index, f"the highest sensitivity with a specificity of at least {level:g}"


def _last_specific_enough(ranking: Ranking, level: float) -> int | None:
    """Index of the most sensitive threshold with at least this specificity, or None."""
    allowed = (1 - level + ROUNDING) * ranking.negatives
    last = bisect_right(ranking.fp, allowed) - 1
    return None if last < 0 else bisect_left(ranking.tp, ranking.tp[last])


def _cheapest(ranking: Ranking, cost_ratio: float | None, prevalence: float | None) -> tuple[int, str]:
    """Index of the first threshold with the lowest expected cost."""
    if cost_ratio is None or not 0 < cost_ratio < math.inf:
        raise ValueError(f"rule 'cost' needs cost_ratio, a number above 0. Received: cost_ratio={cost_ratio}.")
    if prevalence is not None and not 0 < prevalence < 1:
        raise ValueError(f"prevalence must be between 0 and 1. Received: prevalence={prevalence}.")
    of = "given" if prevalence is not None else "of these examples"
    share = prevalence if prevalence is not None else ranking.positives / (ranking.positives + ranking.negatives)
    missed, alarm = share * cost_ratio / ranking.positives, (1 - share) / ranking.negatives
    gain = ranking.tp * missed - ranking.fp * alarm
    index = _first_largest(gain, ROUNDING * max(share * cost_ratio, 1 - share))
    cost, all_negative = share * cost_ratio - float(gain[index]), share * cost_ratio
    reason = (
        f"the lowest expected cost, {_number(cost)} (in false alarms) per example, where a missed case costs "
        f"{cost_ratio:g} times a false alarm and the prevalence is {_number(share)} ({of})"
    )
    if all_negative < cost - ROUNDING:
        reason += f" (calling nothing positive would cost less, {_number(all_negative)})"
    return index, reason


def _first_largest(values: np.ndarray, tolerance: float = 0.0) -> int:
    """Index of the first value that is the largest but for rounding."""
    if tolerance == 0:
        return int(np.argmax(values))
    return int(np.argmax(values >= values.max() - tolerance))


def _required(name: str, value: float | None) -> float:
    """The required rate, refused where it is missing or out of range."""
    if value is None or not 0 < value <= 1:
        raise ValueError(f"rule {name!r} needs required, above 0 and at most 1, such as 0.95. Received: {value}.")
    return value


def _refuse_one_kind(ranking: Ranking) -> None:
    """Refuses to choose a threshold where sensitivity or specificity does not exist."""
    for kind, total in (("positive", ranking.positives), ("negative", ranking.negatives)):
        if total <= 0:
            raise ValueError(
                f"choosing a threshold needs positive and negative examples. Received: no {kind} ones. "
                "Give a threshold, or choose it on other examples."
            )


def _row(
    ranking: Ranking, threshold: float, names: list[str], settings: IntervalSettings, independent: bool
) -> ThresholdRow:
    """One row of the table."""
    counts = counts_at(ranking, threshold)
    if independent:
        return ThresholdRow(threshold, "; ".join(names), counts, class_measures(counts, settings))
    measures = {
        name: value if value.value is None else replace(value, note=DEPENDENT)
        for name, value in point_estimates(counts).items()
    }
    return ThresholdRow(threshold, "; ".join(names), counts, measures)


def _rates(ranking: Ranking, index: int) -> str:
    """Sensitivity and specificity at a threshold, in words."""
    tp, tn = ranking.tp[index], ranking.negatives - ranking.fp[index]
    sensitivity, specificity = tp / ranking.positives, tn / ranking.negatives
    return (
        f"sensitivity {_number(sensitivity)} ({_count(tp)} of {_count(ranking.positives)}) and "
        f"specificity {_number(specificity)} ({_count(tn)} of {_count(ranking.negatives)})"
    )


def _number(value: float) -> str:
    """Three decimals, or three digits where that would hide the number."""
    return f"{value:.3g}" if 0 < abs(value) < 0.01 else f"{value:.3f}"


def _count(value: float) -> str:
    """A count, or a sum of weights."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.2f}"
