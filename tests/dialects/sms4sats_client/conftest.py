"""A scripted server, and accounts at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest_asyncio
from tests.dialects.sms4sats_client.upstream import BALANCE, KEY, Upstream
from tests.peers.accounts import Desk, Hours, Way
from tests.peers.journal import Notes

from ulak.core.ports import Outgoing
from ulak.dialects.sms4sats.connect import Sms4satsLink, Sms4satsSource

Account: TypeAlias = Callable[..., Sms4satsSource]
"""Makes a source at the scripted server, as another process has it; takes further settings."""


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
async def account(upstream: Upstream, hours: Hours, way: Way) -> Account:
    notes = Notes()

    def make(**settings: str) -> Sms4satsSource:
        words = {"url": upstream.url, "apikey": KEY} | settings
        return Sms4satsSource(words, way, hours, notes, hours.sleep, lambda: 0.5)

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
