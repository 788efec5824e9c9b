"""A booking through a library that knows no keys: once, or not at all, or an operator is asked."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.carriers_karrio.goods import booking, consignment, package, shipment

from ulak.carriers.karrio.carrier import KarrioCarrier
from ulak.carriers.karrio.journal import KEPT
from ulak.carriers.karrio.settings import parse_settings
from ulak.carriers.karrio.worker import Answer, Exchange, Lost, Message, NotAsked, Worker
from ulak.core.errors import StoreUnavailable
from ulak.core.journal import Journal, Known
from ulak.core.shipping import Booked, Declined, Quote, Unreached, Watched
from ulak.service.journal import BookingJournal
from ulak.store import booking_keys
from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.store.writer import sync_write

SETTINGS = parse_settings({"carrier": "ups", "service": "ups_standard", "rate_eur": "50"})
SHIP = "https://onlinetools.ups.com/api/shipments/v2409/ship"
LOGIN = "https://onlinetools.ups.com/security/v1/oauth/token"
LABEL = base64.b64encode(b"^XA^FDlabel^FS^XZ").decode()
GOOD = Answer(
    {"tracking_number": "1ZA", "shipment_identifier": "1ZA"}, [], [LABEL], [Exchange("POST", SHIP, 200)]
)

Said = Answer | Exception


class Scripted(Worker):
    """Says what it was told to, and keeps what it was asked."""

    def __init__(self, *said: Said) -> None:
        super().__init__(SETTINGS)
        self.said = list(said)
        self.asked: list[tuple[str, Any]] = []

    async def ask(self, verb: str, body: object, pieces: int = 1) -> Answer:  # noqa: ARG002
        self.asked.append((verb, body))
        await asyncio.sleep(0)
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def cleared(database: Database) -> None:
    """What the operator's command does."""
    assert sync_write(database, lambda tx: booking_keys.clear(tx, "key-1"))


def refused(
    *messages: Message, status: int | None = 400, url: str = SHIP, error: str | None = None
) -> Answer:
    return Answer(None, list(messages), [], [Exchange("POST", url, status, error)])


async def test_the_same_key_books_once(journal: Journal) -> None:
    worker = Scripted(GOOD)
    carrier = KarrioCarrier(SETTINGS, journal, worker=worker)
    first = await carrier.book(booking(shipment()))
    assert isinstance(first, Booked)
    (ticket,) = first.tickets
    assert (ticket.tracking, ticket.file and ticket.file.mime) == ("1ZA", "application/zpl")
    assert await carrier.book(booking(shipment())) == first
    assert len(worker.asked) == 1


async def test_whichever_process_is_asked(books: Books, sqlite_database: Database) -> None:
    journal = BookingJournal(books, 1)
    first = await KarrioCarrier(SETTINGS, journal, worker=Scripted(GOOD)).book(booking(shipment()))
    other = Books(sqlite_database, {})
    later = KarrioCarrier(SETTINGS, BookingJournal(other, 1), worker=Scripted())
    assert await later.book(booking(shipment())) == first
    await other.close()


async def test_carriers_have_keys_of_their_own(books: Books) -> None:
    for carrier_id in (1, 2):
        carrier = KarrioCarrier(SETTINGS, BookingJournal(books, carrier_id), worker=Scripted(GOOD))
        assert isinstance(await carrier.book(booking(shipment())), Booked)


UNCLEAR = [
    Lost("no answer within 60 s"),
    refused(status=None, error="timed out"),
    refused(Message("10001", "server trouble"), status=503),
    refused(Message("SHIPPING_SDK_INTERNAL_ERROR", "cannot read this"), status=200),
    refused(Message("W1", "an accessorial was dropped", "warning"), status=200),
    Answer(None, [], [], [Exchange("POST", LOGIN, 200), Exchange("POST", SHIP, None, "reset by peer")]),
]


