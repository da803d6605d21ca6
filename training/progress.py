"""What a user sees while a model trains: one line an epoch, and in a terminal a live one before it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import keras
from tqdm import tqdm

from training.callbacks import BestModel
from training.words import in_words

REFRESH = 0.2  # seconds between two pictures of the live line
WIDE = 100  # columns from which on a bar has room beside the numbers


class Pace:
    """Examples per second of training time, and the seconds left, as this process has seen them.

    Validation and files count into what is left, not into the examples per second; neither does the very first call,
    which builds the graph, nor steps that a resumed run passes without doing them again.

    Args:
        examples: Training examples of one epoch.
        batch_size: Examples of a step; the last one may hold fewer.
        epochs: Of the whole run.
        now: Seconds of a clock.
    """

    def __init__(
        self, examples: int, *, batch_size: int, epochs: int, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.epochs = epochs
        self.now = now
        self.epoch = self.done = self.base = 0
        self.start = self.mark = self.last = 0.0
        self.before = (0, 0.0)  # counted examples and seconds of the epoch before this one
        self.other = 0.0  # seconds of that epoch that were not training
        self.warm = self.training = False

    def begin_epoch(self, epoch: int) -> None:
        """An epoch, from 0, begins."""
        self.epoch, self.done, self.base, self.training = epoch, 0, 0, True
        self.start = self.mark = self.last = self.now()

    def step(self, steps: int, *, trained: bool = True) -> float:
        """So many steps of the epoch are behind; returns the time. `trained` is False where they were only passed."""
        self.last = self.now()
        self.done = min(steps * self.batch_size, self.examples)
        if not trained:
            self.start, self.mark, self.base = self.last, self.last, self.done
        elif not self.warm:
            self.warm = True
            if self.done < self.examples:  # else there is nothing but this call to count
                self.mark, self.base = self.last, self.done
        return self.last

    def end_training(self) -> None:
        """The epoch's steps are done; validation follows."""
        if self.training:
            self.last, self.training = self.now(), False

    def end_epoch(self) -> None:
        """All of the epoch is done."""
        self.end_training()
        self.other = self.now() - self.last
        self.before = (self.done - self.base, self.last - self.mark)

    @property
    def per_second(self) -> float:
        """Examples per second in this epoch; 0 where nothing was counted yet."""
        seconds = self.last - self.mark
        return (self.done - self.base) / seconds if seconds > 0 else 0.0

    def left_in_epoch(self) -> float | None:
        """Seconds to the end of this epoch, validation included where one was seen; None where nothing is known."""
        each = self._seconds_per_example()
        return None if each is None else (self.examples - self.done) * each + self.other

    def left_in_run(self, *, after: bool = False) -> float | None:
        """Seconds to the end of the last epoch, from where this one stands or, with `after`, from its end."""
        each, rest = self._seconds_per_example(), self.epochs - self.epoch - 1
        if each is None:
            return None
        return (0.0 if after else (self.left_in_epoch() or 0.0)) + rest * (self.examples * each + self.other)

    def _seconds_per_example(self) -> float | None:
        """Over this epoch and the one before: steady, yet soon aware of a machine that others use too."""
        running = (self.done - self.base, self.last - self.mark) if self.training else (0, 0.0)
        count, seconds = (a + b for a, b in zip(self.before, running, strict=True))
        return seconds / count if count and seconds > 0 else None


class Progress(keras.callbacks.Callback):
    """Shows how training goes, in the place of Keras' own bar; stands behind the callbacks that judge an epoch.

    Args:
        pace: Its times.
        best: Knows which epoch is the best so far.
        unit: What an example is called, such as "images".
        may_stop: Whether early stopping may end the run before its last epoch; the time left is then a bound.
        live: Whether a line that is overwritten shows the epoch at work, up to five times a second: for terminals.
        stream: Where to write; default: stdout.
    """

    def __init__(
        self,
        pace: Pace,
        best: BestModel,
        *,
        unit: str = "images",
        may_stop: bool = False,
        live: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        super().__init__()
        self.pace = pace
        self.best = best
        self.unit = unit
        self.may_stop = may_stop
        self.live = live
        self.stream = stream or sys.stdout
        self.bar: tqdm | None = None
        self.shown = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.pace.begin_epoch(epoch)
        self.shown = self.pace.start

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = self.pace.step(batch + 1, trained=bool(logs))  # a step that is only passed has no logs
        if self.live and logs and now - self.shown >= REFRESH:
            self.shown = now
            self._draw(f"{_values(logs, 3)}{self._speed()}{self._live_left()}")

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.pace.end_training()
        if self.bar is not None:
            self._draw(f"validating{self._speed()}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.pace.end_epoch()
        self.close()
        best = ", best so far" if self.best.monitor and self.best.epoch == epoch + 1 else ""
        text = f"{self._place()}: {_values(logs or {})}{best}{self._speed()}{self._left()}"
        print(text, file=self.stream, flush=True)

    def close(self) -> None:
        """Takes the live line away; what is printed next has the line for itself."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _draw(self, text: str) -> None:
        """Draws the live line, which appears where an epoch lasts long enough for one."""
        width, height = shutil.get_terminal_size()  # tqdm itself draws nothing where a terminal says 0 by 0
        look = f"{{desc}} {{percentage:3.0f}}%{'|{bar}|' if width >= WIDE else ''} {text}"
        if self.bar is not None:
            self.bar.n, self.bar.bar_format = self.pace.done, look
            self.bar.refresh()
            return
        self.bar = tqdm(
            total=self.pace.examples,
            initial=self.pace.done,
            desc=self._place(),
            bar_format=look,
            file=self.stream,
            leave=False,
            ncols=width - 1,
            nrows=height,
        )

    def _place(self) -> str:
        total = str(self.pace.epochs)
        return f"epoch {self.pace.epoch + 1:>{len(total)}}/{total}"

    def _speed(self) -> str:
        speed = self.pace.per_second
        return f", {speed:,.{0 if speed >= 10 else 1}f} {self.unit}/s" if speed else ""

    def _live_left(self) -> str:
        epoch, run = self.pace.left_in_epoch(), self.pace.left_in_run()
        if epoch is None or run is None:
            return ""
        return f", left {in_words(epoch)}, run {'≤' if self.may_stop else ''}{in_words(run)}"

    def _left(self) -> str:
        """Time to the end of the run; nothing after the last epoch."""
        left = self.pace.left_in_run(after=True)
        if left is None or self.pace.epoch + 1 == self.pace.epochs or self.model.stop_training:
            return ""
        return f", {'at most' if self.may_stop else 'about'} {in_words(left)} left"


def _values(logs: Mapping[str, float], digits: int = 4) -> str:
    """The loss first, then what else the logs hold; a learning rate stands in the files."""
    names = sorted(
        (name for name in logs if name != "learning_rate"), key=lambda name: ("val_" in name, "loss" not in name)
    )
    return ", ".join(f"{name} {_number(logs[name], digits)}" for name in names)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"
