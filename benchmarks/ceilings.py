"""What bounds single orders whatever Ulak does: an HTTP door that only reads the body, a bare group commit.

python -m benchmarks.ceilings http     prints {"port": …}; answers POSTs on it until its standard input ends
python -m benchmarks.ceilings rows     takes {"directory", "seconds", "producers"}; prints orders and seconds
"""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop

from benchmarks.lines import heard_async, say

_ANSWER = b'{"response":{"status":{"code":200,"message":"OK"},"order":{"id":"300000001"}}}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]
_decode = msgspec.json.Decoder().decode

Event = dict[str, Any]


async def door(
    scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
) -> None:
    """A bare ASGI application: read, decode, answer."""
    assert scope["type"] == "http"
    _decode((await receive())["body"])
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})


async def _http() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = uvicorn.Config(
        door,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    say({"port": listener.getsockname()[1]})
    async for _ in heard_async():
        say({"cpu": time.process_time()})
    server.should_exit = True
    await serving


class Committer:
    """A thread that writes what came while it was busy with one sync, an order row and a message row each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def place(self) -> asyncio.Future[None]:
        """Done when the order is on disk."""
        done = self._loop.create_future()
        with self._wake:
            self._waiting.append(done)
            self._wake.notify()
        return done

    def stop(self) -> None:
        """End the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE placed (id INTEGER PRIMARY KEY, sender TEXT, body TEXT, at INTEGER)")
        database.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, number INTEGER, state INTEGER)")
        last = 0
        while (group := self._taken()) is not None:
            ids = range(last + 1, last + 1 + len(group))
            last = ids[-1]
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO placed VALUES (?, ?, ?, ?)",
                [(i, "ULAK", "Onay kodunuz 12345678", i) for i in ids],
            )
            database.executemany(
                "INSERT INTO message VALUES (?, ?, ?)", [(i, 905300000000 + i, 20) for i in ids]
            )
            database.execute("COMMIT")
            self._loop.call_soon_threadsafe(_finish, group)
        database.close()

    def _taken(self) -> list[asyncio.Future[None]] | None:
        with self._wake:
            while not self._waiting and not self._stopping:
                self._wake.wait()
            group, self._waiting = self._waiting, []
        return group or None


def _finish(group: list[asyncio.Future[None]]) -> None:
    for done in group:
        done.set_result(None)


async def _commit(task: dict[str, Any]) -> dict[str, float]:
    committer = Committer(Path(task["directory"]) / "ceiling.db")
    cpu, began = time.process_time(), time.perf_counter()
    until = began + task["seconds"]

    async def produce() -> int:
        count = 0
        while time.perf_counter() < until:
            await committer.place()
            count += 1
        return count

    orders = sum(await asyncio.gather(*(produce() for _ in range(task["producers"]))))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    committer.stop()
    return {"orders": orders, "seconds": seconds, "cpu": cpu}


async def _rows() -> None:
    async for task in heard_async():
        say(await _commit(task))


if __name__ == "__main__":
    uvloop.run({"http": _http, "rows": _rows}[sys.argv[1]]())
