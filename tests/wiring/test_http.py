"""The HTTP server against those who do not mean it: silent, slow, endless, too many."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
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


class Held(Doors):
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.let = asyncio.Event()

    async def answer(self, call: Call) -> Reply:
        self.asked += 1
        await self.let.wait()
        return await super().answer(call)


@asynccontextmanager
async def listening(
    connections_max: int = http.CONNECTIONS_MAX, doors: Doors | None = None
) -> AsyncIterator[int]:
    """The server that `ulak serve` starts, and its port."""
    running = http.server(Web([("/v1/", doors or Doors())], ready), connections_max)
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


Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

LAST = REQUEST.replace(b"host: a", b"host: a\r\nconnection: close")
POST = b"POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345"
TOO_LARGE = b"POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n12345"


async def opened(port: int, *pieces: bytes) -> list[Line]:
    """A connection for each, which stays. The server has read what was said."""
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in pieces]
    for (_, writer), piece in zip(lines, pieces, strict=True):
        writer.write(piece)
    await asyncio.sleep(0.1)
    return lines


async def is_cut(line: Line) -> bool:
    """Whether the server has ended it, without a word that we have not read."""
    with contextlib.suppress(ConnectionError):
        try:
            return await asyncio.wait_for(line[0].read(1), 0.1) == b""
        except TimeoutError:
            return False
    return True


def hang_up(lines: list[Line]) -> None:
    for _, writer in lines:
        writer.close()


@pytest.mark.parametrize("opening", [b"", b"GET /v1/x HT", POST], ids=["silent", "head", "body"])
async def test_at_the_cap_the_one_that_owes_a_request_for_longest_ends(opening: bytes) -> None:
    async with listening(3) as port:
        lines = [(await opened(port, opening))[0] for _ in range(3)]
        assert (await said(port, LAST)).endswith(b"/v1/x")
        assert [await is_cut(line) for line in lines] == [True, False, False]
        lines += await opened(port, b"", b"")
        assert [await is_cut(line) for line in lines[1:]] == [True, False, False, False]
        hang_up(lines)


async def test_who_was_just_answered_is_the_last_to_end() -> None:
    async with listening(3) as port:
        lines = await opened(port, b"", b"", b"")
        lines[0][1].write(REQUEST)
        assert (await lines[0][0].readuntil(b"/v1/x")).startswith(b"HTTP/1.1 200 ")
        lines += await opened(port, b"", b"")
        assert [await is_cut(line) for line in lines] == [False, True, True, False, False]
        lines += await opened(port, b"")
        assert await is_cut(lines[0])
        hang_up(lines)


async def test_who_hears_why_he_is_not_heard_out_ends_too() -> None:
    async with listening(3) as port:
        lines = await opened(port, *[TOO_LARGE] * 3)
        for reader, _ in lines:
            assert (await reader.readuntil(b"body_too_large")).startswith(b"HTTP/1.1 400 ")
        assert (await said(port, LAST)).endswith(b"/v1/x")
        hang_up(lines)


async def test_who_waits_for_his_answer_gets_it_and_only_then_one_more_comes_in() -> None:
    doors = Held()
    async with listening(3, doors) as port:
        # The second request of one is not whole yet, nor is the head of the other's.
        lines = await opened(port, REQUEST, REQUEST + POST, REQUEST + b"GET /v1/x HT")
        assert doors.asked == 3
        assert await said(port, LAST) == b""
        assert await said(port, LAST) == b""
        doors.let.set()
        for reader, _ in lines:
            assert (await reader.readuntil(b"/v1/x")).startswith(b"HTTP/1.1 200 ")
        assert (await said(port, LAST)).endswith(b"/v1/x")
        hang_up(lines)


async def test_behind_an_answer_the_rest_of_a_request_is_owed() -> None:
    async with listening(1) as port:
        lines = await opened(port, REQUEST + POST)
        assert (await lines[0][0].readuntil(b"/v1/x")).startswith(b"HTTP/1.1 200 ")
        assert (await said(port, LAST)).endswith(b"/v1/x")
        hang_up(lines)


async def test_who_takes_his_answer_is_not_cut_off() -> None:
    body = b"x" * 15_000_000  # more than two kernels keep for somebody
    asked = b"POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    async with listening(1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        taken = len(await reader.readuntil(b"/v1/x"))
        assert await said(port, LAST) == b""
        assert len(await reader.readexactly(len(body))) == len(body) > taken
        writer.close()


async def test_any_number_of_silent_ones_keeps_nobody_out() -> None:
    async with listening(300) as port:
        flooding = True

        async def flood() -> int:
            made = 0
            silent: deque[socket.socket] = deque()
            while flooding:
                silent.append(socket.socket())
                silent[-1].setblocking(False)
                await asyncio.get_running_loop().sock_connect(silent[-1], ("127.0.0.1", port))
                made += 1
                if len(silent) > 200:
                    silent.popleft().close()
            for each in silent:
                each.close()
            return made

        floods = [asyncio.ensure_future(flood()) for _ in range(3)]
        await asyncio.sleep(1)
        for _ in range(50):
            assert (await said(port, LAST)).endswith(b"/v1/x")
        flooding = False
        assert sum(await asyncio.gather(*floods)) > 600


@pytest.mark.parametrize(
    ("soft", "hard", "files", "connections"),
    [
        (1024, 524_288, 16_384, 10_000),
        (1024, -1, 16_384, 10_000),
        (1_048_576, 1_048_576, 1_048_576, 10_000),
        (-1, -1, 16_384, 10_000),
        (16_384, 16_384, 16_384, 10_000),
        (1024, 4096, 4096, 2560),
        (256, 256, 256, 160),
    ],
)
def test_connections_leave_files_for_the_rest(soft: int, hard: int, files: int, connections: int) -> None:
    assert wired.files_for(soft, hard) == files
    assert http.connections_for(files) == connections


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
