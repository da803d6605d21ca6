"""From settings to a page that is served until Ctrl-C."""

from __future__ import annotations

import errno
import os
import socket
import webbrowser
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from training.checks import ConfigError
from training.datasets.text import printable
from training.run import open_run
from training.startup import import_tensorflow
from training.trained import Trained, open_trained

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

    from training.demo.decoding import Decoder

PORT = 8642
HOST = "127.0.0.1"  # and no setting: whoever wants the page elsewhere forwards the port (ssh -L)
EXTRA = ("starlette", "uvicorn")
CONNECTIONS = 64  # more are refused
WAITING_CONNECTIONS = 128
FAREWELL = 2  # seconds that answers under way get after Ctrl-C


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Which model answers, where, and how much it takes.

    Attributes:
        run: The run directory.
        model_file: A .keras file from elsewhere instead of a run; needs trust.
        trust: You vouch for the origin of model_file.
        port: Of the page's address, http://127.0.0.1:port; 0 takes a free one.
        open: Opens the page in the browser.
        top_k: Classes shown for each image.
        max_megabytes: Largest file.
        max_megapixels: Largest picture, whatever its file's size.
        seconds: An image may take to arrive, and to be decoded.
    """

    run: str | None = None
    model_file: str | None = None
    trust: bool = False
    port: int = PORT
    open: bool = False
    top_k: int = 5
    max_megabytes: float = 20.0
    max_megapixels: float = 64.0
    seconds: float = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must lie in 0…65535. Received: port={self.port}.")
        if self.top_k < 1:
            raise ConfigError(f"top_k must be at least 1. Received: top_k={self.top_k}.")
        for name, most in (("max_megabytes", 1000), ("max_megapixels", 100), ("seconds", 600)):
            value = getattr(self, name)
            if not 0 < value <= most:
                raise ConfigError(f"{name} must be positive, at most {most}. Received: {name}={value}.")


def serve_demo(config: DemoConfig) -> None:
    """Serves the page until Ctrl-C.

    Args:
        config: Which model, which port, which limits.

    Raises:
        ConfigError: starlette or uvicorn is not installed, the port is taken, or the model takes no images.
        RunError: No such run or file, a changed or hostile file.
    """
    check_extra()
    if config.run is not None:
        open_run(config.run)  # a wrong path is said before seconds of imports
    with listen(config.port) as listener:
        _serve(config, listener)


def check_extra() -> None:
    """Raises ConfigError where what serves the page is not installed."""
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        raise ConfigError(
            f"the demo needs {' and '.join(missing)}, not installed here. make demo installs it, as does pip install "
            "-r requirements-demo.txt."
        )


def listen(port: int) -> socket.socket:
    """A socket on the loopback interface; browsers that come before the model is loaded wait there.

    Raises:
        ConfigError: The port is taken, or may not be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was left a moment ago is free
    try:
        listener.bind((HOST, port))
        listener.listen(WAITING_CONNECTIONS)
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else "needs rights that you do not have"
        raise ConfigError(f"port {port} {why}. Name another such as PORT={PORT + 1}, or 0 for a free one.") from error
    return listener


def _serve(config: DemoConfig, listener: socket.socket) -> None:
    """Loads the model, says the address and serves."""
    from training.demo.decoding import Decoder

    import_tensorflow()
    trained = open_trained(config.run, config.model_file, trust=config.trust)
    address = f"http://{HOST}:{listener.getsockname()[1]}"
    with Decoder(trained.decode, max_pixels=round(config.max_megapixels * 1e6), seconds=config.seconds) as decoder:
        app = _app(config, trained, decoder)
        for line in _opening(trained, address):
            print(line, flush=True)
        if config.open:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):  # uvicorn has answered what it had begun; mostly it raises the signal again
            make_server(app).run(sockets=[listener])
        print("\nThe demo has ended; nothing was stored.", flush=True)


def _app(config: DemoConfig, trained: Trained, decoder: Decoder) -> Starlette:
    """What answers requests, warmed up."""
    from training.demo.answers import Answers
    from training.demo.app import Limits, make_app
    from training.demo.page import render_page

    answers = Answers(trained, decoder)
    answers.warm_up()
    limits = Limits(max_bytes=round(config.max_megabytes * 1e6), seconds=config.seconds)
    page = render_page(
        trained,
        answers.heat_words,
        explains=answers.explains,
        top_k=config.top_k,
        max_bytes=limits.max_bytes,
        max_pixels=decoder.max_pixels,
    )
    return make_app(answers.answer, page, limits)


def _opening(trained: Trained, address: str) -> Iterator[str]:
    """What a user wants to know before the first image."""
    height, width, channels = trained.decode.shape
    colours = "RGB" if channels == 3 else "grey"
    yield f"{trained.name}: {height}×{width} {colours}, {len(trained.class_names)} classes"
    if trained.point:
        yield f"{printable(trained.positive)} from a score of {trained.point.threshold:.4g} on: {trained.point.why}"
    yield f"demo: {address} (this machine alone can reach it; Ctrl-C ends it)"


def make_server(app: Starlette) -> uvicorn.Server:
    """uvicorn without its log: no request, and so no name of an image, is written anywhere."""
    import uvicorn

    settings = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=FAREWELL,
    )
    return uvicorn.Server(settings)
