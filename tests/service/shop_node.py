"""A Lightning node in a dictionary: it keeps the rules of a real one, and fails when it is told to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ulak.core.funding import (
    CannotDo,
    Capability,
    FundingDown,
    Invoice,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)

BEFORE, AFTER = "before", "after"
"""How a call is lost: nothing was done, or it was done and the answer did not come."""


@dataclass
class Kept:
    """An invoice, as the node keeps it. `got` sats are held, or were taken."""

    payreq: str
    amount: int
    hold: bool
    state: InvoiceState = InvoiceState.OPEN
    got: int = 0
    blocks: int | None = None


class ToldNode:
    """`ulak.core.funding.Funding`. `fails(call)` says how a call is lost; None: it is not."""

    def __init__(self, *capabilities: Capability) -> None:
        self.capabilities = frozenset(capabilities or (Capability.HOLD, Capability.PLAIN, Capability.PAY))
        self.fails: Callable[[str], str | None] = lambda _call: None
        self.invoices: dict[bytes, Kept] = {}
        self.calls: list[str] = []
        self.followed: set[bytes] = set()
        self.news: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.can_cancel_plain = False

    def down(self, how: str = BEFORE) -> None:
        """Lose every call from now on."""
        self.fails = lambda _call: how

    def up(self) -> None:
        """Answer again."""
        self.fails = lambda _call: None

    # What happens outside.

    def by_payreq(self, payreq: str) -> bytes:
        return next(key for key, kept in self.invoices.items() if kept.payreq == payreq)

    def paid(self, payreq: str, amount: int | None = None) -> bool:
        """Somebody pays an invoice; whether the node lets him."""
        payment_hash = self.by_payreq(payreq)
        kept = self.invoices[payment_hash]
        if kept.state is not InvoiceState.OPEN:
            return False
        kept.got = kept.amount if amount is None else amount
        kept.state = InvoiceState.HELD if kept.hold else InvoiceState.SETTLED
        self.news.put_nowait(payment_hash)
        return True

    def let_go(self, payreq: str) -> None:
        """The payment times out, and its money goes back by itself."""
        kept = self.invoices[self.by_payreq(payreq)]
        if kept.state in (InvoiceState.HELD, InvoiceState.OPEN):
            kept.state, kept.got = InvoiceState.CANCELLED, 0

    def state(self, payreq: str) -> InvoiceState:
        return self.invoices[self.by_payreq(payreq)].state

    @property
    def income(self) -> int:
        """Sats that were taken."""
        return sum(kept.got for kept in self.invoices.values() if kept.state is InvoiceState.SETTLED)

    # What it is asked.

    def _lost(self, call: str) -> bool:
        """Whether the answer is lost; raises where the question is."""
        self.calls.append(call)
        how = self.fails(call)
        if how == BEFORE:
            raise FundingDown("told so")
        return how == AFTER

    async def create_hold(self, payment_hash: bytes, amount: int, memo: str, expiry: int) -> Invoice:
        del memo
        if Capability.HOLD not in self.capabilities:
            raise CannotDo("no hold invoices")
        return self._create(payment_hash, amount, expiry, hold=True)

    async def create_plain(self, amount: int, memo: str, expiry: int) -> Invoice:
        del memo
        if Capability.PLAIN not in self.capabilities:
            raise CannotDo("no plain invoices")
        payment_hash = hashlib.sha256(b"plain %d" % len(self.invoices)).digest()
        return self._create(payment_hash, amount, expiry, hold=False)

    def _create(self, payment_hash: bytes, amount: int, expiry: int, *, hold: bool) -> Invoice:
        lost = self._lost("create")
        kept = Kept(f"lnbc{payment_hash.hex()[:12]}", amount, hold)
        self.invoices[payment_hash] = kept
        if lost:
            raise FundingDown("told so")
        return Invoice(kept.payreq, payment_hash, amount, expiry * 1000)

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        lost = self._lost("look_up")
        if lost:
            raise FundingDown("told so")
        kept = self.invoices.get(payment_hash)
        if kept is None:
            return InvoiceNews(InvoiceState.UNKNOWN)
        return InvoiceNews(kept.state, kept.got, kept.blocks)

    async def settle(self, preimage: bytes) -> bool:
        lost = self._lost("settle")
        kept = self.invoices[hashlib.sha256(preimage).digest()]
        if kept.state is InvoiceState.HELD:
            kept.state = InvoiceState.SETTLED
        if lost:
            raise FundingDown("told so")
        return kept.state is InvoiceState.SETTLED

    async def cancel(self, payment_hash: bytes) -> bool:
        lost = self._lost("cancel")
        kept = self.invoices.get(payment_hash)
        if kept is not None and not kept.hold and not self.can_cancel_plain:
            raise CannotDo("plain invoices end by themselves")
        if kept is not None and kept.state is not InvoiceState.SETTLED:
            kept.state, kept.got = InvoiceState.CANCELLED, 0
        if lost:
            raise FundingDown("told so")
        return kept is None or kept.state is InvoiceState.CANCELLED

    async def watch(self) -> AsyncIterator[bytes]:
        while True:
            news = await self.news.get()
            if news is None:
                raise FundingDown("lost")
            yield news

    def follow(self, payment_hash: bytes) -> None:
        self.followed.add(payment_hash)

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        del payreq, max_fee, timeout
        return PaymentState.FAILED

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        del payment_hash
        return PaymentState.UNKNOWN

    async def health(self) -> str:
        return "told"

    async def close(self) -> None:
        return
