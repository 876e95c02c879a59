"""The page on 127.0.0.1: for this machine's browser, from this machine's pages, with nothing from elsewhere."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn

from sweep.local_server import HOST, interruptible

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sweep.studio.desk import Desk

NAMES = (HOST, "localhost")
_ENDS_WITHIN_S = 2
_POLICY = (
    # The framework compiles its templates in the browser, hence the two unsafe words.
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws://{host}; frame-ancestors 'none'; form-action 'self'"
)


class OwnPagesOnly:
    """Answers this machine's own pages and refuses requests that a page from elsewhere makes in the same browser.

    A request has to name this server as its host, and where a browser says what page it comes from, that page is ours.
    Every answer tells the browser to load nothing from elsewhere and to keep nothing.

    Args:
        app: what is protected.
        port: of the server.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app = app
        self._hosts = {f"{name}:{port}" for name in NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a WebSocket, or refuse it with 403."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if host not in self._hosts or (origin is not None and origin not in {f"http://{one}" for one in self._hosts}):
            await _refuse(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_headers(host)]
            await send(message)

        await self.app(scope, receive, sealed)


def _headers(host: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", _POLICY.format(host=host).encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]


async def _refuse(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"This page answers only this machine's own pages.\n"})


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._listening()


def serve(desk: Desk, port: int, listening: Callable[[], None]) -> None:
    """Serve the page of a desk until Ctrl-C or SIGTERM.

    Args:
        desk: what the page does.
        port: of 127.0.0.1.
        listening: called once, when the page can be opened.
    """
    with tempfile.TemporaryDirectory(prefix="studio-") as private, suppress(KeyboardInterrupt):
        # Whatever the framework would write, such as an upload that is too large for memory, goes with this folder.
        os.environ["NICEGUI_STORAGE_PATH"] = private
        before, tempfile.tempdir = tempfile.tempdir, private
        try:
            config = uvicorn.Config(
                OwnPagesOnly(_app(desk), port),
                HOST,
                port,
                log_level="error",
                access_log=False,
                timeout_graceful_shutdown=_ENDS_WITHIN_S,
            )
            with interruptible():
                _Server(config, listening).run()
        finally:
            tempfile.tempdir = before


def _app(desk: Desk) -> FastAPI:
    from fastapi import FastAPI
    from nicegui import ui
    from starlette.formparsers import MultiPartParser

    from sweep.studio.page import show

    MultiPartParser.spool_max_size = desk.max_bytes + 1  # uploads stay in memory
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    ui.page("/")(lambda: show(desk))
    ui.run_with(
        app,
        title="facerec studio",
        favicon="🙂",
        language="en-GB",
        show_welcome_message=False,
        reconnect_timeout=30,  # a busy machine keeps a page waiting, which loses what it shows when it is given up
    )
    return app
