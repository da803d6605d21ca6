"""Reads the training curves as the notes teach: validation loss against training loss, in words."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from training.files import write_atomic

FEWEST_EPOCHS = 3  # below this, curves say nothing
EXPLODED = 3.0  # diverged: training ends above this many times its first loss and a constant guess's
LOST = 0.25  # a collapse gives back at least this part of what training had gained
RISEN = 1.05  # overfitting: validation loss ends at least 5 % above its best
HIGH = 0.5  # underfitting: losses stay above half of what a constant guess reaches
NOTHING = 0.97  # not learning: training never gets below this part of what a constant guess reaches
BETTER = 0.1  # not learning: accuracy stays within this of chance
WRONG = 1.5  # saturated: a classifier's loss ends above this many times what a constant guess reaches
SHARED = 0.01  # leaked validation: at least this part of it stands in the training split
INACTIVE = 0.5  # dead units: at least this part of the hidden units answers 0 to every example
FREQUENT = 0.7  # majority class only: the most frequent class has at least this part of the examples …
SAME = 0.005  # … and accuracy ends this near to it
MOST_WAIT = 5  # epochs without a new best after which training counts as no longer improving
TAIL = 3  # epochs whose median stands for "the end", so that one noisy epoch decides nothing

History = Mapping[str, Sequence[float] | np.ndarray]
VerdictKind = Literal[
    "diverged",
    "leaked validation",
    "saturated",
    "dead units",
    "majority class only",
    "not learning",
    "collapsed",
    "overfitting",
    "unstable",
    "still improving",
    "underfitting",
    "good fit",
    "too few epochs",
    "final fit",
]


@dataclass(frozen=True)
class Verdict:
    """What the curves say.

    Attributes:
        kind: One of the named outcomes.
        epoch: The epoch (from 1) that it refers to: where overfitting starts, after which training
            collapsed or became unstable, or the best one.
        text: One or two sentences with the numbers and what to do.
    """

    kind: VerdictKind
    epoch: int
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Clues:
    """What curves alone cannot tell; 0 where it is not known.

    Attributes:
        majority: Share of the most frequent class among the training examples.
        shared: Share of the validation examples that stand in the training split too.
        inactive: Share of the hidden units that answer 0 to every training example.
    """

    majority: float = 0.0
    shared: float = 0.0
    inactive: float = 0.0


NO_CLUES = Clues()


def best_epoch(history: History, monitor: str) -> int:
    """The best epoch on validation, counted from 1: the largest accuracy, else the smallest value.

    Non-finite values never win; 0 where no epoch is finite.
    """
    values = np.asarray(history.get(monitor, ()), dtype=float)
    if not np.isfinite(values).any():
        return 0
    signed = -values if monitor.endswith("accuracy") else values
    return int(np.nanargmin(np.where(np.isfinite(values), signed, np.inf))) + 1


def diagnose(history: History, *, baseline_loss: float, floor: float = 0.0, clues: Clues = NO_CLUES) -> Verdict:
    """Names what happened during training.

    Args:
        history: `loss` and `val_loss`, one value per epoch; of a classifier `accuracy` too.
        baseline_loss: Loss of the best constant guess: the entropy of the classes, or the
            variance of the target.
        floor: Smallest loss that perfect predictions reach, as `loss_floor` gives it.
        clues: What is known beside the curves.

    Returns:
        The first verdict that applies, gravest first.
    """
    train, validation = (np.asarray(history[name], dtype=float) for name in ("loss", "val_loss"))
    epochs = len(train)
    finite = np.isfinite(train) & np.isfinite(validation)
    if not finite.all():
        return _diverged(int(np.argmin(finite)) + 1)
    if epochs and train[-1] > EXPLODED * max(train[0], baseline_loss):
        return _diverged(int(np.argmin(train)) + 1)
    if epochs < FEWEST_EPOCHS:
        return Verdict(
            "too few epochs",
            epochs,
            f"epochs finished: {epochs}; the curves need at least {FEWEST_EPOCHS}. Train longer.",
        )
    best = int(np.argmin(validation)) + 1
    accuracy = np.asarray(history.get("accuracy", ()), dtype=float)
    for verdict in (
        _leaked(clues, best),
        _saturated(train, accuracy, best, baseline_loss),
        _majority_only(accuracy, clues, best),
        _not_learning(train, accuracy, best, baseline_loss, floor, clues),
        _collapsed(train, baseline_loss),
        _risen(train, validation, best),
        _still_improving(validation, best),
        _underfitting(train, validation, best, baseline_loss, floor),
    ):
        if verdict is not None:
            return verdict
    return Verdict(
        "good fit",
        best,
        f"both losses fell and levelled off; validation was best at epoch {best} ({validation[best - 1]:.4g}, "
        f"training {train[best - 1]:.4g}).",
    )


def _end(values: np.ndarray) -> float:
    return float(np.median(values[-TAIL:]))


def _diverged(epoch: int) -> Verdict:
    text = f"the loss left all bounds around epoch {epoch}; lower the learning rate, or look for broken inputs."
    return Verdict("diverged", epoch, text)


def _leaked(clues: Clues, best: int) -> Verdict | None:
    if clues.shared < SHARED:
        return None
    return Verdict(
        "leaked validation",
        best,
        f"{clues.shared:.0%} of the validation examples stand in the training split too, so that validation rewards "
        "memorising and says nothing about new examples. Remove the copies, and keep what belongs together (images of "
        "one patient) in one split.",
    )


def _saturated(train: np.ndarray, accuracy: np.ndarray, best: int, baseline_loss: float) -> Verdict | None:
    """Only of a classifier: a regressor that starts far from the target's mean starts far above the variance."""
    if not len(accuracy) or _end(train) < WRONG * baseline_loss:
        return None
    return Verdict(
        "saturated",
        best,
        f"training loss ({train[0]:.4g} at first, {_end(train):.4g} at the end) is far above what a constant guess has "
        f"({baseline_loss:.4g}): the outputs are sure and wrong. Scale the inputs, or lower the learning rate (a "
        "penalty on the weights counts, too).",
    )


