"""Ctrl-C and SIGTERM: the first asks for an orderly end after the current step, the second ends at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ENDED = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
EXIT_CODES = {"interrupted": 130, "terminated": 143}  # 128 + the signal's number, as shells count


class Interrupt:
    """Remembers which signal asked for an end.

    Attributes:
        received: The signal, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    @property
    def ended(self) -> str:
        """The word for `run.json`; a KeyboardInterrupt that came without a signal counts as Ctrl-C."""
        return ENDED[signal.Signals(self.received or signal.SIGINT)]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if self.received is not None:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.received = number
        sys.stderr.write("\nstopping after this step (once more: at once) …\n")


@contextmanager
def orderly_end() -> Iterator[Interrupt]:
    """Inside, the two signals are remembered instead of obeyed; only the main thread can do that, others pass.

    One within another takes over what was asked for before, and passes on what it received itself: a signal is not
    lost between the trainings of a search.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    former = {number: signal.signal(number, interrupt) for number in SIGNALS}
    around = next((handler for handler in former.values() if isinstance(handler, Interrupt)), None)
    if around is not None:
        interrupt.received = around.received
    try:
        yield interrupt
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if around is not None:
            around.received = interrupt.received
