"""Messages between the chief of a search and its workers: JSON, and models as bytes, over authenticated connections."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, answer_challenge, deliver_challenge
from typing import Any

from training.checks import ConfigError

ROLE, ADDRESS, KEY = "GROUNDWORK_TUNE_ROLE", "GROUNDWORK_TUNE_ADDRESS", "GROUNDWORK_TUNE_KEY"
ROLES = ("chief", "worker")
LOOPBACK = "127.0.0.1"
SHORTEST_KEY = 16
WATCH = 0.5  # seconds between two looks at whether the chief is still there
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}  # a machine that lost power is noticed in 30 s


class Closed(Exception):
    """The other side is gone, however it went."""


@dataclass(frozen=True)
class Place:
    """Where the chief of a search listens, and what this process is.

    Attributes:
        role: chief or worker.
        host, port: Of the chief.
        key: The secret that all of them know.
    """

    role: str
    host: str
    port: int
    key: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a worker that shall find this chief."""
        return {ROLE: "worker", ADDRESS: f"{self.host}:{self.port}", KEY: self.key}


def read_place(environment: Mapping[str, str]) -> Place | None:
    """What the three variables say; None where none of them is set.

    Raises:
        ConfigError: Some are missing or wrong.
    """
    given = {name: environment.get(name, "") for name in (ROLE, ADDRESS, KEY)}
    if not any(given.values()):
        return None
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise ConfigError(f"a search over several machines needs {ROLE}, {ADDRESS}, {KEY}. Missing: {missing[0]}.")
    if given[ROLE] not in ROLES:
        raise ConfigError(f"{ROLE} must be chief or worker. Received: {given[ROLE]}.")
    host, _, port = given[ADDRESS].rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigError(f"{ADDRESS} must be host:port, the chief's. Received: {given[ADDRESS]}.")
    if len(given[KEY]) < SHORTEST_KEY:
        raise ConfigError(f"{KEY} must have at least {SHORTEST_KEY} characters, the same on all machines.")
    return Place(given[ROLE], host, int(port), given[KEY])


@contextmanager
def _closing_in_words() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, ValueError, KeyError) as error:  # closed, cut within a message, or no message of ours
        raise Closed(str(error)) from error


class Channel:
    """One connection; its methods raise `Closed` when the other side is gone.

    Args:
        connection: Is authenticated already.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        with socket.socket(fileno=os.dup(connection.fileno())) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE.items():
                if hasattr(socket, name):
                    own.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, message: Mapping[str, Any], attachment: bytes | None = None) -> None:
        """Sends a message, and a file behind it."""
        marked = {**message, "attached": attachment is not None}
        text = json.dumps(marked, allow_nan=False)
        with _closing_in_words():
            self.connection.send_bytes(text.encode())
            if attachment is not None:
                self.connection.send_bytes(attachment)

    def receive(self) -> tuple[dict[str, Any], bytes | None]:
        """Waits for a message, and the file behind it."""
        with _closing_in_words():
            message = json.loads(self.connection.recv_bytes())
            return message, self.connection.recv_bytes() if message.pop("attached") else None

    def ask(self, message: Mapping[str, Any], attachment: bytes | None = None) -> dict[str, Any]:
        """Sends a message and waits for the answer."""
        self.send(message, attachment)
        return self.receive()[0]

    def close(self) -> None:
        """Ends the connection for both sides, also while a thread of this one waits for a message."""
        with contextlib.suppress(OSError):
            with socket.socket(fileno=os.dup(self.connection.fileno())) as own:
                own.shutdown(socket.SHUT_RDWR)
            self.connection.close()

    def end_with_the_other(self, end: Callable[[], None]) -> None:
        """Calls `end` as soon as the other side is gone, however it went, also while this process is busy training."""

        def watch() -> None:
            with socket.socket(fileno=os.dup(self.connection.fileno())) as own:
                while True:
                    time.sleep(WATCH)
                    try:
                        if not own.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                            return end()
                    except BlockingIOError:
                        continue
                    except OSError:
                        return end()

        threading.Thread(target=watch, daemon=True).start()


def connect(place: Place, *, patience: float) -> Channel:
    """A worker's connection to its chief, which may come up later than the worker.

    Args:
        place: Where the chief is.
        patience: Seconds to go on trying.

    Raises:
        ConfigError: Nobody answers there, or somebody with another key.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return Channel(Client((place.host, place.port), authkey=place.key.encode()))
        except AuthenticationError as error:
            raise ConfigError(f"the chief at {place.host}:{place.port} has another {KEY}.") from error
        except (OSError, EOFError) as error:
            if time.monotonic() > deadline:
                raise ConfigError(f"no chief answers at {place.host}:{place.port}: {error}.") from error
            time.sleep(WATCH)


@contextmanager
def listen(place: Place) -> Iterator[socket.socket]:
    """The chief's socket; after the block nobody is accepted any more.

    Raises:
        ConfigError: The address cannot be used.
    """
    try:
        server = socket.create_server((place.host, place.port))
    except OSError as error:
        raise ConfigError(f"cannot listen at {place.host}:{place.port}: {error.strerror or error}.") from error
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        server.close()


def admit(server: socket.socket, key: str, receive: Callable[[Channel, dict | None, bytes | None], None]) -> None:
    """Admits whoever knows the key, until the server is closed; a thread for each, so that none can hold up others.

    Args:
        server: As `listen` returns it.
        key: The secret.
        receive: Called from those threads with every message; with None when a connection is gone.
    """

    def follow(connection: Connection) -> None:
        try:
            deliver_challenge(connection, key.encode())
            answer_challenge(connection, key.encode())
            channel = Channel(connection)
        except (EOFError, OSError, AuthenticationError):
            return connection.close()
        try:
            while True:
                receive(channel, *channel.receive())
        except Closed:
            receive(channel, None, None)

    def accept() -> None:
        while True:
            try:
                accepted, _ = server.accept()
            except OSError:
                return
            connection: Connection = Connection(accepted.detach())
            threading.Thread(target=follow, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
