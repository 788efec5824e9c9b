"""What people and carriers have this server do, each so that it can be done again and again with any fault in
it: how it is done, what a careful caller does after a failure, and how often it stands in the store then.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from tests import cast
from tests.conftest import ClockedBooks
from tests.dialects.comtohome.bodies import DOMESTIC
from tests.dialects.comtohome.office import Office as ParcelOffice
from tests.dialects.iletimerkezi.office import Office as MessageOffice
from tests.dialects.sms4sats.office import Office as NumberOffice
from tests.service.shop_rig import LEASE, PRICE, Rig

from ulak.core.callbacks import Callback, Outcome
from ulak.core.doubts import OnUncertain
from ulak.core.errors import StoreUnavailable
from ulak.core.events import Event, EventKind
from ulak.core.ledger import SAT, SMS, TRY, Balance
from ulak.core.once import CLAIM as BOOKING_CLAIM
from ulak.core.ports import Accepted
from ulak.core.purchases import Sold
from ulak.core.references import IdForm
from ulak.core.routing import Route
from ulak.core.states import PurchaseState
from ulak.dialects.door import Reply
from ulak.service import callbacks, endpoints, events
from ulak.service.callbacks import Room
from ulak.service.dispatch import CLAIM, STEP, Claim, ClaimedOrder, Step
from ulak.service.reports import REPORTS, ReportBatch
from ulak.store import ledger
from ulak.store.engine import Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

CREDIT = 100_000_000
MINUTE = 60_000
TRIES = 400
"""How often something is tried again that fails once: a claim has to end, a database to be found again."""


def refused(reply: Reply) -> bool:
    """Whether a request was refused; if so, in order: it may be asked again."""
    if reply.status == 200:
        return False
    assert reply.status == 503, (reply.status, reply.body)
    assert any(name == b"retry-after" for name, _ in reply.headers)
    return True


class Flow(Protocol):
    """One thing that is done over and over. Each time: `prepare`, `act`, `stored` right after, `go_on`."""

    books: ClockedBooks
    """The books through which it is done: those that fail."""
    in_one: bool
    """Whether it is done in one transaction: then it is stored if, and only if, it was answered."""
    starts: bool
    """Whether what a process has to do first belongs to it."""

    async def prepare(self) -> None:
        """What has to be there before. Nothing fails yet."""

    async def act(self) -> bool:
        """Do it once; whether it was answered with success. What is not done by request is never answered."""

    def stored(self) -> int:
        """How often it is in the store."""

    async def go_on(self) -> None:
        """Do what its caller, or a worker, does after a failure, until it is done."""


class Story:
    """What flows share: the sound database beside the failing books."""

    in_one = True
    starts = False

    def __init__(self, plain: ClockedBooks) -> None:
        self.plain = plain
        self.books = plain
        self.turn = 0

    def count(self, statement: str, **values: Any) -> int:
        """A number, from the sound database."""
        row = sync_read(self.plain.database, lambda tx: tx.one(Sql(statement), **values))
        assert row is not None
        return int(row[0])

    def balance(self, account_id: int, asset: str) -> Balance:
        """What an account has."""
        return sync_read(self.plain.database, lambda tx: ledger.of_account(tx, account_id))[asset]

    async def until(self, done: Callable[[], bool], again: Callable[[], Any]) -> None:
        """Try again until it is done."""
        for _ in range(TRIES):
            if done():
                return
            await again()
            await asyncio.sleep(0.002)
        raise AssertionError("it is never done")


class Placing(Story):
    """An order is placed over HTTP, by a process that just started: it has to lease ids first."""

    starts = True

    def __init__(self, plain: ClockedBooks) -> None:
        super().__init__(plain)
        self.alice = cast.alice(plain.database, CREDIT)

    async def prepare(self) -> None:
        self.turn += 1
        self.text = f"order {self.turn}"

    async def act(self) -> bool:
        order = {
            "sender": self.alice.sender,
            "sendDateTime": "",
            "iys": "0",
            "message": {"text": self.text, "receipents": {"number": ["5301234567", "5301234568"]}},
        }
        authentication = {"key": self.alice.key, "hash": self.alice.secret}
        body = json.dumps({"request": {"authentication": authentication, "order": order}}).encode()
        return not refused(await MessageOffice(self.books).call("/v1/send-sms/json", body))

    def stored(self) -> int:
        return self.count("SELECT count(*) FROM order_text WHERE body = :text", text=self.text)

    async def go_on(self) -> None:
        await self.until(lambda: self.stored() == 1, self.act)
        assert self.balance(self.alice.id, SMS).held == 2 * self.turn


class Cancelling(Story):
    """A scheduled order is cancelled over HTTP."""

    def __init__(self, plain: ClockedBooks) -> None:
        super().__init__(plain)
        self.alice = cast.alice(plain.database, CREDIT)

    async def prepare(self) -> None:
        due = self.plain.clock() + 10 * MINUTE
        self.number = cast.place(self.plain.database, self.alice, 3, due=due)

    async def act(self) -> bool:
        request = {
            "authentication": {"key": self.alice.key, "hash": self.alice.secret},
            "order": {"id": str(self.number)},
        }
        body = json.dumps({"request": request}).encode()
        return not refused(await MessageOffice(self.books).call("/v1/cancel-order/json", body))

    def stored(self) -> int:
        return self.count("SELECT count(*) FROM sms_order WHERE number = :n AND state = 15", n=self.number)

    async def go_on(self) -> None:
        await self.until(lambda: self.stored() == 1, self.act)
        assert self.balance(self.alice.id, SMS) == Balance(-CREDIT, CREDIT, 0, 0)


class Sending(Story):
    """An order is claimed for a link, sent, and what the link says of it is written down."""

    in_one = False

    def __init__(self, plain: ClockedBooks) -> None:
        super().__init__(plain)
        self.alice = cast.alice(plain.database, CREDIT)

    async def prepare(self) -> None:
        self.number = cast.place(self.plain.database, self.alice, 3)
        self.order = cast.order_id(self.plain.database, self.alice, self.number)
        self.claimed: list[ClaimedOrder] = []
        self.step: Step | None = None

    async def act(self) -> bool:
        try:
            await self._work()
        except StoreUnavailable:
            return False
        return True

    async def _work(self) -> None:
        if self.step is None:
            route = Route(cast.CARRIER, "", 0, up=True)
            claim = Claim([route], {cast.CARRIER: 100}, small=20, large=20, turn=0)
            self.claimed = await self.books.gather(CLAIM, claim)
            self.step = self._answered(self.claimed)
        elif self.step.outcomes:
            self.step = replace(self.step, repeated=True)
        await self.books.gather(STEP, self.step)

    def _answered(self, claimed: list[ClaimedOrder]) -> Step:
        """The link took everything."""
        [order] = claimed
        sent = [(cast.sent(self.plain.database, order, row), Accepted((f"r{row.id}",))) for row in order.rows]
        advance = (order.id, order.last_id, order.last_id)
        return Step(cast.CARRIER, IdForm.TEXT, OnUncertain.RESEND, sent, [advance], [])

    def stored(self) -> int:
        sent = self.count(
            "SELECT count(*) FROM message WHERE id >= :first AND id < :first + 3 AND state = 21",
            first=self.order,
        )
        assert sent in (0, 3)
        return sent // 3

    async def go_on(self) -> None:
        await self.until(lambda: self.stored() == 1, self.act)
        references = "SELECT count(*) FROM reference WHERE message_id >= :first AND message_id < :first + 3"
        assert self.count(references, first=self.order) == 3


class Reporting(Story):
    """A carrier reports that a message arrived, and again for as long as nobody says that it was heard."""

    def __init__(self, plain: ClockedBooks) -> None:
        super().__init__(plain)
        self.alice = cast.alice(plain.database, CREDIT)

    async def prepare(self) -> None:
        self.turn += 1
        self.number = cast.place(self.plain.database, self.alice, 1)
        self.message = cast.order_id(self.plain.database, self.alice, self.number)
        cast.send_all(self.plain.database)

    async def act(self) -> bool:
        report = cast.delivered(f"r{self.message}-0")
        try:
            await self.books.gather(REPORTS, ReportBatch(cast.CARRIER, IdForm.TEXT, [report]))
        except StoreUnavailable:
            return False
        return True

    def stored(self) -> int:
        return self.count("SELECT delivered FROM sms_order WHERE id = :id", id=self.message)

    async def go_on(self) -> None:
        await self.until(lambda: self.stored() == 1, self.act)
        await self.act()
        assert self.stored() == 1
        assert self.balance(self.alice.id, SMS).spent == self.turn


class Telling(Story):
    """A callback arrived, and that is written down; the next one is claimed with it."""

    def __init__(self, plain: ClockedBooks) -> None:
        super().__init__(plain)
        self.alice = cast.alice(plain.database, CREDIT)
        vault = Vault(plain.database.directory)
        url = "https://alice.example/hook"
        sync_write(
            plain.database,
            lambda tx: endpoints.set_endpoint(tx, self.alice.id, "comtohome", ("consignment",), url, vault),
        )

    def _step(self, tx: Tx, outcomes: list[Outcome]) -> list[Callback]:
        room = Room(100, 1000, 1000, 1000, good=range(1000))
        return list(callbacks.step(tx, outcomes, (), room, lease=MINUTE, luck=lambda: 0.5).claimed)

    async def prepare(self) -> None:
        self.turn += 1
        news = Event(self.alice.id, EventKind.CONSIGNMENT_STATUS, self.turn, b"{}")
        sync_write(self.plain.database, lambda tx: events.record(tx, [news]))
        [claimed] = sync_write(self.plain.database, lambda tx: self._step(tx, []))
        self.callback = claimed.id

    async def act(self) -> bool:
        outcome = Outcome(self.callback, self.plain.clock(), 200, 12)
        try:
            await self.books.write(lambda tx: self._step(tx, [outcome]))
        except StoreUnavailable:
            return False
        return True

    def stored(self) -> int:
        return self.count("SELECT count(*) FROM callback WHERE id = :id AND state = 5", id=self.callback)

    async def go_on(self) -> None:
        await self.until(lambda: self.stored() == 1, self.act)
        assert self.count("SELECT tries FROM callback WHERE id = :id", id=self.callback) == 1


class Shipping(Story):
    """A parcel is booked over HTTP, with a key."""

    in_one = False

    def __init__(self, plain: ClockedBooks) -> None:
        super().__init__(plain)
        self.office = ParcelOffice(plain)

    async def prepare(self) -> None:
        if not self.turn:
            self.customer = await self.office.customer("alice", credit=CREDIT)
            await self.office.has_carrier()
        self.turn += 1

    async def act(self) -> bool:
        # The doors of a process that has the failing books, before the same carrier.
        office = ParcelOffice(self.books)
        office.ways.update(self.office.ways)
        reply = await office.call(
            "/consignments",
            json.dumps(DOMESTIC | {"reference_no": f"SO-{self.turn}"}).encode(),
            key=self.customer.key,
            headers={"X-Idempotency-Key": f"key-{self.turn}"},
        )
        return reply.status != 409 and not refused(reply)

    def stored(self) -> int:
        booked = "SELECT count(*) FROM consignment WHERE reference = :no AND state = 33"
        return self.count(booked, no=f"SO-{self.turn}")

    async def go_on(self) -> None:
        async def again() -> None:
            if not await self.act():
                self.plain.clock.advance(BOOKING_CLAIM)

        await self.until(lambda: self.stored() == 1, again)
        every = self.count("SELECT count(*) FROM consignment WHERE reference = :no", no=f"SO-{self.turn}")
        assert (every, len(self.office.carrier.kept)) == (1, self.turn)
        assert self.balance(self.customer.id, TRY).held == 0


class Buying(Story):
    """A number is bought over HTTP, from a balance and with a key."""

    def __init__(self, plain: ClockedBooks) -> None:
        super().__init__(plain)
        self.rig = Rig(plain, plain.database.directory)

    async def prepare(self) -> None:
        if not self.turn:
            self.customer = await NumberOffice(self.plain).customer("alice", CREDIT)
        self.turn += 1

    async def act(self) -> bool:
        rig = copy.copy(self.rig)
        rig.books = self.books
        try:
            rig.start()
        except StoreUnavailable:
            return False
        reply = await NumberOffice(self.books, shop=rig.shop).call(
            "/createorder",
            {"country": 22, "service": "tg", "immediate": True},
            key=self.customer.key,
            headers=((b"idempotency-key", b"key-%d" % self.turn),),
        )
        return not refused(reply)

    def stored(self) -> int:
        return self.count("SELECT count(*) FROM purchase") - self.turn + 1

    async def go_on(self) -> None:
        await self.until(lambda: self.stored() == 1, self.act)
        assert await self.act()
        assert self.stored() == 1
        assert self.balance(self.customer.id, SAT).held == PRICE * self.turn


class Renting(Story):
    """A number is paid by an invoice, bought, and gets its code; then its money is taken."""

    in_one = False

    def __init__(self, plain: ClockedBooks) -> None:
        super().__init__(plain)
        self.rig = Rig(plain, plain.database.directory)

    async def prepare(self) -> None:
        self.turn += 1
        self.sold: Sold | None = None
        self.is_paid = False

    async def act(self) -> bool:
        rig = copy.copy(self.rig)
        rig.books = self.books
        try:
            rig.start()
            await self._live(rig)
        except StoreUnavailable:
            return False
        return self.stored() == 1

    async def _live(self, rig: Rig) -> None:
        self.sold = self.sold or await rig.order()
        assert self.sold.payreq is not None
        if not self.is_paid:
            self.is_paid = rig.node.paid(self.sold.payreq)
        await rig.shop.cashier.heard([rig.node.by_payreq(self.sold.payreq).hex()])
        await rig.work()
        key = rig.of(self.sold).id
        if key in rig.source.sold and key not in rig.source.texts:
            rig.source.send(key, "Telegram code 48010", code="48010")
        await rig.after(2_000)

    def stored(self) -> int:
        if self.sold is None:
            return 0
        done = "SELECT count(*) FROM purchase WHERE public_id = :id AND state = :done AND code = '48010'"
        return self.count(done, id=self.sold.public_id, done=int(PurchaseState.DONE))

    async def go_on(self) -> None:
        async def again() -> None:
            self.plain.clock.advance(LEASE)
            await self.act()

        await self.until(lambda: self.stored() == 1, again)
        assert self.sold is not None
        purchase = self.rig.of(self.sold)
        assert (purchase.posted, purchase.held) == (PRICE, 0)
        assert len(self.rig.source.sold) == self.turn


FLOWS: dict[str, Callable[[ClockedBooks], Flow]] = {
    "place": Placing,
    "cancel": Cancelling,
    "send": Sending,
    "report": Reporting,
    "callback": Telling,
    "parcel": Shipping,
    "purchase": Buying,
    "number": Renting,
}
