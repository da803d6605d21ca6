"""Lookahead: slow weights that follow the trained ones every few steps, and from which these then go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

STRENGTH = 0.95**5  # of the slow weights' hold at the end of the run
GROUP = "slow"  # of a checkpoint's arrays


class Lookahead(keras.callbacks.Callback):
    """Pulls all weights back to their running average every so many steps, ever harder.

    After step t of T, where t is a multiple of `every`: slow ← slow + (1 − α)·(weights − slow) with
    α = 0.95⁵·(t / T)³, and weights ← slow. After the last step α is 1: the run ends with the slow weights. Statistics
    of batch normalisation are averaged with the rest; what the optimizer remembers is not. Validation at the end of an
    epoch sees the weights as they are then, mostly a few steps ahead of the slow ones; after the last epoch it sees
    the slow ones. The callback stands before those that write checkpoints.

    Args:
        every: Steps between two pulls; Keras must do them one by one (steps_per_execution 1).
        total_steps: Steps of the whole run.
        slow: Slow weights of a checkpoint, as `arrays` gave them; empty: the weights that training begins with.

    Reference:
        Zhang et al., 2019, "Lookahead optimizer: k steps forward, 1 step back", arXiv:1907.08610; with the schedule of
        α of Jordan, 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498.
    """

    def __init__(self, every: int, total_steps: int, slow: Sequence[np.ndarray] = ()) -> None:
        super().__init__()
        self.every = every
        self.total_steps = total_steps
        self.slow = [np.array(array) for array in slow]
        self.seen = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.seen = self._step()
        if not self.slow:
            self.slow = [_array(variable) for variable in self._variables()]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        step = self._step()
        if step == self.seen:
            return  # a resumed run passes over steps that are done
        self.seen = step
        if step % self.every == 0 and step < self.total_steps:
            self._pull(STRENGTH * (step / self.total_steps) ** 3)
        elif step == self.total_steps:
            if step % self.every == 0:
                self._pull(STRENGTH)
            self._pull(1.0)

    def arrays(self) -> dict[str, np.ndarray]:
        """The slow weights, for a checkpoint."""
        return {f"{GROUP}/{index:05d}": array for index, array in enumerate(self.slow)}

    def _pull(self, hold: float) -> None:
        for index, variable in enumerate(self._variables()):
            slow = self.slow[index]
            self.slow[index] = slow + np.float32(1.0 - hold) * (_array(variable) - slow)
            variable.assign(self.slow[index])

    def _step(self) -> int:
        return int(_array(self.model.optimizer.iterations))

    def _variables(self) -> list[Any]:
        """All weights that are no integers."""
        return [variable for variable in self.model.weights if "float" in variable.dtype]


def _array(variable: Any) -> np.ndarray:
    """A copy of its value; the first replica's where TensorFlow has several."""
    value = variable.value
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        value = tf.convert_to_tensor(value)
    return np.array(value)
