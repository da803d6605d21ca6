"""What a user sees while a model trains: numbers from a clock that the test turns, and real runs."""

import io
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tests.training.commands import short_report
from tests.training.test_train import config_for
from training.callbacks import BestModel
from training.progress import Pace, Progress
from training.resume import ResumeConfig, resume
from training.train import train
from training.words import in_words

LINE = re.compile(
    r"epoch (\d)/(\d): loss [\d.]+, accuracy [\d.]+, val_loss [\d.]+, val_accuracy [\d.]+(, best so far)?"
    r", [\d,.]+ images/s(, (at most|about) \d+ s left)?"
)


class FakeClock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time

    def wait(self, seconds):
        self.time += seconds


def train_epoch(pace, clock, epoch, *, steps=10, seconds=1.0, validation=5.0):
    pace.begin_epoch(epoch)
    for step in range(1, steps + 1):
        clock.wait(seconds)
        pace.step(step)
    pace.end_training()
    clock.wait(validation)
    pace.end_epoch()


@pytest.fixture
def clock():
    return FakeClock()


def test_the_rate_counts_training_alone_and_not_the_call_that_builds_the_graph(clock):
    pace = Pace(95, batch_size=10, epochs=3, now=clock)
    pace.begin_epoch(0)
    clock.wait(30)
    pace.step(1)
    for step in range(2, 11):
        clock.wait(0.5)
        pace.step(step)
    pace.end_training()
    clock.wait(20)
    pace.end_epoch()
    assert pace.per_second == pytest.approx(85 / 4.5)


def test_the_time_left_holds_the_validation_that_was_seen(clock):
    pace = Pace(100, batch_size=10, epochs=4, now=clock)
    train_epoch(pace, clock, 0)
    assert pace.left_in_run(after=True) == pytest.approx(3 * (10 + 5))
    pace.begin_epoch(1)
    clock.wait(1)
    pace.step(1)
    assert pace.left_in_epoch() == pytest.approx(9 + 5)
    assert pace.left_in_run() == pytest.approx(9 + 5 + 2 * 15)


def test_a_machine_that_slows_down_is_noticed_within_two_epochs(clock):
    pace = Pace(100, batch_size=10, epochs=9, now=clock)
    for epoch, seconds in enumerate((1.0, 1.0, 3.0, 3.0)):
        train_epoch(pace, clock, epoch, seconds=seconds, validation=0)
    assert pace.left_in_run(after=True) == pytest.approx(5 * 30)


def test_steps_that_a_resumed_run_only_passes_are_not_counted(clock):
    pace = Pace(100, batch_size=10, epochs=1, now=clock)
    pace.begin_epoch(0)
    pace.step(6, trained=False)
    for step in (7, 8, 9):
        clock.wait(2)
        pace.step(step)
    assert pace.per_second == pytest.approx(20 / 4)
    assert pace.left_in_epoch() == pytest.approx(2)


def test_an_epoch_of_one_call_has_a_rate_too(clock):
    pace = Pace(50, batch_size=50, epochs=2, now=clock)
    train_epoch(pace, clock, 0, steps=1, seconds=10, validation=0)
    assert pace.per_second == pytest.approx(5)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (200, "3 min"), (3590, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


@pytest.fixture
def drawn(clock, monkeypatch):
    """What a terminal receives of two epochs of ten steps, the second without a new best and stopped early."""
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()
    best = BestModel("val_loss", lambda weights: None)
    progress = Progress(Pace(100, batch_size=10, epochs=12, now=clock), best, live=True, may_stop=True, stream=stream)
    progress.set_model(SimpleNamespace(stop_training=False))
    best.epoch = 1
    for epoch in range(2):
        progress.on_epoch_begin(epoch)
        for batch in range(10):
            clock.wait(0.125)
            progress.on_train_batch_end(batch, {"accuracy": 0.5, "loss": 1.25 - batch / 10})
        progress.on_test_begin()
        clock.wait(3)
        progress.model.stop_training = epoch == 1
        progress.on_epoch_end(epoch, {"accuracy": 0.5, "loss": 0.35, "val_accuracy": 0.6, "val_loss": 0.4})
    return stream.getvalue()


def test_a_terminal_shows_a_live_line_at_most_five_times_a_second(drawn):
    first = [part for part in drawn.split("\n")[0].split("\r") if "%" in part]
    assert len(first) == 5 + 1  # ten steps of an eighth of a second, and the validation
    assert first[1] == "epoch  1/12  40% loss 0.950, accuracy 0.500, 80 images/s, left 1 s, run ≤14 s"
    assert first[-1].rstrip().endswith("validating, 80 images/s")


def test_the_live_line_gives_way_to_one_line_an_epoch(drawn):
    last = [line.split("\r")[-1] for line in drawn.rstrip().split("\n")]
    numbers = "loss 0.3500, accuracy 0.5000, val_loss 0.4000, val_accuracy 0.6000"
    assert last == [
        f"epoch  1/12: {numbers}, best so far, 80 images/s, at most 47 s left",
        f"epoch  2/12: {numbers}, 80 images/s",
    ]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("training.finish.report_run", short_report)


def test_a_pipe_receives_whole_lines_and_nothing_that_moves_a_cursor(npz, tmp_path, capsys, quick):
    result = train(config_for(npz, tmp_path, verbose="bar"))
    shown = capsys.readouterr()
    assert "\r" not in shown.out and "\x1b" not in shown.out and shown.err == ""
    found = [LINE.fullmatch(line) for line in shown.out.splitlines() if line.startswith("epoch")]
    assert [int(match[1]) for match in found] == [1, 2, 3]
    bests = [
        epoch
        for epoch in range(1, 4)
        if result.history["val_loss"][epoch - 1] == min(result.history["val_loss"][:epoch])
    ]
    assert [int(match[1]) for match in found if match[3]] == bests
    assert [match[5] for match in found] == ["at most", "at most", None]


def test_a_silent_run_says_nothing(npz, tmp_path, capsys, quick):
    train(config_for(npz, tmp_path, verbose="silent"))
    assert capsys.readouterr() == ("", "")


def test_a_resumed_run_goes_on_with_the_right_epoch(npz, tmp_path, capsys, quick):
    run = train(config_for(npz, tmp_path, epochs=2, patience=0)).run
    resume(ResumeConfig(str(run.path), epochs=4, verbose="line"))
    found = [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [match.group(1, 2) for match in found] == [("3", "4"), ("4", "4")]
    assert found[0][5] == "about"


def test_the_line_is_taken_away_when_training_ends_in_an_error():
    stream = io.StringIO()
    progress = Progress(Pace(100, batch_size=10, epochs=1), SimpleNamespace(epoch=0), live=True, stream=stream)
    progress.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    progress.on_epoch_begin(0)
    progress.shown = -np.inf
    progress.on_train_batch_end(0, {"loss": 1.0})
    assert "loss 1.000" in stream.getvalue()
    progress.close()
    assert stream.getvalue().split("\r")[-1] == "" and not stream.getvalue().split("\r")[-2].strip()
