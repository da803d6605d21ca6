"""The learning-rate range test: the rate grows from step to step, and the loss tells where training works."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.ndimage import gaussian_filter1d

from training.files import write_atomic

DIVERGED = 4.0  # times the smallest loss so far
CLOSE = 0.05  # of the whole fall of the loss: nearer to the smallest loss than this counts as the bottom
MARGIN = 3.0  # below the bottom; the customary 10 left one-cycle runs of eight epochs unfinished (digits, one seed)
FALLEN = 0.99  # of the first loss: less of a fall shows nothing
OFFSET = 0.01  # of the first loss
SMOOTHING = 40  # the width (standard deviation) of the smoothing is the planned steps over this number


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Attributes:
        rates: `(n,)` learning rate of each step that ended with a finite loss, growing by a constant factor.
        losses: `(n,)` training loss of each step's batch, before its update.
        smoothed: `(n,)` the losses under a Gaussian window.
        ended: Why it ended, in words.
        bottom: Rate at the bottom of the smoothed loss; None where it never fell.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    ended: str
    bottom: float | None

    @property
    def proposal(self) -> float | None:
        """A third of the rate at the bottom, to two digits; None where the loss never fell."""
        return None if self.bottom is None else float(f"{self.bottom / MARGIN:.1e}")


class LossPerStep(keras.callbacks.Callback):
    """Keeps the loss of every step, and stops once it diverges.

    Args:
        steps: Steps planned.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.losses: list[float] = []
        self.ended = "every step was taken"

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.reset_metrics()  # Keras would hand over the mean since the first step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            self._stop(f"the loss became NaN or infinite at step {batch + 1}")
            return
        self.losses.append(loss)
        smoothed = smooth(self.losses, self.steps)
        if smoothed[-1] > DIVERGED * smoothed.min():
            self._stop(f"the loss rose above {DIVERGED:g} times its smallest value at step {batch + 1}")

    def _stop(self, reason: str) -> None:
        self.ended = reason
        self.model.stop_training = True


def range_test(
    model: keras.Model, training: tf.data.Dataset, *, lowest: float, highest: float, steps: int, verbose: int = 0
) -> RangeTest:
    """Trains for a few steps while the learning rate grows exponentially; the model is spent afterwards.

    Args:
        model: Compiled with `steps_per_execution=1`, not trained yet.
        training: Batches of one epoch; repeated as often as needed.
        lowest: Rate of the first step.
        highest: Rate of the last one.
        steps: Steps at most; fewer where the loss diverges.
        verbose: 1 shows Keras' progress bar.

    Reference:
        Smith, 2017, "Cyclical learning rates for training neural networks", WACV, arXiv:1506.01186.
    """
    model.optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(lowest, steps - 1, highest / lowest)
    recorder = LossPerStep(steps)
    model.fit(training.repeat(), steps_per_epoch=steps, callbacks=[recorder], shuffle=False, verbose=verbose)
    rates = np.geomspace(lowest, highest, steps)[: len(recorder.losses)]
    smoothed = smooth(recorder.losses, steps)
    return RangeTest(rates, np.array(recorder.losses), smoothed, recorder.ended, find_bottom(rates, smoothed))


def smooth(losses: list[float] | np.ndarray, steps: int) -> np.ndarray:
    """The losses `(n,)` under a Gaussian window of `steps / 40`, which shifts no minimum as a running mean would.

    It averages logarithms, so that the last, exploding losses do not drown their neighbours; an offset of a hundredth
    of the first loss keeps noise near 0 from deciding where the minimum is.
    """
    if len(losses) == 0:
        return np.zeros(0)
    offset = OFFSET * losses[0]
    logarithms = np.log(np.asarray(losses, dtype=float) + offset)
    return np.exp(gaussian_filter1d(logarithms, max(1.0, steps / SMOOTHING), mode="nearest")) - offset


def find_bottom(rates: np.ndarray, smoothed: np.ndarray) -> float | None:
    """The rate at the bottom of the smoothed loss; None where the loss never fell.

    The bottom is every step whose loss is within 5 % of the whole fall from the smallest, and its rate their geometric
    mean: on a long flat floor the very smallest loss would be a matter of chance. Above it training is unstable soon:
    Smith's upper bound.

    Args:
        rates: `(n,)`, growing.
        smoothed: `(n,)` losses.
    """
    if len(smoothed) == 0 or smoothed.min() > FALLEN * smoothed[0]:
        return None
    lowest = smoothed.min()
    near = smoothed <= lowest + CLOSE * (smoothed[0] - lowest)
    return float(np.exp(np.log(rates[near]).mean()))


def draw(result: RangeTest, path: Path, *, title: str) -> None:
    """Draws loss against learning rate with the proposal, as PNG; the axis ends where the loss has left the picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), dpi=120)
    axes = figure.subplots()
    axes.plot(result.rates, result.losses, color="0.75", linewidth=0.8, label="each step")
    axes.plot(result.rates, result.smoothed, color="#0072B2", label="smoothed")
    if result.bottom is not None and result.proposal is not None:
        level = float(np.interp(result.bottom, result.rates, result.smoothed))
        axes.plot(result.bottom, level, "o", color="#D55E00", label=f"bottom: {result.bottom:.2g}")
        label = f"proposal, a third of it: {result.proposal:.2g}"
        axes.axvline(result.proposal, color="#D55E00", linestyle="--", linewidth=1, label=label)
    low, high = float(result.smoothed.min()), float(result.smoothed[: max(3, len(result.smoothed) // 4)].max())
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss")
    axes.set_ylim(low - 0.15 * (high - low) - 1e-9, high + 0.6 * (high - low) + 1e-9)
    axes.set_title(title, parse_math=False)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    write_atomic(path, lambda temporary: figure.savefig(temporary))
