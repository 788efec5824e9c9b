"""The HTTP server against those who do not mean it: silent, slow, endless, too many."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ulak import web
from ulak.dialects.door import Call, Reply, Trouble
from ulak.web import Web
from ulak.wiring import http
from ulak.wiring import server as wired

pytestmark = pytest.mark.fault(
    "F14 slow HTTP", "silent sockets, heads and bodies that drip, a thousand of them beside honest callers"
)

NO_HTTP = b'{"error":"this is no HTTP request"}'
REQUEST = b"GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n"


class Doors:
    """Answers with what was asked for."""

    async def answer(self, call: Call) -> Reply:
        return Reply(200, call.path.encode() + call.body)

    def trouble(self, call: Call, what: Trouble) -> Reply:
        del call
        return Reply(400, what.value.encode())


async def ready() -> dict[str, object]:
    return {"ready": True}


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """The server that `ulak serve` starts, and its port."""
    running = http.server(Web([("/v1/", Doors())], ready))
    door = wired._listen("127.0.0.1", 0)
    serving = asyncio.ensure_future(running.serve(sockets=[door]))
    try:
        yield door.getsockname()[1]
    finally:
        running.should_exit = True
        await serving


async def said(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What comes back until the other side closes; between pieces there is a pause."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.ensure_future(reader.read())
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
            if answer.done():
                break
        return await asyncio.wait_for(answer, 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(web, "BODY_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_who_says_nothing_is_hung_up_on() -> None:
    async with listening() as port:
        assert await said(port) == b""


@pytest.mark.usefixtures("impatient")
async def test_a_head_that_drips_does_not_count_as_coming() -> None:
    async with listening() as port:
        drops = [b"GET /v1/x HTTP/1.1\r\n", *[b"x-a: b\r\n"] * 100]
        assert await said(port, *drops, pause=0.05) == b""


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_drips_is_answered_and_hung_up_on() -> None:
    async with listening() as port:
        head = b"POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n"
        answer = await said(port, head, *[b"x"] * 100, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\nbody_incomplete")


@pytest.mark.usefixtures("impatient")
async def test_the_head_of_a_further_request_has_a_deadline_too() -> None:
    async with listening() as port:
        answer = await said(port, REQUEST, b"GET /v1/y HT", *[b""] * 40, pause=0.05)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.usefixtures("impatient")
async def test_a_request_that_takes_long_to_answer_is_not_hung_up_on() -> None:
    class Slow(Doors):
        async def answer(self, call: Call) -> Reply:
            await asyncio.sleep(0.5)
            return await super().answer(call)

    running = http.server(Web([("/v1/", Slow())], ready))
    socket = wired._listen("127.0.0.1", 0)
    serving = asyncio.ensure_future(running.serve(sockets=[socket]))
    head = REQUEST.replace(b"host: a", b"host: a\r\nconnection: close")
    assert (await said(socket.getsockname()[1], head)).endswith(b"/v1/x")
    running.should_exit = True
    await serving


async def test_a_head_is_no_larger_than_it_may_be() -> None:
    async with listening() as port:
        most = b"GET /v1/x HTTP/1.1\r\nconnection: close\r\nx-a: " + b"a" * 60_000 + b"\r\n\r\n"
        assert (await said(port, most)).startswith(b"HTTP/1.1 200 ")
        for endless in (b"GET /v1/" + b"x" * 70_000, b"GET /v1/x HTTP/1.1\r\n" + b"x-a: b\r\n" * 10_000):
            answer = await said(port, endless)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.endswith(b"body_incomplete")


async def test_what_is_no_http_is_told_so() -> None:
    async with listening() as port:
        assert (await said(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")).endswith(NO_HTTP)


@pytest.mark.usefixtures("impatient")
async def test_one_too_many_is_closed_and_the_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECTIONS_MAX", 3)
    monkeypatch.setattr(http, "HEAD_SECONDS", 10.0)
    async with listening() as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await said(port, REQUEST) == b""
        reader, writer = held[0]
        writer.write(REQUEST)
        assert (await reader.readuntil(b"/v1/x")).startswith(b"HTTP/1.1 200 ")
        held[1][1].close()
        await held[1][1].wait_closed()
        head = REQUEST.replace(b"host: a", b"host: a\r\nconnection: close")
        while not (answer := await said(port, head)):
            await asyncio.sleep(0.01)
        assert answer.endswith(b"/v1/x")
        for _, other in (held[0], held[2]):
            other.close()


async def test_who_takes_nothing_of_his_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WRITE_SECONDS", 0.3)
    body = b"x" * 15_000_000  # more than two kernels keep for somebody
    asked = b"POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    async with listening() as port:
        loop = asyncio.get_running_loop()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, ("127.0.0.1", port))
            await loop.sock_sendall(deaf, asked)
            await asyncio.sleep(1)
            taken = 0
            with contextlib.suppress(ConnectionError):
                while piece := await loop.sock_recv(deaf, 1 << 20):
                    taken += len(piece)
            assert taken < len(body)
        assert (await said(port, asked.replace(b"host: a", b"connection: close"))).endswith(body)


async def test_who_is_slow_gets_all_of_his_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WRITE_SECONDS", 1.0)
    body = b"x" * 15_000_000
    asked = b"POST /v1/x HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        answer = bytearray()
        while piece := await reader.read(1 << 20):
            answer += piece
            await asyncio.sleep(0.05)
        writer.close()
    assert answer.endswith(body)


async def test_a_reset_behind_several_requests_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as port:
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST * 50)
            await asyncio.sleep(0)
            writer.transport.abort()
        assert (await said(port, REQUEST.replace(b"host: a", b"connection: close"))).endswith(b"/v1/x")
    assert caplog.records == []


@pytest.mark.usefixtures("impatient")
async def test_honest_callers_do_not_notice_a_thousand_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 3.0)  # A thousand of them take a while to begin.
    async with listening() as port:
        drip = b"POST /v1/x HTTP/1.1\r\ncontent-length: 10\r\n\r\n"
        openings = [b"", b"GET /v1/x HT", drip] * 330
        others = [asyncio.ensure_future(said(port, opening)) for opening in openings]
        head = REQUEST.replace(b"host: a", b"host: a\r\nconnection: close")
        for _ in range(20):
            assert (await said(port, head)).endswith(b"/v1/x")
        answers = await asyncio.gather(*others)
    assert [bool(answer) for answer in answers] == [opening == drip for opening in openings]
