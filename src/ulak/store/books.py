"""The store, asked from an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ulak.core.errors import StoreUnavailable
from ulak.core.figures import WriterFigures
from ulak.store.engine import Database, Tx
from ulak.store.writer import GroupKind, Pool, Writer

Result = TypeVar("Result")

READERS = 2
"""Reading threads. They share one interpreter lock, so more would only wait for it."""

WATCH = 1.0
"""Seconds between looks whether a connection waits for an answer that never comes."""

LONG = 0.01
"""Seconds after which a question has taken long, and those that wait behind it get another thread."""


class Books:
    """`read`, `write` and `gather` for one event loop; the work is done on other threads.

    Results come back to the loop a group at a time: one wake-up for many waiting requests.
    """

    def __init__(self, database: Database, kinds: Mapping[str, GroupKind]) -> None:
        self.database = database
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(database, kinds, self._deliver)
        self._pool = Pool(database, READERS, self._deliver)
        self._helping: asyncio.TimerHandle | None = None
        self._writer.start()
        self._pool.start()
        self._serving = contextlib.ExitStack()
        self._serving.enter_context(database.absence.remembered(self._refuse))
        self._watching = self._loop.call_later(WATCH, self._watch)

    @property
    def figures(self) -> WriterFigures:
        """What was written so far, counted."""
        return self._writer.figures

    @property
    def queued(self) -> tuple[int, int]:
        """What waits to be written, and questions that wait to be answered."""
        return self._writer.queued, self._pool.queued

    async def read(self, question: Callable[[Tx], Result]) -> Result:
        """Ask within one read transaction."""
        ticket: asyncio.Future[Result] = self._loop.create_future()
        if self._pool.ask(question, ticket) and self._helping is None:
            self._helping = self._loop.call_later(LONG, self._help)
        return await ticket

    def _help(self) -> None:
        """Questions may wait for one that takes long."""
        self._helping = self._loop.call_later(LONG, self._help) if self._pool.help() else None

    async def write(self, change: Callable[[Tx], Result]) -> Result:
        """Change within one transaction; returns after it is on disk. If `change` raises, nothing is."""
        ticket: asyncio.Future[Result] = self._loop.create_future()
        self._writer.change(change, ticket)
        return await ticket

    def gather(self, kind: str, item: Any) -> asyncio.Future[Any]:
        """Hand an item to the next group of its kind; the result comes after the group is on disk."""
        ticket: asyncio.Future[Any] = self._loop.create_future()
        self._writer.gather(kind, item, ticket)
        return ticket

    def _watch(self) -> None:
        """A connection may wait for an answer that never comes."""
        self._watching = self._loop.call_later(WATCH, self._watch)
        for connection in (self._writer.connection, *self._pool.connections):
            if connection is not None:
                connection.look_after()

    def _refuse(self, error: StoreUnavailable) -> None:
        self._writer.refuse(error)
        self._pool.refuse(error)

    async def close(self) -> None:
        """Finish what was given, then end the threads."""
        if self._helping is not None:
            self._helping.cancel()
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._pool.stop)
        self._watching.cancel()
        await asyncio.to_thread(self._serving.close)

    def _deliver(self, results: list[tuple[Any, Any]]) -> None:
        self._loop.call_soon_threadsafe(_resolve, results)


def _resolve(results: list[tuple[Any, Any]]) -> None:
    for ticket, result in results:
        if ticket.done():
            continue
        if isinstance(result, BaseException):
            ticket.set_exception(result)
        else:
            ticket.set_result(result)
