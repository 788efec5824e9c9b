"""What the chain tests share: a server's data on either database, and an operator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest_asyncio
from tests.chain.rig import Server
from tests.chain.smsc import Smsc

from ulak.store.engine import Database


@pytest_asyncio.fixture
async def server(database: Database) -> AsyncIterator[Server]:
    """Data for a server, on one database after the other."""
    found = Server(database.directory, database.url)
    yield found
    await found.close()


@pytest_asyncio.fixture
async def sqlite_server(sqlite_database: Database) -> AsyncIterator[Server]:
    """Data for a server, on SQLite."""
    found = Server(sqlite_database.directory, None)
    yield found
    await found.close()


@pytest_asyncio.fixture
async def open_smsc() -> AsyncIterator[Callable[..., object]]:
    """Opens operators, which are closed after the test."""
    opened: list[Smsc] = []

    async def open_one(**options: object) -> Smsc:
        smsc = await Smsc(**options).open()  # type: ignore[arg-type]
        opened.append(smsc)
        return smsc

    yield open_one
    for smsc in opened:
        await smsc.close()
