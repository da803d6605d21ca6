"""Networks trained side by side, each in a process on one core; what is finished is kept at once."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from training.checks import ConfigError
from training.words import in_words
from transfer.studies.ledger import Ledger, Row


@dataclass(frozen=True)
class Job:
    """One network to train.

    Attributes:
        name: Unique in its study.
        function: Of a module; called in a process of its own, it returns a row.
        arguments: Of it, small enough to be sent there.
        keywords: Of it.
    """

    name: str
    function: Callable[..., Row]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)


class Study:
    """Jobs of one study on a pool of processes, with the time that is left.

    Args:
        ledger: What is finished.
        executor: Where jobs run.
        costs: Name of every job of the study → its share of the work, in any unit.
    """

    def __init__(self, ledger: Ledger, executor: Executor, costs: Mapping[str, float]) -> None:
        self.ledger, self.executor, self.costs = ledger, executor, dict(costs)
        self.started, self.worked = time.perf_counter(), 0.0

    def run(self, jobs: Sequence[Job]) -> None:
        """Runs the jobs that the ledger lacks; a row holds at least `accuracy` and `seconds`.

        Raises:
            ConfigError: A process died, or refused its settings.
            DataError, OSError: As a process raised it.
        """
        waiting = {
            self.executor.submit(job.function, *job.arguments, **job.keywords): job.name
            for job in jobs
            if job.name not in self.ledger.rows
        }
        try:
            for done in as_completed(waiting):
                self.ledger.add(waiting[done], done.result())
                self._report(waiting[done])
        except BrokenProcessPool as error:
            raise ConfigError(
                "a process of the study was ended from outside (or the memory did not suffice). What is finished is "
                "kept: run the same command again, with fewer --processes if need be."
            ) from error
        finally:
            for future in waiting:
                future.cancel()

    def _report(self, name: str) -> None:
        """One line with the time left, by the work that is left."""
        self.worked += self.costs[name]
        left = sum(cost for other, cost in self.costs.items() if other not in self.ledger.rows)
        seconds = (time.perf_counter() - self.started) / self.worked * left
        finished = len(self.ledger.rows.keys() & self.costs.keys())
        row = self.ledger.rows[name]
        print(
            f"{finished}/{len(self.costs)} {name}: {row['accuracy']:.1%} ({row['seconds']:.0f} s), about "
            f"{in_words(seconds)} left",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """A pool of processes with TensorFlow on one core each; they end with the block, whatever happens in it."""
    context = multiprocessing.get_context("spawn")
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")  # before this process imports TensorFlow, which sets it
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_start, initargs=(level,))
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start(log_level: str | None) -> None:
    """What a process does before its first job; TensorFlow reads the variables when it is imported."""
    end_with_parent()
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    if log_level is None:
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # inherited, and not what the user asked for
    from training.startup import import_tensorflow

    import_tensorflow()
    from training.cpu import keep_freed_memory

    keep_freed_memory()


def end_with_parent() -> None:
    """Makes this process end when the one that started it is gone, killed perhaps: a pool's would wait for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end with parent").start()
