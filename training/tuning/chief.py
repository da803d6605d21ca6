"""The chief of a search: hands trials to workers, takes their results, and gives the trials of dead ones to others.

Why not keras-tuner's own chief: a worker that dies keeps its trial for ever and the chief never ends; the reason of a
failed trial is no part of its messages; whoever reaches its port may give orders; and its clients ask on without a
pause while the oracle waits. Here the oracle is the same, in one thread, with the same snapshot after every event.
"""

from __future__ import annotations

import platform
import queue
import secrets
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from evaluation.files import write_atomically
from training.checks import ConfigError
from training.startfile import start_facts
from training.tuning.channel import LOOPBACK, Channel, Closed, Place, admit, listen
from training.tuning.oracles import SPENT
from training.tuning.search import Search
from training.tuning.table import number_of
from training.tuning.worker import OS_ERROR, USER_ERROR
from training.tuning.workers import Workers, local_workers

POLL = 0.2
DEATHS = 3  # of workers at the same trial, after which the trial is what kills them


@dataclass(frozen=True)
class Hooks:
    """What the chief asks of the search around it.

    Attributes:
        is_kept: Whether a trial (number, score) is one of those whose models are kept.
        model_path: Where the model of a trial is to stand.
        after: Is told of every trial that has ended.
    """

    is_kept: Callable[[int, float], bool]
    model_path: Callable[[int], Any]
    after: Callable[[Trial], None]


@dataclass
class Chief:
    """A search whose trials others train. All methods run in one thread.

    Attributes:
        search: The search.
        hooks: What surrounds it.
        workers: Those of this machine.
        trials: The trial of each worker that has one.
        waiting: Workers that have none, in the order in which they asked.
        names: Of the workers, by channel.
        deaths: Workers that died, by trial.
        guests: Workers of other machines: what is wrong with one of them is no reason to end the search.
        refused: Guests that may not train, and why.
        done: Whether the oracle proposes nothing more.
    """

    search: Search
    hooks: Hooks
    workers: Workers
    trials: dict[Channel, Trial] = field(default_factory=dict)
    waiting: list[Channel] = field(default_factory=list)
    names: dict[Channel, str] = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)
    guests: set[Channel] = field(default_factory=set)
    refused: dict[Channel, str] = field(default_factory=dict)
    done: bool = False

    @property
    def over(self) -> bool:
        """Whether every trial has ended."""
        return self.done and not self.trials and not self.search.oracle.has_cut_trials

    def hear(self, channel: Channel, message: dict[str, Any] | None, attachment: bytes | None) -> None:
        """Does what a worker asks for; None stands for one that is gone.

        Raises:
            ConfigError, OSError, RuntimeError: The worker met an error that is no bad point.
        """
        if message is None:
            return self._lose(channel)
        try:
            getattr(self, f"_on_{message.pop('say')}")(channel, attachment=attachment, **message)
        except Closed:
            self._lose(channel)

    def _on_hello(self, channel: Channel, *, host: str, pid: int, attachment: bytes | None) -> None:
        self.names[channel] = f"{host} {pid} {len(self.names)}"
        if host != platform.node() or pid not in self.workers.pids:
            self.guests.add(channel)
        folder = self.search.run.path
        files = {name: (folder / name).read_text(encoding="utf-8") for name in ("config.yaml", "space.yaml")}
        channel.send({"files": files, "precision": self.search.base.precision})

    def _on_ready(
        self, channel: Channel, *, data: str, start: dict[str, str] | None = None, attachment: bytes | None
    ) -> None:
        if start != start_facts(self.search.config.training).get("start"):
            self._refuse(
                channel,
                f"worker {self.names[channel]} starts from another network than the chief: copy "
                f"{self.search.config.start} to it.",
            )
        elif data != self.search.data.digest:
            self._refuse(
                channel,
                f"the data of worker {self.names[channel]} is not the chief's (SHA-256 {data[:12]}… and "
                f"{self.search.data.digest[:12]}…): point its --data-dir to the same files.",
            )

    def _refuse(self, channel: Channel, why: str, kind: type[Exception] = ConfigError) -> None:
        """Does without a guest; what is wrong with a worker of this machine is wrong with the search."""
        if channel not in self.guests:
            raise kind(why)
        self.refused[channel] = why
        self._say(f"worker {self.names[channel]} is turned away: {why}")

    def _on_next(self, channel: Channel, *, attachment: bytes | None) -> None:
        if channel in self.refused:
            return channel.send({"trial": None, "refused": self.refused[channel]})
        self.waiting.append(channel)
        self._hand_out()

    def _on_scored(self, channel: Channel, *, score: float, attachment: bytes | None) -> None:
        channel.send({"keep": self.hooks.is_kept(number_of(self.trials[channel]), score)})

    def _on_ended(self, channel: Channel, *, numbers: dict[str, Any], attachment: bytes | None) -> None:
        trial = self.trials[channel]
        if attachment is not None:
            write_atomically(self.hooks.model_path(number_of(trial)), attachment)
        self.search.oracle.tell(trial.trial_id, numbers)
        self._end(channel, TrialStatus.COMPLETED)

    def _on_failed(self, channel: Channel, *, reason: str, seconds: float, attachment: bytes | None) -> None:
        self.trials[channel].metrics.update("seconds", seconds)
        self._end(channel, TrialStatus.FAILED, reason)

    def _on_error(self, channel: Channel, *, kind: str, text: str, trace: str, attachment: bytes | None) -> None:
        if kind == USER_ERROR:
            return self._refuse(channel, text)
        if kind == OS_ERROR:
            return self._refuse(channel, text, OSError)
        print(trace, file=sys.stderr)
        raise RuntimeError(f"worker {self.names.get(channel)} met an error of the program: {text}")

    def _end(self, channel: Channel, status: str, reason: str | None = None) -> None:
        """Ends the trial of a worker."""
        trial = self.trials.pop(channel)
        trial.status, trial.message = status, reason
        self.search.oracle.end_trial(trial)
        self.workers.deaths = 0
        self.hooks.after(self.search.oracle.get_trial(trial.trial_id))
        self._hand_out()

    def _lose(self, channel: Channel) -> None:
        """Forgets a worker; another one gets its trial, unless that has cost too many."""
        channel.close()
        if channel in self.waiting:
            self.waiting.remove(channel)
        trial = self.trials.get(channel)
        if trial is None:
            return
        self.deaths[trial.trial_id] += 1
        if self.deaths[trial.trial_id] >= DEATHS:
            self._end(channel, TrialStatus.FAILED, f"{DEATHS} workers died of it, as when memory runs out")
            return
        self._say(f"worker {self.names[channel]} died: trial {number_of(trial)} begins again")
        del self.trials[channel]
        self.search.oracle.requeue(self.names[channel])
        self._hand_out()

    def _hand_out(self) -> None:
        """Gives a trial to each worker that waits, as far as the oracle has any."""
        oracle = self.search.oracle
        while self.waiting and (oracle.has_cut_trials or not self.done):
            channel = self.waiting[0]
            trial = oracle.create_trial(self.names[channel])
            self.done = self.done or trial.status == TrialStatus.STOPPED
            if trial.status != TrialStatus.RUNNING:
                return
            self.trials[self.waiting.pop(0)] = trial
            values = trial.hyperparameters.values
            try:
                channel.send({"trial": number_of(trial), "values": values, "curves": oracle.curves})
            except Closed:
                self._lose(channel)

    def look_at_the_clock(self) -> None:
        """Ends a search whose time is over while nobody asks for a trial."""
        spent = self.search.oracle.spent
        if spent is not None and spent() and not self.trials and not self.done:
            self.done, self.search.oracle.ended = True, SPENT

    def dismiss(self) -> None:
        """Sends all workers home."""
        for channel in self.waiting:
            try:
                channel.send({"trial": None})
            except Closed:
                continue

    def _say(self, text: str) -> None:
        if self.search.config.verbose != "silent":
            print(text, flush=True)


