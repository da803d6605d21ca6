"""The trials of a search: in this process one after the other, or shared out to workers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from typing import Any

from keras_tuner.engine.trial import Trial

from training.job import save_network
from training.run import Run
from training.tuning.channel import Place
from training.tuning.chief import Hooks, serve
from training.tuning.oracles import HOPELESS, SPENT
from training.tuning.runner import runner_for
from training.tuning.search import Search
from training.tuning.snapshots import Snapshots
from training.tuning.start import signature
from training.tuning.table import Row, best_first, line, number_of, row_of, write_table
from training.tuning.tuner import Tuner


def run_search(search: Search, place: Place | None = None) -> str:
    """Runs trials until none is left; the caller holds the lock of the directory.

    Args:
        search: The search.
        place: Where workers of other machines find it.

    Returns:
        Why the search ended: `all trials`, `exhausted`, `time` or `hopeless`.

    Raises:
        KeyboardInterrupt: A signal asked for an end; nothing that was finished is lost.
        Exception: Whatever is no bad point of the space, such as an error of this program or a full disk.
    """
    oracle, store = search.oracle, Snapshots(search.run.path)
    known = signature(search.config, search.data, oracle, search.space)
    oracle.keep = lambda state: store.write({"signature": known, "elapsed": search.elapsed, "oracle": state})
    oracle.clock = lambda: search.elapsed
    oracle.spent = lambda: search.left is not None and search.left <= 0
    write_trials(search)
    prune(search.run, [one.number for one in best_first(search.rows, search.config.goal[1])[: search.config.keep]])
    if place is not None or search.config.workers > 1:
        folder = partial(model_folder, search)
        hooks = Hooks(partial(is_kept, search), lambda number: folder(number).model, partial(after, search))
        serve(search, hooks, place)
    else:
        _run_here(search)
    return _reason(search)


def _run_here(search: Search) -> None:
    """One trial after the other, by keras-tuner's own loop."""
    runner = runner_for(search.config, search.space, search.base, search.data)

    def train(trial: Trial, curves: Sequence[Sequence[float]]) -> dict[str, Any]:
        search.obey()
        outcome = runner.run(number_of(trial), trial.hyperparameters.values, curves)
        if is_kept(search, number_of(trial), outcome.mean):
            save_network(outcome.scores[0].model, model_folder(search, number_of(trial)), search.data)
        return outcome.numbers

    ended = partial(after, search)
    Tuner(search.oracle, search.space, str(search.run.path), train=train, ended=ended).search()


def is_kept(search: Search, number: int, score: float) -> bool:
    """Whether a trial with this score is one of the best, whose models stay on the disk."""
    newest = Row(number, "completed", score)
    best = best_first([*search.rows, newest], search.config.goal[1])[: search.config.keep]
    return newest in best


def model_folder(search: Search, number: int) -> Run:
    """Where the model of a trial is saved, before the trial counts as finished."""
    folder = search.run.path / "checkpoints" / f"trial-{number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    return Run(folder)


def after(search: Search, trial: Trial) -> None:
    """Files and the line of a trial that has ended."""
    config, rows, row = search.config, search.rows, row_of(trial)
    name, direction = config.goal
    (search.run.path / "conclusion.json").unlink(missing_ok=True)  # of fewer trials, where a search was made longer
    prune(search.run, [one.number for one in best_first(rows, direction)[: config.keep]])
    write_trials(search)
    if config.tensorboard:
        from training.tuning.hparams import write_hparams

        write_hparams(search.run.tensorboard, row, name)
    if config.verbose != "silent":
        print(
            line(row, rows, total=search.total, direction=direction, left=search.left, workers=search.at_once),
            flush=True,
        )


def prune(run: Run, numbers: Sequence[int]) -> None:
    """Removes the models of all trials but these."""
    wanted = {f"trial-{number:04d}" for number in numbers}
    for folder in (run.path / "checkpoints").glob("trial-*"):
        if folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def write_trials(search: Search) -> None:
    names = [hp.name for hp in search.oracle.hyperparameters.space]
    write_table(search.run.path / "trials.csv", search.rows, list(dict.fromkeys(names)), search.config.seed)


def _reason(search: Search) -> str:
    if search.oracle.ended:
        return {SPENT: "time", HOPELESS: "hopeless"}[search.oracle.ended]
    limit = search.oracle.max_trials
    return "all trials" if limit is not None and len(search.oracle.trials) >= limit else "exhausted"
