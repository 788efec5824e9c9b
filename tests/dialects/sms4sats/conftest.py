"""Books without the audit: orders are put into them in any state, without the money that belongs to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.conftest import ClockedBooks, FakeClock

from ulak.store.engine import Database
from ulak.wiring import GROUP_KINDS


@pytest_asyncio.fixture
async def books(either_database: Database, clock: FakeClock) -> AsyncIterator[ClockedBooks]:
    """Both databases in turn, asked from the event loop."""
    opened = ClockedBooks(either_database, GROUP_KINDS)
    opened.clock = clock
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def lite(sqlite_database: Database, clock: FakeClock) -> AsyncIterator[ClockedBooks]:
    """One database, where the store does not matter."""
    opened = ClockedBooks(sqlite_database, GROUP_KINDS)
    opened.clock = clock
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def audited(database: Database, clock: FakeClock) -> AsyncIterator[ClockedBooks]:
    """Both databases in turn, for a whole shop: in the end everything that must be true is true."""
    opened = ClockedBooks(database, GROUP_KINDS)
    opened.clock = clock
    yield opened
    await opened.close()
