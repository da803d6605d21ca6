"""Processes that stay warm: each prepares one thing once and then does it whenever it is asked.

A measurement in a process of its own shares no threads, memory or library with the others.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from training.checks import ConfigError
from training.datasets.dataset import DataError

EXPECTED_ERRORS = (ConfigError, DataError, OSError)
Task = Callable[[], Any]


class Worker:
    """One process.

    Args:
        name: What messages call it.
        prepare: A function of a module, called in the process; it returns what can be shown of it, and the task.
        *arguments: Its arguments.
    """

    def __init__(self, name: str, prepare: Callable[..., tuple[Any, Task]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, prepare, arguments), daemon=True)
        self.process.start()
        there.close()

    def receive(self) -> Any:
        """The next answer: first what `prepare` has to show, then one per `ask`.

        Raises:
            ConfigError: The process ended, or refused its settings.
            DataError, OSError: As the process raised it.
        """
        try:
            answer = self.pipe.recv()
        except EOFError:
            raise ConfigError(f"the process of {self.name} ended; its message stands above.") from None
        if isinstance(answer, EXPECTED_ERRORS):
            raise answer
        return answer

    def ask(self) -> Any:
        """Does the task once and returns its result."""
        self.pipe.send("again")
        return self.receive()

    def stop(self) -> None:
        """Ends the process; one that saves its work first has half a minute."""
        self.process.terminate()
        self.process.join(30)
        if self.process.is_alive():
            self.process.kill()


@contextmanager
def running(workers: dict[str, Worker]) -> Iterator[dict[str, Worker]]:
    """Ends all workers, whatever happens."""
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.stop()


def _serve(pipe: Connection, prepare: Callable[..., tuple[Any, Task]], arguments: tuple) -> None:
    """The life of a worker process: prepare, show, answer; expected errors travel to who asked."""
    try:
        facts, task = prepare(*arguments)
        pipe.send(facts)
        while pipe.recv():
            pipe.send(task())
    except (EOFError, KeyboardInterrupt, BrokenPipeError):  # whoever asked is gone
        return
    except EXPECTED_ERRORS as error:
        with suppress(BrokenPipeError):
            pipe.send(error)
