"""The HTTP server: uvicorn's, with deadlines and caps of our own.

uvicorn waits for ever for a request that does not come or never ends. Here a connection has so long for the
head of each request, and so much room for it; the body's deadline is that of `ulak.web`. What nobody could
answer in the words of a dialect, because no path was read, is closed or gets the answer to what is no HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ulak.dialects.door import Reply
from ulak.web import Web

HEAD_SECONDS = 10.0
"""What a connection has for the head of a request: from its beginning, or from the first byte of a further
request. Between two requests uvicorn waits for five seconds."""

HEAD_MAX = 64 * 1024
"""Bytes that the head of a request may have."""

CONNECTIONS_MAX = 10_000
"""Connections at a time; more are closed as they come, so that those which are there are served."""


class Server(uvicorn.Server):
    """uvicorn without signal handlers: the caller decides when to stop. `on_start` is called when it listens,
    before it answers anybody."""

    on_start: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_start()

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()


class Protocol(HttpToolsProtocol):
    """One connection."""

    unreadable: Reply
    """The answer to what is no HTTP request."""

    _deadline: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expected()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:
            self._head += len(data)
        super().data_received(data)
        if self._deadline is not None and self._head > HEAD_MAX:
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._expect()

    def on_headers_complete(self) -> None:
        self._expected()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Say that this is no request, and close."""
        del msg
        self._expected()
        headers = (
            (b"content-type", self.unreadable.content_type),
            (b"content-length", str(len(self.unreadable.body)).encode()),
            (b"connection", b"close"),
            *self.unreadable.headers,
        )
        lines = [STATUS_LINE[self.unreadable.status], *(b"%b: %b\r\n" % header for header in headers)]
        self.transport.write(b"".join([*lines, b"\r\n", self.unreadable.body]))
        self.transport.close()

    def _expect(self) -> None:
        """A head is to come."""
        self._head = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def _expected(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        self.transport.abort()


def server(web: Web, unreadable: Reply) -> Server:
    """A server of the application. `unreadable` is the answer to what is no HTTP request."""
    return Server(
        uvicorn.Config(
            web,
            loop="none",
            http=type("Protocol", (Protocol,), {"unreadable": unreadable}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
