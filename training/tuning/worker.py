"""`python -m training.tuning.worker`: trains trials for the chief of a search. Three variables say where that is.

It takes settings, space and trials from the chief, writes no file, and ends with it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.checks import ConfigError
from training.interrupt import EXIT_CODES
from training.startup import import_tensorflow
from training.tuning.channel import LOOPBACK, Channel, Closed, Place, connect, read_place

if TYPE_CHECKING:
    from training.datasets.dataset import Dataset
    from training.tuning.runner import Runner

PATIENCE = 600.0  # seconds that a worker waits for the chief of another machine to come up
AT_HOME = 30.0  # and for one of this machine, which listens before it starts a worker
USER_ERROR, OS_ERROR, OWN_ERROR = "user", "system", "own"


def work(place: Place, *, data_dir: str | None = None) -> int:
    """Trains trials until the chief has no more.

    Args:
        place: Where the chief is.
        data_dir: Where the data is on this machine, if elsewhere than on the chief's.

    Returns:
        The exit code: 0 also where the chief is gone, since it says itself what happened; 1 after an error, which
        stands on stderr and goes to the chief.

    Raises:
        ConfigError: No chief answers.
    """
    channel = connect(place, patience=AT_HOME if place.host == LOOPBACK else PATIENCE)
    channel.end_with_the_other(lambda: os._exit(0))
    try:
        runner = _begin(channel, data_dir)
        while (task := channel.ask({"say": "next"})).get("trial"):
            _train(channel, runner, task)
        if "refused" in task:
            raise ConfigError(task["refused"])
        return 0
    except Closed:
        return 0
    except KeyboardInterrupt as stopped:
        return EXIT_CODES.get(str(stopped), 130)
    except Exception as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        with contextlib.suppress(Closed):
            _complain(channel, error)
        return 1


def _begin(channel: Channel, data_dir: str | None) -> Runner:
    """Loads what the chief searches on; the chief compares the data with its own."""
    told = channel.ask({"say": "hello", "host": platform.node(), "pid": os.getpid()})
    import_tensorflow()
    from training.startfile import start_facts
    from training.train import load_data
    from training.tuning.config import read_settings
    from training.tuning.runner import runner_for
    from training.tuning.start import base_of, space_of

    changes: dict[str, Any] = {"verbose": "silent"} | ({} if data_dir is None else {"data_dir": data_dir})
    with tempfile.TemporaryDirectory() as folder:
        for name, text in told["files"].items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        config = read_settings(Path(folder) / "config.yaml", **changes)
        space = space_of(config, Path(folder))
    data = load_data(config.training)
    channel.send({"say": "ready", "data": data.digest, **start_facts(config.training)})
    return runner_for(config, space, base_of(config, data, told["precision"]), data)


def _train(channel: Channel, runner: Runner, task: dict[str, Any]) -> None:
    """One trial: its model goes to the chief where that wants to keep it, then its numbers."""
    from training.tuning.runner import BAD_POINTS, reason_of

    started = time.perf_counter()
    try:
        outcome = runner.run(task["trial"], task["values"], task["curves"])
    except BAD_POINTS as error:
        seconds = round(time.perf_counter() - started, 3)
        channel.send({"say": "failed", "reason": reason_of(error), "seconds": seconds})
        return
    kept = channel.ask({"say": "scored", "score": outcome.mean})["keep"]
    model = _bytes_of(outcome.scores[0].model, runner.data) if kept else None
    numbers = outcome.numbers | {"seconds": round(time.perf_counter() - started, 3)}
    channel.send({"say": "ended", "numbers": numbers}, model)


def _bytes_of(model: Any, data: Dataset) -> bytes:
    """The file of a model."""
    from training.devices import passing_run
    from training.job import save_network

    with passing_run() as run:
        save_network(model, run, data)
        return run.model.read_bytes()


def _complain(channel: Channel, error: Exception) -> None:
    """Tells the chief of an error that is no bad point: the search ends with it."""
    from training.datasets.dataset import DataError
    from training.run import RunError

    kind = USER_ERROR if isinstance(error, (ConfigError, DataError, RunError)) else OWN_ERROR
    kind = OS_ERROR if isinstance(error, OSError) else kind
    text = " ".join(str(error).split()) or type(error).__name__
    trace = "".join(traceback.format_exception(error))
    channel.send({"say": "error", "kind": kind, "text": text, "trace": trace})


def main() -> int:
    place = read_place(os.environ)
    if place is None:
        raise ConfigError("a worker is started by python -m training.tune, or by the three variables of README.md.")
    return work(place, data_dir=sys.argv[1] if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    from evaluation.command import run_main

    sys.exit(run_main(main, user_errors=(ConfigError,)))
