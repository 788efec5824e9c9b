"""Books over SQLite alone, for what does not depend on the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.wiring import GROUP_KINDS


class LiteBooks(Books):
    """Books whose clock a test can reach."""

    clock: Any


@pytest_asyncio.fixture
async def lite(sqlite_database: Database, clock: Any) -> AsyncIterator[LiteBooks]:
    """SQLite, asked from the event loop."""
    opened = LiteBooks(sqlite_database, GROUP_KINDS)
    opened.clock = clock
    yield opened
    await opened.close()