def serve(search: Search, hooks: Hooks, place: Place | None) -> None:
    """Lets workers train all trials of a search.

    Args:
        search: Its oracle keeps its snapshots; `config.workers` are started on this machine.
        hooks: What surrounds the search.
        place: Where workers of other machines find it; None: the loopback interface of this one, and a key of its own.

    Raises:
        KeyboardInterrupt: A signal asked for an end; trials that were cut begin again when the search goes on.
        ConfigError, RunError, OSError, RuntimeError: As `Chief.hear` and `Workers.mend`.
    """
    place = place or Place("chief", LOOPBACK, 0, secrets.token_hex(16))
    events: queue.SimpleQueue[tuple[Channel, dict[str, Any] | None, bytes | None]] = queue.SimpleQueue()
    with listen(place) as server:
        found = Place("chief", LOOPBACK if place.host == "0.0.0.0" else place.host, server.getsockname()[1], place.key)
        admit(server, place.key, lambda *given: events.put(given))
        with local_workers(found, search.config.workers) as workers:
            _loop(Chief(search, hooks, workers), events)


def _loop(chief: Chief, events: queue.SimpleQueue) -> None:
    """Hears the workers until every trial has ended."""
    while not chief.over:
        chief.search.obey()
        try:
            chief.hear(*events.get(timeout=POLL))
        except queue.Empty:
            chief.workers.mend()
            chief.look_at_the_clock()
    chief.dismiss()
