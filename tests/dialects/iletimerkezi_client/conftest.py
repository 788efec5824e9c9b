"""A server in memory, a clock that passes only while nothing is on its way, and links between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest_asyncio
from tests.dialects.iletimerkezi_client.upstream import HASH, KEY, Server
from tests.peers.accounts import Desk as PlainDesk
from tests.peers.accounts import Hours, Way

from ulak.core.ports import Accepted, Outcome, Outgoing, Report, ReportState
from ulak.dialects.iletimerkezi.connect import IletimerkeziLink

FIRST = 905320000000


class Desk(PlainDesk):
    """Remembers references as a store does."""

    def __init__(self) -> None:
        super().__init__()
        self.references: dict[str, bool] = {}

    def outcomes(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        super().outcomes(batch)
        for _, outcome in batch:
            if isinstance(outcome, Accepted):
                self.references.update(dict.fromkeys(outcome.references, True))

    def reports(self, batch: Sequence[Report], stored: Callable[[bool], None]) -> None:
        super().reports(batch, stored)
        if self.keeps:
            final = (report for report in batch if report.state is not ReportState.UNDERWAY)
            self.references.update((report.reference, False) for report in final)

    async def awaited(self, among: Sequence[str] | None = None) -> dict[str, bool]:
        await asyncio.sleep(0)
        if among is None:
            return {spelled: True for spelled, is_open in self.references.items() if is_open}
        return {spelled: self.references[spelled] for spelled in among if spelled in self.references}


class Linked:
    """A link, its desk, and the time that passes for both."""

    def __init__(self, link: IletimerkeziLink, desk: Desk, hours: Hours) -> None:
        self.link = link
        self.desk = desk
        self.hours = hours

    async def start(self) -> Linked:
        await self.link.start(self.desk)
        await self.hours.until(lambda: bool(self.desk.states))
        return self

    def send(self, *ids: int, text: str = "Merhaba", sender: str = "ULAK", to: int | None = None) -> None:
        """Submit messages, each to a number of its own if no other is told."""
        self.link.submit([Outgoing(each, FIRST + each if to is None else to, sender, text) for each in ids])

    def again(self, *ids: int, text: str = "Merhaba", to: int | None = None) -> None:
        """Submit messages in doubt as the engine does; each may be told of once more."""
        self.desk.told = [(each, outcome) for each, outcome in self.desk.told if each not in ids]
        self.send(*ids, text=text, to=to)

    async def told(self, count: int = 1) -> None:
        """Wait until so many outcomes are known."""
        await self.hours.until(lambda: len(self.desk.told) >= count)


@pytest_asyncio.fixture
async def upstream(hours: Hours) -> AsyncIterator[Server]:
    server = Server(hours)
    await server.start()
    yield server
    await server.close()


@pytest_asyncio.fixture
async def linked(upstream: Server, hours: Hours, way: Way) -> AsyncIterator[Callable[..., Linked]]:
    made: list[Linked] = []

    def make(desk: Desk | None = None, **settings: str) -> Linked:
        words = {"url": upstream.url, "key": KEY, "hash": HASH} | settings
        link = IletimerkeziLink(words, way, hours, hours.sleep, lambda: 0.5)
        made.append(Linked(link, desk or Desk(), hours))
        return made[-1]

    yield make
    for each in made:
        await each.link.stop()
