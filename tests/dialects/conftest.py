"""Fixtures of tests in which an account is used from the client's side."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.peers.accounts import Hours, Way


@pytest_asyncio.fixture
async def way() -> AsyncIterator[Way]:
    opened = Way()
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def hours(way: Way) -> Hours:
    return Hours(way)
