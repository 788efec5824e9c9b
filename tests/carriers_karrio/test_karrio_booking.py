"""A booking through a library that knows no keys: once, or not at all, or an operator is asked."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.carriers_karrio.goods import booking, consignment, package, shipment

from ulak.carriers.karrio.carrier import KarrioCarrier
from ulak.carriers.karrio.settings import parse_settings
from ulak.carriers.karrio.worker import Answer, Exchange, Lost, Message, NotAsked, Worker
from ulak.core.shipping import Booked, Declined, Quote, Unreached, Watched

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


Carrier = Callable[..., KarrioCarrier]


@pytest.fixture(params=["on disk", "in memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "journal" if request.param == "on disk" else None


def refused(
    *messages: Message, status: int | None = 400, url: str = SHIP, error: str | None = None
) -> Answer:
    return Answer(None, list(messages), [], [Exchange("POST", url, status, error)])


async def test_the_same_key_books_once(journal: Path | None) -> None:
    worker = Scripted(GOOD)
    carrier = KarrioCarrier(SETTINGS, journal=journal, worker=worker)
    first = await carrier.book(booking(shipment()))
    assert isinstance(first, Booked)
    (ticket,) = first.tickets
    assert (ticket.tracking, ticket.file and ticket.file.mime) == ("1ZA", "application/zpl")
    assert await carrier.book(booking(shipment())) == first
    assert len(worker.asked) == 1


async def test_and_after_a_crash_too(tmp_path: Path) -> None:
    first = await KarrioCarrier(SETTINGS, journal=tmp_path, worker=Scripted(GOOD)).book(booking(shipment()))
    later = KarrioCarrier(SETTINGS, journal=tmp_path, worker=Scripted())
    assert await later.book(booking(shipment())) == first


UNCLEAR = [
    Lost("no answer within 60 s"),
    refused(status=None, error="timed out"),
    refused(Message("10001", "server trouble"), status=503),
    refused(Message("SHIPPING_SDK_INTERNAL_ERROR", "cannot read this"), status=200),
    refused(Message("W1", "an accessorial was dropped", "warning"), status=200),
    Answer(None, [], [], [Exchange("POST", LOGIN, 200), Exchange("POST", SHIP, None, "reset by peer")]),
]


@pytest.mark.parametrize("said", UNCLEAR)
async def test_what_may_have_been_booked_is_not_booked_again(said: Said, journal: Path | None) -> None:
    worker = Scripted(said, GOOD)
    carrier = KarrioCarrier(SETTINGS, journal=journal, worker=worker)
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
    said: Said, answer: Declined | Unreached, journal: Path | None
) -> None:
    carrier = KarrioCarrier(SETTINGS, journal=journal, worker=Scripted(said, GOOD))
    assert await carrier.book(booking(shipment())) == answer
    assert isinstance(await carrier.book(booking(shipment())), Booked)


async def test_a_process_that_died_while_it_asked(tmp_path: Path) -> None:
    """The key is on disk before the question leaves."""

    class Dying(Scripted):
        async def ask(self, verb: str, body: object, pieces: int = 1) -> Answer:  # noqa: ARG002
            assert len(list(tmp_path.glob("*.json"))) == 1
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await KarrioCarrier(SETTINGS, journal=tmp_path, worker=Dying()).book(booking(shipment()))
    again = KarrioCarrier(SETTINGS, journal=tmp_path, worker=Scripted(GOOD))
    answer = await again.book(booking(shipment()))
    assert isinstance(answer, Unreached)
    (path,) = tmp_path.glob("*.json")
    assert f"delete {path}" in answer.why
    path.unlink()
    assert isinstance(await again.book(booking(shipment())), Booked)


async def test_a_torn_entry_counts_as_asked(tmp_path: Path) -> None:
    carrier = KarrioCarrier(SETTINGS, journal=tmp_path, worker=Scripted(GOOD))
    await carrier.book(booking(shipment()))
    (path,) = tmp_path.glob("*.json")
    path.write_bytes(path.read_bytes()[:20])
    assert isinstance(await carrier.book(booking(shipment())), Unreached)


async def test_two_at_once_book_once(journal: Path | None) -> None:
    worker = Scripted(GOOD)
    carrier = KarrioCarrier(SETTINGS, journal=journal, worker=worker)
    answers = await asyncio.gather(*(carrier.book(booking(shipment())) for _ in range(5)))
    assert sum(isinstance(answer, Booked) for answer in answers) >= 1
    assert len(worker.asked) == 1


async def test_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    worker = Scripted()
    answer = await KarrioCarrier(SETTINGS, journal=tmp_path / "journal", worker=worker).book(
        booking(shipment())
    )
    assert isinstance(answer, Unreached)
    assert "was not asked" in answer.why
    assert not worker.asked


async def test_codes_that_came_along_are_declined() -> None:
    worker = Scripted()
    answer = await KarrioCarrier(SETTINGS, worker=worker).book(booking(shipment(package(barcode="RR1"))))
    assert isinstance(answer, Declined)
    assert not worker.asked


RATES = Answer(
    [
        {"service": "fast", "currency": "EUR", "total_charge": 80},
        {"service": "slow", "currency": "EUR", "total_charge": 20.1},
    ]
)


async def test_without_a_service_the_cheapest_is_booked() -> None:
    settings = parse_settings({"carrier": "ups", "rate_eur": "50"})
    worker = Scripted(RATES, RATES, GOOD)
    carrier = KarrioCarrier(settings, worker=worker)
    assert await carrier.quote(shipment()) == Quote(100_500)
    assert isinstance(await carrier.book(booking(shipment())), Booked)
    assert [verb for verb, _ in worker.asked] == ["rate", "rate", "ship"]
    assert worker.asked[2][1]["service"] == "slow"


async def test_the_shipment_s_own_service_comes_first() -> None:
    worker = Scripted(RATES, GOOD)
    carrier = KarrioCarrier(SETTINGS, worker=worker)
    assert await carrier.quote(shipment(method="Fast")) == Quote(400_000)
    await carrier.book(booking(shipment(method="fast")))
    assert worker.asked[1][1]["service"] == "fast"


async def test_no_prices() -> None:
    unsupported = Answer([], [Message("SHIPPING_SDK_NON_SUPPORTED_ERROR", "no")])
    down = refused(status=None, error="timed out")
    carrier = KarrioCarrier(SETTINGS, worker=Scripted(unsupported, down, Lost("no answer within 60 s")))
    assert await carrier.quote(shipment()) == Declined("Karrio cannot do this with this carrier")
    assert await carrier.quote(shipment()) == Unreached("timed out")
    assert await carrier.quote(shipment()) == Unreached("no answer within 60 s")


async def test_cancelling() -> None:
    done = Answer({"success": True})
    twice = refused(Message("190102", "The shipment has already been voided"))
    late = refused(Message("190101", "Time for voiding has expired."))
    worker = Scripted(done, twice, late, Lost("no answer within 60 s"))
    carrier = KarrioCarrier(SETTINGS, worker=worker)
    booked = consignment(shipment(), "1ZA")
    assert await carrier.cancel(booked) is None
    assert await carrier.cancel(booked) is None
    assert await carrier.cancel(booked) == Declined("Time for voiding has expired")
    assert await carrier.cancel(booked) == Unreached("no answer within 60 s")
    assert worker.asked[0] == ("cancel", {"shipment_identifier": "1ZA"})
    assert isinstance(await carrier.cancel(consignment(shipment(), "")), Declined)


async def test_tracking_in_batches() -> None:
    labels = [Watched(number, f"1Z{number}", "", 0, "TR") for number in range(25)]
    worker = Scripted(Answer(), Lost("no answer within 60 s"))
    said = await KarrioCarrier(SETTINGS, worker=worker).track(labels, 0)
    assert said == [()] * 10 + [Unreached("no answer within 60 s")] * 15
    assert [len(body["tracking_numbers"]) for _, body in worker.asked] == [10, 10]
    assert await KarrioCarrier(SETTINGS, worker=Scripted()).track([], 0) == []
