"""Several workers give the table of one, whoever of them dies; here they are threads that train nothing."""

import contextlib
import dataclasses
import platform
import re
import threading
from types import SimpleNamespace

import pytest

from tests.training.tuning.searches import table
from training.checks import ConfigError
from training.run import RunError
from training.tuning import chief, session, workers
from training.tuning.channel import ADDRESS, KEY, ROLE, Channel, Closed, Place, admit, connect, listen, read_place
from training.tuning.table import Row, line
from training.tuning.workers import Workers, share


def score_of(values) -> float:
    return 0.5 + float(values["learning_rate"]) - float(values["l2"])


class Crew:
    """Stands in for `Workers`: threads that speak to the chief and die where they are told to.

    Args:
        place: Of the chief.
        count: How many.
        fates: What happens to the n-th trial that is begun: "die", "fail", "error" or "no data"; other numbers go well.
            "idle": they ask for none.
        digest: Of the data that they claim to have; None: the chief's.
        host: Of the machine that they say they are on; default: this one.
        after: Others that must be gone before these begin.
    """

    def __init__(self, place, count, *, fates=None, digest=None, host=None, after=None):
        self.place, self.count, self.fates, self.digest = place, count, fates or {}, digest
        self.host, self.after = host or platform.node(), after
        self.threads: list[threading.Thread] = []
        self.begun, self.deaths = 0, 0

    @property
    def pids(self) -> set[int]:
        return {thread.ident for thread in self.threads if thread.ident is not None}

    def mend(self) -> None:
        if self.after is not None and any(thread.is_alive() for thread in self.after.threads):
            return
        self.threads = [one for one in self.threads if one.is_alive()]
        while len(self.threads) < self.count:
            self.threads.append(threading.Thread(target=self.work, daemon=True))
            self.threads[-1].start()

    def work(self) -> None:
        channel = connect(self.place, patience=5)
        with contextlib.suppress(Closed):
            told = channel.ask({"say": "hello", "host": self.host, "pid": threading.get_ident()})
            assert set(told["files"]) == {"config.yaml", "space.yaml"}
            if self.digest:
                channel.send({"say": "ready", "data": self.digest})
            if "idle" in self.fates.values():
                channel.receive()
            while (task := channel.ask({"say": "next"})).get("trial"):
                self.begun += 1
                fate = self.fates.get(self.begun) or self.fates.get(f"trial {task['trial']}")
                if fate == "die":
                    return channel.close()
                self.train(channel, task, fate)

    def train(self, channel: Channel, task: dict, fate: str | None) -> None:
        if fate == "no data":
            trouble = {"kind": "user", "text": "data_dir does not exist: /x", "trace": ""}
            channel.send({"say": "error", **trouble})
            return channel.close()
        if fate == "fail":
            return channel.send({"say": "failed", "reason": "the layers do not fit.", "seconds": 1.0})
        if fate == "error":
            trouble = {"kind": "own", "text": "our own mistake", "trace": "Traceback of the worker"}
            return channel.send({"say": "error", **trouble})
        score = score_of(task["values"])
        kept = channel.ask({"say": "scored", "score": score})["keep"]
        numbers = {"score": score, "curve": [score], "n": 1, "epochs": 1, "parameters": 7, "stopped": 0}
        numbers |= {"fit_seconds": 0.5, "seconds": 1.0}
        channel.send({"say": "ended", "numbers": numbers}, b"m" if kept else None)


@pytest.fixture
def searched(config, monkeypatch):
    """A function that searches with such workers and returns the result."""

    def search(count=2, *, fates=None, digest=None, guest=None, **settings):
        @contextlib.contextmanager
        def local_workers(place, number, *flags):
            other = None
            if guest is not None:
                other = Crew(place, 1, host="elsewhere", **guest)
                other.mend()
            yield Crew(place, number, fates=fates, digest=digest, after=other)

        monkeypatch.setattr(chief, "local_workers", local_workers)
        return session.tune(dataclasses.replace(config, workers=count, **settings))

    return search


@pytest.mark.parametrize("algorithm", ["grid", "random", "bayesian", "hyperband"])
def test_two_and_four_workers_train_every_trial_once(searched, algorithm):
    tables = [table(searched(count, algorithm=algorithm, max_trials=4).run) for count in (2, 4)]
    for rows in tables:
        assert [row["number"] for row in rows] == ["1", "2", "3", "4"] or algorithm == "hyperband"
        assert {row["status"] for row in rows} == {"completed"}
        assert all(float(row["score"]) == pytest.approx(score_of(row)) for row in rows)
    if algorithm in ("grid", "random"):
        assert tables[0] == tables[1]


def test_the_trial_of_a_worker_that_dies_begins_again(searched, capsys):
    whole = table(searched(fates={}).run)
    result = searched(fates={1: "die", 3: "die"}, verbose="line")
    assert table(result.run) == whole and len(whole) == 4
    assert capsys.readouterr().out.count("begins again") == 2


def test_a_trial_that_kills_three_workers_is_recorded_and_the_search_goes_on(searched):
    rows = table(searched(fates={"trial 2": "die"}).run)
    assert [row["status"] for row in rows] == ["completed", "failed", "completed", "completed"]
    assert rows[1]["reason"] == "3 workers died of it, as when memory runs out"