def _majority_only(accuracy: np.ndarray, clues: Clues, best: int) -> Verdict | None:
    if clues.majority < FREQUENT or not len(accuracy) or abs(_end(accuracy) - clues.majority) > SAME:
        return None
    return Verdict(
        "majority class only",
        best,
        f"accuracy ends at {_end(accuracy):.4g}, the share of the most frequent class ({clues.majority:.4g}): always "
        "naming that class does as well. Weigh the classes alike (class_weight balanced) and judge by sensitivity and "
        "the area under the ROC curve.",
    )


def _not_learning(
    train: np.ndarray, accuracy: np.ndarray, best: int, baseline_loss: float, floor: float, clues: Clues
) -> Verdict | None:
    """Unless accuracy is above chance: then a penalty on the weights keeps the loss high."""
    chance = max(clues.majority, math.exp(-baseline_loss))
    learned = len(accuracy) > 0 and _end(accuracy) > chance + BETTER
    if learned or train.min() - floor < NOTHING * (baseline_loss - floor):
        return None
    stuck = (
        f"training loss never fell clearly below a constant guess's ({train.min():.4g} beside {baseline_loss:.4g}): "
    )
    if clues.inactive >= INACTIVE:
        text = f"{clues.inactive:.0%} of the hidden units answer 0 to every example and get no gradient any more; "
        return Verdict("dead units", best, stuck + text + "lower the learning rate, or use another initializer.")
    text = "the learning rate is far too small or too large, units are dead, or the inputs say nothing of the targets."
    return Verdict("not learning", best, stuck + text)


def _collapsed(train: np.ndarray, baseline_loss: float) -> Verdict | None:
    best = int(np.argmin(train)) + 1
    gained = max(train[0], baseline_loss) - train[best - 1]
    lost = _end(train) - train[best - 1]
    if len(train) - best < TAIL or lost <= 0 or lost < LOST * gained:
        return None
    return Verdict(
        "collapsed",
        best,
        f"training loss was {train[best - 1]:.4g} at epoch {best} and rose to {_end(train):.4g} afterwards: the "
        "optimizer lost what it had learned. Lower the learning rate or let it decay, and stop early.",
    )


def _risen(train: np.ndarray, validation: np.ndarray, best: int) -> Verdict | None:
    """Validation ends above its best: overfitting where training still falls, instability where it does not."""
    if len(validation) == best or _end(validation) <= RISEN * validation[best - 1]:
        return None
    rise = f"validation loss rose ({validation[best - 1]:.4g} to {_end(validation):.4g})"
    course = f"({train[best - 1]:.4g} to {_end(train):.4g}). The weights of epoch {best} are kept"
    if _end(train) >= train[best - 1]:
        text = f"after epoch {best} {rise} and training loss no longer fell {course}; "
        return Verdict("unstable", best, text + "lower the learning rate, or let it decay.")
    text = f"from epoch {best + 1} {rise} while training loss kept falling {course}; "
    return Verdict("overfitting", best + 1, text + "augmentation, dropout, L2 or more data may move this point.")


