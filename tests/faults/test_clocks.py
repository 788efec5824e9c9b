"""Clocks that jump or stand still, and machines that stand in other time zones."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests import cast
from tests.conftest import ClockedBooks, FakeClock, Postgres
from tests.dialects.comtohome.office import Office as ParcelOffice
from tests.dialects.comtohome.samples import of_the_page
from tests.dialects.iletimerkezi.office import Office as MessageOffice
from tests.dialects.sms4sats.office import Office as NumberOffice
from tests.dialects.sms4sats.office import bought
from tests.faults.shop import Record
from tests.service.parcel_desk import rig_of
from tests.service.shop_rig import Rig
from tests.soak import SOAK

from ulak.core.callbacks import Outcome
from ulak.core.events import Event, EventKind
from ulak.core.jobs import JobKind
from ulak.core.states import PurchaseState
from ulak.service import callbacks, endpoints, events
from ulak.service.callbacks import Room
from ulak.service.clocks import TOLERANCE, set_right
from ulak.store import clocks, schema
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write
from ulak.wiring import GROUP_KINDS

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

STEP = 30 * SECOND
"""How often the sweep comes by."""

LATER = 8 * MINUTE
"""When the scheduled order is to be sent."""


JUMPS = (-DAY, -HOUR, -30 * SECOND, 0, HOUR, DAY)


class Installation:
    """Everything that waits for a time: a parcel, a number, a callback that failed, orders."""

    def __init__(self, books: ClockedBooks) -> None:
        self.books = books
        self.database = books.database
        self.clock = books.clock
        self.parcels = rig_of(self.database, books)
        self.numbers = Rig(books, self.database.directory)
        self.carol = cast.tenant(self.database, "carol")
        self.sent: list[tuple[int, int]] = []
        self.told = 0

    async def open(self) -> None:
        """It has all of this, and has gone for two minutes."""
        await self.parcels.booked()
        self.purchase = await self.numbers.waiting()
        vault = Vault(self.database.directory)
        url = "https://carol.example/hook"
        news = [Event(self.carol.id, EventKind.CONSIGNMENT_STATUS, 1, b"{}")]

        def listen(tx: Tx) -> None:
            endpoints.set_endpoint(tx, self.carol.id, "comtohome", ("consignment",), url, vault)
            events.record(tx, news)

        sync_write(self.database, listen)
        self.scheduled = cast.place(self.database, self.carol, due=self.clock() + 2 * MINUTE + LATER)
        for _ in range(4):
            self.clock.advance(STEP)
            await self.work()

    async def work(self) -> None:
        """Do what is due, as workers do."""
        sync_write(self.database, set_right)
        await self.parcels.desk.look(self.parcels.claim(JobKind.TRACK))
        await self.numbers.work()
        for order in cast.claim(self.database):
            self.sent.append((order.id, self.clock()))
        sync_write(self.database, self._tell)

    def _tell(self, tx: Tx) -> None:
        room = Room(100, 1000, 1000, 1000, good=range(1000))
        for claimed in callbacks.claim(tx, room, MINUTE, lambda: 0.5):
            self.told += 1
            outcome = Outcome(claimed.id, self.clock(), 500, 12)
            callbacks.step(tx, [outcome], (), Room(0, 0, 0, 0), lease=MINUTE, luck=lambda: 0.5)


@pytest_asyncio.fixture
async def installation(books: ClockedBooks) -> AsyncIterator[Installation]:
    made = Installation(books)
    await made.open()
    yield made
    await made.numbers.shop.close()


@pytest.mark.fault(
    "F22 clock jumps", "the clock jumps by ±1 h, ±1 d or -30 s, or stands still, while things wait"
)
@pytest.mark.parametrize(
    ("either_database", "jump"),
    [
        *(("sqlite", jump) for jump in JUMPS),
        *(("postgresql", jump) for jump in (JUMPS if SOAK else JUMPS[:1])),
    ],
    indirect=["either_database"],
)
async def test_a_clock_that_jumps(installation: Installation, jump: int, record_property: Record) -> None:
    """What was to happen in some minutes happens then; nothing is sent before its time, and nothing twice."""
    clock, source = installation.clock, installation.numbers.source
    now = cast.place(installation.database, installation.carol)
    sent = {
        number: cast.order_id(installation.database, installation.carol, number)
        for number in (now, installation.scheduled)
    }
    looked, asked, told = len(installation.parcels.first.asked), source.asked["news"], installation.told
    due = clock() + LATER
    clock.advance(jump)
    for _ in range(20):
        clock.advance(STEP)
        await installation.work()
    assert [order for order, _ in installation.sent].count(sent[now]) == 1
    was_sent = [at for order, at in installation.sent if order == sent[installation.scheduled]]
    assert len(was_sent) == (0 if jump in (-DAY, -HOUR) else 1)
    assert all(at >= due for at in was_sent)
    assert len(installation.parcels.first.asked) > looked
    assert installation.told > told
    if jump <= 0:
        assert source.asked["news"] >= asked + 10
        purchase = installation.numbers.get(installation.purchase.id)
        assert purchase.due is not None
        assert clock() < purchase.due <= clock() + 21 * MINUTE
    else:
        await installation.numbers.after(21 * MINUTE)
        assert installation.numbers.get(installation.purchase.id).state is PurchaseState.TIMED_OUT
    record_property("runs", 1)


@pytest.mark.parametrize("either_database", ["sqlite"], indirect=True)
async def test_a_clock_that_stands_still(installation: Installation) -> None:
    """Nothing comes, and nothing goes round and round."""
    before = len(installation.sent), installation.told
    for _ in range(5):
        await installation.work()
    assert (len(installation.sent), installation.told) == before


def test_clocks_that_differ_a_little_are_no_news(database: Database, clock: FakeClock) -> None:
    assert sync_write(database, set_right) == 0
    clock.advance(-TOLERANCE)
    assert sync_write(database, set_right) == 0
    clock.advance(-1)
    assert sync_write(database, set_right) == TOLERANCE + 1
    assert sync_write(database, set_right) == 0
    assert sync_read(database, clocks.seen) == clock()


def test_of_two_who_notice_one_brings_plans_forward(database: Database) -> None:
    sync_write(database, set_right)
    seen = sync_read(database, clocks.seen)
    assert sync_write(database, lambda tx: clocks.note(tx, seen))
    assert not sync_write(database, lambda tx: clocks.note(tx, 1))


# Time zones.

ZONES = ("UTC", "Europe/Istanbul", "America/New_York", "Asia/Kathmandu")

AUTUMN_NIGHT = 1_793_511_000_000
"""1 November 2026, 05:30 UTC: in New York the hour from one to two o'clock comes for the first time."""


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.fault(
    "F22 time zones",
    "the same requests on machines and databases in four time zones, over a night of two hours more",
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_answers_are_the_same_in_every_time_zone(
    kind: str, request: pytest.FixtureRequest, zone: Any, tmp_path: Path, record_property: Record
) -> None:
    answers = []
    for name in ZONES:
        zone(name)
        clock = FakeClock(AUTUMN_NIGHT)
        directory = tmp_path / name.replace("/", "-")
        url = None
        if kind == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            url = f"{server.fresh()}&options=-ctimezone%3D{name}"
        database = Database(directory, url, clock)
        schema.prepare(database)
        answers.append(await _conversation(database, clock))
    assert answers[1:] == answers[:1] * (len(ZONES) - 1)
    assert len(answers[0]) > 30
    record_property("runs", sum(map(len, answers)))


async def _conversation(database: Database, clock: FakeClock) -> list[bytes]:
    """What is answered to the same requests, made every half hour of a night."""
    books = ClockedBooks(database, GROUP_KINDS)
    books.clock = clock
    alice = cast.alice(database)
    messages, parcels, numbers = MessageOffice(books), ParcelOffice(books), NumberOffice(books)
    shipper = await parcels.customer("shipper")
    await parcels.load(of_the_page(shipper.id))
    order_id = "0a" * 32
    await numbers.load(bought(public_id=order_id, changed=clock() - 7, paid=clock() - 9))
    said: list[bytes] = []

    async def ask(operation: str, **wanted: object) -> Any:
        authentication = {"key": alice.key, "hash": alice.secret}
        body = json.dumps({"request": {"authentication": authentication, **wanted}}).encode()
        reply = await messages.call(f"/v1/{operation}/json", body)
        said.append(reply.body)
        return json.loads(reply.body)["response"]

    for turn in range(5):
        for when in ("", "01/11/2026 10:30", "02/11/2026 01:30", "08/03/2027 02:30"):
            message = {"text": f"{turn} {when}", "receipents": {"number": ["5301234567"]}}
            order = {"sender": alice.sender, "sendDateTime": when, "iys": "0", "message": message}
            placed = await ask("send-sms", order=order)
            if "order" in placed:
                await ask("get-report", order={"id": placed["order"]["id"], "page": 1, "rowCount": 10})
        await ask("get-reports", filter={"start": "2026-10-31", "end": "2026-11-02"})
        said += [
            (await parcels.call(path, key=shipper.key)).body
            for path in ("/consignments", "/consignments/1/events")
        ]
        said.append((await numbers.call(f"/orderstatus?orderId={order_id}")).body)
        clock.advance(30 * MINUTE)
    await books.close()
    return said
