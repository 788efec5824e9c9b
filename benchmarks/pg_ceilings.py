"""What PostgreSQL does with bare rows, and nothing around them: the ceilings of `roles`.

    python -m benchmarks.pg_ceilings

takes {"url", "producers", "seconds"} on standard input: groups of whatever came during the commit before, an
order row and a message row each, one synced commit a group. Or {"url", "messages", "group"}: message rows
inserted a thousand at a time, then each changed twice, when it is sent and when its receipt comes, in groups.
Prints what was done and how long it took.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import psycopg
import uvloop

from benchmarks.lines import heard_async, say

_TABLES = b"""
CREATE TABLE IF NOT EXISTS placed (id bigint PRIMARY KEY, sender text, body text, at bigint);
CREATE TABLE IF NOT EXISTS message (id bigint PRIMARY KEY, number bigint, state smallint, parts smallint,
    open_parts smallint, changed bigint);
TRUNCATE placed, message
"""
_PLACED = "INSERT INTO placed SELECT id, 'ULAK', 'Onay kodunuz 12345678', 0 FROM unnest(%s::int8[]) AS id"
_MESSAGES = "INSERT INTO message SELECT id, 905300000000 + id, 20, 1, 1, 0 FROM unnest(%s::int8[]) AS id"
_CHANGED = (
    "UPDATE message SET state = %s, changed = 1 FROM unnest(%s::int8[]) AS w (id) WHERE message.id = w.id"
)
_AN_ORDER = 1_000


class Committer:
    """A thread that commits what came while it was busy with the commit before."""

    def __init__(self, url: str) -> None:
        self._url = url
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
        last = 0
        with psycopg.connect(self._url) as database:
            while group := self._taken():
                ids = list(range(last + 1, last + 1 + len(group)))
                last = ids[-1]
                database.execute(_PLACED, [ids])
                database.execute(_MESSAGES, [ids])
                database.commit()
                self._loop.call_soon_threadsafe(_finish, group)

    def _taken(self) -> list[asyncio.Future[None]]:
        with self._wake:
            while not self._waiting and not self._stopping:
                self._wake.wait()
            group, self._waiting = self._waiting, []
        return group


def _finish(group: list[asyncio.Future[None]]) -> None:
    for done in group:
        done.set_result(None)


async def _orders(task: dict[str, Any]) -> dict[str, float]:
    committer = Committer(task["url"])
    began = time.perf_counter()
    until = began + task["seconds"]

    async def produce() -> int:
        count = 0
        while time.perf_counter() < until:
            await committer.place()
            count += 1
        return count

    done = sum(await asyncio.gather(*(produce() for _ in range(task["producers"]))))
    seconds = time.perf_counter() - began
    committer.stop()
    return {"done": done, "seconds": seconds}


def _bulk(task: dict[str, Any]) -> dict[str, float]:
    count, group = task["messages"], task["group"]
    began = time.perf_counter()
    with psycopg.connect(task["url"]) as database:
        for first in range(1, count + 1, _AN_ORDER):
            database.execute(_MESSAGES, [list(range(first, min(first + _AN_ORDER, count + 1)))])
            database.commit()
        for first in range(1, count + 1, group):
            ids = list(range(first, min(first + group, count + 1)))
            for state in (21, 23):
                database.execute(_CHANGED, [state, ids])
                database.commit()
    return {"done": count, "seconds": time.perf_counter() - began}


async def _serve() -> None:
    async for task in heard_async():
        with psycopg.connect(task["url"]) as database:
            database.execute(_TABLES)
        say(_bulk(task) if "messages" in task else await _orders(task))


if __name__ == "__main__":
    uvloop.run(_serve())
