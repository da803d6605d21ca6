"""What a lab is: an idea of the notes with its theory, its options, its experiment, and claims that are measured."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evaluation.report.words import number
from training.checks import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Judged = Literal["every", "mean", "interval"]
LARGEST_SEED = 2**31 - 1


def option(default: Any, low: float, high: float = math.inf) -> Any:
    """A field of a lab's parameters whose value, or each of whose values, must lie between two bounds, both included.

    Args:
        default: The value of the lab as it stands on the page.
        low: Smallest value.
        high: Largest one.
    """
    return field(default=default, metadata={"bounds": (low, high)})


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What every lab takes.

    Attributes:
        seeds: How many seeds each stochastic claim is measured with.
        small: A smaller form within seconds, for a first look; what you give yourself stays.
        fresh: Make it again, though it stands already.
        runs_dir: Folder that receives labs/.
    """

    seeds: int = option(5, 1, 1000)
    small: bool = False
    fresh: bool = False
    runs_dir: str = "runs"

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):
            if "bounds" in one.metadata:
                _check_bounds(one.name, getattr(self, one.name), *one.metadata["bounds"])

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in PLACES}


PLACES = ("fresh", "runs_dir", "small")


def _check_bounds(name: str, value: Any, low: float, high: float) -> None:
    """Refuses a number, or a number of a list, outside its bounds."""
    values = value if isinstance(value, tuple) else (value,)
    words = f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
    if not values or not all(low <= one <= high for one in values):
        received = ", ".join(f"{one:g}" for one in values) or "nothing"
        raise ConfigError(f"{name} must be {words}. Received: {name}={received}.")


@dataclass(frozen=True)
class Claim:
    """A statement of the notes as a number. `claim` makes it.

    Attributes:
        text: What is measured, with its unit.
        values: One for each seed; one alone where nothing is random.
        expected: What the theory expects, in words.
        holds: Whether it was so.
        judged: What of the values had to lie within the bounds.
        on_average: Whether their mean lay there, which is all that two or three seeds can show.
    """

    text: str
    values: tuple[float, ...]
    expected: str
    holds: bool
    judged: Judged = "every"
    on_average: bool = True

    @property
    def mean(self) -> float:
        """Of the values."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds; None for one value."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


def claim(
    text: str,
    values: Sequence[float] | np.ndarray | float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    of: Judged = "every",
) -> Claim:
    """A claim, judged by the very bounds that its words name.

    Args:
        text: What is measured, such as "accuracy with dropout − without, in points".
        values: One for each seed, or a single number.
        at_least: Lower bound, included, or None.
        at_most: Upper bound, included, or None.
        of: What must lie within: "every" value, their "mean", or the whole 95 % "interval" (Student's t) of the mean,
            which says that a difference is more than noise.

    Raises:
        ValueError: If there is no bound or no value.
    """
    found = tuple(float(value) for value in np.atleast_1d(np.asarray(values, dtype=float)))
    if not found or (at_least is None and at_most is None):
        raise ValueError(f"a claim needs values and a bound. Received: {len(found)} values for {text!r}.")

    def inside(low: float, high: float) -> bool:
        return bool((at_least is None or low >= at_least) and (at_most is None or high <= at_most))

    bounds = (("at least", at_least), ("at most", at_most))
    words = " and ".join(f"{name} {number(bound)}" for name, bound in bounds if bound is not None)
    by = {"every": ", every seed" if len(found) > 1 else "", "mean": ", on average", "interval": ", beyond noise"}[of]
    return Claim(text, found, words + by, inside(*_judged(found, of)), of, inside(*_judged(found, "mean")))


def _judged(values: tuple[float, ...], of: Judged) -> tuple[float, float]:
    """Lowest and highest number that must lie within the bounds; NaN lies within none."""
    if of == "every":
        return (math.nan, math.nan) if any(map(math.isnan, values)) else (min(values), max(values))
    mean = float(np.mean(values))
    if of == "mean" or len(values) == 1:
        return mean, mean
    from scipy import stats

    reach = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean - reach, mean + reach


@dataclass(frozen=True)
class Picture:
    """A figure of a lab.

    Attributes:
        name: Of its files.
        title: Above it.
        figure: Drawn with `training.labs.drawing`; axes with labels and units.
        caption: What to notice.
    """

    name: str
    title: str
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Findings:
    """What an experiment found.

    Attributes:
        paragraph: 2 to 4 sentences, computed from the numbers.
        claims: What is asserted.
        pictures: At least one.
        numbers: Whatever else numbers.json shall hold: numbers, texts, arrays, lists and mappings of them.
    """

    paragraph: str
    claims: tuple[Claim, ...]
    pictures: tuple[Picture, ...]
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failing(self) -> list[Claim]:
        """The claims that do not hold."""
        return [one for one in self.claims if not one.holds]


@dataclass(frozen=True)
class Lab:
    """An idea of the notes.

    Attributes:
        name: Of its module and its folder.
        title: On the page.
        theory: 5 to 10 lines; an empty line begins a paragraph.
        formulas: One a line, plain Unicode.
        parameters: A subclass of `Parameters`, whose fields are the command line's options.
        small: The same in a smaller form, which the tests run.
        experiment: From parameters and seeds to findings; imports what is heavy itself.
        try_it: Options worth trying, such as "--beta 0.5".
        slip: Where the notes slip: what they say, and what is right; empty where they do not.
    """

    name: str
    title: str
    theory: str
    formulas: tuple[str, ...]
    parameters: type[Parameters]
    small: Parameters
    experiment: Callable[[Any, Sequence[int]], Findings]
    try_it: str
    slip: str = ""


def seeds_of(parameters: Parameters) -> range:
    """The seeds of an experiment, from 1."""
    return range(1, parameters.seeds + 1)


def spread_words(values: Sequence[float] | np.ndarray, *, unit: str = "") -> str:
    """Mean and standard deviation as a sentence shows them: "0.913 ± 0.012"; the mean alone where all are alike."""
    found = np.asarray(values, dtype=float)
    mean, spread = float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else 0.0
    shown = f" ± {number(float(f'{spread:.2g}'))}" if spread > 1e-4 * abs(mean) else ""
    return f"{number(mean)}{shown}{unit}"
