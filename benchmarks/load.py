"""HTTP load: keep-alive connections to 127.0.0.1, one request under way on each, as cheap as it can be.

    python -m benchmarks.load

takes {"port", "path", "body", "connections", "seconds" or "count", "first"} on standard input. `body` has
places for two numbers (as in "%08d … %010d"): a serial number and a telephone number, both different in
every request and of fixed width. Without a body it asks with GET, and `path` has a place for a number (as in
"%09d") below `spread`, which jumps about. `headers` are added to every request. Prints how many were answered
with 200, and how long that took.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from array import array
from collections.abc import Iterator
from typing import Any, cast

import uvloop

from benchmarks.lines import heard_async, say

FIRST_NUMBER = 5_300_000_000
_JSON = {"content-type": "application/json"}
_STRIDE = 7_919
"""A prime, so that the numbers below `spread` come scattered, and all of them before one comes again."""


class Volley:
    """One task: what is to be sent, and what came of it."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._spread: int = task.get("spread", 0)
        self._template = _asking(task) if self._spread else _posting(task)
        self._serials: Iterator[int] = itertools.count(task.get("first", 0))
        self._left: int = task.get("count", 1 << 60)
        self._until = time.perf_counter() + task.get("seconds", 3600)
        self.latencies = array("d")
        self.refused = 0
        self.first_refusal = ""

    def next(self) -> bytes | None:
        """Another request, None when it is enough."""
        if not self._left or time.perf_counter() >= self._until:
            return None
        self._left -= 1
        serial = next(self._serials)
        if self._spread:
            return self._template % (serial * _STRIDE % self._spread)
        return self._template % (serial, FIRST_NUMBER + serial)

    def answered(self, answer: bytes, seconds: float) -> None:
        """Count an answer."""
        self.latencies.append(seconds)
        if not answer.startswith(b"HTTP/1.1 200"):
            self.refused += 1
            self.first_refusal = self.first_refusal or answer.decode("latin-1")

    def summary(self, seconds: float, cpu: float) -> dict[str, Any]:
        """What came of it."""
        ordered = sorted(self.latencies)
        ms = {f"p{share}_ms": _share(ordered, share) * 1000 for share in (50, 99, 100)}
        accepted = len(ordered) - self.refused
        return {"accepted": accepted, "refused": self.refused, "first_refusal": self.first_refusal} | {
            "seconds": seconds,
            "cpu": cpu,
            **ms,
        }


def _asking(task: dict[str, Any]) -> bytes:
    return _head("GET", task["path"], task.get("headers", {}))


def _posting(task: dict[str, Any]) -> bytes:
    body: bytes = task["body"].encode()
    size = len(body % (0, FIRST_NUMBER))
    return _head("POST", task["path"], _JSON | task.get("headers", {}) | {"content-length": str(size)}) + body


def _head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _share(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


class Connection(asyncio.Protocol):
    """One connection: the next request leaves when the answer to the last one is whole."""

    def __init__(self, volley: Volley, done: asyncio.Future[None]) -> None:
        self._volley = volley
        self._done = done
        self._answer = b""
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        request = self._volley.next()
        if request is None:
            self._transport.close()
            return
        self._asked_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        answer = self._answer + data if self._answer else data
        if not _whole(answer):
            self._answer = answer
            return
        self._answer = b""
        self._volley.answered(answer, time.perf_counter() - self._asked_at)
        self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


def _whole(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = answer.find(b"content-length: ")
    return len(answer) >= head + 4 + int(answer[at + 16 : answer.find(b"\r\n", at)])


async def _volley(task: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    cpu, began = time.process_time(), time.perf_counter()
    volley = Volley(task)
    ends = [loop.create_future() for _ in range(task["connections"])]
    for end in ends:
        await loop.create_connection(lambda end=end: Connection(volley, end), "127.0.0.1", task["port"])  # type: ignore[misc]
    await asyncio.gather(*ends)
    return volley.summary(time.perf_counter() - began, time.process_time() - cpu)


async def _serve() -> None:
    async for task in heard_async():
        say(await _volley(task))


if __name__ == "__main__":
    uvloop.run(_serve())
