"""A scripted server, a clock that sleeping moves, and the carrier between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest_asyncio
from tests.dialects.comtohome_client.upstream import KEY, Scripted

from ulak.dialects.comtohome.connect import ComToHomeCarrier
from ulak.outbound import Outbound

Account: TypeAlias = Callable[..., ComToHomeCarrier]
"""Makes a carrier over the scripted server; takes further settings."""


class Hours:
    """A clock for which sleeping takes no time. `slept` are the seconds of each sleep."""

    def __init__(self) -> None:
        self.now = 1_779_274_991_000
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1000)


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Scripted]:
    server = Scripted()
    await server.start()
    yield server
    await server.close()


@pytest_asyncio.fixture
async def hours() -> Hours:
    return Hours()


@pytest_asyncio.fixture
async def account(upstream: Scripted, hours: Hours) -> AsyncIterator[Account]:
    async with Outbound() as outbound:

        def make(**settings: str) -> ComToHomeCarrier:
            words = {"url": upstream.url, "apikey": KEY} | settings
            return ComToHomeCarrier(words, outbound, hours, hours.sleep)

        yield make
