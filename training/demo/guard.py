"""What a request must look like: meant for this machine, and sent by our own page or by no browser at all.

A server on the loopback interface is within reach of every page that the user's browser opens. Another site's name can
be made to lead here (DNS rebinding), which the Host header tells; and another site's script can send an image here,
which its Origin tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
SAFE_METHODS = ("GET", "HEAD")
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Refuses what comes from elsewhere, and adds to every answer what a browser has to keep to.

    Args:
        app: What answers the rest.
        policy: Content-Security-Policy.
    """

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = HEADERS | {"Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = why_refused(scope["method"], Headers(scope=scope))
        answer = JSONResponse({"error": refused}, 403) if refused else self._app
        await answer(scope, receive, send_guarded)


def why_refused(method: str, headers: Mapping[str, str]) -> str:
    """Why a request is not answered; empty where it is.

    Args:
        method: GET, POST, …
        headers: By their names in small letters.
    """
    host = headers.get("host", "")
    if _host_name(host) not in HOSTS:
        return "This page is for this machine alone: its address begins with http://127.0.0.1 or http://localhost."
    if method in SAFE_METHODS:
        return ""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if site not in ("same-origin", "none") or (origin is not None and origin.lower() != f"http://{host.lower()}"):
        return "Another site's page sent this. Only the demo's own page may."
    return ""


def _host_name(host: str) -> str | None:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
