"""keras-tuner's loop over trials with this project's training inside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from training.tuning.oracles import Dependable
from training.tuning.runner import BAD_POINTS, reason_of
from training.tuning.spaces import Space


class Tuner(BaseTuner):
    """Asks the oracle for a trial, trains it, reports; what is no bad point stops the search with its own traceback.

    Args:
        oracle: Proposes trials and remembers them.
        space: A function from hyperparameters to settings.
        folder: The search's directory.
        train: Trains a trial against the curves of those that ended; returns `Outcome.numbers`.
        ended: Is told of every trial after it was reported.
    """

    def __init__(
        self,
        oracle: Dependable,
        space: Space,
        folder: str,
        *,
        train: Callable[[Trial, Sequence[Sequence[float]]], dict[str, Any]],
        ended: Callable[[Trial], None],
    ) -> None:
        self.train = train
        self.ended = ended
        super().__init__(oracle, hypermodel=space, directory=folder, project_name=".")

    def save(self) -> None:
        """Nothing: the oracle keeps all."""

    def run_trial(self, trial: Trial) -> None:
        """Trains the trial and tells the oracle what it reached."""
        started = time.perf_counter()
        numbers = self.train(trial, self.oracle.curves)
        self.oracle.tell(trial.trial_id, numbers | {"seconds": round(time.perf_counter() - started, 3)})

    def _try_run_and_update_trial(self, trial: Trial, *fit_args: object, **fit_kwargs: object) -> None:
        """Stock keras-tuner records every exception as a failed trial and goes on; here only a bad point is one."""
        started = time.perf_counter()
        try:
            self.run_trial(trial)
            trial.status = TrialStatus.COMPLETED
        except BAD_POINTS as error:
            trial.metrics.update("seconds", round(time.perf_counter() - started, 3))
            trial.status = TrialStatus.FAILED
            trial.message = reason_of(error)

    def on_trial_end(self, trial: Trial) -> None:
        super().on_trial_end(trial)
        self.ended(self.oracle.get_trial(trial.trial_id))
