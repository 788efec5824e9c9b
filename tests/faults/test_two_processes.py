"""Two processes on one PostgreSQL at the same work: nothing is booked, paid, told or taken twice.

Each has books, a desk and workers of its own; the carriers and the endpoint outside are the same for both.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from tests import cast, parcel_cast
from tests.carriers_karrio.test_karrio_booking import GOOD, RATES, Said, Scripted
from tests.conftest import FakeClock
from tests.service.parcel_carriers import ToldCarrier, fleet_of
from tests.service.parcel_desk import CREDIT, PRICE, once, render
from tests.workers.sinks import HERE, sink

from ulak.carriers.karrio.carrier import KarrioCarrier
from ulak.carriers.karrio.settings import parse_settings
from ulak.core.callbacks import CallbackState, EventRow, RenderedCallback, Renderer
from ulak.core.consignments import Preference, Route, Shape
from ulak.core.errors import Refusal, StoreUnavailable
from ulak.core.events import Event, EventKind
from ulak.core.jobs import OF_PARCELS
from ulak.core.leases import Role
from ulak.core.ledger import SAT, TRY
from ulak.core.numbers import Want
from ulak.core.pools import ANY
from ulak.core.ports import Inbound
from ulak.core.pricing import Rates
from ulak.core.purchases import Denied as NotSold
from ulak.core.purchases import Sold, Tariff, Wish
from ulak.core.states import ParcelState, PurchaseKind
from ulak.outbound import Outbound
from ulak.service import accounts, audit, credits, endpoints, events, inbound, inventory, journal, purchases
from ulak.service.carriers import Carrier
from ulak.service.desk import Denied, Desk, Done, Order, Who
from ulak.service.fleet import Fleet
from ulak.service.journal import BookingJournal
from ulak.service.prices import Prices
from ulak.service.purchases import Offer
from ulak.service.texting import Sending
from ulak.store import callbacks, consignments, ledger, processes
from ulak.store.books import Books
from ulak.store.engine import Database, Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write
from ulak.wiring.queue import Queue
from ulak.workers.callback import CallbackSender
from ulak.workers.parcels import ParcelWorker

Record = Callable[[str, object], None]

UPS = parse_settings({"carrier": "ups", "service": "slow", "rate_eur": "5"})

SENDING = Sending("ULAK")


@dataclass
class Process:
    """One of the two."""

    id: int
    name: str
    books: Books

    def desk(self, fleet: Fleet) -> Desk:
        return Desk(self.books, fleet, Rates(), process=self.name)

    def worker(self, desk: Desk) -> ParcelWorker:
        return ParcelWorker(self.books, desk, Queue(self.name, OF_PARCELS))


Two = tuple[Process, Process]


@pytest_asyncio.fixture
async def two(postgres_database: Database) -> AsyncIterator[Two]:
    """Two processes. Whatever they did, in the end everything that must be true is true."""

    def started(name: str) -> Process:
        number = sync_write(postgres_database, lambda tx: processes.register(tx, name, Role.ALL, "test", "0"))
        return Process(number, name, Books(postgres_database, {}))

    both = started("one"), started("two")
    yield both
    for process in both:
        await process.books.close()
    assert sync_read(postgres_database, audit.check) == []


_BLOCKED = Sql(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def overlapping(two: Two, first: Callable[[Tx], Any], second: Callable[[Tx], Any]) -> list[Any]:
    """What both answer. The second begins when the first has done everything but commit, which it does when
    the second waits for it, or is through."""
    one, other = (process.books for process in two)
    inside, through = threading.Event(), threading.Event()

    def held(tx: Tx) -> Any:
        answer = first(tx)
        inside.set()
        assert through.wait(30)
        return answer

    slow = asyncio.ensure_future(one.write(held))
    await asyncio.to_thread(inside.wait, 30)
    quick = asyncio.ensure_future(other.write(second))
    while not quick.done() and not await one.read(lambda tx: tx.one(_BLOCKED)):
        await asyncio.sleep(0.005)
    through.set()
    return [await slow, await quick]


@dataclass
class Parcels:
    """Alice, and the carrier she names."""

    database: Database
    alice: parcel_cast.Shipper
    carrier_id: int

    @property
    def who(self) -> Who:
        return Who("comtohome", self.alice.apikey, "", "192.0.2.1")

    def order(self) -> Order:
        box = parcel_cast.package(id=0, items=(parcel_cast.item(id=0),))
        return Order(
            shape=Shape.NORMAL,
            route=Route.DOMESTIC,
            preference=Preference.GIVEN,
            shipment=parcel_cast.shipment(packages=(box,)),
            carrier_id=self.carrier_id,
        )

    def all(self) -> list[Any]:
        return sync_read(self.database, lambda tx: consignments.page(tx, self.alice.id, 0, 1000))[1]

    @property
    def money(self) -> tuple[int, int, int]:
        """Available, held, spent."""
        found = sync_read(self.database, lambda tx: ledger.of_account(tx, self.alice.id))[TRY]
        return found.available, found.held, found.spent


@pytest.fixture
def parcels(postgres_database: Database) -> Parcels:
    carrier = parcel_cast.carrier(postgres_database, "Demo Kargo")
    return Parcels(postgres_database, parcel_cast.shipper(postgres_database, "alice", CREDIT), carrier.id)


def keyless(process: Process, parcels: Parcels, *said: Said) -> tuple[Fleet, Scripted]:
    """The way of a process to a carrier behind Karrio, which knows no keys."""
    library = Scripted(*said)

    def make(row: Carrier) -> KarrioCarrier | None:
        if row.id != parcels.carrier_id:
            return None
        return KarrioCarrier(UPS, BookingJournal(process.books, row.id), worker=library)

    return Fleet(make), library


@pytest.mark.fault(
    "F28",
    "an api process dies while a carrier without keys books; a worker goes on",
)
async def test_a_booking_is_gone_on_with_elsewhere(
    two: Two, parcels: Parcels, record_property: Record
) -> None:
    one, other = two
    fleet, library = keyless(one, parcels, RATES)
    asked = asyncio.Event()

    async def ask(verb: str, body: object, pieces: int = 1) -> Any:
        if verb == "ship":
            library.asked.append((verb, body))
            asked.set()
            await asyncio.Event().wait()
        return await Scripted.ask(library, verb, body, pieces)

    library.ask = ask  # type: ignore[method-assign]
    dying = asyncio.create_task(one.desk(fleet).create(parcels.who, parcels.order(), once=once()))
    async with asyncio.timeout(30):
        await asked.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    fleet, theirs = keyless(other, parcels, RATES, GOOD)
    desk = other.desk(fleet)
    worker = other.worker(desk)
    assert not await worker.work(), "whoever is there has its bookings for himself"
    await other.books.write(lambda tx: processes.bury(tx, one.id))
    assert await worker.work()
    (found,) = parcels.all()
    assert (found.state, theirs.asked) == (ParcelState.REJECTED, [])
    assert parcels.money == (CREDIT, 0, 0)
    (doubt,) = await other.books.read(journal.unsure)
    assert doubt.consignment_id == found.id
    refused = await desk.create(parcels.who, parcels.order(), once=once())
    assert isinstance(refused, Denied)
    assert "ulak parcel unsure clear" in refused.text
    assert [verb for verb, _ in theirs.asked] == ["rate"]

    await other.books.write(lambda tx: journal.clear(tx, found))
    theirs.said[:] = [RATES, GOOD]
    done = await desk.create(parcels.who, parcels.order(), once=once())
    assert isinstance(done, Done)
    assert done.consignment.id == found.id
    assert Counter(verb for verb, _ in theirs.asked) == {"rate": 2, "ship": 1}
    record_property("runs", 1)


@pytest.mark.fault("F28", "one idempotency key, sent to both api processes at once")
async def test_one_key_books_once(two: Two, parcels: Parcels, record_property: Record) -> None:
    carrier = ToldCarrier()
    desks = [process.desk(fleet_of({parcels.carrier_id: carrier})) for process in two]
    runs = 5
    for run in range(runs):
        answers = await asyncio.gather(
            *(
                desk.create(parcels.who, parcels.order(), once=once(f"key {run}"), render=render)
                for _ in range(4)
                for desk in desks
            )
        )
        done = {answer.body for answer in answers if isinstance(answer, Done)}
        busy = {answer.why for answer in answers if isinstance(answer, Denied)}
        assert len(done) == 1
        assert busy <= {Refusal.IN_PROGRESS}
    assert [*carrier.booked.values()] == [1] * runs
    assert len(parcels.all()) == runs
    assert parcels.money == (CREDIT - runs * PRICE, 0, runs * PRICE)
    record_property("runs", runs)


LEFT = 7


@pytest.mark.fault(
    "F28",
    "two parcel workers at bookings that a third process left; then the same cancels",
)
async def test_left_bookings_and_cancels(two: Two, parcels: Parcels, record_property: Record) -> None:
    carrier = ToldCarrier()
    fleets = [fleet_of({parcels.carrier_id: carrier}) for _ in two]
    third = Process(0, "three", two[0].books)
    carrier.open.clear()
    desk = third.desk(fleets[0])
    dying = [asyncio.create_task(desk.create(parcels.who, parcels.order())) for _ in range(LEFT)]
    while carrier.booked.total() < LEFT:
        await asyncio.sleep(0.01)
    for task in dying:
        task.cancel()
    await asyncio.gather(*dying, return_exceptions=True)
    carrier.open.set()
    desks = [process.desk(fleet) for process, fleet in zip(two, fleets, strict=True)]
    workers = [process.worker(each) for process, each in zip(two, desks, strict=True)]
    await two[0].books.write(Queue("one", OF_PARCELS).release)
    await asyncio.gather(*(worker.work() for worker in workers))
    booked = parcels.all()
    assert {found.state for found in booked} == {ParcelState.BOOKED}
    assert [*carrier.booked.values()] == [2] * LEFT, "by the third one, and by one of these"
    assert parcels.money == (CREDIT - LEFT * PRICE, 0, LEFT * PRICE)

    await two[0].books.write(lambda tx: tx.run(Sql("UPDATE job SET due = :now"), now=tx.now))
    await asyncio.gather(*(worker.work() for worker in workers))
    assert Counter(watched.label_id for batch in carrier.asked for watched in batch).most_common(1)[0][1] == 1

    def pick(number: int) -> Callable[[Tx, int], Any]:
        return lambda tx, account_id: consignments.by_id(tx, account_id, number)

    answers = await asyncio.gather(
        *(each.cancel(parcels.who, pick(found.id)) for found in booked for each in desks)
    )
    assert sum(isinstance(answer, Done) for answer in answers) == LEFT
    assert parcels.money == (CREDIT, 0, 0)
    record_property("runs", LEFT)


@pytest.mark.fault("F28", "both sell from one balance that lasts for some of what is bought")
async def test_a_balance_is_not_overspent(
    two: Two, postgres_database: Database, record_property: Record
) -> None:
    owner = sync_write(postgres_database, lambda tx: accounts.create(tx, "bob")).account.id
    sync_write(postgres_database, lambda tx: credits.grant(tx, "bob", 10_500, SAT))
    prices = Prices(dict.fromkeys(Tariff, 1500))
    wish = Wish("sms4sats", PurchaseKind.CODE, ANY, "tg", prepaid=True)

    def buying(number: int) -> Callable[[Tx], Sold | NotSold]:
        offer = Offer(f"{number:064x}")
        return lambda tx: purchases.buy(tx, wish, owner, "192.0.2.1", offer, prices, SENDING)

    sold = await asyncio.gather(*(two[number % 2].books.write(buying(number)) for number in range(40)))
    assert sum(isinstance(one, Sold) for one in sold) == 7
    assert {one.refusal for one in sold if isinstance(one, NotSold)} == {Refusal.NO_CREDIT}
    balance = sync_read(postgres_database, lambda tx: ledger.of_account(tx, owner))[SAT]
    assert (balance.available, balance.held) == (0, 10_500)
    record_property("runs", 40)


_INCOMING = Sql("SELECT number, text FROM incoming ORDER BY number, text")
NUMBER = 905301234560


@pytest.mark.fault(
    "F28",
    "both are told of the same SMS, and of different parts of one, at the same time",
)
async def test_an_sms_is_taken_once(two: Two, record_property: Record) -> None:
    def taking(*batch: Inbound) -> Callable[[Tx], bool]:
        return partial(inbound.take, carrier_id=7, batch=batch)

    whole = Inbound(NUMBER, "TG", "code 1", "w")
    parts = [Inbound(NUMBER + 1, "TG", "abc"[at], "p", at + 1, 3) for at in range(3)]
    await overlapping(two, taking(whole, parts[0]), taking(whole))
    await overlapping(two, taking(parts[1]), taking(parts[2], whole))
    await overlapping(two, taking(parts[2]), taking(parts[1], parts[0]))
    taken = await two[0].books.read(lambda tx: tx.all(_INCOMING))
    assert [*map(tuple, taken)] == [(NUMBER, "code 1"), (NUMBER + 1, "abc")]
    record_property("runs", 3)


@pytest.mark.fault(
    "F28",
    "the last part of an SMS comes to one while the other gives up waiting for it",
)
async def test_an_sms_is_passed_on_once(two: Two, record_property: Record) -> None:
    clock = two[0].books.database.clock
    assert isinstance(clock, FakeClock)
    first, last = (Inbound(NUMBER, "TG", text, "p", at, 2) for at, text in enumerate("ab", 1))
    await two[0].books.write(partial(inbound.take, carrier_id=7, batch=[first]))
    clock.advance(inbound.PARTS_WAIT)
    await overlapping(two, partial(inbound.take, carrier_id=7, batch=[last]), inbound.give_up_waiting)
    taken = await two[0].books.read(lambda tx: tx.all(_INCOMING))
    assert [*map(tuple, taken)] == [(NUMBER, "ab")]
    record_property("runs", 1)


@pytest.mark.fault("F28", "both take a number of ours for the same purchase")
async def test_a_purchase_gets_one_number(two: Two, record_property: Record) -> None:
    numbers = [905301234561 + n for n in range(4)]

    def stocked(tx: Tx) -> int:
        carrier = inventory.carrier_for_numbers(tx, None, Vault(two[0].books.database.directory))
        inventory.add(tx, numbers, carrier, 62, [], False)
        owner = accounts.create(tx, "carol").account.id
        credits.grant(tx, "carol", 1500, SAT)
        wish = Wish("sms4sats", PurchaseKind.CODE, ANY, "tg", prepaid=True)
        prices = Prices(dict.fromkeys(Tariff, 1500))
        assert isinstance(purchases.buy(tx, wish, owner, "-", Offer("0" * 64), prices, SENDING), Sold)
        return carrier.id

    carrier_id = await two[0].books.write(stocked)
    take = partial(inventory.take, carrier_id=carrier_id, want=Want(1, ANY, "tg"))
    first, second = await overlapping(two, take, take)
    assert first == second
    rented = await two[0].books.read(lambda tx: inventory.every_number(tx))
    assert sum(shown.own.purchase_id is not None for shown in rented) == 1
    record_property("runs", 1)


SUBJECTS, EACH = 8, 12
FAMILIES = frozenset({"consignment"})


class Mortal:
    """Books of a process that may die: from then on nothing it does is written."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.dead = False

    async def read(self, question: Callable[[Any], Any]) -> Any:
        return await self._books.read(question)

    async def write(self, change: Callable[[Any], Any]) -> Any:
        if self.dead:
            raise StoreUnavailable("the process is dead")
        return await self._books.write(change)


