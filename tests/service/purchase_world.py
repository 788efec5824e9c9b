"""The world outside a shop: a Lightning node, sources of numbers and Lightning Addresses, as they really are.

All of them remember what they did. A call can find them away, and its answer can be lost after all was done.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random

from ulak.core.funding import (
    MIN_CLTV,
    CannotDo,
    Capability,
    FundingDown,
    Invoice,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)
from ulak.core.numbers import Activation, Gone, Got, News, NoneLeft, Text, Unreached, Want
from ulak.core.referrals import Bill, NoBill

BLOCK = 10 * 60_000
"""How long a block takes, ms."""

LETS_GO = 12
"""With so few blocks left a node gives back what it holds, whatever it was told."""

POOLS = (22, 187)

ANSWERS: ContextVar[list[tuple[int, object]]] = ContextVar("ANSWERS")
"""What sources said to whoever wanted a number in this piece of work: (key, answer)."""

LOOKED: ContextVar[dict[str, InvoiceState]] = ContextVar("LOOKED")
"""What the node said of invoices in this piece of work, by their hashes."""

Pause = Callable[[], Awaitable[None]]


@dataclass(eq=False)
class Bolt:
    """An invoice at the node. `got`: sats that came; `ends` lists what became final, which is one thing."""

    payreq: str
    payment_hash: bytes
    amount: int
    hold: bool
    expires: int
    state: InvoiceState = InvoiceState.OPEN
    got: int = 0
    timeout: int = 0
    shortened: int = 0
    """When so few blocks were left all at once, ms."""
    let_go: int | None = None
    """When the money went back without our doing, ms."""
    ends: list[InvoiceState] = field(default_factory=list)

    @property
    def is_held(self) -> bool:
        return self.state is InvoiceState.HELD

    def end(self, state: InvoiceState) -> None:
        self.state = state
        self.ends.append(state)


class WorldNode:
    """`ulak.core.funding.Funding`. `whims`: how often a question or an answer is lost."""

    def __init__(self, rng: Random, clock: Callable[[], int], pause: Pause, *, holds: bool) -> None:
        first = Capability.HOLD if holds else Capability.PLAIN
        self.capabilities = frozenset((first, Capability.PAY))
        self.rng, self.clock, self.pause = rng, clock, pause
        self.whims, self.away = 0.0, False
        self.bolts: dict[bytes, Bolt] = {}
        self.payments: dict[str, PaymentState] = {}
        self.news: set[str] = set()

    # What people and time do.

    def pay_in(self, payreq: str, amount: int) -> bool:
        """Somebody pays; whether the node takes it."""
        self.pass_time()
        bolt = next(bolt for bolt in self.bolts.values() if bolt.payreq == payreq)
        if bolt.state is not InvoiceState.OPEN:
            return False
        bolt.got = amount
        blocks = self.rng.choice([MIN_CLTV, MIN_CLTV, MIN_CLTV, 40, 26])
        bolt.timeout = self.clock() + blocks * BLOCK
        if bolt.hold:
            bolt.state = InvoiceState.HELD
        else:
            bolt.end(InvoiceState.SETTLED)
        self.news.add(bolt.payment_hash.hex())
        return True

    def lose(self, bolt: Bolt) -> None:
        """What is held goes back by itself."""
        assert bolt.is_held
        bolt.end(InvoiceState.CANCELLED)
        bolt.let_go = self.clock()

    def pass_time(self) -> None:
        """Invoices expire, and HTLCs time out."""
        for bolt in self.bolts.values():
            if bolt.state is InvoiceState.OPEN and self.clock() >= bolt.expires:
                bolt.end(InvoiceState.CANCELLED)
            elif bolt.is_held and self.blocks_left(bolt) <= LETS_GO:
                self.lose(bolt)

    def blocks_left(self, bolt: Bolt) -> int:
        return max(0, (bolt.timeout - self.clock()) // BLOCK)

    # What it is asked.

    async def _asked(self) -> None:
        await self.pause()
        if self.away or self.rng.random() < self.whims:
            raise FundingDown("away")
        self.pass_time()

    async def _answered(self) -> None:
        await self.pause()
        if self.rng.random() < self.whims:
            raise FundingDown("no answer came")

    async def create_hold(self, payment_hash: bytes, amount: int, memo: str, expiry: int) -> Invoice:
        del memo
        assert Capability.HOLD in self.capabilities
        await self._asked()
        if self.rng.random() < self.whims / 4:
            raise CannotDo("no more invoices")
        return await self._create(payment_hash, amount, expiry, hold=True)

    async def create_plain(self, amount: int, memo: str, expiry: int) -> Invoice:
        del memo
        assert Capability.HOLD not in self.capabilities
        await self._asked()
        return await self._create(self.rng.randbytes(32), amount, expiry, hold=False)

    async def _create(self, payment_hash: bytes, amount: int, expiry: int, *, hold: bool) -> Invoice:
        assert payment_hash not in self.bolts
        expires = self.clock() + expiry * 1000
        bolt = Bolt(f"lnbc{payment_hash.hex()}", payment_hash, amount, hold, expires)
        self.bolts[payment_hash] = bolt
        await self._answered()
        return Invoice(bolt.payreq, payment_hash, amount, expires)

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        await self._asked()
        bolt = self.bolts.get(payment_hash)
        news = InvoiceNews(InvoiceState.UNKNOWN)
        if bolt is not None:
            paid = bolt.state in (InvoiceState.HELD, InvoiceState.SETTLED)
            blocks = self.blocks_left(bolt) if bolt.is_held else None
            news = InvoiceNews(bolt.state, bolt.got if paid else 0, blocks)
        await self._answered()
        LOOKED.get()[payment_hash.hex()] = news.state
        return news

    async def settle(self, preimage: bytes) -> bool:
        await self._asked()
        bolt = self.bolts.get(hashlib.sha256(preimage).digest())
        if bolt is not None and bolt.is_held:
            bolt.end(InvoiceState.SETTLED)
        settled = bolt is not None and bolt.state is InvoiceState.SETTLED
        await self._answered()
        return settled

    async def cancel(self, payment_hash: bytes) -> bool:
        await self._asked()
        if Capability.HOLD not in self.capabilities:
            raise CannotDo("plain invoices end by themselves")
        bolt = self.bolts.get(payment_hash)
        if bolt is not None and bolt.state in (InvoiceState.OPEN, InvoiceState.HELD):
            bolt.end(InvoiceState.CANCELLED)
        cancelled = bolt is None or bolt.state is InvoiceState.CANCELLED
        await self._answered()
        return cancelled

    def watch(self) -> AsyncIterator[bytes]:
        raise AssertionError("news is brought by hand")

    def follow(self, payment_hash: bytes) -> None:
        """All are followed."""

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        assert max_fee >= 5
        assert timeout > 0
        await self._asked()
        if self.payments.get(payreq) not in (PaymentState.PAID, PaymentState.UNDER_WAY):
            roll = self.rng.random()
            failed, slow = roll < self.whims, roll < 2 * self.whims
            self.payments[payreq] = (
                PaymentState.FAILED if failed else PaymentState.UNDER_WAY if slow else PaymentState.PAID
            )
        state = self.payments[payreq]
        await self._answered()
        return state

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        await self._asked()
        payreq = bill_for(payment_hash)
        if self.payments.get(payreq) is PaymentState.UNDER_WAY:
            paid = self.rng.random() < 0.5
            self.payments[payreq] = PaymentState.PAID if paid else PaymentState.FAILED
        state = self.payments.get(payreq, PaymentState.UNKNOWN)
        await self._answered()
        return state

    async def health(self) -> str:
        return "well"

    async def close(self) -> None:
        """Nothing is open."""


def bill_for(payment_hash: bytes) -> str:
    """The invoice of somebody else that has this hash."""
    return f"lnbcbill{payment_hash.hex()}"


class WorldAddresses:
    """`ulak.core.referrals.Addresses`; `amounts` are those of the invoices it gave out."""

    def __init__(self, rng: Random, pause: Pause) -> None:
        self.rng, self.pause, self.whims = rng, pause, 0.0
        self.amounts: dict[str, int] = {}

    async def bill(self, address: str, amount: int) -> Bill:
        assert address
        await self.pause()
        if self.rng.random() < self.whims:
            raise NoBill("nobody there")
        payment_hash = self.rng.randbytes(32)
        self.amounts[bill_for(payment_hash)] = amount
        await self.pause()
        return Bill(bill_for(payment_hash), payment_hash.hex())


@dataclass(eq=False)
class Lease:
    """A number that a source sold."""

    key: int
    got: Got
    since: int
    texts: list[Text] = field(default_factory=list)
    gone: bool = False
    finished: bool = False
    heard: bool = False
    """Its answer was not lost on our way."""

    @property
    def is_over(self) -> bool:
        return self.gone or self.finished


class WorldSource:
    """`ulak.core.numbers.NumberSource`. It may have forgotten what it sold for a key when asked again."""

    def __init__(self, name: str, rng: Random, pause: Pause, every: int | None) -> None:
        self.name, self.rng, self.pause, self.every = name, rng, pause, every
        self.whims, self.away, self.empty, self.forgets = 0.0, False, 0.2, False
        self.leases: list[Lease] = []
        self.may_end: Callable[[WorldSource, Activation], bool] = lambda _source, _activation: True
        self.clock: Callable[[], int] = lambda: 0
        self.sold = 0

    def whim(self, often: float = 1.0) -> bool:
        return self.rng.random() < self.whims * often

    def find(self, reference: str) -> Lease | None:
        return next((lease for lease in self.leases if lease.got.reference == reference), None)

    async def _asked(self) -> Unreached | None:
        await self.pause()
        if self.whim(0.2):
            raise ConnectionError("reset")
        return Unreached("away") if self.away or self.whim() else None

    def unlisted(self, service: str) -> bool:
        return service == "zz"

    async def pools(self) -> Collection[int] | Unreached:
        return await self._asked() or POOLS

    async def rentals(self, service: str) -> Collection[int] | Unreached:
        assert service
        return await self._asked() or (() if self.whim() else POOLS)

    async def stock(self, pool: int) -> Mapping[str, int] | Unreached:
        assert pool
        return await self._asked() or ({} if self.whim() else {"tg": 3, "wa": 1})

    async def buy(self, want: Want) -> Got | NoneLeft | Unreached:
        lost = Unreached("no answer came")
        answers = ANSWERS.get()
        answers.append((want.key, lost))
        answer: Got | NoneLeft | Unreached | None = await self._asked()
        if answer is None:
            answer = self._sell(want)
        await self.pause()
        if self.whim():
            answer = lost
        if isinstance(answer, Got):
            lease = self.find(answer.reference)
            assert lease
            lease.heard = True
        answers[-1] = (want.key, answer)
        return answer

    def _sell(self, want: Want) -> Got | NoneLeft:
        known = [lease for lease in self.leases if lease.key == want.key and not lease.is_over]
        if known and not self.forgets:
            return known[0].got
        if self.rng.random() < self.empty:
            return NoneLeft("sold out")
        self.sold += 1
        # Numbers come again, as soon as nobody has them.
        taken = {lease.got.number for lease in self.leases if not lease.is_over}
        number = next(number for number in range(447700900000, 447700900999) if number not in taken)
        reference = f"{self.name}{self.sold}" if self.name == "a" else f"{7000 + self.sold}"
        pool = want.pool if want.pool in POOLS else self.rng.choice(POOLS)
        lease = Lease(want.key, Got(reference, number, pool), self.clock())
        self.leases.append(lease)
        return lease.got

    async def news(self, held: Sequence[Activation], now: int) -> Sequence[News]:
        assert now
        lost = await self._asked()
        answers: list[News] = [lost or self._news(activation) for activation in held]
        await self.pause()
        return [Unreached("no answer came")] * len(held) if self.whim() else answers

    def _news(self, activation: Activation) -> News:
        lease = self.find(activation.reference)
        assert lease
        assert lease.key == activation.key
        assert lease.got.number == activation.number
        if self.whim(0.5):
            return Unreached("not now")
        return Gone("taken back") if lease.gone else tuple(lease.texts)

    async def finish(self, activation: Activation, used: bool) -> Unreached | None:
        lease = self.find(activation.reference)
        assert lease
        assert self.may_end(self, activation), f"{activation} is given back too early"
        assert not used or lease.texts or activation.rental
        lost = await self._asked()
        if lost is not None:
            return lost
        lease.finished = True
        await self.pause()
        return Unreached("no answer came") if self.whim() else None

    async def close(self) -> None:
        """Nothing is open."""
