"""Bytes of HTTP: what our server reads of whoever connects, and our client of whom it has called."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from typing import Any

import httptools

from ulak.dialects.door import Call, Reply, Trouble
from ulak.outbound.line import Posted, PostLine
from ulak.web import Web
from ulak.wiring import http

LIMIT = 1_000
TURNS = 50
READS = 64
"""Reads in which an input comes, at most: more take long and show nothing else."""


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 50000), "sockname": ("192.0.2.2", 80)})
        self.written = b""
        self.closed = False
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        raise AssertionError(f"no other protocol is spoken: {protocol}")


# The server


class _Doors:
    """Answers with what came."""

    async def answer(self, call: Call) -> Reply:
        return Reply(200, b"%d" % len(call.body), b"text/plain")

    def trouble(self, call: Call, what: Trouble) -> Reply:
        del call
        return Reply(400, what.value.encode(), b"text/plain")


async def _ready() -> dict[str, object]:
    return {"ready": True}


@cache
def _server() -> http.Server:
    server = http.server(Web([("/v1/", _Doors()), ("/", _Doors())], _ready))
    server.config.load()
    return server


class _Errors(logging.Logger):
    """What the server says of itself: whatever fails within an answer is only told there."""

    def __init__(self) -> None:
        super().__init__("fuzz")
        self.told: list[object] = []

    def error(self, msg: object, *args: object, exc_info: object = None, **rest: object) -> None:
        self.told.append((msg, args, exc_info, rest))


class _Answers:
    """Counts whole answers."""

    def __init__(self, written: bytes) -> None:
        self.statuses: list[int] = []
        self.whole = 0
        parser = httptools.HttpResponseParser(self)
        self._parser = parser
        parser.feed_data(written)

    def on_headers_complete(self) -> None:
        self.statuses.append(self._parser.get_status_code())

    def on_message_complete(self) -> None:
        self.whole += 1


def http_request(data: bytes) -> None:
    """What a connection sends. The first byte says how it is cut into reads."""
    _runner().run(_served(data[1:], 1 + data[0] if data else 1))


async def _served(data: bytes, cut: int) -> None:
    server, loop = _server(), asyncio.get_running_loop()
    make: Any = server.config.http_protocol_class
    protocol = make(config=server.config, server_state=server.server_state, app_state={}, _loop=loop)
    protocol.logger = errors = _Errors()
    transport = Transport()
    protocol.connection_made(transport)
    cut = max(cut, len(data) // READS)
    for start in range(0, len(data), cut):
        if transport.closed:
            break
        protocol.data_received(data[start : start + cut])
        await asyncio.sleep(0)
    for _ in range(TURNS):
        await asyncio.sleep(0)
        if not server.server_state.tasks:
            break
    protocol.connection_lost(None)
    for _ in range(TURNS):
        await asyncio.sleep(0)
        if not server.server_state.tasks:
            break
    assert not server.server_state.tasks
    assert not server.server_state.connections
    assert not errors.told, errors.told
    if transport.written:
        answers = _Answers(transport.written)
        assert set(answers.statuses) <= {100, 200, 400, 404, 503}, answers.statuses
        assert answers.whole == len(answers.statuses)


# The client


def http_answer(data: bytes) -> None:
    """What an endpoint sends back to a callback. The first byte says how it is cut, and how it ends."""
    _runner().run(_posted(data[1:], 1 + (data[0] >> 1) if data else 1, bool(data and data[0] & 1)))


async def _posted(data: bytes, cut: int, broken: bool) -> None:
    found: list[Posted] = []
    line = PostLine("http://192.0.2.1/", b"POST / HTTP/1.1\r\nhost: a\r\n", LIMIT)
    transport = Transport()
    line.connection_made(transport)
    line.post({"x": "y"}, b"body", 60.0, found.append)
    for start in range(0, len(data), cut):
        if transport.closed:
            break
        line.data_received(data[start : start + cut])
    line.connection_lost(ConnectionResetError() if broken else None)
    await asyncio.sleep(0)
    assert len(found) == 1, found
    posted = found[0]
    assert posted.status == 0 or 200 <= posted.status <= 999 or posted.note
    assert posted.status or posted.note
    assert not line.usable
