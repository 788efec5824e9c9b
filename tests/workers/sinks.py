"""Sinks: HTTP servers that take what they are sent and answer what a test wants, badly too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

HERE = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, *headers: str) -> bytes:
    """An answer without a body."""
    lines = [f"HTTP/1.1 {status} Said", *headers, "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()


@dataclass(frozen=True)
class Request:
    """What a sink was sent; the names of headers are in lower case."""

    head: bytes
    headers: dict[str, str]
    body: bytes


class Sink:
    """A server on a local port, and what it was sent."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.connections = 0

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]

    def url(self, host: str = HERE, scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/hook"


@asynccontextmanager
async def sink(behave: Behave | bytes = OK, tls: ssl.SSLContext | None = None) -> AsyncIterator[Sink]:
    """A server that answers every request with these bytes, or as told."""
    found = Sink()
    at_work: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        try:
            while True:
                found.requests.append(await _request(reader))
                if isinstance(behave, bytes):
                    writer.write(behave)
                    await writer.drain()
                else:
                    await behave(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the other side has gone, or the test has ended
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, HERE, 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work)


async def _request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
    headers = {name.lower(): value for name, value in pairs}
    return Request(head, headers, await reader.readexactly(int(headers.get("content-length", 0))))


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side goes."""
    await reader.read()
