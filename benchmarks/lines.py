"""How the programs of a benchmark speak with each other: a line of JSON in, a line of JSON out.

A helper ends when its standard input does, so none is left behind when the benchmark dies.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec


def say(answer: object) -> None:
    """One line out."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def heard() -> Iterator[dict[str, Any]]:
    """The tasks of a helper that may block while it works on one."""
    for line in sys.stdin.buffer:
        yield msgspec.json.decode(line)


async def heard_async() -> AsyncIterator[dict[str, Any]]:
    """The tasks of a helper that has an event loop to keep running."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield msgspec.json.decode(line)
