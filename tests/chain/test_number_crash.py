"""`kill -9` while numbers are bought and paid for.

The server is a process of its own; customers and their payers live here and survive. When at last time has
run out for everything, each order is final, its invoice was settled or cancelled as the order says, nobody
saw a code that was not paid for, and the books balance.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.chain.number_rig import MINUTE, Buyer, NumberServer, Order
from tests.chain.rig import Gone, until
from tests.soak import seed, turns

from ulak.core.funding import InvoiceState
from ulak.core.states import PurchaseKind, PurchaseState, Resolve
from ulak.service.memory_node import Payment
from ulak.store.engine import Database

KILLS = {"sqlite": 6, "postgresql": 3}
CUSTOMERS = 24
PAYMENTS = (3, 25)
"""How many payments a server lives to see."""

AFTER = (0.0, 0.4)
"""Seconds from the last of them to its end. The server notices one within 0.1 s, and buys at once."""

STARTING = (0.0, 0.2)
"""Seconds from the start of a server that is hit before it answers to its end."""

DAY = 24 * 60 * MINUTE
SATS = 1_000_000

KINDS = (
    ("wait1", 8),
    ("wait2", 3),
    ("two", 1),
    ("none", 3),
    ("never", 2),
    ("rental", 2),
    ("message", 3),
    ("refused", 1),
    ("credit", 2),
)
"""What is ordered, and how often."""

NUMBERS = {"message": "+905301234567", "refused": "+905309999003"}

PAYS, PREPAYS, CANCELS = 0.85, 0.2, 0.02
"""How likely a customer pays, does so from his balance, and cancels after a look."""

LOOKS = (1, 20)
"""How often he looks, at most, before he goes and orders again."""

OPEN = (PurchaseState.UNPAID, PurchaseState.PAID, PurchaseState.WAITING, PurchaseState.SETTLING)
_NEWS = (
    "SELECT count(*) FROM purchase LEFT JOIN memory_invoice AS invoice"
    " ON invoice.payment_hash = purchase.payment_hash"
    f" WHERE (invoice.state = {int(InvoiceState.HELD)} AND purchase.state = {int(PurchaseState.UNPAID)})"
    f" OR (kind = {int(PurchaseKind.MESSAGE)} AND purchase.state = {int(PurchaseState.PAID)})"
)
_WAITING = (
    "SELECT count(*) FROM purchase WHERE resolved IS NULL"
    f" OR state IN ({', '.join(str(int(state)) for state in OPEN)})"
)
_RENTED = f"SELECT count(*) FROM purchase WHERE state = {int(PurchaseState.ACTIVE)}"

TAKEN = {
    PurchaseState.DONE,
    PurchaseState.ENDED,
    PurchaseState.SENT,
    PurchaseState.DELIVERED,
}
RETURNED = {
    PurchaseState.EXPIRED,
    PurchaseState.WITHDRAWN,
    PurchaseState.NO_NUMBER,
    PurchaseState.CANCELLED,
    PurchaseState.TIMED_OUT,
}


@dataclass
class Seen:
    """An order that was answered, and everything that its customer saw of it. `unpaid`: where its invoice
    stood when a code was seen that was not paid for."""

    order: Order
    payment: Payment | None = None
    polls: list[dict[str, Any]] = field(default_factory=list)
    unpaid: InvoiceState | None = None


@dataclass
class Story:
    """What was done. `under_way` counts orders by their state at a kill."""

    seen: list[Seen] = field(default_factory=list)
    payments: int = 0
    lost: int = 0
    under_way: Counter[str] = field(default_factory=Counter)


class Street:
    """Customers that order, pay, look and cancel all the time, whatever becomes of the server."""

    def __init__(self, server: NumberServer, key: str, chance: random.Random) -> None:
        self.story = Story()
        self._server = server
        self._key = key
        self._random = chance
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Order until closed."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CUSTOMERS):
                group.create_task(self._customer())

    def close(self) -> None:
        """Take no more customers."""
        self._closing.set()

    async def _customer(self) -> None:
        while not self._closing.is_set():
            buyer = Buyer(self._server, self._key)
            try:
                await self._buy(buyer)
            except Gone:
                self.story.lost += 1
            except OSError:
                await asyncio.sleep(0.05)
            finally:
                await buyer.close()

    async def _buy(self, buyer: Buyer) -> None:
        """Place one order. One that was not answered is not repeated: nobody knows what became of it."""
        seen = Seen(await self._order(buyer))
        self.story.seen.append(seen)
        if seen.order.payreq != "paid" and self._random.random() < PAYS:
            seen.payment = await asyncio.to_thread(self._server.pay, seen.order.payreq)
            self.story.payments += 1
        looks = self._random.randint(*LOOKS)
        while len(seen.polls) < looks and not self._closing.is_set():
            try:
                await self._look(buyer, seen)
                if self._random.random() < CANCELS:
                    await buyer.ask("GET", f"/cancelorder?orderId={seen.order.id}")
            except Gone:
                self.story.lost += 1
            except OSError:
                pass  # Nobody listens.
            if seen.polls and {"code", "error"} & seen.polls[-1].keys():
                return
            await asyncio.sleep(0.1)

    async def _order(self, buyer: Buyer) -> Order:
        [kind] = self._random.choices([kind for kind, _ in KINDS], [often for _, often in KINDS])
        if kind == "credit":
            return await buyer.fund(1_000)
        prepaid = self._random.random() < PREPAYS
        if kind in NUMBERS:
            return await buyer.message(NUMBERS[kind], immediate=prepaid)
        if kind == "rental":
            return await buyer.order("full", isRental=True, immediate=prepaid)
        return await buyer.order(kind, immediate=prepaid)

    async def _look(self, buyer: Buyer, seen: Seen) -> None:
        shown = await buyer.status(seen.order)
        seen.polls.append(shown)
        if "code" in shown and seen.order.payreq != "paid":
            state = await asyncio.to_thread(self._server.invoice, seen.order)
            if state is not InvoiceState.SETTLED:
                seen.unpaid = state


@pytest.mark.fault("F2 random kill -9", "of a server that sells numbers for Lightning payments")
@pytest.mark.parametrize("turn", turns(20))
async def test_kills(
    either_database: Database,
    turn: int,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    """Customers are at it while the server dies again and again; then time runs out for everything."""
    begins, began, database = seed(20261125), time.monotonic(), either_database
    chance, times = random.Random(begins + turn), KILLS["postgresql" if database.postgres else "sqlite"]
    server = NumberServer(database, funding="memory")
    server.sandbox()
    server.source()
    server.source("operator", carries="sms")
    street = Street(server, server.key("alice", SATS), chance)
    going = asyncio.create_task(street.run())
    try:
        for place in range(times):
            await die(server, street.story, chance, early=place % 3 == 2)
        await server.start()
        street.close()
        await going
        await time_runs_out(server)
        with capsys.disabled():
            print(f"\n{told(street.story, database.postgres, times, time.monotonic() - began)}")
        await check_what_was_seen(server, street.story)
        check_money(server, street.story)
        check_exercise(street.story)
        record_property("runs", times)
        record_property("seed", begins)
    finally:
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        await server.close()


async def die(server: NumberServer, story: Story, chance: random.Random, *, early: bool) -> None:
    """Start it, and kill it: before it answers, or after."""
    server.spawn()
    if early:
        await asyncio.sleep(chance.uniform(*STARTING))
    else:
        await server.answers()
        enough = story.payments + chance.randint(*PAYMENTS)
        await until(lambda: story.payments >= enough, 20, "customers pay")
        await asyncio.sleep(chance.uniform(*AFTER))
    server.kill()
    for state, count in server.sql("SELECT state, count(*) FROM purchase GROUP BY state"):
        if state in OPEN:
            story.under_way[PurchaseState(state).name] += count
    [(jobs, claimed)] = server.sql("SELECT count(*), count(CASE WHEN claim <> '' THEN 1 END) FROM job")
    story.under_way.update({"jobs": jobs, "claimed jobs": claimed})


async def time_runs_out(server: NumberServer) -> None:
    """Everything becomes final: orders first, once all payments are noticed, and then rentals too."""
    await until(lambda: server.sql(_NEWS) == [(0,)], 30, "what is paid is noticed", pause=0.2)
    server.advance(22 * MINUTE)
    await until(lambda: server.sql(_WAITING) == [(0,)], 30, "every order is final", pause=0.2)
    server.advance(15 * DAY)
    await until(lambda: server.sql(_RENTED) == [(0,)], 30, "every rental is over", pause=0.2)


def told(story: Story, postgres: bool, kills: int, took: float) -> str:
    """What happened, for people."""
    codes = sum(any("code" in poll for poll in seen.polls) for seen in story.seen)
    under_way = ", ".join(f"{count} {state.lower()}" for state, count in sorted(story.under_way.items()))
    return (
        f"{'PostgreSQL' if postgres else 'SQLite'}: {kills} kills in {took:.0f} s;"
        f" {len(story.seen)} orders, {codes} codes seen, {story.lost} answers lost\n"
        f"  when killed: {under_way}"
    )


async def check_what_was_seen(server: NumberServer, story: Story) -> None:
    """No order that was answered is missing; what was seen of one never went back; no code was free."""
    for seen in story.seen:
        assert seen.unpaid is None, (seen.order.id, seen.unpaid)
        buyer = Buyer(server)
        seen.polls.append(await buyer.status(seen.order))
        await buyer.close()
        kept: dict[str, Any] = {}
        for poll in seen.polls:
            assert "error" not in kept or "error" in poll
            assert poll["paid"] >= kept.get("paid", False)
            for name in ("number", "code"):
                if "messages" not in poll and "error" not in poll:
                    assert poll.get(name) == kept.get(name, poll.get(name)), (seen.order.id, name)
            kept |= poll
        if seen.payment is Payment.HELD and seen.order.payreq != "paid":
            assert server.invoice(seen.order) in (InvoiceState.SETTLED, InvoiceState.CANCELLED)
            assert seen.polls[-1]["paid"] or "error" in seen.polls[-1]


def check_money(server: NumberServer, story: Story) -> None:
    """Every invoice was settled or cancelled, as its order says; and nothing is held any more."""
    assert server.findings() == []
    rows = server.sql(
        "SELECT purchase.id, kind, purchase.state, resolve, prepaid, price, held, posted, reference,"
        " memory_invoice.state FROM purchase"
        " LEFT JOIN memory_invoice ON memory_invoice.payment_hash = purchase.payment_hash"
    )
    balance = SATS
    for row_id, kind, state, resolve, prepaid, price, held, posted, reference, invoice in rows:
        taken = resolve == Resolve.SETTLE
        refunded = prepaid and (kind, state) == (PurchaseKind.RENTAL, PurchaseState.CANCELLED)
        assert state in TAKEN | RETURNED | {PurchaseState.FAILED}
        assert state == PurchaseState.FAILED or taken == (state in TAKEN) or refunded
        assert held == 0
        assert posted == (price if taken and not refunded else 0)
        ends = (None,) if prepaid else (InvoiceState.SETTLED,) if taken else (InvoiceState.CANCELLED, None)
        assert invoice in ends, (row_id, state, invoice)
        assert reference in (None, str(row_id))
        balance += posted if kind == PurchaseKind.CREDIT else -posted if prepaid else 0
    [(count, different)] = server.sql("SELECT count(*), count(DISTINCT payment_hash) FROM memory_invoice")
    assert count == different == sum(row[-1] is not None for row in rows), "no invoice is nobody's"
    mine = "SELECT available, held FROM balance WHERE asset = 'SAT' AND account_id ="
    assert server.sql(f"{mine} (SELECT id FROM account WHERE name = 'alice')") == [(balance, 0)]
    assert len(rows) >= len(story.seen)


def check_exercise(story: Story) -> None:
    """That the kills hit something."""
    missing = {"UNPAID", "WAITING"} - story.under_way.keys()
    assert not missing, f"not exercised: no kill found an order {missing}"
    assert story.under_way.total() > 20, "not exercised: the kills found hardly anything under way"
    codes = [seen for seen in story.seen if any("code" in poll for poll in seen.polls)]
    assert len(codes) > 5, "not exercised: hardly a code was seen"
