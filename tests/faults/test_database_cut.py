"""The database fails at the n-th statement, for every n, in everything that this server does.

A line that is cut is met in two ways: the server did not hear of the statement, or did and could not say so.
They differ for a COMMIT only; anything else is undone with its transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from tests.conftest import ClockedBooks, FakeClock
from tests.faults.cutting import Failing, How, Kept, failing
from tests.faults.flows import FLOWS, Flow
from tests.soak import SOAK

from ulak.service import audit
from ulak.store.engine import Database
from ulak.store.writer import sync_read
from ulak.wiring import GROUP_KINDS

LONG = {"number": 16}
"""Flows of so many statements that without a soak only every so many-th is tried."""

Record = Callable[[str, object], None]


class Books:
    """Opens books over the sound and the failing database, and checks what is in them."""

    def __init__(self, plain: Database, fails: Failing, clock: FakeClock) -> None:
        self._database = Kept(plain)
        self._fails = fails
        self._clock = clock
        self._failing: ClockedBooks | None = None
        self.plain = self._open(self._database)
        self.runs = 0

    def _open(self, database: Database) -> ClockedBooks:
        books = ClockedBooks(database, GROUP_KINDS)
        books.clock = self._clock
        return books

    async def close(self) -> None:
        """They are not used any more."""
        await self.plain.close()
        if self._failing is not None:
            await self._failing.close()
        self._database.close()

    async def fail(self, flow: Flow, at: int, how: How) -> bool:
        """Do it once with this failure, and all that follows; whether the failure was met."""
        self.runs += 1
        await flow.prepare()
        if self._failing is not None and (flow.starts or SOAK):
            await self._failing.close()
            self._failing = None
        self._failing = flow.books = self._failing or self._open(self._fails.database)
        self._fails.arm(at, how)
        answered, stored = await flow.act(), flow.stored()
        failed = self._fails.failed
        self._fails.arm(0)
        assert stored == 1 if answered else (stored in (0, 1) and not (flow.in_one and stored)), (at, how)
        assert answered or (failed and how is not How.CONFLICT), (at, how)
        await flow.go_on()
        findings = sync_read(self._database, audit.check)
        assert not findings, (at, how, findings)
        return failed


@pytest.fixture
def fails(either_database: Database) -> Iterator[Failing]:
    """The same data on a database that fails when it is told to."""
    made = failing(either_database)
    yield made
    made.close()


@pytest_asyncio.fixture
async def both(either_database: Database, fails: Failing, clock: FakeClock) -> AsyncIterator[Books]:
    opened = Books(either_database, fails, clock)
    yield opened
    await opened.close()


@pytest.mark.fault(
    "F9 database cut", "the database fails at the n-th statement, for every n, and is back at once"
)
@pytest.mark.parametrize("name", FLOWS)
async def test_a_database_that_fails_at_any_statement(
    name: str, both: Books, fails: Failing, record_property: Record
) -> None:
    flow = FLOWS[name](both.plain)
    step = 1 if SOAK else LONG.get(name, 1)
    at = 1
    while await both.fail(flow, at, How.BEFORE):
        if fails.database.postgres and (SOAK or fails.was_commit):
            assert await both.fail(flow, at, How.AFTER)
        at += step
    assert at > 5
    record_property("runs", both.runs)


@pytest.mark.fault(
    "F9 serialization failure", "the n-th statement loses against another transaction, for every n"
)
@pytest.mark.parametrize("either_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("name", FLOWS if SOAK else ["place"])
async def test_what_loses_against_another_transaction_is_done_again_and_once(
    name: str, both: Books, record_property: Record
) -> None:
    flow = FLOWS[name](both.plain)
    at = 2  # The first is said when a connection is made.
    while await both.fail(flow, at, How.CONFLICT):
        at += 1
    assert at > 5
    record_property("runs", both.runs)
