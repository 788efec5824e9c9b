"""A shop with a source and a node that do as they are told, and the questions that its tests ask."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.conftest import ClockedBooks
from tests.service.shop_node import ToldNode
from tests.service.shop_source import ToldSource

from ulak.core.funding import Funding
from ulak.core.jobs import OF_PURCHASES, JobKind
from ulak.core.ledger import SAT, Balance, Move, Posting
from ulak.core.purchases import Denied, Purchase, Shown, Sold, Tariff, Wish
from ulak.core.states import PurchaseKind
from ulak.service import accounts, carriers, house, purchases
from ulak.service.carriers import Carrier
from ulak.service.fleet import SourceFleet
from ulak.service.house import House
from ulak.service.prices import Prices
from ulak.service.shop import Shop, pending
from ulak.store import accounts as account_store
from ulak.store import jobs, ledger
from ulak.store import purchases as store
from ulak.store.engine import Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

DIALECT = "sms4sats"
CALLER = "192.0.2.1"
PRICE = 1500
"""What a code costs."""

PRICES = {Tariff.RECEIVE: PRICE, Tariff.SEND: 3000, Tariff.RENT: 15000, Tariff.HANDSET: 4000}

LEASE = 120_000

ON_SQLITE = pytest.mark.parametrize("either_database", ["sqlite"], indirect=True)
"""For tests with many steps that are about nothing but times."""

_EVENTS = Sql("SELECT data FROM event WHERE kind = 'purchase.changed' AND subject = :id ORDER BY id")
_JOBS = Sql("SELECT kind, subject FROM job ORDER BY kind, subject")

Result = TypeVar("Result")
_processes = itertools.count(1)


def code(service: str = "tg", **over: Any) -> Wish:
    """Somebody wants a code."""
    return Wish(DIALECT, PurchaseKind.CODE, service=service, **over)


def rental(**over: Any) -> Wish:
    """Somebody wants a number as a whole."""
    return Wish(DIALECT, PurchaseKind.RENTAL, service="full", **over)


def message(**over: Any) -> Wish:
    """Somebody wants a message to be sent."""
    fields: dict[str, Any] = {"number": 905301000001, "text": "Merhaba"}
    return Wish(DIALECT, PurchaseKind.MESSAGE, **fields | over)


def credit(amount: int = 10_000) -> Wish:
    """Somebody wants to fund an account."""
    return Wish(DIALECT, PurchaseKind.CREDIT, amount=amount)


@dataclass
class Rig:
    """A shop over these books."""

    books: ClockedBooks
    directory: Path
    node: ToldNode = field(default_factory=ToldNode)
    source: ToldSource = field(default_factory=ToldSource)
    more: Sequence[ToldSource] = ()
    with_node: bool = True

    def __post_init__(self) -> None:
        self.vault = Vault(self.directory)
        self.sources: dict[int, ToldSource] = {}
        for place, source in enumerate((self.source, *self.more)):
            self.sources[self.add_carrier(f"source {place}", place)] = source
        self.monotonic = 0.0
        self.start()

    def start(self) -> None:
        """A process starts: whatever another one had claimed is free."""
        self.process = f"process {next(_processes)}"
        funding: Funding | None = self.node if self.with_node else None

        def make(row: Carrier) -> ToldSource | None:
            return self.sources.get(row.id)

        self.shop = Shop(
            self.books,
            funding=funding,
            sources=SourceFleet(make),
            prices=Prices(PRICES),
            vault=self.vault,
            monotonic=lambda: self.monotonic,
        )
        self.write(lambda tx: jobs.release(tx, claim_not=self.process))

    def add_carrier(self, name: str, priority: int = 0) -> int:
        settings = {"priority": str(priority)}
        return self.write(
            lambda tx: carriers.add(tx, name, "told", settings, lambda _settings: None, self.vault)
        ).id

    def account(self, name: str = "alice", sats: int = 0) -> int:
        """An account with so many sats."""

        def create(tx: Tx) -> int:
            account_id = accounts.create(tx, name).account.id
            if sats:
                account_store.lock(tx, account_id)
                balances = ledger.locked(tx, [(account_id, SAT)])
                posting = Posting(account_id, SAT, Move.GRANT, sats)
                balances[account_id, SAT].apply(posting)
                ledger.save(tx, balances, [posting])
            return account_id

        return self.write(create)

    # What people do.

    async def order(self, wish: Wish | None = None, account_id: int | None = None) -> Sold:
        """Somebody's wish is accepted."""
        sold = await self.shop.buy(wish or code(), account_id, CALLER)
        assert isinstance(sold, Sold), sold
        return sold

    async def paid(self, wish: Wish | None = None, account_id: int | None = None) -> Purchase:
        """It is accepted and paid, and the node says so."""
        sold = await self.order(wish, account_id)
        await self.pay(sold)
        return self.of(sold)

    async def pay(self, sold: Sold, amount: int | None = None) -> bool:
        """Pay an invoice; whether the node let us."""
        assert sold.payreq is not None
        done = self.node.paid(sold.payreq, amount)
        await self.shop.cashier.heard([self.node.by_payreq(sold.payreq).hex()])
        return done

    async def waiting(self, wish: Wish | None = None, account_id: int | None = None) -> Purchase:
        """It has a number, too."""
        purchase = await self.paid(wish, account_id)
        await self.work()
        return self.get(purchase.id)

    async def cancel(self, purchase: Purchase) -> Denied | None:
        return await self.shop.cancel(purchase.public_id)

    async def work(self, *kinds: JobKind) -> None:
        """Do everything that is due; with `kinds` only jobs of these."""
        for _ in range(50):
            done = [await self.do(kind) for kind in kinds or OF_PURCHASES]
            time = look = verify = False
            if not kinds:
                time, look, verify = self.read(pending)
            if time:
                await self.shop.pass_time()
            if look:
                await self.shop.supply.look()
            if verify:
                await self.shop.cashier.verify()
            await self.shop.settle()
            if not any(done) and not (time or look or verify):
                return
        raise AssertionError("it never becomes quiet")

    async def do(self, kind: JobKind) -> bool:
        """Do the jobs of a kind that are due; whether there were any."""
        doers = {
            JobKind.BUY: self.shop.supply.buy,
            JobKind.RESOLVE: self.shop.cashier.resolve,
            JobKind.CLOSE: self.shop.cashier.resolve,
            JobKind.FINISH: self.shop.supply.finish,
        }
        if kind not in doers:
            return False
        claimed = await self.books.write(lambda tx: jobs.claim(tx, kind, 100, LEASE, self.process))
        for job in claimed:
            await doers[kind](job)
        return bool(claimed)

    async def after(self, ms: int, *, step: int | None = None) -> None:
        """Time goes by, and what becomes due in it is done."""
        for _ in range(ms // (step or ms)):
            self.books.clock.advance(step or ms)
            await self.work()

    # What there is.

    def read(self, question: Callable[[Tx], Result]) -> Result:
        return sync_read(self.books.database, question)

    def write(self, change: Callable[[Tx], Result]) -> Result:
        return sync_write(self.books.database, change)

    def get(self, purchase_id: int) -> Purchase:
        return self.read(lambda tx: store.load(tx, [purchase_id]))[purchase_id]

    def of(self, sold: Sold) -> Purchase:
        found = self.read(lambda tx: store.shown(tx, sold.public_id))
        assert found is not None
        return found

    def shown(self, purchase: Purchase) -> Shown:
        found = self.read(lambda tx: purchases.shown(tx, purchase.public_id))
        assert found is not None
        return found

    def told(self, purchase: Purchase) -> list[bytes]:
        """The events about a purchase."""
        return [
            bytes(row[0]) if isinstance(row[0], memoryview) else row[0]
            for row in self.read(lambda tx: tx.all(_EVENTS, id=purchase.id))
        ]

    def jobs(self) -> list[tuple[JobKind, int]]:
        return [(JobKind(row[0]), row[1]) for row in self.read(lambda tx: tx.all(_JOBS))]

    def balance(self, account_id: int) -> Balance:
        return self.read(lambda tx: ledger.of_account(tx, account_id)).get(SAT) or Balance()

    def house(self, whose: House) -> Balance:
        account_id = self.read(lambda tx: house.known_account(tx, whose))
        return Balance() if account_id is None else self.balance(account_id)
