"""The HTTP server: uvicorn's, with deadlines and caps of our own.

uvicorn waits for ever for a request that does not come or never ends. Here a connection has so long for the
head of each request, and so much room for it; the body's deadline is that of `ulak.web`. What is no request
is answered in the words of the dialect that has its path, if a path can be seen, and else in those of the
dialect at the root.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ulak.web import Web

HEAD_SECONDS = 10.0
"""What a connection has for the head of a request: from its beginning, or from the first byte of a further
request. Between two requests uvicorn waits for five seconds."""

HEAD_MAX = 64 * 1024
"""Bytes that the head of a request may have."""

PIPELINE_MAX = 128
"""Requests of a connection that wait for the answer to the one before."""

_LINE_MAX = 4096
_LINE = re.compile(rb"[\r\n]*[^ \r\n]{1,40} +([^ \r\n]+)")

WRITE_SECONDS, WRITE_LEAST = 30.0, 16 * 1024
"""In so many seconds somebody has to take so many bytes of what is written to him, or the rest of it. Whoever
is slow gets all, whoever takes nothing holds no connection."""

LINGER_SECONDS = 2.0
"""How long what still comes is thrown away after an answer that came before the end of its request. A
connection that is closed with bytes unread takes the answer back from whoever is still writing."""

CONNECTIONS_MAX = 10_000
"""Connections at a time. For one more, the one ends that owes us a request for longest; where all have asked,
they are served, and the new one is closed."""

_BACKLOG_MIN, _BACKLOG_MAX = 64, 2048


def connections_for(files: int) -> int:
    """How many connections there may be where so many files may be open.

    Of eight files five are for them and one for those that come all at once; the database, links, callbacks
    and the rest have two.
    """
    return min(CONNECTIONS_MAX, files * 5 // 8)


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
    """One connection. Where uvicorn's own would wait for ever, answer out of turn or hear no more, this does
    not: after bytes that are no request, after an `Upgrade`, or between two requests."""

    web: Web
    connections_max: int
    owing: OrderedDict[Protocol, None]
    """The connections of a server whose other side is to speak, in the order in which its turn began."""

    url = b""
    _last = b""
    _deadline: asyncio.TimerHandle | None = None
    _head = 0
    _portion = 0
    _begun = b""
    _is_refused = False
    _is_deaf = False
    _is_ended = False
    _running: RequestResponseCycle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patient = _Patient(self)
        if len(self.connections) > self.connections_max and not self._made_room():
            transport.abort()
            return
        self._owes()
        self._expect()

    def _owes(self) -> None:
        """From now on the other side is to speak."""
        self.owing[self] = None
        self.owing.move_to_end(self)

    def _made_room(self) -> bool:
        """End the connection that owes us a request for longest; whether there was one.

        Whoever asks at once finds room among any number of silent ones. One that still takes its answer is
        passed over; it comes back with its next answer, so no look is made twice.
        """
        while self.owing:
            longest, _ = self.owing.popitem(last=False)
            if longest.is_owing:
                longest.transport.abort()
                return True
        return False

    @property
    def is_owing(self) -> bool:
        """Whether the other side is to speak: it took its answers, and no whole request waits for one."""
        if self.pipeline or self.transport.get_write_buffer_size():
            return False
        cycle = self.cycle
        return cycle is None or cycle.response_complete or (cycle.more_body and not cycle.response_started)

    def connection_lost(self, exc: Exception | None) -> None:
        self.owing.pop(self, None)
        self._expected()
        self._flows()
        # uvicorn tells only the newest request that nobody listens any more.
        for cycle in (self._running, *(waiting for waiting, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Much is written that the other side does not take."""
        super().pause_writing()
        self._stalls()

    def resume_writing(self) -> None:
        """It takes it."""
        super().resume_writing()
        self._flows()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked for a while."""
        self.close()

    def close(self) -> None:
        """Close when what was written is taken, but do not wait for that for ever."""
        if self.transport.is_closing():
            return
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._stalls()

    def _stalls(self) -> None:
        if self._stalled is None:
            self._unsent = self.transport.get_write_buffer_size()
            self._stalled = self.loop.call_later(WRITE_SECONDS, self._look_at_stalled)

    def _look_at_stalled(self) -> None:
        self._stalled = None
        if self._unsent - self.transport.get_write_buffer_size() < WRITE_LEAST:
            self.transport.abort()
        else:
            self._stalls()

    def _flows(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._is_refused or self._is_deaf:
            return
        self._portion = len(data)
        if self._deadline is None:
            self._begun = data[:_LINE_MAX]
        else:
            self._head += len(data)
            self._begun = (self._begun + data)[:_LINE_MAX]
        if not self._read(data) or (self._deadline is not None and self._head > HEAD_MAX):
            self._refuse()
        elif self._deadline is None and not self._is_asked:
            self._expect()  # what came is part of no request, and uvicorn waits no longer

    def eof_received(self) -> bool:  # type: ignore[override]
        """The other side says no more, and may still listen to what it has asked for."""
        self._is_ended = True
        if self._is_asked and not self._is_refused and self.cycle.more_body:
            self._refuse()
        return self._is_asked

    def _read(self, data: bytes) -> bool:
        """Let the parser have it; whether it is HTTP."""
        while data:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # Nobody here speaks anything else (RFC 9110, section 7.8): what follows is the next request.
                data = data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            except httptools.HttpParserError:
                return False
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._expect()

    def on_headers_complete(self) -> None:
        self._expected()
        if len(self.pipeline) >= PIPELINE_MAX:
            raise ValueError("too many requests wait for their answer")
        if max(self._head, self._portion) > HEAD_MAX and self._head_size() > HEAD_MAX:
            raise ValueError("the head is too large")
        super().on_headers_complete()
        self._last, self.url, self._begun = self.url, b"", b""
        if self.cycle is not None:
            self.cycle.transport = self._patient  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self.cycle.response_complete:
            self.owing.pop(self, None)

    def on_response_complete(self) -> None:
        if self._is_deaf:
            return  # it was the last
        super().on_response_complete()
        is_asked = self._is_asked
        if not is_asked or (self.cycle.more_body and not self.pipeline):
            self._owes()
        if is_asked:
            return
        if self._is_refused:
            self._say_unreadable(self._path())
        elif self._is_ended:
            self.close()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    @property
    def _is_asked(self) -> bool:
        """Whether a request waits for its answer."""
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _refuse(self) -> None:
        """This is no request. It is said when what was asked before is answered, and then the end."""
        self._is_refused = True
        self._expected()
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_started:
            # It is the body of the newest request that is none.
            self.url = self.cycle.scope["raw_path"]
            if self.pipeline:
                self.pipeline.popleft()
            else:
                self.cycle.disconnected = self.cycle.response_complete = True
                self.cycle.message_event.set()
        if self._is_asked:
            self.flow.pause_reading()
        else:
            self._say_unreadable(self._path())

    def _say_unreadable(self, path: str) -> None:
        """Say so in the words of whoever has this path, and close."""
        if self._is_deaf or self.transport.is_closing():
            return
        reply = self.web.unreadable(path)
        headers = (
            (b"content-type", reply.content_type),
            (b"content-length", str(len(reply.body)).encode()),
            (b"connection", b"close"),
            *reply.headers,
        )
        lines = [STATUS_LINE[reply.status], *(b"%b: %b\r\n" % header for header in headers)]
        self.transport.write(b"".join([*lines, b"\r\n", reply.body]))
        self.linger()

    def linger(self) -> None:
        """Say no more, and hear nothing of what still comes; close soon."""
        self._is_deaf = True
        self._expected()
        if self._is_ended:
            self.close()
            return
        self._owes()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self._late)

    def _path(self) -> str:
        """The path that was asked for, as far as the parser came, or as it stands behind a word; otherwise
        that of the request before."""
        line = _LINE.match(self._begun)
        url = (self.url or (line[1] if line else self._last))[:_LINE_MAX]
        try:
            return unquote((httptools.parse_url(url).path or b"/").decode("latin-1"))
        except (httptools.HttpParserError, ValueError):
            return "/"

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


class _Patient:
    """The transport as an answer sees it, which closes it: with patience, while its request still comes."""

    __slots__ = ("_protocol", "is_closing", "write")

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self.write, self.is_closing = protocol.transport.write, protocol.transport.is_closing

    def close(self) -> None:
        """The answer is written, and is the last."""
        protocol = self._protocol
        if protocol.cycle.more_body and not self.is_closing():
            protocol.linger()
        else:
            protocol.close()


def server(web: Web, connections_max: int = CONNECTIONS_MAX) -> Server:
    """A server of the application, for so many connections at a time."""
    own = {"web": web, "connections_max": connections_max, "owing": OrderedDict()}
    return Server(
        uvicorn.Config(
            web,
            loop="none",
            http=type("Protocol", (Protocol,), own),
            # Those that come at once have open files before they are counted.
            backlog=min(_BACKLOG_MAX, max(_BACKLOG_MIN, connections_max // 5)),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