def test_a_bad_point_of_a_worker_keeps_its_reason(searched):
    rows = table(searched(fates={"trial 3": "fail"}).run)
    assert (rows[2]["status"], rows[2]["reason"]) == ("failed", "the layers do not fit.")


def test_an_error_of_the_program_in_a_worker_stops_the_search_with_its_traceback(searched, capfd):
    with pytest.raises(RuntimeError, match="met an error of the program: our own mistake"):
        searched(fates={2: "error"})
    assert "Traceback of the worker" in capfd.readouterr().err


def test_a_worker_with_other_data_is_refused(searched):
    with pytest.raises(ConfigError, match="the data of worker .* is not the chief's"):
        searched(digest="0" * 64)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"digest": "0" * 64}, "the data of worker elsewhere .* is not the chief's"),
        ({"fates": dict.fromkeys(range(99), "no data")}, "data_dir does not exist: /x"),
    ],
)
def test_a_guest_that_cannot_train_is_turned_away_and_the_search_goes_on(searched, capsys, settings, why):
    whole = table(searched(fates={}).run)
    result = searched(guest=settings, verbose="line")
    assert table(result.run) == whole
    assert re.search(f"worker elsewhere .* is turned away: {why}", capsys.readouterr().out)


def test_a_search_that_waits_for_guests_ends_when_its_time_is_over(searched):
    with pytest.raises(ConfigError, match="no trial could be trained. There was no time."):
        searched(2, fates={1: "idle"}, time="1s")


def test_models_of_the_best_come_from_the_workers(searched):
    run = searched(keep=1).run
    rows = {row["number"]: float(row["score"]) for row in table(run)}
    best = max(rows, key=lambda number: (rows[number], -int(number)))
    kept = list(run.path.glob("checkpoints/*/model.keras"))
    assert [path.parent.name for path in kept] == [f"trial-{int(best):04d}"] and kept[0].read_bytes() == b"m"


def test_no_workers_and_no_other_machine_is_refused(searched):
    with pytest.raises(ConfigError, match="workers 0 leaves all trials to other machines"):
        searched(0)


def test_workers_that_die_one_after_the_other_end_the_search(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "MODULE", "training.no_such_module")
    crew = Workers(Place("chief", "127.0.0.1", 1, "key"), 1, tmp_path)
    with pytest.raises(RunError, match="the workers die one after the other; .*exit code 1: .*no_such_module"):
        while True:
            crew.mend()


def test_cores_and_gpus_are_shared_out(monkeypatch):
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    found = [share(number, 3) for number in range(3)]
    assert {one["TF_NUM_INTRAOP_THREADS"] for one in found} == {"2"}
    assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["2", "5", "2"]


GIVEN = {ROLE: "chief", ADDRESS: "0.0.0.0:7077", KEY: "k" * 16}


def test_gpus_that_nobody_named_are_shared_out_too(monkeypatch, tmp_path):
    import tensorflow as tf

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * 3)
    monkeypatch.setattr("training.startup.import_tensorflow", lambda: None)  # it would prepare each of them
    assert "CUDA_VISIBLE_DEVICES" not in share(0, 2)  # no driver, no question
    monkeypatch.setattr(workers, "DRIVER", tmp_path)
    assert [share(number, 4)["CUDA_VISIBLE_DEVICES"] for number in range(4)] == ["0", "1", "2", "0"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({KEY: ""}, "needs .*. Missing: GROUNDWORK_TUNE_KEY."),
        ({KEY: "short"}, "GROUNDWORK_TUNE_KEY must have at least 16 characters"),
        ({ROLE: "boss"}, "GROUNDWORK_TUNE_ROLE must be chief or worker. Received: boss."),
        ({ADDRESS: "host"}, "GROUNDWORK_TUNE_ADDRESS must be host:port, the chief's. Received: host."),
    ],
)
def test_the_three_variables_are_checked(changes, message):
    assert read_place(GIVEN) == Place("chief", "0.0.0.0", 7077, "k" * 16)
    assert read_place({}) is None
    with pytest.raises(ConfigError, match=message):
        read_place(GIVEN | changes)


def test_only_who_knows_the_key_is_heard_and_the_end_of_the_other_side_is_noticed():
    heard, gone = [], threading.Event()
    with listen(Place("chief", "127.0.0.1", 0, "right")) as server:
        port = server.getsockname()[1]
        admit(server, "right", lambda channel, message, attachment: heard.append((channel, message, attachment)))
        with pytest.raises(ConfigError, match="has another GROUNDWORK_TUNE_KEY"):
            connect(Place("worker", "127.0.0.1", port, "wrong"), patience=0)
        channel = connect(Place("worker", "127.0.0.1", port, "right"), patience=0)
        channel.end_with_the_other(gone.set)
        channel.send({"say": "hello"}, b"file")
        while not heard:
            gone.wait(0.01)
        assert heard[0][1:] == ({"say": "hello"}, b"file")
        heard[0][0].close()
        assert gone.wait(10)
        with pytest.raises(Closed):
            channel.receive()
    with pytest.raises(ConfigError, match="no chief answers at 127.0.0.1"):
        connect(Place("worker", "127.0.0.1", port, "right"), patience=0)


def test_the_time_left_counts_the_workers():
    rows = [SimpleNamespace(**vars(Row(n, "completed", 0.5, seconds=10.0))) for n in (1, 2)]
    shown = line(rows[1], rows, total=6, direction="max", left=None, workers=2)
    assert shown.endswith("10 s, 20 s left")
