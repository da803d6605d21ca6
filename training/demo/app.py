"""The page's server: two addresses, one image at a time, and limits on all that comes in.

    GET  /                          the page
    POST /predict[?class_index=3]   the body is the image file; the answer is JSON, {"error": "…"} where it is refused

A body that is one file needs no parsing of forms, and no temporary file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from training.datasets.dataset import DataError
from training.datasets.decode import BadImage
from training.demo.guard import Guard
from training.demo.page import Page

Answer = Callable[[bytes, int | None], dict[str, Any]]
TOO_LARGE, UNREADABLE, BUSY, TOO_SLOW, BAD_REQUEST = 413, 422, 503, 408, 400


@dataclass(frozen=True)
class Limits:
    """What the server takes.

    Attributes:
        max_bytes: Of a file.
        seconds: A file may take to arrive.
        places: Images at work or waiting, all browsers together; more are turned away.
    """

    max_bytes: int
    seconds: float
    places: int = 8


class Desk:
    """One image is at work, a few wait in order, and the rest are turned away.

    Args:
        answer: Is called from one thread, one call at a time.
        places: Images at work or waiting.
    """

    def __init__(self, answer: Answer, places: int) -> None:
        self._answer = answer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answer")
        self._free = places

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Takes a place; gives whether there was one."""
        taken = self._free > 0
        self._free -= taken
        try:
            yield taken
        finally:
            self._free += taken

    async def answer(self, data: bytes, class_index: int | None) -> dict[str, Any]:
        """Waits for its turn and answers."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, data, class_index)


def make_app(answer: Answer, page: Page, limits: Limits) -> Starlette:
    """The application.

    Args:
        answer: From the bytes of a file, and the class to explain, to plain values for JSON. `BadImage` and `DataError`
            become answers.
        page: What GET / gives.
        limits: What is taken.
    """
    desk = Desk(answer, limits.places)

    async def show(request: Request) -> Response:
        return HTMLResponse(page.html)

    async def predict(request: Request) -> Response:
        with desk.place() as taken:
            data = await read_body(request, limits, keep=taken)
            if not taken:
                raise HTTPException(BUSY, "Too many images are waiting. Try again.", {"Retry-After": "1"})
            return JSONResponse(await desk.answer(data, _class_index(request)))

    return Starlette(
        routes=[Route("/", show), Route("/predict", predict, methods=["POST"])],
        middleware=[Middleware(Guard, policy=page.policy)],
        exception_handlers={
            HTTPException: _say_http,
            DataError: _say_data_error,
            ClientDisconnect: _say_nothing,
        },
    )


async def read_body(request: Request, limits: Limits, *, keep: bool = True) -> bytes:
    """The body, as far as it is allowed to go: what is longer is cut off as soon as that is known.

    Args:
        request: Whose body.
        limits: Of bytes and seconds.
        keep: Otherwise it is read and forgotten, so that a browser hears the answer.

    Raises:
        HTTPException: Too large, or too slow.
    """
    most = f"at most {limits.max_bytes / 1e6:g} MB are taken here"
    too_large = HTTPException(TOO_LARGE, f"The file is too large: {most}.", {"Connection": "close"})
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limits.max_bytes:
        raise too_large
    parts, size = bytearray(), 0
    try:
        async with asyncio.timeout(limits.seconds):
            async for part in request.stream():
                size += len(part)
                if size > limits.max_bytes:
                    raise too_large
                if keep:
                    parts += part
    except TimeoutError:
        raise HTTPException(
            TOO_SLOW, f"The file did not arrive within {limits.seconds:g} s.", {"Connection": "close"}
        ) from None
    return bytes(parts)


def _class_index(request: Request) -> int | None:
    """The class that was asked for."""
    text = request.query_params.get("class_index")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise HTTPException(BAD_REQUEST, "class_index must be a whole number.")
    return int(text)


async def _say_http(request: Request, error: Any) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _say_data_error(request: Request, error: Any) -> Response:
    reason = f"It cannot be read as an image: {error.reason}." if isinstance(error, BadImage) else str(error)
    return JSONResponse({"error": reason}, UNREADABLE)


async def _say_nothing(request: Request, error: Any) -> Response:
    """The browser has gone."""
    return Response(status_code=BAD_REQUEST)
