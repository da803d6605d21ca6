"""What a case does one after the other, with the settings' changes: the head, stages of unfreezing, all the rest."""

from __future__ import annotations

from dataclasses import dataclass

from training.augmentation import Augmentation
from transfer.cases import MILD, Case, Phase
from transfer.config import AUGMENTATION, TransferConfig
from transfer.pretrained.catalog import entry


@dataclass(frozen=True)
class Step:
    """One call of `fit`.

    Attributes:
        name: Of the phase, in the run's files.
        epochs: At most.
        learning_rate: Of Adam; of the new head where blocks have rates of their own.
        cached: Whether only the head is trained, on features that were computed before.
        up_to: The last frozen layer; None freezes nothing.
    """

    name: str
    epochs: int
    learning_rate: float
    cached: bool
    up_to: str | None


def steps_of(case: Case, config: TransferConfig) -> tuple[Step, ...]:
    """The phases of a case, in order; gradual unfreezing makes several out of one."""
    cuts = {cut.name: cut.layer for cut in entry(config.backbone).cuts}
    found: list[Step] = []
    for phase in case.phases:
        epochs, rate = _numbers(phase, config, last=phase is case.phases[-1])
        if phase.trainable == "head":
            found.append(Step(phase.name, epochs, rate, True, cuts[case.cut]))
            continue
        if config.gradual_unfreezing and case.initialisation == "pretrained":
            earlier = list(cuts)[: list(cuts).index(case.cut)]
            found += [
                Step(f"unfreeze after {name}", config.gradual_unfreezing, rate, False, cuts[name])
                for name in reversed(earlier)
            ]
        found.append(Step(phase.name, epochs, rate, False, None))
    return tuple(found)


def _numbers(phase: Phase, config: TransferConfig, *, last: bool) -> tuple[int, float]:
    """Epochs and learning rate of a phase: the settings', else the case's own."""
    epochs, rate = (config.epochs, config.learning_rate) if last else (None, None)
    if phase.trainable == "head":
        epochs, rate = config.head_epochs or epochs, config.head_learning_rate or rate
    return epochs or phase.epochs, rate or phase.learning_rate


def augmentation_of(config: TransferConfig, case: Case | None) -> Augmentation:
    """Random changes of the training images: the settings', else the case's own; None: those of augmented features."""
    own = case.augmentation if case is not None else MILD
    given = {name: getattr(config, name) for name in AUGMENTATION}
    return Augmentation(**{name: getattr(own, name) if value is None else value for name, value in given.items()})


def block_rates(config: TransferConfig, cut: str, rate: float) -> dict[str, float]:
    """Discriminative learning rates: each block of the network learns `layer_decay` times as fast as the one after it.

    A block reaches from one named cut to the next.

    Args:
        config: Backbone and `layer_decay`.
        cut: Name of the cut behind which the head stands.
        rate: Of the head.

    Returns:
        The last layer of each block → its rate, from early to late; the head is not among them.

    Reference:
        Howard & Ruder 2018, Universal Language Model Fine-tuning for Text Classification, arXiv:1801.06146.
    """
    cuts = {one.name: one.layer for one in entry(config.backbone).cuts}
    names = list(cuts)[: list(cuts).index(cut) + 1]
    return {cuts[name]: rate * config.layer_decay ** (len(names) - place) for place, name in enumerate(names)}
