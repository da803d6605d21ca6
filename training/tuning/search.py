"""A search at work: its settings, its data, the oracle that proposes, and what each point of the space stands for."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

from training.config import TrainConfig
from training.datasets.dataset import Dataset
from training.interrupt import Interrupt
from training.results import relative
from training.run import Run
from training.tuning.config import TuneConfig, seconds_of
from training.tuning.oracles import Dependable
from training.tuning.spaces import Space
from training.tuning.table import Row, row_of


@dataclass(frozen=True)
class Search:
    """A search at work.

    Attributes:
        config: Its settings.
        run: Its directory.
        space: A function from hyperparameters to settings.
        data: The splits, one data set, loaded once.
        oracle: Proposes and remembers.
        base: What every trial starts from; its precision is resolved.
        before: Seconds of earlier sittings.
        started: When this sitting began, on `time.monotonic`.
        total: Trials at most; None where nobody knows.
        stop: Which signal asked for an end.
    """

    config: TuneConfig
    run: Run
    space: Space
    data: Dataset
    oracle: Dependable
    base: TrainConfig
    before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    total: int | None = None
    stop: Interrupt = field(default_factory=Interrupt)

    @property
    def rows(self) -> list[Row]:
        """All trials so far, by number."""
        return sorted((row_of(trial) for trial in self.oracle.trials.values()), key=lambda row: row.number)

    @property
    def elapsed(self) -> float:
        """Seconds of all sittings."""
        return self.before + time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """Seconds until no trial begins any more; None without a budget of time."""
        budget = seconds_of(self.config.time)
        return None if budget is None else budget - self.elapsed

    @property
    def at_once(self) -> int:
        """Trials of this machine at the same time."""
        return max(1, self.config.workers)

    def obey(self) -> None:
        """Ends where a signal asked for it between two trainings, as a training does after its step."""
        if self.stop.received is not None:
            raise KeyboardInterrupt(self.stop.ended)


def disk_use(run: Run) -> int:
    """Bytes of all files of a run."""
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    return 0


def begin_line(search: Search) -> str:
    """What is searched, where, and for how long."""
    config = search.config
    bounds = [f"{search.total} trials" if search.total else "", f"{config.time}" if config.time else ""]
    bound = " or ".join(part for part in bounds if part) or "until the space is exhausted"
    size = len(search.oracle.hyperparameters.space)
    what = f"{config.algorithm} search over {size} hyperparameters of {config.model}"
    first = getattr(search.oracle, "num_initial_points", None)  # of a Bayesian search
    bound += f" (the first {first} at random)" if first else ""
    lines = [f"{what} on {config.dataset}: {bound}, {search.base.epochs} epochs each"]
    if config.final_seeds:
        count = (config.finalists + 1) * config.final_seeds + 1
        beyond = ", also when the time is over" if config.time else ""
        lines.append(f"then{beyond}: {count} trainings that compare the best with the default setting and test it")
    return "\n".join([*lines, f"search: {relative(search.run.path)}"])
