"""How the learning rate moves over a run: Keras' own schedules, counted in optimizer steps."""

from __future__ import annotations

import keras

START = 25.0  # a warm-up begins at the peak rate over this number, as in Smith's and PyTorch's one-cycle
WARMUP = {"cosine": 0.0, "one_cycle": 0.3}  # fraction of the steps, where the settings leave it open


def learning_rate(
    schedule: str, peak: float, *, total_steps: int, warmup: float | None = None
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate of every step.

    Args:
        schedule: `"constant"`; `"cosine"`, which falls from the peak to 0 along half a cosine; or `"one_cycle"`, which
            first rises linearly from a 25th of the peak. Momentum stays as it is.
        peak: Largest learning rate.
        total_steps: Steps of the whole run; the rate is 0 after the last one.
        warmup: Fraction of the steps that rise, in [0, 1); None takes 0.3 for `one_cycle` and 0 for `cosine`.

    Returns:
        The rate itself where it is constant, else a schedule that Keras can serialise.

    Reference:
        Loshchilov & Hutter, 2017, "SGDR: Stochastic gradient descent with warm restarts", arXiv:1608.03983.
        Smith & Topin, 2018, "Super-convergence: very fast training of neural networks using large learning rates",
        arXiv:1708.07120.
    """
    if schedule == "constant":
        return peak
    fraction = WARMUP[schedule] if warmup is None else warmup
    rising = min(round(fraction * total_steps), total_steps - 1)
    if not rising:
        return keras.optimizers.schedules.CosineDecay(peak, total_steps)
    return keras.optimizers.schedules.CosineDecay(
        peak / START, total_steps - rising, warmup_target=peak, warmup_steps=rising
    )
