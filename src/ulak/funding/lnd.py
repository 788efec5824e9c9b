"""An LND node over its REST interface: `ulak.core.funding.Funding` with invoices whose payment is held.

Facts are from LND's REST reference and source: octets travel as base64, 64-bit integers as text, and nearly
every refusal has status 500 and a text that changes between versions. So a refusal is never read where its
reason matters: what the invoice or the payment is now is looked up, and that decides.

The macaroon needs the permissions of `PERMISSIONS`; without the last two everything works but `pay`.
"""

from __future__ import annotations

import asyncio
import re
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from ulak.core.funding import (
    HASH_SIZE,
    MIN_CLTV,
    CannotDo,
    Capability,
    FundingDown,
    Invoice,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)
from ulak.funding import invoices
from ulak.funding.lnd_rest import Refused, Rest
from ulak.funding.lnd_watch import Watcher

PERMISSIONS = "info:read invoices:read invoices:write offchain:read offchain:write"
"""What a macaroon is baked with: `lncli bakemacaroon` and these words."""

TIMEOUT = 15.0
"""Seconds for one answer."""

HEIGHT_KEPT = 5.0
"""Seconds that the height of the chain is taken for known."""

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")
_PEM = "-----BEGIN CERTIFICATE-----"

_NETWORKS = {
    "mainnet": invoices.MAINNET,
    "testnet": invoices.TESTNET,
    "testnet4": invoices.TESTNET,
    "signet": invoices.SIGNET,
    "regtest": invoices.REGTEST,
}
_INVOICE_STATES = {
    "OPEN": InvoiceState.OPEN,
    "ACCEPTED": InvoiceState.HELD,
    "SETTLED": InvoiceState.SETTLED,
    "CANCELED": InvoiceState.CANCELLED,
}
_PAYMENT_STATES = {"SUCCEEDED": PaymentState.PAID, "FAILED": PaymentState.FAILED}


class LndSettings(NamedTuple):
    """Where a node is and how to talk to it: `LndFunding(*settings)`."""

    url: str
    macaroon: str
    certificate: str | None

    def __repr__(self) -> str:
        return f"LndSettings({self.url!r})"


class _Htlc(msgspec.Struct):
    amt_msat: int = 0
    expiry_height: int = 0
    state: str = ""


class _Invoice(msgspec.Struct):
    state: str
    payment_request: str = ""
    amt_paid_msat: int = 0
    htlcs: list[_Htlc] = []


class _Made(msgspec.Struct):
    payment_request: str


class _Payment(msgspec.Struct):
    status: str


class _Chain(msgspec.Struct):
    network: str = ""


class _Info(msgspec.Struct):
    block_height: int
    version: str = ""
    num_active_channels: int = 0
    synced_to_chain: bool = False
    chains: list[_Chain] = []


