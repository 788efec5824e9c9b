"""A wallet of an LNbits server: plain invoices.

LNbits cannot tell whether a payment is held, and settles at once what another wallet of the same server pays,
so it is not asked to hold. An invoice there cannot be taken back either: it ends when its time is over, and
what is paid until then is taken. So `cancel` of one that can still be paid is something it cannot do; whoever
needs it gone waits, and looks again.

Learnt from LNbits 1.6.2: amounts are given in sats and told in thousandths, negative for payments of ours;
without a good key an invoice is told without its details.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ulak.core.funding import (
    CannotDo,
    Capability,
    FundingDown,
    Invoice,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)
from ulak.core.times import Clock
from ulak.funding.invoices import MSAT, check_plain_aside, read_aside, trimmed
from ulak.funding.nostr import plain
from ulak.funding.polling import EVERY, LATE, Poller
from ulak.outbound import Answer, Outbound, OutboundError

PATIENCE = 15.0
"""Seconds until the server has answered."""

EXPIRIES_KEPT = 10_000
"""Invoices of which the end is remembered, so that each is decoded once."""

_PAYMENTS = "/api/v1/payments"


class LnbitsFunding:
    """A wallet at LNbits as a node (`core.funding.Funding`)."""

    def __init__(
        self,
        url: str,
        key: str,
        outbound: Outbound,
        clock: Clock,
        network: str | None = None,
        *,
        every: float = EVERY,
        patience: float = PATIENCE,
    ) -> None:
        """`url` is the server's, `key` the wallet's invoice key.

        The clock is the machine's, for the wallet lives by it. `network` is what invoices must be of, None
        for any; `every` and `patience` are seconds. `outbound` is not closed here.

        Raises:
            ValueError: the address or the key is none.
        """
        self._url = _checked_url(url)
        if not key.isascii() or not key.isalnum():
            raise ValueError("the key of a wallet is letters and digits")
        self._headers = {"X-Api-Key": key, "Content-Type": "application/json"}
        self._outbound = outbound
        self._clock = clock
        self._network = network
        self._patience = patience
        self._poller = Poller(self.look_up, every)
        self._expiries: dict[bytes, int] = {}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        return frozenset((Capability.PLAIN,))

    async def create_hold(self, payment_hash: bytes, amount: int, memo: str, expiry: int) -> Invoice:
        """Never: whether it is held could not be seen."""
        del payment_hash, amount, memo, expiry
        raise CannotDo("LNbits cannot tell whether a payment is held")

    async def create_plain(self, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice whose payment is taken at once."""
        asked = {"out": False, "amount": amount, "unit": "sat", "memo": trimmed(memo), "expiry": expiry}
        answer = await self._ask("POST", _PAYMENTS, asked)
        made = _good(answer)
        payreq = made.get("bolt11") or made.get("payment_request")
        if not isinstance(payreq, str):
            raise CannotDo("LNbits did not give the text of the invoice")
        return await check_plain_aside(payreq, amount, self._network)

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        """Where an invoice stands. One that was not paid for long after its expiry is cancelled."""
        known = await self._known(payment_hash)
        msat = 0 if known is None else _msat(known)
        if known is None or msat < 0:
            return InvoiceNews(InvoiceState.UNKNOWN)
        if known.get("paid") is True:
            return InvoiceNews(InvoiceState.SETTLED, msat // MSAT)
        if known.get("status") == "failed" or await self._is_past(payment_hash, known["details"]):
            return InvoiceNews(InvoiceState.CANCELLED)
        return InvoiceNews(InvoiceState.OPEN)

    async def settle(self, preimage: bytes) -> bool:
        """Never: nothing is held."""
        del preimage
        raise CannotDo("LNbits holds nothing that could be taken")

    async def cancel(self, payment_hash: bytes) -> bool:
        """Whether nobody can pay.

        Raises:
            CannotDo: somebody still can, and that cannot be changed; to be asked again after the expiry.
        """
        state = (await self.look_up(payment_hash)).state
        if state is InvoiceState.OPEN:
            raise CannotDo("LNbits cannot take back an invoice; it ends by itself")
        return state is not InvoiceState.SETTLED

    def watch(self) -> AsyncIterator[bytes]:
        """Hashes of followed invoices about which there is news; they are looked up in turn."""
        return self._poller.watch()

    def follow(self, payment_hash: bytes) -> None:
        """Include an invoice in what is watched, until it has ended."""
        self._poller.follow(payment_hash)

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        """Never: an invoice key cannot pay."""
        del payreq, max_fee, timeout
        raise CannotDo("an invoice key of LNbits cannot pay")

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        """Never: there are none."""
        del payment_hash
        raise CannotDo("an invoice key of LNbits cannot pay")

    async def health(self) -> str:
        """The name of the wallet."""
        said = _good(await self._ask("GET", "/api/v1/wallet"))
        return f"the wallet {plain(said.get('name'))} at LNbits"

    async def close(self) -> None:
        """There is no connection of its own."""

    async def _known(self, payment_hash: bytes) -> Mapping[str, Any] | None:
        """What the server tells of an invoice or payment of this wallet; with `details`."""
        answer = await self._ask("GET", f"{_PAYMENTS}/{payment_hash.hex()}")
        if answer.status == 404:
            await self._check_key()
            return None
        said = _read(answer)
        if answer.status != 200:
            raise FundingDown(_refusal(answer))
        if not isinstance(said.get("details"), dict):
            raise FundingDown("LNbits tells no details: the key is not of this wallet any more")
        return said

    async def _check_key(self) -> None:
        """With a key that is none, or at a server that is no LNbits, every invoice is unknown."""
        try:
            await self.health()
        except CannotDo as error:
            raise FundingDown(str(error)) from None

    async def _is_past(self, payment_hash: bytes, details: Mapping[str, Any]) -> bool:
        """Whether an invoice expired so long ago that no node takes a payment for it any more."""
        expires = self._expiries.get(payment_hash)
        if expires is None:
            try:
                expires = (await read_aside(str(details.get("bolt11")))).expires
            except CannotDo:
                return False
            if len(self._expiries) >= EXPIRIES_KEPT:
                self._expiries.clear()
            self._expiries[payment_hash] = expires
        return expires + LATE < self._clock()

    async def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        content = None if body is None else msgspec.json.encode(body)
        try:
            return await self._outbound.request(
                method,
                self._url + path,
                headers=self._headers,
                body=content,
                timeout=self._patience,
                guard=False,
            )
        except OutboundError as error:
            raise FundingDown(f"LNbits: {error}") from None


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the address of the server is like https://lnbits.example.org")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address of the server must not hold a user or a password")
    return url.rstrip("/")


def _read(answer: Answer) -> Mapping[str, Any]:
    """The object that an answer is; empty when it is none."""
    try:
        said = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _good(answer: Answer) -> Mapping[str, Any]:
    """What a good answer says. The server's own failures pass, refusals stay."""
    if answer.status in (200, 201):
        return _read(answer)
    if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
        raise CannotDo(_refusal(answer))
    raise FundingDown(_refusal(answer))


def _refusal(answer: Answer) -> str:
    return f"LNbits says {answer.status}: {plain(_read(answer).get('detail', ''))}"


def _msat(known: Mapping[str, Any]) -> int:
    """Thousandths of a sat: negative for what we pay."""
    amount = known["details"].get("amount")
    if not isinstance(amount, int):
        raise FundingDown("LNbits tells an amount that is none")
    return amount
