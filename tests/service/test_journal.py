"""The journal of bookings: what it knows of a key, for how long, and what an operator makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.conftest import ClockedBooks, FakeClock
from tests.service.parcel_desk import Rig, once, rig_of

from ulak.core.errors import UlakError
from ulak.core.journal import Journal, KeyState, Known
from ulak.core.shipping import Booked, Booking, Declined, File, Ticket, Unreached, clear_command
from ulak.core.states import ParcelState
from ulak.service import journal
from ulak.service.desk import Denied, Done
from ulak.service.journal import BookingJournal
from ulak.service.sweep import Hand, sweep_slice
from ulak.store import booking_keys, settings
from ulak.store.books import Books
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write

ASKED = Known(KeyState.ASKED)
KEPT = Known(KeyState.KEPT)
_ROWS = Sql("SELECT key, state, answer FROM booking_key ORDER BY key, carrier_id")


@pytest_asyncio.fixture
async def other(database: Database) -> AsyncIterator[Books]:
    """The books of another process."""
    opened = Books(database, {})
    yield opened
    await opened.close()


def sweep(database: Database) -> None:
    hand, more = Hand(), True
    while more:
        hand, more = sync_write(database, lambda tx, h=hand: sweep_slice(tx, h, receipt_wait=10**12))  # type: ignore[misc]


def rows(tx: Tx) -> list[tuple[str, int, bytes | None]]:
    return [(row[0], row[1], row[2] and bytes(row[2])) for row in tx.all(_ROWS)]


async def test_of_many_who_begin_at_once_one_may_ask(books: ClockedBooks, other: Books) -> None:
    journals = [BookingJournal(each, 7) for each in (books, other) for _ in range(8)]
    found = await asyncio.gather(*(each.begin("k") for each in journals))
    assert found.count(None) == 1
    assert found.count(ASKED) == len(journals) - 1


async def test_an_answer_is_what_all_find(books: ClockedBooks, other: Books) -> None:
    ours, theirs = BookingJournal(books, 7), BookingJournal(other, 7)
    await ours.begin("k")
    await ours.finish("k", b"\x00 any bytes \xff")
    assert await theirs.begin("k") == Known(KeyState.ANSWERED, b"\x00 any bytes \xff")
    assert await BookingJournal(other, 8).begin("k") is None
    await theirs.forget("k")
    assert await ours.begin("k") is None


async def test_an_answer_that_comes_late_does_not_bring_back_what_is_kept(books: ClockedBooks) -> None:
    ours = BookingJournal(books, 7)
    await ours.begin("k")
    await books.write(lambda tx: booking_keys.keep(tx, 7, "k"))
    await ours.finish("k", b"late")
    assert await ours.begin("k") == KEPT
    await books.write(lambda tx: booking_keys.clear(tx, "k"))
    assert await ours.begin("k") == KEPT, "what was booked is not cleared"


async def test_keys_age_by_the_machine_s_clock(
    books: ClockedBooks, database: Database, clock: FakeClock
) -> None:
    ours = BookingJournal(books, 7)
    sync_write(database, lambda tx: settings.move_clock(tx, 10 * journal.KEPT))
    await ours.begin("k")
    sync_write(database, lambda tx: settings.move_clock(tx, 10 * journal.KEPT))
    sweep(database)
    assert await ours.begin("k") == ASKED
    clock.advance(journal.KEPT)
    sweep(database)
    assert await ours.begin("k") is None


class Keyless:
    """What a carrier does that knows no keys: it books each time it is asked."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.tickets: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.arrived = asyncio.Event()

    async def book(self, booking: Booking) -> Booked | Declined | Unreached:
        known = await self.journal.begin(booking.key)
        if known is not None and known.answer is not None:
            return Booked((Ticket(known.answer.decode()),), "ref")
        if known is not None:
            return Unreached(f"nobody knows; {clear_command(booking.barcode)}")
        self.tickets.append(f"RR{len(self.tickets)}TR")
        tracking = self.tickets[-1]
        self.arrived.set()
        await self.open.wait()
        await self.journal.finish(booking.key, tracking.encode())
        return Booked((Ticket(tracking, file=File(b"%PDF Ayse", "application/pdf")),), "ref")


@pytest.fixture
def rig(database: Database, books: ClockedBooks) -> Rig:
    return rig_of(database, books)


@pytest.fixture
def keyless(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Keyless:
    """The first carrier, as one that knows no keys."""
    found = Keyless(BookingJournal(rig.books, rig.first_id))
    monkeypatch.setattr(rig.first, "book", found.book)
    return found


async def test_what_is_with_the_consignment_is_not_in_the_journal(rig: Rig, keyless: Keyless) -> None:
    booked = await rig.booked()
    assert keyless.tickets == [booked.tracking]
    assert rig.read(rows) == [(booked.uuid, KeyState.KEPT, None)]
    assert rig.read(journal.unsure) == []
    with pytest.raises(UlakError, match="is not in doubt"):
        rig.write(lambda tx: journal.clear(tx, booked))


async def test_who_comes_late_does_not_book_again(rig: Rig, keyless: Keyless) -> None:
    """A process that began a booking, slept, and wakes when another one has concluded it."""
    booked = await rig.booked()
    late = await keyless.book(Booking(booked.uuid, booked.barcode, booked.shipment, 0))
    assert isinstance(late, Unreached)
    assert keyless.tickets == ["RR0TR"]


async def test_an_operator_decides(rig: Rig, keyless: Keyless, clock: FakeClock) -> None:
    """The process dies while it asks. Whoever goes on with it gives it up, until an operator has looked."""
    keyless.open.clear()
    dying = asyncio.create_task(rig.create(once=once()))
    await keyless.arrived.wait()
    (waiting,) = rig.all()
    with pytest.raises(UlakError, match="is being booked just now"):
        rig.write(lambda tx: journal.clear(tx, waiting))
    assert rig.read(journal.unsure) == [], "it may still be answered"
    dying.cancel()
    rig.desk = rig.another_desk()
    rig.release()
    denied = await rig.create(once=once())
    assert isinstance(denied, Denied)
    assert denied.text.endswith(f"ulak parcel unsure clear {waiting.barcode}")
    assert rig.stored(waiting.id).state is ParcelState.REJECTED
    (doubt,) = rig.read(journal.unsure)
    assert doubt == (waiting.id, clock.now, KeyState.ASKED)

    rig.write(lambda tx: journal.clear(tx, waiting))
    assert rig.read(journal.unsure) == []
    keyless.open.set()
    done = await rig.create(once=once())
    assert isinstance(done, Done)
    assert (done.consignment.id, done.consignment.tracking) == (waiting.id, "RR1TR")


async def test_an_answer_after_it_was_given_up_is_seen(rig: Rig, keyless: Keyless) -> None:
    """The process was only slow. Who orders it again gets what was booked."""
    keyless.open.clear()
    slow = asyncio.create_task(rig.create(once=once()))
    await keyless.arrived.wait()
    rig.desk = rig.another_desk()
    rig.release()
    assert isinstance(await rig.create(once=once()), Denied)
    keyless.open.set()
    assert isinstance(await slow, Denied)
    (doubt,) = rig.read(journal.unsure)
    assert doubt.state is KeyState.ANSWERED
    done = await rig.create(once=once())
    assert isinstance(done, Done)
    assert done.consignment.tracking == "RR0TR"
    assert keyless.tickets == ["RR0TR"]
    assert rig.read(journal.unsure) == []
    assert sync_read(rig.database, rows) == [(done.consignment.uuid, KeyState.KEPT, None)]