@pytest.mark.fault(
    "F28",
    "two senders of callbacks, while both processes write what is to be told; one dies",
)
@pytest.mark.parametrize("dies", [False, True])
async def test_callbacks_in_order_and_once(
    two: Two, postgres_database: Database, record_property: Record, *, dies: bool
) -> None:
    vault = Vault(postgres_database.directory)
    by: Counter[int] = Counter()

    def sender(process: Process, books: Any, outbound: Outbound) -> CallbackSender:
        def rendered(event: EventRow) -> RenderedCallback:
            by[process.id] += 1
            return RenderedCallback(json.dumps([event.subject, json.loads(event.data)["n"]]).encode())

        return CallbackSender(
            books,
            outbound,
            {"comtohome": Renderer(FAMILIES, rendered)},
            lambda endpoint: endpoints.signing_key(vault, endpoint),
            lambda: 0.5,
            lambda: 0,
            lambda: process.id,
        )

    stop = asyncio.Event()
    async with sink() as there, Outbound({HERE}) as outbound:
        owner = cast.tenant(postgres_database, "dora", 0).id
        await two[0].books.write(
            lambda tx: endpoints.set_endpoint(tx, owner, "comtohome", FAMILIES, there.url(), vault)
        )
        mortal = [Mortal(process.books) for process in two]
        senders = [sender(*each, outbound) for each in zip(two, mortal, strict=True)]
        running = [asyncio.create_task(each.run(stop)) for each in senders]
        for n in range(EACH):
            news = [
                Event(owner, EventKind.CONSIGNMENT_STATUS, subject, b'{"n":%d}' % n)
                for subject in range(1, SUBJECTS + 1)
            ]
            for process, half in zip(two, (news[::2], news[1::2]), strict=True):
                await process.books.write(partial(events.record, events=half))
            for each in senders:
                each.wake()
            mortal[0].dead = dies and n >= EACH // 2 and by[two[0].id] > 0
        if dies:
            running.pop(0).cancel()
            await two[1].books.write(lambda tx: processes.bury(tx, two[0].id))
        async with asyncio.timeout(60):
            while await _left(two[1].books):
                await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*running)
    told: dict[int, list[int]] = defaultdict(list)
    for body in there.bodies:
        subject, n = json.loads(body)
        if not dies or told[subject][-1:] != [n]:
            told[subject].append(n)
    assert told == {subject: list(range(EACH)) for subject in range(1, SUBJECTS + 1)}
    record_property("runs", SUBJECTS * EACH)
    record_property("shares", sorted(by.values()))


async def _left(books: Books) -> int:
    """Callbacks that have not arrived, as far as is written."""
    listed = await books.read(lambda tx: callbacks.listing(tx, None, None, 1000))
    return sum(row.state is not CallbackState.ARRIVED for row in listed)
