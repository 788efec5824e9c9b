"""What is to be done about parcels: looking after them, and going on with what a gone process began."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from ulak.core.jobs import Job, JobKind

Result = TypeVar("Result")

POLL = 0.5
"""Seconds between looks for jobs that have become due."""

BATCHES = {JobKind.BOOK: 16, JobKind.TRACK: 200}
"""Jobs of a kind that are claimed at once. Bookings that wait for each other would outlast their claims."""

LAST = 5.0
"""Seconds that work under way has to end when we stop: carriers may take far longer for a batch."""

log = structlog.get_logger("ulak.parcels")


class Books(Protocol):
    """What the worker asks of the store."""

    async def read(self, question: Callable[[Any], Result]) -> Result:
        """Ask within one read transaction."""

    async def write(self, change: Callable[[Any], Result]) -> Result:
        """Change within one transaction of its own."""


class Desk(Protocol):
    """Who can do the jobs."""

    async def go_on(self, jobs: Sequence[Job]) -> None:
        """Finish bookings that were left in the middle."""

    async def look(self, jobs: Sequence[Job]) -> None:
        """Ask the carriers about parcels."""


class Jobs(Protocol):
    """The queue."""

    def due(self, tx: Any) -> list[JobKind]:
        """The kinds of which something is due."""

    def claim(self, tx: Any, kind: JobKind, limit: int) -> list[Job]:
        """Claim some that are due."""

    def release(self, tx: Any) -> None:
        """Make due what processes that are gone had claimed."""


class ParcelWorker:
    """Does due jobs, a batch after the other."""

    def __init__(self, books: Books, desk: Desk, jobs: Jobs) -> None:
        self._books = books
        self._desk = desk
        self._jobs = jobs

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stopped; a failure is logged and met again later.

        What carriers are asked just then has a while to end. What has not is left to the next process, as
        after a crash.
        """
        working = asyncio.create_task(self._until(stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({working}, timeout=LAST)
            if not working.done():
                log.warning("parcels.left")
        finally:
            stopping.cancel()
            working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    async def _until(self, stop: asyncio.Event) -> None:
        released = False
        while not stop.is_set():
            try:
                if not released:
                    await self._books.write(self._jobs.release)
                    released = True
                while not stop.is_set() and await self.work():
                    pass
            except Exception:
                log.warning("parcels.failed", exc_info=True)
            try:
                await asyncio.wait_for(stop.wait(), POLL)
            except TimeoutError:
                continue

    async def work(self) -> bool:
        """Do what is due now, at most a batch of each kind; whether there was anything."""
        kinds = await self._books.read(self._jobs.due)
        for kind in kinds:
            jobs = await self._books.write(partial(self._jobs.claim, kind=kind, limit=BATCHES[kind]))
            if jobs:
                await (self._desk.go_on(jobs) if kind is JobKind.BOOK else self._desk.look(jobs))
        return bool(kinds)
