"""The median rule: a trial that is worse than most were at the same epoch has no hope to be the best."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import keras

ENOUGH_TRIALS = 5
GRACE = 0.25  # part of the epochs that every trial may train


class MedianRule(keras.callbacks.Callback):
    """Stops a training whose best objective so far is worse than the median of other trials' after as many epochs.

    Args:
        curves: Best objective after each epoch, one list per finished trial; a shorter one stays at its last value.
        objective: Name in the logs.
        direction: `max` or `min`.
        epochs: Epochs of this trial.

    Reference:
        Golovin et al., 2017, "Google Vizier: a service for black-box optimization", section 3.2.2. It compares with
        averages over time; here as there nothing is stopped before some trials are complete.
    """

    def __init__(self, curves: Sequence[Sequence[float]], objective: str, direction: str, epochs: int) -> None:
        super().__init__()
        self.curves = [curve for curve in curves if len(curve)]
        self.objective = objective
        self.better = max if direction == "max" else min
        self.grace = max(1, round(GRACE * epochs))
        self.epochs = epochs
        self.best: float | None = None
        self.stopped = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = float((logs or {})[self.objective])
        self.best = value if self.best is None else self.better(self.best, value)
        done = epoch + 1
        if len(self.curves) < ENOUGH_TRIALS or not self.grace <= done < self.epochs:
            return
        median = statistics.median(curve[min(done, len(curve)) - 1] for curve in self.curves)
        if self.best != self.better(self.best, median):
            self.stopped = done
            self.model.stop_training = True