def _still_improving(validation: np.ndarray, best: int) -> Verdict | None:
    epochs = len(validation)
    if epochs - best > max(0, min(epochs // 10, MOST_WAIT) - 1):
        return None
    return Verdict(
        "still improving",
        best,
        f"validation loss was still falling when training ended (best at epoch {best} of {epochs}, "
        f"{validation[best - 1]:.4g}); train longer.",
    )


def _underfitting(
    train: np.ndarray, validation: np.ndarray, best: int, baseline_loss: float, floor: float
) -> Verdict | None:
    if min(train.min(), validation.min()) - floor < HIGH * (baseline_loss - floor):
        return None
    least = f", and no loss falls below {floor:.4g}" if floor else ""
    return Verdict(
        "underfitting",
        best,
        f"both losses stay high (training {train.min():.4g}, validation {validation.min():.4g}; a constant guess has "
        f"{baseline_loss:.4g}{least}). A larger model, less regularisation or better inputs may help.",
    )


def baseline_loss(targets: np.ndarray, num_classes: int, label_smoothing: float = 0.0) -> float:
    """Loss of the best constant guess on the training targets.

    Args:
        targets: `(n,)` class indices, or numbers.
        num_classes: 0 for regression.
        label_smoothing: Share of each target that is spread evenly over all classes.

    Returns:
        Entropy of the class frequencies (of the smoothed targets) in nats, or the variance.
    """
    if not num_classes:
        return float(np.var(targets))
    shares = np.bincount(targets, minlength=num_classes) / len(targets)
    return _entropy((1 - label_smoothing) * shares + label_smoothing / num_classes)


def loss_floor(num_classes: int, label_smoothing: float) -> float:
    """The smallest cross-entropy that smoothed targets allow: their own entropy, in nats; 0 without smoothing.

    Example:
        >>> round(loss_floor(10, 0.1), 4)
        0.5003
    """
    if not num_classes or not label_smoothing:
        return 0.0
    target = np.full(num_classes, label_smoothing / num_classes)
    target[0] += 1 - label_smoothing
    return _entropy(target)


def _entropy(shares: np.ndarray) -> float:
    return float(-sum(share * math.log(share) for share in shares if share > 0))


def draw_curves(
    history: History,
    verdict: Verdict,
    path: Path,
    *,
    title: str,
    best: int,
    borders: Sequence[tuple[int, str]] = (),
) -> None:
    """Draws training and validation curves with the best epoch and the verdict, as PNG.

    Args:
        history: Columns of `history.csv`; `accuracy` or `mae` gets the second panel.
        verdict: Printed below the curves.
        path: The PNG file.
        title: Shown above.
        best: Epoch to mark, from 1; 0 marks none.
        borders: (first epoch, name) of each phase, where there are several.
    """
    from matplotlib.figure import Figure

    second = next((name for name in ("accuracy", "mae") if name in history), None)
    names = ["loss"] + ([second] if second else [])
    figure = Figure(figsize=(5.2 * len(names), 4.6), dpi=120)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        _draw_panel(axes, history, name, best)
        _draw_borders(axes, borders)
    figure.suptitle(title, fontsize=12, parse_math=False)
    caption = textwrap.fill(str(verdict), 62 * len(names))
    figure.text(0.02, 0.015, caption, fontsize=9, va="bottom", parse_math=False)
    figure.tight_layout(rect=(0, 0.05 + 0.035 * (caption.count("\n") + 1), 1, 1))
    write_atomic(path, lambda temporary: figure.savefig(temporary))


def _draw_borders(axes, borders: Sequence[tuple[int, str]]) -> None:
    """A line before the first epoch of each later phase, and the phases' names along the top."""
    for first, name in borders:
        if first > 1:
            axes.axvline(first - 0.5, color="0.25", linewidth=1)
        place = {"xy": (first - 0.4, 1), "xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        axes.annotate(name, xytext=(2, -4), va="top", rotation=90, fontsize=8, color="0.25", **place)


def _draw_panel(axes, history: History, name: str, best: int) -> None:
    from matplotlib.ticker import MaxNLocator

    for column, label, color in ((name, "training", "#0072B2"), (f"val_{name}", "validation", "#D55E00")):
        if column not in history:
            continue  # a final fit has no validation
        values = np.asarray(history[column], dtype=float)
        epochs = np.arange(1, len(values) + 1)
        axes.plot(epochs, values, color=color, label=label, marker="o" if len(values) < 15 else None, markersize=3)
    if best:
        axes.axvline(best, color="0.5", linestyle="--", linewidth=1, label=f"best epoch {best}")
    axes.set(xlabel="epoch", title={"mae": "mean absolute error"}.get(name, name))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
