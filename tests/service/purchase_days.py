"""Random days of a shop: customers, payers, sources, the node, processes and the clock do whatever they like.

Everything that asks somebody is a task that stops at gates: before and after each of its transactions, and on
the way to and from the node or a source. One gate is opened after the other, at random, so that all mixes in
every order; a process dies with its tasks wherever they stand. Each commit is told to a second, simple model,
which has to agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any, TypeVar

from tests import cast
from tests.conftest import FakeClock
from tests.service.purchase_clerk import Op
from tests.service.purchase_model import DAY, MINUTE, SECOND
from tests.service.purchase_office import PRICES, Process, Yard
from tests.service.purchase_post import Post
from tests.service.purchase_world import (
    BLOCK,
    POOLS,
    Lease,
    WorldAddresses,
    WorldNode,
    WorldSource,
)

from ulak.core.funding import Capability, InvoiceState
from ulak.core.jobs import OF_PURCHASES, JobKind
from ulak.core.ledger import SAT
from ulak.core.numbers import Text
from ulak.core.pools import ANY
from ulak.core.purchases import Sold, Tariff, Wish
from ulak.core.states import PurchaseKind
from ulak.service import credits, purchases
from ulak.service.shop import pending
from ulak.store import carriers, prices
from ulak.store.engine import Connection, Database
from ulak.store.vault import Vault
from ulak.wiring.queue import LEASE

Result = TypeVar("Result")

WORDS = ("Your code is {}", "{} is your code", "Kodunuz: {}", "Hello, how are you?", "code {}. Again: {}")
TO = 905301000001


class Days(Yard):
    """One seed."""

    def __init__(self, database: Database, clock: FakeClock, connection: Connection, seed: int) -> None:
        super().__init__(connection, clock, Random(seed), Vault(database.directory, b"k" * 32))
        rng = self.rng
        self.accounts = [cast.tenant(database, name, credit=0).id for name in ("alice", "bob")]
        self.post = Post(connection, clock, rng)
        self.node = WorldNode(rng, clock, self.pause, holds=rng.random() < 0.9)
        self.addresses = WorldAddresses(rng, self.pause)
        ways = [("a", 2 * SECOND), ("b", rng.choice([5 * SECOND, MINUTE])), ("c", None)]
        for name, every in rng.sample(ways, rng.choice([1, 2, 3, 3])):
            source = WorldSource(name, rng, self.pause, every)
            source.clock, source.may_end = clock, self.may_end
            source.empty, source.forgets = rng.choice([0.0, 0.2, 0.6]), rng.random() < 0.2
            carrier = connection.writing(
                partial(carriers.insert, name=name, kind="told", settings='{"plain":{},"sealed":{}}')
            )
            assert carrier
            self.sources[carrier] = source
        self.prices = {(tariff, None, ""): amount for tariff, amount in PRICES.items()}
        self.whims = rng.choice([0.0, 0.02, 0.08, 0.25])
        self.well(False)
        self.reach = rng.choice([1, 3, 12])
        self.patient = rng.choice([0.2, 0.9, 1.0])
        self.longest = rng.choice([20 * SECOND, 2 * MINUTE, 10 * MINUTE])
        anything = list(PurchaseKind)
        self.kinds = rng.choice([anything, anything, [PurchaseKind.CODE], anything[:2], anything[1:3]])
        if Capability.HOLD not in self.node.capabilities:
            self.kinds = [PurchaseKind.CREDIT, PurchaseKind.CREDIT, PurchaseKind.CODE]
        self.balances = rng.choice([0.1, 0.4, 0.9])
        for account in self.accounts:
            self.give(account, rng.choice([1, 10_000, 200_000]))
        self.known: list[tuple[str, str | None, int]] = []
        """What customers know: public ids, what there is to pay, and how much."""

    def well(self, well: bool) -> None:
        """Whether everybody answers."""
        self.luck = 0.0 if well else 1.0
        whims = 0.0 if well else self.whims
        self.node.whims = self.addresses.whims = whims
        self.node.away = self.node.away and not well
        for source in self.sources.values():
            source.whims, source.away = whims, source.away and not well

    # Time.

    async def pass_time(self) -> None:
        roll = self.rng.random()
        if roll > 0.98:
            await self.finish()
            self.clock.advance(self.rng.choice([DAY // 2, 3 * DAY]))
        elif roll > 0.85:
            self.meet_deadline()
            return
        longest = 5 * SECOND if roll < 0.6 else self.longest if roll < 0.97 else 30 * MINUTE
        self.clock.advance(self.rng.randint(0, longest))
        self.node.pass_time()

    def meet_deadline(self) -> None:
        """It is exactly the time at which something changes, or a moment before or after."""
        found = [at for sale in self.model.sales.values() for at in sale.deadlines() if at > self.clock.now]
        if found:
            at = self.rng.choice(sorted(found)[: self.reach]) + self.rng.choice([-1, 0, 1])
            self.clock.advance(max(0, at - self.clock.now))
            self.node.pass_time()

    # What is heard.

    def took_answer(self, op: Op) -> None:
        """Somebody hears what became of his wish."""
        if op.kind != "order":
            return
        self.log.append(f"{op.process.name} sold {op.made}: {type(op.answer).__name__}")
        if isinstance(op.answer, Sold):
            sale = self.model.sales[op.made]
            assert op.answer.public_id == sale.public_id
            bolt = self.bolt_of(sale.hash)
            assert op.answer.payreq == (None if sale.prepaid or bolt is None else bolt.payreq)
            self.known.append((sale.public_id, op.answer.payreq, sale.price))

    # What a process has to do.

    async def work(self) -> None:
        """A process does something that is due."""
        process = self.a_process()
        what: list[Callable[[Process], Coroutine[Any, Any, None]]] = [
            self.do_jobs,
            self.do_jobs,
            self.do_jobs,
            self.let_time,
            self.look,
            self.verify,
        ]
        await self.rng.choice(what)(process)

    async def do_jobs(self, process: Process, kinds: tuple[JobKind, ...] = OF_PURCHASES) -> None:
        due = self.connection.reading(process.queue.due)
        for kind in kinds:
            if kind not in due:
                continue
            limit = self.rng.choice([1, 3, 100])
            claimed = self.connection.writing(partial(process.queue.claim, kind=kind, limit=limit))
            for job in claimed:
                await self.begin(Op(kind.name.lower(), process), process.do(job))

    async def let_time(self, process: Process) -> None:
        await self.begin(Op("time", process), process.shop.pass_time())

    async def look(self, process: Process) -> None:
        await self.begin(Op("look", process), process.shop.supply.look())

    async def verify(self, process: Process) -> None:
        await self.begin(Op("verify", process), process.shop.cashier.verify())

    async def hear(self) -> None:
        """The node tells of news, maybe of old ones."""
        process, news = self.a_process(), set(self.node.news)
        if self.rng.random() < 0.7:
            self.node.news.clear()
        news |= {bolt.payment_hash.hex() for bolt in self.node.bolts.values() if self.rng.random() < 0.05}
        if news:
            await self.begin(Op("heard", process), process.shop.cashier.heard(news))

    async def work_all(self) -> None:
        """A process does everything that is due now."""
        process = self.a_process()
        hurry, self.hurry = self.hurry, 1.0
        for _ in range(30):
            due = self.connection.reading(process.queue.due)
            time, look, verify = self.connection.reading(pending)
            if not due and not (time or look or verify):
                break
            if due:
                await self.do_jobs(process)
            if time:
                await self.let_time(process)
            if look:
                await self.look(process)
            if verify:
                await self.verify(process)
            await self.finish()
        self.hurry = hurry

    # Customers, and who pays for them.

    def a_wish(self) -> tuple[Wish, int | None]:
        rng = self.rng
        account = rng.choice([None, *self.accounts])
        kind = rng.choice(self.kinds)
        if kind is PurchaseKind.CREDIT:
            account = account or self.accounts[0]
            return Wish("sms4sats", kind, amount=rng.choice([1000, 20_000, 77_777])), account
        wish = partial(
            Wish,
            "sms4sats",
            kind,
            prepaid=rng.random() < (self.balances if account else 0.03),
            referrer=rng.choice([None, None, "carol@example.org"]),
            callback_url=rng.choice([None, None, "https://shop.example/hook"]),
        )
        if kind is PurchaseKind.MESSAGE:
            return wish(number=TO, text="Merhaba"), account
        pool, service = rng.choice([ANY, *POOLS]), rng.choice(["tg", "wa", "zz"])
        handset = kind is PurchaseKind.CODE and rng.random() < 0.1
        return wish(pool=pool, service=service, handset=handset), account

    async def buy(self) -> None:
        process, (wish, account) = self.a_process(), self.a_wish()
        caller = self.rng.choice(["192.0.2.1", "192.0.2.2"])
        op = Op("order", process, wish=wish, account=account, caller=caller)
        await self.begin(op, process.shop.buy(wish, account, caller))

    async def pay(self) -> None:
        """Somebody pays: in time, late, again, more than was asked for."""
        owing = [known for known in self.known if known[1] is not None]
        open_ = {bolt.payreq for bolt in self.node.bolts.values() if bolt.state is InvoiceState.OPEN}
        payable = [known for known in owing if known[1] in open_]
        if payable and self.rng.random() < 0.8:
            owing = payable
        if not owing:
            await self.buy()
            return
        _, payreq, price = self.rng.choice(owing[-2 * self.reach :])
        assert payreq
        amount = price if self.rng.random() < 0.8 else self.rng.randint(price, 2 * price)
        took = self.node.pay_in(payreq, amount)
        self.log.append(f"   somebody pays {amount}: {took}")
        if took and self.rng.random() < 0.6:
            await self.hear()

    def stage_of(self, public_id: str) -> str:
        sale = self.model.of(public_id)
        assert sale
        return sale.stage

    async def cancel(self) -> None:
        """A customer cancels, or somebody who guesses."""
        process = self.a_process()
        ids = [known[0] for known in self.known]
        paid = [public_id for public_id in ids if self.stage_of(public_id) != "unpaid"]
        ids = (paid if self.rng.random() < self.patient else ids)[-2 * self.reach :]
        if not ids:
            await self.work()
            return
        public_id = self.rng.choice(ids) if self.rng.random() < 0.95 else "ab" * 32
        await self.begin(Op("cancel", process, public_id), process.shop.cancel(public_id))

    async def grant(self) -> None:
        self.give(self.rng.choice(self.accounts), self.rng.randint(1, 30_000))

    def give(self, account: int, amount: int) -> None:
        """An operator gives an account sats."""
        name = ("alice", "bob")[self.accounts.index(account)]
        self.connection.writing(lambda tx: credits.grant(tx, name, amount, SAT))
        self.model.granted[account] = self.model.granted.get(account, 0) + amount

    async def set_price(self) -> None:
        """An operator sets a price, or somebody asks for one."""
        tariff, amount = self.rng.choice(list(Tariff)), self.rng.randint(500, 9000)
        pool = self.rng.choice([None, None if tariff is Tariff.SEND else POOLS[0]])
        self.connection.writing(lambda tx: prices.put(tx, prices.Price(tariff, pool, "", amount)))
        self.prices[tariff, pool, ""] = amount

    async def quote(self) -> None:
        process, (wish, _) = self.a_process(), self.a_wish()
        if wish.kind is PurchaseKind.CREDIT:
            return
        place = (None, "") if wish.kind is PurchaseKind.MESSAGE else (wish.pool, wish.service)
        caller = "192.0.2.1"
        op = Op("quote", process, wish=wish, caller=caller)
        expected = self.price_of(op)
        shown = self.connection.reading(lambda tx: process.prices.quote(tx, caller, wish.tariff, *place))
        assert shown == expected
        process.quotes[caller, wish.tariff, *place] = (expected, self.clock.now + 5 * MINUTE)

    # Sources.

    def a_lease(self) -> tuple[WorldSource, Lease] | None:
        """A number that was sold, often one that somebody waits for."""
        leases = [(source, lease) for source in self.sources.values() for lease in source.leases]
        open_ = [pair for pair in leases if not pair[1].is_over]
        awaited = [pair for pair in open_ if not pair[1].texts]
        roll = self.rng.random()
        chosen = awaited if awaited and roll < 0.6 else open_ if open_ and roll < 0.9 else leases
        return self.rng.choice(chosen[-4 * self.reach :]) if chosen else None

    async def text(self) -> None:
        """An SMS comes to a number: with a code or without, late, again."""
        found = self.a_lease()
        if found is None:
            await self.work()
            return
        source, lease = found
        code = f"{self.rng.randrange(10**5):05}"
        if self.rng.random() < 0.9 or not lease.texts:
            words = self.rng.choice(WORDS).replace("{}", code)
            own = self.rng.choice([None, code]) if code in words else None
            reference = str(len(lease.texts)) if source.name != "b" else ""
            lease.texts.append(Text("Example", words, self.clock.now, own, reference))
        self.log.append(f"   text {lease.texts[-1].text!r} for {lease.key}")
        if source.every is None:
            await self.push(source, lease, lease.texts[-1])

    async def push(self, source: WorldSource, lease: Lease, text: Text) -> None:
        """A source that brings its news by itself."""
        sale = self.model.sales.get(lease.key)
        if sale is None or sale.carrier is None or self.sources[sale.carrier] is not source:
            return
        if sale.reference != lease.got.reference:
            return
        process = self.a_process()

        async def bring() -> None:
            await process.write(lambda tx: purchases.text_came(tx, lease.key, text))

        await self.begin(Op("push", process), bring())

    async def take_back(self) -> None:
        found = self.a_lease()
        if found and self.rng.random() < 0.5:
            found[1].gone = True

    # Trouble.

    async def go_away(self) -> None:
        """The node, or a source, goes away or comes again."""
        parties: list[WorldNode | WorldSource] = [self.node, *self.sources.values()]
        one = self.rng.choice(parties)
        one.away = not one.away and self.rng.random() < 0.6

    async def lose(self) -> None:
        """A payment that is held goes back by itself, or soon will."""
        held = [bolt for bolt in self.node.bolts.values() if bolt.is_held]
        if held:
            bolt = self.rng.choice(held)
            if self.rng.random() < 0.4:
                self.node.lose(bolt)
            else:
                blocks = self.rng.choice([13, 23, 24, 25, 27])
                bolt.timeout = min(bolt.timeout, self.clock.now + blocks * BLOCK)
                bolt.shortened = self.clock.now

    # The course of things.

    async def rest(self) -> None:
        """Everybody is well for some minutes, but maybe for the sources, and all that is due is done."""
        self.well(True)
        silent = self.rng.random() < 0.3
        for source in self.sources.values():
            source.away = silent
        await self.finish()
        for _ in range(3):
            await self.work_all()
            self.clock.advance(LEASE // 2 + SECOND)
        await self.work_all()
        if self.rng.random() < 0.5:
            self.meet_deadline()
            for _ in range(3):
                await self.work_all()
                self.clock.advance(LEASE // 3 + SECOND)
            await self.work_all()
        self.inspect_rest()
        # Sources that were silent are there again.
        self.well(True)
        self.well(False)

    async def run(self, steps: int, audited_each: int) -> None:
        """Let so many things happen, then see that everything comes to an end."""
        asyncio.get_running_loop().set_exception_handler(self.took_exception)
        happenings: dict[Callable[[], Coroutine[Any, Any, None]], float] = {
            self.let: 14,
            self.buy: 4,
            self.pay: 5,
            self.work: 12,
            self.text: 6,
            self.hear: 3,
            self.pass_time: 5,
            self.cancel: 3,
            self.post.work: 5,
            self.grant: 1,
            self.set_price: 0.4,
            self.quote: 0.6,
            self.take_back: 0.5,
            self.go_away: 0.7,
            self.lose: 0.7,
            self.kill: 1.5,
            self.more_processes: 0.5,
            self.work_all: 1.5,
            self.rest: 0.3,
        }
        # Each seed has its own habits: what is rare in one is frequent in another.
        weights = [weight * self.rng.choice([0.2, 0.6, 1, 1, 2, 5]) for weight in happenings.values()]
        weights[-1] = happenings[self.rest]
        for number in range(steps):
            self.hurry = self.rng.choice([0.3, 0.5, 0.8, 0.95]) if number % 20 == 0 else self.hurry
            (happening,) = self.rng.choices(list(happenings), weights)
            self.log.append(f"-- {number} {happening.__name__} {self.clock.now % (10**9)}")
            await happening()
            if number % audited_each == 0:
                self.inspect(number % (10 * audited_each) == 0)
        await self.close()

    async def close(self) -> None:
        """Everybody is well, nobody dies, and all that was begun comes to an end."""
        self.log.append("-- close")
        await self.rest()
        self.well(True)
        for wait in (5 * MINUTE, 22 * MINUTE, MINUTE, MINUTE, 15 * DAY, MINUTE, MINUTE):
            self.clock.advance(wait)
            self.node.pass_time()
            self.post.end()
            await self.work_all()
        self.inspect(audited=True)
        self.inspect_end()


def run_days(
    database: Database, clock: FakeClock, seed: int, steps: int, audited_each: int = 5, lines: int = 60
) -> set[tuple[str, str]]:
    """A whole seed on a database with nothing but the schema. What purchases came to be, by their kind."""
    connection = database.connect()
    days = Days(database, clock, connection, seed)
    try:
        asyncio.run(days.run(steps, audited_each))
    except BaseException as error:
        error.add_note("\n".join(days.log[-lines:]))
        raise
    finally:
        connection.close()
    return days.model.reached
