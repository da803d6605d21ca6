"""keras-tuner's loop over trials with this project's training inside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from training.tuning.oracles import CURVE, SCORE, Dependable, curve_of
from training.tuning.runner import BAD_POINTS, Outcome
from training.tuning.spaces import Space

ALL = 10**6


class Tuner(BaseTuner):
    """Asks the oracle for a trial, trains it, reports; what is no bad point stops the search with its own traceback.

    Args:
        oracle: Proposes trials and remembers them.
        space: A function from hyperparameters to settings.
        folder: The search's directory.
        train: Trains a trial against the curves of those that ended.
        ended: Is told of every trial after it was reported.
    """

    def __init__(
        self,
        oracle: Dependable,
        space: Space,
        folder: str,
        *,
        train: Callable[[Trial, Sequence[Sequence[float]]], Outcome],
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
        finished = [one for one in self.oracle.get_best_trials(ALL) if one.status == TrialStatus.COMPLETED]
        outcome = self.train(trial, [curve_of(one) for one in finished])
        curve = outcome.scores[0].curve
        for epoch, value in enumerate(curve, 1):
            self.oracle.update_trial(trial.trial_id, {SCORE: outcome.mean, CURVE: value}, step=epoch)
        numbers = {
            "n": len(outcome.scores),
            "seconds": round(time.perf_counter() - started, 3),
            "fit_seconds": round(sum(score.seconds for score in outcome.scores), 3),
            "epochs": outcome.epochs,
            "parameters": outcome.scores[0].model.count_params(),
            "stopped": outcome.scores[0].stopped,
        }
        spread = {} if outcome.spread is None else {"spread": outcome.spread}
        self.oracle.update_trial(trial.trial_id, {SCORE: outcome.mean, **numbers, **spread}, step=len(curve))

    def _try_run_and_update_trial(self, trial: Trial, *fit_args: object, **fit_kwargs: object) -> None:
        """Stock keras-tuner records every exception as a failed trial and goes on; here only a bad point is one."""
        started = time.perf_counter()
        try:
            self.run_trial(trial)
            trial.status = TrialStatus.COMPLETED
        except BAD_POINTS as error:
            trial.metrics.update("seconds", round(time.perf_counter() - started, 3))
            trial.status = TrialStatus.FAILED
            trial.message = (" ".join(str(error).split()) or type(error).__name__)[:300]

    def on_trial_end(self, trial: Trial) -> None:
        super().on_trial_end(trial)
        self.ended(self.oracle.get_trial(trial.trial_id))
