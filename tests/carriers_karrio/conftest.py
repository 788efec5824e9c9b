"""The journal of a carrier's bookings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ulak.core.journal import Journal
from ulak.service.journal import BookingJournal
from ulak.store.books import Books
from ulak.store.engine import Database


@pytest_asyncio.fixture
async def books(sqlite_database: Database) -> AsyncIterator[Books]:
    opened = Books(sqlite_database, {})
    yield opened
    await opened.close()


@pytest.fixture
def journal(books: Books) -> Journal:
    return BookingJournal(books, 1)
