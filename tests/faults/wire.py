"""A wire between a link and its operator that breaks after so many bytes, in either direction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import NamedTuple

from tests.chain.rig import HOST


class Way(Enum):
    """Which way bytes go."""

    UP = "to the operator"
    DOWN = "from the operator"


class End(Enum):
    """How a connection ends: closed, reset, or with nothing any more going through."""

    CLOSE = "closed"
    RESET = "reset"
    SILENCE = "silent"


class Cut(NamedTuple):
    """After `after` bytes that went this way, the connection ends."""

    way: Way
    after: int
    end: End


class Wire:
    """Everything that connects to `port` gets to the operator. `cut` is for the next connection, and only for
    that; `passed` counts the bytes of the newest one, `cuts` how many were cut so far."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.cut: Cut | None = None
        self.cuts = 0
        self.passed = dict.fromkeys(Way, 0)
        self._operator = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._connected, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take no more, and end all."""
        self._server.close()
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Reset every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        cut, self.cut = self.cut, None
        self.passed = passed = dict.fromkeys(Way, 0)
        there, back = await asyncio.open_connection(HOST, self._operator)
        both = {writer, back}
        self._open |= both
        silent = asyncio.Event()

        async def carry(way: Way, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                if silent.is_set():
                    continue
                if cut is not None and cut.way is way and passed[way] + len(data) >= cut.after:
                    data = data[: cut.after - passed[way]]
                passed[way] += len(data)
                target.write(data)
                await target.drain()
                if cut is not None and cut.way is way and passed[way] >= cut.after:
                    self.cuts += 1
                    if cut.end is End.SILENCE:
                        silent.set()
                        continue
                    if cut.end is End.RESET:
                        await asyncio.sleep(0)  # What was written is on its way.
                        for each in both:
                            each.transport.abort()
                    return

        ways = (carry(Way.UP, reader, back), carry(Way.DOWN, there, writer))
        tasks = [asyncio.create_task(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in both:
            each.close()
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._open -= both


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    """A wire for the length of a `with`."""
    opened = Wire(port)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()
