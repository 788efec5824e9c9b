"""Connections that are kept for posts: what comes of each post, and whether the next can follow."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.peers.certificates import Authority
from tests.workers.sinks import HERE, OK, Behave, Sink, answer, sink

from ulak.outbound import Blocked, Outbound, OutboundError
from ulak.outbound.line import Posted, PostLine

pytestmark = pytest.mark.fault(
    "F13 bad endpoint", "answers in pieces, without end or length, unasked, and TLS that is none"
)

HEADERS = {"content-type": "application/json", "webhook-id": "msg_1"}


async def posted(
    line: PostLine, body: bytes = b"{}", timeout: float = 5, headers: Mapping[str, str] = HEADERS
) -> Posted:
    """What comes of one post."""
    done: asyncio.Future[Posted] = asyncio.get_running_loop().create_future()
    line.post(headers, body, timeout, done.set_result)
    return await done


@asynccontextmanager
async def lined(behave: Behave | bytes = OK, limit: int = 100) -> AsyncIterator[tuple[Sink, PostLine]]:
    """A sink, and a connection to it."""
    async with sink(behave) as there, Outbound({HERE}) as outbound:
        line = await outbound.line(there.url(), limit=limit)
        yield there, line
        line.close()


def raw(text: str) -> Behave:
    """A sink that says this and closes."""

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text.encode())
        await writer.drain()
        writer.close()

    return behave


async def test_posts_follow_each_other_on_one_connection() -> None:
    async with lined() as (there, line):
        for number in range(3):
            assert await posted(line, b"%d" % number) == Posted(200)
            assert line.usable
        assert there.bodies == [b"0", b"1", b"2"]
        assert there.connections == 1
        request = there.requests[0]
        assert request.head.startswith(b"POST /hook HTTP/1.1\r\n")
        assert request.headers["host"] == f"{HERE}:{there.port}"
        assert request.headers["content-length"] == "1"
        assert request.headers["webhook-id"] == "msg_1"
        assert request.headers["user-agent"].startswith("ulak/")


@pytest.mark.parametrize(
    ("said", "status", "kept"),
    [
        (answer(204), 204, True),
        (answer(503, "Retry-After: 7"), 503, True),
        (answer(410), 410, True),
        (answer(302, "Location: https://elsewhere.example/"), 302, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n", 201, True),
        (answer(200, "Connection: close"), 200, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, False),
    ],
)
async def test_the_status_counts(said: bytes, status: int, kept: bool) -> None:
    async with lined(said) as (_, line):
        found = await posted(line)
        assert (found.status, found.note, line.usable) == (status, "", kept)
        assert found.retry_after == ("7" if status == 503 else None)


async def test_an_answer_that_comes_in_pieces() -> None:
    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for place in range(len(OK)):
            writer.write(OK[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0)

    async with lined(behave) as (_, line):
        assert await posted(line) == Posted(200)


async def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    async with lined(raw("HTTP/1.1 200 OK\r\n\r\nall of it")) as (_, line):
        assert (await posted(line)).status == 200
        assert not line.usable


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "the connection was closed before an answer came"),
        ("SSH-2.0-x\r\n", "what came back is no HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "the answer ended in the middle"),
    ],
)
async def test_a_bad_answer_is_a_sentence(said: str, why: str) -> None:
    async with lined(raw(said)) as (_, line):
        found = await posted(line)
        assert (found.status, found.note, found.unheard) == (0, why, False)
        assert not line.usable


async def test_silence_ends_in_time() -> None:
    async def behave(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with lined(behave) as (_, line):
        assert await posted(line, timeout=0.05) == Posted(0, note="no answer within 0.05 seconds")
        assert not line.usable


async def test_the_status_of_a_boundless_answer_counts() -> None:
    async with lined(raw("HTTP/1.1 200 OK\r\n\r\n" + "x" * 1000)) as (_, line):
        assert await posted(line) == Posted(200, note="the answer is larger than 100 bytes")
        assert not line.usable


async def test_a_connection_that_was_closed_while_idle_cannot_be_used() -> None:
    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with lined(behave) as (_, line):
        assert (await posted(line)).status == 200
        while line.usable:
            await asyncio.sleep(0.001)


async def test_a_connection_that_is_closed_under_a_post_went_unheard() -> None:
    """Only if it had served before: then the other side may have been closing it already."""
    served = 0

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        if served == 1:
            writer.write(OK)
            await writer.drain()
        else:
            writer.transport.abort()

    async with lined(behave) as (_, line):
        assert (await posted(line)).status == 200
        found = await posted(line)
        assert (found.status, found.unheard) == (0, True)


async def test_what_nobody_asked_for_closes_the_connection() -> None:
    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + answer(500))
        await writer.drain()

    async with lined(behave) as (_, line):
        assert (await posted(line)).status == 200
        while line.usable:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "\u0131"])
async def test_a_header_is_one_line(value: str) -> None:
    async with lined() as (there, line):
        with pytest.raises(ValueError, match=r"more than one line|latin-1"):
            line.post({"x": value}, b"", 5, lambda _posted: None)
        assert await posted(line) == Posted(200)
        assert len(there.requests) == 1


async def test_after_it_was_closed_nothing_is_said() -> None:
    async def behave(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    heard: list[Posted] = []
    async with lined(behave) as (_, line):
        line.post(HEADERS, b"", 0.01, heard.append)
        line.close()
        await asyncio.sleep(0.05)
    assert heard == []


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://93.184.216.34/", "https://localhost/"])
async def test_a_connection_is_not_made_to_where_it_must_not(url: str) -> None:
    async with Outbound() as outbound:
        with pytest.raises(Blocked):
            await outbound.line(url)


async def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    async def inside(_host: str) -> list[str]:
        return ["127.0.0.1"]

    async with Outbound(resolve=inside) as outbound:
        with pytest.raises(Blocked):
            await outbound.line("https://customer.example/hook")


async def test_nobody_there_is_a_sentence() -> None:
    async with sink() as there:
        url = there.url()
    async with Outbound({HERE}) as outbound:
        with pytest.raises(OutboundError, match="no connection"):
            await outbound.line(url)


async def test_certificates_are_checked(tmp_path: Path) -> None:
    authority = Authority("callbacks")
    trusting = ssl.create_default_context(cafile=str(authority.write(tmp_path / "ca.pem")))
    async with sink(OK, authority.server_context(tmp_path, HERE)) as there:
        url = there.url(scheme="https")
        async with Outbound({HERE}) as outbound:
            with pytest.raises(OutboundError, match="no connection"):
                await outbound.line(url)
        async with Outbound({HERE}, tls=trusting) as outbound:
            line = await outbound.line(url)
            assert (await posted(line)).status == 200
            line.close()
    assert len(there.requests) == 1


@pytest.mark.parametrize(
    "start",
    [
        "HTTP/1.1 200 OK\r\nx: ",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
    ],
)
async def test_what_goes_on_for_ever_beside_the_body_is_not_kept(start: str) -> None:
    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start.encode())
        while not writer.is_closing():
            writer.write(b"x" * 4096)
            await writer.drain()

    async with lined(behave) as (_, line):
        found = await posted(line)
        assert found.note == "the answer is larger than 100 bytes"
        assert found.status == (200 if "chunked" in start else 0)
        assert not line.usable


async def test_what_is_said_before_the_answer_is_none() -> None:
    async with lined(raw("HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n")) as (_, line):
        found = await posted(line)
        assert (found.status, found.retry_after) == (0, None)
    offered = answer(200, "Connection: upgrade, keep-alive", "Upgrade: h2,h2c")
    async with lined(offered) as (_, line):
        assert [(await posted(line)).status for _ in range(2)] == [200, 200]
