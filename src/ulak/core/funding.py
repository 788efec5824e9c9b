"""What the engine asks of a Lightning node, and what a node may say back.

We make the preimage and keep it; the node holds what is paid until it is told to settle or to cancel. Every
call may be made again after a crash or an outage, and then has no second effect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple, Protocol

from ulak.core.errors import UlakError

GUARD_BLOCKS = 24
"""A payment that is held is cancelled when its HTLC has so few blocks left: near its timeout a node would
close the channel to get its money back."""

MIN_CLTV = 144
"""Blocks that a payment can be held at least, asked for in each hold invoice: a day; we need 21 minutes."""

HELD_MIN = GUARD_BLOCKS + 12
"""Blocks that it has to be held at least, whatever the node makes of that: 21 minutes can be many blocks, and
then it must not be time to give it back."""

HASH_SIZE = 32
"""Octets of a payment hash, and of a preimage."""


def bare(payreq: str) -> str:
    """An invoice without what people paste around it: spaces, and the scheme of its URI (BOLT 11)."""
    text = payreq.strip()
    return text[len(_SCHEME) :] if text[: len(_SCHEME)].lower() == _SCHEME else text


_SCHEME = "lightning:"


class Capability(Enum):
    """What a kind of node can do."""

    HOLD = "hold"
    """Hold what is paid, say so, and settle or cancel it on command."""
    PLAIN = "plain"
    """Invoices whose payment is taken at once."""
    PAY = "pay"
    """Pay the invoices of others."""


class InvoiceState(IntEnum):
    """Where an invoice stands at the node."""

    OPEN = 2
    """It can be paid."""
    HELD = 3
    """It is paid; the money is locked and not yet anybody's."""
    SETTLED = 4
    CANCELLED = 5
    """Cancelled or expired: it cannot be paid any more, and nothing is held."""
    UNKNOWN = 6
    """The node knows no such invoice."""


class FundingDown(UlakError):
    """The node could not be asked, or did not answer in time; what was asked may have been done."""


class CannotDo(UlakError):
    """This kind of node cannot do what was asked, or refused it for good."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as the node made it: `payreq` is its text (BOLT 11), `amount` in sats, `expires` ms UTC."""

    payreq: str
    payment_hash: bytes
    amount: int
    expires: int


class InvoiceNews(NamedTuple):
    """Where an invoice stands. `amount` are the sats that are held or were taken; a payer may give up to
    twice what was asked for (BOLT 4). `blocks_left`: until the first of its HTLCs times out, if known."""

    state: InvoiceState
    amount: int = 0
    blocks_left: int | None = None


class PaymentState(IntEnum):
    """What became of a payment of ours."""

    UNDER_WAY = 2
    PAID = 3
    FAILED = 4
    """Nothing was paid, and nothing will be."""
    UNKNOWN = 5
    """The node knows of no such payment: it was never begun."""


class Funding(Protocol):
    """A node, or a service in front of one. All methods raise `FundingDown` when it cannot be asked."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do. Whatever else is asked of it raises `CannotDo`."""

    async def create_hold(self, payment_hash: bytes, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice over `amount` sats whose payment is held; payable for `expiry` seconds.

        Asked twice with one hash it gives the same invoice, or raises `CannotDo`.
        """

    async def create_plain(self, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice whose payment is taken at once."""

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        """Where an invoice stands."""

    async def settle(self, preimage: bytes) -> bool:
        """Take what is held. True: it is taken, now or before. False: nothing is held (any more)."""

    async def cancel(self, payment_hash: bytes) -> bool:
        """Give back what is held, and let nobody pay. True: done, now or before, or the node knows no such
        invoice. False: it was settled before."""

    def watch(self) -> AsyncIterator[bytes]:
        """Hashes of invoices about which there may be news, for ever: at least once each, maybe for nothing.

        It ends, or raises `FundingDown`, when the node is lost; whoever watches asks again, and looks after
        all its invoices by himself meanwhile.
        """

    def follow(self, payment_hash: bytes) -> None:
        """Include an invoice in what is watched, until it has ended. Cheap; never raises."""

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        """Pay an invoice of somebody else, for at most `max_fee` sats. Asked twice with one invoice it pays
        once. What takes longer than `timeout` seconds is under way."""

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        """What became of a payment of ours."""

    async def health(self) -> str:
        """A short sentence about a node that answers."""

    async def close(self) -> None:
        """Hang up."""
