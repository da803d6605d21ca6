"""Decodes what was dropped in a process of its own, by the decoding function of training.

Whoever sends the page a picture chooses what our image libraries have to read. In its own process a picture that takes
too long is stopped, one that crashes a library takes nothing else with it, and neither memory nor disk can be filled.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection

import numpy as np

from training.datasets.decode import BadImage, DecodeSettings, decode_bytes
from training.datasets.imagefile import open_image, orientation, stored_in_grey

START_SECONDS = 60.0  # until the process has imported its libraries
MEMORY = 4 * 2**30  # bytes of address space
CONFINED = {"RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0, "RLIMIT_AS": MEMORY}


@dataclass(frozen=True)
class Header:
    """What a file says about itself.

    Attributes:
        format: Such as JPEG.
        width, height: Of the picture, upright.
        grey: Whether it is stored in grey.
    """

    format: str
    width: int
    height: int
    grey: bool


@dataclass(frozen=True)
class Decoded:
    """A picture.

    Attributes:
        header: What its file says.
        pixels: uint8 `(height, width, channels)`, as the network takes them.
    """

    header: Header
    pixels: np.ndarray


class Decoder:
    """The process that decodes, one picture at a time; a new one takes its place when it had to be ended.

    Not for several threads at once.

    Args:
        settings: How a picture becomes the network's input.
        max_pixels: Of a picture, before it is decoded.
        seconds: A picture may take.

    Example:
        >>> with Decoder(DecodeSettings((224, 224)), max_pixels=64_000_000, seconds=20) as decoder:
        ...     pixels = decoder.decode(data).pixels
    """

    def __init__(self, settings: DecodeSettings, *, max_pixels: int, seconds: float) -> None:
        self.settings, self.max_pixels, self.seconds = settings, max_pixels, seconds
        self._closed, self._starting = False, True
        self._start()

    def decode(self, data: bytes) -> Decoded:
        """Decodes a file's bytes.

        Raises:
            BadImage: They are no picture, too large a one, damaged, or take too long.
        """
        try:
            if self._starting:
                self._receive(START_SECONDS)
                self._starting = False
            self._connection.send_bytes(data)
            found = json.loads(self._receive(self.seconds))
            if "bad" in found:
                raise BadImage(found["bad"])
            pixels = np.frombuffer(self._receive(self.seconds), dtype=np.uint8).reshape(self.settings.shape)
        except (EOFError, OSError, TimeoutError) as error:
            self._restart()
            slow = isinstance(error, TimeoutError)
            reason = f"it takes longer than {self.seconds:g} s to decode" if slow else "it crashes the decoder"
            raise BadImage(reason) from error
        return Decoded(Header(**found), pixels)

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._closed = True
        self._stop()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _start(self) -> None:
        """Begins a process; it imports its libraries while we do something else."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, self.settings, self.max_pixels)
        self._process = context.Process(target=_work, args=arguments, name="decoder", daemon=True)
        with _interrupts_held_back():
            self._process.start()
        theirs.close()
        self._starting = True

    def _receive(self, seconds: float) -> bytes:
        if not self._connection.poll(seconds):
            raise TimeoutError
        return self._connection.recv_bytes()

    def _stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _restart(self) -> None:
        if not self._closed:
            self._stop()
            self._start()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """A process that begins meanwhile never hears Ctrl-C, which is for the one that began it; in any thread."""
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    resource_tracker.ensure_running()  # its own start lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def read_header(data: bytes, max_pixels: int) -> Header:
    """Reads the header, and refuses a picture that is too large before a pixel is decoded.

    Raises:
        BadImage: No picture, or too many pixels.
    """
    image = open_image(io.BytesIO(data))
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage(f"too many pixels ({width:,}×{height:,}); at most {max_pixels / 1e6:g} megapixels are taken")
    if image.format != "TIFF" and orientation(image) >= 5:  # Pillow turns TIFF itself
        width, height = height, width
    return Header(str(image.format), width, height, stored_in_grey(data))


def _work(connection: Connection, settings: DecodeSettings, max_pixels: int) -> None:
    """The process: bytes in; out a line of JSON, and the pixels where there are any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that began us
    _confine()
    connection.send_bytes(b"ready")
    with suppress(EOFError, OSError):  # the one that began us has ended
        while True:
            data = connection.recv_bytes()
            try:
                header = read_header(data, max_pixels)
                pixels = decode_bytes(data, settings)
            except BadImage as error:
                connection.send_bytes(json.dumps({"bad": error.reason}).encode())
            else:
                connection.send_bytes(json.dumps(asdict(header)).encode())
                connection.send_bytes(pixels.tobytes())


def _confine() -> None:
    """No file is written, not even that of a crash, and memory is bounded, where the system can see to it."""
    with suppress(ImportError):  # not on Windows
        import resource

        for name, most in CONFINED.items():
            with suppress(ValueError, OSError):  # a lower limit stands already
                resource.setrlimit(getattr(resource, name), (most, most))
