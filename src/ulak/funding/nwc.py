"""A wallet behind Nostr Wallet Connect (NIP-47): Alby Hub, a node with a bridge, or a service.

What a wallet can do stands in its info event; it can hold when it has all three hold methods. Two things
are less than the port asks for: NIP-47 knows no limit for the fee of a payment (the wallet's own rules and
budget hold), and Alby Hub passes over how many blocks a payment is to be held at least.

Wallets answer a repeated order with an error, and Alby Hub cancels only what is held already. So what became
of an order is never taken from its answer but looked up. Where an order cannot be carried out yet, that is
`FundingDown`: it has to be given again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from ulak.core.funding import (
    HELD_MIN,
    MIN_CLTV,
    CannotDo,
    Capability,
    FundingDown,
    Invoice,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)
from ulak.core.times import Clock
from ulak.funding.invoices import MSAT, check_aside, check_plain_aside, hash_of, read_to_pay
from ulak.funding.nostr import Line, Notice, Refused, Unanswered, parse_uri, plain
from ulak.funding.polling import EVERY, LATE, Poller

PATIENCE = 20.0
"""Seconds until a wallet has answered."""

AT_ONCE = 8
"""Requests under way at a time."""

SETTLING = (0.2, 0.5, 1.0, 2.0)
"""Seconds between looks at an invoice whose end was ordered and which has not ended yet."""

HEIGHT_KEPT = 60.0
"""Seconds for which the number of the newest block is good enough."""

_NEEDS = {
    Capability.HOLD: ("make_hold_invoice", "settle_hold_invoice", "cancel_hold_invoice", "lookup_invoice"),
    Capability.PLAIN: ("make_invoice", "lookup_invoice"),
    Capability.PAY: ("pay_invoice", "lookup_invoice"),
}
_STATES = {
    "pending": InvoiceState.OPEN,
    "accepted": InvoiceState.HELD,
    "settled": InvoiceState.SETTLED,
    "expired": InvoiceState.CANCELLED,
    "failed": InvoiceState.CANCELLED,
}
_PAYMENTS = {
    "pending": PaymentState.UNDER_WAY,
    "accepted": PaymentState.UNDER_WAY,
    "settled": PaymentState.PAID,
    "expired": PaymentState.FAILED,
    "failed": PaymentState.FAILED,
}
# What a wallet says before it has begun anything.
_NOT_BEGUN = ("INSUFFICIENT_BALANCE", "QUOTA_EXCEEDED")
_NOTIFICATIONS = ("hold_invoice_accepted", "payment_received")


class NwcFunding:
    """A wallet as a node (`core.funding.Funding`)."""

    def __init__(
        self,
        uri: str,
        clock: Clock,
        network: str | None = None,
        *,
        expected: Collection[Capability] = (Capability.HOLD, Capability.PLAIN),
        patience: float = PATIENCE,
        every: float = EVERY,
        line: Mapping[str, Any] | None = None,
    ) -> None:
        """`uri` as `nostr.parse_uri` reads it. The clock is the machine's: Nostr and the wallet live by it.

        `network` is what invoices must be of, None for any; `expected` what it can do until it was asked;
        `patience` and `every` are seconds; `line` may hold further arguments for `nostr.Line`.

        Raises:
            ValueError: the address is none.
        """
        self._line = Line(parse_uri(uri), clock, self._heard, **(line or {}))
        self._clock = clock
        self._network = network
        self._expected = frozenset(expected)
        self._patience = patience
        self._poller = Poller(self.look_up, every)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._height = (0.0, 0)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do: what its info event says, and before that was read, what was expected."""
        info = self._line.info
        if info is None:
            return self._expected
        return frozenset(what for what, methods in _NEEDS.items() if info.methods.issuperset(methods))

    async def create_hold(self, payment_hash: bytes, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice whose payment is held. If the wallet has one with this hash, it is that one."""
        await self._need(Capability.HOLD)
        params = {
            "amount": amount * MSAT,
            "description": memo,
            "expiry": expiry,
            "payment_hash": payment_hash.hex(),
            "min_cltv_expiry_delta": MIN_CLTV,
        }
        try:
            made = await self._ask("make_hold_invoice", params)
        except Refused as refused:
            known = await self._known(payment_hash)
            if known is None or not known.get("invoice"):
                raise refused.told() from None
            made = known
        return await check_aside(_payreq(made), payment_hash, amount, self._network, HELD_MIN)

    async def create_plain(self, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice whose payment is taken at once."""
        await self._need(Capability.PLAIN)
        made = await self._told(
            "make_invoice", {"amount": amount * MSAT, "description": memo, "expiry": expiry}
        )
        return await check_plain_aside(_payreq(made), amount, self._network)

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        """Where an invoice stands. One that was not paid for long after its expiry is cancelled."""
        known = await self._known(payment_hash)
        if known is None or known.get("type") == "outgoing":
            return InvoiceNews(InvoiceState.UNKNOWN)
        state = _STATES[_state(known)]
        if state is InvoiceState.OPEN and self._is_past(known):
            state = InvoiceState.CANCELLED
        if state not in (InvoiceState.HELD, InvoiceState.SETTLED):
            return InvoiceNews(state)
        left = await self._blocks_left(known) if state is InvoiceState.HELD else None
        return InvoiceNews(state, _whole(known, "amount") // MSAT, left)

    async def settle(self, preimage: bytes) -> bool:
        """Take what is held."""
        payment_hash = hash_of(preimage)
        await self._need(Capability.HOLD)
        refused = await self._order("settle_hold_invoice", {"preimage": preimage.hex()})
        state = await self._ended(payment_hash, refused is None)
        if state is InvoiceState.HELD:
            raise refused.told() if refused else FundingDown("the wallet has not taken what it holds yet")
        return state is InvoiceState.SETTLED

    async def cancel(self, payment_hash: bytes) -> bool:
        """Give back what is held, and let nobody pay.

        Raises:
            FundingDown: it can still be paid or is held; to be asked again.
            CannotDo: it is open, and this wallet can take back no invoice.
        """
        await self._line.learn()
        can = Capability.HOLD in self.capabilities
        params = {"payment_hash": payment_hash.hex()}
        refused = await self._order("cancel_hold_invoice", params) if can else None
        state = await self._ended(payment_hash, can and refused is None)
        if state not in (InvoiceState.OPEN, InvoiceState.HELD):
            return state is not InvoiceState.SETTLED
        if not can:
            raise CannotDo("the wallet cannot take back an invoice; it ends by itself")
        raise FundingDown("the wallet has not cancelled the invoice yet")

    async def _order(self, method: str, params: Mapping[str, object]) -> Refused | None:
        """Give an order; None: the wallet says that it was carried out."""
        try:
            await self._ask(method, params)
        except Refused as refused:
            return refused
        return None

    async def _ended(self, payment_hash: bytes, patient: bool) -> InvoiceState:
        """Where an invoice stands after an order; looked up a few times if it should end soon."""
        state = (await self.look_up(payment_hash)).state
        for pause in SETTLING if patient else ():
            if state not in (InvoiceState.OPEN, InvoiceState.HELD):
                break
            await asyncio.sleep(pause)
            state = (await self.look_up(payment_hash)).state
        return state

    def watch(self) -> AsyncIterator[bytes]:
        """Hashes of invoices about which there may be news: looked up in turn, and notified ones at once."""
        return self._poller.watch()

    def follow(self, payment_hash: bytes) -> None:
        """Include an invoice in what is watched, until it has ended."""
        self._poller.follow(payment_hash)

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        """Pay an invoice. NIP-47 knows no limit for the fee: `max_fee` cannot be told, the wallet decides."""
        del max_fee
        terms = await read_to_pay(payreq, self._network)
        await self._need(Capability.PAY)
        known = await self.look_up_payment(terms.payment_hash)
        if known in (PaymentState.PAID, PaymentState.UNDER_WAY):
            return known
        try:
            await self._ask("pay_invoice", {"invoice": payreq}, timeout)
        except Unanswered:
            return PaymentState.UNDER_WAY
        except Refused as refused:
            return await self._after(refused, terms.payment_hash)
        return PaymentState.PAID

    async def _after(self, refused: Refused, payment_hash: bytes) -> PaymentState:
        """What became of a payment that was answered with an error: it may be under way all the same."""
        told = refused.told()
        # Also where the wallet says that it did not begin: an earlier request may have, and taken the money.
        known = await self.look_up_payment(payment_hash)
        if known is not PaymentState.UNKNOWN:
            return known
        if refused.code in ("PAYMENT_FAILED", *_NOT_BEGUN):
            return PaymentState.FAILED
        if isinstance(told, CannotDo) or refused.code == "RATE_LIMITED":
            raise told
        return PaymentState.UNDER_WAY

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        """What became of a payment of ours."""
        known = await self._known(payment_hash)
        if known is None or known.get("type") == "incoming":
            return PaymentState.UNKNOWN
        return _PAYMENTS[_state(known)]

    async def health(self) -> str:
        """The wallet's name, network and newest block, if it tells them."""
        info = await self._line.learn()
        if "get_info" not in info.methods:
            await self._known(bytes(32))
            return "a wallet that answers"
        told = await self._told("get_info", {})
        name, network = plain(told.get("alias") or "a wallet"), plain(told.get("network") or "a network")
        return f"{name} on {network}, block {_whole(told, 'block_height')}"

    async def close(self) -> None:
        """Hang up."""
        await self._line.close()

    def _heard(self, notice: Notice) -> None:
        if notice.kind not in _NOTIFICATIONS:
            return
        try:
            self._poller.hint(bytes.fromhex(str(notice.said.get("payment_hash"))))
        except ValueError:
            return

    async def _need(self, what: Capability) -> None:
        await self._line.learn()
        if what not in self.capabilities:
            raise CannotDo(f"the wallet does not offer all of {', '.join(_NEEDS[what])}")

    async def _ask(
        self, method: str, params: Mapping[str, object], timeout: float | None = None
    ) -> Mapping[str, Any]:
        async with self._turns:
            return await self._line.ask(method, params, self._patience if timeout is None else timeout)

    async def _told(self, method: str, params: Mapping[str, object]) -> Mapping[str, Any]:
        """The result of a request that can be refused only for good or for now."""
        try:
            return await self._ask(method, params)
        except Refused as refused:
            raise refused.told() from None

    async def _known(self, payment_hash: bytes) -> Mapping[str, Any] | None:
        """What the wallet knows of an invoice or a payment. Whatever else it says is no knowledge."""
        try:
            return await self._ask("lookup_invoice", {"payment_hash": payment_hash.hex()})
        except Refused as refused:
            if refused.code == "NOT_FOUND":
                return None
            raise FundingDown(str(refused)) from None
        except CannotDo as error:
            raise FundingDown(str(error)) from None

    def _is_past(self, known: Mapping[str, Any]) -> bool:
        """Whether an invoice expired so long ago that no node takes a payment for it any more."""
        expires = _whole(known, "expires_at")
        return expires > 0 and expires * 1000 + LATE < self._clock()

    async def _blocks_left(self, known: Mapping[str, Any]) -> int | None:
        """Blocks until the wallet must have settled, if it tells that and where the chain is."""
        deadline = _whole(known, "settle_deadline")
        if not deadline:
            return None
        now = asyncio.get_running_loop().time()
        read, height = self._height
        if not height or now - read > HEIGHT_KEPT:
            try:
                height = _whole(await self._ask("get_info", {}), "block_height")
            except (Refused, FundingDown):
                return None
            self._height = (now, height)
        return max(0, deadline - height) if height else None


def _payreq(made: Mapping[str, Any]) -> str:
    payreq = made.get("invoice")
    if not isinstance(payreq, str):
        raise CannotDo("the wallet did not give the text of the invoice")
    return payreq


def _state(known: Mapping[str, Any]) -> str:
    """The state of an invoice or a payment; wallets of before 2025 tell only when it was settled."""
    state = known.get("state")
    if state is None:
        return "settled" if known.get("settled_at") else "pending"
    if not isinstance(state, str) or state not in _STATES:
        raise FundingDown(f"the wallet says an invoice is {plain(state)}, which means nothing to us")
    return state


def _whole(said: Mapping[str, Any], name: str) -> int:
    """A whole number that may be missing."""
    value = said.get(name)
    return value if isinstance(value, int) else 0
