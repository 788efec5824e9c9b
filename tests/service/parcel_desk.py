"""A desk with two carriers that do as they are told, and the questions that its tests ask."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from tests import parcel_cast
from tests.conftest import ClockedBooks
from tests.parcel_cast import Shipper
from tests.service.parcel_carriers import ToldCarrier, fleet_of

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Preference, Route, Shape
from ulak.core.errors import Refusal
from ulak.core.events import ConsignmentNews
from ulak.core.jobs import Job, JobKind
from ulak.core.ledger import TRY, Balance
from ulak.core.once import BOOKING, Once
from ulak.core.pricing import Rates
from ulak.core.shipping import Declined
from ulak.core.states import ParcelState
from ulak.service.desk import Books, Denied, Desk, Done, Order, Who
from ulak.store import consignments, jobs, ledger
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write

PRICE = 12096
"""What `ToldCarrier` costs unless it is told otherwise: the document's 120.96 TRY."""

CREDIT = 100_000

DECLINED = Declined("adres bulunamadı")
"""No, in the carrier's own words."""

_EVENTS = Sql("SELECT kind, subject, data FROM event ORDER BY id")
_JOBS = Sql("SELECT kind, subject, due, tries, claim FROM job ORDER BY kind, subject")

Result = TypeVar("Result")
_processes = itertools.count(1)


def render(account: Account, consignment: Consignment) -> bytes:
    """An answer that differs whenever anything in it does."""
    return msgspec.json.encode((account.name, consignment.id, consignment.state, consignment.tracking))


def once(key: str = "k", digest: str = "d", scope: str = "create") -> Once:
    return Once(scope, key, digest)


@dataclass
class Rig:
    """Alice, her desk, and the two carriers behind it."""

    database: Database
    books: ClockedBooks
    alice: Shipper
    first: ToldCarrier
    second: ToldCarrier
    first_id: int
    second_id: int
    desk: Desk = field(init=False)
    process: str = ""

    def __post_init__(self) -> None:
        self.desk = self.another_desk()

    def another_desk(self, books: Books | None = None) -> Desk:
        """The desk of a process that starts now."""
        self.process = f"process {next(_processes)}"
        fleet = fleet_of({self.first_id: self.first, self.second_id: self.second})
        return Desk(books or self.books, fleet, Rates(), process=self.process)

    @property
    def who(self) -> Who:
        return Who("comtohome", self.alice.apikey, "", "192.0.2.1")

    def order(self, **over: Any) -> Order:
        """One box to Adana with the first carrier."""
        fields: dict[str, Any] = {
            "shape": Shape.NORMAL,
            "route": Route.DOMESTIC,
            "preference": Preference.GIVEN,
            "shipment": parcel_cast.shipment(
                packages=(parcel_cast.package(id=0, items=(parcel_cast.item(id=0),)),)
            ),
            "carrier_id": self.first_id,
        }
        return Order(**fields | over)

    async def create(self, order: Order | None = None, **rest: Any) -> Done | Denied:
        return await self.desk.create(self.who, order or self.order(), **rest)

    async def booked(self, order: Order | None = None, **rest: Any) -> Consignment:
        """A consignment that was booked."""
        done = await self.create(order, **rest)
        assert isinstance(done, Done), done
        return done.consignment

    async def rejected(self, **rest: Any) -> int:
        """A consignment that the first carrier declined."""
        self.first.booking, before = DECLINED, self.first.booking
        denied = await self.create(**rest)
        self.first.booking = before
        assert isinstance(denied, Denied)
        assert denied.consignment_id is not None
        return denied.consignment_id

    async def cancel(self, consignment_id: int, **rest: Any) -> Done | Denied:
        return await self.desk.cancel(
            self.who, lambda tx, account_id: consignments.by_id(tx, account_id, consignment_id), **rest
        )

    # Questions.

    def read(self, question: Callable[[Tx], Result]) -> Result:
        return sync_read(self.database, question)

    def write(self, change: Callable[[Tx], Result]) -> Result:
        return sync_write(self.database, change)

    def stored(self, consignment_id: int) -> Consignment:
        return self.read(lambda tx: consignments.load(tx, [consignment_id]))[consignment_id]

    def all(self) -> list[Consignment]:
        return self.read(lambda tx: consignments.page(tx, self.alice.id, 0, 1000))[1]

    @property
    def balance(self) -> Balance:
        return self.read(lambda tx: ledger.of_account(tx, self.alice.id))[TRY]

    @property
    def money(self) -> tuple[int, int, int]:
        """Available, held, spent."""
        balance = self.balance
        return balance.available, balance.held, balance.spent

    def events(self) -> list[tuple[str, ConsignmentNews]]:
        """What was told, in order."""
        rows = self.read(lambda tx: tx.all(_EVENTS))
        told = [(row[0], msgspec.json.decode(row[2], type=ConsignmentNews)) for row in rows]
        assert [row[1] for row in rows] == [news.id for _, news in told]
        return told

    def kinds(self) -> list[str]:
        """What kinds of things were told, in order."""
        return [kind for kind, _ in self.events()]

    def jobs(self, kind: JobKind) -> list[tuple[int, int, int, str]]:
        """(subject, due, tries, claim) of the jobs of a kind."""
        rows = self.read(lambda tx: tx.all(_JOBS))
        return [row[1:] for row in rows if row[0] == kind]

    def claim(self, kind: JobKind) -> list[Job]:
        """Take what is due, as the worker of the newest process does."""
        return self.write(lambda tx: jobs.claim(tx, kind, 100, BOOKING, self.process))

    def release(self) -> None:
        """What a process does when it starts and knows that the others are gone."""
        self.write(lambda tx: jobs.release(tx, claim_not=self.process))


def rig_of(database: Database, books: ClockedBooks) -> Rig:
    """Alice with some credit, and two carriers."""
    first = parcel_cast.carrier(database, "Demo Kargo")
    second = parcel_cast.carrier(database, "Kuzey Kargo")
    alice = parcel_cast.shipper(database, "alice", CREDIT)
    return Rig(database, books, alice, ToldCarrier(), ToldCarrier(), first.id, second.id)


def refusal(answer: object) -> Refusal | None:
    """Why something was denied."""
    return answer.why if isinstance(answer, Denied) else None


def state_of(rig: Rig, consignment_id: int) -> ParcelState:
    return rig.stored(consignment_id).state
