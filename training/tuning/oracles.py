"""keras-tuner's four oracles, whose whole state is one snapshot per event: a killed search proposes what it would have.

What stock oracles lose between two processes: the grid's place (the search ends at once), the random state of Bayesian
optimisation, and a trial that ended a moment ago. They take seed 0 for none, and repeat points in small spaces.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine import trial as trials_of
from keras_tuner.oracles import (
    BayesianOptimizationOracle,
    GridSearchOracle,
    HyperbandOracle,
    RandomSearchOracle,
)
from sklearn.exceptions import ConvergenceWarning

from training.tuning.points import derived_seed

COLLISIONS = 1000  # draws of points that were tried before, until a space counts as exhausted; stock: 20
FEWEST_RANDOM = 3  # points, before a Gaussian process is worth fitting
UNKNOWN = 24  # trials that a search may have whose time alone is bounded
FAILURES = 10  # in a row, after which a search has no point
ENDLESS = 10**9
SCORE, CURVE = "score", "curve"
SPENT = "the time is over"
HOPELESS = f"{FAILURES} trials in a row failed"


class Dependable(keras_tuner.Oracle):
    """What the four have in common; a mixin before one of keras-tuner's classes.

    Attributes:
        keep: Receives the whole state after each event of a trial; JSON.
        clock: Seconds since the search began, of all its sittings.
        spent: Whether the time for new trials is over.
        ended: Why no further trial was proposed; None while there are some.
        failures_from: How many trials had ended when a search that failed was made to go on.
    """

    ongoing_trials: dict[str, trials_of.Trial]
    keep: Callable[[dict[str, Any]], None] | None = None
    clock: Callable[[], float] | None = None
    spent: Callable[[], bool] | None = None
    ended: str | None = None
    failures_from: int = 0

    def save(self) -> None:
        """Nothing: keras-tuner saves in the middle of an event, `_keep` at its end."""

    def _save_trial(self, trial: trials_of.Trial) -> None:
        """Nothing: trials stand in the snapshot."""

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> trials_of.Trial:
        trial = super().create_trial(tuner_id)
        if trial.status == trials_of.TrialStatus.RUNNING:
            self._keep()
        return trial

    @keras_tuner.synchronized
    def end_trial(self, trial: trials_of.Trial) -> None:
        if self.clock is not None:
            self.trials[trial.trial_id].metrics.update("ended_seconds", round(self.clock(), 1))
        super().end_trial(trial)
        self._keep()

    def tell(self, trial_id: str, numbers: Mapping[str, Any]) -> None:
        """Takes what a trial reached: `Outcome.numbers` and its seconds."""
        last = {name: value for name, value in numbers.items() if name != CURVE}
        for epoch, value in enumerate(numbers[CURVE], 1):
            self.update_trial(trial_id, {SCORE: numbers[SCORE], CURVE: value}, step=epoch)
        self.update_trial(trial_id, last, step=len(numbers[CURVE]))

    def requeue(self, tuner_id: str) -> None:
        """Lets the trial of a worker that is gone begin again, with its number and so with its seeds."""
        self._begin_again(self.ongoing_trials.pop(tuner_id))
        self._keep()

    def _begin_again(self, trial: trials_of.Trial) -> None:
        trial.metrics = type(trial.metrics)()
        self._retry_queue.append(trial.trial_id)

    @property
    def has_cut_trials(self) -> bool:
        """Whether trials that were cut wait to begin again."""
        return bool(self._retry_queue)

    @property
    def curves(self) -> list[list[float]]:
        """The best objective after each epoch of the first training of every completed trial."""
        done = [trial for trial in self.trials.values() if trial.status == trials_of.TrialStatus.COMPLETED]
        return [curve_of(trial) for trial in done]

    def _keep(self) -> None:
        if self.keep is not None:
            self.keep(self.get_state())

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The next point, unless time or patience is over."""
        self.ended = self._reason_to_end()
        if self.ended:
            status = trials_of.TrialStatus.IDLE if self.ongoing_trials else trials_of.TrialStatus.STOPPED
            return {"status": status, "values": None}
        found = super().populate_space(trial_id)
        if found.get("values"):
            found["values"] = {name: _plain(value) for name, value in found["values"].items()}
        return found

    def _reason_to_end(self) -> str | None:
        if self._has_failed_for_good():
            return HOPELESS
        return SPENT if self.spent is not None and self.spent() else None

    def _has_failed_for_good(self) -> bool:
        """Whether the last trials failed one after the other, enough of them."""
        last = [self.trials[name].status for name in self.end_order[self.failures_from :][-FAILURES:]]
        return len(last) == FAILURES and set(last) == {trials_of.TrialStatus.FAILED}

    def score_trial(self, trial: trials_of.Trial) -> None:
        trial.score = trial.metrics.get_last_value(SCORE)

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {"trials": [trial.get_state() for trial in self.trials.values()]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes a snapshot over; trials that ran when it was taken begin again."""
        restored = (trials_of.Trial.from_state(one) for one in state["trials"])
        self.trials = {trial.trial_id: trial for trial in restored}
        super().set_state(state)
        for trial in self.ongoing_trials.values():
            self._begin_again(trial)
        self.ongoing_trials = {}
        if self._has_failed_for_good():  # and yet somebody wants it to go on
            self.failures_from = len(self.end_order)


class Grid(Dependable, GridSearchOracle):
    """All points, the defaults first. The stock oracle forgets its place: a reloaded search would end at once.

    It also waits for a trial to end before it proposes the next, in case that a training finds a new parameter. Here
    all are known from the start, so several workers get a point each.
    """

    def _has_failed_for_good(self) -> bool:
        """Neighbours of a grid fail together; it is given up only where nothing has ever worked."""
        worked = any(trial.status == trials_of.TrialStatus.COMPLETED for trial in self.trials.values())
        return not worked and super()._has_failed_for_good()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        found = super().populate_space(trial_id)
        if found.get("values"):
            self._populate_next.append(trial_id)
        return found

    def get_state(self) -> dict[str, Any]:
        order = self._ordered_ids
        return super().get_state() | {
            "ids": order._memory,
            "next": [[key, value] for key, value in order._next_index.items() if value is not None],
            "last": order._last_index,
            "populate_next": self._populate_next,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        order = self._ordered_ids
        order._memory = list(state["ids"])
        order._data_to_index = {name: index for index, name in enumerate(order._memory)}
        order._next_index.clear()
        order._next_index.update(dict(state["next"]))
        order._last_index = state["last"]
        self._populate_next = list(state["populate_next"])


class Random(Dependable, RandomSearchOracle):
    """Random points, none twice."""


class Bayesian(Dependable, BayesianOptimizationOracle):
    """A Gaussian process over the trials; a point that was tried before gives way to a random one."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        with warnings.catch_warnings():  # a hyperparameter that does not matter leaves its length scale at a bound
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = super().populate_space(trial_id)
        if found.get("values") and self._duplicate(found["values"]):
            return self._random_populate_space()
        return found

    def get_state(self) -> dict[str, Any]:
        kind, keys, *rest = self._random_state.get_state()
        return super().get_state() | {"random_state": [kind, keys.tolist(), *rest]}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._random_state.set_state(tuple(state["random_state"]))


class Hyperband(Dependable, HyperbandOracle):
    """Many trials of few epochs, the best of which are trained with more."""


KINDS = {"grid": Grid, "random": Random, "bayesian": Bayesian, "hyperband": Hyperband}


def new_oracle(algorithm: str, *, direction: str, max_trials: int | None, seed: int, max_epochs: int) -> Dependable:
    """An oracle that has proposed nothing yet.

    Args:
        algorithm: `grid`, `random`, `bayesian` or `hyperband`.
        direction: `max` or `min`, of the score.
        max_trials: Trials at most; None for no limit.
        seed: Of the proposals; 0 is a seed like any other.
        max_epochs: hyperband: epochs of its longest trials.
    """
    settings: dict[str, Any] = {
        "objective": keras_tuner.Objective(SCORE, direction),
        "seed": derived_seed(seed, "oracle"),
        "max_consecutive_failed_trials": ENDLESS,
    }
    if algorithm == "hyperband":
        settings |= {"max_epochs": max_epochs, "hyperband_iterations": ENDLESS}
    oracle = KINDS[algorithm](**settings)
    oracle.max_trials = max_trials
    oracle._max_collisions = COLLISIONS
    oracle.verbose = 0
    return oracle


def random_first(oracle: Dependable) -> int:
    """How many points a Bayesian search draws at random before it fits anything: three per hyperparameter that varies.

    That is keras-tuner's number, but never more than half of the trials: it would be random search otherwise.
    """
    varied = sum(len(list(hp.values)) != 1 for hp in oracle.get_space().space)
    return max(1, min(3 * varied, max(FEWEST_RANDOM, (oracle.max_trials or UNKNOWN) // 2)))


def curve_of(trial: trials_of.Trial) -> list[float]:
    """The best objective after each epoch of a trial's first training."""
    if not trial.metrics.exists(CURVE):
        return []
    return [float(point.value[0]) for point in trial.metrics.get_history(CURVE)]


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, which JSON takes and which hash alike."""
    return value.item() if hasattr(value, "item") else value