@pytest.mark.parametrize("said", UNCLEAR)
async def test_what_may_have_been_booked_is_not_booked_again(said: Said, journal: Journal) -> None:
    worker = Scripted(said, GOOD)
    carrier = KarrioCarrier(SETTINGS, journal, worker=worker)
    first = await carrier.book(booking(shipment()))
    second = await carrier.book(booking(shipment()))
    for answer in (first, second):
        assert isinstance(answer, Unreached)
        assert "not known whether ups booked this parcel" in answer.why
        assert "ULK0001" in answer.why
    assert len(worker.asked) == 1
    assert isinstance(await carrier.book(booking(shipment(), "key-2")), Booked), "other keys go on"


CLEAR: list[tuple[Said, Declined | Unreached]] = [
    (NotAsked("Karrio is not installed"), Unreached("Karrio is not installed")),
    (refused(Message("120100", "Missing city.")), Declined("Missing city")),
    (refused(Message("120100", "No such account"), status=200), Declined("No such account")),
    (refused(Message("250003", "Invalid Access"), status=401), Unreached("Invalid Access")),
    (refused(status=429), Unreached("the carrier answered with status 429")),
    (refused(status=None, url=LOGIN, error="no route to host"), Unreached("no route to host")),
    (Answer(None, [Message("SHIPPING_SDK_FIELD_ERROR", "bad weight")]), Declined("bad weight")),
    (
        Answer(None, [Message("SHIPPING_SDK_NON_SUPPORTED_ERROR", "not supported")]),
        Declined("Karrio cannot do this with this carrier"),
    ),
    (Answer(), Declined("the carrier gave no reason")),
]


@pytest.mark.parametrize(("said", "answer"), CLEAR)
async def test_what_was_surely_not_booked_may_be_tried_again(
    said: Said, answer: Declined | Unreached, journal: Journal
) -> None:
    carrier = KarrioCarrier(SETTINGS, journal, worker=Scripted(said, GOOD))
    assert await carrier.book(booking(shipment())) == answer
    assert isinstance(await carrier.book(booking(shipment())), Booked)


async def test_a_process_that_died_while_it_asked(journal: Journal, sqlite_database: Database) -> None:
    """The key is on disk before the question leaves."""

    class Dying(Scripted):
        async def ask(self, verb: str, body: object, pieces: int = 1) -> Answer:  # noqa: ARG002
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await KarrioCarrier(SETTINGS, journal, worker=Dying()).book(booking(shipment()))
    again = KarrioCarrier(SETTINGS, journal, worker=Scripted(GOOD))
    answer = await again.book(booking(shipment()))
    assert isinstance(answer, Unreached)
    assert "`ulak parcel unsure clear ULK0001`" in answer.why
    cleared(sqlite_database)
    assert isinstance(await again.book(booking(shipment())), Booked)


async def test_what_is_kept_with_the_parcel_is_not_booked_again(
    journal: Journal, sqlite_database: Database
) -> None:
    carrier = KarrioCarrier(SETTINGS, journal, worker=Scripted(GOOD))
    await carrier.book(booking(shipment()))
    sync_write(sqlite_database, lambda tx: booking_keys.keep(tx, 1, "key-1"))
    answer = await carrier.book(booking(shipment()))
    assert isinstance(answer, Unreached)
    assert "was booked before" in answer.why


async def test_an_answer_of_a_version_to_come_counts_as_asked(journal: Journal) -> None:
    await journal.begin("key-1")
    await journal.finish("key-1", b"\x01\x02")
    carrier = KarrioCarrier(SETTINGS, journal, worker=Scripted(GOOD))
    assert isinstance(await carrier.book(booking(shipment())), Unreached)


# What versions before left in a folder.