def parse_settings(url: str, macaroon: str, certificate: str = "") -> LndSettings:
    """Read what an operator says of a node.

    `macaroon` is its hexadecimal text or the path of its file, `certificate` the path of the node's
    `tls.cert`; without one an authority that this machine trusts must have signed what the node shows.

    Raises:
        ValueError: it cannot be used; the text says why and repeats no secret.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the address of the Lightning node must be like https://127.0.0.1:8080")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address of the Lightning node must not hold a user or a password")
    if certificate and parts.scheme != "https":
        raise ValueError("a certificate is given, but the address does not begin with https://")
    return LndSettings(
        url.strip().rstrip("/"), _macaroon(macaroon.strip()), _certificate(certificate.strip())
    )


def _macaroon(text: str) -> str:
    if _HEX.fullmatch(text):
        return text.lower()
    if not text:
        raise ValueError("the Lightning node's macaroon is missing")
    try:
        octets = Path(text).read_bytes()
    except (OSError, ValueError):
        raise ValueError("the macaroon is neither hexadecimal nor a file that can be read") from None
    if not octets:
        raise ValueError("the file of the macaroon is empty")
    return octets.hex()


def _certificate(path: str) -> str | None:
    if not path:
        return None
    try:
        text = Path(path).read_text("ascii")
    except (OSError, ValueError):
        raise ValueError("the certificate of the Lightning node cannot be read") from None
    if _PEM not in text:
        raise ValueError("the file of the Lightning node's certificate holds none (PEM)")
    return text


class LndFunding:
    """One node. It is used on one event loop."""

    def __init__(
        self,
        url: str,
        macaroon: str,
        certificate: str | None = None,
        *,
        timeout: float = TIMEOUT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`macaroon` in hexadecimal; `certificate` in PEM is the only one that the node may show."""
        self._rest = Rest(url, macaroon, certificate, timeout)
        self._timeout = timeout
        self._monotonic = monotonic
        self._watcher = Watcher(self.look_up, self._states, self.health)
        self._info: tuple[float, _Info] | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything."""
        return frozenset((Capability.HOLD, Capability.PLAIN, Capability.PAY))

    async def create_hold(self, payment_hash: bytes, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice whose payment is held for up to `MIN_CLTV` blocks. A hash has one invoice."""
        body = _terms(amount, memo, expiry) | {
            "hash": b64encode(_sized(payment_hash)).decode(),
            "cltv_expiry": str(MIN_CLTV),
        }
        network = await self._network()
        try:
            payreq = (await self._ask("POST", "/v2/invoices/hodl", _Made, body)).payment_request
        except Refused as refusal:
            # Most refusals look the same. If the hash has an invoice, it was asked for before.
            found = await self._find(payment_hash)
            if found is None:
                raise _for_good(refusal) from None
            payreq = found.payment_request
        return await invoices.check_aside(payreq, payment_hash, amount, network, MIN_CLTV)

    async def create_plain(self, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice with a preimage of the node's."""
        network = await self._network()
        try:
            made = await self._ask("POST", "/v1/invoices", _Made, _terms(amount, memo, expiry))
        except Refused as refusal:
            raise _for_good(refusal) from None
        return await invoices.check_plain_aside(made.payment_request, amount, network)

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        """Where an invoice stands. Invoices that LND has deleted are unknown."""
        found = await self._find(payment_hash)
        if found is None:
            return InvoiceNews(InvoiceState.UNKNOWN)
        state = _state_of(found)
        counted = [htlc for htlc in found.htlcs if htlc.state in ("ACCEPTED", "SETTLED")]
        msat = sum(htlc.amt_msat for htlc in counted) or found.amt_paid_msat
        if state is not InvoiceState.HELD:
            return InvoiceNews(state, msat // invoices.MSAT if state is InvoiceState.SETTLED else 0)
        ends = [htlc.expiry_height for htlc in counted if htlc.expiry_height]
        left = min(ends) - (await self._about()).block_height if ends else None
        return InvoiceNews(state, msat // invoices.MSAT, left)

    async def settle(self, preimage: bytes) -> bool:
        """Take what is held under the preimage's hash."""
        payment_hash = invoices.hash_of(preimage)
        try:
            await self._ask("POST", "/v2/invoices/settle", dict, {"preimage": b64encode(preimage).decode()})
        except Refused:
            state = (await self.look_up(payment_hash)).state
            if state is InvoiceState.HELD:
                raise FundingDown("the Lightning node refuses to settle what it holds") from None
            return state is InvoiceState.SETTLED
        return True

    async def cancel(self, payment_hash: bytes) -> bool:
        """Give back what is held under a hash."""
        body = {"payment_hash": b64encode(_sized(payment_hash)).decode()}
        try:
            await self._ask("POST", "/v2/invoices/cancel", dict, body)
        except Refused:
            state = (await self.look_up(payment_hash)).state
            if state in (InvoiceState.OPEN, InvoiceState.HELD):
                raise FundingDown("the Lightning node refuses to cancel an invoice") from None
            return state is not InvoiceState.SETTLED
        return True

    def watch(self) -> AsyncGenerator[bytes, None]:
        """Hashes of followed invoices with news. There is one watcher at a time; see `lnd_watch`."""
        return self._watcher.run()

    def follow(self, payment_hash: bytes) -> None:
        """Watch an invoice until it has ended."""
        self._watcher.follow(payment_hash)

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        """Pay an invoice of somebody else. LND goes on with it when nobody listens any more."""
        terms = await invoices.read_to_pay(payreq, await self._network())
        body = {
            "payment_request": payreq.strip(),
            "fee_limit_sat": str(max_fee),
            "timeout_seconds": max(1, round(timeout)),
        }
        state = None
        try:
            async with asyncio.timeout(timeout):
                async with aclosing(self._rest.lines("POST", "/v2/router/send", _Payment, body)) as lines:
                    async for said in lines:
                        state = _payment_state(said)
                        if state is not PaymentState.UNDER_WAY:
                            return state
        except TimeoutError:
            if state is not None:
                return state
        except Refused:
            # It did not begin: it was begun before, or cannot be.
            found = await self.look_up_payment(terms.payment_hash)
            return PaymentState.FAILED if found is PaymentState.UNKNOWN else found
        found = await self.look_up_payment(terms.payment_hash)
        if found is PaymentState.UNKNOWN:
            raise FundingDown("the Lightning node does not say what became of a payment")
        return found

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        """What became of a payment: the first line of its stream."""
        path = f"/v2/router/track/{urlsafe_b64encode(_sized(payment_hash)).decode()}"
        try:
            async with (
                asyncio.timeout(self._timeout),
                aclosing(self._rest.lines("GET", path, _Payment)) as lines,
            ):
                async for said in lines:
                    return _payment_state(said)
        except TimeoutError:
            pass
        except Refused as refusal:
            if refusal.missing or "initiated" in refusal.text:
                return PaymentState.UNKNOWN
            raise _unclear(refusal) from None
        raise FundingDown("the Lightning node does not say what became of a payment")

    async def health(self) -> str:
        """Version, network, height and channels of the node."""
        info = await self._about(fresh=True)
        version = _VERSION.match(info.version)
        words = f"LND {version[0] if version else 'of an unknown version'} on {await self._network() or '?'}"
        words += f", block {info.block_height}, {info.num_active_channels} active channels"
        return words if info.synced_to_chain else f"{words}, not in step with the chain"

    async def close(self) -> None:
        """Close every connection."""
        await self._rest.close()

    async def _ask(self, method: str, path: str, kind: type[Any], body: dict[str, Any] | None = None) -> Any:
        return await self._rest.ask(method, path, kind, body)

    async def _find(self, payment_hash: bytes) -> _Invoice | None:
        """What the node says of an invoice, None if it knows none."""
        try:
            found: _Invoice = await self._ask("GET", f"/v1/invoice/{_sized(payment_hash).hex()}", _Invoice)
        except Refused as refusal:
            if refusal.missing or "unable to locate" in refusal.text or "no existing" in refusal.text:
                return None
            raise _unclear(refusal) from None
        return found

    async def _states(self, payment_hash: bytes) -> AsyncGenerator[InvoiceState, None]:
        """States of an invoice as they come, the present one first; nothing comes of one that is unknown."""
        path = f"/v2/invoices/subscribe/{urlsafe_b64encode(payment_hash).decode()}"
        try:
            async with aclosing(self._rest.lines("GET", path, _Invoice)) as lines:
                async for said in lines:
                    yield _state_of(said)
        except Refused as refusal:
            raise _unclear(refusal) from None

    async def _about(self, *, fresh: bool = False) -> _Info:
        """The node itself, as it was a moment ago."""
        now = self._monotonic()
        if not fresh and self._info is not None and now - self._info[0] < HEIGHT_KEPT:
            return self._info[1]
        try:
            info: _Info = await self._ask("GET", "/v1/getinfo", _Info)
        except Refused as refusal:
            raise _unclear(refusal) from None
        self._info = now, info
        return info

    async def _network(self) -> str | None:
        """The network that the node is on, which never changes; None if we have no name for it."""
        info = self._info[1] if self._info is not None else await self._about()
        return _NETWORKS.get(info.chains[0].network) if info.chains else None


def _terms(amount: int, memo: str, expiry: int) -> dict[str, Any]:
    """What every invoice is made with. Hints for the route are added when all channels are private ones."""
    return {"value": str(amount), "memo": invoices.trimmed(memo), "expiry": str(expiry), "private": True}


def _sized(payment_hash: bytes) -> bytes:
    if len(payment_hash) != HASH_SIZE:
        raise ValueError(f"a payment hash has {HASH_SIZE} octets")
    return payment_hash


def _state_of(found: _Invoice) -> InvoiceState:
    state = _INVOICE_STATES.get(found.state)
    if state is None:
        raise FundingDown("the Lightning node says a state of an invoice that there is not")
    return state


def _payment_state(said: _Payment) -> PaymentState:
    return _PAYMENT_STATES.get(said.status, PaymentState.UNDER_WAY)


def _unclear(refusal: Refused) -> FundingDown:
    return FundingDown(f"the Lightning node answered with an error that we do not know{refusal.reason}")


def _for_good(refusal: Refused) -> CannotDo | FundingDown:
    """A request for an invoice that was refused: for good, when it is what was asked for that is wrong."""
    if refusal.invalid or "too large" in refusal.text:
        return CannotDo(f"the Lightning node makes no such invoice{refusal.reason}")
    return _unclear(refusal)
