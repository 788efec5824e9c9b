"""What tests of accounts at a scripted server share: a way out, a clock that passes only while nothing is on
its way, and a desk that notes what a link says."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ulak.core.ports import Inbound, Outcome, Report
from ulak.outbound import Answer, Outbound

Result = TypeVar("Result")

NOW = 1_779_274_991_000


class Way(Outbound):
    """The way out, which knows whether anything is on its way."""

    busy = 0

    async def request(self, *given: Any, **named: Any) -> Answer:
        self.busy += 1
        try:
            return await super().request(*given, **named)
        finally:
            self.busy -= 1


class Hours:
    """A clock. Who sleeps is woken when nothing else is to be done. `slept`: the seconds of each sleep."""

    def __init__(self, way: Way) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self._way = way
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def __call__(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + round(seconds * 1000), len(self.slept), future))
        await future

    async def until(self, done: Callable[[], bool]) -> None:
        """Let time pass until this is so."""
        async with asyncio.timeout(10):
            while not done():
                await self._settle()
                if done():
                    return
                self.wake()

    def wake(self) -> None:
        """Let the time come until which somebody sleeps."""
        while self._sleepers:
            at, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self.now = max(self.now, at)
                future.set_result(None)
                return

    async def run(self, work: Awaitable[Result]) -> Result:
        """What comes of this, however long it takes."""
        task = asyncio.ensure_future(work)
        await self.until(task.done)
        return task.result()

    async def pass_by(self, seconds: float) -> None:
        """Let so much time pass."""
        await self.run(self.sleep(seconds))
        await self._settle()

    async def _settle(self) -> None:
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            if not self._way.busy:
                return
            await asyncio.sleep(0.0005)


class Desk:
    """Notes what a link says. `keeps`: whether reports are stored."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Outcome]] = []
        self.reported: list[Report] = []
        self.came: list[Inbound] = []
        self.states: list[tuple[bool, str]] = []
        self.keeps = True
        self.open: list[str] = []
        """References from before of which final news are awaited."""

    @property
    def outcome(self) -> dict[int, Outcome]:
        """What became of each; it was told once."""
        assert len(dict(self.told)) == len(self.told)
        return dict(self.told)

    @property
    def up(self) -> bool:
        return bool(self.states) and self.states[-1][0]

    def outcomes(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        self.told += batch

    def reports(self, batch: Sequence[Report], stored: Callable[[bool], None]) -> None:
        self.reported += batch
        stored(self.keeps)

    def inbound(self, batch: Sequence[Inbound], stored: Callable[[bool], None]) -> None:
        self.came += batch
        stored(self.keeps)

    def link_state(self, up: bool, why: str) -> None:
        self.states.append((up, why))

    async def awaited(self, among: Sequence[str] | None = None) -> dict[str, bool]:
        return {each: True for each in self.open if among is None or each in among}
