"""The notes' four cases of transfer learning as data: what is cut, frozen, added, initialised and trained.

The notes ask two questions: is the new data set small or large, and is it similar to the old one or different? What
they state is in `cut`, `frozen` and `initialisation`. Epochs, learning rates, phases and augmentation they leave open:
those here are this project's defaults, and the same for all cases where nothing speaks against it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from training.checks import ConfigError

Part = Literal["head", "all"]


@dataclass(frozen=True)
class Phase:
    """One call of `fit`.

    Attributes:
        name: Of the phase, in the run's files.
        epochs: At most; early stopping may end it sooner.
        learning_rate: Of Adam.
        trainable: `head` (the new layers alone) or `all`.
    """

    name: str
    epochs: int
    learning_rate: float
    trainable: Part


@dataclass(frozen=True)
class Head:
    """The new layers, the keywords of `transfer.surgery.replace_head`.

    Attributes:
        pooling: How a feature map becomes a vector.
        units: Of hidden layers before the classifier; the notes add the classifier alone.
        dropout_rate: Fraction of features dropped before each dense layer.
    """

    pooling: Literal["average", "max", "flatten"] = "average"
    units: tuple[int, ...] = ()
    dropout_rate: float = 0.0


@dataclass(frozen=True)
class Changes:
    """Random changes of the training images, the keywords of `training.augmentation.Augmentation`."""

    shift: float = 0.0
    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    rotation: float = 0.0
    zoom: float = 0.0


@dataclass(frozen=True)
class Case:
    """One quadrant of the notes, or one of the two options of the fourth.

    Attributes:
        number: 1 to 4.
        option: `a` or `b` where the notes give two ways, else "".
        title: Short, for tables and figures.
        when: The data set that it is meant for.
        large: Whether that is a large one.
        similar: Whether it is similar to the data of the pre-trained network.
        cut: Name of the cut of the backbone behind which all is sliced off: `last` takes the old classifier away alone.
        frozen: What never changes: `backbone` (all that the cut leaves), or `nothing` once the head has settled.
        head: The new layers, with random weights.
        initialisation: Of what the cut leaves: `pretrained` or `random`.
        batch_norms: Of what the cut leaves, while it is trained: `inference` keeps the pre-trained statistics.
        phases: One after the other.
        augmentation: Of the training images; off where the features are computed once.
    """

    number: int
    option: Literal["", "a", "b"]
    title: str
    when: str
    large: bool
    similar: bool
    cut: Literal["early", "middle", "late", "last"]
    frozen: Literal["backbone", "nothing"]
    initialisation: Literal["pretrained", "random"]
    phases: tuple[Phase, ...]
    batch_norms: Literal["inference", "training"] = "inference"
    head: Head = Head()
    augmentation: Changes = Changes()

    @property
    def name(self) -> str:
        """`1`, `2`, `3`, `4a` or `4b`."""
        return f"{self.number}{self.option}"

    @property
    def fine_tunes(self) -> bool:
        """Whether pre-trained layers go on learning."""
        return self.frozen == "nothing" and self.initialisation == "pretrained"

    def trains(self, part: Part) -> bool:
        """Whether some phase trains this part."""
        return any(phase.trainable == part for phase in self.phases)


# The head learns from features that are computed once: an epoch costs next to nothing, early stopping ends it.
HEAD_ALONE = (Phase("head", 100, 1e-3, "head"),)
HEAD_THEN_ALL = (Phase("head", 20, 1e-3, "head"), Phase("fine-tune", 15, 1e-4, "all"))
MILD = Changes(shift=0.1, flip="horizontal")

SMALL_SIMILAR = Case(
    1,
    "",
    "slice off the end, train a new head",
    "a small data set, similar to the old one",
    large=False,
    similar=True,
    cut="last",
    frozen="backbone",
    initialisation="pretrained",
    phases=HEAD_ALONE,
)
"""Few images, similar: what the last layers see fits the new images too. The notes cut off the end of the network, add
a fully connected layer with one output per new class and random weights, freeze all the rest so that few images cannot
overfit it, and train that layer alone."""

SMALL_DIFFERENT = Case(
    2,
    "",
    "cut near the beginning, train a new head",
    "a small data set, different from the old one",
    large=False,
    similar=False,
    cut="early",
    frozen="backbone",
    initialisation="pretrained",
    phases=HEAD_ALONE,
)
"""Few images, different: only the first layers' edges and colours are of use. The notes cut off most of the network,
near its beginning, add a fully connected layer with random weights to what remains, freeze what remains against
overfitting, and train that layer alone."""

LARGE_SIMILAR = Case(
    3,
    "",
    "fine-tune the whole network",
    "a large data set, similar to the old one",
    large=True,
    similar=True,
    cut="last",
    frozen="nothing",
    initialisation="pretrained",
    phases=HEAD_THEN_ALL,
    augmentation=MILD,
)
"""Many images, similar: overfitting is no worry. The notes replace the last fully connected layer by one with random
weights and an output per new class, start all other layers from the pre-trained weights, and train the whole network.
The head settles first here, so that its random start does not spoil them, and all goes on at a lower rate."""

LARGE_DIFFERENT_SCRATCH = Case(
    4,
    "a",
    "train again from random weights",
    "a large data set, different from the old one",
    large=True,
    similar=False,
    cut="last",
    frozen="nothing",
    initialisation="random",
    batch_norms="training",
    phases=(Phase("scratch", 40, 1e-3, "all"),),
    augmentation=MILD,
)
"""Many images, different, first option: the notes replace the last fully connected layer by one with an output per new
class, and train the whole network again from random weights."""

LARGE_DIFFERENT_PRETRAINED = Case(
    4,
    "b",
    "fine-tune from pre-trained weights all the same",
    "a large data set, different from the old one",
    large=True,
    similar=False,
    cut="last",
    frozen="nothing",
    initialisation="pretrained",
    phases=HEAD_THEN_ALL,
    augmentation=MILD,
)
"""Many images, different, second option: the pre-trained weights may still be the better start, so the notes proceed
as for the large and similar data set."""

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        SMALL_SIMILAR,
        SMALL_DIFFERENT,
        LARGE_SIMILAR,
        LARGE_DIFFERENT_SCRATCH,
        LARGE_DIFFERENT_PRETRAINED,
    )
}


def cases_of(name: str | int) -> tuple[Case, ...]:
    """The cases that a name stands for.

    Args:
        name: `1` to `4`, `4a`, `4b` or `all`; `4` gives both of its options.

    Raises:
        ConfigError: There is no such case.
    """
    found = tuple(case for key, case in CASES.items() if str(name) in (key, str(case.number), "all"))
    if not found:
        names = ["all", "4", *CASES]
        close = difflib.get_close_matches(str(name), names, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"case must be one of {', '.join(sorted(names))}. Received: case={name}.{hint}")
    return found


def quadrant(*, large: bool, similar: bool) -> int:
    """The number of the case for such a data set."""
    return next(case.number for case in CASES.values() if (case.large, case.similar) == (large, similar))
