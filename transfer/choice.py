"""Which case a run trains: the one asked for, or the one that the training images propose."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from training.run import Run
from transfer.bottleneck.probes import ProbeSettings, thumbnails
from transfer.cases import CASES, Case
from transfer.config import TransferConfig
from transfer.similarity import propose
from transfer.source import Source

OPTION = {4: "4b"}  # of the notes' two options the one that can fall back on the pre-trained weights


@dataclass(frozen=True)
class Choice:
    """The case of a run, and why.

    Attributes:
        case: What is trained.
        proposal: The fields of `transfer.similarity.Proposal`; None where nothing was measured.
        reason: One sentence.
    """

    case: Case
    proposal: dict[str, Any] | None
    reason: str

    @property
    def is_proposed(self) -> bool:
        """Whether the measurement proposed this case (or the case that it is an option of)."""
        return self.proposal is not None and self.proposal["case"] == self.case.number

    @property
    def text(self) -> str:
        """One line for the user."""
        return f"case {self.case.name} {self.reason}: {self.case.title}"


def measure(source: Source) -> dict[str, Any]:
    """Proposes a case from the training images alone: the fields of a `Proposal`.

    Raises:
        DataError: As `transfer.similarity.propose`.
    """
    train = source.data.train
    proposal = propose(
        source.cuts(source.features["train"]),
        train.y,
        groups=train.groups,
        pixels=thumbnails(train.x),
        class_names=source.data.class_names,
        settings=ProbeSettings(seed=source.config.seed),
    )
    return asdict(proposal)


def choose(config: TransferConfig, source: Source) -> Choice:
    """The case that the settings name, or the one that is measured."""
    if config.cases:
        return Choice(config.cases[0], None, "as asked")
    return proposed(measure(source))


def proposed(proposal: dict[str, Any]) -> Choice:
    """The case that a measurement proposes; of case 4 the option that starts from the pre-trained weights."""
    number = int(proposal["case"])
    reason = "chosen (--case 4 trains both of its options)" if number in OPTION else "chosen"
    return Choice(CASES[OPTION.get(number, str(number))], proposal, reason)


def record(run: Run, choice: Choice) -> None:
    """Keeps the choice, so that a resumed run does not choose anew."""
    entry = {"case": choice.case.name, "reason": choice.reason, "proposal": choice.proposal}
    known = run.read_record().get("transfer", {})
    run.update_record(transfer={**known, **entry})


def recorded(run: Run) -> Choice | None:
    """The choice that a run made before it was cut."""
    known = run.read_record().get("transfer", {})
    if known.get("case") not in CASES:
        return None
    return Choice(CASES[known["case"]], known.get("proposal"), str(known.get("reason", "as asked")))
