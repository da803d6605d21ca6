"""How the learning rate moves over a run: Keras' own schedules and a triangle, counted in optimizer steps."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

START = 25.0  # a warm-up begins at the peak rate over this number, as in Smith's and PyTorch's one-cycle
WARMUP = {"cosine": 0.0, "one_cycle": 0.3, "triangle": 0.23}  # fraction of the steps, where the settings leave it open


@keras.saving.register_keras_serializable("groundwork")
class Triangle(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises linearly to its peak and falls linearly to its end.

    Args:
        peak: Largest rate.
        rising: Steps to the peak, at least 0.
        total_steps: Steps of the run, more than `rising`.
        start, end: Rate before the first and after the last step, as parts of the peak.
    """

    def __init__(self, peak: float, *, rising: int, total_steps: int, start: float = 0.0, end: float = 0.0) -> None:
        super().__init__()
        self.peak = peak
        self.rising = rising
        self.total_steps = total_steps
        self.start = start
        self.end = end

    def __call__(self, step: Any) -> Any:
        """The rate of that step, from 0; that of the end after the last."""
        step = ops.cast(step, "float32")
        up = self.start + (1.0 - self.start) * step / max(self.rising, 1)
        share = ops.minimum((step - self.rising) / (self.total_steps - self.rising), 1.0)
        return self.peak * ops.where(step < self.rising, up, 1.0 + (self.end - 1.0) * share)

    def get_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("peak", "rising", "total_steps", "start", "end")}


def learning_rate(
    schedule: str, peak: float, *, total_steps: int, warmup: float | None = None, ends: tuple[float, float] = (0.0, 0.0)
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate of every step.

    Args:
        schedule: `"constant"`; `"cosine"`, which falls from the peak to 0 along half a cosine; `"one_cycle"`, which
            first rises linearly from a 25th of the peak; or `"triangle"`, which rises and falls linearly. Momentum
            stays as it is.
        peak: Largest learning rate.
        total_steps: Steps of the whole run; the rate is 0, or that of the triangle's end, after the last one.
        warmup: Fraction of the steps that rise, in [0, 1); None takes 0.3 for `one_cycle`, 0.23 for `triangle` and 0
            for `cosine`.
        ends: `triangle`: rate at its start and at its end, as parts of the peak.

    Returns:
        The rate itself where it is constant, else a schedule that Keras can serialise.

    Reference:
        Loshchilov & Hutter, 2017, "SGDR: Stochastic gradient descent with warm restarts", arXiv:1608.03983.
        Smith & Topin, 2018, "Super-convergence: very fast training of neural networks using large learning rates",
        arXiv:1708.07120.
        Jordan, 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498 (the triangle and its ends).
    """
    if schedule == "constant":
        return peak
    fraction = WARMUP[schedule] if warmup is None else warmup
    rising = min(round(fraction * total_steps), total_steps - 1)
    if schedule == "triangle":
        return Triangle(peak, rising=rising, total_steps=total_steps, start=ends[0], end=ends[1])
    if not rising:
        return keras.optimizers.schedules.CosineDecay(peak, total_steps)
    return keras.optimizers.schedules.CosineDecay(
        peak / START, total_steps - rising, warmup_target=peak, warmup_steps=rising
    )
