"""How predictions are to be read: logits or probabilities, missing results, and which columns are subgroups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

MissingPolicy = Literal["refuse", "exclude", "worst-case"]


@dataclass(frozen=True)
class ReadOptions:
    """What a file cannot say about itself.

    Attributes:
        logits: The scores are logits: one column goes through the logistic function, several through softmax,
            in float64.
        missing: What becomes of missing and indeterminate results. "refuse" refuses the file; "exclude" leaves the
            examples out and counts them; "worst-case" counts an example without a score as a mistake (STARD 2015,
            items 15 and 16). Examples without a truth are left out by both.
        subgroups: Names of the subgroup columns; None takes every remaining column with 2 to 20 different values.
    """

    logits: bool = False
    missing: MissingPolicy = "refuse"
    subgroups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuses an unknown policy and subgroups that are no names."""
        policies = get_args(MissingPolicy)
        if self.missing not in policies:
            raise ValueError(f"missing must be one of {', '.join(policies)}. Received: {self.missing!r}.")
        if self.subgroups is not None and (
            isinstance(self.subgroups, str) or not all(isinstance(name, str) for name in self.subgroups)
        ):
            raise ValueError(f"subgroups must be a tuple of column names. Received: {self.subgroups!r}.")