def left(folder: Path, **entry: Any) -> Path:
    """The file of a key."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{sha256(b'key-1').hexdigest()[:32]}.json"
    path.write_bytes(msgspec.json.encode({"key": "key-1", "barcode": "ULK0001", "tickets": None} | entry))
    return path


async def test_a_file_with_an_answer_is_taken_over(journal: Journal, tmp_path: Path) -> None:
    tickets = [
        {"tracking": "1ZOLD", "content": base64.b64encode(b"%PDF").decode(), "mime": "application/pdf"}
    ]
    path = left(tmp_path / "1", tickets=tickets, reference="1ZOLD")
    carrier = KarrioCarrier(SETTINGS, journal, folder=path.parent, worker=Scripted())
    first = await carrier.book(booking(shipment()))
    assert isinstance(first, Booked)
    (ticket,) = first.tickets
    assert (first.reference, ticket.tracking, ticket.file and ticket.file.content) == (
        "1ZOLD",
        "1ZOLD",
        b"%PDF",
    )
    assert not path.exists()
    assert await carrier.book(booking(shipment())) == first


async def test_also_where_the_process_died_while_it_took_it_over(journal: Journal, tmp_path: Path) -> None:
    path = left(tmp_path / "1", tickets=[{"tracking": "1ZOLD"}])
    await journal.begin("key-1")
    carrier = KarrioCarrier(SETTINGS, journal, folder=path.parent, worker=Scripted())
    assert isinstance(await carrier.book(booking(shipment())), Booked)


@pytest.mark.parametrize("torn", [False, True])
async def test_a_file_without_one_counts_as_asked(
    journal: Journal, sqlite_database: Database, tmp_path: Path, *, torn: bool
) -> None:
    path = left(tmp_path / "1")
    if torn:
        path.write_bytes(path.read_bytes()[:20])
    worker = Scripted(GOOD)
    carrier = KarrioCarrier(SETTINGS, journal, folder=path.parent, worker=worker)
    assert isinstance(await carrier.book(booking(shipment())), Unreached)
    assert not worker.asked
    cleared(sqlite_database)
    assert isinstance(await carrier.book(booking(shipment())), Booked), "it is read once"


async def test_an_old_file_is_deleted(journal: Journal, tmp_path: Path) -> None:
    path = left(tmp_path / "1")
    long_ago = time.time() - KEPT - 1
    os.utime(path, (long_ago, long_ago))
    carrier = KarrioCarrier(SETTINGS, journal, folder=path.parent, worker=Scripted(GOOD))
    assert isinstance(await carrier.book(booking(shipment())), Booked)
    assert not path.exists()


async def test_two_at_once_book_once(journal: Journal) -> None:
    worker = Scripted(GOOD)
    carrier = KarrioCarrier(SETTINGS, journal, worker=worker)
    answers = await asyncio.gather(*(carrier.book(booking(shipment())) for _ in range(5)))
    assert sum(isinstance(answer, Booked) for answer in answers) >= 1
    assert len(worker.asked) == 1


class Away:
    """A journal whose database goes away after so many calls."""

    def __init__(self, journal: Journal, calls: int) -> None:
        self._journal, self._left = journal, calls

    def _call(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise StoreUnavailable("PostgreSQL is away")

    async def begin(self, key: str) -> Known | None:
        self._call()
        return await self._journal.begin(key)

    async def finish(self, key: str, answer: bytes) -> None:
        self._call()
        await self._journal.finish(key, answer)

    async def forget(self, key: str) -> None:
        self._call()
        await self._journal.forget(key)


async def test_a_journal_that_cannot_be_written(journal: Journal) -> None:
    worker = Scripted()
    answer = await KarrioCarrier(SETTINGS, Away(journal, 0), worker=worker).book(booking(shipment()))
    assert isinstance(answer, Unreached)
    assert "was not asked" in answer.why
    assert not worker.asked


@pytest.mark.parametrize("said", [GOOD, refused(Message("120100", "Missing city."))])
async def test_what_cannot_be_written_afterwards(said: Answer, journal: Journal) -> None:
    """The answer is good, and a repetition is refused."""
    worker = Scripted(said)
    carrier = KarrioCarrier(SETTINGS, Away(journal, 1), worker=worker)
    assert isinstance(await carrier.book(booking(shipment())), Booked if said is GOOD else Declined)
    assert isinstance(
        await KarrioCarrier(SETTINGS, journal, worker=worker).book(booking(shipment())), Unreached
    )


async def test_codes_that_came_along_are_declined(journal: Journal) -> None:
    worker = Scripted()
    answer = await KarrioCarrier(SETTINGS, journal, worker=worker).book(
        booking(shipment(package(barcode="RR1")))
    )
    assert isinstance(answer, Declined)
    assert not worker.asked


RATES = Answer(
    [
        {"service": "fast", "currency": "EUR", "total_charge": 80},
        {"service": "slow", "currency": "EUR", "total_charge": 20.1},
    ]
)


async def test_without_a_service_the_cheapest_is_booked(journal: Journal) -> None:
    settings = parse_settings({"carrier": "ups", "rate_eur": "50"})
    worker = Scripted(RATES, RATES, GOOD)
    carrier = KarrioCarrier(settings, journal, worker=worker)
    assert await carrier.quote(shipment()) == Quote(100_500)
    assert isinstance(await carrier.book(booking(shipment())), Booked)
    assert [verb for verb, _ in worker.asked] == ["rate", "rate", "ship"]
    assert worker.asked[2][1]["service"] == "slow"


async def test_the_shipment_s_own_service_comes_first(journal: Journal) -> None:
    worker = Scripted(RATES, GOOD)
    carrier = KarrioCarrier(SETTINGS, journal, worker=worker)
    assert await carrier.quote(shipment(method="Fast")) == Quote(400_000)
    await carrier.book(booking(shipment(method="fast")))
    assert worker.asked[1][1]["service"] == "fast"


async def test_no_prices(journal: Journal) -> None:
    unsupported = Answer([], [Message("SHIPPING_SDK_NON_SUPPORTED_ERROR", "no")])
    down = refused(status=None, error="timed out")
    carrier = KarrioCarrier(
        SETTINGS, journal, worker=Scripted(unsupported, down, Lost("no answer within 60 s"))
    )
    assert await carrier.quote(shipment()) == Declined("Karrio cannot do this with this carrier")
    assert await carrier.quote(shipment()) == Unreached("timed out")
    assert await carrier.quote(shipment()) == Unreached("no answer within 60 s")


async def test_cancelling(journal: Journal) -> None:
    done = Answer({"success": True})
    twice = refused(Message("190102", "The shipment has already been voided"))
    late = refused(Message("190101", "Time for voiding has expired."))
    worker = Scripted(done, twice, late, Lost("no answer within 60 s"))
    carrier = KarrioCarrier(SETTINGS, journal, worker=worker)
    booked = consignment(shipment(), "1ZA")
    assert await carrier.cancel(booked) is None
    assert await carrier.cancel(booked) is None
    assert await carrier.cancel(booked) == Declined("Time for voiding has expired")
    assert await carrier.cancel(booked) == Unreached("no answer within 60 s")
    assert worker.asked[0] == ("cancel", {"shipment_identifier": "1ZA"})
    assert isinstance(await carrier.cancel(consignment(shipment(), "")), Declined)


async def test_tracking_in_batches(journal: Journal) -> None:
    labels = [Watched(number, f"1Z{number}", "", 0, "TR") for number in range(25)]
    worker = Scripted(Answer(), Lost("no answer within 60 s"))
    said = await KarrioCarrier(SETTINGS, journal, worker=worker).track(labels, 0)
    assert said == [()] * 10 + [Unreached("no answer within 60 s")] * 15
    assert [len(body["tracking_numbers"]) for _, body in worker.asked] == [10, 10]
    assert await KarrioCarrier(SETTINGS, journal, worker=Scripted()).track([], 0) == []
