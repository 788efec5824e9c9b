"""A scripted server, a clock that passes only while nothing is on its way, and accounts between them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import pytest_asyncio
from tests.dialects.sms4sats_client.upstream import BALANCE, KEY, Upstream

from ulak.core.ports import Inbound, Outcome, Outgoing, Report
from ulak.dialects.sms4sats.connect import Sms4satsLink, Sms4satsSource
from ulak.outbound import Answer, Outbound

Result = TypeVar("Result")

NOW = 1_779_274_991_000

Account: TypeAlias = Callable[..., Sms4satsSource]
"""Makes a source at the scripted server; takes further settings."""


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
        del among
        return {}


class Linked:
    """A link, its desk, and the time that passes for both."""

    def __init__(self, link: Sms4satsLink, desk: Desk, hours: Hours) -> None:
        self.link = link
        self.desk = desk
        self.hours = hours

    async def start(self) -> Linked:
        await self.link.start(self.desk)
        await self.hours.until(lambda: bool(self.desk.states))
        return self

    def send(self, *ids: int, text: str = "Merhaba") -> None:
        self.link.submit([Outgoing(each, 905320000000 + each, "ULAK", text) for each in ids])

    async def told(self, count: int = 1) -> None:
        """Wait until so many outcomes are known."""
        await self.hours.until(lambda: len(self.desk.told) >= count)


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Upstream]:
    server = Upstream()
    server.on("GET /balance", BALANCE)
    await server.start()
    yield server
    await server.close()


@pytest_asyncio.fixture
async def way() -> AsyncIterator[Way]:
    opened = Way()
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def hours(way: Way) -> Hours:
    return Hours(way)


@pytest_asyncio.fixture
async def account(upstream: Upstream, hours: Hours, way: Way) -> Account:
    def make(**settings: str) -> Sms4satsSource:
        words = {"url": upstream.url, "apikey": KEY} | settings
        return Sms4satsSource(words, way, hours, hours.sleep, lambda: 0.5)

    return make


@pytest_asyncio.fixture
async def linked(upstream: Upstream, hours: Hours, way: Way) -> AsyncIterator[Callable[..., Linked]]:
    made: list[Linked] = []

    def make(**settings: str) -> Linked:
        words = {"url": upstream.url, "apikey": KEY, "carries": "sms"} | settings
        link = Sms4satsLink(words, way, hours, hours.sleep, lambda: 0.5)
        made.append(Linked(link, Desk(), hours))
        return made[-1]

    yield make
    for each in made:
        await each.link.stop()
