"""The worker of parcels: what it does with jobs, and how it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest

from ulak.core.jobs import Job, JobKind
from ulak.workers import parcels
from ulak.workers.parcels import ParcelWorker

Result = TypeVar("Result")


class House:
    """Books that hold nothing, a queue with one job, and a desk that takes long."""

    def __init__(self) -> None:
        self.begun, self.open = asyncio.Event(), asyncio.Event()
        self.ended = False
        self.waiting = [Job(1, JobKind.BOOK, 7, 0)]

    async def read(self, question: Callable[[Any], Result]) -> Result:
        return question(None)

    async def write(self, change: Callable[[Any], Result]) -> Result:
        return change(None)

    def due(self, tx: Any) -> list[JobKind]:
        del tx
        return [job.kind for job in self.waiting]

    def claim(self, tx: Any, kind: JobKind, limit: int) -> list[Job]:
        del tx, kind
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def release(self, tx: Any) -> None:
        del tx

    async def go_on(self, jobs: Sequence[Job]) -> None:
        assert jobs
        self.begun.set()
        await self.open.wait()
        self.ended = True

    async def look(self, jobs: Sequence[Job]) -> None:
        raise AssertionError(jobs)


async def started() -> tuple[House, asyncio.Event, asyncio.Task[None]]:
    """A worker that waits for a carrier, and is asked to stop."""
    house, stop = House(), asyncio.Event()
    running = asyncio.create_task(ParcelWorker(house, house, house).run(stop))
    await house.begun.wait()
    stop.set()
    return house, stop, running


async def test_what_is_under_way_is_finished() -> None:
    house, _, running = await started()
    await asyncio.sleep(0)
    house.open.set()
    await running
    assert house.ended


async def test_a_carrier_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its job is still claimed, so the next process goes on with it."""
    monkeypatch.setattr(parcels, "LAST", 0.01)
    house, _, running = await started()
    await running
    assert not house.ended
